"""What a model predicts while two knobs are turned together, as a map of fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from numpy.typing import NDArray

from matlever.report._text import plain
from matlever.report.canvas import axis_label, colour, new_axes, style_ticks, to_svg, write
from matlever.report.figures import thin_out

__all__ = ["Axis", "Surface", "surface_map"]

Floats = NDArray[np.float64]

STEPS = 9
_MOST_DOTS = 400
_FADED = 0.62
_NEAR = 0.5
_RECTANGLE = [int(code) for code in (Path.MOVETO, *[Path.LINETO] * 3, Path.CLOSEPOLY)]


@dataclass(frozen=True)
class Axis:
    """One of the two knobs of a map.

    Attributes
    ----------
    name : str
        Name with its unit.
    values : ndarray of shape (n,)
        Ascending; positions of the levels for a knob with words.
    levels : sequence of str
        Names of the levels; empty for numbers.
    log : bool
        Whether the values are spaced on a logarithmic axis.
    data : ndarray of shape (m,)
        Values of the known rows.
    """

    name: str
    values: Floats
    levels: Sequence[str]
    log: bool
    data: Floats

    @property
    def edges(self) -> Floats:
        """Limits of the fields around the values, of shape (n + 1,)."""
        v = np.log(self.values) if self.log else self.values
        middles = (v[:-1] + v[1:]) / 2
        half = np.diff(v)[[0, -1]] / 2 if len(v) > 1 else np.array([0.5, 0.5])
        found: Floats = np.r_[v[0] - half[0], middles, v[-1] + half[1]]
        return np.exp(found) if self.log else found


@dataclass(frozen=True)
class Surface:
    """Mean prediction over two knobs; `mean`, `inside` and `reached` have shape (nx, ny)."""

    x: Axis
    y: Axis
    mean: Floats
    inside: Floats
    reached: Floats


def surface_map(uid: str, surface: Surface, limits: tuple[float, float], description: str) -> str:
    """Draw a map: the fuller the colour the higher the prediction, dots are known rows.

    Fields far from all data are pale, those that cannot be set stay empty.
    """
    left = 112 if surface.y.levels else 50
    figure, axes = new_axes(400, 318, (left, 14, 30, 84 if surface.x.levels else 50))
    x, y = surface.x.edges, surface.y.edges
    if surface.x.log:
        axes.set_xscale("log")
    if surface.y.log:
        axes.set_yscale("log")
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(y[0], y[-1])
    low, high = limits
    share = (surface.mean - low) / ((high - low) or 1.0)
    steps = np.clip(np.rint(np.nan_to_num(share, nan=0.0) * STEPS), 0, STEPS).astype(int)
    there = np.isfinite(surface.mean) & ~(surface.reached <= 0)
    for step in range(STEPS + 1):
        _fields(axes, x, y, there & (steps == step), "blue", 0.06 + 0.86 * step / STEPS)
    _fields(axes, x, y, ~there, "sunk", 1.0)
    _fields(axes, x, y, there & (surface.inside < _NEAR), "card", _FADED)
    _dots(axes, surface)
    for axis, which in ((surface.x, "x"), (surface.y, "y")):
        _ticks(axes, axis, which == "x")
    below = "" if surface.x.levels else plain(surface.x.name, 44)
    axis_label(axes, below, plain(surface.y.name, 44), left=left - 4)
    if surface.x.levels:  # below the slanted names
        height = axes.get_window_extent().height
        place = {"transform": axes.transAxes, "ha": "right", "va": "top"}
        write(axes, 1, -66 / height, plain(surface.x.name, 44), **place)
    return to_svg(figure, uid, description)


def _fields(
    axes: Axes, x: Floats, y: Floats, wanted: NDArray[np.bool_], name: str, alpha: float
) -> None:
    """Fill fields with one colour, as one shape."""
    corners: list[tuple[float, float]] = []
    codes: list[int] = []
    for i, j in np.argwhere(wanted).tolist():
        corners += [(x[i], y[j]), (x[i + 1], y[j]), (x[i + 1], y[j + 1]), (x[i], y[j + 1])]
        corners.append((x[i], y[j]))
        codes += _RECTANGLE
    if corners:
        axes.add_patch(
            PathPatch(
                Path(corners, codes),
                facecolor=colour(name),
                alpha=alpha,
                linewidth=0,
                antialiased=False,
            )
        )


def _dots(axes: Axes, surface: Surface) -> None:
    both = np.column_stack([surface.x.data, surface.y.data])
    both = both[np.isfinite(both).all(axis=1)]
    both, counts = np.unique(both, axis=0, return_counts=True)
    shown = thin_out(len(both), _MOST_DOTS)
    axes.scatter(
        both[shown, 0],
        both[shown, 1],
        s=(7 if len(shown) <= 60 else 4) * np.sqrt(np.minimum(counts[shown], 16)) + 5,
        facecolor=colour("card"),
        edgecolor=colour("ink"),
        linewidths=1,
        zorder=3,
    )


def _ticks(axes: Axes, axis: Axis, horizontal: bool) -> None:
    if not axis.levels:
        style_ticks(axes, "x" if horizontal else "y", n=4, log=axis.log, grid=False)
        return
    shown = thin_out(len(axis.levels), 6 if horizontal else 12)
    names = [plain(axis.levels[k], 12 if horizontal else 16) for k in shown.tolist()]
    if horizontal:
        axes.set_xticks(shown)
        axes.set_xticklabels(names, parse_math=False, rotation=24, ha="right")
    else:
        axes.set_yticks(shown)
        axes.set_yticklabels(names, parse_math=False)
