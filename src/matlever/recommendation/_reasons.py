"""Why an experiment is suggested, in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matlever.knobs import KnobSpace
from matlever.recommendation._words import listed, number
from matlever.recommendation.goals import Goal

__all__ = ["Expected", "limits_in_words", "reached", "reason"]

Array = NDArray[np.float64]

_BARELY = 0.01  # share of a knob's range beyond the known runs that is not worth a word


@dataclass(frozen=True)
class Expected:
    """What is expected of one target at one setting.

    Attributes
    ----------
    target : str
        Its name.
    goal : Goal or None
        What was wanted.
    predicted, lower, upper : float
        Median and interval.
    level : float
        Of the interval.
    chance : float
        To beat the best value so far, or to be inside the range.
    best : float
        Best value so far, NaN if there is none.
    """

    target: str
    goal: Goal | None
    predicted: float
    lower: float
    upper: float
    level: float
    chance: float
    best: float

    @property
    def is_better(self) -> bool:
        """Whether the expected value itself beats the best so far."""
        if self.goal is None or np.isnan(self.best):
            return False
        return bool(self.goal.score(self.predicted) > self.goal.score(self.best))

    @property
    def text(self) -> str:
        """Expected value with interval, and the chance of success."""
        said = (
            f"{self.target} expected {number(self.predicted)} "
            f"({100 * self.level:.0f} % interval {number(self.lower)} to {number(self.upper)})"
        )
        if self.goal is None or np.isnan(self.chance):
            return said
        chance = _percent(self.chance)
        if self.goal.kind == "within":
            return f"{said}, {chance} chance to be {self.goal.text}"
        if self.goal.kind == "reach":
            return (
                f"{said}, {chance} chance to come closer to {number(self.goal.lower)} than the "
                f"best so far, {number(self.best)}"
            )
        return f"{said}, {chance} chance to beat the best so far, {number(self.best)}"


def reason(
    expected: list[Expected],
    method: str,
    beyond: list[str],
    inside: bool,
    distance_ratio: float,
    probability: float,
) -> str:
    """Say in a sentence or two why an experiment is suggested.

    Parameters
    ----------
    expected : list of Expected
        By target.
    method : str
        What was looked for.
    beyond : list of str
        Knobs that stand beyond all known runs, in words.
    inside : bool
        Whether it is known territory.
    distance_ratio : float
        Distance to the nearest known run over the largest that counts as inside.
    probability : float
        Chance of success with all goals at once, said when there are several.
    """
    aims = [one for one in expected if one.goal is not None and one.goal.kind != "within"]
    if method == "explore":
        head = "Where least is known"
    elif method == "reduce uncertainty":
        head = "Teaches most about all settings"
    elif method == "best":
        head = "Best expected"
    elif len(aims) > 1 and probability > 0.5:
        head = "Likely a trade-off that no run so far offers"
    elif len(aims) == 1 and aims[0].is_better:
        head = "Expected to be better than any run so far"
    else:
        head = "Worth a try" if inside and not beyond else "Exploring"
    said = f"{head}: {'; '.join(one.text for one in expected)}"
    n_goals = sum(one.goal is not None for one in expected)
    if n_goals > 1 and np.isfinite(probability):
        success = {
            0: "to be inside all ranges",
            1: "to do that inside all ranges",
        }.get(len(aims), "that no known run is better in all goals at once")
        if len(aims) > 1 and n_goals > len(aims):
            success += ", and to be inside all ranges"
        said += f"; {_percent(probability)} chance {success}"
    said += "."
    if beyond:
        said += f" Beyond all known runs: {listed(beyond)}."
    elif not inside and np.isfinite(distance_ratio):
        said += (
            f" Unknown territory: {distance_ratio:.1f} times as far from any known run as these "
            "are from each other."
        )
    return said


def reached(space: KnobSpace, settings: Array) -> list[tuple[str, str, str]]:
    """Return the limits one setting (k,) stands at: name, side and value, as words.

    Knobs that have no room and relations that are equations are left out.
    """
    width = {knob.name: knob.width for knob in space}
    width |= {relation.label: relation.most - relation.least for relation in space.relations}
    found = []
    for name, side, value in space.active_limits(settings[None])[0]:
        if width[name] > 0:
            said = space[name].show(value) if name in space.names else number(value)
            found.append((name, str(side), said))
    return found


def limits_in_words(space: KnobSpace, settings: Array, known: Array) -> tuple[list[str], list[str]]:
    """Limits one setting (k,) stands at, and the knobs that are beyond all known runs (n, k)."""
    at_limits = [f"{name} at its {side} limit {at}" for name, side, at in reached(space, settings)]
    beyond = []
    for j, knob in enumerate(space):
        value, column = settings[j], known[:, j]
        if knob.kind == "categorical":
            if not (np.rint(column) == np.rint(value)).any():
                beyond.append(f"{knob.name} {knob.show(value)}")
        else:
            low, high = float(column.min()), float(column.max())
            slack = _BARELY * knob.width
            if value > high + slack:
                beyond.append(f"{knob.name} {knob.show(value)} (so far up to {knob.show(high)})")
            elif value < low - slack:
                beyond.append(f"{knob.name} {knob.show(value)} (so far down to {knob.show(low)})")
    return at_limits, beyond


def _percent(share: float) -> str:
    if share < 0.005:
        return "under 1 %"
    if share > 0.995:
        return "over 99 %"
    return f"{100 * share:.0f} %"
