"""What happens when two knobs are turned together: maps of the pairs that interact most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from matlever.report._text import label, plain, quantity, text
from matlever.report._values import items, number, numbers, records, string
from matlever.report.heatmap import colour_scale
from matlever.report.held_out import as_floats, matrix
from matlever.report.overview import target_label
from matlever.report.pair_figure import Axis, Surface, surface_map

__all__ = ["pairs_part"]

_MOST_MAPS = 4


def pairs_part(target: Mapping[str, Any], uid: str) -> str:
    """Return the part on two knobs at once, or nothing where none were turned together."""
    entries = [(entry, _surface(entry)) for entry in records(target.get("pairs"))]
    drawn = [(entry, surface) for entry, surface in entries if surface is not None][:_MOST_MAPS]
    if not drawn:
        return ""
    what = target_label(target)
    values = np.concatenate([surface.mean.ravel() for _, surface in drawn])
    values = values[np.isfinite(values)]
    limits = (float(values.min()), float(values.max()))
    panels = []
    for place, (entry, surface) in enumerate(drawn):
        described = (
            f"Predicted {what} while {plain(surface.x.name, 80)} and {plain(surface.y.name, 80)} "
            "are turned together."
        )
        drawing = surface_map(f"{uid}-pair-{place}", surface, limits, described)
        said = text(string(entry.get("sentence")), 600)
        panels.append(
            f'<figure class="panel">{drawing}'
            + (f"<figcaption>{said}</figcaption>" if said else "")
            + "</figure>"
        )
    unit = string(target.get("unit"))
    scale = colour_scale(
        f"{text(string(target.get('name')), 60)}: {text(quantity(limits[0], unit))}",
        text(quantity(limits[1], unit)),
        hue="blue",
    )
    return (
        f'<h3>Two knobs at once</h3><div class="grid maps">{"".join(panels)}</div>{scale}'
        '<p class="how">The mean prediction over the rows when both knobs are set as the axes say. '
        "Dots are known rows, larger where several coincide. Pale fields are far from all data, "
        "grey ones cannot be set. Where lines of equal colour are not parallel, what one knob does "
        "depends on the other: turn them together.</p>"
    )


def _surface(entry: Mapping[str, Any]) -> Surface | None:
    """Read one pair; None where it cannot be drawn."""
    axes = [_axis(entry, place) for place in (0, 1)]
    x, y = axes
    if x is None or y is None:
        return None
    shape = (len(x.values), len(y.values))
    mean = matrix(entry.get("mean"), shape[1])
    if mean.shape != shape or not np.isfinite(mean).any():
        return None
    beside = []
    for name in ("inside", "reached"):
        found = matrix(entry.get(name), shape[1])
        beside.append(found if found.shape == shape else np.ones(shape))
    inside, reached = np.nan_to_num(beside[0], nan=1.0), beside[1]
    if x.levels and not y.levels:  # names of levels have room on the left
        return Surface(y, x, mean.T, inside.T, reached.T)
    return Surface(x, y, mean, inside, reached)


def _axis(entry: Mapping[str, Any], place: int) -> Axis | None:
    def at(name: str) -> Any:
        found = items(entry.get(name))
        return found[place] if place < len(found) else None

    values = as_floats(numbers(at("values")))
    levels = [string(level) for level in items(at("levels"))]
    if not len(values) or not np.isfinite(values).all() or (np.diff(values) <= 0).any():
        return None
    if levels and len(levels) != len(values):
        return None
    log = at("scales") == "log" and float(values[0]) > 0 and not levels
    data = as_floats([number(value) for value in items(at("data"))])
    if log:
        data = np.where(data > 0, data, np.nan)
    return Axis(label(string(at("knobs")), string(at("units"))), values, levels, log, data)
