"""What the head of a tile regressor is to say, and which tiles are kept out to end its training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import DataError, NotEnoughDataError, SettingsError
from matlever.micrographs.tiles import Tiles

__all__ = ["Targets", "Validation", "held_out_rows", "positions"]

Array = NDArray[np.float64]
Validation = Literal["tiles", "lots", "none"]


@dataclass(frozen=True, eq=False)
class Targets:
    """Properties of each tile's lot, and where they lie in the head's range.

    Attributes
    ----------
    values : ndarray of shape (n, t)
        In their units.
    centre, scale : ndarray of shape (t,)
        A target is its centre plus its scale times an output of the head.
    is_single : bool
        Whether they came as a list of numbers.
    """

    values: Array
    centre: Array
    scale: Array
    is_single: bool

    @classmethod
    def checked(cls, tiles: Tiles, y: ArrayLike, margin: float) -> Targets:
        """Return the targets of tiles after checks; `margin` is what the head leaves free.

        Raises
        ------
        DataError
            If targets are missing, of another number, or all one value.
        """
        values = np.asarray(y, dtype=np.float64)
        single = values.ndim == 1
        if values.ndim not in (1, 2) or len(values) != len(tiles) or not values.size:
            raise DataError(
                f"{len(tiles)} tiles need targets of shape ({len(tiles)},) or ({len(tiles)}, t), "
                f"got {values.shape}."
            )
        values = values.reshape(len(tiles), -1)
        missing = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(missing):
            lot = tiles.lot_names[tiles.lot[missing[0]]]
            raise DataError(
                f"{len(missing)} of {len(tiles)} tiles have no finite target, the first one of lot "
                f"{lot!r}. Leave lots without a measured property out."
            )
        low, high = values.min(axis=0), values.max(axis=0)
        if not (high > low).all():
            raise DataError(
                f"Target {int(np.argmin(high > low))} is {low[np.argmin(high > low)]:.6g} for all "
                f"{len(tiles)} tiles: there is nothing to learn. At least two lots with different "
                "values are needed."
            )
        return cls(values, (low + high) / 2, (high - low) / 2 * (1 + margin), single)

    def outputs(
        self, tiles: Tiles, attribute_weight: float, margin: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what the head is to say, of shape (n, t + k), and the weight of each output.

        The k attributes are among it where they have a weight; weights sum to 1.
        """
        t = self.values.shape[1]
        parts = [(self.values - self.centre) / self.scale]
        weights = [np.full(t, 1 / t)]
        if attribute_weight:
            k = len(tiles.names)
            parts.append((2 * tiles.attributes - 1) / (1 + margin))
            weights.append(np.full(k, attribute_weight / k))
        share = np.concatenate(weights)
        return (
            np.concatenate(parts, axis=1).astype(np.float32),
            (share / share.sum()).astype(np.float32),
        )


def held_out_rows(
    tiles: Tiles, validation: Validation, share: float, seed: tuple[int, ...]
) -> NDArray[np.intp]:
    """Return the tiles that are held out to end a training: some, those of some lots, or none.

    Raises
    ------
    NotEnoughDataError
        If no lot would be left.
    """
    random = np.random.default_rng(seed)
    if validation == "none":
        return np.empty(0, dtype=np.intp)
    if validation == "tiles":
        n = max(1, round(share * len(tiles)))
        return np.sort(random.permutation(len(tiles))[:n]).astype(np.intp)
    lots = np.unique(tiles.lot)
    n = max(1, round(share * len(lots)))
    if n >= len(lots):
        raise NotEnoughDataError(
            f"{len(lots)} lots: none is left to train on when {n} is held out. Use "
            'validation="tiles" or "none".'
        )
    return np.flatnonzero(np.isin(tiles.lot, random.permutation(lots)[:n]))


def positions(rows: ArrayLike, n: int) -> NDArray[np.intp]:
    """Return positions of held-out tiles, given as such or as one flag for each tile."""
    found = np.asarray(rows)
    found = np.flatnonzero(found) if found.dtype == bool else np.unique(found.astype(np.intp))
    if len(found) >= n or (len(found) and (found[0] < 0 or found[-1] >= n)):
        raise SettingsError(f"held_out={found[:5]}... are not some of the {n} tiles.")
    return found.astype(np.intp)
