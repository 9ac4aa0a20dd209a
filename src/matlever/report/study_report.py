"""The report of a study: one offline HTML file, written from the results document alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from matlever.exceptions import StudyError
from matlever.report._text import plain, text
from matlever.report._values import flag, items, pick, records, string
from matlever.report.change_part import CHANGE_ANCHOR, change_section
from matlever.report.data_section import data_section
from matlever.report.next_part import NEXT_ANCHOR, next_section
from matlever.report.overview import anchor, overview, target_label
from matlever.report.page import SIMULATED_TAG, page
from matlever.report.pairs_part import pairs_part
from matlever.report.record import record_section
from matlever.report.row_names import with_row_names
from matlever.report.scores import prediction_part
from matlever.report.sweeps_part import sweeps_part
from matlever.report.weights_part import weights_part
from matlever.report.worst_part import worst_rows
from matlever.storage import write_text

__all__ = ["RESULTS_SCHEMA", "render_part", "render_report", "write_report"]

RESULTS_SCHEMA = "matlever-results/1"
_MOST_NEAR = 60
_SIMULATED = (
    "These rows come from a simulation, not from a laboratory. Nothing here is a finding about a "
    "real material."
)


def render_report(results: Mapping[str, Any]) -> str:
    """Return the report of a study as one HTML document.

    Parameters
    ----------
    results : mapping
        Plain JSON values of schema ``matlever-results/1`` (``docs/results.md``). Values may be
        null or missing; every string is escaped.

    Returns
    -------
    html : str
        A page that loads nothing: styles, figures (inline SVG) and a small script are inside.

    Raises
    ------
    StudyError
        If `results` does not say that it follows this schema.
    """
    check_schema(results, RESULTS_SCHEMA)
    results = with_row_names(results, results)
    targets = records(results.get("targets"))
    nav = [("found", "What was found"), ("data", "The data")]
    nav += [(anchor(place), plain(target_label(t), 40)) for place, t in enumerate(targets)]
    simulated = flag(pick(results, "data", "simulated"))
    mark = SIMULATED_TAG if simulated else ""
    changes, following = change_section(results, mark), next_section(results, mark)
    nav += [(CHANGE_ANCHOR, "What to change")] if changes else []
    nav += [(NEXT_ANCHOR, "What to run next")] if following else []
    nav.append(("record", "How it was made"))
    body = (
        overview(results, targets)
        + data_section(results)
        + "".join(_target_section(target, place, simulated) for place, target in enumerate(targets))
        + changes
        + following
        + record_section(results)
    )
    title = plain(string(results.get("title")), 100) or "Study"
    return page(
        f"{title} – matlever",
        body,
        nav=nav,
        simulated=_SIMULATED if simulated else None,
        version=string(results.get("matlever_version")),
    )


def render_part(results: Mapping[str, Any], kind: str, found: Mapping[str, Any]) -> str:
    """Return one answer about a study as a page of its own.

    Parameters
    ----------
    results : mapping
        Of the study, as for :func:`render_report`.
    kind : {"weights", "sweeps", "pairs", "changes", "next"}
        What was asked for.
    found : mapping
        ``targets``: the answer for each, under `kind`, with the target's ``name``; or what stands
        under ``changes`` or ``next`` in the results.
    """
    check_schema(results, RESULTS_SCHEMA)
    results, found = with_row_names(results, results), with_row_names(results, found)
    simulated = flag(pick(results, "data", "simulated"))
    mark = SIMULATED_TAG if simulated else ""
    if kind == "next":
        sections = [next_section({**results, "next": found}, mark)]
        nav = [(NEXT_ANCHOR, "What to run next")]
    elif kind == "changes":
        sections = [change_section({**results, "changes": found}, mark)]
        nav = [(CHANGE_ANCHOR, "What to change")]
    else:
        sections, nav = _answers(results, kind, found, simulated)
        near = [text(string(said), 600) for said in items(pick(found, "nearest", "sentences"))]
        if near:
            listed = "".join(f"<li>{said}</li>" for said in near[:_MOST_NEAR])
            sections.append(
                f'<section id="nearest"><h2>Nearest known rows{mark}</h2>'
                f'<ul class="plain">{listed}</ul></section>'
            )
            nav.append(("nearest", "Nearest known rows"))
    title = plain(string(results.get("title")), 100) or "Study"
    top = f'<header class="top"><p class="eyebrow">Study</p><h1>{text(title)}</h1></header>'
    return page(
        f"{title} – matlever",
        top + "".join(sections),
        nav=nav,
        simulated=_SIMULATED if simulated else None,
        version=string(results.get("matlever_version")),
    )


def _answers(
    results: Mapping[str, Any], kind: str, found: Mapping[str, Any], simulated: bool
) -> tuple[list[str], list[tuple[str, str]]]:
    """Return a section per target with the part of one kind, and the links to them."""
    known = {string(target.get("name")): target for target in records(results.get("targets"))}
    sections, nav = [], []
    for place, answer in enumerate(records(found.get("targets"))):
        target = {**known.get(string(answer.get("name")), {}), **answer}
        nav.append((anchor(place), plain(target_label(target), 40)))
        sections.append(_section(target, place, simulated, _PARTS[kind](target, f"t{place + 1}")))
    return sections, nav


_PARTS: dict[str, Callable[[Mapping[str, Any], str], str]] = {
    "weights": lambda target, _: weights_part(target),
    "sweeps": sweeps_part,
    "pairs": pairs_part,
}


def write_report(results: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write :func:`render_report` to `path`; the file appears whole or not at all."""
    return write_text(path, render_report(results))


def check_schema(document: object, schema: str) -> None:
    """Refuse a document that does not name `schema`."""
    found = pick(document, "schema")
    if found != schema:
        raise StudyError(
            f"The results have schema {plain(string(found), 60)!r}; this version of matlever "
            f"reports {schema!r}. Run the study again, or use the version that wrote them."
        )


def _target_section(target: Mapping[str, Any], place: int, simulated: bool) -> str:
    uid = f"t{place + 1}"
    parts = (
        prediction_part(target, uid)
        + weights_part(target)
        + sweeps_part(target, uid)
        + pairs_part(target, uid)
        + worst_rows(target)
    )
    return _section(target, place, simulated, parts)


def _section(target: Mapping[str, Any], place: int, simulated: bool, parts: str) -> str:
    mark = SIMULATED_TAG if simulated else ""
    return (
        f'<section class="target" id="{anchor(place)}">'
        f"<h2>{text(target_label(target), 160)}{mark}</h2>{parts}</section>"
    )
