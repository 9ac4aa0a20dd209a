"""The report of a study of lots: one offline HTML file, from the results document alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matlever.report._text import DASH, plain, plural, text
from matlever.report._values import flag, items, mapping, number, pick, string
from matlever.report.lots_backward import LOT_CHANGE_ANCHOR, lot_change_section
from matlever.report.lots_data import lots_data_section
from matlever.report.lots_editor import EDITOR_ANCHOR, editor_section
from matlever.report.lots_forward import TURN_ANCHOR, property_label, turn_section
from matlever.report.lots_known import KNOWN_ANCHOR, known_section
from matlever.report.lots_scores import (
    SCORES_ANCHOR,
    lot_scores_section,
    score_facts,
    skill_pill,
)
from matlever.report.overview import warning_box
from matlever.report.page import SIMULATED_TAG, page
from matlever.report.record import record_section
from matlever.report.study_report import check_schema
from matlever.report.tile_pictures import PICTURE_STYLE
from matlever.storage import write_text

__all__ = ["LOTS_SCHEMA", "render_lots_report", "write_lots_report"]

LOTS_SCHEMA = "matlever-lots-results/1"
_SIMULATED = (
    "These micrographs and measurements come from a simulation, not from a microscope or a press. "
    "Nothing here is a finding about a real material."
)


def render_lots_report(results: Mapping[str, Any]) -> str:
    """Return the report of a study of lots as one HTML document.

    Parameters
    ----------
    results : mapping
        Plain JSON values of schema ``matlever-lots-results/1`` (``docs/lots-results.md``). Values
        may be null or missing; every string is escaped.

    Returns
    -------
    html : str
        A page that loads nothing: styles, figures, pictures and a small script are inside.

    Raises
    ------
    StudyError
        If `results` does not say that it follows this schema.
    """
    check_schema(results, LOTS_SCHEMA)
    simulated = flag(pick(results, "data", "simulated"))
    mark = SIMULATED_TAG if simulated else ""
    sections = [
        ("data", "The lots", lots_data_section(results, mark)),
        (KNOWN_ANCHOR, "What can be told apart", known_section(results, mark)),
        (SCORES_ANCHOR, "How well it predicts", lot_scores_section(results, mark)),
        (EDITOR_ANCHOR, "Edited pictures", editor_section(results, mark)),
        (TURN_ANCHOR, "Attributes turned", turn_section(results, mark)),
        (LOT_CHANGE_ANCHOR, "What to change", lot_change_section(results, mark)),
        ("record", "How it was made", record_section(results)),
    ]
    nav = [("found", "What was found")]
    nav += [(anchor, name) for anchor, name, section in sections if section]
    title = plain(string(results.get("title")), 100) or "Study of lots"
    return page(
        f"{title} – matlever",
        _overview(results) + "".join(section for _, _, section in sections),
        nav=nav,
        simulated=_SIMULATED if simulated else None,
        version=string(results.get("matlever_version")),
        picture_style=PICTURE_STYLE,
    )


def write_lots_report(results: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write :func:`render_lots_report` to `path`; the file appears whole or not at all."""
    return write_text(path, render_lots_report(results))


def _overview(results: Mapping[str, Any]) -> str:
    """Return the page's header: title, headline, sentences, warnings."""
    facts = [text(string(pick(results, "data", "folder")), 120)]
    facts += [
        plural(number(pick(results, "data", key)), one)
        for key, one in (("n_lots", "lot"), ("n_tiles", "tile"))
        if number(pick(results, "data", key)) is not None
    ]
    title = plain(string(results.get("title")), 160) or "Study of lots"
    headline = text(string(pick(results, "summary", "headline")))
    listed = "".join(
        f"<li>{text(string(entry))}</li>" for entry in items(pick(results, "summary", "sentences"))
    )
    warned = [text(string(entry)) for entry in items(results.get("warnings"))]
    return (
        '<header class="top" id="found">'
        f'<p class="eyebrow">Study <span>· {" · ".join(filter(None, facts)) or DASH}</span></p>'
        f"<h1>{text(title)}</h1>"
        + (f'<p class="lead">{headline}</p>' if headline else "")
        + (f'<ul class="plain">{listed}</ul>' if listed else "")
        + _card(results)
        + warning_box(warned)
        + "</header>"
    )


def _card(results: Mapping[str, Any]) -> str:
    scores = mapping(results.get("scores"))
    if not scores:
        return ""
    return (
        f'<div class="cards one"><article class="card">{skill_pill(scores)}'
        f'<h2><a href="#{SCORES_ANCHOR}">{text(property_label(results), 90)}</a></h2>'
        f'<dl class="facts">{score_facts(results)}</dl></article></div>'
    )
