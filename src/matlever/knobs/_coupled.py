"""Nearest feasible settings where linear relations tie knobs together.

Without relations each mixture and each other knob has its nearest value on its own. What these
values do to the relations decides what is left to do:

1. they hold: that is the nearest setting;
2. the knobs in question are continuous: one projection, exact (`nearest_points`);
3. some have steps, or only some parts of a mixture may be present: these are settled first, where
   the continuous projection or their own nearest values put them, and the rest is projected; the
   nearer of the two is near, not always nearest;
4. that leads nowhere: the knobs with steps are settled one by one, the coarsest first, each where
   the projection of all that are left puts it or on the step on the other side;
5. nor does that: a mixed-integer program finds the nearest steps in scaled L1 distance.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import SettingsError
from matlever.knobs._box import Box
from matlever.knobs._hit_and_run import centre, hit_and_run
from matlever.knobs._integer_program import IntegerProgram
from matlever.knobs._polytope import nearest_points
from matlever.knobs._relation_rows import RelationRows
from matlever.knobs.knob import Knob, Mixture

__all__ = ["Coupled"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

# Relations hold at least so well, as a share of what the knobs can change in them.
_TIGHT = 1e-10
_REJECTION_ROUNDS = 64


class Coupled:
    """The knobs that relations tie together, directly or through a mixture.

    Parameters
    ----------
    knobs : tuple of Knob
        All k knobs, in order.
    mixtures : tuple of Mixture
        Their mixtures.
    rows : RelationRows
        Their relations.
    box : Box
        Their limits.
    scale : ndarray of shape (k,)
        Units in which distances are Euclidean; one for all parts of a mixture.
    """

    def __init__(
        self,
        knobs: tuple[Knob, ...],
        mixtures: tuple[Mixture, ...],
        rows: RelationRows,
        box: Box,
        scale: Array,
    ) -> None:
        self._knobs, self._rows, self._box, self._scale = knobs, rows, box, scale
        self._program = IntegerProgram(knobs, mixtures, rows, scale)
        position = {knob.name: j for j, knob in enumerate(knobs)}
        tied = (rows.matrix != 0).any(axis=0)
        equations: list[Array] = []
        totals: list[float] = []
        self._few = np.zeros(len(knobs), dtype=bool)
        for mixture in mixtures:
            columns = [position[name] for name in mixture.names]
            if not tied[columns].any():
                continue
            tied[columns] = True
            equations.append(np.isin(np.arange(len(knobs)), columns).astype(float))
            totals.append(mixture.total)
            self._few[columns] = mixture.max_parts not in (None, len(columns))
        self.columns = np.flatnonzero(tied)
        matrix = np.vstack([rows.matrix, *equations])[:, self.columns]
        self._matrix = matrix * scale[self.columns]
        self._least = np.concatenate([rows.least, totals])
        self._most = np.concatenate([rows.most, totals])
        self._has_steps = np.array([knob.kind != "continuous" for knob in knobs])
        gaps = np.array([_largest_gap(knob) for knob in knobs])
        reach = (np.abs(rows.matrix) / rows.size[:, None]).max(axis=0) * gaps
        order = np.argsort(-reach, kind="stable")
        self._coarsest_first = [j for j in order.tolist() if tied[j] and gaps[j] > 0]
        equal = rows.least >= rows.most
        # Draws from the box hit an equation of continuous knobs with probability zero.
        self._never_by_chance = bool((rows.matrix[equal][:, ~self._has_steps] != 0).any())

    def check(self, fixed: Flags) -> None:
        """Refuse relations that no setting keeps; fixed knobs may stand anywhere.

        Raises
        ------
        SettingsError
            If there is no feasible setting; it names the relation that alone is impossible, or all.
        """
        if self._program.is_possible(fixed):
            return
        for relation, a in zip(self._rows.relations, self._rows.matrix, strict=True):
            if not fixed[a != 0].any():
                low, high = self._program.extent(a, with_relations=False)
                if not (relation.least <= high and relation.most >= low):
                    raise SettingsError(
                        f"{relation} is impossible: within the limits of the knobs "
                        f"{relation.label} is {low:.6g} to {high:.6g}."
                    )
        raise SettingsError(
            f"No setting keeps {'; '.join(map(str, self._rows.relations))} within the limits of "
            "the knobs and the sums of the mixtures."
        )

    def ends(self, j: int) -> Array:
        """Return settings (2, k) at the lowest and the highest value of one knob."""
        return self._program.ends(j)

    def project(
        self,
        v: Array,
        apart: Array,
        held: Flags,
        put_apart: Callable[[Array], Array],
    ) -> Array:
        """Nearest settings that keep the relations as well.

        Parameters
        ----------
        v : ndarray of shape (n, k)
            Settings as they were given.
        apart : ndarray of shape (n, k)
            Their nearest ones without the relations; NaN where there is none.
        held : ndarray of shape (k,)
            Knobs that do not move.
        put_apart : callable
            Takes settings, returns the nearest ones without the relations.

        Returns
        -------
        found : ndarray of shape (n, k)
            NaN where nothing is feasible.
        """
        found = apart.copy()
        todo = np.flatnonzero(np.isfinite(apart).all(axis=1))
        todo = todo[~self._rows.fits(apart[todo], _TIGHT)]
        if not len(todo):
            return found
        goal, start = v[todo], apart[todo]
        lower = np.where(held, goal, self._box.lower)
        upper = np.where(held, goal, self._box.upper)
        nearest, exists = self._move(goal, start, lower, upper)
        settles = ~held & (self._has_steps | self._few)
        if not settles[self.columns].any():
            nearest = self._checked(np.where(exists[:, None], nearest, np.nan), put_apart)
        else:
            nearest[~exists] = np.nan
            relaxed, limits = nearest, (lower, upper)
            nearest = self._settled(goal, start, relaxed, limits, settles, put_apart)
            left = np.flatnonzero(exists & np.isnan(nearest).any(axis=1))
            if len(left):
                nearest[left] = self._one_by_one(
                    goal[left], relaxed[left], (lower[left], upper[left]), settles, put_apart
                )
            for i in np.flatnonzero(exists & np.isnan(nearest).any(axis=1)).tolist():
                nearest[i] = self._last_resort(goal[i], held, settles, put_apart)
        found[todo] = nearest
        return found

    def draw(
        self,
        n: int,
        rng: np.random.Generator,
        draw_apart: Callable[[int], Array],
        put_apart: Callable[[Array], Array],
    ) -> Array:
        """Draw n settings (n, k): what fits of draws without relations, the rest by a walk."""
        parts, missing = [], n
        for _ in range(0 if self._never_by_chance else _REJECTION_ROUNDS):
            drawn = draw_apart(max(2 * missing, 64))
            parts.append(drawn[self._rows.fits(drawn, 0.0)][:missing])
            missing -= len(parts[-1])
            if not missing:
                break
        if missing:
            parts.append(self._walk(missing, rng, draw_apart, put_apart))
        return np.concatenate(parts)

    def _walk(
        self,
        n: int,
        rng: np.random.Generator,
        draw_apart: Callable[[int], Array],
        put_apart: Callable[[Array], Array],
    ) -> Array:
        none = np.zeros(len(self._scale), dtype=bool)
        drawn = draw_apart(n)
        start = self.project(drawn, put_apart(drawn), none, put_apart)
        if np.isnan(start).any():
            raise SettingsError("Some draws lead to no setting that keeps the relations.")
        some, scale = self.columns, self._scale[self.columns]
        x = start[:, some] / scale
        moves = ~(self._has_steps | self._few & (start <= 1e-12 * self._scale))[:, some]
        if not moves.any():
            return start
        equal = self._least >= self._most
        limits = (
            self._box.lower[some] / scale,
            self._box.upper[some] / scale,
            self._matrix[equal],
            self._matrix[~equal],
            self._least[~equal],
            self._most[~equal],
        )
        # Walkers with the same steps and the same parts share a middle to set out from.
        key = np.concatenate([moves, np.where(moves, 0.0, x)], axis=1)
        _, first, group = np.unique(key, axis=0, return_index=True, return_inverse=True)
        middles = np.array([centre(x[i], moves[i], *limits) for i in first.tolist()])[group.ravel()]
        x = middles + 0.9 * rng.random((n, 1)) * (x - middles)
        end = start.copy()
        end[:, some] = np.clip(
            hit_and_run(x, moves, *limits, rng) * scale,
            self._box.lower[some],
            self._box.upper[some],
        )
        end[:, self._has_steps] = start[:, self._has_steps]
        return self.project(end, put_apart(end), none, put_apart)

    def _settled(
        self,
        goal: Array,
        start: Array,
        relaxed: Array,
        limits: tuple[Array, Array],
        settles: Flags,
        put_apart: Callable[[Array], Array],
    ) -> Array:
        """Settle steps and absent parts in two ways, project the rest, and keep the nearer."""
        best, smallest = np.full_like(goal, np.nan), np.full(len(goal), np.inf)
        for choice in (put_apart(relaxed), start):
            trial = self._rest(goal, choice, limits, settles, put_apart)
            distance = (((trial - goal) / self._scale)[:, self.columns] ** 2).sum(axis=1)
            nearer = distance < smallest  # not where it is NaN
            best[nearer], smallest[nearer] = trial[nearer], distance[nearer]
        return best

    def _one_by_one(
        self,
        goal: Array,
        relaxed: Array,
        limits: tuple[Array, Array],
        settles: Flags,
        put_apart: Callable[[Array], Array],
    ) -> Array:
        """Settle one knob with steps after the other and project what is left each time."""
        lower, upper = limits[0].copy(), limits[1].copy()
        choice = put_apart(relaxed)
        absent = settles & self._few & (choice <= 1e-12 * self._scale)
        lower[absent], upper[absent] = 0.0, 0.0
        x, exists = self._move(goal, choice, lower, upper)
        for j in self._coarsest_first:
            if not settles[j]:
                continue
            knob = self._knobs[j]
            first = np.clip(knob.nearest(x[:, j]), lower[:, j], upper[:, j])
            allowed = np.asarray(knob.allowed)
            side = np.where(x[:, j] > first, 1, -1) + np.searchsorted(allowed, first - 1e-12)
            second = allowed[side.clip(0, len(allowed) - 1)]
            lower[:, j] = upper[:, j] = first
            trial, fits = self._move(goal, x, lower, upper)
            other = np.flatnonzero(~fits & exists)
            if len(other):
                lower[other, j] = upper[other, j] = second[other]
                trial[other], fits[other] = self._move(
                    goal[other], x[other], lower[other], upper[other]
                )
            x, exists = np.where(fits[:, None], trial, x), exists & fits
        x[~exists] = np.nan
        return self._checked(x, put_apart)

    def _rest(
        self,
        goal: Array,
        choice: Array,
        limits: tuple[Array, Array],
        settles: Flags,
        put_apart: Callable[[Array], Array],
    ) -> Array:
        """Project what has no steps, with steps and absent parts as in `choice`."""
        known = np.isfinite(choice).all(axis=1)
        stays = settles & self._has_steps | settles & (choice <= 1e-12 * self._scale)
        lower, upper = np.where(stays, choice, limits[0]), np.where(stays, choice, limits[1])
        moved = np.full_like(goal, np.nan)
        moved[known], exists = self._move(goal[known], choice[known], lower[known], upper[known])
        moved[np.flatnonzero(known)[~exists]] = np.nan
        return self._checked(moved, put_apart)

    def _last_resort(
        self, goal: Array, held: Flags, settles: Flags, put_apart: Callable[[Array], Array]
    ) -> Array:
        choice = self._program.nearest(goal, held)
        if choice is None:
            return np.full_like(goal, np.nan)
        choice = np.where(settles & (choice <= 1e-6 * self._scale) & self._few, 0.0, choice)[None]
        limits = (
            np.where(held, goal, self._box.lower)[None],
            np.where(held, goal, self._box.upper)[None],
        )
        steps = np.where(settles & self._has_steps, self._box.snap(choice), choice)
        found = self._rest(goal[None], steps, limits, settles, put_apart)
        if np.isnan(found).any():  # the program's own rounding: let the gate's tolerance decide
            found = self._checked(steps, put_apart)
        nearest: Array = found[0]
        return nearest

    def _move(self, goal: Array, start: Array, lower: Array, upper: Array) -> tuple[Array, Flags]:
        """Project the tied columns; the others are those of `start`."""
        some, scale = self.columns, self._scale[self.columns]
        x, exists = nearest_points(
            goal[:, some] / scale,
            lower[:, some] / scale,
            upper[:, some] / scale,
            self._matrix,
            self._least,
            self._most,
        )
        moved = start.copy()
        moved[:, some] = np.clip(x * scale, lower[:, some], upper[:, some])
        return moved, exists

    def _checked(self, v: Array, put_apart: Callable[[Array], Array]) -> Array:
        """Return settings exact for each mixture and knob, NaN where relations do not hold then."""
        out = np.full_like(v, np.nan)
        known = np.isfinite(v).all(axis=1)
        exact = put_apart(v[known])
        good = np.asarray(np.isfinite(exact).all(axis=1))
        good[good] = self._rows.fits(exact[good], _TIGHT)
        out[np.flatnonzero(known)[good]] = exact[good]
        return out


def _largest_gap(knob: Knob) -> float:
    """Largest distance between neighbouring values of a knob with steps; 0 for a continuous one."""
    allowed = knob.allowed
    return 0.0 if allowed is None or len(allowed) < 2 else float(np.diff(allowed).max())
