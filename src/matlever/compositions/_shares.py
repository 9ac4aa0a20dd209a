"""Compositions that stand in a table as one column for each element."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from matlever.compositions.elements import ELEMENTS
from matlever.exceptions import Fault, SettingsError, shorten

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["element_columns", "numbers_of", "total_faults"]

Unit = Literal["at", "wt"]
Float = NDArray[np.float64]

_HEADER = re.compile(r"^[^A-Za-z]*(?:[wxc]\()?([A-Z][a-z]?)(?![A-Za-z])(.*)$")
_NAMED_UNIT = re.compile(r"(?:^|[^a-z])(wt|at|mol|weight|mass|atomic)", re.IGNORECASE)
_NEAR = 0.02  # totals within 2 % of 1 or of 100 are taken as fractions or percent


def element_columns(
    headers: Sequence[str], elements: str | Sequence[str] | Mapping[str, str], unit: Unit
) -> dict[str, int]:
    """Return the column of ELEMENTS that each header stands for.

    Parameters
    ----------
    headers : sequence of str
        All headers of the table.
    elements : "auto", sequence of str, or mapping
        ``"auto"`` takes every header that begins with the symbol of an element; a sequence names
        headers; a mapping gives the symbol of each header.
    unit : {"at", "wt"}
        Compared with what a header says, such as ``Fe (wt%)``.
    """
    if elements == "auto":
        chosen = {h: _symbol(h) for h in headers if _symbol(h) is not None}
    elif isinstance(elements, Mapping):
        chosen = dict(elements)
    else:
        chosen = {h: _symbol(h) for h in ([elements] if isinstance(elements, str) else elements)}
    wrong = [h for h, symbol in chosen.items() if symbol not in ELEMENTS]
    if wrong or not chosen:
        said = ", ".join(repr(shorten(h)) for h in wrong) or "no column"
        raise SettingsError(
            f"elements: {said} names an element from H to Lr. Headers such as Fe or 'Fe (wt%)' do; "
            "for others pass a mapping, {'iron': 'Fe'}."
        )
    doubled = {s for s in chosen.values() if list(chosen.values()).count(s) > 1}
    if doubled:
        raise SettingsError(
            f"elements: {', '.join(sorted(map(str, doubled)))} stands in more than one column. "
            "Name the columns to use."
        )
    for header in chosen:
        named = _NAMED_UNIT.search((_HEADER.match(header) or [header, header, header])[2])
        said = "" if named is None else named[1].lower()
        if (unit == "at" and said in ("wt", "weight", "mass")) or (
            unit == "wt" and said in ("at", "mol", "atomic")
        ):
            raise SettingsError(f"unit={unit!r}, but the column {header!r} says {said!r}.")
    return {header: ELEMENTS.index(str(symbol)) for header, symbol in chosen.items()}


def _symbol(header: str) -> str | None:
    match = _HEADER.match(header)
    return match[1] if match and match[1] in ELEMENTS else None


def numbers_of(
    cells: pd.Series[Any], lines: NDArray[np.int64], file: str | None, column: str, decimal: str
) -> tuple[Float, list[Fault]]:
    """Return the numbers of a column, NaN where a cell is empty, and faults of the other cells."""
    import pandas as pd

    if decimal != "." and not pd.api.types.is_numeric_dtype(cells.dtype):
        cells = cells.astype(str).str.replace(decimal, ".", regex=False)
    values = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    odd = np.flatnonzero(~np.isfinite(values))
    faults = []
    for i in odd.tolist():
        cell = cells.iloc[i]
        if cell is None or cell != cell or not str(cell).strip():
            continue
        if str(cell).strip().lower() in ("nan", "na", "n/a", "none", "null", "-"):
            continue
        remedy = "Write a number, or leave the cell empty if it is not known"
        if "," in str(cell):
            remedy = "Use a decimal point, or pass decimal=','"
        faults.append(
            Fault(
                f"{shorten(repr(cell))} is not a finite number", remedy, file, int(lines[i]), column
            )
        )
    return np.where(np.isfinite(values), values, np.nan), faults


def total_faults(
    totals: Float, lines: NDArray[np.int64], file: str | None, unit: Unit
) -> list[Fault]:
    """Return faults of rows whose amounts add up to something else than those of most rows.

    Most rows decide whether the table holds fractions (totals of 1) or percent (totals of 100);
    atoms per formula unit (``unit="at"`` and most totals neither) have no total to keep.
    """
    kinds = np.where(
        np.abs(totals - 1) <= _NEAR, 1, np.where(np.abs(totals - 100) <= 100 * _NEAR, 100, 0)
    )
    counts = {kind: int((kinds == kind).sum()) for kind in (1, 100, 0)}
    most = max(counts, key=lambda kind: counts[kind])
    if unit == "at" and most == 0:
        return []
    if most == 0:
        most = max((1, 100), key=lambda kind: counts[kind])
    names = {1: "fractions", 100: "percent"}
    faults = []
    for i in np.flatnonzero(kinds != most).tolist():
        if kinds[i]:
            reason = (
                f"the amounts add up to {totals[i]:.6g}: {names[int(kinds[i])]}, while most rows "
                f"are in {names[most]}"
            )
            remedy = "Use one unit in the whole table"
        else:
            reason = f"the amounts add up to {totals[i]:.6g}, neither 1 nor 100"
            remedy = "Check the row; name the element that makes up the rest with balance="
        faults.append(Fault(reason, remedy, file, int(lines[i])))
    return faults
