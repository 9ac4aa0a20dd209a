"""Which knob matters: local weights as a heat map, with each knob's overall weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.report._text import (
    decimals_for,
    fixed,
    label,
    mean_sd,
    number_text,
    plain,
    plural,
    quantity,
    text,
)
from matlever.report._values import items, mapping, number, numbers, pick, records, string
from matlever.report.figures import thin_out
from matlever.report.heatmap import colour_scale, column_labels, strip
from matlever.report.held_out import HeldOut, as_floats, matrix
from matlever.report.overview import has_skill, target_label
from matlever.report.trust import trust

__all__ = ["weights_part"]

Floats = NDArray[np.float64]
_MOST_COLUMNS = 160
_MOST_STRIPS = 40
_ARROWS = {
    "+": ("plus", "↑", "raises it"),
    "-": ("minus", "↓", "lowers it"),
    "mixed": ("", "↕", "both ways"),
}
_CROWDED = 12


def weights_part(target: Mapping[str, Any]) -> str:
    """Return the part on which knob matters: sentence, heat map with overall weights."""
    weights = mapping(target.get("weights"))
    knobs = [string(name) for name in items(weights.get("knobs"))]
    slopes = matrix(weights.get("slope_standardised"), len(knobs))
    if not knobs or not slopes.size:
        return "<h3>Which knob matters</h3><p>No weights were computed.</p>"
    sentence = text(string(weights.get("sentence")))
    doubt = ""
    if not has_skill(target):
        doubt = (
            '<div class="say bad"><p>These weights describe a model that showed no skill. They '
            "say what the model does, not what the material does: do not act on them.</p></div>"
        )
    return (
        "<h3>Which knob matters</h3>"
        + doubt
        + (f"<p>{sentence}</p>" if sentence else "")
        + _map(target, weights, knobs, slopes)
        + trust(weights, _largest(slopes))
    )


def _map(
    target: Mapping[str, Any], weights: Mapping[str, Any], knobs: Sequence[str], slopes: Floats
) -> str:
    what = target_label(target)
    names = [string(row) for row in items(weights.get("rows"))][: len(slopes)]
    names += [str(place + 1) for place in range(len(names), len(slopes))]
    order, measured = _by_measured(target, names)
    shown = order[thin_out(len(order), _MOST_COLUMNS)]
    units = [string(unit) for unit in items(weights.get("units"))]
    overall = {string(entry.get("knob")): entry for entry in records(weights.get("overall"))}
    sizes = np.array([_size(overall.get(knob), slopes[:, j]) for j, knob in enumerate(knobs)])
    ranked = np.argsort(-sizes, kind="stable")[:_MOST_STRIPS]
    largest = _largest(slopes[:, ranked])
    most = max((_reach(overall.get(knobs[j]), sizes[j]) for j in ranked), default=0.0)
    rows = []
    for j in ranked:
        unit = units[j] if j < len(units) else ""
        described = f"Weights of {plain(knobs[j], 80)} for {len(shown):,} rows."
        meter = _meter(overall.get(knobs[j]), float(sizes[j]), most)
        rows.append(
            f'<div class="row"><div class="name">{text(label(knobs[j], unit), 72)}</div>'
            f"{strip(slopes[shown, j], largest, described)}{meter}</div>"
        )
    ends = ""
    if measured is not None:
        low, high = float(np.nanmin(measured[order])), float(np.nanmax(measured[order]))
        greys = strip(
            (measured[shown] - low) / ((high - low) or 1.0) * 0.8 + 0.1,
            1.0,
            f"Measured {what}, rising from left to right.",
            hue="soft",
        )
        ends = (
            f'<div class="row thin"><div class="name">measured {text(what, 60)}</div>{greys}'
            f'<div class="name">{number_text(low)} to {number_text(high)}</div></div>'
        )
    columns = column_labels([names[row] for row in shown])
    ticks = (
        f'<div class="row ticks"><div class="name soft blank"></div>{columns}'
        '<div class="blank"></div></div>'
        if columns
        else ""
    )
    crowded = " many" if len(ranked) > _CROWDED else ""
    unit = string(target.get("unit"))
    scale = colour_scale(
        f"−{text(quantity(largest, unit, 2))} or less",
        f"+{text(quantity(largest, unit, 2))} or more",
    )
    return (
        f'<figure><div class="heat{crowded}"><div class="row head"><div class="name blank"></div>'
        "<span>each column is one row of the data</span><span>average size, ± sd over rows</span>"
        f"</div>{''.join(rows)}{_fidelity(weights, shown)}{ends}{ticks}{scale}</div>"
        f"<figcaption>{_caption(target, weights, order, shown, measured, len(knobs))}"
        "</figcaption></figure>"
    )


def _by_measured(
    target: Mapping[str, Any], names: Sequence[str]
) -> tuple[NDArray[np.intp], Floats | None]:
    """Return the order of the columns by rising measured value, and those values."""
    held = HeldOut.of(target)
    known = dict(zip(held.rows, held.measured.tolist(), strict=True))
    measured = np.array([known.get(name, np.nan) for name in names], dtype=np.float64)
    if not len(names) or not np.isfinite(measured).all():
        return np.arange(len(names)), None
    return np.argsort(measured, kind="stable"), measured


def _size(entry: Mapping[str, Any] | None, slopes: Floats) -> float:
    """Return a knob's overall weight: as reported, else from the rows."""
    mean = number(pick(entry, "mean_abs"))
    if mean is not None:
        return mean
    finite = slopes[np.isfinite(slopes)]
    return float(np.abs(finite).mean()) if finite.size else 0.0


def _reach(entry: Mapping[str, Any] | None, size: float) -> float:
    return size + (number(pick(entry, "sd")) or 0.0)


def _largest(slopes: Floats) -> float:
    """Return what gets the full colour: the 98th percentile, so that one odd cell is not all."""
    sizes = np.abs(slopes[np.isfinite(slopes)])
    if not sizes.size:
        return 0.0
    return float(np.quantile(sizes, 0.98)) or float(sizes.max())


def _meter(entry: Mapping[str, Any] | None, size: float, most: float) -> str:
    sd = number(pick(entry, "sd"))
    style, arrow, words = _ARROWS.get(string(pick(entry, "direction")), ("", "", ""))
    decimals = decimals_for(most, 3) if 1e-4 < most < 1e7 else None
    written = mean_sd(size, sd) if decimals is None else fixed(size, decimals)
    if decimals is not None and sd is not None:
        written += f" ± {fixed(sd, decimals)}"
    most = most or 1.0
    whisker = ""
    if sd:
        low, high = max(size - sd, 0.0) / most, min((size + sd) / most, 1.0)
        whisker = f'<i class="sd" style="left:{low:.1%};width:{high - low:.1%}"></i>'
    return (
        f'<div class="weight"><span class="meter" aria-hidden="true"><i class="{style}" '
        f'style="width:{min(size / most, 1.0):.1%}"></i>{whisker}</span>'
        f'<span role="img" aria-label="{words}">{arrow}</span><span>{written}</span></div>'
    )


def _fidelity(weights: Mapping[str, Any], shown: NDArray[np.intp]) -> str:
    r2 = as_floats(numbers(weights.get("r2")))
    if not len(r2) or not np.isfinite(r2).any() or shown.max(initial=0) >= len(r2):
        return ""
    cells = strip(
        np.clip(r2[shown], 0, 1), 1.0, "How well a straight line fits the model.", hue="green"
    )
    return (
        f'<div class="row thin"><div class="name">a straight line explains</div>{cells}'
        f'<div class="name">median R² {number_text(float(np.nanmedian(r2)), 2)}</div></div>'
    )


def _caption(
    target: Mapping[str, Any],
    weights: Mapping[str, Any],
    order: NDArray[np.intp],
    shown: NDArray[np.intp],
    measured: Floats | None,
    n_knobs: int,
) -> str:
    what = text(target_label(target), 80)
    method = text(string(weights.get("method")), 120)
    said = [
        f"How much the predicted {what} changes when a knob rises by one standard deviation, "
        f"around each row of the data{f' ({method})' if method else ''}.",
        "Orange raises it, blue lowers it, the ground colour leaves it alone.",
        "Bars: ↑ raises it, ↓ lowers it, ↕ does either, depending on the row.",
        f"Rows are sorted by measured {what}."
        if measured is not None
        else "Rows stand in the order of the file.",
    ]
    if len(shown) < len(order):
        said.append(f"Of {len(order):,} rows, {len(shown):,} evenly spaced ones are shown.")
    if n_knobs > _MOST_STRIPS:
        said.append(f"Of {n_knobs:,} knobs, the {_MOST_STRIPS} strongest are shown.")
    r2 = as_floats(numbers(weights.get("r2")))
    bent = int(np.sum(r2 < 0.5)) if len(r2) else 0
    if bent:
        those = "that column" if bent == 1 else "those columns"
        said.append(
            f"In {bent:,} of {plural(len(r2), 'row')} a straight line explains less than half of "
            f"what the model does nearby: read {those} with care."
        )
    return " ".join(said)
