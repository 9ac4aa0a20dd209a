"""Which of equally far atoms are neighbours, so that the order of the atoms does not matter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from matlever.crystals._graph_images import bins_of
from matlever.crystals._graph_nearest import nearest_neighbours
from matlever.crystals.crystals import Crystals, atoms_of_rows

__all__ = ["settled_neighbours"]

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Progress = Callable[[int, int, str], None]

_ROUNDS = 3  # as many shells as the usual number of convolutions sees


def settled_neighbours(
    crystals: Crystals, m: int, progress: Progress | None = None
) -> tuple[Indices, Array]:
    """Find m nearest neighbours of every atom, chosen alike however the atoms are ordered.

    Parameters
    ----------
    crystals : Crystals
        n crystals with N atoms in all.
    m : int
        Neighbours wanted of each atom.
    progress : callable or None, default=None
        Called with the number done, the number in all and what is counted.

    Returns
    -------
    neighbours : ndarray of shape (N, m), int64
        Positions among all atoms, nearest first.
    distances : ndarray of shape (N, m), float64
        In Angstrom.

    Notes
    -----
    Where a shell of equally far atoms of one element is larger than what is still wanted, atoms are
    told apart by their own neighbours, by the neighbours of these, and so on: colours of atoms are
    refined as in the test of Weisfeiler and Leman, and lower colours come first. What is left are
    atoms that look alike over three shells.
    """
    neighbours, distances = nearest_neighbours(crystals, m + 1, progress=progress)
    unsettled = _cut_shells(crystals, neighbours, distances, m)
    neighbours = np.ascontiguousarray(neighbours[:, :m])
    distances = np.ascontiguousarray(distances[:, :m])
    kinds = crystals.numbers.astype(np.int64)
    for _ in range(_ROUNDS):
        if not len(unsettled):
            break
        atoms, offsets = atoms_of_rows(crystals.offsets, unsettled)
        finer = _refined(kinds[atoms], bins_of(distances[atoms]), kinds[neighbours[atoms]])
        owner = np.repeat(np.arange(len(unsettled)), np.diff(offsets))
        grown = _n_kinds(owner, finer) > _n_kinds(owner, kinds[atoms])
        unsettled, kept = unsettled[grown], grown[owner]
        if not len(unsettled):
            break
        atoms = atoms[kept]
        kinds[atoms] = finer[kept]
        some = crystals[unsettled]
        near, distances[atoms] = nearest_neighbours(some, m, kinds[atoms])
        moved = np.repeat(crystals.offsets[unsettled] - some.offsets[:-1], some.n_atoms)
        neighbours[atoms] = near + moved[:, None]
    return neighbours, distances


def _cut_shells(
    crystals: Crystals, neighbours: Indices, distances: Array, m: int
) -> NDArray[np.intp]:
    """Crystals in which neighbour m + 1 of an atom is as far as neighbour m, and of its element."""
    last, after = neighbours[:, m - 1], neighbours[:, m]
    bins = bins_of(distances[:, m - 1 :])
    element = crystals.numbers
    alike = (bins[:, 0] == bins[:, 1]) & (element[last] == element[after])
    place = crystals.crystal_of_atom
    of_element = np.bincount(place * 128 + element, minlength=len(crystals) * 128)
    alike &= of_element[place * 128 + element[last]] > 1
    return np.unique(place[alike])


def _refined(kinds: Indices, bins: Indices, near: Indices) -> Indices:
    """Finer kinds of atoms: by kind first, then by bins of distance and kinds of neighbours."""
    with np.errstate(over="ignore"):
        mixer = np.random.default_rng(0).integers(2**62, size=(2, near.shape[1])) * 2 + 1
        mark = ((bins + 1) * mixer[0] ^ (near + 1) * mixer[1]) * mixer[0, 0]
        mark = (mark ^ (mark >> 29)).sum(axis=1)
    order = np.lexsort((mark, kinds))
    new = (np.diff(kinds[order]) != 0) | (np.diff(mark[order]) != 0)
    rank = np.empty(len(kinds), dtype=np.int64)
    rank[order] = np.concatenate([[0], np.cumsum(new)])
    return rank


def _n_kinds(owner: Indices, kinds: Indices) -> Indices:
    """Return how many kinds of atoms each crystal has."""
    pairs = np.unique(np.column_stack([owner, kinds]), axis=0)
    return np.bincount(pairs[:, 0])
