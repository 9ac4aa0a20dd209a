"""What to change: one tile in both directions with its pictures, and the means over each lot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from matlever.report._text import number_text, percent, plain, quantity, text
from matlever.report._values import flag, items, number, numbers, pick, records, string
from matlever.report.held_out import as_floats
from matlever.report.lots_figures import ChangeBars, change_bars
from matlever.report.lots_forward import flagged_attributes, property_label
from matlever.report.overview import warning_box
from matlever.report.tile_pictures import Scale, tile_picture

__all__ = ["LOT_CHANGE_ANCHOR", "lot_change_section", "one_tile", "whole_lot"]

LOT_CHANGE_ANCHOR = "change"
_DIRECTIONS = {
    "up": ("Higher", "orange"),
    "down": ("Lower", "blue"),
    "goal": ("To the goal", "green"),
}


def lot_change_section(results: Mapping[str, Any], mark: str = "") -> str:
    """Return the section on what to change, or nothing where nothing was redrawn."""
    lots = records(pick(results, "backward", "lots"))
    if not lots:
        return ""
    attributes = [string(name) for name in items(pick(results, "backward", "attributes"))]
    held = [text(string(name), 60) for name in items(pick(results, "backward", "held"))]
    flagged = set(flagged_attributes(results))
    notes = [
        f"{name} was not turned here: it cannot be told from other attributes in these lots, so "
        "it is not offered as a cause."
        if string(raw) in flagged
        else f"{name} was held where each lot stands."
        for name, raw in zip(held, items(pick(results, "backward", "held")), strict=True)
    ]
    scale = Scale(number(pick(results, "data", "pixel_nm")))
    what = property_label(results)
    body = "".join(_lot(lot, place, attributes, what, scale) for place, lot in enumerate(lots))
    return (
        f'<section id="{LOT_CHANGE_ANCHOR}"><h2>What to change{mark}</h2>'
        "<p>The question asked backwards: what is the least change of the attributes after which "
        "the network predicts the wanted value? It is answered for each tile by itself; the lot is "
        "the mean of its tiles.</p>"
        f"{warning_box(notes, 'Before you act on this')}{body}"
        '<p class="how">The change is the least that was found: no attribute can go back to where '
        "it was, the others as they are, while the goal holds. Bars are in shares of the whole "
        "range of an attribute; lines on them are the standard deviation over the tiles. It is "
        "what the model expects of redrawn pictures, not a measurement: make and press a lot like "
        "that before you rely on it.</p></section>"
    )


def _lot(lot: Mapping[str, Any], place: int, attributes: list[str], what: str, scale: Scale) -> str:
    name = string(lot.get("lot"))
    questions = records(lot.get("questions"))
    said = "".join(f"<li>{text(string(q.get('sentence')), 600)}</li>" for q in questions)
    measured = text(quantity(number(lot.get("measured")), "", 4))
    uid = f"change-{place}"
    return (
        f'<div class="lot"><h3>Lot {text(name, 60)}: measured {text(what, 80)} {measured}</h3>'
        f'<ul class="plain">{said}</ul><div class="pair">'
        f"<div><h4>One tile</h4>{one_tile(lot, attributes, uid, scale)}</div>"
        f"<div><h4>Mean over the lot</h4>{whole_lot(lot, attributes, uid)}</div>"
        f"</div>{_shares(questions)}</div>"
    )


def one_tile(lot_found: Mapping[str, Any], attributes: list[str], uid: str, scale: Scale) -> str:
    """Return a tile of a lot as it is and as it would look, with bars of what changes."""
    questions, lot = records(lot_found.get("questions")), string(lot_found.get("lot"))
    pictures: list[str] = []
    bars: list[ChangeBars] = []
    for question in questions:
        row = _shown_row(question)
        if row is None:
            continue
        word, tint = _DIRECTIONS.get(string(question.get("direction")), ("Changed", "blue"))
        if not pictures:
            before = number_text(number(row.get("prediction")), 4)
            pictures.append(
                tile_picture(
                    pick(question, "shown", "tile"),
                    f"Tile of lot {lot} as it is.",
                    f"<b>as it is</b><br/>predicted {before}",
                    scale=scale,
                    own=True,
                )
            )
        after = number_text(number(row.get("reached_prediction")), 4)
        state = "" if flag(row.get("reached")) else "<br/>goal not reached"
        pictures.append(
            tile_picture(
                pick(question, "shown", "edited"),
                f"The tile redrawn: {word.lower()}.",
                f"<b>{word.lower()}</b><br/>predicted {after}{state}",
            )
        )
        change = as_floats(numbers(row.get("change")))
        if len(change) == len(attributes):
            bars.append(ChangeBars(word, tint, change))
    drawn = change_bars(
        f"{uid}-one", attributes, bars, f"Changes of the attributes for one tile of lot {lot}."
    )
    if not bars:
        return ""
    return (
        f'<div class="side"><div class="tiles">{"".join(pictures)}</div>{drawn}</div>'
        f"{_key(questions)}"
    )


def _shown_row(question: Mapping[str, Any]) -> Mapping[str, Any] | None:
    rows = records(question.get("rows"))
    position = int(number(pick(question, "shown", "position")) or 0)
    return rows[position] if 0 <= position < len(rows) else None


def whole_lot(lot_found: Mapping[str, Any], attributes: list[str], uid: str) -> str:
    """Return the mean changes over the tiles of a lot as bars."""
    questions, lot = records(lot_found.get("questions")), string(lot_found.get("lot"))
    bars = []
    for question in questions:
        mean, sd = (as_floats(numbers(question.get(key))) for key in ("mean", "sd"))
        if len(mean) == len(attributes) == len(sd):
            word, tint = _DIRECTIONS.get(string(question.get("direction")), ("Changed", "blue"))
            bars.append(ChangeBars(word, tint, mean, np.nan_to_num(sd)))
    if not bars:
        return ""
    described = f"Mean changes of the attributes over the tiles of lot {plain(lot, 40)}."
    return change_bars(f"{uid}-lot", attributes, bars, described) + _key(questions)


def _key(questions: list[Mapping[str, Any]]) -> str:
    entries = [
        (
            *_DIRECTIONS.get(string(question.get("direction")), ("Changed", "blue")),
            string(question.get("goal")),
        )
        for question in questions
    ]
    return (
        '<ul class="key">'
        + "".join(
            f'<li><i class="bar-of" style="background:var(--{tint})"></i>{word.lower()}: '
            f"{text(goal, 80)}</li>"
            for word, tint, goal in entries
        )
        + "</ul>"
    )


def _shares(questions: list[Mapping[str, Any]]) -> str:
    said = [
        f"{text(string(question.get('goal')), 80)}: reached by "
        f"{percent(number(question.get('reached_share')))} of "
        f"{len(records(question.get('rows')))} tiles"
        for question in questions
    ]
    return f'<p class="how">{"; ".join(said)}.</p>' if said else ""
