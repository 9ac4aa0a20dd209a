"""One mixture with the limits of its parts: nearest, feasible and random rows of fractions."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import SettingsError
from matlever.knobs._bounded_simplex import (
    choose_support,
    choose_support_with_room,
    draw,
    project_continuous,
    project_steps,
    supports,
)
from matlever.knobs.knob import Knob, Mixture

__all__ = ["MixtureRows"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_MAX_CHOICES = 2000


class MixtureRows:
    """Rows of the p parts of one mixture.

    Parameters
    ----------
    mixture : Mixture
        Total, and how many parts may be above zero.
    knobs : list of Knob
        The knobs of the parts, in the mixture's order.

    Raises
    ------
    SettingsError
        If the limits leave no row, or the kinds and steps do not go together.

    Notes
    -----
    Nearest rows are exact, but where few of many parts with different upper limits may be above
    zero: beyond 2,000 choices of parts the largest are taken, as far as their limits have room.
    """

    def __init__(self, mixture: Mixture, knobs: list[Knob]) -> None:
        self.total = mixture.total
        self.max_parts = mixture.max_parts or len(knobs)
        self.knobs = knobs
        self.lower = np.array([knob.low for knob in knobs])
        self.upper = np.minimum([knob.high for knob in knobs], mixture.total)
        kinds = {(knob.kind, knob.step) for knob in knobs if not knob.fixed}
        if any(kind == "categorical" or (kind == "grid" and not step) for kind, step in kinds):
            raise SettingsError(
                f"The parts {mixture.names} must be continuous or on a grid with a step."
            )
        steps = {1.0 if kind == "integer" else step for kind, step in kinds}
        if len(steps) > 1:
            raise SettingsError(f"The parts {mixture.names} must all have the same step.")
        self.step = steps.pop() if steps else None
        if (self.lower < 0).any():
            raise SettingsError(f"A part of the mixture {mixture.names} has a limit below 0.")
        if self.step is not None:
            self.lower = np.array([knob.allowed[0] for knob in knobs])  # type: ignore[index]
        # Where the parts differ in their limits every choice is tried, unless there are too many.
        optional = int((self.lower == 0).sum())
        slots = max(self.max_parts - (len(knobs) - optional), 0)
        ceiling = np.minimum(self.upper, self.total - self.lower.sum())[self.lower == 0]
        self._many_choices = bool(
            slots < optional and np.ptp(ceiling) > 0 and math.comb(optional, slots) > _MAX_CHOICES
        )
        if not any(knob.fixed for knob in knobs):
            lowest, highest = self._sums(self.lower, self.upper, self.max_parts)
            if not lowest <= self.total <= highest:
                raise SettingsError(
                    f"The parts {mixture.names} can sum to {lowest:g} at least and {highest:g} at "
                    f"most within their limits, but the mixture's total is {self.total:g}."
                )
            if not self._on_steps(np.array([self.total - self.lower.sum()]))[0]:
                raise SettingsError(
                    f"The parts {mixture.names} cannot reach {self.total:g} in steps of "
                    f"{self.step:g}."
                )

    # -- nearest rows -----------------------------------------------------------------------------

    def project(self, v: Array, held: Flags) -> tuple[Array, Flags]:
        """Nearest rows (n, p) with the held parts as they are, and which rows have one (n,)."""
        out = v.copy()
        free = ~held
        room = self.total - np.ascontiguousarray(v[:, held]).sum(axis=1)
        used = (v[:, held] > self._zero).sum(axis=1)
        reached: Flags = np.all(v[:, held] >= -self._zero, axis=1)
        done = self._exact(v, held) & reached
        lower, upper = self.lower[free], self.upper[free]
        for n_used in np.unique(used[~done]):
            slots = max(int(self.max_parts - n_used), 0)
            lowest, highest = self._sums(lower, upper, slots)
            slack = 1e-12 * self.total
            possible = (lowest - slack <= room) & (room <= highest + slack)
            possible &= self._on_steps(room - lower.sum())
            now = (used == n_used) & ~done
            reached[now & ~possible] = False
            now &= possible & reached
            if now.any() and free.any():
                fitted = self._nearest(v[now][:, free], lower, upper, room[now], slots)
                out[np.ix_(now, free)] = fitted
        return out, reached

    def _nearest(self, v: Array, lower: Array, upper: Array, room: Array, slots: int) -> Array:
        required = int((lower > 0).sum())
        if slots >= len(lower):
            return self._solve(v, lower, upper, room)
        n_parts = np.full(len(v), max(slots, required))
        if self._many_choices:
            chosen = choose_support_with_room(v, lower, upper, n_parts, room)
            return self._solve(v, lower, np.where(chosen, upper, 0.0), room)
        choices = supports(lower, upper, self.total, slots)
        if choices is None:
            chosen = choose_support(v, lower, n_parts)
            return self._solve(v, lower, np.where(chosen, upper, 0.0), room)
        best = np.full(v.shape, np.nan)
        smallest = np.full(len(v), np.inf)
        for choice in choices:
            ceiling = np.where(choice, upper, 0.0)
            possible = ceiling.sum() >= room - 1e-12 * self.total
            trial = self._solve(v, lower, ceiling, np.where(possible, room, ceiling.sum()))
            distance = np.where(possible, ((trial - v) ** 2).sum(axis=1), np.inf)
            better = distance < smallest
            best[better], smallest[better] = trial[better], distance[better]
        return best

    def _solve(self, v: Array, lower: Array, upper: Array, room: Array) -> Array:
        if self.step is not None:
            on_steps: Array = np.minimum(project_steps(v, lower, upper, room, self.step), upper)
            return on_steps
        return project_continuous(v, lower, upper, room)

    def _exact(self, v: Array, held: Flags) -> Flags:
        """Rows that are feasible to the last bits, which a projection must not change."""
        free = ~held
        inside = ((v >= self.lower) & (v <= self.upper))[:, free].all(axis=1)
        rounding = 4 * np.finfo(float).eps * self.total * v.shape[1]
        exact: Flags = inside & (np.abs(v.sum(axis=1) - self.total) <= rounding)
        exact &= (v > self._zero).sum(axis=1) <= self.max_parts
        if self.step is not None:
            nearest = np.stack([knob.nearest(v[:, j]) for j, knob in enumerate(self.knobs)], axis=1)
            exact &= (nearest == v)[:, free].all(axis=1)
        return exact

    # -- feasibility ------------------------------------------------------------------------------

    def fits(self, v: Array, tol: float) -> Flags:
        """Whether sum and number of the parts of each row (..., p) are right, of shape (...).

        Within `tol` times the total; the limits of each part are not looked at.
        """
        slack = tol * self.total
        fits: Flags = np.abs(v.sum(axis=-1) - self.total) <= slack
        if self.max_parts < len(self.knobs):
            fits &= self.few_enough(v, tol)
        if any(knob.fixed for knob in self.knobs):  # which no limit keeps from being negative
            fits &= (v >= -slack).all(axis=-1)
        return fits

    def few_enough(self, v: Array, tol: float) -> Flags:
        """Whether at most `max_parts` parts of each row (..., p) are above zero."""
        few: Flags = (v > tol * self.total).sum(axis=-1) <= self.max_parts
        return few

    def stays_few(self, v: Array, directions: Array) -> Flags:
        """Whether no more than `max_parts` are above zero on the way from rows (..., p)."""
        if self.max_parts >= len(self.knobs):
            return np.ones(np.broadcast_shapes(v.shape, directions.shape)[:-1], dtype=bool)
        some = (v > 1e-9 * self.total) | (directions > 1e-9 * self.total)
        few: Flags = some.sum(axis=-1) <= self.max_parts
        return few

    def range_of(self, part: int) -> tuple[float, float]:
        """Lowest and highest value of one part that the others can make room for."""
        others = np.arange(len(self.knobs)) != part
        _, most = self._sums(self.lower[others], self.upper[others], self.max_parts - 1)
        lowest = max(self.lower[part], self.total - most)
        if lowest > self.lower[part]:
            _, without = self._sums(self.lower[others], self.upper[others], self.max_parts)
            if self.lower[part] == 0 and without >= self.total:
                lowest = 0.0
        highest = min(self.upper[part], self.total - self.lower[others].sum())
        return float(lowest), float(highest)

    # -- random rows ------------------------------------------------------------------------------

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Rows (n, p) drawn uniformly, or uniformly over the choices of parts first."""
        p = len(self.lower)
        upper = np.tile(self.upper, (n, 1))
        if self.max_parts < p:
            n_parts = np.full(n, max(self.max_parts, int((self.lower > 0).sum())))
            choices = None
            if not self._many_choices:
                choices = supports(self.lower, self.upper, self.total, self.max_parts)
            if self._many_choices:
                scores, totals = rng.random((n, p)), np.full(n, self.total)
                chosen = choose_support_with_room(scores, self.lower, self.upper, n_parts, totals)
            elif choices is None:  # any choice of parts has room for the total
                chosen = choose_support(rng.random((n, p)), self.lower, n_parts)
            else:
                choices = choices[np.where(choices, self.upper, 0.0).sum(axis=1) >= self.total]
                chosen = choices[rng.integers(len(choices), size=n)]
            upper = np.where(chosen, upper, 0.0)
        lower = np.tile(self.lower, (n, 1))
        drawn = draw(lower, upper, np.full(n, self.total), self.step, rng)
        return np.asarray(np.minimum(drawn, upper))

    # -- helpers ----------------------------------------------------------------------------------

    @property
    def _zero(self) -> float:
        return 1e-12 * self.total

    def _sums(self, lower: Array, upper: Array, slots: int) -> tuple[float, float]:
        """Smallest and largest sum when at most `slots` of the parts are above zero."""
        required = lower > 0
        spare = slots - int(required.sum())
        if spare < 0:
            return np.inf, -np.inf
        if self.step is not None:
            upper = lower + self.step * np.floor((upper - lower) / self.step + 1e-9)
        optional = np.sort(upper[~required])[::-1][:spare]
        return float(lower.sum()), float(upper[required].sum() + optional.sum())

    def _on_steps(self, room: Array) -> Flags:
        if self.step is None:
            return np.ones(len(room), dtype=bool)
        steps = room / self.step
        fits: Flags = np.abs(steps - np.rint(steps)) <= 1e-6
        return fits
