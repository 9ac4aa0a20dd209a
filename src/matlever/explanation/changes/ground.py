"""Where answers may lie, what a change costs, and how any point becomes an allowed one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matlever.knobs import KnobSpace

__all__ = ["Ground", "Problems"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Index = NDArray[np.intp]

# A change below this share of a knob's range is no change: nobody can set it. In mixtures and
# relations, where others have to give way, only rounding is none.
_UNCHANGED, _ROUNDING = 1e-4, 1e-7
# A knob that costs nothing is still turned no further than it must be.
_LEAST_COST = 1e-6


@dataclass(frozen=True)
class Problems:
    """One answer is looked for in each of b problems.

    Attributes
    ----------
    sample : ndarray of shape (b,)
        Position of the sample.
    start : ndarray of shape (b, k)
        Where it stands.
    lower, upper : ndarray of shape (b, k)
        Limits within those of the knobs; the start is between them.
    """

    sample: Index
    start: Array
    lower: Array
    upper: Array

    def take(self, rows: Index | Flags) -> Problems:
        """Return some of the problems."""
        return Problems(self.sample[rows], self.start[rows], self.lower[rows], self.upper[rows])

    def __len__(self) -> int:
        return len(self.sample)


class Ground:
    """The knobs of one call: which are free, what their changes cost, how many may change.

    Parameters
    ----------
    space : KnobSpace
        The k knobs.
    hold : tuple of str, default=()
        Knobs that stay where they are.
    max_changes : int or None, default=None
        At most so many knobs change.

    Attributes
    ----------
    space : KnobSpace
        The same knobs with the held ones fixed.
    free, alone, is_categorical : ndarray of bool of shape (k,)
        Knobs that can be turned; those of them that are in no mixture; those with levels.
    mixtures : list of ndarray
        Columns of the free parts of each mixture.
    is_box : bool
        Whether there are neither mixtures nor relations.
    relations, sums : ndarrays of shape (r, k) and (r, 2)
        Coefficients of the linear relations, and the limits of their sums.
    """

    def __init__(
        self, space: KnobSpace, hold: tuple[str, ...] = (), max_changes: int | None = None
    ) -> None:
        self.space = _with_fixed(space, hold)
        self.k = len(space)
        self.max_changes = max_changes
        self.is_categorical = space.is_categorical
        self.free = ~self.space.is_fixed
        width = np.where(self.is_categorical, 1.0, space.upper - space.lower)
        self.width = np.where(width > 0, width, 1.0)
        cost = np.array([knob.cost for knob in space.knobs], dtype=float)
        self.cost = np.where(self.free, cost, 0.0) / self.width
        self.weight = np.where(self.free, np.maximum(cost, _LEAST_COST), 0.0) / self.width
        parts = [space.positions(mixture.names) for mixture in space.mixtures]
        self.mixtures = [columns[self.free[columns]] for columns in parts]
        self.alone = self.free.copy()
        for columns in self.mixtures:
            self.alone[columns] = False
        relations = getattr(space, "relations", ())
        self.is_box = not space.mixtures and not relations
        self.relations = np.zeros((len(relations), self.k))
        for row, relation in zip(self.relations, relations, strict=True):
            row[space.positions(relation.names)] = list(relation.coefficients.values())
        self.sums = np.array([[relation.least, relation.most] for relation in relations])
        self.sums = self.sums.reshape(-1, 2)
        is_bound = ~self.alone | (self.relations != 0).any(axis=0)
        self.smallest = np.where(is_bound, _ROUNDING, _UNCHANGED) * self.width

    def problems(self, start: Array) -> Problems:
        """Return one problem per sample, from where the samples stand (n, k)."""
        lower = np.where(self.free, self.space.lower, start)
        upper = np.where(self.free, self.space.upper, start)
        return Problems(np.arange(len(start)), start, lower, upper)

    def spend(self, start: Array, end: Array) -> Array:
        """Return what the search minimises: the cost, where no knob is quite free of it."""
        spend: Array = (self._change(start, end) * self.weight).sum(axis=-1)
        return spend

    def change_cost(self, start: Array, end: Array) -> Array:
        """`KnobSpace.change_cost`, with the same bits whatever other rows there are."""
        cost: Array = (self._change(start, end) * self.cost).sum(axis=-1)
        return cost

    def _change(self, start: Array, end: Array) -> Array:
        change = np.abs(end - start)
        if self.is_categorical.any():
            change[..., self.is_categorical] = change[..., self.is_categorical] > 0.5
        return change

    def changed(self, start: Array, end: Array) -> Flags:
        """Which knobs of settings (..., k) have changed."""
        changed: Flags = np.abs(end - start) > self.smallest
        return changed

    def settle(self, problems: Problems, values: Array) -> tuple[Array, Flags]:
        """Return the nearest allowed settings, and which exist.

        Parameters
        ----------
        problems : Problems of length b
            Whose limits hold.
        values : ndarray of shape (b, k) or (b, r, k)
            Settings, finite.

        Returns
        -------
        settings : ndarray of the shape of `values`
            Always feasible for the space.
        allowed : ndarray of shape (b,) or (b, r)
            False where the limits of the problem or the number of changes cannot be kept.
        """
        middle = (slice(None), *([None] * (values.ndim - 2)))
        start, lower, upper = (
            side[middle] for side in (problems.start, problems.lower, problems.upper)
        )
        v = np.clip(values, lower, upper)
        v = np.where(self.changed(start, v), v, start)
        settled = self.space.project(v, unreachable="nan")
        exists: Flags = np.asarray(np.isfinite(settled).all(axis=-1))
        settled = np.where(exists[..., None], settled, start)
        slack = 1e-9 * self.width
        inside = (settled >= lower - slack) & (settled <= upper + slack)
        allowed: Flags = np.asarray(exists & inside.all(axis=-1))
        if self.max_changes is not None:
            allowed &= self.changed(start, settled).sum(axis=-1) <= self.max_changes
        return settled, allowed

    def thin(self, problems: Problems, values: Array) -> Array:
        """Return settings (b, r, k) with no more than `max_changes` knobs away from the start.

        Those that changed most for their cost stay changed.
        """
        if self.max_changes is None:
            return values
        start = problems.start[:, None]
        share = np.abs(values - start) / self.width
        rank = np.argsort(np.argsort(-share, axis=-1, kind="stable"), axis=-1, kind="stable")
        return np.where(rank < self.max_changes, values, start)


def _with_fixed(space: KnobSpace, hold: tuple[str, ...]) -> KnobSpace:
    space.positions(hold)
    if not hold:
        return space
    knobs = [replace(knob, fixed=knob.fixed or knob.name in hold) for knob in space.knobs]
    relations = getattr(space, "relations", ())
    return KnobSpace(knobs, space.mixtures, *([relations] if relations else []))
