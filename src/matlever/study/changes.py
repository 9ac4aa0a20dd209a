"""What to change so that a goal is reached: the least change from given rows of a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from matlever.exceptions import SettingsError
from matlever.explanation import counterfactual, nearest_known
from matlever.knobs import TableEditor
from matlever.study.known import KnownRows
from matlever.study.rows import spread_rows
from matlever.study.wishes import Goal, Range

if TYPE_CHECKING:
    from matlever.explanation import Counterfactuals
    from matlever.study.model import StudyModel

__all__ = ["Changes", "change", "reachable", "rows_short_of"]


@dataclass(frozen=True)
class Changes:
    """The least changes that reach a goal, and what they do to the other targets.

    Attributes
    ----------
    found : Counterfactuals
        Of the targets with a goal.
    names : tuple of str
        All targets of the study.
    before : ndarray of shape (n, t)
        Predictions of all targets at the rows.
    after : DataFrame
        What :meth:`StudyModel.predict_table` says at the answers.
    nearest : tuple
        Label of the known row nearest to each answer.
    doubts : tuple of list of str
        Why each answer can hardly exist, where something speaks so.
    """

    found: Counterfactuals
    names: tuple[str, ...]
    before: NDArray[np.float64]
    after: pd.DataFrame
    nearest: tuple[Any, ...]
    doubts: tuple[list[str], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values: what the search found, and ``others``."""
        plain: dict[str, Any] = self.found.to_dict()
        del plain["n_calls"]
        wished = {wish.name for wish in self.found.wishes}
        others = [name for name in self.names if name not in wished]
        entry = 0
        for position, row in enumerate(plain["rows"]):
            for answer in row["answers"]:
                answer["nearest"] = self.nearest[entry]
                answer["doubts"] = self.doubts[entry]
                answer["others"] = [
                    {
                        "target": name,
                        "before": float(self.before[position, self.names.index(name)]),
                        "after": float(self.after[name].iloc[entry]),
                        "lower": _or_none(self.after[f"{name} lower"].iloc[entry]),
                        "upper": _or_none(self.after[f"{name} upper"].iloc[entry]),
                    }
                    for name in others
                ]
                entry += 1
        return plain

    def to_frame(self) -> pd.DataFrame:
        """Return one line per answer, with the predictions of all targets."""
        frame: pd.DataFrame = self.found.to_frame()
        wished = {wish.name for wish in self.found.wishes}
        for name in self.names:
            if name not in wished:
                for ending in ("", " lower", " upper"):
                    frame[f"{name}{ending}"] = self.after[f"{name}{ending}"].to_numpy()
        return frame.assign(nearest=list(self.nearest))


def change(
    model: StudyModel,
    known: KnownRows,
    frame: pd.DataFrame,
    goals: Mapping[str, Goal],
    *,
    editor: TableEditor | None = None,
    n_answers: int = 1,
    max_changes: int | None = None,
    near_data: bool = True,
    confidence: Literal["prediction", "interval"] = "prediction",
    time_limit: float | None = None,
    seed: int = 0,
) -> Changes:
    """Find the least change from each row that brings the predictions to the goals.

    Parameters
    ----------
    model : StudyModel
    known : KnownRows
    frame : DataFrame of shape (n, n_inputs)
        Rows to start from.
    goals : mapping of str to goal
        By target; all must hold at once. The most and the least are to be as good as the best known
        run (:func:`reachable`).
    editor : TableEditor, optional
        The knobs; default with the limits the study's user set.
    n_answers, max_changes, confidence, time_limit
        As for `matlever.explanation.counterfactual`.
    near_data : bool, default=True
        Whether answers are looked for in known territory first.
    seed : int, default=0
    """
    knobs = known.editor if editor is None else editor
    names = list(goals)
    # Of one target alone only its own model is asked, which is quicker.
    predictor = model.for_target(names[0]) if len(names) == 1 else model
    columns = {column.name: column for column in model.targets}
    asked = names if len(names) == 1 else list(columns)
    wanted: Any = _wanted(goals, known, _predicted(model, known))
    found = counterfactual(
        predictor,
        knobs,
        frame,
        wanted,
        reference=known.samples,
        stay_near_data=near_data,
        n_answers=n_answers,
        max_changes=max_changes,
        confidence=confidence,
        level=model.level,
        targets=asked,
        target_units=[columns[name].unit for name in asked],
        time_limit=time_limit,
        random_state=seed,
    )
    rendered = pd.DataFrame(knobs.render(frame.iloc[found.row], found.settings[:, None]))
    nearest = nearest_known(knobs, rendered, known.samples, 1)
    return Changes(
        found,
        tuple(columns),
        model.predict(frame),
        model.predict_table(rendered),
        tuple(labels[0] for labels in nearest.labels),
        tuple(model.kind.doubts(rendered)),
    )


def reachable(goal: Goal, measured: pd.Series[float], predicted: pd.Series[float]) -> float | Range:
    """Return a number or a range; the most is to be as good as the best known run, or better.

    Of the best measured and the best predicted value of the known rows the more modest one is
    meant: the best of many measured values owes some of that to chance.
    """
    if goal == "maximise":
        return float(min(measured.max(), predicted.max())), None
    if goal == "minimise":
        return None, float(max(measured.min(), predicted.min()))
    if isinstance(goal, str):
        raise SettingsError(f"The goal {goal!r} is not known.")
    return goal


def _wanted(
    goals: Mapping[str, Goal], known: KnownRows, predicted: pd.DataFrame
) -> dict[str, float | Range]:
    return {
        name: reachable(goal, known.outcomes[name], predicted[name]) for name, goal in goals.items()
    }


def _predicted(model: StudyModel, known: KnownRows) -> pd.DataFrame:
    """Return the predictions of all targets at the known rows."""
    return pd.DataFrame(
        model.predict(known.samples), index=known.samples.index, columns=list(model.predictors)
    )


def rows_short_of(
    model: StudyModel, known: KnownRows, goals: Mapping[str, Goal], most: int
) -> tuple[pd.DataFrame, int]:
    """Return known rows that neither meet the goals nor are predicted to, and how many do.

    Parameters
    ----------
    model, known, goals
        As for :func:`change`.
    most : int
        At most so many, spread evenly over the ranks of the first target.

    Returns
    -------
    rows : DataFrame of shape (n, n_inputs)
    n_met : int
        Known rows that were measured to meet the goals.
    """
    first = known.outcomes[next(iter(goals))].dropna()
    predicted = _predicted(model, known)
    wanted = _wanted(goals, known, predicted)
    # Where a target was not measured its prediction stands for it.
    measured = known.outcomes[list(goals)].fillna(predicted)
    met, will_meet = (_meets(frame, wanted, predicted) for frame in (measured, predicted))
    rest = first.loc[first.index.isin(known.samples.index[~met & ~will_meet])]
    chosen = rest.index[spread_rows(rest, most)]
    return known.samples.loc[chosen], int(met.sum())


def _meets(
    frame: pd.DataFrame, wanted: Mapping[str, float | Range], predicted: pd.DataFrame
) -> NDArray[np.bool_]:
    """Return which rows of a frame of outcomes meet all the goals."""
    met = np.ones(len(frame), dtype=bool)
    for name, goal in wanted.items():
        if not isinstance(goal, tuple):
            # The default tolerance of a number, see `matlever.explanation.counterfactual`.
            half = 0.01 * float(predicted[name].max() - predicted[name].min())
            goal = (goal - half, goal + half)
        low, high = goal
        values = frame[name].to_numpy(dtype=float)
        met &= (values >= (-np.inf if low is None else low)) & (
            values <= (np.inf if high is None else high)
        )
    return met


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
