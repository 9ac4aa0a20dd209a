"""Stability: the convex hull of known phases, and how far above it a composition lies."""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import combinations
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.compositions._hull_facets import (
    MOST_FACET_ELEMENTS,
    Facets,
    linear_program,
    lower_facets,
)
from matlever.compositions._hull_phases import (
    ABSENT,
    Phases,
    checked_fractions,
    group_by_system,
    reference_energies,
)
from matlever.compositions.elements import ELEMENTS
from matlever.compositions.read import read_compositions
from matlever.exceptions import DataError, Fault, SettingsError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ConvexHull"]

Array = NDArray[np.float64]
System = tuple[int, ...]

_SYSTEMS_KEPT = 4096
_ON_HULL = 1e-8  # eV/atom


class ConvexHull:
    r"""Convex hull of the energies of known phases over composition.

    Parameters
    ----------
    fractions : array_like of shape (m, e) or Compositions
        Element fractions of the phases; rows sum to 1.
    energies : array_like of shape (m,)
        Energies in eV/atom, total or of formation, all on one scale.
    elements : sequence of str, default=None
        Symbols of the columns; by default the 103 of `matlever.compositions.ELEMENTS`.
    element_energies : float, mapping of str to float or array_like of shape (e,), default=None
        Energies of the pure elements in eV/atom: 0 for formation energies. Not needed where the
        elements are among the phases; the lower one counts.

    Raises
    ------
    DataError
        If a row is no composition, an energy is no finite number, or an element of a phase has no
        energy of its own; the elements are named.

    Notes
    -----
    Of a system of e elements only the phases that are stable in their own system enter. Qhull [1]_
    gives the lower facets, whose planes are kept as chemical potentials :math:`\mu`; the hull at
    composition x is :math:`\max_f \mu_f \cdot x`, exact up to rounding. That the facets fill the
    system and lie below every phase is checked; where either fails, and beyond 8 elements, each
    composition is a linear program of its own. Facets are made when a system is first asked for.
    An instance may be shared by threads.

    References
    ----------
    .. [1] C. B. Barber, D. P. Dobkin, H. Huhdanpaa, "The quickhull algorithm for convex hulls",
       ACM Transactions on Mathematical Software 22 (1996) 469-483.
    .. [2] S. P. Ong, L. Wang, B. Kang, G. Ceder, "Li-Fe-P-O2 phase diagram from first principles
       calculations", Chemistry of Materials 20 (2008) 1798-1807.

    Examples
    --------
    >>> phases = [[1, 0], [0, 1], [0.5, 0.5], [0.75, 0.25]]
    >>> hull = ConvexHull(phases, [0.0, 0.0, -1.0, -0.2], elements=["Na", "Cl"])
    >>> hull.is_stable
    array([ True,  True,  True, False])
    >>> hull.energy_above([[0.75, 0.25], [0.5, 0.5]], [-0.2, -1.1])
    array([ 0.3, -0.1])
    >>> hull.decomposition([[0.75, 0.25]])
    ({'Na': 0.5, 'NaCl': 0.5},)
    """

    def __init__(
        self,
        fractions: Any,
        energies: ArrayLike,
        *,
        elements: Sequence[str] | None = None,
        element_energies: float | Mapping[str, float] | ArrayLike | None = None,
    ) -> None:
        self.elements: tuple[str, ...] = ELEMENTS if elements is None else tuple(elements)
        if len(set(self.elements)) < len(self.elements):
            raise SettingsError(f"An element stands twice among the columns: {self.elements}.")
        f, e = checked_fractions(fractions, energies, len(self.elements), "phases")
        self.element_energies = reference_energies(f, e, self.elements, element_energies)
        self._fractions, self._energies = f, e
        self._phases = Phases(f, e - f @ np.nan_to_num(self.element_energies))
        self._own: dict[System, NDArray[np.intp]] = {}
        self._facets: OrderedDict[System, tuple[Facets | None, Array, Array, NDArray[np.intp]]]
        self._facets = OrderedDict()
        self._lock = Lock()

    def __repr__(self) -> str:
        n = int((self._fractions > ABSENT).any(axis=0).sum())
        return f"ConvexHull of {len(self._energies)} phases of {n} elements"

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state.update(_lock=None, _facets=OrderedDict())
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = Lock()

    @classmethod
    def from_table(
        cls,
        source: str | os.PathLike[str] | pd.DataFrame,
        energy: str,
        *,
        formula: str = "formula",
        element_energies: float | Mapping[str, float] | None = None,
    ) -> Self:
        """Read the phases from a table.

        Parameters
        ----------
        source : path or DataFrame
            CSV (also ``.gz``), TSV, ``.xlsx`` or ``.parquet``, as `read_compositions` takes it.
        energy : str
            Column of energies in eV/atom.
        formula : str, default="formula"
            Column of formulas.
        element_energies
            As in the constructor.

        Raises
        ------
        DataError
            If a formula or an energy cannot be used; all faults with their row and column.
        """
        phases, targets = read_compositions(source, formula=formula, targets=[energy])
        empty = targets[energy].isna()
        if empty.any():
            raise DataError(
                [
                    Fault(
                        "the phase has no energy",
                        "Give it, or leave the row out",
                        None if hasattr(source, "columns") else Path(source).name,
                        int(row) if isinstance(row, int | np.integer) else None,
                        energy,
                    )
                    for row in targets.index[empty]
                ]
            )
        return cls(phases, targets[energy].to_numpy(), element_energies=element_energies)

    # -- the phases -------------------------------------------------------------------------------

    @property
    def fractions(self) -> Array:
        """Element fractions of the phases, of shape (m, e)."""
        return self._fractions

    @property
    def energies(self) -> Array:
        """Energies of the phases as given, of shape (m,), in eV/atom."""
        return self._energies

    @cached_property
    def energies_above(self) -> Array:
        """Energy of each phase above the hull, of shape (m,), in eV/atom; 0 on the hull."""
        above = self._energies - self.hull_energy(self._fractions)
        return np.where(above < _ON_HULL, 0.0, above)

    @property
    def is_stable(self) -> NDArray[np.bool_]:
        """Whether each phase lies on the hull, of shape (m,)."""
        return np.asarray(self.energies_above == 0.0)

    @cached_property
    def vertices(self) -> NDArray[np.intp]:
        """Positions of the phases on the hull, ascending; the first where several are alike."""
        stable = np.flatnonzero(self.is_stable)
        _, first = np.unique(np.round(self._fractions[stable], 8) + 0.0, axis=0, return_index=True)
        return np.sort(stable[first])

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the phases, to tell hulls apart."""
        found = hashlib.sha256(repr(self.elements).encode())
        for array in (self._fractions, self._energies, self.element_energies):
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()

    def within(self, elements: Sequence[str]) -> ConvexHull:
        """Return the hull of the phases that hold no other elements; columns stay as they are."""
        outside = np.array([name not in elements for name in self.elements])
        rows = ~(self._fractions[:, outside] > ABSENT).any(axis=1)
        return ConvexHull(
            self._fractions[rows],
            self._energies[rows],
            elements=self.elements,
            element_energies=np.nan_to_num(self.element_energies, nan=np.inf),
        )

    # -- compositions -----------------------------------------------------------------------------

    def hull_energy(self, fractions: Any) -> Array:
        """Energy of the hull at n compositions, of shape (n,), in eV/atom.

        Parameters
        ----------
        fractions : array_like of shape (n, e) or Compositions

        Raises
        ------
        DataError
            If a row is no composition, or holds an element without energy.
        """
        f, _ = checked_fractions(fractions, None, len(self.elements), "compositions")
        found = np.empty(len(f))
        for system, rows in group_by_system(f):
            found[rows] = self.hull_energy_in(system, f[rows[:, None], list(system)])
        return found

    def energy_above(self, fractions: Any, energies: ArrayLike) -> Array:
        """Energy of n compositions above the hull of the phases, of shape (n,), in eV/atom.

        Parameters
        ----------
        fractions : array_like of shape (n, e) or Compositions
            They need not be phases of the hull.
        energies : array_like of shape (n,)
            On the scale of the phases' energies, in eV/atom.

        Returns
        -------
        energy_above : ndarray of shape (n,)
            Negative where a composition is more stable than every mixture of known phases.
        """
        e = np.asarray(energies, dtype=np.float64)
        hull = self.hull_energy(fractions)
        if e.shape != hull.shape:
            raise DataError(f"There are {len(hull)} compositions, but energies of {e.shape}.")
        return np.asarray(e - hull)

    def hull_energy_in(self, system: System, fractions: Array) -> Array:
        """Energy of the hull at compositions of one system; nothing is checked.

        Parameters
        ----------
        system : tuple of int
            Columns of the elements, ascending.
        fractions : ndarray of shape (n, len(system))

        Returns
        -------
        energy : ndarray of shape (n,)
            In eV/atom.
        """
        facets, points, energies, _ = self._system(system)
        reference = fractions @ self.element_energies[list(system)]
        if facets is not None:
            return np.asarray(facets.energies(fractions) + reference)
        mixed = [linear_program(points, energies, row / row.sum())[0] for row in fractions]
        return np.asarray(np.array(mixed) + reference)

    def is_known(self, fractions: Any) -> NDArray[np.bool_]:
        """Whether there is a phase of each composition, stable or not, of shape (n,).

        Fractions are compared to 1e-6.
        """
        f, _ = checked_fractions(fractions, None, len(self.elements), "compositions")
        found = np.zeros(len(f), dtype=bool)
        for system, rows in group_by_system(f):
            known = self._phases.of(system)[1]
            if len(known):
                apart = np.abs(f[rows[:, None], list(system)][:, None] - known).max(axis=2)
                found[rows] = (apart < 1e-6).any(axis=1)
        return found

    def decomposition(self, fractions: Any) -> tuple[dict[str, float], ...]:
        """Phases that n compositions decompose into, with the share of the atoms in each.

        Parameters
        ----------
        fractions : array_like of shape (n, e) or Compositions

        Returns
        -------
        phases : tuple of n dicts of str to float
            Reduced formula of the phase (the one of least energy) to its share; shares sum to 1.
        """
        f, _ = checked_fractions(fractions, None, len(self.elements), "compositions")
        found: list[dict[str, float]] = [{} for _ in f]
        for system, rows in group_by_system(f):
            facets, points, energies, phases = self._system(system)
            names = self._names(system, phases)
            for row in rows.tolist():
                x = f[row, list(system)]
                if facets is None:
                    which = np.arange(len(points))
                    shares = linear_program(points, energies, x / x.sum())[1]
                else:
                    which = facets.simplices[facets.containing(x[None])[0]]
                    shares = np.linalg.solve(points[which].T, x)
                found[row] = {
                    names[j]: float(round(share, 12))
                    for j, share in sorted(zip(which.tolist(), shares, strict=True))
                    if share > _ON_HULL
                }
        return tuple(found)

    # -- one system -------------------------------------------------------------------------------

    def _system(self, system: System) -> tuple[Facets | None, Array, Array, NDArray[np.intp]]:
        """Facets of a system, with the points they refer to: fractions, energies, phases."""
        with self._lock:
            known = self._facets.get(system)
            if known is not None:
                self._facets.move_to_end(system)
                return known
        made = self._build(system)
        with self._lock:
            self._facets[system] = made
            if len(self._facets) > _SYSTEMS_KEPT:
                self._facets.popitem(last=False)
        return made

    def _build(self, system: System) -> tuple[Facets | None, Array, Array, NDArray[np.intp]]:
        unknown = [j for j in system if np.isnan(self.element_energies[j])]
        if unknown:
            names = ", ".join(self.elements[j] for j in unknown)
            raise DataError(
                f"The hull has no phase and no energy of the pure element for {names}. Leave these "
                "elements out, or give element_energies."
            )
        below = self._stable_below(system)
        own = self._deepest(system)
        points, energies, phases = self._gather(system, (*below, own))
        facets = lower_facets(points, energies) if len(system) <= MOST_FACET_ELEMENTS else None
        # Without facets nothing is known to be unstable.
        self._own[system] = (
            own if facets is None else np.intersect1d(own, phases[np.unique(facets.simplices)])
        )
        return facets, points, energies, phases

    def _stable_below(self, system: System) -> list[NDArray[np.intp]]:
        """Phases of the smaller systems inside a system that are stable there."""
        found = []
        for size in range(2, len(system)):
            for smaller in combinations(system, size):
                if len(self._phases.of(smaller)[0]):
                    if smaller not in self._own:
                        self._build(smaller)
                    found.append(self._own[smaller])
        return found

    def _deepest(self, system: System) -> NDArray[np.intp]:
        """Phases of a system below the line between elements, the lowest of each composition."""
        rows, fractions = self._phases.of(system)
        energies = self._phases.energies[rows]
        if len(system) == 1 or not (energies < -_ON_HULL).any():
            return rows[:0]
        rows, fractions = rows[energies < -_ON_HULL], fractions[energies < -_ON_HULL]
        order = np.lexsort((rows, self._phases.energies[rows]))
        _, first = np.unique(np.round(fractions[order], 9), axis=0, return_index=True)
        return np.sort(rows[order[first]])

    def _gather(
        self, system: System, parts: Sequence[NDArray[np.intp]]
    ) -> tuple[Array, Array, NDArray[np.intp]]:
        """Points of a system: its elements (phase -1), then the phases."""
        rows = np.concatenate([np.empty(0, dtype=np.intp), *parts]).astype(np.intp)
        points = np.concatenate([np.eye(len(system)), self._fractions[rows[:, None], list(system)]])
        points = np.maximum(points, 0.0)
        points /= points.sum(axis=1, keepdims=True)
        energies = np.concatenate([np.zeros(len(system)), self._phases.energies[rows]])
        return points, energies, np.concatenate([np.full(len(system), -1, dtype=np.intp), rows])

    def _names(self, system: System, phases: NDArray[np.intp]) -> list[str]:
        """Reduced formulas of the points of a system."""
        from matlever.compositions.compositions import Compositions

        rows = phases[len(system) :]
        named = [self.elements[j] for j in system]
        if len(rows):
            made = Compositions.from_fractions(self._fractions[rows], elements=self.elements)
            named += list(made.formulas)
        return named
