"""Nearest neighbours in one cell of any size, by a cell list (vesin, extra ``crystals``)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.crystals._graph_images import TIE_A, bins_of
from matlever.exceptions import MissingExtraError

__all__ = ["nearest_by_cell_list"]

Array = NDArray[np.float64]


def _neighbour_list(radius: float) -> Any:
    try:
        from vesin import NeighborList
    except ImportError as error:
        raise MissingExtraError("Finding neighbours in large cells", "vesin", "crystals") from error
    return NeighborList(cutoff=radius, full_list=True)


def nearest_by_cell_list(
    lattice: Array, fractional: Array, kinds: NDArray[np.int64], radius: float, m: int
) -> tuple[NDArray[np.int64], Array, bool]:
    """Find the m nearest neighbours of each atom of one cell.

    Parameters
    ----------
    lattice : ndarray of shape (3, 3)
        Lattice vectors as rows.
    fractional : ndarray of shape (n, 3)
        Fractional coordinates.
    kinds : ndarray of shape (n,), int64
        What comes first among neighbours at equal distances: lower kinds.
    radius : float
        How far to look, in Angstrom.
    m : int
        Neighbours wanted.

    Returns
    -------
    neighbours, distances : ndarray of shape (n, m)
        As from `nearest_by_images`.
    complete : bool
        Whether every atom has m neighbours within the radius.

    Raises
    ------
    MissingExtraError
        If vesin is not installed.
    """
    n = len(fractional)
    inside = fractional - np.floor(fractional)
    # Cells are independent of the axes: vesin asks for contiguous arrays and nothing else.
    i, j, distances = _neighbour_list(radius).compute(
        points=inside @ lattice, box=np.ascontiguousarray(lattice), periodic=True, quantities="ijd"
    )
    i, j = i.astype(np.int64), j.astype(np.int64)
    counts = np.bincount(i, minlength=n)
    if len(i) == 0 or counts.min() < m:
        return np.zeros((n, m), dtype=np.int64), np.zeros((n, m)), False
    order = np.lexsort((j, kinds[j], bins_of(distances), i))
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    place = order[first[:, None] + np.arange(m)]
    found = distances[place]
    return j[place], found, bool(found.max() + 2 * TIE_A < radius)
