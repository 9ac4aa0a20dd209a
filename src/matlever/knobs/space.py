"""The set of settings that exist: knobs with their limits, and mixtures with their sums."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import DataError, SettingsError
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


class KnobSpace:
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
        self.knobs: tuple[Knob, ...] = tuple(knobs)
        self.mixtures: tuple[Mixture, ...] = tuple(mixtures)
        names = [knob.name for knob in self.knobs]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if not names or repeated:
            raise SettingsError(
                f"The knobs {repeated} appear twice." if repeated else "A space needs a knob."
            )
        self._position = {name: j for j, name in enumerate(names)}
        self._lower = np.array([knob.low for knob in self.knobs])
        self._upper = np.array([knob.high for knob in self.knobs])
        self._fixed = np.array([knob.fixed for knob in self.knobs])
        parts: list[str] = [name for mixture in self.mixtures for name in mixture.names]
        unknown = [name for name in parts if name not in self._position]
        shared = sorted({name for name in parts if parts.count(name) > 1})
        if unknown or shared:
            raise SettingsError(
                f"A mixture names the knobs {unknown}, which do not exist; there are {names}."
                if unknown
                else f"The knobs {shared} are parts of two mixtures."
            )
        self._rows = [
            MixtureRows(mixture, [self.knobs[self._position[name]] for name in mixture.names])
            for mixture in self.mixtures
        ]
        self._columns = [self.positions(mixture.names) for mixture in self.mixtures]
        in_mixture = np.zeros(len(names), dtype=bool)
        in_mixture[self.positions(parts)] = True
        self._alone: list[int] = np.flatnonzero(~in_mixture).tolist()

    # -- description ------------------------------------------------------------------------------

    @property
    def n_knobs(self) -> int:
        """Number k of knobs."""
        return len(self.knobs)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the knobs, in order."""
        return tuple(self._position)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the knobs with their units, in order."""
        return tuple(knob.label for knob in self.knobs)

    @property
    def lower(self) -> Array:
        """Lower limits of shape (k,)."""
        return self._lower.copy()

    @property
    def upper(self) -> Array:
        """Upper limits of shape (k,)."""
        return self._upper.copy()

    @property
    def is_fixed(self) -> NDArray[np.bool_]:
        """Which knobs are fixed, of shape (k,)."""
        return self._fixed.copy()

    @property
    def is_categorical(self) -> NDArray[np.bool_]:
        """Which knobs are categorical, of shape (k,)."""
        return np.array([knob.kind == "categorical" for knob in self.knobs])

    def __getitem__(self, name: str) -> Knob:
        return self.knobs[int(self.positions([name])[0])]

    def __iter__(self) -> Iterator[Knob]:
        return iter(self.knobs)

    def __len__(self) -> int:
        return self.n_knobs

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KnobSpace):
            return NotImplemented
        return (self.knobs, self.mixtures) == (other.knobs, other.mixtures)

    def __hash__(self) -> int:
        return hash((self.knobs, self.mixtures))

    def __repr__(self) -> str:
        lines = [f"KnobSpace of {self.n_knobs} knobs"]
        for knob in self.knobs:
            if knob.kind == "categorical":
                span = ", ".join(map(str, knob.levels[:5])) + (
                    ", ..." if len(knob.levels) > 5 else ""
                )
            else:
                span = f"{knob.low:.6g} to {knob.show(knob.high)}"
            lines.append(f"  {knob.name}: {knob.kind}, {span}" + (", fixed" if knob.fixed else ""))
        for mixture in self.mixtures:
            few = f", at most {mixture.max_parts} parts" if mixture.max_parts else ""
            lines.append(f"  {' + '.join(mixture.names)} = {mixture.total:g}{few}")
        return "\n".join(lines)

    def positions(self, names: Iterable[str]) -> NDArray[np.intp]:
        """Columns of the named knobs.

        Raises
        ------
        SettingsError
            If a name is unknown.
        """
        wanted = list(names)
        unknown = [name for name in wanted if name not in self._position]
        if unknown:
            raise SettingsError(f"There is no knob {unknown[0]!r}; there are {list(self.names)}.")
        return np.array([self._position[name] for name in wanted], dtype=np.intp)

    def mixture_of(self, name: str) -> Mixture | None:
        """Mixture the named knob is a part of, if any."""
        return next((mixture for mixture in self.mixtures if name in mixture.names), None)

    # -- units ------------------------------------------------------------------------------------

    def scale(self, values: ArrayLike) -> Array:
        """Return settings (..., k) as shares of the way from lower (0) to upper limit (1)."""
        scaled: Array = (self._settings(values) - self._lower) / self._widths
        return scaled

    def unscale(self, scaled: ArrayLike) -> Array:
        """Return settings (..., k) in the knobs' own units, from `scale`."""
        values: Array = self._settings(scaled) * self._widths + self._lower
        return values

    @property
    def _widths(self) -> Array:
        widths = self._upper - self._lower
        return np.where(widths > 0, widths, 1.0)

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

    def to_dict(self) -> dict[str, Any]:
        """Return the space as plain JSON values."""
        return {
            "knobs": [knob.to_dict() for knob in self.knobs],
            "mixtures": [mixture.to_dict() for mixture in self.mixtures],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild a space from `to_dict`.

        Raises
        ------
        SettingsError
            If an entry is missing or has a value that cannot be used.
        """
        try:
            knobs = [Knob.from_dict(knob) for knob in values["knobs"]]
            mixtures = [Mixture.from_dict(mixture) for mixture in values["mixtures"]]
        except (KeyError, TypeError) as error:
            raise SettingsError(
                f"This is not the description of a space of knobs: {error}."
            ) from error
        return cls(knobs, mixtures)

    def _settings(self, values: ArrayLike) -> Array:
        v = np.asarray(values, dtype=float)
        if v.ndim == 0 or v.shape[-1] != self.n_knobs:
            raise DataError(
                f"Settings of {self.n_knobs} knobs must have shape (..., {self.n_knobs}), "
                f"got {v.shape}."
            )
        return v
