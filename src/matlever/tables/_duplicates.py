"""Exact duplicates among many rows, found without sorting the rows themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["first_of_duplicates"]

# Odd 64-bit constant of splitmix64 (Steele, Lea & Flood 2014): spreads nearby bit patterns.
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def first_of_duplicates(rows: NDArray[np.float64]) -> NDArray[np.intp] | None:
    """Return the positions of the rows that equal no earlier row; None if all are distinct.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Finite numbers without negative zeros, C-contiguous.

    Returns
    -------
    kept : ndarray of shape (n_distinct,), int, or None
        Ascending positions.

    Notes
    -----
    Each row is hashed to 64 bits; only rows whose hash occurs twice are compared in full.
    """
    bits = rows.view(np.uint64)
    key = np.zeros(len(rows), dtype=np.uint64)
    for column in bits.T:
        key ^= column
        key *= _MULTIPLIER
        key ^= key >> np.uint64(29)
    ordered = np.sort(key)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(repeated) == 0:
        return None
    suspects = np.flatnonzero(np.isin(key, repeated))
    _, first = np.unique(rows[suspects], axis=0, return_index=True)
    keep = np.ones(len(rows), dtype=bool)
    keep[suspects] = False
    keep[suspects[first]] = True
    return np.flatnonzero(keep)
