"""How far the edited pictures can be trusted, in words for who never heard of such networks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from matlever.report._text import DASH, count, fixed, plain, text
from matlever.report._values import items, mapping, number, numbers, pick, records, string
from matlever.report.held_out import as_floats
from matlever.report.tile_pictures import Scale, tile_picture

__all__ = ["EDITOR_ANCHOR", "editor_section"]

EDITOR_ANCHOR = "editor"
_STATES = {
    True: '<span class="pill strong">passed</span>',
    False: '<span class="pill none">failed</span>',
    None: '<span class="pill unknown">open</span>',
}


def editor_section(results: Mapping[str, Any], mark: str = "") -> str:
    """Return the section on the editor, or nothing where there was none."""
    editor = mapping(results.get("editor"))
    kind = string(editor.get("kind"))
    if not kind or kind == "none":
        return ""
    card = mapping(editor.get("card"))
    said = text(string(editor.get("sentence")), 600)
    body = _card(results, card) if card else _no_card(kind)
    return (
        f'<section id="{EDITOR_ANCHOR}"><h2>How far the edited pictures can be trusted{mark}</h2>'
        "<p>To ask what a lot with larger crystals would look like, a tile is redrawn by a program "
        "that learned from all lots how pictures change with each attribute. It may change too "
        "little, too much, or the wrong thing, and a network may be fooled by a pattern that "
        f"nobody sees. So it is measured. {said}</p>{body}</section>"
    )


def _no_card(kind: str) -> str:
    if kind == "exact":
        return (
            "<p>The simulator draws the same packing of crystals again, so only what was asked for "
            "changes.</p>"
        )
    return (
        '<div class="say bad"><p>The editor was not judged: there are too few lots to keep some '
        "aside for it. Look at the pictures before you believe a curve.</p></div>"
    )


def _card(results: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    passed = card.get("passed") is True
    lots, tiles = count(number(card.get("n_lots"))), count(number(card.get("n_tiles")))
    verdict = _verdict(passed, [line.get("passed") for line in records(card.get("criteria"))])
    return (
        f'<div class="say{"" if passed else " bad"}"><p>{verdict} Judged on {tiles} tiles of '
        f"{lots} lots that neither the editor nor the meters have learned from.</p></div>"
        f"{_criteria(card)}<h3>Turned one, changed which?</h3>{_gains(card)}"
        f"<h3>See for yourself</h3>{_pictures(results, card)}"
    )


def _verdict(passed: bool, states: list[object]) -> str:
    """Return the verdict; tests that stay open are no passed ones."""
    n_open = sum(not isinstance(state, bool) for state in states)
    if not passed:
        return "It does not pass every test below: read curves and changes with that in mind."
    if not n_open:
        return "It passes every test below."
    return (
        f"It passes each of the {len(states) - n_open} tests that could be made. {n_open} stay "
        "open: from so few lots the meters have not learned to see what these ask, so the pictures "
        "below have to be judged by eye."
    )


def _criteria(card: Mapping[str, Any]) -> str:
    rows = []
    for line in records(card.get("criteria")):
        value = number(line.get("value"))
        state = line.get("passed")
        remark = text(_typeset(string(line.get("remark"))), 200)
        rows.append(
            f'<tr><th scope="row">{text(string(line.get("name")), 160)}</th>'
            f"<td>{_STATES.get(state if isinstance(state, bool) else None, '')}</td>"
            f'<td class="n">{DASH if value is None else f"{value:.3g}".replace("-", "−")}</td>'
            f'<td class="n">{text(string(line.get("asked")), 60)}</td>'
            f'<td class="wide">{remark}</td></tr>'
        )
    return (
        '<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">test</th>'
        '<th scope="col"></th><th scope="col" class="n">found</th>'
        '<th scope="col" class="n">asked</th><th scope="col"></th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        '<p class="how">Gain: by how much an attribute really changes when it is turned by one; 1 '
        "is as much as asked. Two meters read it from the pictures: a network of its own, and "
        "classical measures of texture that no network can fool. Real against edited: how well a "
        "judge tells edited from real tiles; 0.5 is guessing, 1 is always.</p>"
    )


def _gains(card: Mapping[str, Any]) -> str:
    parts = []
    for key, title in (("network", "read by a network"), ("texture", "read by texture measures")):
        found = mapping(card.get(key))
        names = [string(name) for name in items(found.get("names"))]
        gain = [as_floats(numbers(row)) for row in items(found.get("gain"))]
        if len(gain) != len(names) or any(len(row) != len(names) for row in gain):
            continue
        heads = "".join(f'<th scope="col" class="n">{text(name, 24)}</th>' for name in names)
        rows = "".join(
            f'<tr><th scope="row">{text(name, 40)}</th>'
            + "".join(
                f'<td class="n">{f"<b>{_gain(value)}</b>" if i == j else _gain(value)}</td>'
                for j, value in enumerate(row.tolist())
            )
            + "</tr>"
            for i, (name, row) in enumerate(zip(names, gain, strict=True))
        )
        parts.append(
            f'<div><h4>{title}</h4><div class="scroll" tabindex="0"><table><thead><tr>'
            f'<th scope="col">turned</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
            "</div>"
        )
    return (
        f'<div class="pair">{"".join(parts)}</div>'
        '<p class="how">Rows are what was turned, columns what changed. A perfect editor has 1 on '
        "the diagonal and 0 beside it.</p>"
    )


def _gain(value: float) -> str:
    return DASH if not np.isfinite(value) else fixed(float(value), 2)


def _pictures(results: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    scale = Scale(number(pick(results, "data", "pixel_nm")))
    rows: list[str] = []
    for shown in records(card.get("shown")):
        attribute = string(shown.get("attribute"))
        own = number(shown.get("own"))
        pictures = "".join(
            tile_picture(
                one,
                f"The tile with {plain(attribute, 40)} at {fixed(value or 0.0, 2)}.",
                f"{text(attribute, 40)} {fixed(value or 0.0, 2)}",
                side=128,
                scale=scale if not rows and place == 0 else None,
            )
            for place, (value, one) in enumerate(
                zip(numbers(shown.get("values")), items(shown.get("pictures")), strict=False)
            )
        )
        stands = "" if own is None else f" The tile's lot stands at {fixed(own, 2)}."
        rows.append(
            f'<div class="strip-of">{pictures}</div><p class="how">{text(attribute, 60)} turned, '
            f"the others as they are.{stands}</p>"
        )
    return "".join(rows)


def _typeset(remark: str) -> str:
    """Return a remark of the card with a true minus and a squared R."""
    return re.sub(r"(?<![\w)])-(?=\d)", "−", remark).replace("R2 ", "R² ")
