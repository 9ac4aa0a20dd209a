"""The page of ``matlever reproduce perovskites``: published and our errors, row by row."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.report._text import DASH, count, fixed, text
from matlever.report._values import items, mapping, number, pick, records, string
from matlever.report.canvas import axis_label, colour, new_axes, style_ticks, to_svg
from matlever.report.record import pairs, setting_text
from matlever.report.reproduction_page import reproduction_page
from matlever.report.study_report import check_schema
from matlever.storage import write_text

__all__ = ["PEROVSKITES_SCHEMA", "render_perovskites", "write_perovskites"]

PEROVSKITES_SCHEMA = "matlever-perovskites/1"
Floats = NDArray[np.float64]

_PANELS = (
    ("network", "One 4-12-1 network on the site descriptors", "blue"),
    ("full", "Gaussian process on all properties of both ions", "orange"),
)
_LISTS = (
    ("swapped_by_list", "Sites exchanged, the lists allow no other way"),
    ("swapped_by_company", "Sites exchanged, only one of the ions stands on A elsewhere"),
    ("undecided", "Both ways possible, the larger ion stays on A"),
    ("excluded", "Left out, an ion is in neither list"),
)
_WORST = 12


def render_perovskites(result: Mapping[str, Any]) -> str:
    """Return the reproduction of the perovskite study as one offline HTML document.

    Parameters
    ----------
    result : mapping
        Plain JSON values of schema ``matlever-perovskites/1`` (``docs/compositions.md``). Values
        may be null or missing; every string is escaped.

    Returns
    -------
    html : str

    Raises
    ------
    StudyError
        If `result` does not say that it follows this schema.
    """
    check_schema(result, PEROVSKITES_SCHEMA)
    settings = {**mapping(result.get("settings")), **mapping(result.get("record"))}
    rows = records(result.get("rows"))
    parts = [
        ("Held out", "Held-out predictions", _pictures(rows)),
        ("Errors", "Mean absolute errors", _scores(result)),
        ("Sites", "Which ion stands on which site", _sites(result)),
        ("Worst", "Rows with the largest errors", _worst(rows)),
        (
            "How it was made",
            "How it was made",
            pairs([(text(string(k), 60), setting_text(v)) for k, v in list(settings.items())[:80]]),
        ),
    ]
    return reproduction_page(result, parts, "Perovskites")


def write_perovskites(result: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write :func:`render_perovskites` to `path`; the file appears whole or not at all."""
    return write_text(path, render_perovskites(result))


def _pictures(rows: Sequence[Mapping[str, Any]]) -> str:
    figures = [
        f'<figure class="panel"><h3>{name}</h3>{svg}</figure>'
        for key, name, hue in _PANELS
        if (svg := _picture(rows, key, name, hue))
    ]
    if not figures:
        return ""
    return (
        "<p>Each dot is a perovskite, predicted by models that did not see it (the mean over the "
        "repeats). On the line prediction and calculation agree.</p>" + "".join(figures)
    )


def _picture(rows: Sequence[Mapping[str, Any]], key: str, name: str, hue: str) -> str:
    known = [
        (energy, value)
        for row in rows
        if (energy := number(row.get("energy"))) is not None
        and (value := number(row.get(key))) is not None
    ]
    if len(known) < 2:
        return ""
    points = np.array(known)
    figure, axes = new_axes(560, 420, (52, 14, 26, 50))
    low, high = float(points.min()), float(points.max())
    margin = 0.05 * (high - low) or 0.1
    axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(low - margin, high + margin)
    style_ticks(axes, "y", n=6)
    style_ticks(axes, "x", n=6, grid=False)
    axes.plot([low, high], [low, high], color=colour("thread"), linewidth=1.4)
    axes.plot(points[:, 0], points[:, 1], "o", color=colour(hue), markersize=4.5, alpha=0.7)
    axis_label(axes, "DFT, eV/atom", "held-out prediction, eV/atom", left=46)
    return to_svg(figure, f"held-out-{key}", f"{name}: held-out predictions against DFT.")


def _scores(result: Mapping[str, Any]) -> str:
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for entry in records(result.get("scores")):
        key = (string(entry.get("rows")), string(entry.get("protocol")))
        groups.setdefault(key, []).append(entry)
    if not groups:
        return ""
    low, high = (number(pick(result, "published", end)) for end in ("low", "high"))
    said = ""
    if low is not None and high is not None:
        said = (
            f"<p>The paper gives {fixed(low, 3)} to {fixed(high, 3)} eV/atom for perovskites, on "
            "rows and splits of its own.</p>"
        )
    tables = []
    for (rows, protocol), entries in groups.items():
        first = entries[0]
        heading = (
            f"{text(rows, 80)}; {text(protocol, 80)}: {count(number(first.get('n')))} rows, "
            f"{count(number(first.get('n_folds')))} folds, "
            f"{count(number(first.get('n_repeats')))} times"
        )
        body = "".join(
            f'<tr><th scope="row">{text(string(e.get("model")), 80)}</th>'
            + "".join(
                f'<td class="n">{cell}</td>'
                for cell in (
                    _fixed(e.get("mae"), 4),
                    _fixed(e.get("mae_sd"), 4),
                    _fixed(e.get("mae_pooled"), 4),
                    _fixed(e.get("r2"), 3),
                )
            )
            + "</tr>"
            for e in entries
        )
        heads = ("mean of folds", "sd of folds", "all rows", "R²")
        tables.append(f"<h3>{heading}</h3>{_table(('model, eV/atom', *heads), body)}")
    return said + "".join(tables)


def _sites(result: Mapping[str, Any]) -> str:
    sites = mapping(result.get("sites"))
    body = ""
    for key, words in _LISTS:
        formulas = [text(string(entry), 40) for entry in items(sites.get(key))][:400]
        if formulas:
            body += (
                f'<tr><th scope="row">{words}</th><td class="n">{len(formulas)}</td>'
                f"<td>{', '.join(formulas)}</td></tr>"
            )
    if not body:
        return ""
    return (
        "<p>The published entries do not say which ion is on which site. The rebuilt table takes "
        "the larger ion for A; the ions that the authors' code lists for each site say otherwise "
        "for a part. Only lists and formulas decide here, no energy does.</p>"
        + _table(("what was done", "rows", "formulas"), body)
    )


def _worst(rows: Sequence[Mapping[str, Any]]) -> str:
    known = [
        (abs(value - energy), row)
        for row in rows
        if (energy := number(row.get("energy"))) is not None
        and (value := number(row.get("network"))) is not None
    ]
    known.sort(key=lambda entry: -entry[0])
    body = "".join(
        f'<tr><th scope="row">{text(string(row.get("formula")), 40)}</th>'
        f"<td>{text(string(row.get('a')), 12)}</td><td>{text(string(row.get('b')), 12)}</td>"
        + "".join(
            f'<td class="n">{_fixed(row.get(key), 3)}</td>'
            for key in ("energy", "network", "ensemble", "full")
        )
        + "</tr>"
        for _, row in known[:_WORST]
    )
    if not body:
        return ""
    heads = ("A", "B", "DFT", "one network", "ten networks", "Gaussian process")
    return _table(("formula", *heads), body) + (
        '<p class="how">Formation energies in eV/atom, held-out predictions; sorted by the error '
        "of one network.</p>"
    )


def _table(heads: Sequence[str], body: str) -> str:
    cells = "".join(f'<th scope="col">{head}</th>' for head in heads)
    return (
        f'<div class="scroll" tabindex="0"><table><thead><tr>{cells}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _fixed(value: Any, decimals: int) -> str:
    known = number(value)
    return DASH if known is None else fixed(known, decimals)
