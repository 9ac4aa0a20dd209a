"""Values that can be calculated with but can hardly be right."""

from __future__ import annotations

import numpy as np
import pandas as pd

from matlever.exceptions import Fault
from matlever.tables.table import Column
from matlever.tables.units import canonical_unit, quantity_of

__all__ = ["impossible_values", "suspicious_values"]

_ABSOLUTE_ZERO = {"K": 0.0, "°C": -273.15, "°F": -459.67}
_NEVER_NEGATIVE = {"mass", "amount", "fraction", "mass fraction", "amount fraction",
                   "volume fraction", "equivalents"}  # fmt: skip
_PERCENT = {"%", "wt%", "at%", "mol%", "vol%"}
# Percentages of change, elongation or yield on another basis exceed 100; parts of a whole do not.
_PERCENT_OF_WHOLE = _PERCENT - {"%"}


def impossible_values(column: Column, values: pd.Series[float], file: str) -> list[Fault]:
    """Return a fault for each temperature below absolute zero."""
    unit = canonical_unit(column.unit) if column.unit else None
    limit = _ABSOLUTE_ZERO.get(unit or "")
    # "ΔT (K)" and "temperature difference (K)" may be negative.
    if limit is None or any(
        word in column.name.lower() for word in ("Δ", "δ", "delta", "diff", "change")
    ):
        return []
    return [
        Fault(
            f"{value:g} {column.unit} is below absolute zero",
            "Correct the cell, or the unit in the header",
            file=file,
            row=int(str(row)),
            column=column.header,
        )
        for row, value in values[values < limit].items()
    ]


def suspicious_values(column: Column, values: pd.Series[float]) -> list[str]:
    """Return warnings: amounts below nothing, shares beyond the whole, slips of the decimal."""
    warnings = []
    unit = canonical_unit(column.unit) if column.unit else None
    quantities = dict(quantity_of(unit) or ()) if unit else {}
    if len(quantities) == 1 and set(quantities) <= _NEVER_NEGATIVE and (values < 0).any():
        warnings.append(_say(column, values[values < 0], "below zero"))
    if unit in _PERCENT_OF_WHOLE and (values > 100.5).any():
        warnings.append(_say(column, values[values > 100.5], "above 100 %"))
    warnings.extend(_lonely(column, values))
    return warnings


def _lonely(column: Column, values: pd.Series[float]) -> list[str]:
    """Return a warning if one value is twenty times the next and far outside the others."""
    filled = values.dropna().abs()
    if len(filled) < 10:
        return []
    largest = filled.nlargest(2)
    low, high = np.quantile(filled, [0.25, 0.75])
    if largest.iloc[0] > 20 * largest.iloc[1] > 0 and largest.iloc[0] > high + 10 * (high - low):
        return [_say(column, values.loc[largest.index[:1]], "more than 20 times any other value")]
    return []


def _say(column: Column, values: pd.Series[float], what: str) -> str:
    rows = ", ".join(str(row) for row in values.index[:5]) + (", ..." if len(values) > 5 else "")
    first = float(values.iloc[0])
    unit = f" {column.unit}" if column.unit else ""
    return (
        f"{column.name!r} holds {first:g}{unit}, {what} (row{'s' if len(values) > 1 else ''} "
        f"{rows}). Check it."
    )
