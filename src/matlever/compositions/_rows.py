"""Rows of the amounts matrix that keep only the elements they have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matlever.compositions.elements import ELEMENTS

__all__ = ["Rows", "joined_rows", "rows_from_dense", "rows_from_entries"]

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rows:
    """A matrix of shape (n, 103) in compressed rows, elements of a row in order of Z.

    Parameters
    ----------
    starts : ndarray of shape (n + 1,), int64
        Row i owns the entries ``starts[i]`` to ``starts[i + 1]``.
    columns : ndarray of shape (entries,), uint8
        Column (Z - 1) of each entry.
    values : ndarray of shape (entries,), float64
        Its amount, not zero.
    """

    starts: NDArray[np.int64]
    columns: NDArray[np.uint8]
    values: Float

    def __len__(self) -> int:
        return len(self.starts) - 1

    def counts(self) -> NDArray[np.int64]:
        """Return the number of elements of each row."""
        return np.diff(self.starts)

    def row_of_entry(self) -> NDArray[np.int64]:
        """Return the row that each entry belongs to."""
        return np.repeat(np.arange(len(self)), self.counts())

    def sums(self) -> Float:
        """Return the sum of each row."""
        sums = np.bincount(self.row_of_entry(), self.values, minlength=len(self))
        return sums.astype(np.float64, copy=False)  # integers where there is no entry at all

    def scaled(self) -> Rows:
        """Return the rows divided by their sums."""
        return Rows(self.starts, self.columns, self.values / np.repeat(self.sums(), self.counts()))

    def elements_used(self) -> NDArray[np.int64]:
        """Return in how many rows each of the 103 elements stands."""
        return np.bincount(self.columns, minlength=len(ELEMENTS))

    def dense(self) -> Float:
        """Return the matrix itself."""
        whole = np.zeros((len(self), len(ELEMENTS)))
        whole[self.row_of_entry(), self.columns] = self.values
        return whole

    def take(self, places: NDArray[np.intp]) -> Rows:
        """Return the rows at `places`, in that order."""
        counts = self.counts()[places]
        starts = np.concatenate([[0], np.cumsum(counts)])
        within = np.arange(starts[-1]) - np.repeat(starts[:-1], counts)
        entries = np.repeat(self.starts[:-1][places], counts) + within
        return Rows(starts, self.columns[entries], self.values[entries])


def rows_from_dense(matrix: Float, columns: Sequence[int] | None = None) -> Rows:
    """Return the compressed rows of a matrix of shape (n, 103), or of some of its columns.

    Parameters
    ----------
    matrix : ndarray of shape (n, 103) or (n, len(columns))
        Amounts.
    columns : sequence of int, optional
        Column of ELEMENTS of each column, rising.
    """
    row, place = np.nonzero(matrix)
    starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(matrix)))])
    column = place if columns is None else np.asarray(columns, dtype=np.intp)[place]
    return Rows(starts, column.astype(np.uint8), np.ascontiguousarray(matrix[row, place]))


def rows_from_entries(
    n_rows: int, row: NDArray[np.int64], column: NDArray[np.int64], value: Float
) -> Rows:
    """Return rows from entries in any order; entries of one element in one row are added."""
    key = row * len(ELEMENTS) + column
    order = np.argsort(key, kind="stable")
    key = key[order]
    first = np.flatnonzero(np.diff(key, prepend=-1))
    values = np.add.reduceat(value[order], first) if len(key) else np.empty(0)
    kept = values != 0
    key, values = key[first][kept], values[kept]
    starts = np.concatenate([[0], np.cumsum(np.bincount(key // len(ELEMENTS), minlength=n_rows))])
    return Rows(starts, (key % len(ELEMENTS)).astype(np.uint8), values)


def joined_rows(blocks: Sequence[Rows]) -> Rows:
    """Return the rows of all blocks, one below the other."""
    if len(blocks) == 1:
        return blocks[0]
    counts = np.concatenate([np.zeros(1, np.int64), *(block.counts() for block in blocks)])
    return Rows(
        np.cumsum(counts),
        np.concatenate([np.empty(0, np.uint8), *(block.columns for block in blocks)]),
        np.concatenate([np.empty(0), *(block.values for block in blocks)]),
    )
