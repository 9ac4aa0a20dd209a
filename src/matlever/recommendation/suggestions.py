"""The experiments that were suggested: what to set, what to expect, and why."""

from __future__ import annotations

import html
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import SettingsError
from matlever.knobs import KnobSpace
from matlever.recommendation._words import number, plain, plain_label
from matlever.recommendation.goals import Goal

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Suggestions"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Suggestions:
    """q experiments, the most interesting first, for t targets and k knobs.

    Attributes
    ----------
    space : KnobSpace
        The k knobs.
    targets : tuple of str of length t
        Names of the targets.
    goals : tuple of Goal
        What was wanted of them; empty when nothing was.
    method : str
        What was looked for.
    model : str
        What the predictions are made with.
    settings : ndarray of shape (q, k)
        Feasible settings (categorical: index of the level).
    pool_rows : tuple of length q, or None
        Labels of the rows of the pool, when there was one.
    predicted : ndarray of shape (q, t)
        Expected value (median) in the target's unit.
    std : ndarray of shape (q, t)
        Standard deviation of the expected value, without the noise of a measurement.
    lower, upper : ndarray of shape (q, t)
        Interval in which a measurement is expected with probability `level`.
    level : float
        Of the intervals.
    best_so_far : ndarray of shape (t,)
        Best measured value for each goal; NaN where no run counts, or nothing was wanted.
    best_rows : tuple of length t
        Labels of these runs, or None.
    chance : ndarray of shape (q, t)
        Chance to beat the best value so far of each target, or to be inside its range.
    improvement : ndarray of shape (q, t)
        Expected improvement on the best value so far, in the target's unit.
    probability : ndarray of shape (q,)
        Chance of success with all goals at once: to be inside all ranges and, with one aim, to
        beat the best run so far; with several, to be beaten by no known run in all of them.
    acquisition : ndarray of shape (q,)
        Value of what was maximised (the logarithm of the expected improvement or of the
        uncertainty, on the models' scales), each given the experiments before it.
    distance : ndarray of shape (q,)
        Distance to the nearest known run, in distances between the limits.
    inside : ndarray of bool of shape (q,)
        Whether that is known territory: not farther than known runs are from each other.
    nearest : tuple of length q
        Labels of the nearest known runs of each, the nearest first.
    at_limits : tuple of length q
        For each the limits it stands at, in words.
    reasons : tuple of str of length q
        Why, in words.
    left_out_r2 : ndarray of shape (t,)
        R2 of the Gaussian processes, each known run predicted from the others.
    known : ndarray of shape (n, t)
        Measured values.
    warnings : tuple of str
        What a reader should know.
    """

    space: KnobSpace
    targets: tuple[str, ...]
    goals: tuple[Goal, ...]
    method: str
    model: str
    settings: Array
    pool_rows: tuple[Any, ...] | None
    predicted: Array
    std: Array
    lower: Array
    upper: Array
    level: float
    best_so_far: Array
    best_rows: tuple[Any, ...]
    chance: Array
    improvement: Array
    probability: Array
    acquisition: Array
    distance: Array
    inside: NDArray[np.bool_]
    nearest: tuple[tuple[Any, ...], ...]
    at_limits: tuple[tuple[str, ...], ...]
    reasons: tuple[str, ...]
    left_out_r2: Array
    known: Array
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.settings)

    # -- views ------------------------------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """Return one line per experiment: the settings, then what is expected of each target."""
        import pandas as pd

        columns: dict[str, Any] = {}
        if self.pool_rows is not None:
            columns["pool row"] = list(self.pool_rows)
        for j, knob in enumerate(self.space):
            values = self.settings[:, j]
            columns[knob.name] = (
                [knob.levels[int(level)] for level in values]
                if knob.kind == "categorical"
                else values
            )
        for t, target in enumerate(self.targets):
            columns[f"{target} expected"] = self.predicted[:, t]
            columns[f"{target} std"] = self.std[:, t]
            columns[f"{target} lower"] = self.lower[:, t]
            columns[f"{target} upper"] = self.upper[:, t]
            if self.goals:
                columns[f"{target} expected improvement"] = self.improvement[:, t]
        if self.goals:
            columns["probability"] = self.probability
        columns |= {"distance": self.distance, "inside": self.inside, "reason": self.reasons}
        return pd.DataFrame(columns, index=pd.RangeIndex(1, len(self) + 1, name="experiment"))

    def to_dict(self) -> dict[str, Any]:
        """Return the experiments as plain JSON values."""
        return {
            "method": self.method,
            "model": self.model,
            "level": self.level,
            "knobs": list(self.space.names),
            "units": [knob.unit for knob in self.space],
            "targets": [
                {
                    "target": target,
                    "goal": self.goals[t].text if self.goals else None,
                    "best_so_far": plain(self.best_so_far[t]),
                    "best_row": plain_label(self.best_rows[t]),
                    "left_out_r2": plain(self.left_out_r2[t]),
                }
                for t, target in enumerate(self.targets)
            ],
            "experiments": [self._experiment(i) for i in range(len(self))],
            "warnings": list(self.warnings),
        }

    def _experiment(self, i: int) -> dict[str, Any]:
        return {
            "settings": {
                knob.name: str(knob.levels[int(value)])
                if knob.kind == "categorical"
                else float(value)
                for knob, value in zip(self.space, self.settings[i], strict=True)
            },
            "pool_row": None if self.pool_rows is None else plain_label(self.pool_rows[i]),
            "expected": [
                {
                    "target": target,
                    "predicted": plain(self.predicted[i, t]),
                    "std": plain(self.std[i, t]),
                    "lower": plain(self.lower[i, t]),
                    "upper": plain(self.upper[i, t]),
                    "chance": plain(self.chance[i, t]),
                    "expected_improvement": plain(self.improvement[i, t]),
                }
                for t, target in enumerate(self.targets)
            ],
            "probability": plain(self.probability[i]),
            "acquisition": plain(self.acquisition[i]),
            "distance": plain(self.distance[i]),
            "inside": bool(self.inside[i]),
            "nearest": [plain_label(label) for label in self.nearest[i]],
            "at_limits": list(self.at_limits[i]),
            "reason": self.reasons[i],
        }

    def plot(self, ax: Any = None, *, target: int | str = 0) -> Any:
        """Draw known outcomes and the expected ones with their intervals, and return the axes.

        Parameters
        ----------
        ax : matplotlib axes or None, default=None
            Where to draw; None makes a new figure.
        target : int or str, default=0
            Which target, by position or by name.

        Raises
        ------
        SettingsError
            If there is no such target.
        """
        from matlever.recommendation._figure import draw_suggestions

        if isinstance(target, str):
            if target not in self.targets:
                raise SettingsError(f"There is no target {target!r}; there are {self.targets}.")
            target = self.targets.index(target)
        if not 0 <= target < len(self.targets):
            raise SettingsError(f"There is no target {target}; there are {len(self.targets)}.")
        return draw_suggestions(self, target, ax)

    def _said(self, i: int) -> str:
        return ", ".join(
            f"{knob.name} {knob.show(value)}"
            for knob, value in zip(self.space, self.settings[i], strict=True)
            if not knob.fixed
        )

    def __repr__(self) -> str:
        wanted = ", ".join(f"{goal.target}: {goal.text}" for goal in self.goals)
        lines = [
            f"{len(self)} suggested experiment{'s' if len(self) > 1 else ''} "
            f"({self.method}{'; ' + wanted if wanted else ''}; {self.model})"
        ]
        for i in range(len(self)):
            row = "" if self.pool_rows is None else f" pool row {self.pool_rows[i]}:"
            lines += [f"{i + 1}.{row} {self._said(i)}", f"   {self.reasons[i]}"]
        return "\n".join([*lines, *(f"Note: {warning}" for warning in self.warnings)])

    def _repr_html_(self) -> str:
        shown = (
            self.to_frame()
            .drop(columns="reason")
            .map(lambda value: number(value) if isinstance(value, float) else value)
        )
        reasons = "".join(f"<li>{html.escape(reason)}</li>" for reason in self.reasons)
        notes = "".join(f"<p>{html.escape(warning)}</p>" for warning in self.warnings)
        return f"{shown.to_html(escape=True)}<ol>{reasons}</ol>{notes}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Suggestions):
            return NotImplemented
        return all(
            np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
            if isinstance(a, np.ndarray)
            else a == b
            for a, b in ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        )

    __hash__ = None  # type: ignore[assignment]  # holds arrays
