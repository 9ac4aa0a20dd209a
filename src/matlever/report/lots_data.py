"""The lots: what they are, how their tiles look, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matlever.report._text import DASH, count, fixed, number_text, plural, quantity, text
from matlever.report._values import items, number, numbers, pick, records, string
from matlever.report.lots_forward import property_label
from matlever.report.overview import warning_box
from matlever.report.tile_pictures import Scale, tile_picture

__all__ = ["lots_data_section"]

_MOST_LOTS = 60
_MOST_DROPPED = 60


def lots_data_section(results: Mapping[str, Any], mark: str = "") -> str:
    """Return the section on the data: counts, example tiles of each lot, what was dropped."""
    data = results.get("data")
    scale = Scale(number(pick(data, "pixel_nm")))
    warned = [text(string(entry)) for entry in items(pick(data, "warnings"))]
    return (
        f'<section id="data"><h2>The lots{mark}</h2>{_stats(results)}'
        f"{warning_box(warned, 'About the data')}"
        f"<h3>How they look</h3>{_examples(results, scale)}{_table(results)}"
        f"{_dropped(results, scale)}</section>"
    )


def _stats(results: Mapping[str, Any]) -> str:
    data = results.get("data")
    unit = string(pick(data, "property", "unit"))
    span = " to ".join(
        number_text(number(pick(data, "property", end)), 4) for end in ("lower", "upper")
    )
    side = f"{count(number(pick(data, 'width')))} × {count(number(pick(data, 'height')))}"
    pixel = number(pick(data, "pixel_nm"))
    entries = [
        ("lots", count(number(pick(data, "n_lots")))),
        ("tiles in use", count(number(pick(data, "n_tiles")))),
        ("tiles left out", count(number(pick(data, "n_dropped")))),
        ("px in a tile", side),
        (f"{string(pick(data, 'property', 'name'))}{f', {unit}' if unit else ''}", span),
    ]
    if pixel is not None:
        width = (number(pick(data, "width")) or 0) * pixel / 1000
        entries.append(("µm across a tile", number_text(width, 3)))
    listed = "".join(
        f"<div><dt>{text(name, 80)}</dt><dd>{text(value, 60)}</dd></div>"
        for name, value in entries
        if value != DASH
    )
    said = "".join(
        f"<li>{text(string(sentence), 400)}</li>" for sentence in items(pick(data, "sentences"))
    )
    return f'<dl class="stats">{listed}</dl>' + (f'<ul class="plain">{said}</ul>' if said else "")


def _examples(results: Mapping[str, Any], scale: Scale) -> str:
    """Return one tile or two of each lot, from the lowest to the highest measured value."""
    lots = sorted(
        records(pick(results, "data", "lots")),
        key=lambda lot: number(lot.get("measured")) or 0.0,
    )
    unit = string(pick(results, "data", "property", "unit"))
    figures: list[str] = []
    for lot in lots[:_MOST_LOTS]:
        name = string(lot.get("name"))
        pictures = records(lot.get("pictures"))
        if not pictures:
            continue
        measured = text(quantity(number(lot.get("measured")), unit, 4))
        figures.append(
            tile_picture(
                pictures[0],
                f"A tile of lot {name}.",
                f"<b>{text(name, 40)}</b> {measured}",
                side=136,
                scale=scale if not figures else None,
            )
        )
    more = len(lots) - _MOST_LOTS
    said = f" The {_MOST_LOTS} lowest of {count(len(lots))} lots." if more > 0 else ""
    return (
        f'<div class="lotgrid">{"".join(figures)}</div>'
        f'<p class="how">One tile of each lot, from the lowest to the highest measured '
        f"{text(property_label(results), 80)}.{said}</p>"
    )


def _table(results: Mapping[str, Any]) -> str:
    lots = records(pick(results, "data", "lots"))
    names = [string(entry.get("name")) for entry in records(pick(results, "data", "attributes"))]
    heads = "".join(f'<th scope="col" class="n">{text(name, 40)}</th>' for name in names)
    rows = []
    for lot in lots[:200]:
        cells = "".join(
            f'<td class="n">{DASH if value is None else fixed(value, 2)}</td>'
            for value in numbers(lot.get("attributes"))[: len(names)]
        )
        rows.append(
            f'<tr><th scope="row">{text(string(lot.get("name")), 60)}</th>'
            f'<td class="n">{number_text(number(lot.get("measured")), 4)}</td>{cells}'
            f'<td class="n">{count(number(lot.get("n_tiles")))}</td></tr>'
        )
    return (
        "<details><summary>All lots with their attributes</summary>"
        '<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">lot</th>'
        f'<th scope="col" class="n">{text(property_label(results), 60)}</th>{heads}'
        f'<th scope="col" class="n">tiles</th></tr></thead><tbody>{"".join(rows)}</tbody></table>'
        "</div></details>"
    )


def _dropped(results: Mapping[str, Any], scale: Scale) -> str:
    """Return how many tiles were left out and why, with some of them."""
    reasons = records(pick(results, "data", "dropped"))
    if not reasons:
        return ""
    total = sum(number(reason.get("count")) or 0.0 for reason in reasons)
    listed = "".join(
        f"<li>{text(string(reason.get('what')), 200)}: "
        f"{plural(number(reason.get('count')), 'tile')}</li>"
        for reason in reasons
    )
    sheet = "".join(
        tile_picture(
            entry.get("picture"),
            f"Left out: {string(entry.get('what'))}.",
            f"{text(string(entry.get('tile')), 40)}<br/>{text(string(entry.get('what')), 60)}",
            side=96,
        )
        for entry in records(pick(results, "data", "dropped_tiles"))[:_MOST_DROPPED]
    )
    return (
        f"<h3>Tiles that were left out</h3><p>{plural(total, 'tile')} could not be used:</p>"
        f'<ul class="plain">{listed}</ul>'
        + (
            f'<details><summary>Look at them</summary><div class="sheet">{sheet}</div></details>'
            if sheet
            else ""
        )
    )
