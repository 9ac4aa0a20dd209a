"""The page of many explanations: which knob matters over all rows, and row by row."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np

from matlever.explanation._page import BOTH, bar_cell, figure_svg, page, spread_of
from matlever.explanation._words import number

if TYPE_CHECKING:
    from matlever.explanation.explanations import Explanations

__all__ = ["weights_page"]

_MOST_KNOBS = 40
# Share of the largest weight below which a weight is rounding.
_NOTHING = 1e-9


def weights_page(found: Explanations) -> str:
    """Return a standalone page of explanations: no script, nothing from the network.

    Parameters
    ----------
    found : Explanations
        For one target or several.
    """
    parts = []
    for position in range(found.n_targets or 1):
        one = found.for_target(position)
        name = one.targets[0] if one.targets else "prediction"
        parts.append(
            f"<h2>{html.escape(str(name))}</h2><p>{html.escape(one.sentence)}</p>"
            + _overall(one)
            + _heat_map(one)
            + f'<p class="soft">{html.escape(_fidelity(one))}</p>'
        )
    warnings = "".join(f"<li>{html.escape(text)}</li>" for text in found.warnings)
    title = f"Which knob matters: {len(found)} rows"
    about = (
        f"{found.method}; {found.n_calls:,} samples asked about; kernel width "
        f"{number(float(np.median(found.kernel_width)))} standard deviations; spread over "
        f"{found.spread_over}."
    )
    return page(
        title,
        f"<h1>{html.escape(title)}</h1>{''.join(parts)}<ul>{warnings}</ul>"
        f'<p class="soft">{html.escape(about)}</p>',
    )


def _overall(one: Explanations) -> str:
    shown = one.overall[:_MOST_KNOBS]
    largest = max((importance.mean_abs for importance in shown), default=0.0)
    rows = []
    for importance in shown:
        j = one.knobs.index(importance.knob)
        sign = -1.0 if importance.direction == "-" else 1.0
        tint = BOTH if importance.direction == "mixed" else None
        words = {"+": "raises it", "-": "lowers it", "mixed": "both ways"}[importance.direction]
        if importance.mean_abs <= _NOTHING * largest:
            words = "no effect"
        unit = one.units[j]
        step = "another level" if one.is_categorical[j] else number(float(one.sd[j]))
        rows.append(
            f"<tr><th>{html.escape(importance.knob)}</th>"
            f"<td>{step}{f' {html.escape(unit)}' if unit else ''}</td>"
            f"{bar_cell(sign * importance.mean_abs, largest, tint)}"
            f"<td>{spread_of(importance.mean_abs, importance.sd, largest)}</td>"
            f"<td>{words}</td></tr>"
        )
    return (
        "<table><thead><tr><th>knob</th><th>one standard deviation</th>"
        '<th class="middle">lowers | raises</th>'
        "<th>average size ± sd over rows</th><th></th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _heat_map(one: Explanations) -> str:
    from matplotlib.figure import Figure

    n, k = one.slope_standardised.shape
    figure = Figure(
        figsize=(max(4.0, 0.6 * k + 2.4), max(2.6, 0.2 * min(n, 40) + 1.6)), layout="constrained"
    )
    one.plot(figure.subplots())
    return figure_svg(figure)


def _fidelity(one: Explanations) -> str:
    known = one.r2[np.isfinite(one.r2)]
    if not len(known):
        return "The predictions are flat around every row."
    poor = int((known < 0.5).sum())
    return (
        f"A straight line explains R² {np.median(known):.2f} (median) of what the model does "
        f"around a row, at {one.fidelity_at}; in {poor} of {len(known)} rows less than half."
    )
