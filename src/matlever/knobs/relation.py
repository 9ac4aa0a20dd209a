"""A linear relation between knobs: a weighted sum with limits, such as a budget or a balance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from matlever.exceptions import SettingsError

__all__ = ["LinearRelation"]


@dataclass(frozen=True)
class LinearRelation:
    r"""Limits of a weighted sum of knobs, :math:`b \le \sum_j a_j x_j \le c`.

    Parameters
    ----------
    coefficients : mapping of str to float
        Weight :math:`a_j` of each named knob, for values in the knob's own unit. Weights of 0 are
        left out.
    lower, upper : float or None, default=None
        Limits b and c, both included; None where there is none. With equal limits the relation is
        an equation.

    Raises
    ------
    SettingsError
        If there is no weight or no limit, a number is not finite, or the limits are crossed.

    Examples
    --------
    >>> LinearRelation({"precursor": 2, "solvent": -1}, upper=0)
    LinearRelation(2 precursor - solvent <= 0)
    """

    coefficients: Mapping[str, float]
    lower: float | None = None
    upper: float | None = None

    def __post_init__(self) -> None:
        try:
            weights = {str(name): float(a) for name, a in dict(self.coefficients).items()}
        except (TypeError, ValueError) as error:
            raise SettingsError(
                f"The coefficients of a relation are numbers by knob, such as "
                f"{{'a': 1, 'b': 2}}: {error}."
            ) from error
        wrong = [name for name, a in weights.items() if not math.isfinite(a)]
        if wrong:
            raise SettingsError(f"The coefficient of {wrong[0]!r} must be a finite number.")
        object.__setattr__(self, "coefficients", {n: a for n, a in weights.items() if a != 0})
        if not self.coefficients:
            raise SettingsError("A relation needs a knob with a coefficient other than 0.")
        for side in ("lower", "upper"):
            object.__setattr__(self, side, self._limit(side))
        if self.lower is None and self.upper is None:
            raise SettingsError(f"The relation of {self.label} needs a lower or an upper limit.")
        if self.least > self.most:
            raise SettingsError(
                f"The relation of {self.label}: the lower limit {self.lower:g} is above the upper "
                f"limit {self.upper:g}."
            )

    def _limit(self, side: str) -> float | None:
        value = getattr(self, side)
        if value is None:
            return None
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise SettingsError(
                f"The relation of {self.label}: {side}={value!r} must be a finite number or None."
            ) from None
        return number

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the knobs in it."""
        return tuple(self.coefficients)

    @property
    def least(self) -> float:
        """Lower limit, minus infinity where there is none."""
        return -math.inf if self.lower is None else self.lower

    @property
    def most(self) -> float:
        """Upper limit, infinity where there is none."""
        return math.inf if self.upper is None else self.upper

    @property
    def is_equation(self) -> bool:
        """Whether the sum has one value only."""
        return self.lower == self.upper

    @property
    def label(self) -> str:
        """The weighted sum as text: ``2 a - b``."""
        text = ""
        for name, a in self.coefficients.items():
            sign = ("- " if a < 0 else "+ ") if text else ("-" if a < 0 else "")
            size = "" if abs(a) == 1 else f"{abs(a):.6g} "
            text += f"{' ' if text else ''}{sign}{size}{name}"
        return text

    def __str__(self) -> str:
        if self.is_equation:
            return f"{self.label} = {self.lower:.6g}"
        if self.lower is None:
            return f"{self.label} <= {self.upper:.6g}"
        if self.upper is None:
            return f"{self.label} >= {self.lower:.6g}"
        return f"{self.lower:.6g} <= {self.label} <= {self.upper:.6g}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"

    def __hash__(self) -> int:
        return hash((frozenset(self.coefficients.items()), self.lower, self.upper))

    def to_dict(self) -> dict[str, Any]:
        """Return the relation as plain JSON values."""
        return {
            "coefficients": dict(self.coefficients),
            "lower": self.lower,
            "upper": self.upper,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild a relation from `to_dict`.

        Raises
        ------
        SettingsError
            If an entry is unknown, missing or has a value that cannot be used.
        """
        try:
            return cls(**values)
        except TypeError as error:
            raise SettingsError(f"This is not the description of a relation: {error}.") from error
