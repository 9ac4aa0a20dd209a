"""The runs made so far: where their knobs stood, and what came out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from matlever.exceptions import DataError, Fault, NotEnoughDataError
from matlever.knobs import Editor
from matlever.knobs.samples import take_rows
from matlever.recommendation._words import plain_label
from matlever.recommendation.goals import Goal

__all__ = ["Known", "labels_of", "read_known"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Known:
    """Runs with at least one measured outcome.

    Attributes
    ----------
    samples : n samples
        As they were given, without the rows that have no outcome.
    labels : tuple of length n
        Labels of the rows.
    values : ndarray of shape (n, k)
        Where the knobs stood.
    targets : tuple of str of length t
        Names of the outcomes.
    outcomes : ndarray of shape (n, t)
        Measured values; NaN where one was not measured.
    n_without : int
        Rows that were left out because nothing was measured.
    """

    samples: Any
    labels: tuple[Any, ...]
    values: Array
    targets: tuple[str, ...]
    outcomes: Array
    n_without: int = 0

    def best(self, goals: Sequence[Goal]) -> list[int | None]:
        """Row of the best value so far for each goal; None where no row may count.

        A row counts when it was measured to be inside every range that was asked for. When all
        goals are ranges, every row counts.
        """
        counts = np.ones(len(self.outcomes), dtype=bool)
        ranges = [goal for goal in goals if goal.kind == "within"]
        if len(ranges) < len(goals):
            for goal in ranges:
                counts &= goal.score(self.column(goal.target)) >= 0
        found: list[int | None] = []
        for goal in goals:
            score = goal.score(self.column(goal.target))
            allowed = np.where(counts | (goal.kind == "within"), score, np.nan)
            found.append(None if np.isnan(allowed).all() else int(np.nanargmax(allowed)))
        return found

    def column(self, target: str) -> Array:
        """Outcomes of one target, of shape (n,)."""
        return self.outcomes[:, self.targets.index(target)]

    def base_row(self, goals: Sequence[Goal]) -> int:
        """Row the suggestions are made from: the best for the first goal it can be told for."""
        rows = [row for row in self.best(goals) if row is not None]
        return rows[0] if rows else 0


def read_known(editor: Editor, samples: Any, outcomes: Any) -> Known:
    """Check samples and outcomes, and leave out the rows where nothing was measured.

    Parameters
    ----------
    editor : Editor
        Says where the samples stand.
    samples : n samples
        As the editor takes them.
    outcomes : Series, DataFrame or array_like of shape (n,) or (n, t)
        Measured values.

    Raises
    ------
    DataError
        If the lengths differ, or a value is not a number; all faults together.
    NotEnoughDataError
        If a target has fewer than two measured rows, or all its values are equal.
    """
    frame = _frame(outcomes)
    labels = labels_of(samples)
    if len(frame) != len(labels):
        raise DataError(
            f"There are {len(labels)} samples but {len(frame)} outcomes; each sample needs one row "
            "of outcomes, with empty cells (NaN) where something was not measured."
        )
    measured = _numbers(frame, labels)
    has_any = ~np.isnan(measured).all(axis=1)
    targets = tuple(map(str, frame.columns))
    faults = []
    for name, column in zip(targets, measured.T, strict=True):
        there = column[~np.isnan(column)]
        if len(there) < 2:
            faults.append(
                Fault(
                    f"{len(there)} of {len(column)} rows have a measured value",
                    "Suggestions need two or more; begin with a few spread-out runs.",
                    column=name,
                )
            )
        elif np.ptp(there) <= 1e-12 * np.abs(there).max():
            faults.append(
                Fault(
                    f"all {len(there)} measured values are {there[0]:.6g}",
                    "Nothing can be learned from equal outcomes: measure runs that differ, or "
                    'leave the target out. For a spread-out choice use method="explore" with '
                    "another target.",
                    column=name,
                )
            )
    if faults:
        raise NotEnoughDataError(faults)
    kept = np.flatnonzero(has_any)
    chosen = take_rows(samples, kept)
    return Known(
        samples=chosen,
        labels=tuple(labels[i] for i in kept),
        values=np.asarray(editor.values(chosen), dtype=float),
        targets=targets,
        outcomes=measured[kept],
        n_without=int((~has_any).sum()),
    )


def labels_of(samples: Any) -> list[Any]:
    """Return the labels of samples: a frame's index, else their positions."""
    if hasattr(samples, "index") and hasattr(samples, "iloc"):
        return list(samples.index)
    return list(range(len(samples)))


def _frame(outcomes: Any) -> pd.DataFrame:
    if isinstance(outcomes, pd.DataFrame):
        frame = outcomes
    elif isinstance(outcomes, pd.Series):
        frame = outcomes.to_frame(name="outcome" if outcomes.name is None else str(outcomes.name))
    else:
        array = np.asarray(outcomes)
        if array.ndim not in (1, 2):
            raise DataError(f"Outcomes need shape (n,) or (n, targets), got {array.shape}.")
        several = array.ndim == 2 and array.shape[1] > 1
        names = [f"y{j}" for j in range(array.shape[1])] if several else ["outcome"]
        frame = pd.DataFrame(array.reshape(len(array), -1), columns=names)
    repeated = frame.columns[frame.columns.duplicated()]
    if not len(frame.columns) or len(repeated):
        raise DataError(
            f"The outcome {repeated[0]!r} appears twice."
            if len(repeated)
            else "There is no column of outcomes."
        )
    return frame


def _numbers(frame: pd.DataFrame, labels: Sequence[Any]) -> Array:
    """Return outcomes as floats, NaN where a cell is empty; all else that is no number is named."""
    found = np.empty(frame.shape)
    faults = []
    for j, name in enumerate(frame.columns):
        cells = frame.iloc[:, j]
        numbers = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        wrong = (np.isnan(numbers) & ~cells.isna().to_numpy(dtype=bool)) | np.isinf(numbers)
        faults += [
            Fault(
                f"{plain_label(cells.iloc[i])!r} is not a finite number",
                "Correct the outcome, or leave the cell empty if it was not measured.",
                row=int(labels[i]) if isinstance(labels[i], int | np.integer) else None,
                column=str(name),
            )
            for i in np.flatnonzero(wrong).tolist()
        ]
        found[:, j] = numbers
    if faults:
        raise DataError(faults)
    return found
