"""Nearest neighbours of all atoms of many crystals, each by the way that suits its cell."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from matlever.crystals._graph_cells import nearest_by_cell_list
from matlever.crystals._graph_images import heights_of, image_range, nearest_by_images
from matlever.crystals.crystals import Crystals, atoms_of_rows

__all__ = ["nearest_neighbours"]

Array = NDArray[np.float64]
Progress = Callable[[int, int, str], None]

_ROOM = 1.8  # a first sphere holds this many times the neighbours wanted, in a uniform crystal
_WIDER = 1.35
_PAIRS_AT_ONCE = 60_000  # their distances stay in the processor's cache
_PAIRS_OF_SMALL = 400_000  # cells with more pairs of atom and image go to the cell list
_REPORT_EVERY = 2_000


def nearest_neighbours(
    crystals: Crystals,
    m: int,
    kinds: NDArray[np.int64] | None = None,
    progress: Progress | None = None,
) -> tuple[NDArray[np.int64], Array]:
    """Find the m nearest neighbours of every atom, however far they are.

    Parameters
    ----------
    crystals : Crystals
        n crystals with N atoms in all.
    m : int
        Neighbours wanted of each atom.
    kinds : ndarray of shape (N,), int64, or None, default=None
        What comes first among neighbours at equal distances; by default the lighter element.
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
    Each crystal is searched within a sphere that should hold enough by its density, and again
    within a wider one until nothing nearer can be missing. The result does not depend on that.
    """
    n = len(crystals)
    total = len(crystals.numbers)
    neighbours = np.zeros((total, m), dtype=np.int64)
    distances = np.zeros((total, m))
    order = crystals.numbers.astype(np.int64) if kinds is None else kinds
    heights = heights_of(crystals.lattices)
    radius = (_ROOM * 0.75 / np.pi * (m + 1) * crystals.volumes / crystals.n_atoms) ** (1 / 3)
    pending = np.arange(n)
    done, told = 0, 0
    while len(pending):
        left = []
        for rows, images in _batches(crystals.n_atoms, heights, radius, pending):
            atoms, offsets = atoms_of_rows(crystals.offsets, rows)
            if images is None:
                row = int(rows[0])
                near, far, complete = nearest_by_cell_list(
                    crystals.lattices[row],
                    crystals.fractional[atoms],
                    order[atoms],
                    float(radius[row]),
                    m,
                )
                finished = np.array([complete])
            else:
                shape = (len(rows), -1)
                near, far, finished = nearest_by_images(
                    crystals.lattices[rows],
                    crystals.fractional[atoms].reshape(*shape, 3),
                    order[atoms].reshape(shape),
                    images,
                    m,
                )
            first = np.repeat(crystals.offsets[rows], np.diff(offsets))
            neighbours[atoms] = near.reshape(-1, m) + first[:, None]
            distances[atoms] = far.reshape(-1, m)
            left.append(rows[~finished])
            done += int(finished.sum())
            if progress is not None and done >= told + _REPORT_EVERY:
                progress(done, n, "crystals")
                told = done
        pending = np.concatenate(left)
        radius[pending] *= _WIDER
    if progress is not None and told < done:
        progress(done, n, "crystals")
    return neighbours, distances


def _batches(
    n_atoms: NDArray[np.int64], heights: Array, radius: Array, pending: NDArray[np.int64]
) -> list[tuple[NDArray[np.int64], tuple[int, int, int] | None]]:
    """Rows to be searched together and the images to count out; None: one row by a cell list."""
    images = image_range(heights[pending], radius[pending])
    counts = n_atoms[pending]
    pairs = counts.astype(float) ** 2 * np.prod(2.0 * images + 1, axis=1)
    small = pairs <= _PAIRS_OF_SMALL
    batches: list[tuple[NDArray[np.int64], tuple[int, int, int] | None]] = [
        (pending[i : i + 1], None) for i in np.flatnonzero(~small)
    ]
    settings = np.column_stack([counts, images])[small]
    rows = pending[small]
    if not len(rows):
        return batches
    groups, member = np.unique(settings, axis=0, return_inverse=True)
    order = np.argsort(member.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(member.ravel()))
    for group, start, end in zip(groups, [0, *ends[:-1]], ends, strict=True):
        a, b, c = (int(s) for s in group[1:])
        cost = int(group[0]) ** 2 * (2 * a + 1) * (2 * b + 1) * (2 * c + 1)
        step = max(1, _PAIRS_AT_ONCE // cost)
        for at in range(start, end, step):
            batches.append((rows[order[at : min(at + step, end)]], (a, b, c)))
    return batches
