"""Inputs that are parts of one whole: shares that add up to 1 or 100 in every row."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from matlever.tables.table import Mixture

__all__ = ["find_mixtures"]

_TOLERANCE = 1e-3
_TOTALS = (1.0, 100.0)
_TRIED = 500


def find_mixtures(
    values: npt.NDArray[np.float64],
    names: Sequence[str],
    units: Sequence[str | None],
    rows: npt.NDArray[np.int64],
) -> tuple[tuple[Mixture, ...], list[str]]:
    """Return sets of columns that add up to 1 or 100, and warnings where a few rows do not.

    Sets are looked for among columns side by side in the file, with a common first or last word
    in their names, and with a common unit. Parts that never change are taken off the total.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        Number columns in the order of the file; those with a negative or empty cell are no parts.
    names, units : sequence of length n_columns
        Their names and units.
    rows : ndarray of shape (n_rows,)
        Line numbers, for warnings.
    """
    if len(values) == 0:
        return (), []
    possible = np.flatnonzero((np.isfinite(values) & (values >= 0)).all(axis=0))
    constant = np.ptp(values[:, possible], axis=0) == 0 if len(possible) else np.zeros(0, bool)
    fixed = {int(k) for k in possible[constant]}
    mixtures: list[Mixture] = []
    free = [int(k) for k in possible]
    while len(free) >= 2:
        found = _largest(values, free, names, units, fixed)
        if found is None:
            break
        members, total = found
        parts = [k for k in members if k not in fixed]
        rest = float(values[0, [k for k in members if k in fixed]].sum())
        mixtures.append(Mixture(tuple(names[k] for k in parts), total - rest))
        free = [k for k in free if k not in members]
    warnings = [] if mixtures else _nearly(values, free, names, units, rows)
    return tuple(mixtures), warnings


def _largest(
    values: npt.NDArray[np.float64],
    free: list[int],
    names: Sequence[str],
    units: Sequence[str | None],
    fixed: set[int],
) -> tuple[list[int], float] | None:
    """Return the largest set of parts and its total."""
    best: tuple[list[int], float] | None = None
    size = 1
    for members in (*_families(free, names, units), *_windows(values, free)):
        n_parts = sum(k not in fixed for k in members)
        if n_parts <= size:
            continue
        sums = values[:, members].sum(axis=1)
        for total in _TOTALS:
            if np.abs(sums - total).max() <= _TOLERANCE * total:
                best, size = (members, total), n_parts
    return best


def _families(
    free: list[int], names: Sequence[str], units: Sequence[str | None]
) -> list[list[int]]:
    """Return sets of columns that belong together by unit or name, and the set of all."""
    families: dict[tuple[str, str], list[int]] = {}
    for k in free:
        words = [word for word in re.split(r"[\W_]+|(?<=\D)(?=\d)", names[k].lower()) if word]
        unit = units[k]
        keys = {("unit", unit)} if unit else set()
        if words:
            keys |= {("first", words[0]), ("last", words[-1])}
        for key in keys:
            families.setdefault(key, []).append(k)
    return [free, *(members for members in families.values() if len(members) >= 2)]


def _windows(values: npt.NDArray[np.float64], free: list[int]) -> list[list[int]]:
    """Return runs of columns, side by side, that add up to a total in a few probed rows."""
    probes = values[np.unique(np.linspace(0, len(values) - 1, 7).astype(int))][:, free]
    running = np.concatenate([np.zeros((len(probes), 1)), np.cumsum(probes, axis=1)], axis=1)
    n = len(free)
    fits = np.zeros((n + 1, n + 1), dtype=bool)
    for total in _TOTALS:
        fits_total = np.ones((n + 1, n + 1), dtype=bool)
        for row in running:
            # Rounding of the running sum grows with it; leave room and check the rows exactly.
            room = 2 * _TOLERANCE * total + 1e-9 * row[-1]
            fits_total &= np.abs(row[None, :] - row[:, None] - total) <= room
        fits |= fits_total
    first, last = np.nonzero(np.triu(fits, 2))
    order = np.argsort(first - last, kind="stable")[:_TRIED]
    return [free[first[k] : last[k]] for k in order]


def _nearly(
    values: npt.NDArray[np.float64],
    free: list[int],
    names: Sequence[str],
    units: Sequence[str | None],
    rows: npt.NDArray[np.int64],
) -> list[str]:
    """Return warnings about sets of three or more that add up to a total in most rows."""
    for members in sorted(_families(free, names, units), key=len, reverse=True):
        if len(members) < 3 or len(values) < 10:
            continue
        sums = values[:, members].sum(axis=1)
        for total in _TOTALS:
            off = np.abs(sums - total) > _TOLERANCE * total
            if 0 < off.sum() <= 0.1 * len(values):
                shown = ", ".join(map(str, rows[off][:5])) + (", ..." if off.sum() > 5 else "")
                parts = ", ".join(repr(names[k]) for k in members[:6])
                return [
                    f"{parts} add up to {total:g} in all rows but {int(off.sum())} (rows {shown}). "
                    "Correct those rows to have the columns treated as a mixture."
                ]
    return []
