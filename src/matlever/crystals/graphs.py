"""Crystal graphs: the nearest neighbours of every atom, and how far they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from matlever.crystals._graph_cache import cached_arrays
from matlever.crystals._graph_ties import settled_neighbours
from matlever.crystals.crystals import Crystals, atoms_of_rows, rows_of
from matlever.exceptions import DataError, SettingsError

__all__ = ["CrystalGraphs", "crystal_graphs"]

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False, repr=False)
class CrystalGraphs:
    """Graphs of n crystals with N atoms in all, M neighbours each.

    Attributes
    ----------
    numbers : ndarray of shape (N,), int16
        Atomic numbers.
    neighbours : ndarray of shape (N, M), int64
        Position among the N atoms of each neighbour, nearest first; an atom may be a neighbour of
        itself and several times one of another, in different cells.
    distances : ndarray of shape (N, M), float32
        Distances to them in Angstrom.
    offsets : ndarray of shape (n + 1,), int64
        Crystal i owns the atoms ``offsets[i]:offsets[i + 1]``.
    """

    numbers: NDArray[np.int16]
    neighbours: NDArray[np.int64]
    distances: NDArray[np.float32]
    offsets: NDArray[np.int64]

    def __post_init__(self) -> None:
        n = len(self.numbers)
        if (
            self.neighbours.ndim != 2
            or self.neighbours.shape != self.distances.shape
            or len(self.neighbours) != n
            or self.offsets.ndim != 1
            or int(self.offsets[-1]) != n
        ):
            raise DataError(
                f"Graphs of {n} atoms need neighbours and distances of shape ({n}, M) and offsets "
                f"that end at {n}; given are {self.neighbours.shape}, {self.distances.shape} and "
                f"{self.offsets.shape}."
            )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __repr__(self) -> str:
        return (
            f"CrystalGraphs({len(self):,} crystals, {len(self.numbers):,} atoms, "
            f"{self.n_neighbours} neighbours)"
        )

    @property
    def shape(self) -> tuple[int]:
        """Number of graphs, as the shape of one axis."""
        return (len(self),)

    @property
    def n_neighbours(self) -> int:
        """Number of neighbours of each atom."""
        return int(self.neighbours.shape[1])

    @cached_property
    def n_atoms(self) -> NDArray[np.int64]:
        """Number of atoms in each cell, of shape (n,)."""
        return np.diff(self.offsets)

    def __getitem__(self, rows: Any) -> Self:
        """Return some graphs: one position, a slice, positions, or a flag for each graph."""
        chosen = rows_of(rows, len(self))
        atoms, offsets = atoms_of_rows(self.offsets, chosen)
        moved = np.repeat(offsets[:-1] - self.offsets[chosen], np.diff(offsets))
        return type(self)(
            self.numbers[atoms],
            self.neighbours[atoms] + moved[:, None],
            self.distances[atoms],
            offsets,
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the graphs as arrays that ``numpy.savez`` stores without pickle."""
        return {
            "numbers": self.numbers,
            "neighbours": self.neighbours,
            "distances": self.distances,
            "offsets": self.offsets,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild graphs from `to_arrays`.

        Raises
        ------
        DataError
            If an array is missing, or they do not fit together.
        """
        try:
            graphs = cls(
                np.asarray(arrays["numbers"], dtype=np.int16),
                np.asarray(arrays["neighbours"], dtype=np.int64),
                np.asarray(arrays["distances"], dtype=np.float32),
                np.asarray(arrays["offsets"], dtype=np.int64),
            )
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise DataError(f"These arrays are no crystal graphs: {error}.") from error
        low = np.repeat(graphs.offsets[:-1], graphs.n_atoms.clip(0))
        high = np.repeat(graphs.offsets[1:], graphs.n_atoms.clip(0))
        near = graphs.neighbours
        if (
            graphs.offsets[0] != 0
            or (graphs.n_atoms <= 0).any()
            or ((near < low[:, None]) | (near >= high[:, None])).any()
            or not np.isfinite(graphs.distances).all()
        ):
            raise DataError("These arrays are no crystal graphs: a neighbour is of no atom.")
        return graphs


def crystal_graphs(
    crystals: Crystals,
    *,
    radius: float = 8.0,
    n_neighbours: int = 12,
    cache: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> CrystalGraphs:
    """Graphs of crystals: each atom with its nearest neighbours.

    Parameters
    ----------
    crystals : Crystals
        n crystals with N atoms in all.
    radius : float, default=8.0
        How far neighbours usually are at most, in Angstrom. Where fewer than `n_neighbours` are
        within it, farther ones are taken until there are enough (the original pads with atoms that
        are not there).
    n_neighbours : int, default=12
        Neighbours of each atom.
    cache : str, path or None, default=None
        Folder where graphs are kept, and found again for the same crystals and settings.
    progress : callable or None, default=None
        Called with the number done, the number in all and what is counted.

    Returns
    -------
    graphs : CrystalGraphs
        Nearest first. Distances that differ by less than 0.001 Angstrom count as equal; then the
        lighter element comes first, and within an element the atom whose own neighbours do, so
        that the order of the atoms, the origin and the cell chosen do not matter.

    Raises
    ------
    SettingsError
        If `radius` or `n_neighbours` is not above zero.
    MissingExtraError
        If a cell is large and vesin is not installed.

    References
    ----------
    .. [1] T. Xie, J. C. Grossman, Crystal graph convolutional neural networks for an accurate and
       interpretable prediction of material properties, Phys. Rev. Lett. 120 (2018) 145301,
       doi:10.1103/PhysRevLett.120.145301.

    Examples
    --------
    >>> copper = Crystals.from_arrays(
    ...     [[[0, 1.8, 1.8], [1.8, 0, 1.8], [1.8, 1.8, 0]]], [1], [29], [[0, 0, 0]]
    ... )
    >>> crystal_graphs(copper).distances.round(3)
    array([[2.546, 2.546, 2.546, 2.546, 2.546, 2.546, 2.546, 2.546, 2.546,
            2.546, 2.546, 2.546]], dtype=float32)
    """
    if not (np.isfinite(radius) and radius > 0):
        raise SettingsError(f"radius={radius!r} must be above 0 Angstrom.")
    if int(n_neighbours) != n_neighbours or n_neighbours < 1:
        raise SettingsError(f"n_neighbours={n_neighbours!r} must be a whole number above 0.")

    def build() -> CrystalGraphs:
        neighbours, distances = settled_neighbours(crystals, int(n_neighbours), progress)
        return CrystalGraphs(
            crystals.numbers, neighbours, distances.astype(np.float32), crystals.offsets
        )

    if cache is None:
        return build()
    return cached_arrays(
        cache,
        crystals,
        {"n_neighbours": int(n_neighbours)},
        CrystalGraphs.from_arrays,
        build,
    )
