"""Secondary electrons: what a surface looks like, and what a microscope adds that means nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from matlever.micrographs.simulate.packing import HOLES, MICROSCOPE, NOISE, Packing, stream

__all__ = ["Holes", "expose", "pin_holes", "shade"]

Array = NDArray[np.float64]

_STEEPEST = 3.0
_HOLES_PER_PX2 = 0.035  # at porosity 1 in a tile of 64 px
_HOLE_RADIUS, _HOLE_DEPTH, _HOLE_RIM = 0.62, 0.62, 0.07  # px at 64 px; shares of the brightness
_FLAT = 0.5  # holes show on faces whose normal points up by more than this
_SUBSTRATE = 0.10
_DOSE = 330.0  # electrons per px at 64 px


def shade(
    height: Array, crystal: NDArray[np.int32], packing: Packing, diameter: float, light: float
) -> tuple[Array, Array]:
    """Return the brightness of a surface, and how far its normal points up.

    Steep faces give more electrons (1 / cos), a detector at the side sees faces that look to it,
    crystals have tones of their own, and what lies below its surroundings is dark.
    """
    dy, dx = np.gradient(height)
    slope = np.hypot(dx, dy)
    clip = np.minimum(slope, _STEEPEST) / np.maximum(slope, 1e-9)
    dx, dy = dx * clip, dy * clip
    normal = 1 / np.sqrt(1 + dx**2 + dy**2)
    tilt = np.minimum(1 / normal, _STEEPEST) - 1
    side = -(dx * np.cos(light) + dy * np.sin(light)) * normal
    tone = np.where(crystal >= 0, packing.tone[crystal], 0.0)
    below = gaussian_filter(height, 0.45 * diameter, mode="nearest") - height
    shadow = np.clip(below / diameter, 0.0, 1.2)
    bright = 0.42 + 0.13 * tilt + 0.24 * side + tone - 0.42 * shadow
    bright = np.where(crystal >= 0, np.maximum(bright, 0.03), _SUBSTRATE)
    return bright, np.where(crystal >= 0, normal, 0.0)


@dataclass(frozen=True)
class Holes:
    """Pin-holes of a tile: m that are there, of those that could be on its flat faces.

    Attributes
    ----------
    x, y : ndarray of shape (m,)
        Centres in px.
    realised : float
        Share of the possible ones that are there: the porosity of this very tile.
    """

    x: Array
    y: Array
    realised: float


def pin_holes(seed: int, side_px: int, porosity: float, normal: Array) -> Holes:
    """Return the pin-holes: the first `porosity` of a list of possible ones that is the seed's.

    Each possible hole has its own threshold, evenly spread over 0 to 1, so holes appear one after
    the other as porosity rises and none moves.
    """
    rng = stream(seed, HOLES)
    density = _HOLES_PER_PX2 * 64 / side_px
    n = max(4, round(density * side_px**2 * (1 + 0.05 * rng.standard_normal())))
    threshold = (rng.permutation(n) + rng.random()) / n
    place = rng.random((n, 2)) * side_px
    pixel = np.minimum(place.astype(int), side_px - 1)
    shows = normal[pixel[:, 1], pixel[:, 0]] > _FLAT
    # Ranks among those that show keep the spread even whatever is hidden.
    rank = (np.argsort(np.argsort(threshold[shows])) + 0.5) / max(int(shows.sum()), 1)
    there = rank < porosity
    realised = float(there.mean()) if len(there) else 0.0
    return Holes(place[shows][there, 0], place[shows][there, 1], realised)


def drill(bright: Array, holes: Holes) -> Array:
    """Return a picture with pin-holes: dark cores with a faint bright rim."""
    side_px = len(bright)
    radius = _HOLE_RADIUS * np.sqrt(side_px / 64)
    half = int(np.ceil(3.2 * radius))
    offset = np.arange(-half, half + 1)
    rows = np.floor(holes.y).astype(int)[:, None] + offset
    columns = np.floor(holes.x).astype(int)[:, None] + offset
    dy = (rows + 0.5 - holes.y[:, None])[:, :, None]
    dx = (columns + 0.5 - holes.x[:, None])[:, None, :]
    d2 = (dx**2 + dy**2) / radius**2
    core = np.exp(-(d2**1.5) / 1.6)
    rim = np.exp(-((np.sqrt(d2) - 2.0) ** 2) / 0.4)
    valid = ((rows >= 0) & (rows < side_px))[:, :, None] & ((columns >= 0) & (columns < side_px))[
        :, None, :
    ]
    m, i, j = np.nonzero(valid)
    pixel = rows[m, i] * side_px + columns[m, j]
    dark, lit = np.zeros(side_px**2), np.zeros(side_px**2)
    np.maximum.at(dark, pixel, core[m, i, j])
    np.maximum.at(lit, pixel, rim[m, i, j])
    shape = bright.shape
    lit = np.where(dark > 0.3, 0.0, lit)
    return bright * (1 - _HOLE_DEPTH * dark.reshape(shape)) + _HOLE_RIM * lit.reshape(shape)


def expose(seed: int, bright: Array, defocus_px: float = 0.0) -> Array:
    """Return what the microscope records: blur, drift of brightness, charging, noise.

    Nothing here depends on the material, and a good regressor ignores it.
    """
    side_px = len(bright)
    rng = stream(seed, MICROSCOPE)
    blur = rng.uniform(0.35, 0.6) * np.sqrt(side_px / 64)
    gain, offset = 1 + 0.07 * (2 * rng.random() - 1), 0.03 * (2 * rng.random() - 1)
    lean = 0.05 * (2 * rng.random(2) - 1)
    streaks, lines = 0.05 * rng.random(), 0.008 * rng.random()
    image = gaussian_filter(bright, np.hypot(blur, defocus_px), mode="nearest")
    axis = np.linspace(-1, 1, side_px)
    image = gain * image + offset + lean[0] * axis[:, None] + lean[1] * axis[None, :]
    charge = np.maximum(image - 0.75, 0.0).sum(axis=1, keepdims=True) / side_px
    image = image - streaks * 10 * np.minimum(charge, 0.1)
    noise = stream(seed, NOISE)
    image = image + lines * noise.standard_normal((side_px, 1))
    dose = _DOSE * 64 / side_px
    electrons = noise.standard_normal((side_px, side_px))
    recorded: Array = image + np.sqrt(np.maximum(image, 0.02) / dose) * electrons
    return recorded


def light_of(seed: int) -> float:
    """Return the direction of the detector in rad: nearly the same for all tiles."""
    return float(np.pi * 1.25 + 0.15 * stream(seed, MICROSCOPE).standard_normal())
