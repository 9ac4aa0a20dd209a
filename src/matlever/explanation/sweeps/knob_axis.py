"""A knob as an axis of a figure: its name and unit, its scale, its levels by name."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.knobs import Knob

__all__ = ["literal", "places_of", "show_knob"]

Array = NDArray[np.float64]


def literal(text: str, width: int = 60) -> str:
    """Text that matplotlib shows as it is, shortened: a dollar sign would start a formula."""
    short = text if len(text) <= width else text[: width - 1] + "…"
    return short.replace("$", r"\$")


def places_of(knob: Knob, values: Array, data: Array) -> tuple[list[str] | None, Array, Array]:
    """Places of settings along an axis.

    Parameters
    ----------
    knob : Knob
        The knob.
    values : ndarray of shape (v,)
        The settings that are shown, ascending.
    data : ndarray of shape (m,)
        Settings of known samples.

    Returns
    -------
    levels : list of v str or None
        Names of the levels shown; None for a knob of numbers.
    places : ndarray of shape (v,)
        0, 1, ... for levels, else the values.
    data : ndarray of shape (m,)
        Places of the known samples; NaN for those at a level that is not shown.
    """
    if knob.kind != "categorical":
        return None, values, data
    place = np.searchsorted(values, data).clip(0, len(values) - 1)
    shown = np.where(values[place] == data, place.astype(float), np.nan)
    return [knob.show(value) for value in values], np.arange(len(values), dtype=float), shown


def show_knob(
    axis: Any, knob: Knob, scale: str = "linear", levels: list[str] | None = None
) -> None:
    """Label the x or y axis of a figure on which the settings of a knob are drawn.

    Parameters
    ----------
    axis : matplotlib axis
        ``ax.xaxis`` or ``ax.yaxis``.
    knob : Knob
        What is drawn along it.
    scale : {"linear", "log"}, default="linear"
        Scale of the axis, already set.
    levels : list of str or None, default=None
        Names of the levels at 0, 1, ... of a categorical knob.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    axis.set_label_text(literal(knob.label))
    if levels is not None:
        names = [literal(level, 24) for level in levels]
        turned = {"rotation": 35, "ha": "right"} if axis.axis_name == "x" else {}
        axis.set_ticks(np.arange(len(names)), labels=names, **turned)
    elif scale == "log":
        # Plain numbers ("0.1", "300"), and some between the decades when there are few of them.
        few = np.floor(np.log10(knob.high)) - np.ceil(np.log10(knob.low)) < 2
        axis.set_major_locator(LogLocator(subs=(1.0, 3.0) if few else (1.0,)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    elif knob.kind == "integer":
        axis.set_major_locator(MaxNLocator(integer=True))
