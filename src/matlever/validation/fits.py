"""Fit one estimator to many training sets, all at once where the estimator can."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import clone

__all__ = ["Progress", "Task", "fit_many", "take_rows"]

Progress = Callable[[int, int, str], None]
"""Called with (done, total, what)."""
Task = tuple[Any, NDArray[Any]]
"""Inputs (DataFrame or matrix) and targets of one training set."""


def take_rows(X: Any, rows: NDArray[Any]) -> Any:
    """Return rows of a DataFrame or array by position."""
    return X.iloc[rows] if isinstance(X, pd.DataFrame) else np.asarray(X)[rows]


def fit_many(
    estimator: Any,
    tasks: Sequence[Task],
    *,
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> list[Any]:
    """Return one fitted clone of `estimator` for each task.

    An estimator with a method ``fit_batch(tasks)`` is given all tasks of the same number of inputs
    together (stacked networks, batched Gaussian processes); any other is cloned and fitted task by
    task.

    Parameters
    ----------
    estimator : estimator
        Left unfitted.
    tasks : sequence of (X, y)
        Training sets; X a DataFrame or matrix of shape (n_rows, n_inputs), y of shape (n_rows,) or
        (n_rows, n_targets). Numbers of rows may differ.
    n_jobs : int, optional
        Processes for the task-by-task way, as in joblib; None = 1.
    progress : callable, optional
        Called with (done, total, what) as tasks are finished.

    Returns
    -------
    fitted : list
        In the order of `tasks`.
    """
    tasks = list(tasks)
    what = f"fitting {type(estimator).__name__}"
    total = len(tasks)
    if progress is not None:
        progress(0, total, what)
    if not hasattr(estimator, "fit_batch"):
        fitted = []
        jobs = Parallel(n_jobs=n_jobs, return_as="generator")(
            delayed(_fit)(estimator, X, y) for X, y in tasks
        )
        for done, model in enumerate(jobs, start=1):
            fitted.append(model)
            if progress is not None:
                progress(done, total, what)
        return fitted
    widths: dict[int, list[int]] = {}
    for position, (X, _) in enumerate(tasks):
        widths.setdefault(int(np.shape(X)[1]), []).append(position)
    by_position: dict[int, Any] = {}
    for positions in widths.values():
        models = estimator.fit_batch([tasks[position] for position in positions])
        by_position.update(zip(positions, models, strict=True))
        if progress is not None:
            progress(len(by_position), total, what)
    return [by_position[position] for position in range(total)]


def _fit(estimator: Any, X: Any, y: NDArray[Any]) -> Any:
    return clone(estimator).fit(X, y)
