"""A knob as an axis of a figure: its name and unit, its scale, its levels by name."""

from __future__ import annotations

from typing import Any

import numpy as np

from matlever.knobs import Knob

__all__ = ["literal", "show_knob"]


def literal(text: str, width: int = 60) -> str:
    """Text that matplotlib shows as it is, shortened: a dollar sign would start a formula."""
    short = text if len(text) <= width else text[: width - 1] + "…"
    return short.replace("$", r"\$")


def show_knob(axis: Any, knob: Knob, scale: str = "linear") -> None:
    """Label the x or y axis of a figure on which the settings of a knob are drawn.

    Parameters
    ----------
    axis : matplotlib axis
        ``ax.xaxis`` or ``ax.yaxis``.
    knob : Knob
        What is drawn along it.
    scale : {"linear", "log"}, default="linear"
        Scale of the axis, already set.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    axis.set_label_text(literal(knob.label))
    if knob.kind == "categorical":
        names = [literal(str(level), 24) for level in knob.levels]
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
