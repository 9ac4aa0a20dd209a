"""Nearest neighbours of all atoms of many small cells at once, by counting out periodic images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["TIE_A", "bins_of", "image_range", "nearest_by_images", "reach_of"]

Array = NDArray[np.float64]

#: Distances that differ by less count as equal; coordinates in files are often rounded to 1e-4.
TIE_A = 1e-3
# The edges of the bins of equal distances lie where no simple lattice constant puts a distance.
_EDGE = 0.37799


def bins_of(distances: Array) -> NDArray[np.int64]:
    """Return the number of the bin of equal distances, `TIE_A` wide, of each distance."""
    return (distances * (1 / TIE_A) + _EDGE).astype(np.int64)


def heights_of(lattices: Array) -> Array:
    """Distances between opposite faces of each cell, of shape (n, 3), in Angstrom."""
    reciprocal = np.linalg.inv(lattices)  # columns: normals of the faces over their distances
    return np.asarray(1.0 / np.linalg.norm(reciprocal, axis=1))


def image_range(heights: Array, radius: Array) -> NDArray[np.int64]:
    """Images each way that hold every atom within a radius, of shape (n, 3).

    Differences of fractional coordinates are first brought into [-1/2, 1/2]; an image more than s
    cells away is then farther than (s + 1/2) heights.
    """
    return np.ceil(radius[:, None] / heights - 0.5).clip(0).astype(np.int64)


def reach_of(heights: Array, images: NDArray[np.int64]) -> Array:
    """Radius within which nothing is missed with so many images each way, of shape (n,)."""
    return np.asarray(((images + 0.5) * heights).min(axis=1))


def nearest_by_images(
    lattices: Array,
    fractional: Array,
    kinds: NDArray[np.int64],
    images: tuple[int, int, int],
    m: int,
) -> tuple[NDArray[np.int64], Array, NDArray[np.bool_]]:
    """Find the m nearest neighbours of each atom of B cells with the same number of atoms.

    Parameters
    ----------
    lattices : ndarray of shape (B, 3, 3)
        Lattice vectors as rows.
    fractional : ndarray of shape (B, n, 3)
        Fractional coordinates.
    kinds : ndarray of shape (B, n), int64
        What comes first among neighbours at equal distances: lower kinds.
    images : tuple of 3 int
        Images each way that are counted out along a, b and c.
    m : int
        Neighbours wanted.

    Returns
    -------
    neighbours : ndarray of shape (B, n, m), int64
        Positions in the cell, nearest first; at equal distances (within `TIE_A`) by kind, then by
        position.
    distances : ndarray of shape (B, n, m), float64
        In Angstrom.
    complete : ndarray of shape (B,), bool
        Whether no image that was not counted out can be nearer, or as near.
    """
    size, n, _ = fractional.shape
    shifts = np.array(np.meshgrid(*(np.arange(-s, s + 1) for s in images), indexing="ij")).reshape(
        3, -1
    )
    n_images = shifts.shape[1]
    if n * n_images <= m:  # too few to choose from
        nothing = np.zeros((size, n, m))
        return nothing.astype(np.int64), nothing, np.zeros(size, dtype=bool)
    apart = fractional[:, None, :, :] - fractional[:, :, None, :]  # B x i x j x 3
    apart -= np.rint(apart)
    between = apart.reshape(size, n * n, 3) @ lattices  # B x ij x 3, Cartesian
    cells = shifts.T.astype(np.float64) @ lattices  # B x images x 3
    squared = 2.0 * (between @ cells.transpose(0, 2, 1))  # B x ij x images
    squared += np.einsum("bpx,bpx->bp", between, between)[:, :, None]
    squared += np.einsum("bsx,bsx->bs", cells, cells)[:, None, :]
    distances = np.sqrt(squared.clip(0.0, out=squared), out=squared)
    own = np.arange(n) * n + np.arange(n), n_images // 2
    distances[:, own[0], own[1]] = np.inf
    # One whole number orders by bin of distance, kind and position; and finds the pair again.
    finite = np.where(np.isinf(distances), 0.0, distances)
    keys = bins_of(finite)
    keys *= int(kinds.max()) + 1
    keys.reshape(size, n, n, n_images)[...] += kinds[:, None, :, None]
    keys *= n * n_images
    keys.reshape(size, n, n * n_images)[...] += np.arange(n * n_images)
    keys[:, own[0], own[1]] = np.iinfo(np.int64).max
    keys = keys.reshape(size, n, n * n_images)
    nearest = np.partition(keys, m - 1, axis=2)[:, :, :m]
    nearest.sort(axis=2)
    place = nearest % (n * n_images)
    found = np.take_along_axis(distances.reshape(size, n, n * n_images), place, axis=2)
    reach = reach_of(heights_of(lattices), np.array(images)[None, :])
    complete = found.max(axis=(1, 2)) + 2 * TIE_A < reach
    return place // n_images, found, complete
