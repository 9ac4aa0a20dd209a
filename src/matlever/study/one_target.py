"""One target of a study's model as a predictor of its own: prediction, spread and interval."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from matlever.tables import Column
from matlever.validation import CrossConformalRegressor, minimum_rows

__all__ = ["TargetModel", "spread_factor"]

Array = NDArray[np.float64]


class TargetModel:
    """Predicts one target of a study; made by :meth:`StudyModel.for_target`.

    Parameters
    ----------
    column : Column
        The target.
    predictor : CrossConformalRegressor
        Fitted to all rows of the target.
    chosen : callable
        Takes the model's inputs out of a frame of rows.
    level : float
        Nominal coverage of the intervals unless another is asked for.
    n_units : int
        Rows (groups, settings) that stand for themselves.
    factor : float
        What the model's own standard deviation is multiplied by, see :func:`spread_factor`.
    """

    def __init__(
        self,
        column: Column,
        predictor: CrossConformalRegressor,
        chosen: Callable[[pd.DataFrame], pd.DataFrame],
        level: float,
        n_units: int,
        factor: float,
    ) -> None:
        self.column = column
        self.predictor = predictor
        self.level = level
        self.n_units = n_units
        self.factor = factor
        self._chosen = chosen

    def __repr__(self) -> str:
        return f"TargetModel({self.column.label}, {self.predictor!r})"

    @overload
    def predict(self, X: pd.DataFrame, return_std: Literal[False] = False) -> Array: ...
    @overload
    def predict(self, X: pd.DataFrame, return_std: Literal[True]) -> tuple[Array, Array]: ...
    def predict(self, X: pd.DataFrame, return_std: bool = False) -> Array | tuple[Array, Array]:
        """Predict in the target's unit.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_inputs)
            Columns named as the study's inputs.
        return_std : bool, default=False
            Also return a standard deviation: the model's own, which grows away from the data, as
            the width of a conformal interval hardly does; scaled by one factor so that the normal
            interval it makes covers as many held-out rows as it says (:func:`spread_factor`).

        Returns
        -------
        mean : ndarray of shape (n_rows,)
        std : ndarray of shape (n_rows,), only with `return_std`
        """
        chosen = self._chosen(X)
        if not return_std:
            return self.predictor.predict(chosen)
        mean, std = self.predictor.estimator_.predict(chosen, return_std=True)
        return np.asarray(mean, dtype=float), self.factor * np.asarray(std, dtype=float)

    def predict_interval(self, X: pd.DataFrame, level: float | None = None) -> tuple[Array, Array]:
        """Return limits of shape (n_rows,) each; infinite where there were too few rows.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_inputs)
        level : float, optional
            Nominal coverage; default that of the study.
        """
        nominal = self.level if level is None else level
        if not self._is_enough(nominal):
            return np.full(len(X), -np.inf), np.full(len(X), np.inf)
        return self.predictor.predict_interval(self._chosen(X), level=nominal)

    @property
    def has_intervals(self) -> bool:
        """Whether there were enough rows for an interval of the study's level."""
        return self._is_enough(self.level)

    def _is_enough(self, level: float) -> bool:
        return self.n_units >= minimum_rows(level)


def spread_factor(predictor: CrossConformalRegressor, X: pd.DataFrame, level: float = 0.9) -> float:
    r"""Return by how much the models' own standard deviations must grow to hold on held-out rows.

    Each row is predicted by the model that never saw its fold; the factor is the `level` quantile
    of ``|y - mean| / std`` over that of a normal distribution, :math:`\Phi^{-1}((1 + level)/2)`.

    Parameters
    ----------
    predictor : CrossConformalRegressor
        Its models must be able to predict a standard deviation.
    X : DataFrame of shape (n_rows, n_inputs)
        The rows it was fitted to, in that order.
    level : float, default=0.9
        Share of the rows that is to be covered.
    """
    miss, std = np.empty((2, len(predictor.y_)))
    for fold, model in enumerate(predictor.fold_estimators_):
        held_out = np.flatnonzero(predictor.fold_of_row_ == fold)
        if len(held_out):
            mean, std[held_out] = model.predict(X.iloc[held_out], return_std=True)
            miss[held_out] = np.abs(predictor.y_[held_out] - mean)
    # Trees may agree by chance: a spread far below the usual one says nothing about a row.
    std = np.maximum(std, max(0.1 * float(np.median(std)), np.finfo(float).tiny))
    factor = float(np.quantile(miss / std, level, method="higher") / ndtri((1 + level) / 2))
    return factor if np.isfinite(factor) and factor > 0 else 1.0
