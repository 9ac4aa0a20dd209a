"""Choice of a model inside the training rows, so that the choice itself is validated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from matlever.exceptions import SettingsError
from matlever.storage import State
from matlever.validation.fits import Task, fit_many, take_rows
from matlever.validation.metrics import rmse
from matlever.validation.splits import FoldPlan, input_blocks, plan_folds

__all__ = ["BestOf"]


class BestOf(RegressorMixin, BaseEstimator):
    """Fit the candidate with the lowest cross-validated error on the training rows.

    Inside an outer cross-validation this is nested choice: the outer score counts what choosing
    among many costs.

    Parameters
    ----------
    candidates : list of (str, estimator), optional
        Names and estimators; default the mean and ridge.
    n_folds : int, default=5
        Inner folds; replicates are held out together.
    random_state : int, RandomState or None, default=0
        Seed of the inner folds.

    Attributes
    ----------
    best_ : estimator
        The chosen candidate, fitted to all rows.
    best_name_ : str
        Its name.
    inner_scores_ : dict of str to float
        Inner root mean squared error of each candidate, in the target's unit.
    """

    def __init__(
        self,
        candidates: list[tuple[str, Any]] | None = None,
        *,
        n_folds: int = 5,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.candidates = candidates
        self.n_folds = n_folds
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Choose by inner folds, then fit the chosen candidate to all rows.

        Parameters
        ----------
        X : DataFrame or array_like of shape (n_rows, n_inputs)
            Inputs.
        y : array_like of shape (n_rows,)
            One target.
        """
        fitted = self._fit_all([self], [(X, y)])
        return fitted[0]

    def fit_batch(self, tasks: Sequence[Task]) -> list[Self]:
        """Return a new fitted object for each task; all inner fits of a candidate go together."""
        return self._fit_all([clone(self) for _ in tasks], tasks)

    def predict(self, X: Any, **options: Any) -> NDArray[Any]:
        """Return what the chosen candidate predicts, shape (n_new,).

        Options such as ``return_std=True`` are handed to it.
        """
        check_is_fitted(self)
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, reset=False, skip_check_array=True)
        else:
            X = validate_data(self, X, reset=False, dtype=np.float64)
        prediction: NDArray[Any] = self.best_.predict(X, **options)
        return prediction

    def to_state(self) -> State:
        """Return the state of the chosen candidate; the others are not kept."""
        check_is_fitted(self)
        state: State = self.best_.to_state()
        return state

    def _fit_all(self, fresh: Sequence[Self], tasks: Sequence[Any]) -> list[Self]:
        """Fit `fresh[i]` to `tasks[i]` for all i."""
        candidates = (
            [("mean", DummyRegressor()), ("ridge", Ridge())]
            if self.candidates is None
            else list(self.candidates)
        )
        names = [name for name, _ in candidates]
        if not names or len(set(names)) < len(names):
            raise SettingsError(f"candidates need different names, at least one: {names}.")
        checked = [model._check(X, y) for model, (X, y) in zip(fresh, tasks, strict=True)]
        plans = [self._inner_plan(X) for X, _ in checked]
        for model in fresh:
            model.inner_scores_ = {}
        for name, estimator in candidates:
            for model, score in zip(fresh, _inner_scores(estimator, checked, plans), strict=True):
                model.inner_scores_[name] = score
        for model in fresh:
            model.best_name_ = min(names, key=model.inner_scores_.__getitem__)
        for name, estimator in candidates:
            chosen = [i for i, model in enumerate(fresh) if model.best_name_ == name]
            fits = fit_many(estimator, [checked[i] for i in chosen])
            for i, fit in zip(chosen, fits, strict=True):
                fresh[i].best_ = fit
        return list(fresh)

    def _inner_plan(self, X: Any) -> FoldPlan:
        blocks = input_blocks(X)
        if len(np.unique(blocks)) < 2:
            blocks = np.arange(len(blocks))
        return plan_folds(
            len(blocks),
            blocks=blocks,
            n_folds=self.n_folds,
            n_repeats=1,
            random_state=clone(self).random_state,
        )

    def _check(self, X: Any, y: ArrayLike) -> Task:
        """Return checked inputs (a DataFrame stays one) and targets."""
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, skip_check_array=True)
            y = check_array(column_or_1d(y, warn=True), ensure_2d=False, dtype=float)
            check_consistent_length(X, y)
        else:
            X, y = validate_data(self, X, y, y_numeric=True, dtype=np.float64)
        if len(X) < 2:
            raise SettingsError(f"n_samples = {len(X)}: a choice needs at least 2 rows.")
        return X, np.asarray(y, dtype=np.float64)


def _inner_scores(
    estimator: Any, checked: Sequence[Task], plans: Sequence[FoldPlan]
) -> list[float]:
    """Return the cross-validated error of one candidate on each task."""
    splits = [(task, train, test) for task, plan in enumerate(plans) for train, test in plan]
    models = fit_many(
        estimator,
        [(take_rows(checked[i][0], train), checked[i][1][train]) for i, train, _ in splits],
    )
    predictions = [np.empty(len(y)) for _, y in checked]
    for model, (i, _, test) in zip(models, splits, strict=True):
        held_out = np.asarray(model.predict(take_rows(checked[i][0], test)), dtype=float)
        predictions[i][test] = held_out.reshape(-1)
    return [rmse(y, guess) for (_, y), guess in zip(checked, predictions, strict=True)]
