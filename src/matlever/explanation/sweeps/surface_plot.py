"""A surface over two knobs as contours or fields, with what is not known about it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.explanation.sweeps.knob_axis import literal, show_knob
from matlever.explanation.sweeps.turning import AxisScale
from matlever.knobs import Knob

__all__ = ["draw_surface"]

Array = NDArray[np.float64]

_HATCH = "////"
_VEIL = 0.45  # opacity of the white over what is far from the data
_GREY = "0.88"
_FEW_DOTS = 80  # more of them are drawn smaller, so that the surface can be seen


def draw_surface(
    *,
    knobs: tuple[Knob, Knob],
    levels: tuple[list[str] | None, list[str] | None],
    values: tuple[Array, Array],
    scales: tuple[AxisScale, AxisScale],
    surface: Array,
    near: NDArray[np.bool_],
    data: Array,
    label: str,
    title: str = "",
    ax: Any = None,
) -> Any:
    """Draw a surface (a, b) over the values of two knobs, and return the axes.

    Parameters
    ----------
    knobs, levels, values, scales
        Of the horizontal and of the vertical axis; levels are at 0, 1, ...
    surface : ndarray of shape (a, b)
        NaN where it does not exist: grey.
    near : ndarray of shape (a, b), bool
        Where data are near; hatched elsewhere.
    data : ndarray of shape (m, 2)
        Known samples: dots whose area is proportional to their number; none where NaN.
    label : str
        Of the colour bar.
    title : str, default=""
        Of the axes.
    ax : matplotlib axes or None, default=None
        Where to draw; None makes a new figure.
    """
    if ax is None:
        from matplotlib import pyplot as plt

        _, ax = plt.subplots(figsize=(6.4, 5.2), layout="constrained")
    ax.set_xscale(scales[0])
    ax.set_yscale(scales[1])
    ax.set_facecolor(_GREY)
    exists = np.isfinite(surface)
    far = exists & ~near
    is_smooth = (
        all(knob.kind == "continuous" for knob in knobs)
        and min(surface.shape) > 2
        and np.ptp(surface[exists]) > 1e-9 * np.abs(surface[exists]).max()
    )
    image = (_contours if is_smooth else _fields)(ax, values, scales, surface, exists, far)
    _dots(ax, data)
    for place, axis in enumerate((ax.xaxis, ax.yaxis)):
        show_knob(axis, knobs[place], scales[place], levels[place])
    ax.figure.colorbar(image, ax=ax, label=literal(label))
    n_lines = _key(ax, has_far=bool(far.any()), has_gaps=not exists.all())
    ax.set_title(title, fontsize="medium", loc="left", pad=9 + 16 * n_lines)
    return ax


def _contours(
    ax: Any,
    values: tuple[Array, Array],
    scales: tuple[AxisScale, AxisScale],
    surface: Array,
    exists: NDArray[np.bool_],
    far: NDArray[np.bool_],
) -> Any:
    z = np.ma.masked_array(np.where(exists, surface, 0.0).T, ~exists.T)
    image = ax.contourf(*values, z, levels=12, cmap="viridis")
    ax.contour(*values, z, levels=image.levels, colors="white", linewidths=0.4, alpha=0.7)
    if far.any():
        unknown = np.ma.masked_array(far.T.astype(float), ~exists.T)
        veil = ax.contourf(
            *values, unknown, levels=[0.5, 1.5], colors="white", alpha=_VEIL, hatches=[_HATCH]
        )
        veil.set_edgecolor("0.2")
        veil.set_linewidth(0)
    return image


def _fields(
    ax: Any,
    values: tuple[Array, Array],
    scales: tuple[AxisScale, AxisScale],
    surface: Array,
    exists: NDArray[np.bool_],
    far: NDArray[np.bool_],
) -> Any:
    from matplotlib.colors import ListedColormap

    edges = [_edges(v, scale) for v, scale in zip(values, scales, strict=True)]
    image = ax.pcolormesh(*edges, np.ma.masked_array(surface.T, ~exists.T), cmap="viridis")
    if far.any():
        unknown = np.ma.masked_array(far.T.astype(float), ~far.T)
        white = ListedColormap(["white"])
        ax.pcolor(
            *edges, unknown, cmap=white, alpha=_VEIL, hatch=_HATCH, edgecolor="0.2", linewidth=0
        )
    return image


def _edges(values: Array, scale: AxisScale) -> Array:
    """Borders (v + 1,) of the fields around v values, halfway between them on their axis."""
    places = np.log(values) if scale == "log" else values
    if len(places) == 1:
        edges = places[0] + np.array([-0.5, 0.5])
    else:
        middle = (places[1:] + places[:-1]) / 2
        edges = np.concatenate([[2 * places[0] - middle[0]], middle, [2 * places[-1] - middle[-1]]])
    return np.asarray(np.exp(edges) if scale == "log" else edges)


def _dots(ax: Any, data: Array) -> None:
    """Draw known samples; those that do not differ in the two knobs are one larger dot."""
    limits = ax.get_xlim(), ax.get_ylim()
    spans = zip(data.T, limits, strict=True)
    within = np.all([(x >= low) & (x <= high) for x, (low, high) in spans], axis=0)
    places, counts = np.unique(data[within], axis=0, return_counts=True)
    area = np.clip(14.0 * _FEW_DOTS / max(len(places), 1), 3.0, 14.0)
    ax.scatter(
        *places.T,
        s=area * np.clip(counts / np.median(counts), 0.5, 6.0) if len(counts) else area,
        facecolor="white",
        edgecolor="black",
        linewidth=0.7 if area > 7 else 0.4,
        zorder=3,
        clip_on=False,  # whole dots at the limits
    )
    ax.set_xlim(limits[0])
    ax.set_ylim(limits[1])


def _key(ax: Any, *, has_far: bool, has_gaps: bool) -> int:
    """Explain dots, hatching and grey above the axes, and return the number of lines it takes."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    marks: list[Any] = [
        Line2D(
            [],
            [],
            linestyle="",
            marker="o",
            color="white",
            mec="black",
            ms=5,
            label="known samples",
        )
    ]
    if has_far:
        marks.append(
            Patch(
                facecolor="white",
                edgecolor="black",
                hatch=_HATCH,
                label="turned samples far from data",
            )
        )
    if has_gaps:
        marks.append(Patch(facecolor=_GREY, edgecolor="0.6", label="cannot be set"))
    ax.legend(
        handles=marks,
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.015),
        ncols=3,
        frameon=False,
        fontsize="small",
        borderaxespad=0.1,
    )
    return 1
