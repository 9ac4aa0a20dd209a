"""Settings of a tile regressor: those that cannot be used, and a digest of all for checkpoints."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import DataError, SettingsError
from matlever.micrographs.tiles import Tiles

if TYPE_CHECKING:
    from matlever.micrographs.regression.estimator import TileRegressor

__all__ = ["check_settings", "fingerprint"]


def check_settings(regressor: TileRegressor, tiles: Tiles) -> None:
    """Refuse settings that the network does not check itregressor.

    Raises
    ------
    SettingsError
        If one is out of range, or does not fit the tiles.
    DataError
        If the tiles are too small for the network.
    """
    for name in ("epochs", "batch_size", "patience", "members"):
        value = getattr(regressor, name)
        if not isinstance(value, int | np.integer) or value < 1:
            raise SettingsError(f"{name}={value!r} must be a whole number, 1 or more.")
    for name, low, high in (
        ("validation_share", 0.0, 1.0),
        ("average", 0.0, 1.0),
        ("jitter", 0.0, 1.0),
        ("margin", 0.0, np.inf),
        ("weight_decay", 0.0, np.inf),
        ("attribute_weight", 0.0, np.inf),
        ("learning_rate", 0.0, np.inf),
    ):
        value = getattr(regressor, name)
        if not low <= value < high:
            raise SettingsError(f"{name}={value} must be at least {low} and below {high}.")
    for name, allowed in (
        ("schedule", ("constant", "cosine")),
        ("validation", ("tiles", "lots", "none")),
        ("flips", ("none", "horizontal", "both", "dihedral")),
    ):
        if getattr(regressor, name) not in allowed:
            raise SettingsError(f"{name}={getattr(regressor, name)!r} is none of {allowed}.")
    if not isinstance(regressor.head_epochs, int | np.integer) or regressor.head_epochs < 0:
        raise SettingsError(
            f"head_epochs={regressor.head_epochs!r} must be a whole number, 0 or more."
        )
    _, height, width = tiles.shape
    if regressor.flips == "dihedral" and height != width:
        raise SettingsError(
            f'flips="dihedral" turns tiles by quarters, but they are {width} x {height} px. '
            'Use flips="both".'
        )
    if regressor.crop is not None and not 1 <= regressor.crop <= min(height, width):
        raise SettingsError(f"crop={regressor.crop} does not fit tiles of {width} x {height} px.")
    least = 8 * regressor.stem_stride
    if min(height, width, regressor.crop or least) < least:
        raise DataError(
            f"The tiles are {width} x {height} px; this network needs at least {least} px."
        )


def fingerprint(
    regressor: TileRegressor,
    tiles: Tiles,
    y: ArrayLike,
    held_out: NDArray[np.intp] | None = None,
) -> str:
    """Return a digest of the settings, the targets and a sample of the tiles."""
    digest = hashlib.sha256(json.dumps(regressor.get_params(), sort_keys=True).encode())
    digest.update(repr((tiles.images.shape, str(tiles.images.dtype))).encode())
    for part in (np.asarray(y, dtype=np.float64), tiles.attributes):
        digest.update(np.ascontiguousarray(part).tobytes())
    digest.update(b"" if held_out is None else held_out.tobytes())
    some = np.unique(np.linspace(0, len(tiles) - 1, 64).astype(np.intp))
    digest.update(np.ascontiguousarray(tiles.images[some]).tobytes())
    return digest.hexdigest()
