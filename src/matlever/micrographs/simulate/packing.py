"""Crystals of a packing: how large, where and of what shape, the same for the same seed.

Every random number of a tile comes from its seed and never from its attributes, and of each stream
only the beginning is used: turning one attribute changes the crystals and leaves the packing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

__all__ = ["Packing", "log_diameter", "pack", "stream"]

Array = NDArray[np.float64]

# Diameter at size 0 in tile sides, and its factor at size 1.
D_AT_ZERO, D_FACTOR = 0.085, 4.0
# Standard deviation of the logarithm of diameters at polydispersity 0, and what 1 adds.
SIGMA_AT_ZERO, SIGMA_RANGE = 0.04, 0.55
# The packing reaches over each edge of the tile by so much of its side.
PADDING = 0.2
# Smallest radius in px of a 64 px tile (it grows with the root of the side), largest in sides.
_R_MIN, _R_MAX = 1.1, 0.45
_SIDES = 6
_FACETNESS_SPREAD = 0.05
# The fractional part of the golden ratio: its multiples fill (0, 1) evenly from the first on.
_GOLDEN = 0.6180339887498949
_MOST = 6000
# Numbers of the streams of random numbers.
COVER, PLACE, SHAPE, PLANES, TONE, HOLES, MICROSCOPE, NOISE, BAD = range(9)


def stream(seed: int, which: int) -> np.random.Generator:
    """Return one of the random streams of a tile."""
    return np.random.default_rng([seed, which])


def log_diameter(size: float, side_px: int) -> float:
    """Return the logarithm of the mean diameter in px."""
    return float(np.log(D_AT_ZERO * side_px) + size * np.log(D_FACTOR))


@dataclass(frozen=True)
class Packing:
    """N crystals of one tile; lengths in px, positions from the tile's corner.

    Attributes
    ----------
    x, y, radius, lift : ndarray of shape (N,)
        Centre, radius and height of the crystal's foot.
    stretch, angle : ndarray of shape (N,)
        Square root of the aspect ratio, and the direction of the long axis in rad.
    facetness : ndarray of shape (N,)
        0 a smooth dome, 1 flat faces.
    azimuth, slope : ndarray of shape (N, 6)
        Of the side faces.
    top : ndarray of shape (N, 2)
        Slopes of the top face along x and y.
    tone : ndarray of shape (N,)
        Brightness that is the crystal's own.
    """

    x: Array
    y: Array
    radius: Array
    lift: Array
    stretch: Array
    angle: Array
    facetness: Array
    azimuth: Array
    slope: Array
    top: Array
    tone: Array

    def __len__(self) -> int:
        return len(self.radius)

    def realised(self, side_px: int) -> tuple[float, float, float]:
        """Return size, polydispersity and facetness of these very crystals, weighted by area."""
        weight = self.radius**2 / (self.radius**2).sum()
        logs = np.log(2 * self.radius)
        mean = float(weight @ logs)
        spread = float(np.sqrt(weight @ (logs - mean) ** 2))
        size = (mean - log_diameter(0.0, side_px)) / np.log(D_FACTOR)
        return (
            float(size),
            (spread - SIGMA_AT_ZERO) / SIGMA_RANGE,
            float(weight @ self.facetness),
        )


def pack(seed: int, side_px: int, size: float, polydispersity: float, facetness: float) -> Packing:
    """Return the crystals of a tile.

    The mean of the log-normal diameters goes down as they spread, so that the diameter weighted
    by area stays. (With the mean diameter kept instead, one giant crystal fills the tile and the
    two attributes cannot be told apart.)
    """
    sigma = SIGMA_AT_ZERO + SIGMA_RANGE * polydispersity
    log_d = log_diameter(size, side_px)
    cover = stream(seed, COVER)
    begin, share = cover.random(), cover.uniform(2.0, 2.4)
    z = ndtri((begin + _GOLDEN * np.arange(1, _MOST + 1)) % 1.0 * (1 - 2e-6) + 1e-6)
    radius = np.clip(
        0.5 * np.exp(log_d - 2 * sigma**2 + sigma * z),
        _R_MIN * np.sqrt(side_px / 64),
        _R_MAX * side_px,
    )
    padded = side_px * (1 + 2 * PADDING)
    area = np.cumsum(np.pi * radius**2)
    n = min(int(np.searchsorted(area, share * padded**2)) + 1, _MOST)
    radius = radius[:n]
    place, shape = stream(seed, PLACE).random((n, 3)), stream(seed, SHAPE).standard_normal((n, 3))
    planes = stream(seed, PLANES).random((n, 2 * _SIDES + 2))
    mean_d = np.exp(log_d)
    azimuth = 2 * np.pi * np.arange(_SIDES) / _SIDES + 0.3 * (2 * planes[:, :_SIDES] - 1)
    tilt = 0.15 + 0.6 * planes[:, _SIDES : 2 * _SIDES]
    return Packing(
        x=place[:, 0] * padded - PADDING * side_px,
        y=place[:, 1] * padded - PADDING * side_px,
        radius=radius,
        lift=0.35 * mean_d * (2 * place[:, 2] - 1) + 0.12 * (mean_d - 2 * radius),
        stretch=np.exp(0.09 * shape[:, 0]),
        angle=np.pi * planes[:, -1],
        facetness=np.clip(facetness + _FACETNESS_SPREAD * shape[:, 1], 0.0, 1.0),
        azimuth=azimuth,
        slope=1 / np.tan(0.35 + tilt),
        top=0.22 * ndtri(0.02 + 0.96 * stream(seed, TONE).random((n, 2))),
        tone=0.05 * shape[:, 2],
    )
