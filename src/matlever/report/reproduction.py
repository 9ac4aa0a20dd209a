"""The report of ``matlever reproduce``: a paper's table beside ours."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from matlever.report._text import (
    DASH,
    count,
    fixed,
    label,
    mean_sd,
    number_text,
    plain,
    score,
    text,
)
from matlever.report._values import flag, items, mapping, number, numbers, pick, records, string
from matlever.report.figures import Cloud, measured_against_predicted, thin_out
from matlever.report.heatmap import colour_scale, column_labels, strip
from matlever.report.held_out import as_floats, matrix
from matlever.report.page import page
from matlever.report.record import pairs, setting_text
from matlever.report.scores import three_numbers_part
from matlever.report.study_report import check_schema
from matlever.storage import write_text

__all__ = ["REPRODUCTION_SCHEMA", "render_reproduction", "write_reproduction"]

REPRODUCTION_SCHEMA = "matlever-reproduction/1"
_ROWS = {"original": "Original rows", "whole": "Whole set: original and synthetic rows"}
_METRICS = {"R2": "R²"}


def render_reproduction(result: Mapping[str, Any]) -> str:
    """Return the report of a reproduction as one offline HTML document.

    Parameters
    ----------
    result : mapping
        Plain JSON values of schema ``matlever-reproduction/1`` (``docs/results.md``). Values may
        be null or missing; every string is escaped.

    Returns
    -------
    html : str

    Raises
    ------
    StudyError
        If `result` does not say that it follows this schema.
    """
    check_schema(result, REPRODUCTION_SCHEMA)
    title = plain(string(result.get("title")), 160) or "Reproduction"
    parts = [
        ("Table", "The paper's table", _table(records(result.get("table")))),
        ("Three numbers", "Three numbers", _three_numbers(result)),
        ("Scatter plots", "Predicted and measured", _scatters(records(result.get("scatter")))),
        ("Weights", "Weights against the truth", _weights(records(result.get("weights")))),
        ("How it was made", "How it was made", _settings(result)),
    ]
    kept = [(f"part-{place}", *part) for place, part in enumerate(parts) if part[2]]
    body = _header(result, title) + "".join(
        f'<section id="{anchor}"><h2>{heading}</h2>{inside}</section>'
        for anchor, _, heading, inside in kept
    )
    return page(
        f"{title} – matlever",
        body,
        nav=[("found", "What was found"), *((anchor, name) for anchor, name, _, _ in kept)],
        simulated="The paper's own rows are not public; these come from a growth law."
        if flag(result.get("simulated"))
        else None,
        version=string(result.get("matlever_version")),
    )


def write_reproduction(result: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write :func:`render_reproduction` to `path`; the file appears whole or not at all."""
    return write_text(path, render_reproduction(result))


def _header(result: Mapping[str, Any], title: str) -> str:
    said = [text(string(entry)) for entry in items(result.get("sentences"))]
    listed = "".join(f"<li>{sentence}</li>" for sentence in said if sentence)
    statement = text(string(result.get("statement")))
    grown = (
        f"{count(number(result.get('n_original')))} rows, grown to "
        f"{count(number(result.get('n_augmented')))}"
    )
    return (
        '<header class="top" id="found">'
        f'<p class="eyebrow">Reproduction <span>· {grown}</span></p><h1>{text(title)}</h1>'
        + (f'<p class="lead">{statement}</p>' if statement else "")
        + (f'<ul class="plain">{listed}</ul>' if listed else "")
        + "</header>"
    )


def _table(entries: Sequence[Mapping[str, Any]]) -> str:
    if not entries:
        return ""
    body = []
    for rows in dict.fromkeys(string(entry.get("rows")) for entry in entries):
        heading = _ROWS.get(rows, text(rows, 60))
        body.append(
            f'<tr class="part"><th scope="rowgroup" colspan="5">{heading}</th></tr>'
            + _table_rows([entry for entry in entries if string(entry.get("rows")) == rows])
        )
    return (
        "<p>Left to right: what the paper printed, what its protocol gives on our rows, and what "
        "is left when nothing made from a test row is in training. MAE and MSE are in the "
        "target's unit and its square.</p>"
        '<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">target</th>'
        '<th scope="col">metric</th><th scope="col" class="n">paper</th>'
        '<th scope="col" class="n">ours,<br/>paper\'s protocol</th>'
        f'<th scope="col" class="n">ours,<br/>honest</th></tr></thead><tbody>{"".join(body)}'
        "</tbody></table></div>"
        '<p class="how">± is the standard deviation over folds; in the honest column over repeats, '
        "so the luck of the split alone. The data, and so the scale of each target, differ from "
        "the paper's: compare R² first. On the whole set there is no honest score "
        f"({DASH}): synthetic rows are not measurements.</p>"
    )


def _table_rows(entries: Sequence[Mapping[str, Any]]) -> str:
    """Return rows of the table, those of one target together under one heading."""
    targets: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        name = label(string(entry.get("target")), string(entry.get("unit")))
        targets.setdefault(name, []).append(entry)
    rows = []
    for name, metrics in targets.items():
        head = f'<th scope="rowgroup" rowspan="{len(metrics)}">{text(name, 80)}</th>'
        rows += [_table_row(entry, head if k == 0 else "") for k, entry in enumerate(metrics)]
    return "".join(rows)


def _table_row(entry: Mapping[str, Any], head: str) -> str:
    metric = string(entry.get("metric"))
    style = ' class="main"' if metric == "R2" else ""
    cells = "".join(
        f'<td class="n">{_cell(entry, key, metric)}</td>'
        for key in ("paper", "ours_paper_protocol", "ours_honest")
    )
    return f"<tr{style}>{head}<td>{_METRICS.get(metric, text(metric, 20)) or DASH}</td>{cells}</tr>"


def _cell(entry: Mapping[str, Any], key: str, metric: str) -> str:
    value, sd = number(entry.get(key)), number(entry.get(f"{key}_sd"))
    if metric == "R2":
        if value is None or abs(value) > 100:
            return score(value)
        return fixed(value, 3) + (f" ± {fixed(sd, 3)}" if sd is not None else "")
    return mean_sd(value, sd)


def _three_numbers(result: Mapping[str, Any]) -> str:
    checks = records(result.get("three_numbers"))
    panels = "".join(
        f'<div class="panel"><h3>{text(string(check.get("target")), 80) or DASH}</h3>'
        f"{three_numbers_part(check, f'check-{place + 1}', brief=True)}</div>"
        for place, check in enumerate(checks)
    )
    if not panels:
        return ""
    return (
        "<p>The paper's protocol augments all rows first and cross-validates afterwards, so rows "
        "made from every test row are in training. Shuffled targets have nothing to learn: what "
        "they score under the same protocol is memory, not prediction.</p>"
        f'<div class="grid three">{panels}</div>'
    )


def _scatters(entries: Sequence[Mapping[str, Any]]) -> str:
    parts = []
    for place, entry in enumerate(entries):
        name = label(string(entry.get("target")), string(entry.get("unit")))
        drawn = [
            ("The paper's protocol", _paper_clouds(entry)),
            ("Honest: rows never seen", _honest_clouds(entry)),
        ]
        figures = "".join(
            f'<figure class="panel"><h4>{title}</h4>{svg}</figure>'
            for number_, (title, clouds) in enumerate(drawn)
            if (
                svg := measured_against_predicted(
                    f"s{place + 1}-{number_ + 1}",
                    clouds,
                    plain(name, 40),
                    f"{title}: predicted against measured {name}.",
                )
            )
        )
        if figures:
            parts.append(f'<h3>{text(name, 120)}</h3><div class="pair">{figures}</div>')
    if not parts:
        return ""
    key = (
        '<ul class="key"><li><i class="dot" style="opacity:.5;background:var(--thread);'
        'border-color:var(--thread)"></i>synthetic rows</li><li><i class="dot"></i>original '
        'rows</li><li><i class="dot ring"></i>validation rows, in neither training set</li></ul>'
    )
    return (
        "<p>Under the paper's protocol the original rows hug the line because they, or rows made "
        "from them, were in training. Held out with all of those, they are predicted as in "
        "the second plot.</p>" + key + "".join(parts)
    )


def _paper_clouds(entry: Mapping[str, Any]) -> list[Cloud]:
    return [
        *_cloud(entry, "whole", colour="thread", size=18.0),
        *_cloud(entry, "original"),
        *_cloud(entry, "validation", colour="orange", filled=False, size=52.0),
    ]


def _honest_clouds(entry: Mapping[str, Any]) -> list[Cloud]:
    validation = mapping(entry.get("validation"))
    return [
        *_cloud(entry, "honest"),
        *_cloud(
            {"v": {**validation, "predicted": validation.get("honest")}},
            "v",
            colour="orange",
            filled=False,
            size=52.0,
        ),
    ]


def _cloud(entry: Mapping[str, Any], key: str, **style: Any) -> list[Cloud]:
    measured = as_floats(numbers(pick(entry, key, "measured")))
    predicted = as_floats(numbers(pick(entry, key, "predicted")))
    n = min(len(measured), len(predicted))
    return [Cloud(measured[:n], predicted[:n], **style)] if n else []


def _weights(entries: Sequence[Mapping[str, Any]]) -> str:
    parts = [part for entry in entries if (part := _weight_map(entry))]
    if not parts:
        return ""
    return (
        "<p>LIME's weights for each row, above the law's true derivatives at the same row. Both "
        "say how much the target changes when a knob rises by one standard deviation: orange "
        "raises it, blue lowers it.</p>" + "".join(parts)
    )


def _weight_map(entry: Mapping[str, Any]) -> str:
    knobs = [string(name) for name in items(entry.get("knobs"))]
    units = [string(unit) for unit in items(entry.get("units"))]
    lime, true = (matrix(entry.get(name), len(knobs)) for name in ("lime", "true"))
    n = min(len(lime), len(true))
    if not knobs or not n:
        return ""
    shown = thin_out(n, 160)
    sizes = np.abs(np.concatenate([lime[shown], true[shown]]))
    largest = float(np.nanmax(sizes, initial=0.0)) if np.isfinite(sizes).any() else 0.0
    rows = []
    for j, knob in enumerate(knobs[:40]):
        name = text(label(knob, units[j] if j < len(units) else ""), 120)
        for values, source, style in ((lime, "LIME", ""), (true, "truth", " truth")):
            described = f"{plain(knob, 80)}, {source}"
            rows.append(
                f'<div class="row two{style}"><div class="name">{name} '
                f'<span class="soft">{source}</span></div>'
                f"{strip(values[shown, j], largest, described)}</div>"
            )
    names = [string(row) for row in items(entry.get("rows"))][:n]
    columns = column_labels([names[row] for row in shown]) if len(names) == n else ""
    ticks = (
        f'<div class="row two ticks"><div class="blank"></div>{columns}</div>' if columns else ""
    )
    correlation = number(entry.get("correlation"))
    said = (
        f"<p>Correlation of LIME's weights with the true derivatives: {score(correlation)}.</p>"
        if correlation is not None
        else ""
    )
    scale = colour_scale(f"−{number_text(largest, 2)}", f"+{number_text(largest, 2)}")
    return (
        f"<h3>{text(string(entry.get('target')), 120) or DASH}</h3>{said}"
        f'<figure><div class="heat">{"".join(rows)}{ticks}{scale}</div></figure>'
    )


def _settings(result: Mapping[str, Any]) -> str:
    settings = mapping(result.get("settings"))
    return pairs([(text(string(k), 60), setting_text(v)) for k, v in list(settings.items())[:80]])
