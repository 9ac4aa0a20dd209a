"""Figures of the ElemNet reproduction: scores, curves, hulls, components of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.report._values import items, mapping, number, numbers, pick, records, string
from matlever.report.canvas import axis_label, colour, new_axes, style_ticks, to_svg, write
from matlever.report.held_out import as_floats

__all__ = [
    "CURVE_LINES",
    "GROUP_COLOURS",
    "above_hull_svg",
    "balance_svg",
    "by_depth_svg",
    "curve_svg",
    "element_svg",
    "hull_svg",
    "members_svg",
    "parity_svg",
]

Floats = NDArray[np.float64]

CURVE_LINES = (
    ("network", "ElemNet, one network", "blue", "-"),
    ("magpie", "forest, Magpie attributes", "orange", "-"),
    ("fractions", "forest, fractions", "thread", "-"),
)
GROUP_COLOURS = ("blue", "green", "ink", "orange")
_MARKS = ("o", "s", "^", "D")
_LEFT = 52.0


def parity_svg(points: Mapping[str, Any], uid: str = "parity") -> str:
    """Return predicted against computed energies; computed ones are called ``y`` or ``dft``."""
    y = _floats(points, "y" if "y" in points else "dft")
    predicted = _floats(points, "predicted")
    if not len(y) or len(y) != len(predicted):
        return ""
    figure, axes = new_axes(440, 360, (_LEFT, 14, 26, 46))
    low, high = float(min(y.min(), predicted.min())), float(max(y.max(), predicted.max()))
    margin = 0.04 * (high - low) or 1.0
    axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(low - margin, high + margin)
    style_ticks(axes, "y", n=5)
    style_ticks(axes, "x", n=5, grid=False)
    axes.plot([low, high], [low, high], color=colour("thread"), linewidth=1.2)
    size = 3 if len(y) > 400 else 6
    axes.plot(y, predicted, ".", color=colour("blue"), markersize=size, alpha=0.45)
    axis_label(axes, "DFT formation energy (eV/atom)", "predicted", left=_LEFT - 8)
    return to_svg(figure, uid, "Predicted against computed formation energies.")


def members_svg(networks: Mapping[str, Any], published: Sequence[tuple[str, float]]) -> str:
    """Return the error of ensembles by their number of members, beside published ones."""
    mae = _floats(networks, "by_members")
    if not len(mae):
        return ""
    figure, axes = new_axes(440, 360, (_LEFT, 14, 26, 46))
    levels = [value for _, value in published]
    low, high = min([*mae, *levels]), max([*mae, *levels])
    axes.set_xlim(0.7, len(mae) + 0.4)
    margin = 0.12 * (high - low) or 0.1 * abs(high) or 1.0
    axes.set_ylim(low - margin, high + margin)
    style_ticks(axes, "y", n=5)
    style_ticks(axes, "x", n=len(mae), grid=False)
    for name, value in published:
        axes.axhline(value, color=colour("thread"), linewidth=1.2, linestyle=(0, (4, 3)))
        write(axes, len(mae) + 0.35, value, f"{name}, published", ha="right", va="bottom")
    axes.plot(np.arange(1, len(mae) + 1), mae, "o-", color=colour("blue"), linewidth=1.6)
    axis_label(axes, "networks averaged", "MAE on the test rows (eV/atom)", left=_LEFT - 8)
    return to_svg(figure, "members", "Error of ensembles by their number of networks.")


def curve_svg(curve: Mapping[str, Any]) -> str:
    """Return the learning curves on logarithmic axes."""
    points = records(curve.get("points"))
    if len(points) < 2:
        return ""
    n = np.array([number(point.get("n")) or np.nan for point in points])
    lines = {
        key: [as_floats(numbers(point.get(key))) for point in points] for key, *_ in CURVE_LINES
    }
    every = np.concatenate([draws for found in lines.values() for draws in found])
    figure, axes = new_axes(760, 380, (_LEFT, 16, 26, 46))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(n.min() / 1.15, n.max() * 1.15)
    axes.set_ylim(every.min() / 1.15, every.max() * 1.15)
    style_ticks(axes, "y", n=6, log=True)
    style_ticks(axes, "x", n=6, log=True, grid=False)
    for key, _, name, dash in CURVE_LINES:
        mean = [draws.mean() for draws in lines[key]]
        axes.plot(n, mean, dash, color=colour(name), linewidth=1.8)
        for size, draws in zip(n, lines[key], strict=True):
            axes.plot([size] * len(draws), draws, "o", color=colour(name), markersize=4)
    for kind in ("fractions", "magpie"):
        cross = number(pick(curve, "crossing", kind))
        if cross is not None and cross > n.min():
            axes.axvline(cross, color=colour("soft"), linewidth=1, linestyle=(0, (2, 3)))
    axis_label(axes, "training rows", "MAE on the test rows (eV/atom)", left=_LEFT - 8)
    return to_svg(figure, "curve", "Learning curves of the network and two forests.")


def hull_svg(system: Mapping[str, Any], uid: str) -> str:
    """Return a binary system: phases and convex hulls, computed and predicted."""
    hull = mapping(system.get("hull"))
    x, dft, predicted = (_floats(hull, key) for key in ("fraction", "dft", "predicted"))
    if not len(x) or not len(x) == len(dft) == len(predicted):
        return ""
    figure, axes = new_axes(760, 400, (_LEFT, 16, 26, 46))
    low = float(min(dft.min(), predicted.min()))
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(1.08 * low, max(0.25, float(dft.max()) * 1.1))
    style_ticks(axes, "y", n=5)
    style_ticks(axes, "x", n=5, grid=False)
    along, energies = (_floats(hull, "curve", key) for key in ("fraction", "predicted"))
    if len(along) == len(energies):
        axes.plot(along, energies, color=colour("wash"), linewidth=1.5)
    for values, called, name in (
        (dft, "stable", "ink"),
        (predicted, "called_stable", "blue"),
    ):
        on = np.array([bool(one) for one in items(hull.get(called))])
        at = np.concatenate([[0.0], x[on], [1.0]])
        level = np.concatenate([[0.0], values[on], [0.0]])
        order = np.argsort(at)
        axes.plot(at[order], level[order], color=colour(name), linewidth=1.6)
    axes.plot(x, dft, "o", color=colour("ink"), markersize=5)
    axes.plot(
        x,
        predicted,
        "o",
        markersize=6,
        markerfacecolor="none",
        markeredgecolor=colour("blue"),
        markeredgewidth=1.4,
    )
    names = [string(name) for name in items(system.get("elements"))]
    axis_label(
        axes,
        f"share of {names[-1]} in {'-'.join(names)}",
        "formation energy (eV/atom)",
        left=_LEFT - 8,
    )
    return to_svg(figure, uid, f"Convex hulls of {'-'.join(names)}, computed and predicted.")


def above_hull_svg(system: Mapping[str, Any], uid: str) -> str:
    """Return energies above the hull, predicted against computed."""
    hull = mapping(system.get("hull"))
    dft, predicted = (_floats(hull, key) for key in ("above_dft", "above_predicted"))
    if not len(dft) or len(dft) != len(predicted):
        return ""
    figure, axes = new_axes(440, 360, (_LEFT, 14, 26, 46))
    top = float(np.quantile(np.concatenate([dft, predicted]), 0.97)) * 1.15 or 1.0
    axes.set_xlim(-0.02 * top, top)
    axes.set_ylim(-0.02 * top, top)
    style_ticks(axes, "y", n=5)
    style_ticks(axes, "x", n=5, grid=False)
    axes.plot([0, top], [0, top], color=colour("thread"), linewidth=1.2)
    axes.plot(
        np.minimum(dft, top),
        np.minimum(predicted, top),
        "o",
        color=colour("blue"),
        markersize=4,
        alpha=0.6,
    )
    beyond = int(((dft > top) | (predicted > top)).sum())
    if beyond:
        words = f"{beyond} beyond, drawn at the border"
        write(axes, 0.98, 0.97, words, transform=axes.transAxes, ha="right", va="top")
    axis_label(axes, "above the DFT hull (eV/atom)", "above the predicted hull", left=_LEFT - 8)
    return to_svg(figure, uid, "Energies above the hull, predicted against computed.")


def element_svg(groups: Mapping[str, Any], picture: Mapping[str, Any]) -> str:
    """Return the pure elements on two principal components of a layer."""
    x, y = (_floats(picture, key) for key in ("x", "y"))
    symbols = [string(symbol) for symbol in items(picture.get("symbol"))]
    if not len(x) or not len(x) == len(y) == len(symbols):
        return ""
    layer = int(number(picture.get("layer")) or 0)
    figure, axes = _plane(x, y)
    known = [
        [string(s) for s in items(pair[1])] for pair in map(items, items(groups.get("groups")))
    ]
    others = [i for i, s in enumerate(symbols) if not any(s in members for members in known)]
    axes.plot(x[others], y[others], ".", color=colour("thread"), markersize=4)
    for members, name, mark in zip(known, GROUP_COLOURS, _MARKS, strict=False):
        rows = [symbols.index(symbol) for symbol in members if symbol in symbols]
        axes.plot(x[rows], y[rows], mark, color=colour(name), markersize=5, zorder=5)
        for row in rows:
            write(axes, x[row], y[row], f"  {symbols[row]}", color=colour(name), va="bottom")
    _components(axes, picture)
    return to_svg(figure, f"elements-{layer}", f"Pure elements in layer {layer}.")


def balance_svg(charges: Mapping[str, Any], picture: Mapping[str, Any]) -> str:
    """Return binaries on two principal components of a layer, by charge balance."""
    x, y = (_floats(picture, key) for key in ("x", "y"))
    balanced = np.array([bool(one) for one in items(charges.get("balanced"))])
    if not len(x) or not len(x) == len(y) == len(balanced):
        return ""
    layer = int(number(picture.get("layer")) or 0)
    figure, axes = _plane(x, y)
    axes.plot(
        x[~balanced],
        y[~balanced],
        "o",
        markersize=4,
        markerfacecolor="none",
        markeredgecolor=colour("orange"),
    )
    axes.plot(x[balanced], y[balanced], "o", markersize=4, color=colour("blue"))
    _components(axes, picture)
    return to_svg(figure, f"balance-{layer}", f"Binaries in layer {layer}, by charge balance.")


def by_depth_svg(
    lines: Sequence[tuple[str, Sequence[float | None]]], uid: str, what: str, chance: float
) -> str:
    """Return one figure of how a quantity changes from layer 0 to 16."""
    found = [(name, as_floats(list(values))) for name, values in lines if len(values)]
    if not found:
        return ""
    figure, axes = new_axes(760, 300, (_LEFT, 16, 26, 46))
    axes.set_xlim(-0.4, 16.4)
    lowest = min(float(np.nanmin(values)) for _, values in found)
    axes.set_ylim(min(chance, lowest) - 0.05, 1.03)
    style_ticks(axes, "y", n=5)
    style_ticks(axes, "x", n=9, grid=False)
    axes.axhline(chance, color=colour("thread"), linewidth=1.2, linestyle=(0, (4, 3)))
    for name, values in found:
        axes.plot(
            np.arange(len(values)), values, "o-", color=colour(name), linewidth=1.4, markersize=4
        )
    axis_label(axes, "layer (0 = fractions)", what, left=_LEFT - 8)
    return to_svg(figure, uid, f"{what} by layer.")


def _plane(x: Floats, y: Floats) -> tuple[Any, Any]:
    figure, axes = new_axes(340, 310, (_LEFT, 26, 26, 46))
    for values, set_limits in ((x, axes.set_xlim), (y, axes.set_ylim)):
        margin = 0.08 * float(np.ptp(values)) or 1.0
        set_limits(float(values.min()) - margin, float(values.max()) + margin)
    style_ticks(axes, "y", n=4)
    style_ticks(axes, "x", n=4, grid=False)
    return figure, axes


def _components(axes: Any, picture: Mapping[str, Any]) -> None:
    share = as_floats(numbers(picture.get("share")))
    first, second = (f"{100 * s:.0f} %" for s in share[:2]) if len(share) >= 2 else ("", "")
    axis_label(axes, f"first component ({first})", f"second component ({second})", left=_LEFT - 8)


def _floats(source: Mapping[str, Any], *keys: str) -> Floats:
    return as_floats(numbers(pick(source, *keys)))
