"""Tiles of micrographs as samples: the pictures, and where the lot of each one stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import DataError

if TYPE_CHECKING:
    import torch

__all__ = ["Tiles", "unit_images"]

# The largest value of each type that pictures come in.
_FULL = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}


@dataclass(frozen=True, eq=False, repr=False)
class Tiles:
    """n tiles of micrographs, with what is known of each.

    Attributes
    ----------
    images : ndarray or memmap of shape (n, H, W) or (n, H, W, 3)
        Grey or colour; uint8, uint16, or float32 in [0, 1].
    attributes : ndarray of shape (n, k)
        Attributes of each tile's lot, 0 to 1: the label every tile of a lot inherits.
    names : tuple of k str
        Names of the attributes.
    lot : ndarray of shape (n,), int
        Position of each tile's lot in `lot_names`.
    lot_names : tuple of str
        Names of the lots.
    labels : sequence of n str, or None
        Names of the tiles, ``"AB/0012"``.
    scenes : ndarray of shape (n,), or None
        What a simulator needs to draw the tile again; simulated tiles only.
    """

    images: NDArray[Any]
    attributes: NDArray[np.float64]
    names: tuple[str, ...]
    lot: NDArray[np.intp]
    lot_names: tuple[str, ...]
    labels: Sequence[str] | None = None
    scenes: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        n = len(self.images)
        shape = self.images.shape
        if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] != 3):
            raise DataError(
                f"Tiles have shape (n, height, width) or (n, height, width, 3), not {shape}."
            )
        if self.attributes.shape != (n, len(self.names)) or self.lot.shape != (n,):
            raise DataError(
                f"{n} tiles with {len(self.names)} attributes need attributes of shape "
                f"({n}, {len(self.names)}) and {n} lots; given are {self.attributes.shape} and "
                f"{self.lot.shape}."
            )
        for name, given in (("labels", self.labels), ("scenes", self.scenes)):
            if given is not None and len(given) != n:
                raise DataError(f"{n} tiles came with {len(given)} {name}.")

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        n, height, width = self.shape
        kind = "colour" if self.images.ndim == 4 else "grey"
        lots = len(np.unique(self.lot))
        return f"Tiles({n} {kind} tiles of {width} x {height} px from {lots} lots)"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of tiles, height and width."""
        n, height, width = self.images.shape[:3]
        return int(n), int(height), int(width)

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return 1 if self.images.ndim == 3 else 3

    def __getitem__(self, rows: Any) -> Tiles:
        """Return some tiles: a slice, positions, or one flag for each tile."""
        if isinstance(rows, int | np.integer):
            rows = slice(int(rows), int(rows) + 1 or None)
        if isinstance(rows, slice):
            labels = None if self.labels is None else self.labels[rows]
        else:
            rows = np.asarray(rows)
            rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.intp)
            labels = None if self.labels is None else [self.labels[int(i)] for i in rows]
        return replace(
            self,
            images=self.images[rows],
            attributes=self.attributes[rows],
            lot=self.lot[rows],
            labels=labels,
            scenes=None if self.scenes is None else self.scenes[rows],
        )

    def of_lot(self, name: str) -> Tiles:
        """Return the tiles of one lot.

        Raises
        ------
        DataError
            If there is no such lot.
        """
        if name not in self.lot_names:
            raise DataError(
                f"There is no lot {name!r}; the lots are {', '.join(self.lot_names[:12])}"
                f"{', ...' if len(self.lot_names) > 12 else ''}."
            )
        return self[self.lot == self.lot_names.index(name)]

    def spread_over_lots(self, n: int, rng: np.random.Generator) -> Tiles:
        """Return at most n tiles at random, as many of each lot as can be, in their own order."""
        lots = rng.permutation(np.unique(self.lot))
        queues = [rng.permutation(np.flatnonzero(self.lot == lot)) for lot in lots]
        longest = max((len(queue) for queue in queues), default=0)
        order = [queue[j] for j in range(longest) for queue in queues if j < len(queue)]
        return self[np.sort(np.array(order[:n], dtype=np.intp))]

    def unit(self) -> NDArray[np.float32]:
        """Return the pictures as float32 in [0, 1], of the shape they have."""
        return unit_images(self.images)

    def tensor(self, device: str = "cpu") -> torch.Tensor:
        """Return the pictures as a tensor of shape (n, C, H, W), float32 in [0, 1]."""
        import torch

        images = self.unit()
        images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
        # Mapped files cannot be written to, of which torch would complain.
        return torch.from_numpy(np.require(images, requirements=["C", "W"])).to(device)

    def edited(self, images: NDArray[Any] | torch.Tensor, values: NDArray[np.float64]) -> Tiles:
        """Return n * r tiles made from these n, tile i at ``values[i, 0]``, ``values[i, 1]``, ...

        Parameters
        ----------
        images : ndarray of shape (n * r, H, W[, 3]), or Tensor of shape (n * r, C, H, W)
        values : ndarray of shape (n, r, k)
            The attributes they were rendered at.
        """
        if hasattr(images, "detach"):
            drawn = images.detach().cpu().numpy()
            images = drawn[:, 0] if drawn.shape[1] == 1 else drawn.transpose(0, 2, 3, 1)
        n, r, k = values.shape
        labels = None if self.labels is None else [x for x in self.labels for _ in range(r)]
        return replace(
            self,
            images=images,
            attributes=np.asarray(values, dtype=np.float64).reshape(n * r, k),
            lot=np.repeat(self.lot, r),
            labels=labels,
            scenes=None if self.scenes is None else np.repeat(self.scenes, r, axis=0),
        )


def unit_images(images: NDArray[Any]) -> NDArray[np.float32]:
    """Return pictures as float32 in [0, 1].

    Raises
    ------
    DataError
        If they are neither uint8, uint16 nor floating point.
    """
    if images.dtype in _FULL:
        return np.asarray(images, dtype=np.float32) / np.float32(_FULL[images.dtype])
    if images.dtype.kind != "f":
        raise DataError(f"Pictures are uint8, uint16 or float32 in [0, 1], not {images.dtype}.")
    return np.asarray(images, dtype=np.float32)
