"""Crystal graphs as tensors on a device, and any of them as one batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matlever.crystals.graphs import CrystalGraphs

__all__ = ["Batch", "GraphTensors"]

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Batch:
    """What :class:`matlever.crystals.CGCNN` takes: B crystals with N atoms in all.

    Attributes
    ----------
    numbers : Tensor of shape (N,), int64
    neighbours : Tensor of shape (N, M), int64
    distances : Tensor of shape (N, M), float32
    counts : Tensor of shape (B,), int64
    """

    numbers: Tensor
    neighbours: Tensor
    distances: Tensor
    counts: Tensor


@dataclass(frozen=True)
class GraphTensors:
    """All graphs of a data set in contiguous tensors; a batch is three gathers.

    Attributes
    ----------
    numbers : Tensor of shape (N,), int64
    neighbours : Tensor of shape (N, M), int32
        Positions within the crystal: 4 bytes for an edge, and 4 for its distance.
    distances : Tensor of shape (N, M), float32
    counts, offsets : ndarray of shape (n,), int64
        Atoms of each crystal, and the first of them.
    """

    numbers: Tensor
    neighbours: Tensor
    distances: Tensor
    counts: NDArray[np.int64]
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, graphs: CrystalGraphs, device: str = "cpu") -> Self:
        """Put graphs on a device."""
        counts = np.diff(graphs.offsets)
        first = np.repeat(graphs.offsets[:-1], counts)
        local = (graphs.neighbours - first[:, None]).astype(np.int32)
        return cls(
            torch.from_numpy(graphs.numbers.astype(np.int64)).to(device),
            torch.from_numpy(local).to(device),
            torch.from_numpy(np.ascontiguousarray(graphs.distances, dtype=np.float32)).to(device),
            counts,
            graphs.offsets[:-1],
        )

    def __len__(self) -> int:
        return len(self.counts)

    def batch(self, rows: Rows) -> Batch:
        """Return the crystals `rows` one after another."""
        counts = self.counts[rows]
        first = np.cumsum(counts) - counts  # within the batch
        atoms = np.repeat(self.offsets[rows] - first, counts) + np.arange(counts.sum())
        device = self.numbers.device
        at = torch.from_numpy(atoms).to(device)
        moved = torch.from_numpy(np.repeat(first, counts)).to(device)
        return Batch(
            self.numbers.index_select(0, at),
            self.neighbours.index_select(0, at) + moved[:, None],
            self.distances.index_select(0, at),
            torch.from_numpy(counts).to(device),
        )
