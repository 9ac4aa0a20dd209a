"""Mini-batches of tiles, read from wherever they lie and varied as a microscope would vary them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matlever.exceptions import DataError
from matlever.micrographs.tiles import Tiles

__all__ = [
    "Augmentation",
    "Flips",
    "Intensities",
    "batch_tensor",
    "in_batches",
    "intensities",
    "view",
]

Flips = Literal["none", "horizontal", "both", "dihedral"]

_MOST_FOR_INTENSITIES = 4096  # tiles: enough for a mean to four digits, whatever their number
_READ = 256  # tiles held at once while intensities are measured


@dataclass(frozen=True)
class Intensities:
    """Mean and standard deviation of each channel, intensities in [0, 1]."""

    mean: tuple[float, ...]
    sd: tuple[float, ...]


def intensities(tiles: Tiles, rows: NDArray[np.intp]) -> Intensities:
    """Return mean and spread of the intensities of some tiles, a few hundred tiles at a time.

    Of more than 4096 tiles as many are taken at even distances.

    Raises
    ------
    DataError
        If all pixels are one grey.
    """
    if len(rows) > _MOST_FOR_INTENSITIES:
        rows = rows[np.linspace(0, len(rows) - 1, _MOST_FOR_INTENSITIES).astype(np.intp)]
    count, total, squares = 0, np.zeros(tiles.channels), np.zeros(tiles.channels)
    for start in range(0, len(rows), _READ):
        pixels = tiles[rows[start : start + _READ]].unit().astype(np.float64)
        pixels = pixels.reshape(-1, tiles.channels)
        count += len(pixels)
        total += pixels.sum(axis=0)
        squares += (pixels**2).sum(axis=0)
    mean = total / count
    sd = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    if not (sd > 1e-6).all():
        raise DataError(
            f"All pixels of the {len(rows)} training tiles are one grey ({mean[0]:.3g}): there is "
            "nothing to learn from."
        )
    return Intensities(tuple(float(m) for m in mean), tuple(float(s) for s in sd))


def batch_tensor(
    tiles: Tiles,
    rows: NDArray[np.intp],
    device: str,
    channels_last: bool,
    *,
    crop: int | None = None,
    random: np.random.Generator | None = None,
) -> Tensor:
    """Return some tiles as a tensor (b, C, H, W); rows in ascending order are read fastest.

    With `crop` a random square of that side is cut out of each, before anything is computed.
    """
    batch = tiles[rows]
    if crop is not None and random is not None:
        batch = replace(batch, images=_cropped(batch.images, crop, random))
    x = batch.tensor(device)
    return x.contiguous(memory_format=torch.channels_last) if channels_last else x


class _Rows:
    """Some rows of an array that are read when they are asked for."""

    def __init__(self, images: NDArray[Any], rows: NDArray[np.intp]) -> None:
        self._images, self._rows = images, rows
        self.shape = (len(rows), *images.shape[1:])
        self.dtype, self.ndim = images.dtype, images.ndim

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        return np.asarray(self._images[self._rows[rows]])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self._images[self._rows], dtype=dtype)


def view(tiles: Tiles, rows: NDArray[np.intp]) -> Tiles:
    """Return some tiles without reading their pictures: they stay where they are."""
    with_rows: Any = _Rows(tiles.images, rows)
    return replace(
        tiles,
        images=with_rows,
        attributes=tiles.attributes[rows],
        lot=tiles.lot[rows],
        labels=None if tiles.labels is None else [tiles.labels[int(i)] for i in rows],
        scenes=None if tiles.scenes is None else tiles.scenes[rows],
    )


def in_batches(n: int, size: int) -> Iterator[NDArray[np.intp]]:
    """Give the positions 0 to n - 1, `size` at a time."""
    for start in range(0, n, size):
        yield np.arange(start, min(start + size, n))


@dataclass(frozen=True)
class Augmentation:
    """How training tiles are varied: only by what does not change the material.

    Parameters
    ----------
    flips : {"none", "horizontal", "both", "dihedral"}
        Mirrored left to right with chance one half (the paper), also top to bottom, and also
        turned by quarters (square tiles).
    jitter : float
        Each tile is multiplied by 1 +- jitter and shifted by +- jitter / 2, uniformly, and cut
        to [0, 1]: gain and offset of the detector.
    """

    flips: Flips = "horizontal"
    jitter: float = 0.0

    def __call__(self, x: Tensor, random: np.random.Generator) -> Tensor:
        """Return tiles (b, C, H, W) varied at random."""

        def some() -> Tensor:
            return torch.from_numpy(random.random(len(x)) < 0.5).to(x.device)[:, None, None, None]

        if self.flips != "none":
            x = torch.where(some(), x.flip(3), x)
        if self.flips in ("both", "dihedral"):
            x = torch.where(some(), x.flip(2), x)
        if self.flips == "dihedral":
            x = torch.where(some(), x.transpose(2, 3), x)
        if self.jitter:
            gain, shift = random.uniform(-self.jitter, self.jitter, (2, len(x), 1, 1, 1))
            gain_of, shift_of = (
                torch.from_numpy(values.astype(np.float32)).to(x.device)
                for values in (1 + gain, shift / 2)
            )
            x = (x * gain_of + shift_of).clamp(0.0, 1.0)
        return x


def _cropped(images: NDArray[Any], side: int, random: np.random.Generator) -> NDArray[Any]:
    """Return a random square of each picture (b, H, W) or (b, H, W, 3)."""
    top = random.integers(0, images.shape[1] - side + 1, len(images))
    left = random.integers(0, images.shape[2] - side + 1, len(images))
    return np.stack(
        [
            picture[i : i + side, j : j + side]
            for picture, i, j in zip(images, top, left, strict=True)
        ]
    )
