"""Known phases by their chemical system: compositions that are read in blocks and kept sparse."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.compositions.compositions import Compositions
from matlever.exceptions import DataError, Fault

__all__ = ["ABSENT", "Phases", "by_system", "with_references"]

Array = NDArray[np.float64]
Rows = NDArray[np.intp]
System = tuple[int, ...]

ABSENT = 1e-10  # a fraction below it is none
_NONE: Rows = np.empty(0, dtype=np.intp)


class Phases:
    """Phases of known energy, found by the system of their elements.

    Parameters
    ----------
    of : dict of system to (rows, fractions)
        For each system, as ascending columns, the phases that hold all of its elements: their
        positions of shape (p,) and fractions of shape (p, number of elements).
    energies : ndarray of shape (m,)
        In eV/atom.
    """

    def __init__(self, of: dict[System, tuple[Rows, Array]], energies: Array) -> None:
        self._of = of
        self.energies = energies

    @classmethod
    def read(cls, fractions: Any, energies: ArrayLike, n_columns: int) -> Phases:
        """Sort phases by system.

        Raises
        ------
        DataError
            If a row is no composition or an energy no finite number.
        """
        faults: list[Fault] = []
        parts: dict[System, list[tuple[Rows, Array]]] = {}
        try:
            for system, rows, own in by_system(fractions, n_columns, "phases"):
                parts.setdefault(system, []).append((rows, own))
        except DataError as error:
            if not error.faults:
                raise
            faults += error.faults
        e = np.array(energies, dtype=np.float64)
        if e.shape != (len(fractions),):
            raise DataError(f"There are {len(fractions)} phases, but energies of shape {e.shape}.")
        faults += [
            Fault(f"the energy of phase {i} is {e[i]}", "Leave it out or give its energy")
            for i in np.flatnonzero(~np.isfinite(e)).tolist()
        ]
        if faults:
            raise DataError(faults)
        of = {
            system: (np.concatenate([r for r, _ in some]), np.concatenate([f for _, f in some]))
            for system, some in parts.items()
        }
        return cls(of, e)

    def __iter__(self) -> Iterator[tuple[System, Rows, Array]]:
        """Yield each system with the positions and fractions of its phases."""
        return ((system, rows, fractions) for system, (rows, fractions) in self._of.items())

    def __len__(self) -> int:
        return len(self.energies)

    @property
    def columns(self) -> list[int]:
        """Columns of the elements that occur."""
        return sorted({j for system in self._of for j in system})

    def of(self, system: System) -> tuple[Rows, Array]:
        """Phases that hold all elements of a system, and no other."""
        found = self._of.get(system)
        return (_NONE, np.empty((0, len(system)))) if found is None else found

    def within(self, columns: set[int]) -> Phases:
        """Phases of some elements only, numbered anew in their order."""
        kept = {s: part for s, part in self._of.items() if columns.issuperset(s)}
        rows = np.sort(np.concatenate([_NONE, *(r for r, _ in kept.values())])).astype(np.intp)
        of = {s: (np.searchsorted(rows, r), fractions) for s, (r, fractions) in kept.items()}
        return Phases(of, self.energies[rows])

    def dense(self, n_columns: int, rows: Rows | None = None) -> Array:
        """Fractions of all phases, or of some, of shape (m, n_columns)."""
        place = np.full(len(self), -1, dtype=np.intp)
        asked = np.arange(len(self)) if rows is None else rows
        place[asked] = np.arange(len(asked))
        found = np.zeros((len(asked), n_columns))
        for system, own, fractions in self:
            here = place[own] >= 0
            found[place[own[here]][:, None], list(system)] = fractions[here]
        return found

    def digest(self) -> str:
        """SHA-256 of systems, fractions and energies."""
        found = hashlib.sha256(self.energies.tobytes())
        for system in sorted(self._of):
            rows, fractions = self._of[system]
            found.update(repr(system).encode() + rows.astype(np.int64).tobytes())
            found.update(np.ascontiguousarray(fractions).tobytes())
        return found.hexdigest()


def by_system(fractions: Any, n_columns: int, what: str) -> Iterator[tuple[System, Rows, Array]]:
    """Yield chemical systems with the rows that have it, and their fractions in it.

    Parameters
    ----------
    fractions : Compositions or array_like of shape (n, n_columns)
        Long lists of compositions go through in blocks: a system may come more than once.
    n_columns : int
    what : str
        What a row is called in messages, in the plural.

    Raises
    ------
    DataError
        If a row is no composition.
    """
    if isinstance(fractions, Compositions):
        start = 0
        for block in fractions.blocks():
            for system, rows, own in _block(block.fractions, n_columns, what, start):
                yield system, rows + start, own
            start += len(block)
        return
    yield from _block(np.asarray(fractions, dtype=np.float64), n_columns, what, 0)


def _block(f: Array, n_columns: int, what: str, start: int) -> Iterator[tuple[System, Rows, Array]]:
    _refuse(f, n_columns, what, start)
    if not len(f):
        return
    bits = np.packbits(f > ABSENT, axis=1)
    codes = np.ascontiguousarray(bits).view(np.dtype((np.void, bits.shape[1])))[:, 0]
    _, first, group = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(group, kind="stable")
    edges = np.cumsum(np.bincount(group))[:-1]
    for one, rows in zip(first, np.split(order, edges), strict=True):
        system = np.flatnonzero(f[one] > ABSENT).tolist()
        yield tuple(system), rows, f[rows[:, None], system]


def _refuse(f: Array, n_columns: int, what: str, start: int) -> None:
    """Refuse rows that are no compositions, all together."""
    if f.ndim != 2 or f.shape[1] != n_columns:
        raise DataError(f"The {what} need fractions of shape (n, {n_columns}), got {f.shape}.")
    sums = f.sum(axis=1)
    # NaN fails every comparison.
    good = (f.min(axis=1, initial=0.0) >= -ABSENT) & (np.abs(sums - 1.0) <= 1e-6)
    if good.all():
        return
    faults = [
        Fault(
            f"fractions of {what[:-1]} {start + i} "
            + (
                f"sum to {sums[i]:.6g}, not to 1"
                if (f[i] >= -ABSENT).all() and np.isfinite(sums[i])
                else "are negative or no numbers"
            ),
            "Divide the amounts of each composition by their sum",
        )
        for i in np.flatnonzero(~good).tolist()
    ]
    raise DataError(faults)


def with_references(
    phases: Phases,
    elements: Sequence[str],
    given: float | Mapping[str, float] | ArrayLike | None,
) -> tuple[Phases, Array]:
    """Return the phases with formation energies, and the energies of the elements.

    Parameters
    ----------
    phases : Phases
        With the energies given.
    elements : sequence of e str
        Symbols of the columns.
    given : float, mapping, array_like of shape (e,) or None
        Energies of the elements, where they are not among the phases; the lower one counts.

    Returns
    -------
    phases : Phases
        Energies in eV/atom: zero for the elements.
    references : ndarray of shape (e,)
        Energies of the elements in eV/atom; NaN where nothing is known.

    Raises
    ------
    DataError
        If an element that occurs in a phase has none; all such elements are named.
    """
    found = np.full(len(elements), np.inf)
    for j in range(len(elements)):
        rows = phases.of((j,))[0]
        found[j] = phases.energies[rows].min(initial=np.inf)
    if isinstance(given, Mapping):
        absent = [name for name in given if name not in elements]
        if absent:
            raise DataError(f"element_energies names {absent}, which are no elements here.")
        for name, energy in given.items():
            column = list(elements).index(name)
            found[column] = min(found[column], float(energy))
    elif given is not None:
        found = np.fmin(found, np.asarray(given, dtype=np.float64))
    missing = [elements[j] for j in phases.columns if not np.isfinite(found[j])]
    if missing:
        raise DataError(
            f"No phase gives the energy of the pure element for {', '.join(missing)}. Add the "
            "elements to the phases, give element_energies={symbol: eV/atom}, or, where all "
            "energies are formation energies, element_energies=0."
        )
    formation = phases.energies.copy()
    of = {}
    for system, rows, fractions in phases:
        formation[rows] -= fractions @ found[list(system)]
        of[system] = (rows, fractions)
    return Phases(of, formation), np.where(np.isfinite(found), found, np.nan)
