"""Predicted against measured values, and coefficients of determination as bars."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from numpy.typing import NDArray

from matlever.report._text import plain, score
from matlever.report.canvas import axis_label, colour, new_axes, style_ticks, to_svg, write

__all__ = ["Cloud", "measured_against_predicted", "r2_bars", "thin_out"]

Floats = NDArray[np.float64]
_MOST_POINTS = 2_000


@dataclass(frozen=True)
class Cloud:
    """Points of a scatter plot of predicted against measured values."""

    measured: Floats
    predicted: Floats
    colour: str = "blue"
    marker: str = "o"
    size: float = 38.0
    filled: bool = True
    lower: Floats | None = None
    upper: Floats | None = None
    names: Sequence[str] = field(default_factory=tuple)


def thin_out(n: int, most: int) -> NDArray[np.intp]:
    """Return at most `most` of the positions 0 ... n-1, evenly spaced, the ends included."""
    if n <= most:
        return np.arange(n)
    return np.unique(np.linspace(0, n - 1, most).round().astype(np.intp))


def measured_against_predicted(
    uid: str,
    clouds: Sequence[Cloud],
    what: str,
    description: str,
    *,
    log: bool = False,
    named: int = 3,
    size: tuple[float, float] = (400.0, 385.0),
) -> str:
    """Draw predicted against measured values around the line where both are equal.

    The `named` points farthest from the line carry their names. Returns ``""`` when no point can
    be drawn.
    """
    clouds = [_drawable(cloud, log) for cloud in clouds]
    if not any(len(cloud.measured) for cloud in clouds):
        return ""
    figure, axes = new_axes(*size, (52, 14, 30, 52))
    low, high = _limits(clouds, log)
    if log:
        axes.set_xscale("log")
        axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    style_ticks(axes, "x", log=log)
    style_ticks(axes, "y", log=log)
    axes.plot([low, high], [low, high], color=colour("thread"), linewidth=1.2, zorder=1)
    for cloud in clouds:
        _draw_cloud(axes, cloud, named, log)
    axis_label(axes, f"measured {what}", f"predicted {what}", left=46)
    return to_svg(figure, uid, description)


def _drawable(cloud: Cloud, log: bool) -> Cloud:
    """Return the points that can be drawn, at most :data:`_MOST_POINTS` of them."""
    keep = np.isfinite(cloud.measured) & np.isfinite(cloud.predicted)
    if log:
        keep &= (cloud.measured > 0) & (cloud.predicted > 0)
    rows = np.flatnonzero(keep)
    rows = rows[thin_out(len(rows), _MOST_POINTS)]
    return Cloud(
        cloud.measured[rows],
        cloud.predicted[rows],
        cloud.colour,
        cloud.marker,
        cloud.size,
        cloud.filled,
        None if cloud.lower is None else cloud.lower[rows],
        None if cloud.upper is None else cloud.upper[rows],
        [cloud.names[int(row)] for row in rows] if cloud.names else (),
    )


def _limits(clouds: Sequence[Cloud], log: bool) -> tuple[float, float]:
    """Return common limits: all points, and intervals as far as half the range beyond them."""
    forward = np.log10 if log else np.asarray
    values = np.concatenate([np.r_[c.measured, c.predicted] for c in clouds])
    points = forward(values)
    low, high = float(points.min()), float(points.max())
    span = high - low or max(abs(high), 1e-12) * 0.1
    ends = [bound for c in clouds for bound in (c.lower, c.upper) if bound is not None]
    if ends:
        bounds = np.concatenate(ends)
        bounds = forward(bounds[np.isfinite(bounds) & ((bounds > 0) | (not log))])
        if bounds.size:
            low = min(low, max(float(bounds.min()), low - span / 2))
            high = max(high, min(float(bounds.max()), high + span / 2))
    low, high = low - 0.04 * span, high + 0.04 * span
    return (10**low, 10**high) if log else (low, high)


def _draw_cloud(axes: Axes, cloud: Cloud, named: int, log: bool) -> None:
    n = len(cloud.measured)
    size = cloud.size if n <= 100 else cloud.size * max(0.3, math.sqrt(100 / n))
    missed = np.zeros(n, dtype=bool)
    if cloud.lower is not None and cloud.upper is not None:
        missed = (cloud.measured < cloud.lower) | (cloud.measured > cloud.upper)
        bars = np.isfinite(cloud.lower) & np.isfinite(cloud.upper)
        if log:
            bars &= (cloud.lower > 0) & (cloud.upper > 0)
        for hit, name in ((~missed, "blue"), (missed, "orange")):
            _bars(axes, cloud, np.flatnonzero(bars & hit), name, min(0.4, 3 / math.sqrt(n)))
    for part, name, marker in ((~missed, cloud.colour, cloud.marker), (missed, "orange", "D")):
        if part.any():
            axes.scatter(
                cloud.measured[part],
                cloud.predicted[part],
                s=size,
                marker=marker,
                facecolors=colour(name) if cloud.filled else "none",
                edgecolors=colour("card") if cloud.filled else colour(name),
                linewidths=(0.7 if size > 12 else 0) if cloud.filled else 1.2,
                zorder=3,
            )
    if cloud.names:
        forward = np.log if log else np.asarray
        distance = np.abs(forward(cloud.predicted) - forward(cloud.measured))
        for row in np.argsort(-distance, kind="stable")[:named]:
            axes.annotate(
                plain(cloud.names[int(row)], 20),
                (cloud.measured[row], cloud.predicted[row]),
                xytext=(7, 0),
                textcoords="offset points",
                va="center",
                fontsize=10,
                color=colour("ink"),
                parse_math=False,
                zorder=4,
            )


def _bars(axes: Axes, cloud: Cloud, rows: NDArray[np.intp], name: str, alpha: float) -> None:
    """Draw the intervals of `rows` as one path."""
    if cloud.lower is None or cloud.upper is None or not len(rows):
        return
    vertices = np.empty((2 * len(rows), 2))
    vertices[::2] = np.column_stack([cloud.measured[rows], cloud.lower[rows]])
    vertices[1::2] = np.column_stack([cloud.measured[rows], cloud.upper[rows]])
    path = Path(vertices, [Path.MOVETO, Path.LINETO] * len(rows))
    axes.add_patch(
        PathPatch(path, fill=False, edgecolor=colour(name), linewidth=1.4, alpha=alpha, zorder=2)
    )


def r2_bars(
    uid: str,
    bars: Sequence[tuple[str, float | None, str]],
    description: str,
    *,
    width: float = 390.0,
) -> str:
    """Draw coefficients of determination as horizontal bars from zero.

    Parameters
    ----------
    bars : sequence of (name, value or None, colour)
        From top to bottom. Values below -1 are cut there; their number is printed in full.
    """
    step = 46.0
    height = step * len(bars) + 30
    figure, axes = new_axes(width, height, (10, 50, 4, 26))
    shown = [max(value, -1.0) for _, value, _ in bars if value is not None]
    low = min([0.0, *shown]) * 1.08
    axes.set_xlim(low, 1)
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.yaxis.set_visible(False)
    style_ticks(axes, "x", n=4)
    axes.spines["bottom"].set_visible(False)
    for place, (name, value, tint) in enumerate(bars):
        write(
            axes,
            low + 0.012 * (1 - low),
            place - 0.22,
            name,
            fontsize=12,
            color=colour("ink"),
            ha="left",
        )
        if value is None:
            write(axes, 0.01, place + 0.19, "not computed", va="center")
            continue
        end = max(value, -1.0)
        axes.vlines(0, place - 0.05, place + 0.39, color=colour("soft"), linewidth=1, zorder=3)
        axes.barh(place + 0.17, end, height=0.36, color=colour(tint), zorder=2)
        write(
            axes,
            max(end, 0.0) + 0.02 * (1 - low),
            place + 0.18,
            score(value),
            fontsize=13,
            color=colour("ink"),
            va="center",
            weight="bold",
        )
    return to_svg(figure, uid, description)
