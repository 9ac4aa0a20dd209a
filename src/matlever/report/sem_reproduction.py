"""The micrograph study's figures beside ours: one offline HTML file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from matlever.report._text import DASH, fixed, number_text, percent, plain, text
from matlever.report._values import flag, items, mapping, number, numbers, pick, records, string
from matlever.report.canvas import axis_label, colour, new_axes, style_ticks, to_svg
from matlever.report.held_out import as_floats
from matlever.report.lots_backward import one_tile, whole_lot
from matlever.report.lots_forward import lot_boxes, property_label, strips, sweep_grid
from matlever.report.lots_scores import lot_errors, predicted_lots
from matlever.report.page import SIMULATED_TAG, page
from matlever.report.record import record_section
from matlever.report.study_report import check_schema
from matlever.report.tile_pictures import PICTURE_STYLE, Scale
from matlever.storage import write_text

__all__ = ["SEM_SCHEMA", "render_sem_reproduction", "write_sem_reproduction"]

SEM_SCHEMA = "matlever-sem-reproduction/1"
_LOSSES = (
    ("reconstruction", "(a) reconstruction"),
    ("critic_adversarial", "(b) critic: edited less real"),
    ("critic_attributes", "(c) attributes of real tiles"),
    ("generator_attributes", "(d) attributes of edited tiles"),
)


def render_sem_reproduction(found: Mapping[str, Any]) -> str:
    """Return the reproduction as one HTML document.

    Parameters
    ----------
    found : mapping
        Plain JSON values of schema ``matlever-sem-reproduction/1`` (``docs/lots-results.md``).

    Raises
    ------
    StudyError
        If `found` does not say that it follows this schema.
    """
    check_schema(found, SEM_SCHEMA)
    study = mapping(found.get("study"))
    mark = SIMULATED_TAG if flag(found.get("simulated")) else ""
    drawn = {
        4: lambda: _figure_4(study),
        5: lambda: sweep_grid(study),
        6: lambda: _changes(study, "six"),
        7: lambda: _means(study) + _law(found),
        8: lambda: predicted_lots(mapping(study.get("scores")), property_label(study)),
        9: lambda: lot_errors(mapping(study.get("scores")), property_label(study)),
        10: lambda: _curves(mapping(found.get("attgan"))),
    }
    sections, nav = [], [("found", "What was found")]
    for figure in records(found.get("figures")):
        place = int(number(figure.get("number")) or 0)
        nav.append((f"figure-{place}", f"Figure {place}"))
        body = drawn[place]() if place in drawn else ""
        sections.append(_section(figure, place, body, mark))
    nav.append(("record", "How it was made"))
    statement = string(found.get("statement")).removeprefix("SIMULATED DATA. ")
    made = {"record": found.get("record"), "settings": mapping(found.get("settings"))}
    record = record_section({**study, "data": {}, **made})
    return page(
        f"{plain(string(found.get('title')), 100) or 'Reproduction'} – matlever",
        _top(found) + "".join(sections) + record,
        nav=nav,
        simulated=statement if flag(found.get("simulated")) else None,
        version=string(found.get("matlever_version")),
        picture_style=PICTURE_STYLE,
    )


def write_sem_reproduction(found: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write :func:`render_sem_reproduction` to `path`; the file appears whole or not at all."""
    return write_text(path, render_sem_reproduction(found))


def _top(found: Mapping[str, Any]) -> str:
    listed = "".join(
        f"<li>{text(string(sentence), 700)}</li>" for sentence in items(found.get("sentences"))
    )
    return (
        '<header class="top" id="found"><p class="eyebrow">Reproduction</p>'
        f"<h1>{text(string(found.get('title')), 160)}</h1>"
        f'<ul class="plain">{listed}</ul></header>'
    )


def _section(figure: Mapping[str, Any], place: int, body: str, mark: str) -> str:
    title = text(string(figure.get("title")), 160)
    paper, ours = (text(string(figure.get(key)), 900) for key in ("paper", "ours"))
    return (
        f'<section id="figure-{place}"><h2>Figure {place}: {title}{mark}</h2><div class="pair">'
        f'<div class="panel"><h4>In the paper</h4><p>{paper}</p></div>'
        f'<div class="panel"><h4>Here</h4><p>{ours}</p></div></div>{body}</section>'
    )


def _figure_4(study: Mapping[str, Any]) -> str:
    lots = records(pick(study, "forward", "lots"))
    if not lots:
        return ""
    middle = lots[len(lots) // 2]
    only = {**study, "forward": {**mapping(study.get("forward")), "lots": [middle]}}
    return strips(study, middle, ("size",)) + lot_boxes(only, ("size",))


def _attributes(study: Mapping[str, Any]) -> list[str]:
    return [string(name) for name in items(pick(study, "backward", "attributes"))]


def _changes(study: Mapping[str, Any], uid: str) -> str:
    scale = Scale(number(pick(study, "data", "pixel_nm")))
    return "".join(
        f'<div class="lot"><h4>Lot {text(string(lot.get("lot")), 40)}</h4>'
        f"{one_tile(lot, _attributes(study), f'{uid}-{place}', scale)}</div>"
        for place, lot in enumerate(records(pick(study, "backward", "lots")))
    )


def _means(study: Mapping[str, Any]) -> str:
    panels = "".join(
        f'<figure class="panel"><h4>Lot {text(string(lot.get("lot")), 40)}</h4>'
        f"{whole_lot(lot, _attributes(study), f'seven-{place}')}</figure>"
        for place, lot in enumerate(records(pick(study, "backward", "lots")))
    )
    return f'<div class="grid three">{panels}</div>'


def _law(found: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{text(string(row.get("lot")), 40)}</th>'
        f"<td>{text(string(row.get('direction')), 20)}</td>"
        + "".join(
            f'<td class="n">{number_text(number(row.get(key)), 4)}</td>'
            for key in ("before", "goal", "after")
        )
        + f'<td class="n">{percent(number(row.get("moved")))}</td>'
        f'<td class="n">{percent(number(row.get("met")))}</td></tr>'
        for row in records(pick(found, "law", "rows"))
    )
    if not rows:
        return ""
    return (
        "<h3>Asked of the law</h3>"
        '<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">lot</th>'
        '<th scope="col">wanted</th><th scope="col" class="n">law, before</th>'
        '<th scope="col" class="n">goal</th><th scope="col" class="n">law, after</th>'
        '<th scope="col" class="n">right way</th><th scope="col" class="n">goal met</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></div>"
        '<p class="how">The simulator draws the same packing again at the proposed attributes, and '
        "the law that made the data says how strong it is (psi). The goal counts as met within the "
        "network's error on lots never seen.</p>"
    )


def _curves(attgan: Mapping[str, Any]) -> str:
    x = as_floats(numbers(attgan.get("iterations")))
    panels = []
    for key, title in _LOSSES:
        y = as_floats(numbers(pick(attgan, "losses", key)))
        known = np.isfinite(y)
        if len(y) != len(x) or known.sum() < 2:
            continue
        figure, axes = new_axes(300, 200, (46, 12, 26, 44))
        axes.set_xlim(float(x[0]), float(x[-1]))
        low, high = (float(np.quantile(y[known], q)) for q in (0.01, 0.99))
        margin = 0.08 * (high - low) or 0.1
        axes.set_ylim(low - margin, high + margin)
        style_ticks(axes, "y", n=4)
        style_ticks(axes, "x", n=4, grid=False)
        axes.plot(x, y, color=colour("blue"), linewidth=1.2)
        axis_label(axes, "iteration", "loss", left=42)
        drawn = to_svg(figure, f"ten-{key}", f"{title} over the iterations of the training.")
        panels.append(f'<figure class="panel"><h4>{text(title)}</h4>{drawn}</figure>')
    gains = numbers(attgan.get("gain"))
    said = ", ".join(DASH if gain is None else fixed(gain, 2) for gain in gains)
    under = (
        '<p class="how">Of a change that is asked for, its own classifier sees in the edited tiles '
        f"this share, attribute by attribute: {said}. 1 is all of it, 0 nothing.</p>"
        if gains
        else ""
    )
    return f'<div class="grid">{"".join(panels)}</div>{under}'
