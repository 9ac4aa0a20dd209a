"""Trees that each leave out a block of rows: their ensemble knows its error on unseen rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.tables._forest import Forest
from matlever.tables._grow import Plot

__all__ = ["leave_out_blocks", "leave_out_error", "rows_of_trees"]


def leave_out_blocks(X: NDArray[Any], n_blocks: int, seed: int) -> NDArray[np.int64]:
    """Return the block of each row, at most `n_blocks`; rows with the same inputs share one."""
    if n_blocks < 2:
        return np.zeros(len(X), dtype=np.int64)
    distinct = np.unique(X, axis=0, return_inverse=True)[1].ravel()
    n_distinct = int(distinct.max()) + 1
    shuffled = np.random.default_rng(seed).permutation(n_distinct) % min(n_blocks, n_distinct)
    blocks: NDArray[np.int64] = shuffled[distinct]
    return blocks


def rows_of_trees(block: NDArray[np.int64], n_trees: int) -> list[NDArray[np.int64]]:
    """Return the rows each tree is grown from: all but one block, in turn."""
    n_blocks = int(block.max()) + 1
    if n_blocks == 1:
        return [np.arange(len(block))] * n_trees
    kept = [np.flatnonzero(block != b) for b in range(n_blocks)]
    return [kept[tree % n_blocks] for tree in range(n_trees)]


def leave_out_error(forest: Forest, plot: Plot, block: NDArray[np.int64]) -> float:
    """Return the mean squared error on rows that the trees asked have not seen.

    Only the trees grown without a row's block may predict it, one in `n_blocks`; there must not be
    more blocks than trees. The average over
    so few varies more than that over all; that part of the error, known from the variance between
    trees, is taken off.
    """
    n_blocks = int(block.max()) + 1
    if n_blocks == 1:
        return float(plot.y.var())
    values = forest.predict(plot.X)
    errors = np.empty(len(block))
    for b in range(n_blocks):
        own = values[np.ix_(block == b, np.arange(b, forest.n_trees, n_blocks))]
        n_own = own.shape[1]
        errors[block == b] = (plot.y[block == b] - own.mean(axis=1)) ** 2
        if n_own > 1:
            excess = 1 / n_own - 1 / forest.n_trees
            errors[block == b] -= own.var(axis=1, ddof=1) * excess
    return float(errors.mean())
