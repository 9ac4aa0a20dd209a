"""A regressor that gives an interval with each prediction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.linear_model import Ridge
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from matlever.exceptions import ModelFileError, SettingsError
from matlever.storage import State
from matlever.validation.fits import Task, fit_many, take_rows
from matlever.validation.intervals import Scale, check_log_scale, cv_plus, order_statistic
from matlever.validation.splits import input_blocks, plan_folds

__all__ = ["CrossConformalRegressor"]

FloatArray = NDArray[np.float64]


class CrossConformalRegressor(RegressorMixin, BaseEstimator):
    """Predict with one model of all rows, and give CV+ intervals from its fold models.

    Parameters
    ----------
    estimator : estimator, optional
        Any regressor; default ridge. Whatever it needs to do with its rows belongs inside it, so
        that it is done anew in each fold.
    n_folds : int, default=10
        Folds; as many as rows (or more) is the jackknife+.
    level : float, default=0.9
        Share of new rows an interval is to cover.
    log_scale : bool, default=False
        Measure errors as ratios (differences of logarithms), so that an interval of a positive
        target is "divided by f to times f" and never reaches zero.
    random_state : int, RandomState or None, default=0
        Seed of the folds.

    Attributes
    ----------
    estimator_ : estimator
        Fitted to all rows.
    fold_estimators_ : list of estimator
        Fitted without one fold each.
    fold_of_row_ : ndarray of shape (n_rows,)
        Fold that held each row out.
    y_, out_of_fold_ : ndarray of shape (n_rows,)
        Measured values and predictions by the fold model that never saw the row.

    See Also
    --------
    held_out_cv_plus : Measure the coverage on rows kept from the intervals.

    References
    ----------
    .. [1] R. F. Barber, E. J. Candes, A. Ramdas, R. J. Tibshirani, Ann. Statist. 49 (2021) 486-507.
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_folds: int = 10,
        level: float = 0.9,
        log_scale: bool = False,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.estimator = estimator
        self.n_folds = n_folds
        self.level = level
        self.log_scale = log_scale
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Fit one model to all rows and one without each fold.

        Parameters
        ----------
        X : DataFrame or array_like of shape (n_rows, n_inputs)
            Inputs; replicates are held out together.
        y : array_like of shape (n_rows,)
            One target.
        groups : array_like of shape (n_rows,), optional
            Rows that are held out together.
        """
        tasks = self._plan(X, y, groups)
        self._take(tasks[0][0], fit_many(self._base(), tasks))
        return self

    def fit_batch(self, tasks: Sequence[Task]) -> list[Self]:
        """Return a new fitted object for each task; all fits of all tasks go together."""
        fresh = [clone(self) for _ in tasks]
        planned = [model._plan(X, y, None) for model, (X, y) in zip(fresh, tasks, strict=True)]
        fitted = iter(fit_many(self._base(), [task for plan in planned for task in plan]))
        for model, plan in zip(fresh, planned, strict=True):
            model._take(plan[0][0], [next(fitted) for _ in plan])
        return fresh

    def _base(self) -> Any:
        return Ridge() if self.estimator is None else self.estimator

    def _plan(self, X: Any, y: ArrayLike, groups: ArrayLike | None) -> list[Task]:
        """Check the rows and return what is to be fitted: all rows, then without each fold."""
        order_statistic(1, self.level)  # refuses a level that is no share
        X, y = self._check_training(X, y)
        if len(y) < 2:
            raise SettingsError(f"n_samples = {len(y)}: intervals need at least 2 rows, better 9.")
        blocks = input_blocks(X)
        if len(np.unique(blocks)) < 2:
            blocks = np.arange(len(y))  # all inputs equal: nothing but the rows to hold out
        plan = plan_folds(
            len(y),
            groups=groups,
            blocks=blocks,
            n_folds=self.n_folds,
            n_repeats=1,
            random_state=self.random_state,
        )
        check_log_scale(y, self.log_scale)
        self.fold_of_row_ = plan.fold_of_row[0]
        self.y_ = y
        return [(X, y), *((take_rows(X, train), y[train]) for train, _ in plan)]

    def _take(self, X: Any, models: Sequence[Any]) -> None:
        """Keep the fitted models, the first of all rows, and predict each row out of fold."""
        self.estimator_, *self.fold_estimators_ = models
        self.out_of_fold_ = np.empty(len(self.y_))
        for fold, model in enumerate(self.fold_estimators_):
            test = np.flatnonzero(self.fold_of_row_ == fold)
            self.out_of_fold_[test] = np.asarray(model.predict(take_rows(X, test))).reshape(-1)

    @classmethod
    def from_cross_validation(
        cls,
        full_model: Any,
        fold_models: Sequence[Any],
        fold_of_row: ArrayLike,
        y: ArrayLike,
        out_of_fold: ArrayLike,
        *,
        level: float = 0.9,
        log_scale: bool = False,
    ) -> Self:
        """Put together what a cross-validation has fitted already; nothing is fitted again.

        Parameters
        ----------
        full_model : estimator
            Fitted to all rows.
        fold_models : sequence of estimator
            Fitted without fold 0, 1, ...
        fold_of_row : array_like of int of shape (n_rows,)
            Fold that held each row out.
        y, out_of_fold : array_like of shape (n_rows,)
            Measured values, and predictions by the model without the row's fold.
        level : float, default=0.9
            Default share to cover.
        log_scale : bool, default=False
            As the parameter of that name.
        """
        fold = np.asarray(fold_of_row, dtype=np.intp)
        measured = np.asarray(y, dtype=np.float64)
        predicted = np.asarray(out_of_fold, dtype=np.float64)
        if not fold.shape == measured.shape == predicted.shape or fold.ndim != 1:
            raise SettingsError(
                f"fold_of_row {fold.shape}, y {measured.shape} and out_of_fold {predicted.shape} "
                "need one shape (n_rows,)."
            )
        if not len(fold) or fold.min() < 0 or fold.max() >= len(fold_models):
            raise SettingsError(
                f"fold_of_row needs numbers from 0 to {len(fold_models) - 1}, one for each row."
            )
        check_log_scale(measured, log_scale)
        model = cls(clone(full_model), n_folds=len(fold_models), level=level, log_scale=log_scale)
        model.estimator_ = full_model
        model.fold_estimators_ = list(fold_models)
        model.fold_of_row_, model.y_, model.out_of_fold_ = fold, measured, predicted
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(full_model, name):
                setattr(model, name, getattr(full_model, name))
        return model

    def predict(self, X: Any) -> FloatArray:
        """Return the prediction of the model of all rows, shape (n_new,)."""
        X = self._check_new(X)
        return np.asarray(self.estimator_.predict(X), dtype=np.float64).reshape(np.shape(X)[0])

    def predict_interval(self, X: Any, level: float | None = None) -> tuple[FloatArray, FloatArray]:
        """Return CV+ intervals.

        Parameters
        ----------
        X : DataFrame or array_like of shape (n_new, n_inputs)
            New rows.
        level : float, optional
            Share to cover; default the parameter of that name.

        Returns
        -------
        lower, upper : ndarray of shape (n_new,)
            Infinite when there are too few training rows for the level.
        """
        X = self._check_new(X)
        n_new = np.shape(X)[0]
        predictions = [
            np.asarray(model.predict(X), dtype=np.float64).reshape(n_new)
            for model in self.fold_estimators_
        ]
        scale = Scale(self.y_, self.log_scale)
        lower, upper = cv_plus(
            scale.to(self.y_) - scale.to(self.out_of_fold_),
            self.fold_of_row_,
            scale.to(np.stack(predictions)),
            self.level if level is None else level,
        )
        return scale.back(lower), scale.back(upper)

    def to_state(self) -> State:
        """Return everything needed to rebuild the fitted object."""
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", None)
        return State(
            kind=type(self).__name__,
            config={
                "n_folds": len(self.fold_estimators_),
                "level": float(self.level),
                "log_scale": bool(self.log_scale),
                "random_state": self.random_state if isinstance(self.random_state, int) else None,
                "n_features_in": getattr(self, "n_features_in_", None),
                "feature_names_in": None if names is None else [str(name) for name in names],
            },
            arrays={
                "fold_of_row": self.fold_of_row_.astype(np.int64),
                "y": self.y_,
                "out_of_fold": self.out_of_fold_,
            },
            parts={
                "full": self.estimator_.to_state(),
                **{f"fold_{k}": model.to_state() for k, model in enumerate(self.fold_estimators_)},
            },
        )

    @classmethod
    def from_state(cls, state: State, restore: Callable[[State], Any]) -> Self:
        """Rebuild the fitted object; predictions and intervals are bitwise those of the original.

        Parameters
        ----------
        state : State
            What :meth:`to_state` returned.
        restore : callable
            Rebuilds a part from its state, from a whitelist of kinds.

        Raises
        ------
        ModelFileError
            If a value is missing or does not fit the others.
        """
        n_folds, level = state.get("n_folds"), state.get("level")
        if type(n_folds) is not int or n_folds < 1 or len(state.parts) != n_folds + 1:
            raise ModelFileError(
                f"{state.kind}: n_folds is {n_folds!r}, but there are {len(state.parts)} parts "
                "(expected one more than folds)."
            )
        if not isinstance(level, float) or not 0 < level < 1:
            raise ModelFileError(f"{state.kind}: level is {level!r}, expected a share like 0.9.")
        log_scale = state.get("log_scale")
        if not isinstance(log_scale, bool):
            raise ModelFileError(f"{state.kind}: log_scale is {log_scale!r}, expected yes or no.")
        seed = state.get("random_state")
        if seed is not None and type(seed) is not int:
            raise ModelFileError(f"{state.kind}: random_state is {seed!r}, expected a number.")
        fold = state.array("fold_of_row", (None,), np.int64)
        n_rows = len(fold)
        if not n_rows or fold.min() < 0 or fold.max() >= n_folds:
            raise ModelFileError(f"{state.kind}: fold_of_row does not fit the {n_folds} folds.")
        full = restore(state.part("full"))
        folds = [restore(state.part(f"fold_{k}")) for k in range(n_folds)]
        _check_parts(state, [full, *folds])
        model = cls(
            clone(full), n_folds=n_folds, level=level, log_scale=log_scale, random_state=seed
        )
        model.estimator_ = full
        model.fold_estimators_ = folds
        model.fold_of_row_ = fold.astype(np.intp)
        model.y_ = state.array("y", (n_rows,), np.float64)
        if log_scale and not (model.y_ > 0).all():
            raise ModelFileError(f"{state.kind}: a logarithm of values that are not above zero.")
        model.out_of_fold_ = state.array("out_of_fold", (n_rows,), np.float64)
        model._restore_inputs(state)
        return model

    def _restore_inputs(self, state: State) -> None:
        n_inputs, names = state.get("n_features_in"), state.get("feature_names_in")
        if type(n_inputs) is not int or n_inputs != self.estimator_.n_features_in_:
            raise ModelFileError(
                f"{state.kind}: n_features_in is {n_inputs!r}, its models have "
                f"{self.estimator_.n_features_in_} inputs."
            )
        self.n_features_in_ = n_inputs
        if names is not None:
            if not isinstance(names, list) or len(names) != n_inputs:
                raise ModelFileError(f"{state.kind}: feature_names_in does not fit {n_inputs!r}.")
            self.feature_names_in_ = np.asarray([str(name) for name in names], dtype=object)

    def _check_training(self, X: Any, y: ArrayLike) -> tuple[Any, FloatArray]:
        """Return checked inputs (a DataFrame stays one) and targets."""
        if not isinstance(X, pd.DataFrame):
            X, y = validate_data(self, X, y, y_numeric=True, dtype=np.float64)
            return X, np.asarray(y, dtype=np.float64)
        validate_data(self, X, skip_check_array=True)
        measured = check_array(
            column_or_1d(y, warn=True), ensure_2d=False, dtype=np.float64, input_name="y"
        )
        check_consistent_length(X, measured)
        return X, np.asarray(measured)

    def _check_new(self, X: Any) -> Any:
        check_is_fitted(self)
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, reset=False, skip_check_array=True)
            return X
        return validate_data(self, X, reset=False, dtype=np.float64)


def _check_parts(state: State, parts: Sequence[Any]) -> None:
    """Refuse models that cannot predict one target, or differ in their inputs."""
    for part in parts:
        if not hasattr(part, "predict") or not hasattr(part, "n_features_in_"):
            raise ModelFileError(f"{state.kind}: a {type(part).__name__} cannot predict.")
        if not getattr(part, "single_target_", True):
            raise ModelFileError(f"{state.kind}: one of its models has several targets.")
    described = [
        (part.n_features_in_, tuple(getattr(part, "feature_names_in_", ()))) for part in parts
    ]
    if len(set(described)) != 1:
        raise ModelFileError(f"{state.kind}: its models have different inputs.")
