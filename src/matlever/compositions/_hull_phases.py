"""Known phases sorted by their chemical system, with formation energies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import DataError, Fault

__all__ = ["Phases", "checked_fractions", "group_by_system", "reference_energies"]

Array = NDArray[np.float64]
System = tuple[int, ...]

ABSENT = 1e-10  # a fraction below it is none


class Phases:
    """Phases of known energy, found by their system.

    Parameters
    ----------
    fractions : ndarray of shape (m, e)
        Element fractions.
    energies : ndarray of shape (m,)
        Formation energies in eV/atom.
    """

    def __init__(self, fractions: Array, energies: Array) -> None:
        self.energies = energies
        # Sparse: of a hundred columns a phase has a few.
        self._of: dict[System, tuple[NDArray[np.intp], Array]] = {
            system: (rows, fractions[rows[:, None], list(system)])
            for system, rows in group_by_system(fractions)
        }

    @property
    def systems(self) -> tuple[System, ...]:
        """Every system that has a phase with all of its elements."""
        return tuple(self._of)

    def of(self, system: System) -> tuple[NDArray[np.intp], Array]:
        """Phases that hold all elements of a system: positions (p,), fractions (p, e_system)."""
        found = self._of.get(system)
        if found is None:
            return np.empty(0, dtype=np.intp), np.empty((0, len(system)))
        return found


def group_by_system(fractions: Array) -> Iterator[tuple[System, NDArray[np.intp]]]:
    """Yield each chemical system (columns above zero) with the rows that have it."""
    if not len(fractions):
        return
    bits = np.packbits(fractions > ABSENT, axis=1)
    codes = np.ascontiguousarray(bits).view(np.dtype((np.void, bits.shape[1])))[:, 0]
    _, first, group = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(group, kind="stable")
    edges = np.cumsum(np.bincount(group))[:-1]
    for start, rows in zip(first, np.split(order, edges), strict=True):
        yield tuple(np.flatnonzero(fractions[start] > ABSENT).tolist()), rows


def checked_fractions(
    fractions: object, energies: ArrayLike | None, n_columns: int | None, what: str
) -> tuple[Array, Array]:
    """Return fractions (n, e) and energies (n,) that can be used.

    Raises
    ------
    DataError
        If a row is no composition or an energy no finite number; all faults together.
    """
    f = np.asarray(getattr(fractions, "fractions", fractions), dtype=np.float64)
    if f.ndim != 2 or (n_columns is not None and f.shape[1] != n_columns):
        raise DataError(
            f"The {what} need fractions of shape (n, {n_columns or 'number of elements'}), got "
            f"{f.shape}."
        )
    e = np.zeros(len(f)) if energies is None else np.asarray(energies, dtype=np.float64)
    if e.shape != (len(f),):
        raise DataError(f"There are {len(f)} {what}, but energies of shape {e.shape}.")
    bad = ~(np.isfinite(f).all(axis=1) & (f.min(axis=1, initial=0.0) >= -ABSENT))
    off = ~bad & (np.abs(f.sum(axis=1) - 1.0) > 1e-6)
    lost = ~np.isfinite(e)
    faults = [
        Fault(
            f"fractions of {what[:-1]} {i} "
            + ("are negative or no numbers" if bad[i] else f"sum to {f[i].sum():.6g}, not to 1"),
            "Divide the amounts of each composition by their sum",
        )
        for i in np.flatnonzero(bad | off)
    ] + [
        Fault(f"the energy of {what[:-1]} {i} is {e[i]}", "Leave it out or give its energy")
        for i in np.flatnonzero(lost)
    ]
    if faults:
        raise DataError(faults)
    return f, e


def reference_energies(
    fractions: Array,
    energies: Array,
    elements: Sequence[str],
    given: float | Mapping[str, float] | ArrayLike | None,
) -> Array:
    """Energies of the elements in eV/atom, of shape (e,); NaN where nothing is known.

    The lowest of what is given and of the phases that are elements.

    Raises
    ------
    DataError
        If an element that occurs in a phase has none; all such elements are named.
    """
    found = np.full(len(elements), np.inf)
    pure, which = np.nonzero(fractions > 1.0 - 1e-9)
    np.minimum.at(found, which, energies[pure])
    if isinstance(given, Mapping):
        absent = [name for name in given if name not in elements]
        if absent:
            raise DataError(f"element_energies names {absent}, which are no elements here.")
        for name, energy in given.items():
            column = list(elements).index(name)
            found[column] = min(found[column], float(energy))
    elif given is not None:
        found = np.minimum(found, np.asarray(given, dtype=np.float64))
    missing = np.flatnonzero((fractions > ABSENT).any(axis=0) & ~np.isfinite(found))
    if len(missing):
        names = ", ".join(elements[j] for j in missing.tolist())
        raise DataError(
            f"No phase gives the energy of the pure element for {names}. Add the elements to the "
            "phases, give element_energies={symbol: eV/atom}, or, where all energies are formation "
            "energies, element_energies=0."
        )
    return np.where(np.isfinite(found), found, np.nan)
