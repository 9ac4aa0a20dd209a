"""The page of ``matlever reproduce elemnet``: published figures beside ours."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matlever.report._text import count, fixed, text, trimmed
from matlever.report._values import mapping, number, records, string
from matlever.report.elemnet_figures import CURVE_LINES, curve_svg, members_svg, parity_svg
from matlever.report.elemnet_sections import (
    cells,
    charges_section,
    fixed_text,
    groups_section,
    intervals_section,
    key_of,
    panels,
    systems_section,
    table,
    transfer_section,
)
from matlever.report.record import pairs, setting_text
from matlever.report.reproduction_page import reproduction_page
from matlever.report.study_report import check_schema
from matlever.storage import write_text

__all__ = ["ELEMNET_SCHEMA", "render_elemnet", "write_elemnet"]

ELEMNET_SCHEMA = "matlever-elemnet/1"
_SHOWN_PUBLISHED = ("Roost", "CrabNet", "ElemNet")


def render_elemnet(results: Mapping[str, Any]) -> str:
    """Return the ElemNet reproduction as one offline HTML document.

    Parameters
    ----------
    results : mapping
        Plain JSON values of schema ``matlever-elemnet/1`` (``docs/elemnet.md``). Values may be
        null or missing; every string is escaped.

    Raises
    ------
    StudyError
        If `results` does not say that it follows this schema.
    """
    check_schema(results, ELEMNET_SCHEMA)
    parts = [
        ("Accuracy", "Accuracy on the published test rows", _accuracy(results)),
        ("Learning curve", "Learning curve", _curve(mapping(results.get("curve")))),
        (
            "Unseen systems",
            "Chemical systems never seen",
            systems_section(mapping(results.get("systems"))),
        ),
        ("Groups", "Groups of the periodic table", groups_section(mapping(results.get("groups")))),
        ("Charges", "Charge balance by depth", charges_section(mapping(results.get("charges")))),
        ("Intervals", "Intervals", intervals_section(mapping(results.get("networks")))),
        (
            "Transfer",
            "From computed energies to measured band gaps",
            transfer_section(mapping(results.get("transfer"))),
        ),
        ("How it was made", "How it was made", _made(results)),
    ]
    return reproduction_page(results, parts, "ElemNet")


def write_elemnet(results: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write :func:`render_elemnet` to `path`; the file appears whole or not at all."""
    return write_text(path, render_elemnet(results))


def _accuracy(results: Mapping[str, Any]) -> str:
    networks = mapping(results.get("networks"))
    rows = records(results.get("table"))
    published = [
        (string(row.get("model")), value)
        for row in rows
        if string(row.get("model")) in _SHOWN_PUBLISHED
        and (value := number(row.get("mae"))) is not None
    ]
    body = "".join(
        f'<tr class="{"main" if string(row.get("source")) == "here" else "base"}">'
        f'<th scope="row">{text(string(row.get("model")), 80)}</th>'
        f"<td>{text(string(row.get('source')), 20)}</td>"
        f"<td>{text(string(row.get('input')), 40)}</td>"
        f'<td class="n">{_with_spread(row)}</td></tr>'
        for row in rows
    )
    rows_table = table(("model", "figures", "is given", "MAE (eV/atom)"), body, n_text=3)
    figures = panels(
        ("Predicted against computed", parity_svg(mapping(networks.get("points")))),
        ("What averaging brings", members_svg(networks, published)),
    )
    settings = mapping(results.get("settings"))
    last = {
        "step": f"twice the width, {count(number(settings.get('epochs')))} epochs, steps up to "
        f"{trimmed(number(settings.get('learning_rate')))}, an ensemble of "
        f"{count(number(settings.get('members')))}",
        "mae": networks.get("validation"),
    }
    steps_made = records(results.get("ladder"))
    ladder = "".join(
        f'<tr><th scope="row">{text(string(row.get("step")), 120)}</th>'
        + cells(fixed_text(row.get("mae"), 4))
        + "</tr>"
        for row in ([*steps_made, last] if steps_made else [])
    )
    steps = (
        "<h3>What it took</h3><p>Single networks at half the width of the ensemble's, scored on "
        "the validation rows; each row adds its change to those above.</p>"
        + table(("training", "MAE (eV/atom)"), ladder)
        if ladder
        else ""
    )
    return (
        rows_table
        + (
            '<p class="how">± is the standard error over test rows for an ensemble or a forest, '
            "and the standard deviation over seeds for one network. Published figures: CrabNet's "
            "repository, same rows.</p>"
        )
        + figures
        + steps
    )


def _with_spread(row: Mapping[str, Any]) -> str:
    spread = number(row.get("se")) or number(row.get("sd"))
    return fixed_text(row.get("mae"), 4) + (f" ± {fixed(spread, 4)}" if spread else "")


def _curve(curve: Mapping[str, Any]) -> str:
    svg = curve_svg(curve)
    if not svg:
        return ""
    key = key_of([(f"border-color:var(--{name})", words) for _, words, name, _ in CURVE_LINES])
    return (
        f'{key}<figure class="panel">{svg}</figure><p class="how">Each point is one draw of the '
        "training rows; test rows are always the published ones. Dotted: where the network "
        "overtakes a forest.</p>"
    )


def _made(results: Mapping[str, Any]) -> str:
    entries = [
        (text(string(name), 60), setting_text(value))
        for source in ("settings", "record")
        for name, value in list(mapping(results.get(source)).items())[:60]
    ]
    return pairs(entries)
