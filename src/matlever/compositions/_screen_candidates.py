"""Candidates: many compositions of few elements each, kept sparse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import DTypeLike, NDArray

from matlever.compositions._rows import Rows
from matlever.compositions.compositions import Compositions
from matlever.compositions.elements import ELEMENTS

__all__ = ["Candidates"]


@dataclass(frozen=True, eq=False)
class Candidates:
    """n compositions of at most k elements.

    Attributes
    ----------
    numbers : ndarray of shape (n,), int
        Their numbers in the space they come from.
    columns : ndarray of shape (n, k), int
        Columns (atomic number less 1) of their elements, ascending; where a composition has fewer
        than k elements the rest repeats its last one.
    amounts : ndarray of shape (n, k), int
        Atoms per formula; 0 in the rest.
    """

    numbers: NDArray[np.int64]
    columns: NDArray[np.int64]
    amounts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.numbers)

    def __repr__(self) -> str:
        return f"Candidates: {len(self)} compositions of up to {self.columns.shape[1]} elements"

    @property
    def shares(self) -> NDArray[np.float64]:
        """Element fractions of shape (n, k), in the order of `columns`."""
        shares: NDArray[np.float64] = self.amounts / self.amounts.sum(axis=1, keepdims=True)
        return shares

    @property
    def fractions(self) -> NDArray[np.float64]:
        """Element fractions of shape (n, 103); rows sum to 1."""
        return self.dense(np.float64)

    def dense(self, dtype: DTypeLike) -> NDArray[np.float64]:
        """Element fractions of shape (n, 103) in a type of float."""
        found = np.zeros((len(self), len(ELEMENTS)), dtype=dtype)
        shares, rows = self.shares, np.arange(len(self))
        for j in range(self.columns.shape[1]):
            found[rows, self.columns[:, j]] += shares[:, j]
        return found

    @property
    def compositions(self) -> Compositions:
        """The candidates as compositions."""
        there = self.amounts > 0
        starts = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
        columns, values = self.columns[there].astype(np.uint8), self.amounts[there].astype(float)
        return Compositions(Rows(starts, columns, values))

    @property
    def formulas(self) -> tuple[str, ...]:
        """Reduced formulas."""
        return self.compositions.formulas

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Candidates:
        return Candidates(self.numbers[rows], self.columns[rows], self.amounts[rows])

    def by_system(self) -> Iterator[tuple[tuple[int, ...], slice]]:
        """Yield runs of candidates of one system: its columns, and where they stand."""
        if not len(self):
            return
        sizes = (self.amounts > 0).sum(axis=1)
        change = (self.columns[1:] != self.columns[:-1]).any(axis=1) | (sizes[1:] != sizes[:-1])
        edges = [0, *(np.flatnonzero(change) + 1).tolist(), len(self)]
        for start, stop in pairwise(edges):
            yield tuple(self.columns[start, : sizes[start]].tolist()), slice(start, stop)
