"""What to change: from each row the least change that reaches a goal, as tracks and in words."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from matlever.report._text import DASH, label, number_text, percent, plain, quantity, text, trimmed
from matlever.report._values import flag, items, mapping, number, records, string
from matlever.report.change_tracks import knob_track, target_track
from matlever.report.overview import warning_box

__all__ = ["CHANGE_ANCHOR", "change_section"]

CHANGE_ANCHOR = "change"
_MOST_QUESTIONS = 8
_MOST_ROWS = 12
_MOST_ANSWERS = 4
_MOST_KNOBS = 12


@dataclass(frozen=True)
class _Scales:
    """On which line a target is drawn: the measured range, and whether it is a logarithm's."""

    ranges: Mapping[str, tuple[float, float]]
    logs: Collection[str]

    def range_of(self, name: str) -> tuple[float, float]:
        return self.ranges.get(name, (math.inf, -math.inf))


def change_section(results: Mapping[str, Any], mark: str = "") -> str:
    """Return the section on what to change, or nothing where it was not asked."""
    found = mapping(results.get("changes"))
    if not found:
        return ""
    sentence = text(string(found.get("sentence")), 900)
    questions = records(found.get("questions"))[:_MOST_QUESTIONS]
    ranges = _measured(results)
    logs = {
        string(target.get("name"))
        for target in records(results.get("targets"))
        if flag(target.get("log_scale"))
    }
    bad = "" if questions else ' class="say bad"'
    body = f"<div{bad}><p>{sentence}</p></div>" if sentence else ""
    cards = [_cards(question, _Scales(ranges, logs)) for question in questions]
    if len(cards) > 1 and all(len(own) == 1 for own in cards):
        body += f'<div class="grid changes">{"".join(own[0] for own in cards)}</div>'
        body += "".join(_around(question) for question in questions)
    else:
        body += "".join(
            _headed(question, own) + _around(question)
            for question, own in zip(questions, cards, strict=True)
        )
    if any(records(question.get("rows")) for question in questions):
        body += _KEY
    return f'<section id="{CHANGE_ANCHOR}"><h2>What to change{mark}</h2>{body}</section>'


_KEY = (
    '<ul class="key"><li><i class="dot ring"></i>where the row stands</li>'
    '<li><i class="dot"></i>where to set it, and what is predicted then</li>'
    '<li><i class="bar-of" style="background:var(--wash)"></i>interval of the prediction</li>'
    '<li><i class="bar-of" style="background:var(--green);opacity:.35"></i>goal</li></ul>'
    '<p class="how">Each line is a knob between its limits, or the target between the lowest and '
    "the highest value measured. The change is the least that was found: no changed knob can go "
    "back alone while the goal holds. All other knobs stay as they are. It is what the model "
    "expects, not a measurement; the interval says how far a new run may land from it. A "
    "prediction that only just meets the goal is missed about every other time: <code>matlever "
    "change --sure</code> asks for the whole interval to meet it.</p>"
)


def _measured(results: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Return the lowest and the highest measured value of each column."""
    found = {}
    for column in records(mapping(results.get("data")).get("columns")):
        low, high = number(column.get("lower")), number(column.get("upper"))
        if low is not None and high is not None and low < high:
            found[string(column.get("name"))] = (low, high)
    return found


def _cards(question: Mapping[str, Any], scales: _Scales) -> list[str]:
    """Return one card per answer; an only one says itself what was asked."""
    found = []
    rows = records(question.get("rows"))[:_MOST_ROWS]
    answers = [records(row.get("answers"))[:_MOST_ANSWERS] for row in rows]
    alone = sum(map(len, answers)) == 1
    for row, own in zip(rows, answers, strict=True):
        for place, answer in enumerate(own):
            name = f"From row {text(string(row.get('row')), 60) or DASH}"
            name += f", answer {place + 1}" if len(own) > 1 else ""
            asked = text(string(question.get("sentence")), 400) if alone else ""
            head = f"<h3>{asked}</h3><p>{name}</p>" if asked else f"<h3>{name}</h3>"
            found.append(_card(question, row, answer, scales, head))
    return found


def _headed(question: Mapping[str, Any], cards: list[str]) -> str:
    sentence = text(string(question.get("sentence")), 400) if len(cards) != 1 else ""
    return (f"<h3>{sentence}</h3>" if sentence else "") + (
        f'<div class="grid changes">{"".join(cards)}</div>' if cards else ""
    )


def _around(question: Mapping[str, Any]) -> str:
    """Return what is left out, and what a reader has to know."""
    left = len(records(question.get("rows"))) - _MOST_ROWS
    more = f'<p class="how">… and {left:,} more rows in results.json.</p>' if left > 0 else ""
    warned = [text(string(warning)) for warning in items(question.get("warnings"))]
    if flag(question.get("timed_out")):
        warned.append("The time limit ended the search: smaller changes may exist.")
    return more + warning_box(warned, "Before you act on this")


def _card(
    question: Mapping[str, Any],
    row: Mapping[str, Any],
    answer: Mapping[str, Any],
    scales: _Scales,
    head: str,
) -> str:
    knobs = records(question.get("knobs"))
    changed = [string(name) for name in items(answer.get("changed"))]
    start, end = items(row.get("start")), items(answer.get("settings"))
    lines = []
    by_name = {string(knob.get("name")): j for j, knob in enumerate(knobs)}
    for name in changed[:_MOST_KNOBS]:
        j = by_name.get(name, -1)
        if 0 <= j < min(len(start), len(end)):
            lines.append(_knob_line(knobs[j], start[j], end[j]))
    more = len(changed) - _MOST_KNOBS
    if more > 0:
        lines.append(f'<p class="how">… and {more:,} more knobs.</p>')
    state = (
        '<span class="pill strong">goal reached</span>'
        if flag(answer.get("reached"))
        else '<span class="pill none">goal not reached</span>'
    )
    targets = _target_lines(question, row, answer, scales)
    said = text(string(answer.get("sentence")), 700)
    return (
        f'<article class="panel">{head}{state}'
        f'<div class="steps">{"".join(lines)}{targets}</div>'
        + (f"<p>{said}</p>" if said else "")
        + _beside(answer)
        + "</article>"
    )


def _knob_line(knob: Mapping[str, Any], start: object, end: object) -> str:
    name = label(string(knob.get("name")), string(knob.get("unit")))
    before, after = number(start), number(end)
    if before is None or after is None:
        values = f"{text(string(start), 40) or DASH} → <b>{text(string(end), 40) or DASH}</b>"
        return _line(name, "", values)
    digits = next((d for d in range(4, 9) if trimmed(before, d) != trimmed(after, d)), 9)
    values = f"{trimmed(before, digits)} → <b>{trimmed(after, digits)}</b>"
    low, high = number(knob.get("lower")), number(knob.get("upper"))
    track = knob_track(before, after, low, high, f"{plain(name, 80)}: the way it is turned.")
    return _line(name, track, values)


def _line(name: str, track: str, values: str, style: str = "") -> str:
    return (
        f'<div class="step{style}"><div class="name">{text(name, 72)}</div>'
        f'<div class="value">{values}</div>{track}</div>'
    )


def _target_lines(
    question: Mapping[str, Any],
    row: Mapping[str, Any],
    answer: Mapping[str, Any],
    scales: _Scales,
) -> str:
    names = [string(name) for name in items(question.get("targets"))]
    units = [string(unit) for unit in items(question.get("target_units"))]
    goals = {string(goal.get("target")): goal for goal in records(question.get("goal"))}
    lines = []
    for t, name in enumerate(names):
        goal = goals.get(name, goals.get(str(t)))
        if goal is None:
            continue
        before, after, lower, upper = (
            _at(values, t)
            for values in (
                row.get("start_prediction"),
                answer.get("prediction"),
                answer.get("lower"),
                answer.get("upper"),
            )
        )
        unit = units[t] if t < len(units) else ""
        track = target_track(
            before,
            after,
            (lower, upper),
            (number(goal.get("lower")), number(goal.get("upper"))),
            scales.range_of(name),
            f"{plain(name, 80)}: predicted before and after, and the goal.",
            log=name in scales.logs,
        )
        lines.append(_line(label(name, unit), track, _values(before, after, lower, upper), " aim"))
    for other in records(answer.get("others"))[:_MOST_KNOBS]:
        name = string(other.get("target"))
        before, after, lower, upper = (
            number(other.get(key)) for key in ("before", "after", "lower", "upper")
        )
        track = target_track(
            before,
            after,
            (lower, upper),
            (None, None),
            scales.range_of(name),
            f"{plain(name, 80)}: predicted before and after; no goal.",
            log=name in scales.logs,
        )
        lines.append(_line(name, track, _values(before, after, lower, upper), " aside"))
    return "".join(lines)


def _at(values: object, place: int) -> float | None:
    found = items(values)
    return number(found[place]) if place < len(found) else None


def _values(
    before: float | None, after: float | None, lower: float | None, upper: float | None
) -> str:
    between = ""
    if lower is not None and upper is not None:
        between = f" <small>({number_text(lower)} to {number_text(upper)})</small>"
    return f"{number_text(before)} → <b>{number_text(after)}</b>{between}"


def _beside(answer: Mapping[str, Any]) -> str:
    """Return what is near to the answer, and whether the model knows that ground."""
    said = []
    nearest = text(string(answer.get("nearest")), 60)
    if answer.get("inside") is False:
        said.append(
            "<b>Far from all data:</b> no known row is near this setting, so the interval promises "
            "too much. Run it as an experiment, not as a recipe."
        )
    distance = number(answer.get("distance"))
    if nearest and distance == 0:
        said.append(f"Known row {nearest} has these settings.")
    elif nearest:
        far = "less than 1 %" if distance is not None and distance < 0.01 else percent(distance)
        away = f", {far} of the knobs' ranges away" if distance is not None else ""
        said.append(f"Nearest known row: {nearest}{away}.")
    doubts = [text(string(doubt), 200) for doubt in items(answer.get("doubts"))]
    if doubts:
        said.append(f"<b>This may not exist:</b> {'; '.join(doubts)}.")
    stopped = [_limit(limit) for limit in records(answer.get("blocking"))]
    if stopped:
        said.append(f"In the way: {'; '.join(stopped)}. Widen it if it is not a hard limit.")
    return f'<p class="how">{" ".join(said)}</p>' if said else ""


def _limit(limit: Mapping[str, Any]) -> str:
    value = quantity(number(limit.get("value")), "")
    return (
        f"{text(string(limit.get('knob')), 60)} at its {text(string(limit.get('side')), 12)} limit "
        f"{text(value)}"
    )
