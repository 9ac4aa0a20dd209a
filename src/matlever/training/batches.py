"""Mini-batches for one network of a stack: an endless stream of shuffled rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["RowStream"]


class RowStream:
    """Rows in random order without replacement, one shuffle after another, cut into batches.

    A batch may hold the end of one shuffle and the beginning of the next, so that every batch is
    full and networks with different numbers of rows keep step with one another. With fewer rows
    than `batch_size` each batch is simply all rows.

    Parameters
    ----------
    rows : ndarray of shape (n_rows,), int
        Row positions to draw from.
    batch_size : int
        Rows per batch.
    generator : numpy.random.Generator
        Source of the shuffles; it advances as batches are taken.
    """

    def __init__(
        self, rows: NDArray[np.intp], batch_size: int, generator: np.random.Generator
    ) -> None:
        self.rows = np.asarray(rows, dtype=np.intp)
        self.batch_size = min(batch_size, len(self.rows))
        self.generator = generator
        self._left: NDArray[np.intp] = np.empty(0, dtype=np.intp)

    def take(self, n_batches: int) -> NDArray[np.intp]:
        """Return the rows of the next batches.

        Parameters
        ----------
        n_batches : int
            How many batches.

        Returns
        -------
        rows : ndarray of shape (n_batches, min(batch_size, n_rows))
            Row positions; the same whether they are asked for at once or one by one.
        """
        if self.batch_size == len(self.rows):
            return np.broadcast_to(self.rows, (n_batches, self.batch_size))
        need = n_batches * self.batch_size
        parts, have = [self._left], len(self._left)
        while have < need:
            parts.append(self.generator.permutation(self.rows))
            have += len(self.rows)
        stream = np.concatenate(parts)
        self._left = stream[need:]
        return stream[:need].reshape(n_batches, self.batch_size)
