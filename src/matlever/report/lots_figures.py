"""Figures of a study of lots: lots by measured value, boxes along an attribute, bars of changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matlever.report._text import fixed, plain
from matlever.report.canvas import axis_label, colour, new_axes, style_ticks, to_svg, write

__all__ = ["Boxes", "ChangeBars", "LotPoints", "box_panel", "change_bars", "error_bars", "lot_plot"]

Floats = NDArray[np.float64]
_MOST_NAMES = 40
_HALF_BOX = 0.34


@dataclass(frozen=True)
class LotPoints:
    """Predictions of the tiles of each lot, against what was measured.

    Attributes
    ----------
    names : sequence of str
    measured, mean, sd : ndarray of shape (n,)
    """

    names: Sequence[str]
    measured: Floats
    mean: Floats
    sd: Floats


@dataclass(frozen=True)
class Boxes:
    """Predictions over the tiles of a lot at each value of an attribute."""

    values: Floats
    median: Floats
    q1: Floats
    q3: Floats
    whisker_low: Floats
    whisker_high: Floats
    outliers: Sequence[Floats]


@dataclass(frozen=True)
class ChangeBars:
    """Changes of k attributes in one direction, with their spread over the tiles or none."""

    name: str
    tint: str
    mean: Floats
    sd: Floats | None = None


def lot_plot(uid: str, lots: LotPoints, what: str, description: str) -> str:
    """Draw each lot's mean prediction, with the spread of its tiles, beside the measured value.

    Lots stand from the lowest to the highest measured value.
    """
    known = np.flatnonzero(np.isfinite(lots.measured) & np.isfinite(lots.mean))
    if not len(known):
        return ""
    order = known[np.argsort(lots.measured[known], kind="stable")]
    n = len(order)
    figure, axes = new_axes(760, 300, (58, 12, 30, 46))
    x = np.arange(n)
    mean, measured = lots.mean[order], lots.measured[order]
    sd = np.nan_to_num(lots.sd[order])
    low = float(min((mean - sd).min(), measured.min()))
    high = float(max((mean + sd).max(), measured.max()))
    margin = 0.06 * (high - low) or 1.0
    axes.set_xlim(-0.7, n - 0.3)
    axes.set_ylim(low - margin, high + margin)
    style_ticks(axes, "y", n=5)
    _lot_names(axes, [lots.names[i] for i in order], x)
    axes.vlines(x, mean - sd, mean + sd, color=colour("blue"), linewidth=2, alpha=0.45)
    axes.scatter(x, mean, s=34, color=colour("blue"), linewidths=0, zorder=3)
    axes.scatter(x, measured, s=44, marker="_", color=colour("orange"), linewidths=2.4, zorder=4)
    axis_label(axes, "lot", plain(what, 48), left=52)
    return to_svg(figure, uid, description)


def error_bars(uid: str, names: Sequence[str], error: Floats, what: str, description: str) -> str:
    """Draw one error per lot as bars, the largest first."""
    known = np.flatnonzero(np.isfinite(error))
    if not len(known):
        return ""
    order = known[np.argsort(-error[known], kind="stable")]
    figure, axes = new_axes(760, 210, (58, 12, 30, 46))
    x = np.arange(len(order))
    axes.set_xlim(-0.7, len(order) - 0.3)
    axes.set_ylim(0, 1.08 * float(error[order].max()) or 1.0)
    style_ticks(axes, "y", n=4)
    _lot_names(axes, [names[i] for i in order], x)
    axes.bar(x, error[order], width=0.62, color=colour("blue"), zorder=2)
    axis_label(axes, "lot", plain(what, 48), left=52)
    return to_svg(figure, uid, description)


def _lot_names(axes: object, names: Sequence[str], x: NDArray[np.int_]) -> None:
    """Write the lots' names below the axis, every second or third where there are many."""
    every = max(1, -(-len(names) // _MOST_NAMES))
    axes.set_xticks(x[::every])  # type: ignore[attr-defined]
    axes.set_xticklabels(  # type: ignore[attr-defined]
        [plain(name, 5) for name in names[::every]], parse_math=False
    )


def box_panel(
    uid: str,
    boxes: Boxes,
    limits: tuple[float, float],
    labels: tuple[str, str],
    description: str,
    *,
    measured: float | None = None,
    own: float | None = None,
) -> str:
    """Draw boxes over the tiles of a lot along one attribute.

    Parameters
    ----------
    uid : str
    boxes : Boxes
    limits : (low, high)
        Of the predicted values.
    labels : (attribute, property)
    description : str
    measured : float, optional
        What was measured of the lot: a dotted line.
    own : float, optional
        Where the lot stands: a mark at the foot.
    """
    figure, axes = new_axes(300, 224, (46, 12, 26, 50))
    n = len(boxes.values)
    places = np.arange(n, dtype=float)
    axes.set_xlim(-0.8, n - 0.2)
    axes.set_ylim(*limits)
    style_ticks(axes, "y", n=4)
    shown = [0, n // 2, n - 1] if n > 4 else list(range(n))
    axes.set_xticks(places[shown])
    axes.set_xticklabels([f"{boxes.values[i]:g}" for i in shown], parse_math=False)
    if measured is not None and np.isfinite(measured):
        axes.axhline(measured, color=colour("orange"), linewidth=1.4, dashes=(1, 2.2))
    axes.vlines(places, boxes.whisker_low, boxes.q1, color=colour("thread"), linewidth=1.2)
    axes.vlines(places, boxes.q3, boxes.whisker_high, color=colour("thread"), linewidth=1.2)
    axes.bar(
        places,
        boxes.q3 - boxes.q1,
        width=2 * _HALF_BOX,
        bottom=boxes.q1,
        color=colour("wash"),
        edgecolor=colour("blue"),
        linewidth=0.8,
        zorder=2,
    )
    axes.hlines(
        boxes.median,
        places - _HALF_BOX,
        places + _HALF_BOX,
        color=colour("blue"),
        linewidth=2,
        zorder=3,
    )
    for place, outliers in zip(places, boxes.outliers, strict=False):
        axes.scatter(
            np.full(len(outliers), place),
            outliers,
            s=7,
            facecolors="none",
            edgecolors=colour("soft"),
            linewidths=0.8,
            zorder=2,
        )
    if own is not None and n > 1:
        span = float(boxes.values[-1] - boxes.values[0]) or 1.0
        here = (own - float(boxes.values[0])) / span * (n - 1)
        axes.plot(
            [here, here],
            [0, 0.06],
            color=colour("orange"),
            linewidth=3,
            transform=axes.get_xaxis_transform(),
        )
    axis_label(axes, plain(labels[0], 44), plain(labels[1], 44), left=42)
    return to_svg(figure, uid, description)


def change_bars(
    uid: str, attributes: Sequence[str], several: Sequence[ChangeBars], description: str
) -> str:
    """Draw changes of attributes as bars from zero, one colour for each direction."""
    n, m = len(attributes), max(len(several), 1)
    if not n:
        return ""
    height = 64.0 + 26 * n * m
    figure, axes = new_axes(340, height, (104, 18, 8, 44))
    axes.set_xlim(*_reach(several))
    axes.set_ylim(n - 0.5, -0.5)
    style_ticks(axes, "x", n=5)
    axes.spines["bottom"].set_visible(False)
    axes.set_yticks(np.arange(n))
    axes.set_yticklabels([plain(name, 16) for name in attributes], parse_math=False)
    axes.axvline(0, color=colour("soft"), linewidth=1, zorder=3)
    each = 0.8 / m
    apart = 0.01 * float(np.diff(axes.get_xlim())[0])
    for place, bars in enumerate(several):
        y = np.arange(n) - 0.4 + each * (place + 0.5)
        axes.barh(y, bars.mean, height=0.86 * each, color=colour(bars.tint), zorder=2)
        if bars.sd is not None:
            axes.hlines(
                y,
                bars.mean - bars.sd,
                bars.mean + bars.sd,
                color=colour("ink"),
                linewidth=1.1,
                zorder=4,
            )
        for j in np.flatnonzero(np.abs(bars.mean) >= 0.005).tolist():
            value, spread = float(bars.mean[j]), 0.0 if bars.sd is None else float(bars.sd[j])
            end = value + (spread if value > 0 else -spread)
            write(
                axes,
                end + (apart if value > 0 else -apart),
                float(y[j]),
                ("+" if value > 0 else "") + fixed(value, 2),
                fontsize=10,
                va="center",
                ha="left" if value > 0 else "right",
            )
    axis_label(axes, "change (0 to 1 is the whole range)")
    return to_svg(figure, uid, description)


_NUMBER = 0.2  # share of the axis that a written value takes


def _reach(several: Sequence[ChangeBars]) -> tuple[float, float]:
    """Return the ends of the axis: whiskers, and the values written beyond them, fit."""
    low, high = -0.1, 0.1
    for bars in several:
        if len(bars.mean):
            sd = np.zeros(len(bars.mean)) if bars.sd is None else bars.sd
            low = min(low, float((bars.mean - sd).min()))
            high = max(high, float((bars.mean + sd).max()))
    room = _NUMBER / (1 - 2 * _NUMBER) * (high - low)
    return low - room, high + room
