"""The set of settings that exist: knobs with their limits, and mixtures with their sums."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import DataError
from matlever.knobs._knob_list import KnobList
from matlever.knobs._mixture_rows import MixtureRows
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
        good: NDArray[np.bool_] = np.asarray(np.isfinite(v).all(axis=-1))
        for j in self._alone:
            good &= self._knob_fits(j, v[..., j], tol)
        for rows, columns in zip(self._rows, self._columns, strict=True):
            good &= rows.fits(v[..., columns], self._fixed[columns], tol)
        return good

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
        slack = tol * (knob.width or max(1.0, abs(knob.low)))
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
