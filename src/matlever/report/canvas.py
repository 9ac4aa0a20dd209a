"""Matplotlib figures as inline SVG that follows the page's theme and font.

Figures are drawn at 72 dots per inch, so that one point is one pixel of the page, with the light
colours of :data:`matlever.report.style.COLOURS`. :func:`to_svg` then replaces each colour by its
CSS variable, drops what a page does not need (metadata, fonts, decimals) and makes all
identifiers unique to the figure. Text stays text.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, LogLocator, MaxNLocator, NullLocator

from matlever.report._text import plain, text, trimmed
from matlever.report.style import COLOURS

__all__ = ["axis_label", "colour", "new_axes", "style_ticks", "to_svg", "write"]

_SIZE = 12.0
_TAG = re.compile(r"<[^<>]+>")
_DECIMALS = re.compile(r"-?\d+\.\d{2,}(?!\d*e)")
_HEX = re.compile(r"#[0-9a-f]{6}\b")
_FONT = re.compile(r"font-family: [^;\"]*;? ?")
_ID = re.compile(r'(\bid="|url\(#|xlink:href="#)')
_NAMES = {light: name for name, (light, _) in COLOURS.items()}


def colour(name: str) -> str:
    """Return the light colour that stands for the CSS variable `name`."""
    return COLOURS[name][0]


def new_axes(width: float, height: float, margins: Sequence[float]) -> tuple[Figure, Axes]:
    """Return a transparent figure of `width` x `height` pixels with one plain pair of axes.

    `margins` are pixels left, right, top and bottom of the axes.
    """
    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    figure.patch.set_visible(False)
    left, right, top, bottom = margins
    axes = figure.add_axes(
        (left / width, bottom / height, 1 - (left + right) / width, 1 - (top + bottom) / height)
    )
    axes.patch.set_visible(False)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(colour("thread"))
        spine.set_linewidth(1)
    axes.tick_params(
        labelsize=_SIZE - 1, labelcolor=colour("soft"), color=colour("thread"), width=1, length=3
    )
    axes.tick_params(axis="y", length=0, pad=5)
    axes.set_axisbelow(True)
    return figure, axes


def write(axes: Axes, x: float, y: float, words: str, **options: Any) -> None:
    """Write one line of plain text (never mathematics) at figure or data coordinates."""
    settings: dict[str, Any] = {"fontsize": _SIZE - 1, "color": colour("soft")}
    axes.text(x, y, plain(words, 80), parse_math=False, **(settings | options))


def axis_label(axes: Axes, x: str = "", y: str = "", *, left: float = 0.0) -> None:
    """Name the axes: x below on the right, y above on the left, both horizontal.

    `left` moves the y name that many pixels to the left, over the tick labels.
    """
    box = axes.get_window_extent()
    if x:
        write(
            axes, 1, -34 / box.height, plain(x, 52), transform=axes.transAxes, ha="right", va="top"
        )
    if y:
        write(
            axes,
            -left / box.width,
            1 + 9 / box.height,
            plain(y, 52),
            transform=axes.transAxes,
            ha="left",
            va="bottom",
        )


def style_ticks(
    axes: Axes, which: Literal["x", "y"], *, n: int = 5, log: bool = False, grid: bool = True
) -> None:
    """Put about `n` ticks with readable numbers on the ``"x"`` or ``"y"`` axis."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = sorted(axes.get_xlim() if which == "x" else axes.get_ylim())
    if log:
        values = _log_ticks(low, high, n)
        names = [trimmed(value, 2) for value in values]
    else:
        ticks = MaxNLocator(nbins=n, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        slack = 1e-9 * (high - low)
        values = [float(v) for v in ticks if low - slack <= v <= high + slack]
        names = _names(values)
    axis.set_major_locator(FixedLocator(values))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FixedFormatter(names))
    if grid:
        axes.grid(True, axis=which, color=colour("grid"), linewidth=1)


def _log_ticks(low: float, high: float, n: int) -> list[float]:
    for subs in ([1.0], [1.0, 3.0], [1.0, 2.0, 5.0], [1.0, 1.5, 2.0, 3.0, 5.0, 7.0]):
        ticks = LogLocator(subs=subs, numticks=30).tick_values(low, high)
        values = [float(v) for v in ticks if low <= v <= high]
        if len(values) >= min(n, 4):
            break
    if len(values) < 2:
        values = [float(v) for v in MaxNLocator(nbins=n).tick_values(low, high) if low <= v <= high]
    return values[:: max(1, math.ceil(len(values) / (n + 2)))]


def _names(values: Sequence[float]) -> list[str]:
    """Return tick labels with the decimals the step asks for, and no more."""
    if len(values) < 2:
        return [trimmed(value) for value in values]
    step = abs(values[1] - values[0])
    largest = max(abs(value) for value in values)
    if largest >= 1e7 or largest < 1e-3:
        return [trimmed(value if abs(value) > 1e-9 * step else 0.0, 3) for value in values]
    decimals = next((d for d in range(9) if abs(step * 10**d - round(step * 10**d)) < 1e-6), 8)
    return [
        f"{value + 0.0:,.{decimals}f}".replace("-", "−") if abs(value) > 1e-9 * step else "0"
        for value in values
    ]


def to_svg(figure: Figure, uid: str, description: str) -> str:
    """Return `figure` as an SVG element.

    Parameters
    ----------
    figure : Figure
        Drawn with colours of :func:`colour` only.
    uid : str
        Letters, digits and hyphens; prefixes every identifier in the drawing.
    description : str
        What a reader who cannot see the figure is told (plain text).
    """
    stream = io.StringIO()
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": uid}
    with mpl.rc_context(settings), warnings.catch_warnings():
        # Fonts of the reader's browser draw the letters, not the ones installed here.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(
            stream, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    inside = svg[svg.index(">") + 1 : svg.rindex("</svg>")]
    inside = re.sub(r"<metadata>.*?</metadata>", "", inside, flags=re.DOTALL)
    inside = re.sub(r"<!--.*?-->", "", inside, flags=re.DOTALL)
    inside = _TAG.sub(lambda found: _tidy(found[0], uid), inside)
    inside = re.sub(r">\s+<", "><", inside).strip()
    width, height = (round(float(v) * 72) for v in np.asarray(figure.get_size_inches()))
    return (
        f'<svg class="plot" xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {width} {height}" '
        f'style="max-width:{width}px" role="img" aria-label="{text(description, 500)}">'
        f"{inside}</svg>"
    )


def _variable(value: str) -> str:
    return f"var(--{_NAMES[value]})" if value in _NAMES else value


def _tidy(tag: str, uid: str) -> str:
    if tag.startswith("<g id="):
        tag = re.sub(r' id="[^"]*"', "", tag)
    tag = _ID.sub(rf"\g<1>{uid}-", tag)
    tag = _HEX.sub(lambda found: _variable(found[0]), tag)
    tag = _FONT.sub("", tag)
    return _DECIMALS.sub(lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), tag)
