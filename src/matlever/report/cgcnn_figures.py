"""Drawings of the perovskite study: training curves, sites by element, one cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from matlever.crystals import Crystals, plot_sites
from matlever.report._values import mapping, number, numbers, pick, records, string
from matlever.report.canvas import axis_label, colour, new_axes, style_ticks, to_svg, write
from matlever.report.figures import Cloud, measured_against_predicted
from matlever.report.held_out import as_floats

__all__ = ["cell_picture", "curves", "scatters", "sites_chart"]

_VARIANTS = (
    ("full", "gated, mean pooling", "blue", "-"),
    ("ungated", "without the gate", "orange", "-"),
    ("site", "site contributions", "green", "--"),
)


def curves(result: Mapping[str, Any]) -> str:
    """Draw the training losses of the variants over the epochs, on a logarithmic scale."""
    found = {key: as_floats(numbers(pick(result, "losses", key))) for key, *_ in _VARIANTS}
    known = [values for values in found.values() if len(values) > 1 and (values > 0).all()]
    if not known:
        return ""
    figure, axes = new_axes(760, 280, (46, 170, 26, 46))
    axes.set_yscale("log")
    axes.set_xlim(0, max(len(values) for values in known))
    axes.set_ylim(
        0.9 * min(float(v.min()) for v in known), 1.1 * max(float(v.max()) for v in known)
    )
    style_ticks(axes, "y", n=5, log=True)
    style_ticks(axes, "x", n=8, grid=False)
    ends = []
    for key, name, ink, dashes in _VARIANTS:
        values = found[key]
        if len(values) < 2 or not (values > 0).all():
            continue
        epochs = np.arange(1, len(values) + 1)
        axes.plot(epochs, values, color=colour(ink), linewidth=1.7, linestyle=dashes)
        ends.append((float(np.log(values[-1])), name, ink, len(values)))
    low, high = (float(np.log(end)) for end in axes.get_ylim())
    for height, (_, name, ink, last) in zip(
        _apart([end[0] for end in ends], 0.075 * (high - low)), ends, strict=True
    ):
        write(axes, last * 1.012, float(np.exp(height)), name, color=colour(ink), va="center")
    axis_label(axes, "epoch", "training loss, standardised", left=42)
    return to_svg(figure, "losses", "Training loss of three kinds of network over the epochs.")


def _apart(heights: Sequence[float], least: float) -> list[float]:
    """Return heights moved up where they are nearer to one another than `least`."""
    order = np.argsort(heights)
    moved = [float(height) for height in heights]
    for below, above in pairwise(order):
        moved[above] = max(moved[above], moved[below] + least)
    return moved


def scatters(result: Mapping[str, Any]) -> str:
    """Draw predicted against measured heats: of the networks, and from composition alone."""
    measured = as_floats(numbers(pick(result, "test", "measured")))
    parts = []
    for key, title in (("predicted", "Crystal graph networks"), ("forest", "Composition alone")):
        predicted = as_floats(numbers(pick(result, "test", key)))
        if len(predicted) != len(measured):
            continue
        svg = measured_against_predicted(
            f"heat-{key}",
            [Cloud(measured, predicted, colour="blue" if key == "predicted" else "orange")],
            "heat (eV per cell)",
            f"{title}: predicted against calculated heat of formation of the test crystals.",
        )
        if svg:
            parts.append(f'<figure class="panel"><h3>{title}</h3>{svg}</figure>')
    return f'<div class="pair">{"".join(parts)}</div>' if parts else ""


def sites_chart(result: Mapping[str, Any]) -> str:
    """Draw mean contributions by element, one row of dots for each kind of site."""
    rows = records(pick(result, "sites", "rows"))
    kinds = [
        [row for row in rows if string(row.get("site")) == site and number(row.get("mean"))]
        for site in ("A", "B", "X")
    ]
    every = [float(row["mean"]) for kind in kinds for row in kind]
    if not every:
        return ""
    parts = []
    margin = 0.08 * (max(every) - min(every)) or 0.1
    for site, kind in zip(("A", "B", "X"), kinds, strict=True):
        if not kind:
            continue
        kind = sorted(kind, key=lambda row: float(row["mean"]))
        figure, axes = new_axes(980, 190, (46, 14, 24, 24))
        axes.set_xlim(-0.8, max(len(kind), 12) - 0.2)
        axes.set_ylim(min(every) - margin, max(every) + margin)
        style_ticks(axes, "y", n=6)
        axes.set_xticks([])
        axes.axhline(0.0, color=colour("thread"), linewidth=1.0)
        for place, row in enumerate(kind):
            mean, sd = float(row["mean"]), number(row.get("sd")) or 0.0
            low, high = axes.get_ylim()
            ends = [max(mean - sd, low), min(mean + sd, high)]
            axes.plot([place, place], ends, color=colour("wash"), linewidth=3.0, zorder=2)
            ink = colour("orange" if mean > 0 else "blue")
            axes.plot([place], [mean], "o", color=ink, markersize=5, zorder=3)
            write(
                axes,
                place,
                -0.02,
                string(row.get("element")),
                transform=axes.get_xaxis_transform(),
                ha="center",
                va="top",
                fontsize=9.5,
            )
        axis_label(axes, "", f"site {site}: contribution (eV per cell)", left=42)
        described = f"Mean contribution of each element on site {site} to the heat of a cell."
        parts.append(f"<figure>{to_svg(figure, f'sites-{site.lower()}', described)}</figure>")
    return "".join(parts)


def cell_picture(result: Mapping[str, Any]) -> str:
    """Draw the example cell with its sites' contributions."""
    example = mapping(result.get("example"))
    z = as_floats(numbers(example.get("numbers")))
    contributions = as_floats(numbers(example.get("contributions")))
    try:
        lattice = np.array(example.get("lattice"), dtype=np.float64)
        fractional = np.array(example.get("fractional"), dtype=np.float64)
        crystal = Crystals.from_arrays([lattice], [len(z)], z.astype(int), fractional)
    except (TypeError, ValueError):
        return ""
    if len(contributions) != len(z) or not np.isfinite(contributions).all():
        return ""
    figure, axes = new_axes(520, 430, (10, 10, 10, 10))
    plot_sites(crystal, contributions, unit="eV per cell", ax=axes)
    bar = figure.axes[1]
    bar.tick_params(labelsize=11, labelcolor=colour("soft"), color=colour("thread"))
    bar.yaxis.label.set_color(colour("soft"))
    return to_svg(figure, "cell", f"Unit cell of {string(example.get('formula'))}, sites coloured.")
