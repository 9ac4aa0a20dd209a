"""What these lots can tell apart: correlations of the attributes, and what that forbids to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matlever.report._text import DASH, fixed, score, text
from matlever.report._values import items, mapping, numbers, string
from matlever.report.overview import warning_box

__all__ = ["KNOWN_ANCHOR", "known_section"]

KNOWN_ANCHOR = "apart"
_LARGE = 0.5


def known_section(results: Mapping[str, Any], mark: str = "") -> str:
    """Return the section on identifiability, or nothing where it was not looked at."""
    known = mapping(results.get("identifiability"))
    names = [string(name) for name in items(known.get("attributes"))]
    if not names:
        return ""
    flags = mapping(known.get("flags"))
    said = [text(string(sentence), 700) for sentence in items(known.get("sentences"))]
    box = (
        warning_box(said, "Before anything is explained")
        if flags
        else "".join(f'<div class="say"><p>{one}</p></div>' for one in said)
    )
    return (
        f'<section id="{KNOWN_ANCHOR}"><h2>What these lots can tell apart{mark}</h2>'
        "<p>Where two attributes rise and fall together from lot to lot, nobody can say from these "
        "lots which of them makes the difference, neither a network nor a person. So this comes "
        "before everything else.</p>"
        f'{box}<div class="pair"><div><h4>Correlation over the lots</h4>'
        f"{_matrix(names, known)}</div><div><h4>Attribute by attribute</h4>"
        f"{_table(names, known, flags)}</div></div>"
        '<p class="how">A correlation of 1 or −1 means that two attributes are one as far as these '
        f"lots can tell; from {fixed(_LARGE, 1)} on it is marked. Inflation says how many times "
        "less certain an effect is than if the attribute varied by itself. The last column is R² "
        "of the attribute read from pictures of lots that were left out: near 0, the pictures do "
        "not show it.</p></section>"
    )


def _matrix(names: list[str], known: Mapping[str, Any]) -> str:
    heads = "".join(f'<th scope="col" class="n">{text(name, 16)}</th>' for name in names)
    rows = []
    for i, row in enumerate(items(known.get("correlation"))[: len(names)]):
        cells = []
        for j, value in enumerate(numbers(row)[: len(names)]):
            shown = DASH if value is None else fixed(value, 2)
            large = value is not None and i != j and abs(value) >= _LARGE
            own = i == j
            tint = "var(--amber-wash)" if large else "var(--sunk)" if own else "transparent"
            inner = f"<b>{shown}</b>" if large else shown
            cells.append(f'<td class="n" style="background:{tint}">{inner}</td>')
        rows.append(f'<tr><th scope="row">{text(names[i], 40)}</th>{"".join(cells)}</tr>')
    return (
        '<div class="scroll" tabindex="0"><table><thead><tr><th scope="col"></th>'
        f"{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _table(names: list[str], known: Mapping[str, Any], flags: Mapping[str, Any]) -> str:
    inflation = numbers(known.get("inflation"))
    picture = numbers(known.get("picture_r2"))
    rows = []
    for j, name in enumerate(names):
        pill = (
            '<span class="pill none">not a cause</span>'
            if name in flags
            else '<span class="pill strong">can be told</span>'
        )
        more = inflation[j] if j < len(inflation) else None
        seen = picture[j] if j < len(picture) else None
        rows.append(
            f'<tr><th scope="row">{text(name, 40)}</th><td>{pill}</td>'
            f'<td class="n">{DASH if more is None else fixed(more, 1)}</td>'
            f'<td class="n">{score(seen)}</td></tr>'
        )
    return (
        '<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">attribute</th>'
        '<th scope="col"></th><th scope="col" class="n">inflation</th>'
        '<th scope="col" class="n">R² from<br/>pictures</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
