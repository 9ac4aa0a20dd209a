"""One name for each composition: its reduced formula, and the chemical system it belongs to."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from matlever.compositions._rows import Rows
from matlever.compositions.elements import ELEMENTS, element_properties

__all__ = ["chemical_systems", "reduced_formulas"]

_MOST_UNITS = 100  # atoms of the rarest element that an integer formula may have
_TOLERANCE = 1e-6
_BLOCK = 65_536


def reduced_formulas(rows: Rows) -> tuple[str, ...]:
    """Return the reduced formula of each row.

    With :math:`r = a / a_{min}`, the smallest integer k up to 100 for which all :math:`k r` are
    integers (to a millionth) gives the formula; without one, atom fractions are written.
    """
    names: list[str] = []
    for start in range(0, len(rows), _BLOCK):
        names += _block(rows.take(np.arange(start, min(start + _BLOCK, len(rows)))))
    return tuple(names)


def _block(rows: Rows) -> list[str]:
    row, column = rows.row_of_entry(), rows.columns.astype(np.int64)
    order = np.lexsort((_rank()[column], row))
    column, values = column[order], rows.values[order]
    counts = rows.counts()
    smallest = np.minimum.reduceat(values, rows.starts[:-1]) if len(values) else np.empty(0)
    ratio = values / np.repeat(smallest, counts)
    units = _units(ratio, rows.starts)
    whole = np.repeat(units > 0, counts)
    amounts = np.rint(ratio * np.repeat(units, counts))
    sums = np.add.reduceat(values, rows.starts[:-1]) if len(values) else np.empty(0)
    shares = values / np.repeat(sums, counts)
    pieces = [
        ELEMENTS[j] + (f"{amount:.0f}" if amount > 1 else "")
        if is_whole
        else f"{ELEMENTS[j]}{share:.6f}".rstrip("0")
        for j, amount, share, is_whole in zip(
            column.tolist(), amounts.tolist(), shares.tolist(), whole.tolist(), strict=True
        )
    ]
    starts = rows.starts.tolist()
    return ["".join(pieces[a:b]) for a, b in pairwise(starts)]


def _units(ratio: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each row the smallest k that makes all ratios integers; 0 if there is none."""
    found = np.zeros(len(starts) - 1, dtype=np.int64)
    counts = np.diff(starts)
    left = np.arange(len(found))
    r, row = ratio, np.repeat(left, counts)
    for k in range(1, _MOST_UNITS + 1):
        if not len(left):
            break
        off = np.abs(k * r - np.rint(k * r)) > _TOLERANCE * np.maximum(1.0, k * r)
        wrong = np.zeros(len(found), dtype=bool)
        wrong[row[off]] = True
        found[left[~wrong[left]]] = k
        kept = wrong[row]
        r, row, left = r[kept], row[kept], left[wrong[left]]
    return found


def chemical_systems(rows: Rows) -> tuple[str, ...]:
    """Return the chemical system of each row, symbols in alphabetical order."""
    place = np.argsort(np.argsort(ELEMENTS))
    column = rows.columns.astype(np.int64)
    order = np.lexsort((place[column], rows.row_of_entry()))
    symbols = [ELEMENTS[j] for j in column[order].tolist()]
    starts = rows.starts.tolist()
    return tuple("-".join(symbols[a:b]) for a, b in pairwise(starts))


@cache
def _rank() -> NDArray[np.int64]:
    """Return the place of each element when the least electronegative comes first."""
    electronegativity = element_properties()["Electronegativity"]
    last = np.where(np.isnan(electronegativity), np.inf, electronegativity)
    rank = np.empty(len(ELEMENTS), dtype=np.int64)
    rank[np.lexsort((np.array(ELEMENTS), last))] = np.arange(len(ELEMENTS))
    return rank
