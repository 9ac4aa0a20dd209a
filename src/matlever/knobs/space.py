"""The set of settings that exist: knobs with their limits, and mixtures with their sums."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import DataError
from matlever.knobs._box import Box
from matlever.knobs._knob_list import KnobList
from matlever.knobs._mixture_rows import MixtureRows
from matlever.knobs._room import in_plane, steps_used
from matlever.knobs.knob import Knob, Mixture

__all__ = ["ActiveLimit", "KnobSpace"]

Array = NDArray[np.float64]


class ActiveLimit(NamedTuple):
    """A limit a setting stands at.

    Attributes
    ----------
    knob : str
        Name of the knob.
    side : {"lower", "upper"}
        Which of its limits.
    value : float
        The limit, in the knob's unit.
    """

    knob: str
    side: Literal["lower", "upper"]
    value: float


class KnobSpace(KnobList):
    """An ordered set of k knobs, and everything that says which settings exist.

    Settings are float arrays whose last axis has length k, in the order and the units of the knobs
    (categorical: index of the level). A setting is *feasible* when each knob has an allowed value,
    the parts of each mixture have the mixture's sum, and no more of them than allowed are above
    zero. Fixed knobs stay where they are: they are neither moved nor held against their limits.

    Parameters
    ----------
    knobs : sequence of Knob
        The knobs; their names must differ.
    mixtures : sequence of Mixture, default=()
        Groups of continuous or grid knobs with a fixed sum; no knob may be in two of them. Grid
        knobs of one mixture must share one step.

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
    """

    def __init__(self, knobs: Iterable[Knob], mixtures: Iterable[Mixture] = ()) -> None:
        super().__init__(knobs, mixtures)
        self._rows = [
            MixtureRows(mixture, [self.knobs[self._position[name]] for name in mixture.names])
            for mixture in self.mixtures
        ]
        self._columns = [self.positions(mixture.names) for mixture in self.mixtures]
        self._alone = [j for j, name in enumerate(self.names) if self.mixture_of(name) is None]
        self._box = Box(self.knobs)
        widths = self._upper - self._lower
        # What a tolerance of 1 means for each knob, in its unit: the distance between its limits.
        self._slack = np.where(widths > 0, widths, np.maximum(1.0, np.abs(self._lower)))
        for mixture, columns in zip(self.mixtures, self._columns, strict=True):
            self._slack[columns] = mixture.total
        cost = np.array([knob.cost for knob in self.knobs])
        self._cost = np.where(self._fixed, 0.0, cost / np.where(self._words, 1, self._widths))
        self._rigid = np.flatnonzero(self._fixed | self._words)
        self._is_box = self._box.is_continuous and not self.mixtures

    # -- feasibility ------------------------------------------------------------------------------

    def project(
        self,
        values: ArrayLike,
        *,
        hold: Sequence[str] = (),
        unreachable: Literal["raise", "nan"] = "raise",
    ) -> Array:
        """Nearest feasible settings, in Euclidean distance; feasible settings do not change.

        Parameters
        ----------
        values : array_like of shape (..., k)
            Settings, finite.
        hold : sequence of str, default=()
            Knobs that stay where they are, like fixed ones; the other parts of their mixture make
            room.
        unreachable : {"raise", "nan"}, default="raise"
            What to do with settings whose held parts leave no feasible setting.

        Returns
        -------
        feasible : ndarray of shape (..., k)

        Raises
        ------
        DataError
            If a value is not finite, or held parts leave no feasible setting.
        """
        v = self._settings(values)
        if not np.isfinite(v).all():
            raise DataError("A setting is not a finite number; fill or drop missing values first.")
        flat = v.reshape(-1, self.n_knobs).copy()
        held = self._fixed.copy()
        held[self.positions(hold)] = True
        for j in self._alone:
            if not held[j]:
                flat[:, j] = self.knobs[j].nearest(flat[:, j])
        for mixture, rows, columns in zip(self.mixtures, self._rows, self._columns, strict=True):
            parts, reached = rows.project(flat[:, columns], held[columns])
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
        return flat.reshape(v.shape)

    def is_feasible(self, values: ArrayLike, tol: float = 1e-6) -> NDArray[np.bool_]:
        """Whether each setting is feasible, of shape (...).

        Parameters
        ----------
        values : array_like of shape (..., k)
            Settings.
        tol : float, default=1e-6
            Tolerance as a share of the distance between the limits, or of a mixture's total.
        """
        v = self._settings(values)
        good = self._box.inside(v, tol * self._slack)
        for rows, columns in zip(self._rows, self._columns, strict=True):
            good &= rows.fits(v[..., columns], tol)
        return good

    def admit(self, values: ArrayLike, tol: float = 1e-6) -> Array:
        """Return feasible settings as they may be shown to a predictor: exact at every limit.

        What lies beyond a limit, or off a step, by no more than rounding (`tol`) is put on it, so
        that limits hold to the last bit; all else is refused.

        Parameters
        ----------
        values : array_like of shape (..., k)
            Settings.
        tol : float, default=1e-6
            As in `is_feasible`.

        Returns
        -------
        values : ndarray of shape (..., k)
            The array that was given, not a copy, where nothing changes.

        Raises
        ------
        DataError
            If a setting is not feasible; the message says what is wrong with the first.
        """
        v = self._settings(values)
        if self._is_box and self._box.holds(v):
            return v
        feasible = self.is_feasible(v, tol)
        if not feasible.all():
            first = v[~feasible][:1]
            raise DataError(
                f"{int((~feasible).sum())} settings are not feasible and were not rendered; the "
                "first: " + "; ".join(self.violations(first, tol)[0])
            )
        return self._box.snap(v)

    def violations(self, values: ArrayLike, tol: float = 1e-6) -> list[tuple[str, ...]]:
        """Say for each of n settings (n, k) what is not feasible about it; () where all is well."""
        found: list[tuple[str, ...]] = []
        for row in self._settings(values).reshape(-1, self.n_knobs):
            lines = [
                f"{knob.name} = {row[j]:.6g} is not allowed: "
                + (
                    f"outside {knob.low:.6g} to {knob.show(knob.high)}"
                    if knob.kind == "continuous"
                    else f"nearest is {knob.show(float(knob.nearest(row[j])))}"
                )
                for j, knob in enumerate(self.knobs)
                if np.isfinite(row[j]) and not self._knob_fits(j, row[j : j + 1], tol)[0]
            ]
            lines += [f"{self.names[j]} is missing" for j in np.flatnonzero(~np.isfinite(row))]
            for mixture, rows, columns in zip(
                self.mixtures, self._rows, self._columns, strict=True
            ):
                parts = row[columns]
                if abs(parts.sum() - mixture.total) > tol * mixture.total:
                    lines.append(
                        f"{' + '.join(mixture.names)} = {parts.sum():.6g}, not {mixture.total:g}"
                    )
                lines += [
                    f"{name} = {part:.6g} is below 0"
                    for name, part, knob in zip(mixture.names, parts, rows.knobs, strict=True)
                    if knob.fixed and part < -tol * mixture.total
                ]
                if not rows.few_enough(parts, tol):
                    lines.append(
                        f"more than {mixture.max_parts} parts of {' + '.join(mixture.names)}"
                    )
            found.append(tuple(lines))
        return found

    def _knob_fits(self, j: int, values: Array, tol: float) -> NDArray[np.bool_]:
        knob = self.knobs[j]
        if knob.fixed:
            return np.asarray(np.isfinite(values))
        slack = tol * self._slack[j]
        fits: NDArray[np.bool_] = np.asarray(np.abs(values - knob.nearest(values)) <= slack)
        return fits

    def active_limits(self, values: ArrayLike, tol: float = 1e-6) -> list[tuple[ActiveLimit, ...]]:
        """Limits at which each of n settings (n, k) stands; levels and fixed knobs have none."""
        active = []
        for row in self._settings(values).reshape(-1, self.n_knobs):
            limits = []
            for value, knob in zip(row, self.knobs, strict=True):
                if knob.fixed or knob.kind == "categorical":
                    continue
                if value <= knob.low + tol * knob.width:
                    limits.append(ActiveLimit(knob.name, "lower", knob.low))
                if value >= knob.high - tol * knob.width:
                    limits.append(ActiveLimit(knob.name, "upper", knob.high))
            active.append(tuple(limits))
        return active

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
        # Not a matrix product: its last bits would depend on the other rows.
        cost: Array = np.asarray((change * self._cost).sum(axis=-1))
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
            a mixture, or brings in more parts than its `max_parts`.

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
        free = 1.0 / np.maximum(used, 1.0)
        for rows, columns in zip(self._rows, self._columns, strict=True):
            parts, ways = v[:, None, columns], d[..., columns]
            free = np.where(in_plane(ways) & rows.stays_few(parts, ways), free, 0.0)
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
        """
        rng = np.random.default_rng(random_state)
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
        for mixture, rows in zip(self.mixtures, self._rows, strict=True):
            if name in mixture.names:
                return rows.range_of(mixture.names.index(name))
        return self[name].low, self[name].high
