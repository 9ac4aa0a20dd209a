"""The page of ``matlever reproduce green-lime``: the paper's Table 1 beside ours, and the lines."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.report._text import DASH, fixed, number_text, percent, text
from matlever.report._values import mapping, number, numbers, pick, records, string
from matlever.report.canvas import axis_label, colour, new_axes, style_ticks, to_svg
from matlever.report.held_out import as_floats
from matlever.report.record import pairs, setting_text
from matlever.report.reproduction_page import reproduction_page
from matlever.report.study_report import check_schema
from matlever.storage import write_text

__all__ = ["GREEN_LIME_SCHEMA", "render_green_lime", "write_green_lime"]

GREEN_LIME_SCHEMA = "matlever-green-lime/1"
Floats = NDArray[np.float64]

_METHODS = (
    ("ode", "Designed experiments (ODE)"),
    ("lime", "LIME's Gaussian draws"),
)
# Half-length of a local line, in kernel widths and at least so much of the x axis.
_REACH, _LEAST = 2.0, 0.3


def render_green_lime(result: Mapping[str, Any]) -> str:
    """Return the reproduction of the Green LIME example as one offline HTML document.

    Parameters
    ----------
    result : mapping
        Plain JSON values of schema ``matlever-green-lime/1`` (``docs/green-lime.md``). Values may
        be null or missing; every string is escaped.

    Returns
    -------
    html : str

    Raises
    ------
    StudyError
        If `result` does not say that it follows this schema.
    """
    check_schema(result, GREEN_LIME_SCHEMA)
    rows = records(result.get("table"))
    settings = mapping(result.get("settings"))
    parts = [
        ("Lines", "The curve and its local lines", _pictures(result)),
        ("CORR", "CORR: weighted correlation with the model", _corr_table(rows)),
        ("NWISE", "NWISE: weighted squared error", _nwise_table(rows)),
        (
            "How it was made",
            "How it was made",
            pairs([(text(string(k), 60), setting_text(v)) for k, v in list(settings.items())[:80]]),
        ),
    ]
    return reproduction_page(result, parts, "Green LIME")


def write_green_lime(result: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write :func:`render_green_lime` to `path`; the file appears whole or not at all."""
    return write_text(path, render_green_lime(result))


def _pictures(result: Mapping[str, Any]) -> str:
    figures = []
    for method, name in _METHODS:
        svg = _picture(result, method, name)
        if svg:
            figures.append(f'<figure class="panel"><h3>{name}</h3>{svg}</figure>')
    if not figures:
        return ""
    key = (
        '<ul class="key"><li><i class="dot" style="background:var(--thread);'
        'border-color:var(--thread)"></i>training data of the model</li>'
        '<li><i class="dot ring" style="border-color:var(--ink)"></i>explained units</li></ul>'
    )
    return (
        "<p>The grey curve is the process, the dark one what the model learnt of it. Each unit is "
        "explained again and again with other random numbers; each explanation is a short line.</p>"
        f"{key}{''.join(figures)}"
        '<p class="how">A line reaches two kernel widths to either side, and at least 0.3, so that '
        "the narrowest can be seen.</p>"
    )


def _picture(result: Mapping[str, Any], method: str, name: str) -> str:
    x = as_floats(numbers(pick(result, "curve", "x")))
    model = as_floats(numbers(pick(result, "curve", "model")))
    process = as_floats(numbers(pick(result, "curve", "process")))
    if not len(x) or not len(x) == len(model) == len(process):
        return ""
    figure, axes = new_axes(760, 330, (46, 14, 26, 50))
    low, high = float(min(model.min(), process.min())), float(max(model.max(), process.max()))
    margin = 0.12 * (high - low) or 1.0
    axes.set_xlim(float(x.min()) - 0.2, float(x.max()) + 0.2)
    axes.set_ylim(low - margin, high + margin)
    style_ticks(axes, "y", n=5)
    style_ticks(axes, "x", n=10, grid=False)
    axes.plot(x, process, color=colour("thread"), linewidth=1.2)
    axes.plot(x, model, color=colour("ink"), linewidth=1.6)
    known_x = as_floats(numbers(pick(result, "training", "x")))
    known_y = as_floats(numbers(pick(result, "training", "y")))
    if len(known_x) == len(known_y):
        axes.plot(known_x, known_y, "o", color=colour("thread"), markersize=4)
    for unit in records(result.get("units")):
        _unit(axes, unit, method)
    axis_label(axes, "x", "prediction", left=42)
    return to_svg(
        figure, f"lines-{method}", f"{name}: local lines of repeated explanations at each unit."
    )


def _unit(axes: Any, unit: Mapping[str, Any], method: str) -> None:
    at, width = number(unit.get("x")), number(unit.get("kernel_width_x"))
    height = number(unit.get("prediction"))
    slopes = as_floats(numbers(pick(unit, method, "slope")))
    values = as_floats(numbers(pick(unit, method, "value")))
    if at is None or height is None or len(slopes) != len(values):
        return
    reach = max(_REACH * (width or 0.0), _LEAST)
    for slope, value in zip(slopes.tolist(), values.tolist(), strict=True):
        axes.plot(
            [at - reach, at + reach],
            [value - slope * reach, value + slope * reach],
            color=colour("blue" if method == "ode" else "orange"),
            linewidth=1.0,
            alpha=0.5,
        )
    axes.plot(
        [at],
        [height],
        "o",
        markersize=6,
        markerfacecolor=colour("card"),
        markeredgecolor=colour("ink"),
        zorder=5,
    )


def _corr_table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    body = "".join(
        f'<tr><th scope="row">{_fixed(row.get("unit"), 0)}</th>'
        + _cells(
            _fixed(row.get("kernel_width"), 4),
            _fixed(row.get("corr_ode_paper"), 4),
            _fixed(row.get("corr_ode"), 5),
            _fixed(row.get("corr_lime_paper"), 4),
            _with_error(row.get("corr_lime"), row.get("corr_lime_se")),
            percent(number(row.get("lime_wrong_sign"))),
        )
        + "</tr>"
        for row in rows
    )
    heads = ("kernel width", "ODE, paper", "ODE, ours", "LIME, paper", "LIME, ours")
    return _table(("unit", *heads, "LIME, wrong sign"), body) + (
        '<p class="how">Means over the runs; ± is the standard error of ours. In the paper the '
        "mean is of as many runs, so it is as uncertain.</p>"
    )


def _nwise_table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    body = "".join(
        f'<tr><th scope="row">{_fixed(row.get("unit"), 0)}</th>'
        + _cells(
            *(
                number_text(number(row.get(key)))
                for key in (
                    "nwise_ode_paper",
                    "nwise_ode",
                    "nwise_lime_paper",
                    "nwise_lime",
                    "nwise_lime_median",
                    "nwise_best",
                )
            )
        )
        + "</tr>"
        for row in rows
    )
    heads = ("ODE, paper", "ODE, ours", "LIME, paper", "LIME, ours", "LIME, our median")
    return (
        "<p>The printed values cannot come from the paper's formula; ours do. The last column is "
        "the NWISE of the best straight line, which no explanation can beat.</p>"
        + _table(("unit", *heads, "best line"), body)
    )


def _table(heads: Sequence[str], body: str) -> str:
    cells = "".join(
        f'<th scope="col"{"" if place == 0 else " class=" + chr(34) + "n" + chr(34)}>{head}</th>'
        for place, head in enumerate(heads)
    )
    return (
        f'<div class="scroll" tabindex="0"><table><thead><tr>{cells}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cells(*values: str) -> str:
    return "".join(f'<td class="n">{value}</td>' for value in values)


def _fixed(value: Any, decimals: int) -> str:
    known = number(value)
    return DASH if known is None else fixed(known, decimals)


def _with_error(value: Any, error: Any) -> str:
    known = number(error)
    return _fixed(value, 4) + (
        f" ± {fixed(known, 4)}" if known is not None and known > 5e-5 else ""
    )
