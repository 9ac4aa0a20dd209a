"""What happens when an attribute is turned: edited pictures, curves of tiles, boxes of a lot."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from matlever.report._text import fixed, number_text, plain, quantity, text
from matlever.report._values import flag, items, number, numbers, pick, records, string
from matlever.report.held_out import as_floats
from matlever.report.lots_figures import Boxes, box_panel
from matlever.report.overview import warning_box
from matlever.report.sweep_figure import Sweep, sweep_limits, sweep_panel
from matlever.report.sweeps_part import read_sweep
from matlever.report.tile_pictures import Scale, tile_picture

__all__ = [
    "TURN_ANCHOR",
    "flagged_attributes",
    "lot_boxes",
    "property_label",
    "strips",
    "sweep_grid",
    "turn_section",
]

TURN_ANCHOR = "turn"


def turn_section(results: Mapping[str, Any], mark: str = "") -> str:
    """Return the section on turned attributes, or nothing where nothing was redrawn."""
    lots = records(pick(results, "forward", "lots"))
    if not lots:
        return ""
    body = "".join(strips(results, lot) for lot in lots)
    return (
        f'<section id="{TURN_ANCHOR}"><h2>What happens when an attribute is turned{mark}</h2>'
        f"<p>One attribute is turned from 0 to 1, the others stay. A tile is redrawn as a lot with "
        "that attribute would look, and the network that learned from real tiles says what it "
        "predicts for the new picture.</p>"
        f"{_flag_note(results)}"
        f"<h3>The pictures</h3>{body}"
        f"<h3>What is predicted, attribute by lot</h3>{sweep_grid(results)}"
        f"<h3>All tiles of a lot</h3>{lot_boxes(results)}"
        f"{_shift(results)}</section>"
    )


def property_label(results: Mapping[str, Any]) -> str:
    """Return the property with its unit, as plain text."""
    found = pick(results, "data", "property")
    name, unit = string(pick(found, "name")), string(pick(found, "unit"))
    return f"{name} ({unit})" if unit else name


def flagged_attributes(results: Mapping[str, Any]) -> list[str]:
    """Return the attributes that cannot be told from others in these lots."""
    return [string(name) for name in items(pick(results, "identifiability", "flagged"))]


def _flag_note(results: Mapping[str, Any]) -> str:
    flagged = [text(name, 60) for name in flagged_attributes(results)]
    if not flagged:
        return ""
    return warning_box(
        [
            f"{name} cannot be told from other attributes in these lots (see above). Its curves "
            "show what the pictures do, not that it is a cause."
            for name in flagged
        ],
        "Before you read the curves",
    )


def _swept(results: Mapping[str, Any]) -> dict[tuple[int, str], Sweep]:
    """Return the sweeps that can be drawn, by position of the lot and attribute."""
    return {
        (place, string(one.get("knob"))): swept
        for place, lot in enumerate(records(pick(results, "forward", "lots")))
        for one in records(lot.get("sweeps"))
        if (swept := read_sweep(one)) is not None
    }


def strips(
    results: Mapping[str, Any], lot: Mapping[str, Any], attributes: Collection[str] | None = None
) -> str:
    """Return a tile of one lot redrawn along its attributes, or along some of them."""
    scale = Scale(number(pick(results, "data", "pixel_nm")))
    what = property_label(results)
    name = string(lot.get("lot"))
    parts = []
    for strip in records(lot.get("strips")):
        attribute = string(strip.get("attribute"))
        if attributes is not None and attribute not in attributes:
            continue
        predicted = _along(lot, attribute, int(number(strip.get("position")) or 0))
        pictures = [
            tile_picture(
                strip.get("tile"),
                f"Tile of lot {name} as it is.",
                f"<b>as it is</b><br/>{text(attribute, 40)} {_two(number(strip.get('own')))}",
                side=128,
                scale=scale,
                own=True,
            )
        ]
        for value, picture in zip(
            numbers(strip.get("values")), items(strip.get("pictures")), strict=False
        ):
            says = predicted(value)
            caption = f"{text(attribute, 40)} {_two(value)}"
            caption += f"<br/>predicted {text(says)}" if says else ""
            words = f"The same tile with {plain(attribute, 60)} {_two(value)}."
            pictures.append(tile_picture(picture, words, caption, side=128))
        parts.append(f'<div class="strip-of">{"".join(pictures)}</div>')
    measured = text(quantity(number(lot.get("measured")), "", 4))
    return (
        f'<div class="lot"><h4>Lot {text(name, 60)}: measured {text(what, 80)} {measured}</h4>'
        f"{''.join(parts)}</div>"
    )


def _along(lot: Mapping[str, Any], attribute: str, position: int) -> Any:
    """Return a function that says what is predicted of the strip's tile at a value."""
    for one in records(lot.get("sweeps")):
        if string(one.get("knob")) == attribute:
            values = as_floats(numbers(one.get("values")))
            curves = items(one.get("individual"))
            if position < len(curves):
                curve = as_floats(numbers(curves[position]))
                if len(curve) == len(values) and len(values):
                    return lambda value: (
                        ""
                        if value is None
                        else number_text(float(np.interp(value, values, curve)), 4)
                    )
    return lambda value: ""


def _two(value: float | None) -> str:
    return "–" if value is None else fixed(value, 2)


def sweep_grid(results: Mapping[str, Any]) -> str:
    """Return one panel for each attribute and lot."""
    lots = records(pick(results, "forward", "lots"))
    what, sweeps = property_label(results), _swept(results)
    limits = sweep_limits(list(sweeps.values())) or (0.0, 1.0)
    panels: list[str] = []
    flagged = set(flagged_attributes(results))
    for attribute in [string(name) for name in items(pick(results, "forward", "attributes"))]:
        for place, lot in enumerate(lots):
            swept = sweeps.get((place, attribute))
            if swept is None:
                continue
            name = string(lot.get("lot"))
            drawn = sweep_panel(
                f"turn-{place}-{len(panels)}",
                swept,
                limits,
                plain(what, 40),
                f"Predicted {what} of tiles of lot {name} while {plain(attribute, 60)} is turned.",
            )
            pale = " pale" if attribute in flagged else ""
            panels.append(
                f'<figure class="panel{pale}"><h4>Lot {text(name, 40)}: {text(attribute, 40)}'
                f"</h4>{drawn}</figure>"
            )
    return (
        f'<div class="grid">{"".join(panels)}</div>'
        '<ul class="key"><li><i class="stroke" style="color:var(--blue)"></i>mean over the tiles'
        '</li><li><i class="stroke" style="color:var(--thread)"></i>single tiles</li>'
        "<li>ticks at the foot: the lots there are</li>"
        '<li><i class="stroke far" style="color:var(--blue)"></i>far from all lots</li></ul>'
        '<p class="how">All panels share one scale. A flat line is an attribute that the network '
        "does not respond to in this lot. It is what the model expects of redrawn pictures, not a "
        "measurement.</p>"
    )


def lot_boxes(results: Mapping[str, Any], only: Collection[str] | None = None) -> str:
    """Return box plots over the tiles of each lot, for all attributes or some of them."""
    lots = records(pick(results, "forward", "lots"))
    what = property_label(results)
    limits = _with_measured(sweep_limits(list(_swept(results).values())) or (0.0, 1.0), lots)
    attributes = [string(a.get("name")) for a in records(pick(results, "data", "attributes"))]
    parts = []
    for place, lot in enumerate(lots):
        name = string(lot.get("lot"))
        start = numbers(lot.get("start"))
        panels: list[str] = []
        for one in records(lot.get("sweeps")):
            boxes = _read_boxes(one)
            attribute = string(one.get("knob"))
            if boxes is None or (only is not None and attribute not in only):
                continue
            j = attributes.index(attribute) if attribute in attributes else -1
            drawn = box_panel(
                f"boxes-{place}-{len(panels)}",
                boxes,
                limits,
                (plain(attribute, 40), plain(what, 40)),
                f"Predictions of the tiles of lot {name} at values of {plain(attribute, 60)}.",
                measured=number(lot.get("measured")),
                own=start[j] if 0 <= j < len(start) else None,
            )
            panels.append(f'<figure class="panel"><h4>{text(attribute, 60)}</h4>{drawn}</figure>')
        n = len(items(lot.get("tiles")))
        parts.append(
            f'<div class="lot"><h4>Lot {text(name, 60)}, {n} tiles</h4>'
            f'<div class="grid">{"".join(panels)}</div></div>'
        )
    return (
        "".join(parts)
        + '<ul class="key"><li><i class="bar-of" style="background:var(--wash);outline:1px solid '
        'var(--blue)"></i>half of the tiles, median inside</li>'
        '<li><i class="stroke" style="color:var(--orange);border-top-style:dotted"></i>measured of '
        "the lot</li><li>orange mark at the foot: where the lot stands</li></ul>"
        '<p class="how">Tiles of one lot do not look alike, so their predictions scatter: the '
        "boxes say how much of a trend survives that.</p>"
    )


def _with_measured(
    limits: tuple[float, float], lots: list[Mapping[str, Any]]
) -> tuple[float, float]:
    """Widen limits to what was measured of the lots, as far as their own span beyond them."""
    low, high = limits
    span = high - low
    known = [value for lot in lots if (value := number(lot.get("measured"))) is not None]
    near = [value for value in known if low - span <= value <= high + span]
    return min([low, *(v - 0.05 * span for v in near)]), max(
        [high, *(v + 0.05 * span for v in near)]
    )


def _read_boxes(one: Mapping[str, Any]) -> Boxes | None:
    box = pick(one, "box")
    values = as_floats(numbers(one.get("values")))
    columns = [
        as_floats(numbers(pick(box, name)))
        for name in ("median", "q1", "q3", "whisker_low", "whisker_high")
    ]
    if not len(values) or any(len(column) != len(values) for column in columns):
        return None
    outliers = [as_floats(numbers(some)) for some in items(pick(box, "outliers"))]
    return Boxes(values, columns[0], columns[1], columns[2], columns[3], columns[4], outliers)


def _shift(results: Mapping[str, Any]) -> str:
    unit = string(pick(results, "data", "property", "unit"))
    mean = number(pick(results, "forward", "shift", "mean"))
    largest = number(pick(results, "forward", "shift", "largest"))
    if mean is None or largest is None:
        return ""
    how = (
        "This shift is measured for each tile and taken out of everything above"
        if flag(pick(results, "forward", "is_corrected"))
        else "This shift was left in, as asked"
    )
    return (
        f'<p class="how">Redrawing a tile with nothing turned moves its prediction by '
        f"{text(quantity(mean, unit, 2))} on average, {text(quantity(largest, unit, 2))} at most. "
        f"{how}.</p>"
    )
