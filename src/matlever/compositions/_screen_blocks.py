"""A block of candidates: chemical systems times stoichiometries, in an order that can be asked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, permutations, product

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import SettingsError

__all__ = ["Block", "all_stoichiometries", "permuted_stoichiometries"]

Int = NDArray[np.int64]

_MOST_STOICHIOMETRIES = 5_000_000


@dataclass(frozen=True)
class Block:
    """Every choice of elements for some sites, with every stoichiometry.

    Candidate i has system ``i // S`` and stoichiometry ``i % S``. Systems are in lexicographic
    order of the columns; the last group turns fastest.

    Attributes
    ----------
    groups : tuple of (ndarray of int, int)
        Groups of sites that choose from the same elements: columns, ascending, and number of sites.
    stoichiometries : ndarray of shape (S, k), int
        Atoms at each site, over all groups in order; closed under exchange within a group.
    """

    groups: tuple[tuple[Int, int], ...]
    stoichiometries: Int

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of choices of elements in each group."""
        return tuple(math.comb(len(columns), sites) for columns, sites in self.groups)

    @property
    def n_systems(self) -> int:
        """Number of chemical systems."""
        return math.prod(self.counts)

    @property
    def size(self) -> int:
        """Number of candidates."""
        return self.n_systems * len(self.stoichiometries)

    def systems(self, ranks: Int) -> Int:
        """Columns of the elements of systems by number, of shape (n, k), group after group."""
        parts: list[Int] = []
        rest = np.asarray(ranks, dtype=np.int64)
        for (columns, sites), count in zip(
            reversed(self.groups), reversed(self.counts), strict=True
        ):
            rest, rank = np.divmod(rest, count)
            parts.insert(0, columns[_combination(rank, len(columns), sites)])
        return np.concatenate(parts, axis=1)

    def candidates(self, numbers: Int) -> tuple[Int, Int]:
        """Columns and amounts of candidates by number, both of shape (n, k), columns ascending."""
        system, stoichiometry = np.divmod(numbers, len(self.stoichiometries))
        different, of_number = np.unique(system, return_inverse=True)
        columns = self.systems(different)[of_number]
        amounts = self.stoichiometries[stoichiometry]
        if len(self.groups) > 1:
            order = np.argsort(columns, axis=1, kind="stable")
            columns = np.take_along_axis(columns, order, axis=1)
            amounts = np.take_along_axis(amounts, order, axis=1)
        return columns, amounts


def _combination(ranks: Int, n: int, k: int) -> Int:
    """Return combinations of k out of n items by lexicographic number, of shape (m, k)."""
    left = math.comb(n, k) - 1 - ranks
    chosen = np.empty((len(ranks), k), dtype=np.int64)
    for place in range(k):
        below = np.array([math.comb(d, k - place) for d in range(n)], dtype=np.int64)
        digit = np.searchsorted(below, left, side="right") - 1
        left = left - below[digit]
        chosen[:, place] = n - 1 - digit
    return chosen


def all_stoichiometries(n_elements: int, max_atoms: int) -> Int:
    """Whole numbers of atoms of some elements, reduced, with at most so many atoms in all.

    Parameters
    ----------
    n_elements : int
    max_atoms : int
        Largest sum.

    Returns
    -------
    stoichiometries : ndarray of shape (S, n_elements), int
        By sum, then in lexicographic order.
    """
    if max_atoms < n_elements:
        raise SettingsError(
            f"max_atoms={max_atoms} leaves no formula with {n_elements} elements; give "
            f"{n_elements} or more."
        )
    if math.comb(max_atoms, n_elements) > _MOST_STOICHIOMETRIES:
        raise SettingsError(
            f"max_atoms={max_atoms} gives more than {_MOST_STOICHIOMETRIES:,} stoichiometries of "
            f"{n_elements} elements; give a smaller one."
        )
    edges = [
        (0, *cut, total)
        for total in range(n_elements, max_atoms + 1)
        for cut in combinations(range(1, total), n_elements - 1)
    ]
    found = np.diff(np.array(edges, dtype=np.int64), axis=1)
    reduced: Int = found[np.gcd.reduce(found, axis=1) == 1]
    return reduced


def permuted_stoichiometries(given: Iterable[Sequence[int]], sites: Sequence[int]) -> Int:
    """Given stoichiometries, reduced, and all that exchange within groups of sites makes of them.

    Parameters
    ----------
    given : iterable of sequences of k int
    sites : sequence of int
        Number of sites of each group; they sum to k.

    Returns
    -------
    stoichiometries : ndarray of shape (S, k), int
        By sum, then in lexicographic order, each once.
    """
    found: set[tuple[int, ...]] = set()
    edges = np.cumsum([0, *sites])
    for one in given:
        divisor = math.gcd(*one)
        reduced = [amount // divisor for amount in one]
        groups = [set(permutations(reduced[a:b])) for a, b in pairwise(edges)]
        found |= {tuple(a for part in parts for a in part) for parts in product(*groups)}
    return np.array(sorted(found, key=lambda one: (sum(one), one)), dtype=np.int64)
