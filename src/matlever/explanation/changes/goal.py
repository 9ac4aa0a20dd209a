"""What predictions should become: a number or a range, for one target or several at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import SettingsError
from matlever.explanation._words import number

__all__ = ["Goal", "Wish", "goal_of", "read_goal"]

Array = NDArray[np.float64]

# Default tolerance of a number, as a share of the range of the predictions.
TOLERANCE = 0.01
# A miss below this share of the range of the predictions is rounding.
_ROUNDING = 1e-9
# Answers on the edge of a range are moved inside by this share of the range of the predictions, so
# that rounding, in single precision too, does not take them out again.
_MARGIN = 1e-6
_OPEN = (-np.inf, np.inf)


@dataclass(frozen=True)
class Wish:
    """What one target should become.

    Attributes
    ----------
    position : int
        Column of the target in the predictions.
    name : str or None
        Name of the target.
    point : float or None
        The number that was asked for; None for a range.
    lower, upper : float
        Ends of the range, infinite where open; both are the number where one was asked for.
    tolerance : float or None
        Half-width around the number, None for the default.
    """

    position: int
    name: str | None
    point: float | None
    lower: float
    upper: float
    tolerance: float | None

    @property
    def text(self) -> str:
        """The goal in words: "20", "10 to 20", "at least 10"."""
        if self.point is not None:
            return number(self.point)
        if np.isinf(self.upper):
            return f"at least {number(self.lower)}"
        if np.isinf(self.lower):
            return f"at most {number(self.upper)}"
        return f"{number(self.lower)} to {number(self.upper)}"

    def to_dict(self) -> dict[str, Any]:
        """Return the wish as plain JSON values; an open end is None."""
        return {
            "target": self.position if self.name is None else self.name,
            "point": self.point,
            "lower": None if np.isinf(self.lower) else self.lower,
            "upper": None if np.isinf(self.upper) else self.upper,
            "tolerance": self.tolerance,
            "text": self.text,
        }


@dataclass(frozen=True)
class Goal:
    """Ranges for w targets, and by how much predictions miss them.

    Attributes
    ----------
    wishes : tuple of Wish of length w
        What was asked for.
    lower, upper : ndarray of shape (n, w)
        Ends of the ranges for each of n samples, with the tolerance of numbers.
    scale : ndarray of shape (n, w)
        Range of the predictions, in which a miss is measured.
    """

    wishes: tuple[Wish, ...]
    lower: Array
    upper: Array
    scale: Array

    @property
    def positions(self) -> list[int]:
        """Columns of the targets in the predictions."""
        return [wish.position for wish in self.wishes]

    def miss(self, low: Array, high: Array, sample: NDArray[np.intp]) -> Array:
        """How far beyond the ranges, in shares of `scale`, summed over the targets.

        Parameters
        ----------
        low, high : ndarray of shape (m, w)
            Ends of what is predicted: twice the prediction, or an interval.
        sample : ndarray of shape (m,)
            Sample each row belongs to.

        Returns
        -------
        miss : ndarray of shape (m,)
            0 where the goal holds, within rounding.
        """
        beyond = np.maximum(self.lower[sample] - low, high - self.upper[sample])
        excess = np.maximum(beyond, 0.0) / self.scale[sample]
        miss: Array = np.where(excess <= _ROUNDING, 0.0, excess).sum(axis=1)
        return miss

    def inner(self) -> Goal:
        """Return the goal with ranges that are narrower by a hair."""
        with np.errstate(invalid="ignore"):
            hair = np.minimum(_MARGIN * self.scale, 0.1 * (self.upper - self.lower))
        return Goal(self.wishes, self.lower + hair, self.upper - hair, self.scale)


def read_goal(
    goal: Any, tolerance: Any, n_targets: int | None, names: Sequence[str] | None
) -> tuple[Wish, ...]:
    """Return what is asked of each target.

    Parameters
    ----------
    goal : float, (low, high) or mapping of target to these
        As in `matlever.explanation.counterfactual`.
    tolerance : float, mapping of target to float, or None
        As there.
    n_targets : int or None
        Number of columns of the predictions; None when they are one-dimensional.
    names : sequence of str or None
        Names of the targets.

    Raises
    ------
    SettingsError
        If a target is unknown, or a goal is not a number or a range.
    """
    count = n_targets or 1
    if not isinstance(goal, Mapping):
        if count > 1:
            raise SettingsError(
                f"The predictor has {count} targets: give the goal as {{target: number or "
                f"(low, high)}}, by {f'name, of {list(names)}' if names else 'position'}."
            )
        goal = {0: goal}
    if not goal:
        raise SettingsError("A goal for at least one target is needed.")
    tolerances = tolerance if isinstance(tolerance, Mapping) else dict.fromkeys(goal, tolerance)
    strange = [key for key in tolerances if key not in goal]
    if strange:
        raise SettingsError(f"There is a tolerance but no goal for the targets {strange}.")
    wishes = tuple(
        _wish(_position(key, count, names), names, wanted, tolerances.get(key))
        for key, wanted in goal.items()
    )
    positions = [wish.position for wish in wishes]
    if len(set(positions)) < len(positions):
        raise SettingsError(f"A target has two goals: {list(goal)}.")
    return wishes


def goal_of(wishes: Sequence[Wish], scale: Array) -> Goal:
    """Return the goal of n samples whose predictions have the ranges `scale` (n, w)."""
    is_point = np.array([wish.point is not None for wish in wishes])
    given = np.array([np.nan if wish.tolerance is None else wish.tolerance for wish in wishes])
    half = np.where(is_point, np.where(np.isnan(given), TOLERANCE * scale, given), 0.0)
    lower = np.array([wish.lower for wish in wishes]) - half
    upper = np.array([wish.upper for wish in wishes]) + half
    return Goal(tuple(wishes), lower, upper, scale)


def _position(key: Any, count: int, names: Sequence[str] | None) -> int:
    if isinstance(key, str):
        if key not in (names or ()):
            raise SettingsError(
                f"There is no target {key!r}; "
                + (f"there are {list(names)}." if names else "give targets=, or its position.")
            )
        return list(names or ()).index(key)
    if isinstance(key, bool) or not isinstance(key, int | np.integer) or not 0 <= key < count:
        raise SettingsError(f"There is no target {key!r}; there are {count}.")
    return int(key)


def _wish(position: int, names: Sequence[str] | None, wanted: Any, tolerance: Any) -> Wish:
    name = names[position] if names else None
    where = f"The goal{f' of {name}' if name else ''}"
    point = _float(wanted)
    if point is not None and np.isfinite(point):
        half = None if tolerance is None else _float(tolerance)
        if tolerance is not None and (half is None or not 0 <= half < np.inf):
            raise SettingsError(f"{where}: tolerance={tolerance!r} must be a number, 0 or more.")
        return Wish(position, name, point, point, point, half)
    if isinstance(wanted, tuple | list) and len(wanted) == 2:
        low, high = (
            open_end if end is None else _float(end)
            for end, open_end in zip(wanted, _OPEN, strict=True)
        )
        fits = low is not None and high is not None and low <= high and (low, high) != _OPEN
        if fits and low != np.inf and high != -np.inf:
            return Wish(position, name, None, float(low or 0.0), float(high or 0.0), None)
    raise SettingsError(
        f"{where} is {wanted!r}; it must be a finite number or a range (low, high) with low <= "
        "high, of which one end may be None."
    )


def _float(value: Any) -> float | None:
    """Return a number as a float; None for anything else and for NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return None
    return None if np.isnan(value) else float(value)
