"""Stability: the convex hull of known phases, and how far above it a composition lies."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.compositions._hull_phases import Phases, by_system, with_references
from matlever.compositions._hull_systems import ON_HULL, SystemHulls
from matlever.compositions.elements import ELEMENTS
from matlever.compositions.read import read_compositions
from matlever.exceptions import DataError, Fault, SettingsError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ConvexHull"]

Array = NDArray[np.float64]
System = tuple[int, ...]


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
        names = ELEMENTS if elements is None else tuple(elements)
        if len(set(names)) < len(names):
            raise SettingsError(f"An element stands twice among the columns: {names}.")
        given = Phases.read(fractions, energies, len(names))
        phases, references = with_references(given, names, element_energies)
        self._set(names, given.energies, phases, references)

    def _set(
        self, elements: tuple[str, ...], energies: Array, phases: Phases, references: Array
    ) -> None:
        self.elements = elements
        self.energies = energies
        self.element_energies = references
        self._phases = phases
        self._systems = SystemHulls(phases)

    def __repr__(self) -> str:
        return f"ConvexHull of {len(self)} phases of {len(self._phases.columns)} elements"

    def __len__(self) -> int:
        return len(self._phases)

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
        """Element fractions of the phases, of shape (m, e); built anew at each call."""
        return self._phases.dense(len(self.elements))

    @cached_property
    def energies_above(self) -> Array:
        """Energy of each phase above the hull, of shape (m,), in eV/atom; 0 on the hull."""
        above = np.empty(len(self))
        for system, rows, own in self._phases:
            above[rows] = self._phases.energies[rows] - self._systems[system].hull_energy(own)
        return np.where(above < ON_HULL, 0.0, above)

    @property
    def is_stable(self) -> NDArray[np.bool_]:
        """Whether each phase lies on the hull, of shape (m,)."""
        return np.asarray(self.energies_above == 0.0)

    @cached_property
    def vertices(self) -> NDArray[np.intp]:
        """Positions of the phases on the hull, ascending; the first where several are alike."""
        found = []
        for _, rows, own in self._phases:
            order = np.sort(np.flatnonzero(self.is_stable[rows]))
            _, first = np.unique(np.round(own[order], 8), axis=0, return_index=True)
            found.append(rows[order[first]])
        return np.sort(np.concatenate([np.empty(0, dtype=np.intp), *found]))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the phases, to tell hulls apart."""
        found = hashlib.sha256(repr(self.elements).encode() + self.element_energies.tobytes())
        found.update(self._phases.digest().encode())
        return found.hexdigest()

    def within(self, elements: Sequence[str]) -> ConvexHull:
        """Return the hull of the phases that hold no other elements; columns stay as they are."""
        columns = {j for j, name in enumerate(self.elements) if name in elements}
        given = Phases({s: (r, f) for s, r, f in self._phases}, self.energies).within(columns)
        found = object.__new__(ConvexHull)
        found._set(
            self.elements, given.energies, self._phases.within(columns), self.element_energies
        )
        return found

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
        found = np.empty(len(fractions))
        for system, rows, own in by_system(fractions, len(self.elements), "compositions"):
            found[rows] = self.hull_energy_in(system, own)
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
        """Energy of the hull at compositions of one system; the fractions are not checked.

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
        references = self.element_energies[list(system)]
        if np.isnan(references).any():
            unknown = [self.elements[j] for j in system if np.isnan(self.element_energies[j])]
            raise DataError(
                f"The hull has no phase and no energy of the pure element for "
                f"{', '.join(unknown)}. Leave these elements out, or give element_energies."
            )
        return np.asarray(self._systems[system].hull_energy(fractions) + fractions @ references)

    def is_known(self, fractions: Any) -> NDArray[np.bool_]:
        """Whether there is a phase of each composition, stable or not, of shape (n,).

        Fractions are compared to 1e-6.
        """
        found = np.zeros(len(fractions), dtype=bool)
        for system, rows, own in by_system(fractions, len(self.elements), "compositions"):
            known = self._phases.of(system)[1]
            if len(known):
                found[rows] = (np.abs(own[:, None] - known).max(axis=2) < 1e-6).any(axis=1)
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
        found: list[dict[str, float]] = [{} for _ in range(len(fractions))]
        for system, rows, own in by_system(fractions, len(self.elements), "compositions"):
            self.hull_energy_in(system, own[:0])
            hull = self._systems[system]
            names = self._names(system, hull.phases[len(system) :])
            for row, x in zip(rows.tolist(), own, strict=True):
                found[row] = {names[j]: round(share, 12) for j, share in hull.mixture(x)}
        return tuple(found)

    def _names(self, system: System, phases: NDArray[np.intp]) -> list[str]:
        """Reduced formulas of the elements of a system, and of phases."""
        from matlever.compositions.compositions import Compositions

        named = [self.elements[j] for j in system]
        if len(phases):
            dense = self._phases.dense(len(self.elements), phases)
            named += Compositions.from_fractions(dense, elements=self.elements).formulas
        return named
