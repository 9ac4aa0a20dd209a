"""Hulls of chemical systems, each made when it is first asked for, out of what is stable in it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.compositions._hull_facets import (
    MOST_FACET_ELEMENTS,
    Facets,
    linear_program,
    lower_facets,
)
from matlever.compositions._hull_phases import Phases

__all__ = ["ON_HULL", "SystemHull", "SystemHulls"]

Array = NDArray[np.float64]
Rows = NDArray[np.intp]
System = tuple[int, ...]

ON_HULL = 1e-8  # eV/atom
_SYSTEMS_KEPT = 512  # a screening comes to one after the other


@dataclass(frozen=True)
class SystemHull:
    """The hull of one system of e elements, in formation energies.

    Attributes
    ----------
    facets : Facets or None
        None where each composition is a linear program.
    points : ndarray of shape (p, e)
        Compositions of the phases that may be on it; the elements first.
    energies : ndarray of shape (p,)
        Their formation energies in eV/atom.
    phases : ndarray of shape (p,), int
        Positions of the phases; -1 for the elements.
    """

    facets: Facets | None
    points: Array
    energies: Array
    phases: Rows

    def hull_energy(self, fractions: Array) -> Array:
        """Return the formation energy of the hull at n compositions, (n,), in eV/atom."""
        if self.facets is not None:
            return self.facets.energies(fractions)
        mixed = [linear_program(self.points, self.energies, row / row.sum()) for row in fractions]
        return np.array([energy for energy, _ in mixed])

    def mixture(self, fractions: Array) -> list[tuple[int, float]]:
        """Points that one composition (e,) decomposes into, with the share of the atoms in each."""
        if self.facets is None:
            which = np.arange(len(self.points))
            shares = linear_program(self.points, self.energies, fractions / fractions.sum())[1]
        else:
            which = self.facets.simplices[self.facets.containing(fractions[None])[0]]
            shares = np.linalg.solve(self.points[which].T, fractions)
        pairs = sorted(zip(which.tolist(), shares.tolist(), strict=True))
        return [(point, share) for point, share in pairs if share > ON_HULL]


class SystemHulls:
    """Hulls of the systems of some phases. May be shared by threads.

    Parameters
    ----------
    phases : Phases
        With formation energies.
    """

    def __init__(self, phases: Phases) -> None:
        self.phases = phases
        # Of each system that has phases of its own: those that are stable in it.
        self._stable: dict[System, tuple[Rows, Array]] = {}
        self._made: OrderedDict[System, SystemHull] = OrderedDict()
        self._lock = Lock()

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state.update(_lock=None, _made=OrderedDict())
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = Lock()

    def __getitem__(self, system: System) -> SystemHull:
        """Hull of a system, given by its columns in ascending order."""
        with self._lock:
            known = self._made.get(system)
            if known is not None:
                self._made.move_to_end(system)
                return known
        made = self._make(system)
        with self._lock:
            self._made[system] = made
            if len(self._made) > _SYSTEMS_KEPT:
                self._made.popitem(last=False)
        return made

    def _make(self, system: System) -> SystemHull:
        own = self._deep(system)
        below = self._stable_below(system)
        points, phases = _points(system, [*below, (system, *own)])
        energies = np.concatenate([np.zeros(len(system)), self.phases.energies[phases]])
        phases = np.concatenate([np.full(len(system), -1, dtype=np.intp), phases])
        facets = lower_facets(points, energies) if len(system) <= MOST_FACET_ELEMENTS else None
        if len(own[0]):
            # Without facets nothing is known to be unstable.
            used = phases if facets is None else phases[np.unique(facets.simplices)]
            there = np.isin(own[0], used)
            self._stable[system] = (own[0][there], own[1][there])
        return SystemHull(facets, points, energies, phases)

    def _stable_below(self, system: System) -> list[tuple[System, Rows, Array]]:
        """Phases that are stable in the smaller systems inside a system."""
        found = []
        for size in range(2, len(system)):
            for smaller in combinations(system, size):
                if not len(self.phases.of(smaller)[0]):
                    continue
                if smaller not in self._stable:
                    self._make(smaller)
                    self._stable.setdefault(smaller, self._deep(smaller))
                rows, fractions = self._stable[smaller]
                if len(rows):
                    found.append((smaller, rows, fractions))
        return found

    def _deep(self, system: System) -> tuple[Rows, Array]:
        """Phases of a system below the mixture of its elements, the lowest of a composition."""
        rows, fractions = self.phases.of(system)
        energies = self.phases.energies[rows]
        deep = energies < -ON_HULL
        if len(system) == 1 or not deep.any():
            return rows[:0], fractions[:0]
        rows, fractions, energies = rows[deep], fractions[deep], energies[deep]
        if len(rows) > 1:
            order = np.lexsort((rows, energies))
            _, first = np.unique(np.round(fractions[order], 9), axis=0, return_index=True)
            kept = np.sort(order[first])
            rows, fractions = rows[kept], fractions[kept]
        return rows, fractions


def _points(system: System, parts: Sequence[tuple[System, Rows, Array]]) -> tuple[Array, Rows]:
    """Compositions of elements and phases in the columns of a system, and the phases."""
    n = len(system)
    rows = np.concatenate([np.empty(0, dtype=np.intp), *(rows for _, rows, _ in parts)])
    points = np.zeros((n + len(rows), n))
    points[:n] = np.eye(n)
    start = n
    for smaller, own, fractions in parts:
        columns = [system.index(j) for j in smaller]
        points[start : start + len(own), columns] = fractions
        start += len(own)
    points[n:] /= points[n:].sum(axis=1, keepdims=True)
    return points, rows.astype(np.intp)
