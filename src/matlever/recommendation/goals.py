"""What an experiment is to achieve: the most, the least, a number or a range of each target."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import SettingsError
from matlever.recommendation._prediction import Prediction
from matlever.recommendation._words import number

__all__ = ["Goal", "read_goals"]

Array = NDArray[np.float64]

_DIRECTIONS: dict[str, Literal["maximise", "minimise"]] = {
    "maximise": "maximise",
    "maximize": "maximise",
    "max": "maximise",
    "minimise": "minimise",
    "minimize": "minimise",
    "min": "minimise",
}
_FORMS = '"maximise", "minimise", a number to reach or a range (low, high), one end of it None'


@dataclass(frozen=True)
class Goal:
    """What one target should become.

    Parameters
    ----------
    target : str
        Name of the target.
    kind : {"maximise", "minimise", "reach", "within"}
        The most, the least, one number, or anything in a range.
    lower, upper : float
        Ends of the range (infinite where open); both are the number to reach.
    """

    target: str
    kind: Literal["maximise", "minimise", "reach", "within"]
    lower: float = -math.inf
    upper: float = math.inf

    @property
    def text(self) -> str:
        """The goal in words: "maximise", "reach 20", "between 10 and 20", "at least 10"."""
        if self.kind in ("maximise", "minimise"):
            return self.kind
        if self.kind == "reach":
            return f"reach {number(self.lower)}"
        if math.isinf(self.upper):
            return f"at least {number(self.lower)}"
        if math.isinf(self.lower):
            return f"at most {number(self.upper)}"
        return f"between {number(self.lower)} and {number(self.upper)}"

    def score(self, y: ArrayLike) -> Array:
        """How good values y are, in the target's unit; more is better, 0 where a range holds."""
        v = np.asarray(y, dtype=float)
        if self.kind == "maximise":
            return v
        if self.kind == "minimise":
            return -v
        return -np.maximum(np.maximum(self.lower - v, v - self.upper), 0.0)

    def probability(self, prediction: Prediction, best: float) -> Array:
        """Chance to beat the best value so far; for a range, to be inside of it.

        Parameters
        ----------
        prediction : Prediction of q values
            What is expected.
        best : float
            Best value so far.
        """
        if self.kind == "maximise":
            return 1.0 - prediction.cdf(best)
        if self.kind == "minimise":
            return prediction.cdf(best)
        away = abs(best - self.lower) if self.kind == "reach" else 0.0
        return prediction.cdf(self.upper + away) - prediction.cdf(self.lower - away)

    def expected_improvement(self, prediction: Prediction, best: float) -> Array:
        r"""Return the expected improvement on the best value so far, in the target's unit.

        :math:`E[(s(y) - s(y^*))_+]` with the score s, in closed form: for the most and the least
        it is Eq. 14 of [1]_; for a number or a range the score is piecewise linear, so that the
        expectation is a sum of the same terms. It is 0 when the best value is in the range.

        References
        ----------
        .. [1] D. R. Jones, M. Schonlau, W. J. Welch, J. Global Optim. 13 (1998) 455-492.
        """
        if self.kind == "maximise":
            return prediction.above(best)
        if self.kind == "minimise":
            return prediction.below(best)
        away = -float(self.score(best))
        gain = np.full(len(prediction), away)
        if math.isfinite(self.lower):
            gain += prediction.above(self.lower - away) - prediction.above(self.lower) - away
        if math.isfinite(self.upper):
            gain += prediction.above(self.upper + away) - prediction.above(self.upper)
        return np.asarray(np.maximum(gain, 0.0))


def read_goals(goals: Any, names: Sequence[str]) -> tuple[Goal, ...]:
    """Return the goals in the order of the targets.

    Parameters
    ----------
    goals : str, float, (low, high), or mapping of target to these
        What is wanted; without a mapping there must be one target.
    names : sequence of str
        Names of the targets.

    Raises
    ------
    SettingsError
        If a target is unknown or a goal cannot be understood; all faults together.
    """
    if not isinstance(goals, Mapping):
        if len(names) > 1:
            raise SettingsError(
                f"There are {len(names)} targets: give the goals as {{target: goal}} for one or "
                f"more of {list(names)}."
            )
        goals = {names[0]: goals}
    if not goals:
        raise SettingsError("A goal for at least one target is needed.")
    faults = [
        f"There is no target {name!r}; there are {list(names)}."
        for name in goals
        if name not in names
    ]
    found: dict[str, Goal] = {}
    for name, wanted in goals.items():
        try:
            found[name] = _read(str(name), wanted)
        except SettingsError as error:
            faults.append(str(error))
    if faults:
        raise SettingsError("\n".join(faults))
    return tuple(found[name] for name in names if name in found)


def _read(name: str, wanted: Any) -> Goal:
    if isinstance(wanted, str) and wanted.strip().lower() in _DIRECTIONS:
        return Goal(name, _DIRECTIONS[wanted.strip().lower()])
    point = _number(wanted)
    if point is not None and math.isfinite(point):
        return Goal(name, "reach", point, point)
    if isinstance(wanted, tuple | list) and len(wanted) == 2:
        low = -math.inf if wanted[0] is None else _number(wanted[0])
        high = math.inf if wanted[1] is None else _number(wanted[1])
        if low is not None and high is not None and low < high and math.isfinite(max(low, -high)):
            return Goal(name, "within", low, high)
    raise SettingsError(f"The goal of {name!r} is {wanted!r}; it must be {_FORMS}.")


def _number(value: Any) -> float | None:
    """Return a number as a float; None for anything else and for NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return None
    return None if math.isnan(value) else float(value)
