"""Minimum, maximum, range, mean, average deviation and mode of element properties, vectorised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matlever.compositions._rows import Rows, rows_from_dense
from matlever.compositions.elements import property_table

__all__ = ["element_statistics"]

Float = NDArray[np.float64]
_BLOCK_VALUES = 262_144  # values of a property in a block: what fits into a processor's cache


def element_statistics(fractions: Float) -> Float:
    """Return six statistics of each of 22 properties, shape (n, 132); rows have positive sums.

    Rows are taken together that have the same number of elements k, so that the values of a
    property are an array without gaps, (rows, k, 22).
    """
    table = property_table(fill=True)
    rows = rows_from_dense(fractions).scaled()
    counts = rows.counts()
    found = np.empty((len(rows), table.shape[1] * 6))
    for k in np.unique(counts):
        places = np.flatnonzero(counts == k)
        step = max(1, _BLOCK_VALUES // (int(k) * table.shape[1]))
        for start in range(0, len(places), step):
            some = places[start : start + step]
            found[some] = _statistics(rows, some, int(k), table)
    return found


def _statistics(rows: Rows, places: NDArray[np.intp], k: int, table: Float) -> Float:
    """Return the statistics of rows that have k elements each."""
    entries = rows.starts[places][:, None] + np.arange(k)
    share = rows.values[entries]  # (rows, k)
    values = table[rows.columns[entries]]  # (rows, k, 22)
    found = np.empty((len(places), table.shape[1], 6))
    found[..., 0] = values.min(axis=1)
    found[..., 1] = values.max(axis=1)
    found[..., 2] = found[..., 1] - found[..., 0]
    mean = np.matmul(share[:, None, :], values)[:, 0]
    found[..., 3] = mean
    found[..., 4] = np.matmul(share[:, None, :], np.abs(values - mean[:, None]))[:, 0]
    # The smallest value among the elements that are as frequent as the most frequent one; the
    # tolerance is that of numpy.isclose, which matminer uses.
    most = share.max(axis=1, keepdims=True)
    frequent = np.abs(share - most) <= 1e-8 + 1e-5 * most
    found[..., 5] = np.where(frequent[..., None], values, np.inf).min(axis=1)
    return found.reshape(len(places), -1)
