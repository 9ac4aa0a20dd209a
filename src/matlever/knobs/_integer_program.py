"""Feasible settings as a mixed-integer linear program: steps, grids, few parts and relations alike.

Solved by HiGHS through scipy, exactly but one setting at a time (milliseconds each): only for what
the faster ways cannot answer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matlever.knobs._relation_rows import RelationRows
from matlever.knobs.knob import Knob, Mixture

__all__ = ["IntegerProgram"]

Array = NDArray[np.float64]

_FAR = 1e6  # scaled units that no knob goes beyond, fixed or not


class IntegerProgram:
    """All limits of k knobs, their mixtures and relations.

    The program's variables are the settings in units of `scale`, then the helpers: the steps of
    each knob with steps, a flag per value of an uneven grid, a flag per part that may be absent.
    Categorical knobs are in no relation and stay out.

    Parameters
    ----------
    knobs : tuple of Knob
        The knobs, in order.
    mixtures : tuple of Mixture
        Their mixtures.
    rows : RelationRows
        Their relations.
    scale : ndarray of shape (k,)
        What counts as a whole change of each knob, in its unit.
    """

    def __init__(
        self,
        knobs: tuple[Knob, ...],
        mixtures: tuple[Mixture, ...],
        rows: RelationRows,
        scale: Array,
    ) -> None:
        self._knobs, self._scale = knobs, scale
        k = len(knobs)
        self._lower, self._upper = [-np.inf] * k, [np.inf] * k
        self._whole = [0] * k
        self._entries: list[dict[int, float]] = []
        self._least: list[float] = []
        self._most: list[float] = []
        self._steps: dict[int, tuple[int, ...]] = {}
        parts = {name for mixture in mixtures for name in mixture.names}
        self._is_part = np.array([knob.name in parts for knob in knobs])
        for j, knob in enumerate(knobs):
            if knob.kind != "categorical":
                self._add_knob(j, knob)
        position = {knob.name: j for j, knob in enumerate(knobs)}
        for mixture in mixtures:
            self._add_mixture([position[name] for name in mixture.names], mixture)
        self._n_relations = len(rows.matrix)
        for a, least, most, size in zip(rows.matrix, rows.least, rows.most, rows.size, strict=True):
            self._add_row(
                {j: a[j] * scale[j] / size for j in np.flatnonzero(a).tolist()},
                least / size,
                most / size,
            )

    def nearest(self, target: Array, held: NDArray[np.bool_]) -> Array | None:
        """Nearest feasible setting of one (k,) in scaled L1 distance; None where there is none.

        Parameters
        ----------
        target : ndarray of shape (k,)
            The setting.
        held : ndarray of shape (k,)
            Knobs that stay at the target, whatever their limits.
        """
        k, n = len(self._knobs), len(self._lower)
        goal = target / self._scale
        lower, upper = np.array(self._lower), np.array(self._upper)
        moves = np.array([knob.kind != "categorical" for knob in self._knobs]) & ~held
        lower[:k], upper[:k] = np.where(moves, lower[:k], goal), np.where(moves, upper[:k], goal)
        entries, least, most = self._rows(held)
        # One more variable per knob: its distance d >= x - v, d >= v - x.
        for j in np.flatnonzero(moves).tolist():
            entries += [{j: 1.0, n + j: -1.0}, {j: -1.0, n + j: -1.0}]
            least += [-np.inf, -np.inf]
            most += [goal[j], -goal[j]]
        cost = np.concatenate([np.zeros(n), moves.astype(float)])
        lower = np.concatenate([lower, np.zeros(k)])
        upper = np.concatenate([upper, np.full(k, np.inf)])
        found = _solve(cost, entries, least, most, lower, upper, [*self._whole, *[0] * k])
        if found is None:
            return None
        return np.where(moves, found[:k] * self._scale, target)

    def is_possible(self, held: NDArray[np.bool_]) -> bool:
        """Whether there is a feasible setting when knobs in `held` may have any value."""
        k, n = len(self._knobs), len(self._lower)
        lower, upper = np.array(self._lower), np.array(self._upper)
        lower[:k] = np.where(held, np.where(self._is_part, 0.0, -_FAR), lower[:k])
        upper[:k] = np.where(held, _FAR, upper[:k])
        return _solve(np.zeros(n), *self._rows(held), lower, upper, self._whole) is not None

    def extent(self, weights: Array, *, with_relations: bool = True) -> tuple[float, float]:
        """Least and most of a weighted sum (k,) of the knobs over all feasible settings.

        Fixed knobs are anywhere between their limits.
        """
        low, high = self._extremes(weights, with_relations) @ weights
        return float(low), float(high)

    def ends(self, j: int) -> Array:
        """Feasible settings (2, k) with the lowest and the highest value of one knob."""
        return self._extremes(np.eye(len(self._knobs))[j], True)

    def _extremes(self, weights: Array, with_relations: bool) -> Array:
        k, n = len(self._knobs), len(self._lower)
        entries, least, most = self._rows(np.zeros(k, dtype=bool))
        count = len(entries) if with_relations else len(entries) - self._n_relations
        words = np.array([knob.kind == "categorical" for knob in self._knobs])
        lower, upper = np.array(self._lower), np.array(self._upper)
        lower[:k], upper[:k] = np.where(words, 0.0, lower[:k]), np.where(words, 0.0, upper[:k])
        ends = np.full((2, k), np.nan)
        for row, sign in enumerate((1.0, -1.0)):
            cost = np.concatenate([sign * weights * self._scale, np.zeros(n - k)])
            found = _solve(
                cost, entries[:count], least[:count], most[:count], lower, upper, self._whole
            )
            if found is not None:
                ends[row] = found[:k] * self._scale
        return ends

    # -- building ---------------------------------------------------------------------------------

    def _add_knob(self, j: int, knob: Knob) -> None:
        allowed, scale = knob.allowed, float(self._scale[j])
        low, high = (knob.low, knob.high) if allowed is None else (allowed[0], allowed[-1])
        self._lower[j], self._upper[j] = float(low) / scale, float(high) / scale
        first = len(self._entries)
        if allowed is not None and knob.kind == "grid" and knob.levels:
            flags = [self._add_variable(0, 1, whole=True) for _ in allowed]
            self._add_row(dict.fromkeys(flags, 1.0), 1.0, 1.0)
            values = dict(zip(flags, (allowed / scale).tolist(), strict=True))
            self._add_row({j: -1.0, **values}, 0.0, 0.0)
        elif allowed is not None:
            step = 1.0 if knob.step is None else float(knob.step)
            count = self._add_variable(0, len(allowed) - 1, whole=True)
            base = float(low) / scale
            self._add_row({j: 1.0, count: -step / scale}, base, base)
        self._steps[j] = tuple(range(first, len(self._entries)))

    def _add_mixture(self, parts: list[int], mixture: Mixture) -> None:
        total = mixture.total
        self._add_row({j: float(self._scale[j]) / total for j in parts}, 1.0, 1.0)
        for j in parts:
            self._upper[j] = min(self._upper[j], total / float(self._scale[j]))
        if mixture.max_parts is None or mixture.max_parts >= len(parts):
            return
        flags = {}
        for j in parts:
            flags[j] = self._add_variable(0, 1, whole=True)
            self._add_row({j: float(self._scale[j]) / total, flags[j]: -1.0}, -np.inf, 0.0)
        self._add_row(dict.fromkeys(flags.values(), 1.0), 0.0, float(mixture.max_parts))

    def _add_variable(self, lower: float, upper: float, *, whole: bool) -> int:
        self._lower.append(lower)
        self._upper.append(upper)
        self._whole.append(int(whole))
        return len(self._lower) - 1

    def _add_row(self, entries: dict[int, float], least: float, most: float) -> None:
        self._entries.append(entries)
        self._least.append(least)
        self._most.append(most)

    def _rows(
        self, held: NDArray[np.bool_]
    ) -> tuple[list[dict[int, float]], list[float], list[float]]:
        """Rows that hold, with their limits: a held knob need not be on its steps."""
        off = {row for j in np.flatnonzero(held).tolist() for row in self._steps.get(j, ())}
        kept = [i for i in range(len(self._entries)) if i not in off]
        return (
            [self._entries[i] for i in kept],
            [self._least[i] for i in kept],
            [self._most[i] for i in kept],
        )


def _solve(
    cost: Array,
    entries: list[dict[int, float]],
    least: list[float],
    most: list[float],
    lower: Array,
    upper: Array,
    whole: list[int],
) -> Array | None:
    from scipy.optimize import Bounds, LinearConstraint, milp

    matrix = np.zeros((len(entries), len(cost)))
    for i, row in enumerate(entries):
        for j, a in row.items():
            matrix[i, j] += a
    for presolve in (False, True):  # with its presolve HiGHS now and then ends in an error
        found = milp(
            cost,
            integrality=np.array(whole),
            bounds=Bounds(lower, upper),
            constraints=LinearConstraint(matrix, np.array(least), np.array(most)),
            options={"presolve": presolve},
        )
        if found.status in (0, 2):
            break
    return None if found.x is None else np.asarray(found.x, dtype=float)
