"""What a model predicts while one knob is turned, as one small panel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from matlever.report._text import day, number_text, plain
from matlever.report.canvas import axis_label, colour, new_axes, style_ticks, to_svg
from matlever.report.figures import thin_out

__all__ = ["Sweep", "sweep_limits", "sweep_panel"]

Floats = NDArray[np.float64]
_MOST_CURVES = 40
_MOST_LEVELS = 9
_NEAR = 0.5


@dataclass(frozen=True)
class Sweep:
    """What a model predicts while one knob is turned."""

    knob: str
    kind: str
    values: Floats
    levels: Sequence[str]
    mean: Floats
    lower: Floats | None
    upper: Floats | None
    curves: Floats  # (n_curves, n_values)
    data: Floats
    inside: Floats | None = None  # share of the rows near known ones, (n_values,)
    log: bool = False


def sweep_limits(sweeps: Sequence[Sweep]) -> tuple[float, float] | None:
    """Return limits of the predicted value that suit all panels of one target."""
    lines = [s for sweep in sweeps for s in (sweep.mean, sweep.lower, sweep.upper) if s is not None]
    values = np.concatenate(lines) if lines else np.empty(0)
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    low, high = float(values.min()), float(values.max())
    curves = np.concatenate([sweep.curves.ravel() for sweep in sweeps])
    curves = curves[np.isfinite(curves)]
    if curves.size:  # A few rows far out may leave the panel, so that the others can be read.
        low, high = min(low, np.quantile(curves, 0.01)), max(high, np.quantile(curves, 0.99))
    margin = 0.05 * (high - low) or max(abs(high), 1e-12) * 0.1
    return low - margin, high + margin


def sweep_panel(
    uid: str, sweep: Sweep, limits: tuple[float, float], what: str, description: str
) -> str:
    """Draw one sweep: mean, interval band, single rows, and where the data are."""
    if sweep.levels or sweep.kind == "categorical":
        return _level_panel(uid, sweep, limits, what, description)
    figure, axes = new_axes(300, 224, (46, 12, 26, 50))
    x = sweep.values
    low, high = float(x.min()), float(x.max())
    if sweep.log:
        axes.set_xscale("log")
        factor = (high / low) ** 0.03 if high > low else 1.2
        axes.set_xlim(low / factor, high * factor)
    else:
        margin = 0.03 * (high - low) or 0.5
        axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(*limits)
    style_ticks(axes, "y", n=4)
    if sweep.kind == "date":
        axes.set_xticks([x[0], x[-1]], [day(float(x[0])), day(float(x[-1]))])
        axes.xaxis.get_ticklabels()[0].set_horizontalalignment("left")
        axes.xaxis.get_ticklabels()[-1].set_horizontalalignment("right")
    else:
        style_ticks(axes, "x", n=5, log=sweep.log, grid=False)
    if sweep.lower is not None and sweep.upper is not None:
        axes.fill_between(x, sweep.lower, sweep.upper, color=colour("wash"), alpha=0.6, lw=0)
    for curve in sweep.curves[thin_out(len(sweep.curves), _MOST_CURVES)]:
        axes.plot(x, curve, color=colour("thread"), linewidth=0.8, alpha=0.6)
    near = np.ones(len(x), dtype=bool) if sweep.inside is None else sweep.inside >= _NEAR
    if not near.all():
        axes.plot(x, sweep.mean, color=colour("blue"), linewidth=1.6, dashes=(2.2, 2.2))
    known = np.where(near, sweep.mean, np.nan)
    axes.plot(x, known, color=colour("blue"), linewidth=2.4, solid_capstyle="round")
    _rug(axes, sweep.data)
    axis_label(axes, plain(sweep.knob, 44), plain(what, 44), left=42)
    return to_svg(figure, uid, description)


def _rug(axes: Axes, data: Floats) -> None:
    """Mark at the foot of a panel where the data are."""
    values = np.unique(data[np.isfinite(data)])
    foot = axes.get_xaxis_transform()
    for value in values[thin_out(len(values), 150)]:
        axes.plot([value, value], [0, 0.035], color=colour("soft"), linewidth=1, transform=foot)


def _level_panel(
    uid: str, sweep: Sweep, limits: tuple[float, float], what: str, description: str
) -> str:
    """Draw a sweep over levels: one line each, from the lowest mean to the highest."""
    names = list(sweep.levels) or [number_text(float(value)) for value in sweep.values]
    names = [*names, *("?" for _ in range(len(sweep.mean)))][: len(sweep.mean)]
    known = np.flatnonzero(np.isfinite(sweep.mean))
    order = known[np.argsort(-sweep.mean[known], kind="stable")]
    order = order[thin_out(len(order), _MOST_LEVELS)]
    figure, axes = new_axes(300, 224, (130, 14, 30, 50))
    y = np.arange(len(order), dtype=float)
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.set_xlim(*limits)
    style_ticks(axes, "x", n=3)
    axes.set_yticks(y)
    axes.set_yticklabels([plain(names[row], 18) for row in order], parse_math=False)
    if sweep.lower is not None and sweep.upper is not None:
        bounds = sweep.lower[order], sweep.upper[order]
        axes.hlines(y, *bounds, color=colour("wash"), linewidth=7, alpha=0.8)
    rows = thin_out(len(sweep.curves), _MOST_CURVES)
    if len(rows):
        curves = sweep.curves[np.ix_(rows, order)]
        spots = np.broadcast_to(y, curves.shape).ravel()
        axes.scatter(curves.ravel(), spots, s=4, color=colour("thread"), alpha=0.6, linewidths=0)
    axes.scatter(sweep.mean[order], y, s=40, color=colour("blue"), linewidths=0, zorder=3)
    fewer = f": {len(order)} of {len(names)} levels" if len(order) < len(names) else ""
    axis_label(axes, plain(what, 32), f"{plain(sweep.knob, 32)}{fewer}", left=126)
    return to_svg(figure, uid, description)
