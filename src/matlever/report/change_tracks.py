"""Short lines on which a knob or a prediction moves from where it stands to where it should be.

Positions are shares of the line in per cent; everything is an element of the page, so that the
lines stretch with it.
"""

from __future__ import annotations

import math

from matlever.report._text import text

__all__ = ["knob_track", "target_track"]

_MARGIN = 0.06
Ends = tuple[float | None, float | None]


def knob_track(start: float, end: float, low: float | None, high: float | None, words: str) -> str:
    """Draw a knob between its limits, with the way it is turned."""
    ends = [value for value in (low, high, start, end) if value is not None]
    least, most = min(ends), max(ends)
    if not most > least:
        return ""
    a, b = ((value - least) / (most - least) for value in (start, end))
    return _track(words, f'<i class="axis"></i>{_way(a, b)}')


def target_track(
    before: float | None,
    after: float | None,
    interval: Ends,
    goal: Ends,
    measured: tuple[float, float],
    words: str,
    *,
    log: bool = False,
) -> str:
    """Draw a prediction before and after, its interval and the goal, on the measured range."""
    if after is None:
        return ""
    given = [v for v in (before, after, *measured) if v is not None]
    if log and min(given) > 0:
        before, after = _log(before), math.log(after)
        interval, goal = (_log(interval[0]), _log(interval[1])), (_log(goal[0]), _log(goal[1]))
        measured = (math.log(measured[0]), math.log(measured[1]))
    values = [v for v in (before, after, *interval, *goal, *measured) if v is not None]
    values = [v for v in values if math.isfinite(v)]
    least, most = min(values), max(values)
    if not most > least:
        return ""
    margin = _MARGIN * (most - least)
    least, most = least - margin, most + margin

    def at(value: float) -> float:
        return (value - least) / (most - least)

    drawn = '<i class="axis"></i>'
    low, high = goal
    if low is not None or high is not None:
        a = 0.0 if low is None else at(low)
        b = 1.0 if high is None else at(high)
        drawn += f'<i class="goal" style="left:{a:.1%};width:{max(b - a, 0.006):.1%}"></i>'
    if interval[0] is not None and interval[1] is not None:
        a, b = at(interval[0]), at(interval[1])
        drawn += f'<i class="span" style="left:{a:.1%};width:{max(b - a, 0.0):.1%}"></i>'
    drawn += _way(at(after) if before is None else at(before), at(after))
    return _track(words, drawn)


def _log(value: float | None) -> float | None:
    """Return the logarithm, None where there is none."""
    return math.log(value) if value is not None and value > 0 else None


def _way(start: float, end: float) -> str:
    """Draw a ring, an arrow's shaft and a dot."""
    left, right = min(start, end), max(start, end)
    return (
        f'<i class="way" style="left:{left:.1%};width:{right - left:.1%}"></i>'
        f'<i class="dot ring" style="left:{start:.1%}"></i>'
        f'<i class="dot" style="left:{end:.1%}"></i>'
    )


def _track(words: str, drawn: str) -> str:
    return f'<span class="track" role="img" aria-label="{text(words, 200)}">{drawn}</span>'
