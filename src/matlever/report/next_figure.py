"""What suggested experiments are expected to give, beside what is known already."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matlever.report._text import number_text, plain
from matlever.report.canvas import axis_label, colour, new_axes, style_ticks, to_svg, write
from matlever.report.figures import thin_out

__all__ = ["Expectation", "expectations"]

Floats = NDArray[np.float64]
_STEP = 30.0


@dataclass(frozen=True)
class Expectation:
    """What one experiment is expected to give; NaN where there is no number."""

    name: str
    predicted: float
    lower: float
    upper: float


def expectations(
    uid: str,
    entries: Sequence[Expectation],
    what: str,
    description: str,
    *,
    best: float | None = None,
    goal: tuple[float | None, float | None] | None = None,
    known: Floats | None = None,
) -> str:
    """Draw an interval per experiment, the best known value, the goal, and the known runs.

    Returns ``""`` when nothing can be drawn.
    """
    drawn = [entry for entry in entries if math.isfinite(entry.predicted)]
    if not drawn:
        return ""
    measured = np.empty(0) if known is None else known[np.isfinite(known)]
    ends = [v for e in drawn for v in (e.predicted, e.lower, e.upper)]
    ends += [v for v in (best, *(goal or ())) if v is not None]
    values = np.r_[[v for v in ends if math.isfinite(v)], measured]
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low) or max(abs(high), 1e-12) * 0.1
    low, high = low - margin, high + margin
    figure, axes = new_axes(400, _STEP * len(drawn) + 112, (34, 16, 34, 50))
    axes.set_xlim(low, high)
    axes.set_ylim(len(drawn) + 0.55, -0.7)
    style_ticks(axes, "x", n=5)
    axes.set_yticks(range(len(drawn)))
    axes.set_yticklabels([plain(entry.name, 6) for entry in drawn], parse_math=False)
    if goal is not None:
        start, end = (v if v is not None else e for v, e in zip(goal, (low, high), strict=True))
        axes.axvspan(start, end, color=colour("green"), alpha=0.14, linewidth=0)
        if start == end:
            axes.axvline(start, color=colour("green"), linewidth=1.4)
    if best is not None and math.isfinite(best):
        axes.axvline(best, color=colour("orange"), linewidth=1.4, linestyle=(0, (4, 3)), zorder=2)
        side = "right" if best > (low + high) / 2 else "left"
        words = f"best so far {number_text(best)}"
        pad = (-1 if side == "right" else 1) * 0.01 * (high - low)
        write(axes, best + pad, -0.55, words, color=colour("orange"), ha=side, va="center")
    for place, entry in enumerate(drawn):
        if math.isfinite(entry.lower) and math.isfinite(entry.upper):
            axes.hlines(place, entry.lower, entry.upper, color=colour("wash"), linewidth=9)
        axes.scatter([entry.predicted], [place], s=44, color=colour("blue"), linewidths=0, zorder=3)
    for value in np.unique(measured)[thin_out(len(np.unique(measured)), 200)]:
        axes.plot(
            [value, value],
            [len(drawn) + 0.1, len(drawn) + 0.45],
            color=colour("soft"),
            linewidth=1,
        )
    axis_label(axes, plain(what, 46), "experiment", left=30)
    return to_svg(figure, uid, description)
