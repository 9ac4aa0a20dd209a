"""A knob: one thing a scientist can turn, with its limits; a mixture: knobs with a fixed sum."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import SettingsError

__all__ = ["Knob", "KnobKind", "Mixture"]

KnobKind = Literal["continuous", "integer", "grid", "categorical"]


@dataclass(frozen=True)
class Knob:
    """Something that can be turned between two limits.

    A setting of a knob is always one float: the value itself in the knob's own unit, or, for a
    categorical knob, the index of the level.

    Parameters
    ----------
    name : str
        Name, unique in its space.
    unit : str or None, default=None
        Unit of the values and of `lower`, `upper` and `step`.
    kind : {"continuous", "integer", "grid", "categorical"}, default="continuous"
        Which values between the limits exist. A grid is ``lower, lower + step, ...`` or, when
        `levels` holds numbers, exactly these.
    lower, upper : float or None
        Limits, both included. Not needed where `levels` are given.
    step : float or None, default=None
        Step of a grid.
    levels : tuple, default=()
        Names of the levels of a categorical knob, or the values of an uneven grid.
    fixed : bool, default=False
        Whether the knob stays where each sample stands. A fixed knob is never moved, and its
        limits are not held against a sample that stands outside of them.
    cost : float, default=1.0
        Cost of turning it from one limit to the other, relative to the other knobs.

    Raises
    ------
    SettingsError
        If limits, step and levels do not fit together.

    Examples
    --------
    >>> Knob("temperature", "°C", lower=20, upper=300).label
    'temperature (°C)'
    >>> Knob("stirring", kind="integer", lower=0, upper=5).nearest([2.4, 9.0])
    array([2., 5.])
    """

    name: str
    unit: str | None = None
    kind: KnobKind = "continuous"
    lower: float | None = None
    upper: float | None = None
    step: float | None = None
    levels: tuple[Any, ...] = ()
    fixed: bool = False
    cost: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", tuple(self.levels))
        if not isinstance(self.name, str) or not self.name:
            raise SettingsError(f"A knob needs a name, got {self.name!r}.")
        if self.kind not in get_args(KnobKind):
            raise SettingsError(
                f"Knob {self.name!r}: kind={self.kind!r} is not one of {get_args(KnobKind)}."
            )
        if not (isinstance(self.cost, int | float) and self.cost >= 0 and math.isfinite(self.cost)):
            raise SettingsError(f"Knob {self.name!r}: cost={self.cost!r} must be 0 or more.")
        if self.kind == "categorical":
            self._check_categories()
        elif self.levels:
            self._check_uneven_grid()
        for side in ("lower", "upper"):
            object.__setattr__(self, side, self._number(side))
        if self.low > self.high:
            raise SettingsError(
                f"Knob {self.name!r}: the lower limit {self.lower} is above the upper limit "
                f"{self.upper}."
            )
        if self.kind == "integer" and math.ceil(self.low) > math.floor(self.high):
            raise SettingsError(
                f"Knob {self.name!r}: there is no whole number from {self.lower} to {self.upper}."
            )
        if (self.kind == "grid" and not self.levels) != (self.step is not None):
            raise SettingsError(
                f"Knob {self.name!r}: a step belongs to a grid without levels, and to nothing else "
                f"(kind={self.kind!r}, step={self.step!r}, {len(self.levels)} levels)."
            )
        if self.step is not None and self._number("step") <= 0:
            raise SettingsError(f"Knob {self.name!r}: step={self.step!r} must be above 0.")

    def _check_categories(self) -> None:
        if not self.levels or len(set(self.levels)) < len(self.levels):
            raise SettingsError(
                f"Knob {self.name!r}: a categorical knob needs levels, all different."
            )
        object.__setattr__(self, "lower", 0.0)
        object.__setattr__(self, "upper", float(len(self.levels) - 1))

    def _check_uneven_grid(self) -> None:
        if self.kind != "grid":
            raise SettingsError(
                f"Knob {self.name!r}: levels belong to a categorical or a grid knob, "
                f"not to kind={self.kind!r}."
            )
        try:
            values = sorted({float(level) for level in self.levels})
        except (TypeError, ValueError):
            values = []
        if not values or not all(map(math.isfinite, values)):
            raise SettingsError(f"Knob {self.name!r}: the levels of a grid must be finite numbers.")
        object.__setattr__(self, "levels", tuple(values))
        object.__setattr__(self, "lower", values[0])
        object.__setattr__(self, "upper", values[-1])

    def _number(self, field: str) -> float:
        value = getattr(self, field)
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise SettingsError(
                f"Knob {self.name!r}: {field}={value!r} must be a finite number."
            ) from None
        return number

    @property
    def low(self) -> float:
        """Lower limit as a float."""
        return float(self.lower)  # type: ignore[arg-type]  # __post_init__ has filled it

    @property
    def high(self) -> float:
        """Upper limit as a float."""
        return float(self.upper)  # type: ignore[arg-type]  # __post_init__ has filled it

    @property
    def width(self) -> float:
        """Distance between the limits, in the knob's unit (level indices when categorical)."""
        return self.high - self.low

    @property
    def label(self) -> str:
        """Name with its unit, as an axis shows it."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @property
    def allowed(self) -> NDArray[np.float64] | None:
        """All values the knob can take, ascending; None for a continuous knob."""
        if self.kind == "continuous":
            return None
        if self.kind == "grid" and self.levels:
            return np.asarray(self.levels, dtype=float)
        if self.step is not None:
            steps = self.step * np.arange(self._last_step + 1)
            return np.asarray(np.minimum(self.low + steps, self.high))
        return np.arange(math.ceil(self.low), math.floor(self.high) + 1, dtype=float)

    @property
    def _last_step(self) -> int:
        assert self.step is not None
        return math.floor(self.width / self.step * (1 + 1e-12) + 1e-9)

    def nearest(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return the allowed value nearest to each of `values`, of the same shape."""
        v = np.asarray(values, dtype=float)
        if self.kind == "continuous":
            return np.asarray(np.clip(v, self.low, self.high))
        if self.kind == "grid" and self.levels:
            grid = np.asarray(self.levels, dtype=float)
            above = np.searchsorted(grid, v).clip(0, len(grid) - 1)
            below = (above - 1).clip(0)
            nearest: NDArray[np.float64] = np.where(
                v - grid[below] <= grid[above] - v, grid[below], grid[above]
            )
            return nearest
        if self.step is not None:
            position = np.rint((np.clip(v, self.low, self.high) - self.low) / self.step)
            last = np.minimum(position, self._last_step)
            # Rounding must not lead beyond the limit.
            return np.asarray(np.minimum(self.low + self.step * last, self.high))
        return np.asarray(np.clip(np.rint(v), math.ceil(self.low), math.floor(self.high)))

    def show(self, value: float) -> str:
        """Return a setting as text with its unit, or the name of the level."""
        if self.kind == "categorical":
            return str(self.levels[int(value)])
        return f"{value:.4g} {self.unit}" if self.unit else f"{value:.4g}"

    def to_dict(self) -> dict[str, Any]:
        """Return the knob as plain JSON values."""
        return {**asdict(self), "levels": list(self.levels)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild a knob from `to_dict`.

        Raises
        ------
        SettingsError
            If an entry is unknown, missing or has a value that cannot be used.
        """
        try:
            return cls(**values)
        except TypeError as error:
            raise SettingsError(f"This is not the description of a knob: {error}.") from error


@dataclass(frozen=True)
class Mixture:
    """Knobs that are the parts of a whole: not negative, with a fixed sum.

    Parameters
    ----------
    names : tuple of str
        Names of two or more knobs.
    total : float, default=1.0
        Their sum, in the unit of the knobs (1 for fractions, 100 for per cent).
    max_parts : int or None, default=None
        At most so many of them differ from zero.

    Raises
    ------
    SettingsError
        If there are fewer than two names, a name twice, or no positive total.
    """

    names: tuple[str, ...]
    total: float = 1.0
    max_parts: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "total", float(self.total))
        if len(self.names) < 2 or len(set(self.names)) < len(self.names):
            raise SettingsError(
                f"A mixture needs two or more parts, all different; got {self.names}."
            )
        if not (math.isfinite(self.total) and self.total > 0):
            raise SettingsError(f"The total of a mixture must be above 0, got {self.total}.")
        if self.max_parts is not None and not 1 <= self.max_parts <= len(self.names):
            raise SettingsError(
                f"max_parts={self.max_parts} must be between 1 and the {len(self.names)} parts "
                f"of the mixture {self.names}."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the mixture as plain JSON values."""
        return {"names": list(self.names), "total": self.total, "max_parts": self.max_parts}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild a mixture from `to_dict`.

        Raises
        ------
        SettingsError
            If an entry is unknown, missing or has a value that cannot be used.
        """
        try:
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise SettingsError(f"This is not the description of a mixture: {error}.") from error
