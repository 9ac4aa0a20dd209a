"""Tiles that went wrong: what a map of a whole stub always contains, with the truth of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from matlever.micrographs.simulate.packing import BAD, stream

__all__ = ["BAD_KINDS", "spoil"]

Array = NDArray[np.float64]

#: What can be wrong with a simulated tile.
BAD_KINDS = ("black margin", "empty", "defocus", "saturated", "shifted half")


def spoil(
    kind: str | None, seed: int, bright: Array, expose: Callable[[int, Array, float], Array]
) -> Array:
    """Return what the microscope records of a surface, good or bad.

    Black margins cover 5 to 40 % of one or two sides; empty tiles show the substrate; defocus is 2
    to 3 px at 64 px; saturation cuts off a quarter of the range or more; a stitch shifts half of
    the tile by a tenth to a third of it.

    Parameters
    ----------
    kind : str or None
        One of ``BAD_KINDS``; None is a good tile.
    seed : int
    bright : ndarray of shape (side, side)
        The surface as it should be seen.
    expose : callable
        Takes seed, surface and defocus in px; returns what is recorded.
    """
    rng, side = stream(seed, BAD), len(bright)
    if kind == "defocus":
        return expose(seed, bright, rng.uniform(2.0, 3.0) * side / 64)
    if kind == "empty":
        level = 0.10 + 0.03 * rng.standard_normal()
        dirt = 0.02 * rng.standard_normal((4, 4)).repeat(side // 4 + 1, 0).repeat(side // 4 + 1, 1)
        return expose(seed, np.full_like(bright, level) + dirt[:side, :side], side / 16)
    image = expose(seed, bright, 0.0)
    if kind == "shifted half":  # pictures are joined after they were recorded, noise and all
        shift = int(rng.uniform(0.1, 0.33) * side) * int(rng.choice([-1, 1]))
        seam = int(rng.uniform(0.4, 0.6) * side)
        if rng.random() < 0.5:
            image[seam:] = np.roll(image, shift, axis=1)[seam:]
        else:
            image[:, seam:] = np.roll(image, shift, axis=0)[:, seam:]
    if kind == "saturated":
        return image * rng.uniform(1.8, 2.6) + rng.uniform(0.05, 0.2)
    if kind == "black margin":
        for edge in rng.permutation(4)[: 1 + int(rng.random() < 0.4)]:
            width = max(2, round(rng.uniform(0.05, 0.40) * side))
            turned = np.rot90(image, edge)
            turned[:width] = 0.0
    return image
