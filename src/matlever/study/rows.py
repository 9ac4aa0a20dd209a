"""Which rows of a table stand for all of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["spread_rows"]


def spread_rows(y: ArrayLike, n: int) -> NDArray[np.intp]:
    """Return at most `n` row positions spread evenly over the ranks of a target, ascending.

    Parameters
    ----------
    y : array_like of shape (n_rows,)
        Measured values, finite.
    n : int
        How many; with one, it is the row of the median.
    """
    ranks = np.argsort(np.asarray(y, dtype=float), kind="stable")
    if len(ranks) <= n:
        return np.arange(len(ranks))
    if n == 1:
        return ranks[[(len(ranks) - 1) // 2]]
    return np.sort(ranks[np.linspace(0, len(ranks) - 1, n).round().astype(int)])
