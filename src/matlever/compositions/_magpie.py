"""Minimum, maximum, range, mean, average deviation and mode of element properties, vectorised."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from matlever.compositions._rows import Rows
from matlever.compositions.elements import PROPERTIES, property_table

__all__ = ["NORMS", "ORBITALS", "STATISTICS", "element_statistics", "shape_features"]

Float = NDArray[np.float64]

STATISTICS = ("minimum", "maximum", "range", "mean", "avg_dev", "mode")
NORMS = (0, 2, 3, 5, 7, 10)
ORBITALS = ("s", "p", "d", "f")
_BLOCK_VALUES = 262_144  # values of a block: what fits into a processor's cache


def element_statistics(rows: Rows) -> Float:
    """Return six statistics of each of the 22 properties, shape (n, 132).

    Parameters
    ----------
    rows : Rows of length n
        Atom fractions; rows sum to one.
    """
    table = property_table(fill=True)
    found = np.empty((len(rows), table.shape[1] * len(STATISTICS)))
    for places, columns, share in _alike(rows, table.shape[1]):
        found[places] = _statistics(table[columns], share)
    return found


def _alike(rows: Rows, width: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.uint8], Float]]:
    """Yield places, columns (m, k) and fractions (m, k) of rows with the same k elements.

    So the values of a property are an array without gaps.
    """
    counts = rows.counts()
    for k in np.unique(counts).tolist():
        places = np.flatnonzero(counts == k)
        step = max(1, _BLOCK_VALUES // (k * width))
        for start in range(0, len(places), step):
            some = places[start : start + step]
            entries = rows.starts[some][:, None] + np.arange(k)
            yield some, rows.columns[entries], rows.values[entries]


def _statistics(values: Float, share: Float) -> Float:
    """Return the statistics of values (m, k, 22) with weights (m, k)."""
    found = np.empty((len(values), values.shape[2], len(STATISTICS)))
    found[..., 0] = values.min(axis=1)
    found[..., 1] = values.max(axis=1)
    found[..., 2] = found[..., 1] - found[..., 0]
    mean = np.matmul(share[:, None, :], values)
    found[..., 3] = mean[:, 0]
    found[..., 4] = np.matmul(share[:, None, :], np.abs(values - mean))[:, 0]
    # The tolerance is that of numpy.isclose, with which matminer finds the most frequent elements.
    most = share.max(axis=1, keepdims=True)
    frequent = np.abs(share - most) <= 1e-8 + 1e-5 * most
    found[..., 5] = np.where(frequent[..., None], values, np.inf).min(axis=1)
    return found.reshape(len(values), -1)


def shape_features(rows: Rows) -> Float:
    """Return norms of the fractions, shares of valence electrons and ionic character, (n, 12)."""
    table = property_table(fill=True)
    electrons = table[:, [PROPERTIES.index(f"N{orbital}Valence") for orbital in ORBITALS]]
    chi = table[:, PROPERTIES.index("Electronegativity")]
    found = np.empty((len(rows), len(NORMS) + len(ORBITALS) + 2))
    for places, columns, share in _alike(rows, 32):
        powers = {0: np.ones_like(share), 2: share * share, 3: share * share * share}
        powers[5] = powers[2] * powers[3]
        powers[7], powers[10] = powers[5] * powers[2], powers[5] * powers[5]
        norms = [powers[p].sum(axis=1) ** (1.0 / max(p, 1)) for p in NORMS]
        outer = np.matmul(share[:, None, :], electrons[columns])[:, 0]
        outer /= np.maximum(outer.sum(axis=1, keepdims=True), 1e-300)
        x = chi[columns]
        ionic = 1.0 - np.exp(-0.25 * (x[:, :, None] - x[:, None, :]) ** 2)
        average = 0.5 * np.matmul(np.matmul(share[:, None, :], ionic), share[:, :, None])[:, 0, 0]
        found[places] = np.column_stack([*norms, outer, ionic.max(axis=(1, 2)), average])
    return found
