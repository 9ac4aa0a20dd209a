"""Crystals as arrays: all unit cells of a data set in four arrays, and a name for each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.crystals._arrays_check import HEAVIEST, faults_of_arrays
from matlever.crystals._pymatgen import import_pymatgen
from matlever.crystals._structures import arrays_of_structure, disorder
from matlever.exceptions import DataError, Fault

if TYPE_CHECKING:
    from matlever.compositions import Compositions

__all__ = ["Crystals"]


@dataclass(frozen=True, eq=False, repr=False)
class Crystals:
    """n crystals: a unit cell each, with its atoms.

    Attributes
    ----------
    lattices : ndarray of shape (n, 3, 3), float64
        Lattice vectors a, b, c as rows, in Angstrom.
    offsets : ndarray of shape (n + 1,), int64
        Crystal i owns the atoms ``offsets[i]:offsets[i + 1]``.
    numbers : ndarray of shape (n_atoms,), int16
        Atomic number of each atom.
    fractional : ndarray of shape (n_atoms, 3), float64
        Fractional coordinates; those outside [0, 1) are of a neighbouring cell.
    ids : tuple of n str
        Names of the crystals, as messages and tables show them.

    Examples
    --------
    >>> salt = Crystals.from_arrays(
    ...     [2.82 * np.eye(3)], [2], [11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], ["salt"]
    ... )
    >>> salt
    Crystals(1 crystal of 2 atoms)
    >>> salt.volumes.round(2)
    array([22.43])
    """

    lattices: NDArray[np.float64]
    offsets: NDArray[np.int64]
    numbers: NDArray[np.int16]
    fractional: NDArray[np.float64]
    ids: tuple[str, ...]

    def __post_init__(self) -> None:
        n, atoms = len(self.ids), len(self.numbers)
        if self.lattices.shape != (n, 3, 3) or self.offsets.shape != (n + 1,):
            raise DataError(
                f"{n} crystals need lattices of shape ({n}, 3, 3) and {n + 1} offsets; given are "
                f"{self.lattices.shape} and {self.offsets.shape}."
            )
        if self.fractional.shape != (atoms, 3) or int(self.offsets[-1]) != atoms:
            raise DataError(
                f"{atoms} atoms need coordinates of shape ({atoms}, 3) and offsets that end at "
                f"{atoms}; given are {self.fractional.shape} and {int(self.offsets[-1])}."
            )

    # -- making some ------------------------------------------------------------------------------

    @classmethod
    def from_arrays(
        cls,
        lattices: ArrayLike,
        n_atoms: ArrayLike,
        numbers: ArrayLike,
        fractional: ArrayLike,
        ids: Sequence[str] | None = None,
        *,
        file: str | None = None,
    ) -> Self:
        """Make crystals of plain arrays, and check every one.

        Parameters
        ----------
        lattices : array_like of shape (n, 3, 3)
            Lattice vectors as rows, in Angstrom.
        n_atoms : array_like of shape (n,)
            Number of atoms in each cell.
        numbers : array_like of shape (sum of n_atoms,)
            Atomic numbers, crystal after crystal.
        fractional : array_like of shape (sum of n_atoms, 3)
            Fractional coordinates.
        ids : sequence of n str or None, default=None
            Names; by default "crystal 0", "crystal 1", ...
        file : str or None, default=None
            Name of the file they come from, for messages.

        Raises
        ------
        DataError
            With a fault for each crystal that has no atoms, a lattice that is not finite or has no
            volume, an atomic number outside 1 to 103, or coordinates that are not finite.
        """
        cells = np.array(lattices, dtype=np.float64)
        counts = np.array(n_atoms, dtype=np.int64)
        if cells.ndim != 3 or counts.ndim != 1:
            raise DataError(
                f"Lattices have shape (n, 3, 3) and numbers of atoms (n,), not {cells.shape} and "
                f"{counts.shape}."
            )
        names = tuple(map(str, ids)) if ids is not None else _numbered(len(cells))
        kinds = np.asarray(numbers)
        places = np.array(fractional, dtype=np.float64).reshape(-1, 3)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        if not len(cells) == len(counts) == len(names) or not (
            len(kinds) == len(places) == offsets[-1]
        ):
            raise DataError(
                f"{len(cells)} lattices, {len(counts)} numbers of atoms and {len(names)} names; "
                f"{len(kinds)} atomic numbers and {len(places)} coordinates for {offsets[-1]} "
                "atoms: these must agree."
            )
        faults = faults_of_arrays(cells, offsets, kinds, places, names, file)
        if faults:
            raise DataError(faults)
        return cls(cells, offsets, kinds.astype(np.int16), places, names)

    @classmethod
    def from_structures(cls, structures: Iterable[Any], ids: Sequence[str] | None = None) -> Self:
        """Make crystals of pymatgen Structures.

        Parameters
        ----------
        structures : iterable of pymatgen.core.Structure
            Ordered structures.
        ids : sequence of str or None, default=None
            Names; by default "crystal 0", "crystal 1", ...

        Raises
        ------
        DataError
            With a fault for each structure that has partly occupied or mixed sites, or that
            `from_arrays` would refuse.
        """
        given = list(structures)
        names = _numbered(len(given)) if ids is None else tuple(map(str, ids))
        faults = [
            Fault(
                f"{name}: " + reason,
                "Give an ordered structure: one element on each site, fully occupied",
            )
            for name, structure in zip(names, given, strict=True)
            if (reason := disorder(structure))
        ]
        if faults:
            raise DataError(faults)
        parts = [arrays_of_structure(structure) for structure in given]
        return cls.from_arrays(
            np.array([part[0] for part in parts]).reshape(-1, 3, 3),
            [len(part[1]) for part in parts],
            np.concatenate([part[1] for part in parts] or [np.empty(0, dtype=np.int16)]),
            np.concatenate([part[2] for part in parts] or [np.empty((0, 3))]),
            names,
        )

    @classmethod
    def concatenate(cls, parts: Iterable[Crystals]) -> Self:
        """Join some crystals, in order."""
        given = list(parts)
        counts = np.concatenate([part.n_atoms for part in given])
        return cls(
            np.concatenate([part.lattices for part in given]),
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            np.concatenate([part.numbers for part in given]),
            np.concatenate([part.fractional for part in given]),
            tuple(name for part in given for name in part.ids),
        )

    def to_structures(self) -> list[Any]:
        """Return n pymatgen Structures.

        Raises
        ------
        MissingExtraError
            If pymatgen is not installed.
        """
        core = import_pymatgen("Making Structures of crystals")
        symbols = [core.Element.from_Z(z).symbol for z in range(1, HEAVIEST + 1)]
        return [
            core.Structure(
                lattice, [symbols[z - 1] for z in self.numbers[a:b]], self.fractional[a:b]
            )
            for lattice, a, b in zip(self.lattices, self.offsets, self.offsets[1:], strict=False)
        ]

    # -- what they are ----------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        n = len(self)
        if n == 0:
            return "Crystals(none)"
        low, high = int(self.n_atoms.min()), int(self.n_atoms.max())
        size = f"{low}" if low == high else f"{low} to {high}"
        return f"Crystals({n:,} crystal{'s' if n > 1 else ''} of {size} atoms)"

    @property
    def shape(self) -> tuple[int]:
        """Number of crystals, as the shape of one axis."""
        return (len(self),)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the crystals."""
        return self.ids

    @cached_property
    def n_atoms(self) -> NDArray[np.int64]:
        """Number of atoms in each cell, of shape (n,)."""
        return np.diff(self.offsets)

    @cached_property
    def volumes(self) -> NDArray[np.float64]:
        """Volume of each cell, of shape (n,), in cubic Angstrom."""
        a, b, c = self.lattices[:, 0], self.lattices[:, 1], self.lattices[:, 2]
        return np.asarray(np.abs(np.einsum("ij,ij->i", a, np.cross(b, c))))

    @cached_property
    def crystal_of_atom(self) -> NDArray[np.int64]:
        """Position of the crystal of each atom, of shape (n_atoms,)."""
        return np.repeat(np.arange(len(self)), self.n_atoms)

    @cached_property
    def cartesian(self) -> NDArray[np.float64]:
        """Cartesian coordinates of the atoms, of shape (n_atoms, 3), in Angstrom."""
        cells = self.lattices[self.crystal_of_atom]
        return np.asarray(np.einsum("ij,ijk->ik", self.fractional, cells))

    @cached_property
    def amounts(self) -> NDArray[np.float64]:
        """Number of atoms of each of the 103 elements in each cell, of shape (n, 103)."""
        place = self.crystal_of_atom * HEAVIEST + self.numbers - 1
        found = np.bincount(place, minlength=len(self) * HEAVIEST)
        return found.reshape(len(self), HEAVIEST).astype(np.float64)

    @cached_property
    def compositions(self) -> Compositions:
        """Compositions of the crystals."""
        from matlever.compositions import Compositions

        return Compositions(self.amounts, self.ids)

    @property
    def formulas(self) -> tuple[str, ...]:
        """Reduced formula of each crystal; equal for polymorphs."""
        return self.compositions.formulas

    def __getitem__(self, rows: Any) -> Self:
        """Return some crystals: one position, a slice, positions, or a flag for each crystal."""
        chosen = rows_of(rows, len(self))
        atoms, offsets = atoms_of_rows(self.offsets, chosen)
        return type(self)(
            self.lattices[chosen],
            offsets,
            self.numbers[atoms],
            self.fractional[atoms],
            tuple(self.ids[i] for i in chosen),
        )


def rows_of(rows: Any, n: int) -> NDArray[np.intp]:
    """Positions that an index into n things means: a number, a slice, positions or flags."""
    if isinstance(rows, int | np.integer):
        if not -n <= rows < n:
            raise IndexError(f"position {rows} of {n}")
        return np.array([int(rows) % n], dtype=np.intp)
    if isinstance(rows, slice):
        return np.arange(*rows.indices(n), dtype=np.intp)
    given = np.asarray(rows)
    if given.dtype == bool:
        if given.shape != (n,):
            raise IndexError(f"{given.shape} flags for {n}")
        return np.flatnonzero(given)
    chosen = given.astype(np.intp)
    if chosen.ndim != 1 or (len(chosen) and not -n <= chosen.min() <= chosen.max() < n):
        raise IndexError(f"positions of shape {chosen.shape} must lie within {n}")
    return chosen % n if len(chosen) else chosen


def atoms_of_rows(
    offsets: NDArray[np.int64], rows: NDArray[np.intp]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the atoms of some crystals, crystal after crystal, and their new offsets."""
    counts = offsets[rows + 1] - offsets[rows]
    new = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return np.repeat(offsets[rows] - new[:-1], counts) + np.arange(new[-1]), new


def _numbered(n: int) -> tuple[str, ...]:
    return tuple(f"crystal {i}" for i in range(n))
