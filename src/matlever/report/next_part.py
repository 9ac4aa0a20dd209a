"""What to run next: the suggested experiments as a table, and what to expect of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from matlever.report._text import DASH, day, label, number_text, percent, plain, text, trimmed
from matlever.report._values import flag, items, mapping, number, numbers, pick, records, string
from matlever.report.held_out import as_floats
from matlever.report.next_figure import Expectation, expectations
from matlever.report.overview import has_skill, warning_box

__all__ = ["NEXT_ANCHOR", "next_section"]

NEXT_ANCHOR = "next"
_MOST_KNOBS = 8
_MOST_EXPERIMENTS = 24
_MOST_TARGETS = 6


def next_section(results: Mapping[str, Any], mark: str = "") -> str:
    """Return the section on the next experiments, or nothing where none were looked for."""
    found = mapping(results.get("next"))
    if not found:
        return ""
    sentence = text(string(found.get("sentence")), 900)
    experiments = records(found.get("experiments"))[:_MOST_EXPERIMENTS]
    body = f"<p>{sentence}</p>" if sentence else ""
    if experiments:
        targets = _by_name(results)
        dates = {
            string(column.get("name"))
            for column in records(pick(results, "data", "columns"))
            if column.get("kind") == "date"
        }
        parts = {
            string(name)
            for mixture in records(pick(results, "data", "mixtures"))
            for name in items(mixture.get("names"))
        }
        warned = [text(string(warning)) for warning in items(found.get("warnings"))]
        body += (
            _doubt(found, targets)
            + _table(found, experiments, dates, parts)
            + _reasons(experiments)
            + _figures(found, experiments, targets)
            + warning_box(warned, "Before you run them")
            + _how(found)
        )
    return f'<section id="{NEXT_ANCHOR}"><h2>What to run next{mark}</h2>{body}</section>'


def _by_name(results: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {string(target.get("name")): target for target in records(results.get("targets"))}


def _doubt(found: Mapping[str, Any], targets: Mapping[str, Mapping[str, Any]]) -> str:
    """Say so where the predictions come from a model without skill."""
    asked = [string(entry.get("target")) for entry in records(found.get("targets"))]
    blind = [name for name in asked if name in targets and not has_skill(targets[name])]
    if not blind:
        return ""
    names = text(", ".join(blind), 200)
    return (
        f'<div class="say bad"><p>The model shows no skill for {names}: what it predicts below is '
        "not to be relied on. The settings are worth running because they are far from what was "
        "run already, not because of what is expected of them.</p></div>"
    )


def _table(
    found: Mapping[str, Any],
    experiments: Sequence[Mapping[str, Any]],
    dates: Collection[str],
    parts: Collection[str],
) -> str:
    """Return the experiments as a table; zeros of the `parts` of mixtures go without saying."""
    knobs = [string(name) for name in items(found.get("knobs"))]
    units = [string(unit) for unit in items(found.get("units"))]
    units += [""] * (len(knobs) - len(units))
    together = len(knobs) > _MOST_KNOBS
    with_pool = any(entry.get("pool_row") is not None for entry in experiments)
    asked = records(found.get("targets"))[:_MOST_TARGETS]
    aims = any(string(target.get("goal")) for target in asked)
    level = number(found.get("level"))
    heads = ['<th scope="col">experiment</th>']
    if with_pool:
        heads.append('<th scope="col">row of the list</th>')
    if together:
        heads.append('<th scope="col">set</th>')
    else:
        heads += [
            f'<th scope="col" class="n">{text(label(name, unit), 60)}</th>'
            for name, unit in zip(knobs, units, strict=False)
        ]
    heads += [
        f'<th scope="col">{text(string(target.get("target")), 60)}, expected</th>'
        for target in asked
    ]
    if aims:
        heads.append('<th scope="col" class="n">chance of success</th>')
    heads.append('<th scope="col">nearest known row</th>')
    rows = []
    for place, entry in enumerate(experiments):
        cells = [f'<th scope="row">{place + 1}</th>']
        if with_pool:
            cells.append(f'<td class="one">{text(string(entry.get("pool_row")), 24) or DASH}</td>')
        settings = mapping(entry.get("settings"))
        values = [_setting(settings.get(name), name in dates) for name in knobs]
        if together:
            said = "; ".join(
                f"{text(name, 40)} {value}"
                for name, value in zip(knobs, values, strict=True)
                if value != DASH and not (name in parts and number(settings.get(name)) == 0)
            )
            cells.append(f'<td class="wide">{said}</td>')
        else:
            cells += [f'<td class="n">{value}</td>' for value in values]
        cells += [_expected(entry, string(target.get("target"))) for target in asked]
        if aims:
            cells.append(f'<td class="n">{percent(number(entry.get("probability")))}</td>')
        cells.append(_nearest(entry))
        rows.append(f"<tr>{''.join(cells)}</tr>")
    said = f"Expected values with {percent(level)} intervals." if level is not None else ""
    caption = f"<caption>{said}</caption>" if said else ""
    return (
        f'<div class="scroll" tabindex="0"><table>{caption}<thead><tr>{"".join(heads)}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _doubts(entry: Mapping[str, Any]) -> str:
    doubts = [text(string(doubt), 200) for doubt in items(entry.get("doubts"))]
    return f" <b>This may not exist:</b> {'; '.join(doubts)}." if doubts else ""


def _reasons(experiments: Sequence[Mapping[str, Any]]) -> str:
    said = [
        f"<li><b>Experiment {place + 1}.</b> {text(string(entry.get('reason')), 600)}"
        f"{_doubts(entry)}</li>"
        for place, entry in enumerate(experiments)
        if string(entry.get("reason"))
    ]
    return f'<ul class="plain">{"".join(said)}</ul>' if said else ""


def _setting(value: object, is_date: bool) -> str:
    found = number(value)
    if is_date and found is not None:
        return day(found)
    return trimmed(found, 4) if found is not None else text(string(value), 40) or DASH


def _of_target(entry: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    expected = records(entry.get("expected"))
    return next((one for one in expected if string(one.get("target")) == name), {})


def _expected(entry: Mapping[str, Any], name: str) -> str:
    one = _of_target(entry, name)
    low, high = number(one.get("lower")), number(one.get("upper"))
    predicted = number_text(number(one.get("predicted")))
    between = f" ({number_text(low)} to {number_text(high)})" if low is not None else ""
    return f'<td class="one"><b>{predicted}</b>{between}</td>'


def _nearest(entry: Mapping[str, Any]) -> str:
    rows = [text(string(row), 60) for row in items(entry.get("nearest"))[:1]]
    near = "near" if flag(entry.get("inside")) else "<b>far from all data</b>"
    return f'<td class="one">{rows[0] if rows else DASH}, {near}</td>'


def _figures(
    found: Mapping[str, Any],
    experiments: Sequence[Mapping[str, Any]],
    targets: Mapping[str, Mapping[str, Any]],
) -> str:
    panels = []
    for place, asked in enumerate(records(found.get("targets"))[:_MOST_TARGETS]):
        name = string(asked.get("target"))
        target = targets.get(name, {})
        entries = []
        for k, entry in enumerate(experiments):
            one = _of_target(entry, name)
            values = as_floats([number(one.get(key)) for key in ("predicted", "lower", "upper")])
            entries.append(Expectation(str(k + 1), *values.tolist()))
        what = label(name, string(target.get("unit")))
        drawn = expectations(
            f"next-{place}",
            entries,
            what,
            f"Expected {what} of {len(entries)} suggested experiments, beside the known rows.",
            best=number(asked.get("best_so_far")),
            goal=_band(asked.get("range")),
            known=as_floats(numbers(pick(target, "held_out", "measured"))),
        )
        if drawn:
            wanted = text(string(asked.get("goal")), 80)
            head = f"{text(what, 80)}{f': {wanted}' if wanted else ''}"
            panels.append(f'<figure class="panel"><h3>{head}</h3>{drawn}</figure>')
    if not panels:
        return ""
    return (
        f'<div class="grid maps">{"".join(panels)}</div>'
        '<ul class="key"><li><i class="dot"></i>expected</li>'
        '<li><i class="bar-of" style="background:var(--wash)"></i>interval of a measurement</li>'
        "<li>ticks at the foot: measured values of the known rows</li></ul>"
    )


def _band(value: object) -> tuple[float | None, float | None] | None:
    ends = items(value)
    if len(ends) != 2:
        return None
    low, high = number(ends[0]), number(ends[1])
    if (low is None and high is None) or (low is not None and high is not None and low > high):
        return None
    return low, high


def _how(found: Mapping[str, Any]) -> str:
    model = plain(string(found.get("model")), 120)
    return (
        '<p class="how">The experiments belong together: each is chosen as if those above it had '
        "been run already. Chance of success: to beat the best run so far, or to land inside the "
        "range that was asked for, with all goals at once."
        + (f" Expected values are those of: {text(model)}." if model else "")
        + "</p>"
    )
