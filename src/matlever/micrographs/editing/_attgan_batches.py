"""Batches of tiles for an AttGAN, streamed, each a function of the seed and its number alone."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matlever.exceptions import DataError, Fault, NotEnoughDataError
from matlever.micrographs.tiles import Tiles, unit_images

__all__ = ["TileBatches", "check_tiles", "fingerprint"]

# Streams of random numbers, each a generator seeded by (seed, stream, position).
_WEIGHTS, _SHUFFLE, _BATCH, _MONITOR = range(4)
_HASHED = 64  # tiles whose pixels tell data sets apart


class TileBatches:
    """Tiles in random order, with target attributes; nothing is remembered from batch to batch.

    Parameters
    ----------
    tiles : Tiles
        May be memory-mapped: only the rows of a batch are read.
    batch_size : int
        Tiles of a batch; all of them where there are fewer.
    seed : int
        Of shuffles, targets and flips.
    flips : bool
        Whether tiles are mirrored at random.
    device : str
        Where tensors go.
    """

    def __init__(
        self, tiles: Tiles, batch_size: int, seed: int, *, flips: bool, device: str
    ) -> None:
        self.tiles, self.seed, self.flips, self.device = tiles, seed, flips, device
        self.batch_size = min(batch_size, len(tiles))
        self._shuffle: tuple[int, NDArray[np.intp]] = (-1, np.empty(0, dtype=np.intp))

    def weight_source(self) -> torch.Generator:
        """Return a generator for the first weights of networks."""
        return torch.Generator().manual_seed(int(self._random(_WEIGHTS).integers(2**62)))

    def batch(self, number: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return one batch.

        Parameters
        ----------
        number : int
            0, 1, ...: batches follow one another through one shuffle of all tiles after another.

        Returns
        -------
        x : Tensor of shape (B, C, H, W), float32 in [0, 1]
        attributes : Tensor of shape (B, k)
            Of their lots.
        targets : Tensor of shape (B, k)
            The same attributes in another order, as published.
        mix : Tensor of shape (B,)
            Uniform in [0, 1], for the gradient penalty.
        """
        random = self._random(_BATCH, number)
        rows = self._rows(number * self.batch_size)
        images = unit_images(self.tiles.images[rows])
        attributes = self.tiles.attributes[rows].astype(np.float32)
        targets = attributes[random.permutation(len(rows))]
        mix = random.random(len(rows), dtype=np.float32)
        if self.flips:
            for axis in (1, 2):
                chosen = random.random(len(rows)) < 0.5
                images[chosen] = np.flip(images[chosen], axis=axis)
        a, b, shares = (torch.from_numpy(v).to(self.device) for v in (attributes, targets, mix))
        return self._tensor(images), a, b, shares

    def watched(self, n: int) -> tuple[Tensor, Tensor]:
        """Return n tiles spread evenly over the lots, and their attributes: always the same."""
        shuffled = self._random(_MONITOR).permutation(len(self.tiles))
        by_lot = shuffled[np.argsort(self.tiles.lot[shuffled], kind="stable")]
        places = np.linspace(0, len(by_lot) - 1, min(n, len(by_lot))).round().astype(np.intp)
        rows = by_lot[places]
        attributes = torch.from_numpy(self.tiles.attributes[rows].astype(np.float32))
        return self._tensor(unit_images(self.tiles.images[rows])), attributes.to(self.device)

    def _random(self, stream: int, position: int = 0) -> np.random.Generator:
        return np.random.default_rng((self.seed, stream, position))

    def _rows(self, start: int) -> NDArray[np.intp]:
        n = len(self.tiles)
        found: list[NDArray[np.intp]] = []
        missing = self.batch_size
        while missing:
            epoch, place = divmod(start, n)
            if self._shuffle[0] != epoch:
                self._shuffle = epoch, self._random(_SHUFFLE, epoch).permutation(n)
            part = self._shuffle[1][place : place + missing]
            found.append(part)
            start, missing = start + len(part), missing - len(part)
        return np.concatenate(found)

    def _tensor(self, images: NDArray[np.float32]) -> Tensor:
        images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
        return torch.from_numpy(np.ascontiguousarray(images)).to(self.device)


def check_tiles(tiles: Tiles) -> None:
    """Refuse tiles that nothing can be learned from, naming attributes and lots.

    Raises
    ------
    NotEnoughDataError
        If there are fewer than two tiles or two lots.
    DataError
        If attributes are missing, outside of 0-1 or the same in all lots.
    """
    lots = np.unique(tiles.lot)
    if len(tiles) < 2 or len(lots) < 2:
        raise NotEnoughDataError(
            "An AttGAN learns from tiles of lots with different attributes; these are "
            f"{len(tiles)} tiles of {len(lots)} lots."
        )
    if not tiles.names:
        raise DataError("The tiles have no attributes to edit.")
    faults = []
    for j, name in enumerate(tiles.names):
        values = tiles.attributes[:, j]
        bad = ~((values >= 0) & (values <= 1))
        if bad.any():
            lot = tiles.lot_names[int(tiles.lot[bad][0])]
            found = values[bad][0]
            what = "is missing" if np.isnan(found) else f"is {found:g}, not within 0 to 1"
            faults.append(
                Fault(f"The attribute {name!r} of lot {lot!r} {what}", "Give it, or leave it out.")
            )
        elif np.ptp(values) == 0:
            faults.append(
                Fault(
                    f"The attribute {name!r} is {values[0]:g} in every lot",
                    "Nothing can be learned of it: leave it out.",
                )
            )
    if faults:
        raise DataError(faults)


def fingerprint(tiles: Tiles) -> str:
    """Return a digest of labels, lots and the pixels of some tiles."""
    kind = tiles.images.shape, tiles.images.dtype.str, tiles.names
    digest = hashlib.sha256(repr(kind).encode())
    digest.update(np.ascontiguousarray(tiles.attributes, dtype=np.float64).tobytes())
    digest.update(np.ascontiguousarray(tiles.lot, dtype=np.int64).tobytes())
    rows = np.unique(np.linspace(0, len(tiles) - 1, _HASHED).astype(np.intp))
    digest.update(np.ascontiguousarray(tiles.images[rows]).tobytes())
    return digest.hexdigest()
