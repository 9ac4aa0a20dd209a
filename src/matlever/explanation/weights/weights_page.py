"""The page of many explanations: which knob matters over all rows, and row by row."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np

from matlever.explanation._page import BOTH, bar_cell, figure_svg, page, spread_of
from matlever.explanation._words import number, shortened

if TYPE_CHECKING:
    from matlever.explanation.weights.explanations import Explanations

__all__ = ["weights_page"]

_MOST_KNOBS = 40
_MOST_COLUMNS = 20
_MOST_LETTERS = 24
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

    from matlever.explanation.weights.heatmap import draw_heat_map

    n, k = one.slope_standardised.shape
    # In the order of the table, but only as many as can be read.
    largest = {importance.knob for importance in one.overall[:_MOST_COLUMNS]}
    columns = [j for j, name in enumerate(one.knobs) if name in largest]
    figure = Figure(
        figsize=(max(4.0, 0.5 * len(columns) + 2.4), max(2.6, 0.2 * min(n, 40) + 1.6)),
        layout="constrained",
    )
    draw_heat_map(
        one.slope_standardised[:, columns],
        rows=[str(row) for row in one.rows],
        columns=[shortened(one.knobs[j], _MOST_LETTERS) for j in columns],
        label=f"{one.targets[0] if one.targets else 'prediction'} per standard deviation",
        ax=figure.subplots(),
    )
    notes = []
    if k > _MOST_KNOBS:
        notes.append(f"The table shows the {_MOST_KNOBS} knobs with the largest weights of {k}.")
    if k > len(columns):
        notes.append(f"The map shows the {len(columns)} with the largest weights.")
    note = f'<p class="soft">{" ".join(notes)}</p>' if notes else ""
    return figure_svg(figure) + note


def _fidelity(one: Explanations) -> str:
    known = one.r2[np.isfinite(one.r2)]
    if not len(known):
        return "The predictions are flat around every row."
    poor = int((known < 0.5).sum())
    return (
        f"A straight line explains R² {np.median(known):.2f} (median) of what the model does "
        f"around a row, at {one.fidelity_at}; in {poor} of {len(known)} rows less than half."
    )
