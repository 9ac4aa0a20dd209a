"""How far settings can move along straight lines before a limit stops them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["in_plane", "steps_used"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


def steps_used(directions: Array, below: Array, above: Array) -> Array:
    r"""Largest share of the free way that a whole step takes, over the last axis.

    Of a direction d with :math:`b_j` free below and :math:`a_j` above, a step t takes
    :math:`t \max_j \max(d_j / a_j, -d_j / b_j)`; the largest possible t is one over that.

    Parameters
    ----------
    directions : ndarray of shape (n, r, k)
        Steps in the knobs' units.
    below, above : ndarray of shape (n, k)
        Distances to the lower and the upper limits, above 0.

    Returns
    -------
    used : ndarray of shape (n, r)
        0 or more.
    """
    up, down = 1.0 / above, -1.0 / below
    used = np.zeros((len(above), directions.shape[1]))
    for j in range(above.shape[1]):
        d = directions[:, :, j]
        np.maximum(used, d * up[:, j : j + 1], out=used)
        np.maximum(used, d * down[:, j : j + 1], out=used)
    return used


def in_plane(directions: Array, total: float) -> Flags:
    """Whether the last axis sums to zero but for rounding, of parts that add up to `total`."""
    most = np.maximum(1e-9 * np.abs(directions).sum(axis=-1), 1e-12 * total)
    flat: Flags = np.abs(directions.sum(axis=-1)) <= most
    return flat
