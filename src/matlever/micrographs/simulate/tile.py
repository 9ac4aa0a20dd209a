"""One simulated tile: its scene, its picture and its truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import SettingsError
from matlever.micrographs.simulate.bad_tiles import BAD_KINDS, spoil
from matlever.micrographs.simulate.law import ATTRIBUTES
from matlever.micrographs.simulate.microscope import drill, expose, light_of, pin_holes, shade
from matlever.micrographs.simulate.packing import log_diameter, pack
from matlever.micrographs.simulate.surface import surface

__all__ = ["SCENE", "Scene", "SimulatedTile", "draw", "draw_tile"]

Array = NDArray[np.float64]

#: What is kept of a tile to draw it again.
SCENE = np.dtype(
    [("seed", np.int64), ("side_px", np.int32), ("attributes", np.float64, 4), ("bad", np.int8)]
)
_SMALLEST = 16


@dataclass(frozen=True)
class Scene:
    """What a tile shows.

    Parameters
    ----------
    seed : int
        Of the packing and of the microscope.
    side_px : int
        Side of the square tile.
    attributes : tuple of 4 float
        Size, porosity, polydispersity, facetness, 0 to 1.
    bad : str or None
        What is wrong with the tile, see ``BAD_KINDS``.
    """

    seed: int
    side_px: int
    attributes: tuple[float, float, float, float]
    bad: str | None = None

    def __post_init__(self) -> None:
        if self.side_px < _SMALLEST:
            raise SettingsError(f"A tile of {self.side_px} px is too small; {_SMALLEST} is least.")
        wrong = [
            f"{name} = {value:g}"
            for name, value in zip(ATTRIBUTES, self.attributes, strict=True)
            if not 0 <= value <= 1
        ]
        if wrong:
            raise SettingsError(f"Attributes are 0 to 1; given is {', '.join(wrong)}.")
        if self.bad is not None and self.bad not in BAD_KINDS:
            raise SettingsError(f"bad={self.bad!r} is not one of {', '.join(BAD_KINDS)}.")


@dataclass(frozen=True, eq=False)
class SimulatedTile:
    """A picture and everything that is true of it.

    Attributes
    ----------
    image : ndarray of shape (side, side), uint8
    realised : ndarray of shape (4,)
        The attributes measured on the very crystals and holes that were drawn.
    crystals : ndarray of shape (N, 3)
        x, y and radius of each crystal in px, from the corner of the tile.
    crystal_of_pixel : ndarray of shape (side, side), int32
        Row of `crystals` that is seen in each pixel; -1 is the substrate.
    """

    image: NDArray[np.uint8]
    realised: Array
    crystals: Array
    crystal_of_pixel: NDArray[np.int32]


def draw_tile(scene: Scene) -> SimulatedTile:
    """Draw a tile; the same scene gives the same bits.

    Examples
    --------
    >>> tile = draw_tile(Scene(seed=3, side_px=64, attributes=(0.5, 0.2, 0.5, 0.9)))
    >>> tile.image.shape, tile.realised.round(1).tolist()
    ((64, 64), [0.5, 0.2, 0.5, 0.9])
    """
    size, porosity, polydispersity, facetness = scene.attributes
    side = scene.side_px
    packing = pack(scene.seed, side, size, polydispersity, facetness)
    diameter = float(np.exp(log_diameter(size, side)))
    height, crystal = surface(packing, side, floor=-0.9 * diameter)
    bright, normal = shade(height, crystal, packing, diameter, light_of(scene.seed))
    holes = pin_holes(scene.seed, side, porosity, normal)
    picture = spoil(scene.bad, scene.seed, drill(bright, holes), expose)
    r_size, r_spread, r_faces = packing.realised(side)
    return SimulatedTile(
        image=np.round(np.clip(picture, 0.0, 1.0) * 255).astype(np.uint8),
        realised=np.array([r_size, holes.realised, r_spread, r_faces]),
        crystals=np.stack([packing.x, packing.y, packing.radius], axis=1),
        crystal_of_pixel=crystal,
    )


def draw(scenes: NDArray[np.void]) -> tuple[NDArray[np.uint8], Array]:
    """Return pictures (n, side, side) and realised attributes (n, 4) of scenes of one size."""
    side = int(scenes["side_px"][0]) if len(scenes) else _SMALLEST
    images = np.empty((len(scenes), side, side), dtype=np.uint8)
    realised = np.empty((len(scenes), len(ATTRIBUTES)))
    for i, row in enumerate(scenes):
        bad = None if row["bad"] < 0 else BAD_KINDS[int(row["bad"])]
        a, b, c, d = (float(v) for v in row["attributes"])
        tile = draw_tile(Scene(int(row["seed"]), side, (a, b, c, d), bad))
        images[i], realised[i] = tile.image, tile.realised
    return images, realised
