"""Rows to look at: those the others predict worst, beside the known row nearest to each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from matlever.report._text import DASH, count, decimals_for, fixed, number_text, quantity, text
from matlever.report._values import items, mapping, number, numbers, string
from matlever.report.held_out import HeldOut, as_floats

__all__ = ["worst_rows"]

_NEAR = (
    " Where a row with nearly the same settings gave another result, no model of these inputs can "
    "predict both: the difference is noise, or an input that is not in the table."
)


@dataclass(frozen=True)
class _Neighbours:
    """The known row nearest to each of some rows, and what was measured there."""

    known: Mapping[str, tuple[str, float, float]]
    radius: float

    head = '<th scope="col">nearest other row, measured</th>'

    @classmethod
    def of(cls, target: Mapping[str, Any]) -> _Neighbours | None:
        """Read the ``neighbours`` of a target; None where there are none."""
        entry = mapping(target.get("neighbours"))
        rows, nearest = (
            [string(row) for row in items(entry.get(name))] for name in ("rows", "nearest")
        )
        measured, distance = (
            as_floats(numbers(entry.get(name))).tolist() for name in ("measured", "distance")
        )
        known = {
            row: (other, value, away)
            for row, other, value, away in zip(rows, nearest, measured, distance, strict=False)
        }
        radius = number(entry.get("radius"))
        return cls(known, math.inf if radius is None else radius) if known else None

    def cell(self, row: str, rmse: float) -> str:
        """Return what is near to a row, and whether that is near enough to compare."""
        other, measured, distance = self.known.get(row, ("", math.nan, math.nan))
        if not other:
            return f"<td>{DASH}</td>"
        near = "same settings" if distance == 0 else "near" if distance <= self.radius else "far"
        return f'<td class="one">{text(other, 24)}, {near}: {_rounded(measured, rmse)}</td>'


def worst_rows(target: Mapping[str, Any], most: int = 8) -> str:
    """Return the part on the rows with the largest residuals."""
    held = HeldOut.of(target)
    residuals = held.residuals
    order = np.argsort(-np.nan_to_num(np.abs(residuals), nan=-1.0), kind="stable")[:most]
    order = order[np.isfinite(residuals[order])] if len(order) else order
    if not len(order):
        return ""
    unit = string(target.get("unit"))
    of = f" ({text(unit, 24)})" if 0 < len(unit) <= 6 else ""
    rmse = float(np.sqrt(np.nanmean(residuals**2)))
    near = _Neighbours.of(target)
    rows = "".join(_worst_row(held, int(row), rmse, near) for row in order)
    typical = text(quantity(rmse, unit))
    return (
        "<h3>Rows to look at</h3>"
        "<p>The rows that the others predict worst. Either something in the file is off, or "
        "something that matters was not written down; both are worth a look in the notebook.</p>"
        '<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">row of the file</th>'
        f'<th scope="col" class="n">measured{of}</th><th scope="col" class="n">predicted{of}</th>'
        f'<th scope="col" class="n">difference{of}</th>'
        '<th scope="col" class="n">× the typical error</th>'
        f'<th scope="col">interval</th>{near.head if near else ""}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        f'<p class="how">Typical error: {typical} (root mean square over {count(len(held.rows))} '
        f"rows).{_NEAR if near else ''}</p>"
    )


def _worst_row(held: HeldOut, row: int, rmse: float, near: _Neighbours | None) -> str:
    measured, predicted = float(held.measured[row]), float(held.predicted[row])
    where = DASH
    if held.lower is not None and held.upper is not None:
        where = "outside" if held.missed[row] else "inside"
        where += f" {_rounded(held.lower[row], rmse)} to {_rounded(held.upper[row], rmse)}"
    times = abs(measured - predicted) / rmse if rmse > 0 else None
    difference = _rounded(measured - predicted, rmse)
    sign = "+" if measured > predicted else ""
    return (
        f'<tr><th scope="row">{text(held.rows[row], 60)}</th>'
        f'<td class="n">{_rounded(measured, rmse)}</td>'
        f'<td class="n">{_rounded(predicted, rmse)}</td>'
        f'<td class="n">{sign}{difference}</td>'
        f'<td class="n">{number_text(times, 2)}</td><td class="one">{where}</td>'
        f"{near.cell(held.rows[row], rmse) if near else ''}</tr>"
    )


def _rounded(value: float, rmse: float) -> str:
    """Return a value with the decimals that two significant digits of the error ask for."""
    if not np.isfinite(value):
        return DASH
    if not 1e-4 < rmse < 1e7 or abs(value) >= 1e7:
        return number_text(float(value), 4)
    return fixed(float(value), decimals_for(rmse, 2))
