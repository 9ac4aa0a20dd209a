"""The linear relations of a space as rows of numbers: totals, limits, and what rounding may do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import SettingsError
from matlever.knobs.knob import Knob
from matlever.knobs.relation import LinearRelation

__all__ = ["RelationRows"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


class RelationRows:
    """The m relations of k knobs.

    Parameters
    ----------
    relations : tuple of LinearRelation
        The relations.
    knobs : tuple of Knob
        The knobs, in order.
    scale : ndarray of shape (k,)
        What counts as a whole change of each knob, in its unit.

    Attributes
    ----------
    matrix : ndarray of shape (m, k)
        Coefficients.
    least, most : ndarray of shape (m,)
        Limits; infinite where there is none.
    size : ndarray of shape (m,)
        Change of each total when all its knobs change by their scale; a tolerance counts in it.

    Raises
    ------
    SettingsError
        If a relation names an unknown or a categorical knob.
    """

    def __init__(
        self, relations: tuple[LinearRelation, ...], knobs: tuple[Knob, ...], scale: Array
    ) -> None:
        self.relations = relations
        position = {knob.name: j for j, knob in enumerate(knobs)}
        faults = []
        for relation in relations:
            for name in relation.names:
                if name not in position:
                    faults.append(
                        f"The relation {relation} names {name!r}, which is no knob; there are "
                        f"{list(position)}."
                    )
                elif knobs[position[name]].kind == "categorical":
                    faults.append(
                        f"The relation {relation} names {name!r}, which has levels, not numbers."
                    )
        if faults:
            raise SettingsError("\n".join(faults))
        self.matrix = np.zeros((len(relations), len(knobs)))
        for i, relation in enumerate(relations):
            for name, a in relation.coefficients.items():
                self.matrix[i, position[name]] = a
        self.least = np.array([relation.least for relation in relations])
        self.most = np.array([relation.most for relation in relations])
        self.size = np.abs(self.matrix) @ scale
        largest = np.array([max(abs(knob.low), abs(knob.high)) for knob in knobs])
        self._rounding = 64 * np.finfo(float).eps * (np.abs(self.matrix) @ largest)

    def totals(self, v: Array) -> Array:
        """Return the weighted sums (..., m) of settings (..., k)."""
        totals = np.empty((*v.shape[:-1], len(self.matrix)))
        for i, a in enumerate(self.matrix):
            columns = np.flatnonzero(a)
            # Not a matrix product, and in order: the last bits must not depend on the other rows.
            totals[..., i] = np.ascontiguousarray(v[..., columns] * a[columns]).sum(axis=-1)
        return totals

    def fits(self, v: Array, tol: float) -> Flags:
        """Whether all relations hold for each setting (..., k), of shape (...)."""
        totals, slack = self.totals(v), tol * self.size + self._rounding
        fits: Flags = ((totals >= self.least - slack) & (totals <= self.most + slack)).all(axis=-1)
        return fits

    def violations(self, v: Array, tol: float) -> list[str]:
        """Say which relations do not hold for one setting (k,)."""
        slack = tol * self.size + self._rounding
        return [
            f"{relation.label} = {total:.6g}, but {relation}"
            for relation, total, s in zip(self.relations, self.totals(v), slack, strict=True)
            if not relation.least - s <= total <= relation.most + s
        ]

    def free_ways(self, v: Array, directions: Array) -> tuple[Array, Array, Array, Flags]:
        """Return what relations leave of directions (n, r, k) from settings (n, k).

        Returns
        -------
        changes : ndarray of shape (n, r, m)
            Change of each total over a whole step.
        below, above : ndarray of shape (n, m)
            Ways of the totals to their limits; endless for equations.
        keeps : ndarray of shape (n, r)
            Whether the direction keeps the totals of the equations.
        """
        totals, changes = self.totals(v), self.totals(directions)
        equal = self.least >= self.most
        closest = 1e-10 * self.size + self._rounding  # what projecting leaves
        below = np.where(equal, np.inf, np.maximum(totals - self.least, closest))
        above = np.where(equal, np.inf, np.maximum(self.most - totals, closest))
        keeps = np.ones(changes.shape[:-1], dtype=bool)
        for i in np.flatnonzero(equal):
            most = np.abs(directions * self.matrix[i]).sum(axis=-1)
            keeps &= np.abs(changes[..., i]) <= np.maximum(1e-9 * most, closest[i])
        return changes, below, above, keeps
