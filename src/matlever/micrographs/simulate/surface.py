"""The surface of a packing: heights of all crystals, and which one is seen in each pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matlever.micrographs.simulate.packing import Packing

__all__ = ["surface"]

_REACH = 1.35  # a crystal's picture reaches so many radii from its centre
_TOP = 0.55  # height of the top face in radii
_DOME = 0.72  # height of a dome in radii
_MOST_PIXELS = 400_000  # of one batch


def surface(
    packing: Packing, side_px: int, floor: float
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return the height of what is seen, and whose it is.

    Parameters
    ----------
    packing : Packing
    side_px : int
    floor : float
        Height of the substrate.

    Returns
    -------
    height : ndarray of shape (side_px, side_px), px
    crystal : ndarray of shape (side_px, side_px)
        Number of the crystal in each pixel; -1 is the substrate.
    """
    reach = np.ceil(_REACH * packing.radius).astype(int)
    near = (
        (packing.x > -reach)
        & (packing.y > -reach)
        & (packing.x < side_px + reach)
        & (packing.y < side_px + reach)
    )
    height = np.full(side_px * side_px, floor)
    found = []
    # Crystals of about the same reach are drawn together.
    bins = np.where(reach < 8, reach, (np.ceil(reach / 4) * 4).astype(int))
    for half in np.unique(bins[near]):
        members = np.flatnonzero(near & (bins == half))
        step = max(1, _MOST_PIXELS // (2 * half + 1) ** 2)
        for start in range(0, len(members), step):
            who = members[start : start + step]
            pixel, z, crystal = _patches(packing, who, int(half), side_px)
            np.maximum.at(height, pixel, z)
            found.append((pixel, z, crystal))
    owner = np.full(side_px * side_px, -1, dtype=np.int32)
    for pixel, z, crystal in found:
        seen = z >= height[pixel]
        owner[pixel[seen]] = crystal[seen]
    shape = (side_px, side_px)
    return height.reshape(shape), owner.reshape(shape)


def _patches(
    packing: Packing, who: NDArray[np.intp], half: int, side_px: int
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.int32]]:
    """Return pixel, height and crystal of everything these crystals cover inside the tile."""
    offset = np.arange(-half, half + 1)
    row0, column0 = np.round(packing.y[who]).astype(int), np.round(packing.x[who]).astype(int)
    rows, columns = row0[:, None] + offset, column0[:, None] + offset
    r = packing.radius[who][:, None, None]
    dy = (rows - packing.y[who][:, None])[:, :, None] / r
    dx = (columns - packing.x[who][:, None])[:, None, :] / r
    cos, sin = np.cos(packing.angle[who]), np.sin(packing.angle[who])
    stretch = packing.stretch[who][:, None, None]
    u = (dx * cos[:, None, None] + dy * sin[:, None, None]) / stretch
    v = (dy * cos[:, None, None] - dx * sin[:, None, None]) * stretch
    inside = (
        (u**2 + v**2 < _REACH**2)
        & ((rows >= 0) & (rows < side_px))[:, :, None]
        & ((columns >= 0) & (columns < side_px))[:, None, :]
    )
    m, i, j = np.nonzero(inside)
    z = packing.radius[who[m]] * _height(packing, who[m], u[m, i, j], v[m, i, j])
    above = z > 0
    m, i, j, z = m[above], i[above], j[above], z[above]
    return rows[m, i] * side_px + columns[m, j], z + packing.lift[who[m]], who[m].astype(np.int32)


def _height(
    packing: Packing, who: NDArray[np.intp], u: NDArray[np.float64], v: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return heights in radii at points (u, v): between a dome and flat faces.

    The faces are the soft minimum of six sides and a top; their edges sharpen with facetness.
    """
    facetness = packing.facetness[who]
    sharp = 3.0 * (40.0 / 3.0) ** facetness
    azimuth, slope = packing.azimuth[who], packing.slope[who]
    total = np.exp(-sharp * (_TOP + packing.top[who, 0] * u + packing.top[who, 1] * v))
    for side in range(azimuth.shape[1]):
        along = np.cos(azimuth[:, side]) * u + np.sin(azimuth[:, side]) * v
        total += np.exp(np.minimum(-sharp * slope[:, side] * (1.0 - along), 60.0))
    planes = -np.log(total) / sharp
    rho2 = u**2 + v**2
    dome = _DOME * np.where(rho2 < 1, np.sqrt(np.abs(1 - rho2)), -2 * (np.sqrt(rho2) - 1))
    weight = facetness**0.8
    height: NDArray[np.float64] = (1 - weight) * dome + weight * planes
    return height
