"""Subsets of rows, by number: all of them, or a random sample when there are too many."""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import NDArray

__all__ = ["row_combinations"]

_LARGEST_RANK = 2**62


def row_combinations(
    n_rows: int, size: int, at_most: int, generator: np.random.Generator
) -> tuple[NDArray[np.intp], int]:
    """Return combinations of `size` out of `n_rows` rows, all of them if there are few enough.

    Parameters
    ----------
    n_rows, size : int
        Subsets of `size` rows are taken from ``range(n_rows)``.
    at_most : int
        If there are more combinations than this, so many different ones are drawn with equal
        probability.
    generator : numpy.random.Generator
        Source of the draw.

    Returns
    -------
    combinations : ndarray of shape (n_combinations, size), int
        Row positions, ascending within a combination.
    n_possible : int
        The number of combinations there are, C(n_rows, size).

    Notes
    -----
    Combinations are numbered in the combinatorial number system, so none is listed that is not
    returned: number r is C(c_k, k) + ... + C(c_1, 1) with c_k > ... > c_1 [1]_.

    References
    ----------
    .. [1] D. E. Knuth, The Art of Computer Programming 4A, section 7.2.1.3.
    """
    n_possible = comb(n_rows, size)
    if size == 2 and n_possible <= at_most:
        second, first = np.tril_indices(n_rows, -1)
        return np.column_stack([first, second]), n_possible
    if n_possible > _LARGEST_RANK:
        return _draw_subsets(n_rows, size, at_most, generator), n_possible
    if n_possible <= at_most:
        ranks = np.arange(n_possible)
    elif n_possible <= 4 * at_most:
        ranks = np.sort(generator.permutation(n_possible)[:at_most])
    else:
        ranks = np.unique(generator.integers(n_possible, size=at_most))
        while len(ranks) < at_most:
            more = generator.integers(n_possible, size=at_most - len(ranks))
            ranks = np.unique(np.concatenate([ranks, more]))
    return _unrank(ranks, n_rows, size), n_possible


def _unrank(ranks: NDArray[np.int64], n_rows: int, size: int) -> NDArray[np.intp]:
    """Return the combinations with these numbers."""
    combinations = np.empty((len(ranks), size), dtype=np.intp)
    left = ranks.astype(np.int64)
    for place in range(size, 0, -1):
        table = np.array([min(comb(c, place), _LARGEST_RANK) for c in range(n_rows)])
        element = np.searchsorted(table, left, side="right") - 1
        combinations[:, place - 1] = element
        left = left - table[element]
    return combinations


def _draw_subsets(
    n_rows: int, size: int, number: int, generator: np.random.Generator
) -> NDArray[np.intp]:
    """Draw subsets where there are more than 2**62, so that a repetition is all but impossible."""
    drawn = np.empty((number, size), dtype=np.intp)
    chunk = max(1, 4_000_000 // n_rows)
    for start in range(0, number, chunk):
        keys = generator.random((min(chunk, number - start), n_rows))
        subset = np.argpartition(keys, size - 1, axis=1)[:, :size]
        drawn[start : start + chunk] = np.sort(subset, axis=1)
    return drawn
