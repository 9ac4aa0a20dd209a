"""The set of settings that exist: knobs with their limits, mixtures, and linear relations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import DataError, SettingsError
from matlever.knobs._limits import ActiveLimit, KnobLimits
from matlever.knobs._room import in_plane, steps_used
from matlever.knobs.knob import Knob, Mixture
from matlever.knobs.relation import LinearRelation

__all__ = ["ActiveLimit", "KnobSpace"]

Array = NDArray[np.float64]


class KnobSpace(KnobLimits):
    """An ordered set of k knobs, and everything that says which settings exist.

    Settings are float arrays whose last axis has length k, in the order and the units of the knobs
    (categorical: index of the level). A setting is *feasible* when each knob has an allowed value,
    the parts of each mixture have the mixture's sum, no more of them than allowed are above zero,
    and every linear relation holds. Fixed knobs stay where they are: they are neither moved nor
    held against their own limits, but they count in sums and relations.

    Parameters
    ----------
    knobs : sequence of Knob
        The knobs; their names must differ.
    mixtures : sequence of Mixture, default=()
        Groups of continuous or grid knobs with a fixed sum; no knob may be in two of them. Grid
        knobs of one mixture must share one step.
    relations : sequence of LinearRelation, default=()
        Limits of weighted sums of knobs that are not categorical.

    Raises
    ------
    SettingsError
        If names repeat or are unknown, or no feasible setting exists.

    Examples
    --------
    >>> iron, nickel = Knob("Fe", lower=0, upper=1), Knob("Ni", lower=0, upper=1)
    >>> anneal = Knob("anneal", "K", lower=300, upper=900)
    >>> space = KnobSpace([iron, nickel, anneal], [Mixture(("Fe", "Ni"))])
    >>> space.project([0.8, 0.6, 1200.0])
    array([6.e-01, 4.e-01, 9.e+02])
    >>> budget = LinearRelation({"Ni": 200, "anneal": 0.1}, upper=100)
    >>> space = KnobSpace(space.knobs, space.mixtures, [budget])
    >>> space.is_feasible([[0.8, 0.2, 600.0], [0.5, 0.5, 600.0]])
    array([ True, False])
    """

    def __init__(
        self,
        knobs: Iterable[Knob],
        mixtures: Iterable[Mixture] = (),
        relations: Iterable[LinearRelation] = (),
    ) -> None:
        super().__init__(knobs, mixtures, relations)
        self._alone = [j for j, name in enumerate(self.names) if self.mixture_of(name) is None]
        cost = np.array([knob.cost for knob in self.knobs])
        self._cost = np.where(self._fixed, 0.0, cost / np.where(self._words, 1, self._widths))
        self._rigid = np.flatnonzero(self._fixed | self._words)
        self._coupled = None
        if self.relations:
            # Imported here: most spaces have no relation and need no solver.
            from matlever.knobs._coupled import Coupled

            self._coupled = Coupled(
                self.knobs, self.mixtures, self._related, self._box, self._scales
            )
            self._coupled.check(self._fixed)

    # -- nearest settings -------------------------------------------------------------------------

    def project(
        self,
        values: ArrayLike,
        *,
        hold: Sequence[str] = (),
        unreachable: Literal["raise", "nan"] = "raise",
    ) -> Array:
        """Nearest feasible settings, in Euclidean distance; feasible settings do not change.

        Where linear relations tie knobs of different units together, each counts in units of the
        distance between its limits, and the parts of a mixture in units of its total.

        Parameters
        ----------
        values : array_like of shape (..., k)
            Settings, finite.
        hold : sequence of str, default=()
            Knobs that stay where they are, like fixed ones; the other parts of their mixture and
            the other knobs of their relations make room.
        unreachable : {"raise", "nan"}, default="raise"
            What to do with settings whose held knobs leave no feasible setting.

        Returns
        -------
        feasible : ndarray of shape (..., k)

        Raises
        ------
        DataError
            If a value is not finite, or held knobs leave no feasible setting.

        Notes
        -----
        Exact for each knob and mixture on its own, and where relations tie continuous knobs. Where
        they tie knobs with steps, or mixtures with few parts, these are settled first and the
        result is near, not always nearest.
        """
        v = self._settings(values)
        if not np.isfinite(v).all():
            raise DataError("A setting is not a finite number; fill or drop missing values first.")
        flat = v.reshape(-1, self.n_knobs)
        held = self._fixed.copy()
        held[self.positions(hold)] = True
        found = self._apart(flat, held, unreachable)
        if self._coupled is not None:
            apart = found
            found = self._coupled.project(
                flat, apart, held, lambda some: self._apart(some, held, "nan")
            )
            lost = np.isnan(found).any(axis=1) & ~np.isnan(apart).any(axis=1)
            if lost.any() and unreachable == "raise":
                stay = [name for name, stays in zip(self.names, held, strict=True) if stays]
                raise DataError(
                    f"{'; '.join(map(str, self.relations))}: no setting keeps this within the "
                    f"limits when {stay} stay where they are (in {int(lost.sum())} settings, first "
                    f"{np.array2string(flat[lost][0], precision=6)})."
                )
        return found.reshape(v.shape)

    def _apart(
        self, values: Array, held: NDArray[np.bool_], unreachable: Literal["raise", "nan"]
    ) -> Array:
        """Nearest settings (n, k) of each mixture and each other knob on its own."""
        flat = values.copy()
        for j in self._alone:
            if not held[j]:
                flat[:, j] = self.knobs[j].nearest(flat[:, j])
        for mixture, rows, columns in zip(self.mixtures, self._rows, self._columns, strict=True):
            # In order: the last bits of a sum must not depend on how many rows there are.
            parts, reached = rows.project(np.ascontiguousarray(flat[:, columns]), held[columns])
            if not reached.all():
                if unreachable == "raise":
                    found = np.array2string(flat[~reached][0, columns], precision=6)
                    raise DataError(
                        f"The parts {mixture.names} cannot sum to {mixture.total:g} within their "
                        f"limits when {[n for n in mixture.names if held[self._position[n]]]} stay "
                        f"where they are (in {int((~reached).sum())} settings, first {found})."
                    )
                flat[~reached] = np.nan
                parts[~reached] = np.nan
            flat[:, columns] = parts
        return flat

    # -- changes ----------------------------------------------------------------------------------

    def change_cost(self, start: ArrayLike, end: ArrayLike) -> Array:
        r"""Cost of turning the knobs from one setting to another.

        :math:`\sum_j c_j |x'_j - x_j| / (u_j - l_j)`, with :math:`c_j` the knob's cost; a
        categorical knob costs :math:`c_j` when its level changes, a fixed one nothing.

        Parameters
        ----------
        start, end : array_like of shape (..., k)
            Settings; they are broadcast against each other.

        Returns
        -------
        cost : ndarray of shape (...)
        """
        change = np.abs(self._settings(end) - self._settings(start))
        if self._words.any():
            change[..., self._words] = change[..., self._words] > 0.5
        # Not a matrix product, and in order: the last bits must not depend on the other rows.
        cost: Array = np.asarray(np.ascontiguousarray(change * self._cost).sum(axis=-1))
        return cost

    def room(self, values: ArrayLike, directions: ArrayLike) -> Array:
        """Largest step along directions that stays within every limit.

        Integer and grid knobs are treated as continuous between their lowest and highest value.

        Parameters
        ----------
        values : array_like of shape (n, k)
            Feasible settings.
        directions : array_like of shape (n, r, k) or (r, k)
            Directions from each setting, in the knobs' units; (r, k): the same ones for all. The
            entries of fixed and categorical knobs must be 0.

        Returns
        -------
        room : ndarray of shape (n, r)
            Largest t in [0, 1] so that ``values + s * direction`` is within all limits for every
            s from 0 to t; below 1e-9 it is 0. It is 0 as well where a direction changes the sum of
            a mixture or of an equation, or brings in more parts than a mixture's `max_parts`.

        Raises
        ------
        DataError
            If a direction moves a fixed or categorical knob.

        Notes
        -----
        A limit closer than 1e-12 of the distance between a knob's limits counts as that far, so
        that an entry that is zero but for rounding does not stop a direction at a limit.
        """
        v, d = self._settings(values), self._settings(directions)
        d = d[None] if d.ndim == 2 else d
        if v.ndim != 2 or d.ndim != 3 or d.shape[0] not in (1, len(v)):
            raise DataError(
                f"Room needs settings (n, k) and directions (n, r, k), got {v.shape} and {d.shape}."
            )
        if self._rigid.size and d[..., self._rigid].any():
            moved = next(self.names[j] for j in self._rigid if d[..., j].any())
            raise DataError(f"The knob {moved!r} is fixed or categorical: no direction moves it.")
        closest = 1e-12 * self._widths
        used = steps_used(
            d,
            np.maximum(v - self._box.lower, closest),
            np.maximum(self._box.upper - v, closest),
        )
        keeps = np.ones((1, 1), dtype=bool)
        if self.relations:
            changes, below, above, keeps = self._related.free_ways(v, d)
            used = np.maximum(used, steps_used(changes, below, above))
        free = np.where(keeps, 1.0 / np.maximum(used, 1.0), 0.0)
        for rows, columns in zip(self._rows, self._columns, strict=True):
            parts, ways = v[:, None, columns], d[..., columns]
            free = np.where(in_plane(ways, rows.total) & rows.stays_few(parts, ways), free, 0.0)
        return np.where(free < 1e-9, 0.0, free)

    # -- settings ---------------------------------------------------------------------------------

    def sample(
        self, n: int, random_state: int | np.random.Generator | None = None
    ) -> NDArray[np.float64]:
        """Draw settings uniformly from the feasible set (fixed knobs: between their limits).

        Parameters
        ----------
        n : int
            Number of settings.
        random_state : int, Generator or None, default=None
            Seed; None draws a new one each time.

        Returns
        -------
        values : ndarray of shape (n, k)

        Notes
        -----
        With `Mixture.max_parts` the parts above zero are drawn first, each choice equally likely.

        With relations, draws without them are kept where the relations hold: uniform in the same
        sense. When 64 rounds of that leave some missing (relations that leave little, and always
        with an equation between continuous knobs), these start from the nearest feasible settings
        of further draws and walk (hit-and-run) over the continuous knobs: uniform in these, while
        knobs with steps that are tied to a relation, and the choice of parts, stay as started.
        """
        rng = np.random.default_rng(random_state)
        if self._coupled is not None:
            return self._all_free._draw_tied(n, rng)
        return self._draw_apart(n, rng)

    def _draw_tied(self, n: int, rng: np.random.Generator) -> Array:
        assert self._coupled is not None
        none = np.zeros(self.n_knobs, dtype=bool)
        return self._coupled.draw(
            n,
            rng,
            lambda count: self._draw_apart(count, rng),
            lambda some: self._apart(some, none, "nan"),
        )

    @cached_property
    def _all_free(self) -> KnobSpace:
        """The same space with its fixed knobs free between their limits."""
        if not self._fixed.any():
            return self
        knobs = [replace(knob, fixed=False) for knob in self.knobs]
        try:
            return KnobSpace(knobs, self.mixtures, self.relations)
        except SettingsError as error:
            raise SettingsError(f"With the fixed knobs between their limits: {error}") from error

    def _draw_apart(self, n: int, rng: np.random.Generator) -> Array:
        values = np.empty((n, self.n_knobs))
        for j in self._alone:
            allowed = self.knobs[j].allowed
            values[:, j] = (
                rng.uniform(self._lower[j], self._upper[j], size=n)
                if allowed is None
                else allowed[rng.integers(len(allowed), size=n)]
            )
        for rows, columns in zip(self._rows, self._columns, strict=True):
            values[:, columns] = rows.draw(n, rng)
        return values

    def reachable_range(self, name: str) -> tuple[float, float]:
        """Lowest and highest feasible value of a knob when all others are free to make room."""
        j = int(self.positions([name])[0])
        if self._coupled is not None and j in self._coupled.columns:
            space = self._all_free
            ends = space.project(space._coupled.ends(j))[:, j]  # type: ignore[union-attr]
            return float(ends[0]), float(ends[1])
        for mixture, rows in zip(self.mixtures, self._rows, strict=True):
            if name in mixture.names:
                return rows.range_of(mixture.names.index(name))
        knob = self[name]
        allowed = knob.allowed
        return (knob.low, knob.high) if allowed is None else (float(allowed[0]), float(allowed[-1]))
