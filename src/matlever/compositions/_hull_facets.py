"""Lower facets of the convex hull of phases in one chemical system.

Energies are formation energies: the elements lie at zero, phases below. Each lower facet is a
simplex of e phases in equilibrium. Its plane is kept as e chemical potentials, so that the energy
of the hull at a composition x is the largest ``mu @ x`` over the facets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_FACET_ELEMENTS", "Facets", "linear_program", "lower_facets"]

Array = NDArray[np.float64]

# Beyond it the number of facets explodes and a linear program for each composition is faster.
MOST_FACET_ELEMENTS = 8
# A simplex of less than this share of the system stands upright but for rounding.
_FLAT = 1e-13
# The lower facets fill the whole system up to this share, or Qhull met a precision problem.
_FILLED = 1e-7
_TIGHT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
_CELLS = 4_000_000  # numbers in one product of compositions and facets


@dataclass(frozen=True)
class Facets:
    """Lower facets of one system of e elements.

    Attributes
    ----------
    potentials : ndarray of shape (n_facets, e)
        Chemical potentials of the elements at equilibrium of the facet's phases, eV/atom.
    simplices : ndarray of shape (n_facets, e)
        The facet's phases, as positions among the phases given.
    """

    potentials: Array
    simplices: NDArray[np.intp]

    def energies(self, fractions: Array) -> Array:
        """Energy of the hull at n compositions of shape (n, e), of shape (n,), in eV/atom."""
        rows = max(1, _CELLS // len(self.potentials))
        if len(fractions) <= rows:
            found: Array = (fractions @ self.potentials.T).max(axis=1)
            return found
        parts = range(0, len(fractions), rows)
        return np.concatenate([self.energies(fractions[i : i + rows]) for i in parts])

    def containing(self, fractions: Array) -> NDArray[np.intp]:
        """Index of a facet over each of n compositions, of shape (n,)."""
        return np.asarray((fractions @ self.potentials.T).argmax(axis=1))


def lower_facets(fractions: Array, energies: Array) -> Facets | None:
    """Find the lower facets of the hull of p phases.

    Parameters
    ----------
    fractions : ndarray of shape (p, e)
        Compositions; the first e rows are the elements, in order.
    energies : ndarray of shape (p,)
        Formation energies in eV/atom: zero for the elements, negative for all others.

    Returns
    -------
    facets : Facets or None
        None where rounding spoils the result (to be asked by `linear_program` then).
    """
    n_elements = fractions.shape[1]
    if len(fractions) == n_elements:
        return Facets(np.zeros((1, n_elements)), np.arange(n_elements, dtype=np.intp)[None])
    if len(fractions) == n_elements + 1:
        simplices = _around_one(n_elements)[fractions[-1] > 0]
    else:
        simplices = _hull_simplices(fractions, energies)
    volumes = np.abs(np.linalg.det(fractions[simplices]))
    upright = volumes < _FLAT
    simplices = simplices[~upright]
    if abs(volumes[~upright].sum() - 1.0) > _FILLED:
        return None
    potentials = np.linalg.solve(fractions[simplices], energies[simplices][..., None])[..., 0]
    allowed = 1e-9 * max(1.0, float(np.abs(energies).max()))
    if (fractions @ potentials.T > energies[:, None] + allowed).any():
        return None
    return Facets(potentials, simplices)


def _around_one(n_elements: int) -> NDArray[np.intp]:
    """Simplices that one phase makes of the elements: each has it instead of one element."""
    simplices = np.tile(np.arange(n_elements, dtype=np.intp), (n_elements, 1))
    np.fill_diagonal(simplices, n_elements)
    return simplices


def _hull_simplices(fractions: Array, energies: Array) -> NDArray[np.intp]:
    """Simplices of the lower hull, of shape (n, e); upright ones may be among them."""
    from scipy.spatial import ConvexHull, QhullError

    depth = np.abs(energies).max()
    points = np.column_stack([fractions[:, 1:], energies / depth])
    # A point above all makes the hull solid even where all phases lie in one plane. The facets it
    # belongs to are the upper ones.
    summit = np.full((1, points.shape[1]), 1.0 / fractions.shape[1])
    summit[0, -1] = 1.0
    try:
        found = ConvexHull(np.concatenate([points, summit])).simplices
    except QhullError:
        return np.empty((0, fractions.shape[1]), dtype=np.intp)
    return np.asarray(found[(found < len(points)).all(axis=1)], dtype=np.intp)


def linear_program(fractions: Array, energies: Array, composition: Array) -> tuple[float, Array]:
    """Energy of the hull at one composition, by the mixture of phases with the least energy.

    Parameters
    ----------
    fractions : ndarray of shape (p, e)
    energies : ndarray of shape (p,)
    composition : ndarray of shape (e,)

    Returns
    -------
    energy : float
        In eV/atom.
    shares : ndarray of shape (p,)
        Share of the atoms in each phase.
    """
    from scipy.optimize import linprog

    found = linprog(energies, A_eq=fractions.T, b_eq=composition, method="highs-ds", options=_TIGHT)
    if not found.success:
        raise ArithmeticError(f"the linear program over phases failed: {found.message}")
    return float(found.fun), np.asarray(found.x)
