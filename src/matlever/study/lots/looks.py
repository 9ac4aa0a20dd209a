"""Where in a tile the network looks (Grad-CAM), beside what the attributes say."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.micrographs import TileRegressor, Tiles
from matlever.micrographs.regression.grad_cam import grad_cam, randomisation_check
from matlever.study.lots.data import LotData, shown_picture, some_tiles
from matlever.study.lots.settings import LotsSettings
from matlever.study.stages import Stages

__all__ = ["looks_part"]

Tick = Callable[[float, str], None]

_TILES = 2  # of each explained lot
_CHECKED = 12  # tiles of the randomisation check
# Blue where the features lower the prediction, orange where they raise it.
_LOWER, _HIGHER = np.array([0.09, 0.39, 0.64]), np.array([0.85, 0.38, 0.05])
_STRONGEST = 0.75  # opacity of the largest value


def looks_part(
    regressor: TileRegressor,
    lots: LotData,
    chosen: list[str],
    settings: LotsSettings,
    stages: Stages,
    tick: Tick,
) -> dict[str, Any]:
    """Return tiles of the chosen lots with heat maps over them, and the check of these maps."""
    tick(0, "where the network looks")
    found: dict[str, Any] = stages.value(
        "looks", partial(_looked, regressor, lots, chosen, settings)
    )
    return found


def _looked(
    regressor: TileRegressor, lots: LotData, chosen: list[str], settings: LotsSettings
) -> dict[str, Any]:
    several = [some_tiles(lots, lot, _TILES) for lot in chosen]
    maps = [grad_cam(regressor, tiles) for tiles in several]
    largest = max(float(np.abs(one).max()) for one in maps) or 1.0
    spread = lots.tiles[
        np.unique(np.linspace(0, len(lots.tiles) - 1, _CHECKED).round().astype(np.intp))
    ]
    check = randomisation_check(regressor, spread, random_state=settings.seed)
    return {
        "lots": [
            {"lot": lot, "pictures": _pictures(tiles, map_, largest)}
            for lot, tiles, map_ in zip(chosen, several, maps, strict=True)
        ],
        "check": check.to_dict(),
    }


def _pictures(tiles: Tiles, maps: NDArray[np.float32], largest: float) -> list[dict[str, Any]]:
    """Return each tile as it is and with its heat map over it."""
    grey = tiles.unit()
    base = grey if grey.ndim == 4 else np.repeat(grey[..., None], 3, axis=3)
    strength = np.clip(np.abs(maps) / largest, 0, 1)[..., None] * _STRONGEST
    colour = np.where(maps[..., None] > 0, _HIGHER, _LOWER)
    over = (1 - strength) * base + strength * colour
    return [
        {"tile": shown_picture(tiles.images[i]), "map": shown_picture(over[i])}
        for i in range(len(tiles))
    ]
