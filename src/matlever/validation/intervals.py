"""Prediction intervals with a guarantee: CV+ and jackknife+."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import SettingsError
from matlever.validation.fits import Progress, fit_many, take_rows

__all__ = ["cv_plus", "held_out_cv_plus", "minimum_rows"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

_CHUNK = 4_000_000  # numbers held at once (32 MB)


def order_statistic(n_rows: int, level: float) -> int:
    """Return ``ceil(level * (n_rows + 1))``: which smallest of `n_rows` residuals bounds the next.

    Computed so that 0.9 * 30 is 27 and not a rounding error above it.
    """
    if not 0 < level < 1:
        raise SettingsError(f"level={level}: the share to cover lies between 0 and 1, like 0.9.")
    return math.ceil(round(level * (n_rows + 1), 9))


def minimum_rows(level: float) -> int:
    """Return the fewest rows for which an interval of this level is finite (9 at 0.9).

    Examples
    --------
    >>> minimum_rows(0.9)
    9
    """
    n_rows = max(1, math.floor(level / (1 - level)) - 2) if 0 < level < 1 else 1
    while order_statistic(n_rows, level) > n_rows:
        n_rows += 1
    return n_rows


def cv_plus(
    residuals: ArrayLike,
    fold_of_row: ArrayLike,
    fold_predictions: ArrayLike,
    level: float = 0.9,
) -> tuple[FloatArray, FloatArray]:
    """Return CV+ intervals for new rows (jackknife+ when each fold is one row).

    With R_i the residual of row i under the model of the fold that held it out, the interval at
    x is ::

        [ the floor((1-level)(n+1))-th smallest of mu_{-k(i)}(x) - |R_i|,
          the ceil(level (n+1))-th smallest of mu_{-k(i)}(x) + |R_i| ]

    For exchangeable rows its coverage is at least ``2 * level - 1`` (less a small term for folds
    of more than one row) and close to `level` in practice. It is marginal: on average over new
    rows like the old ones, and no promise for a designed row far from them.

    Parameters
    ----------
    residuals : array_like of shape (n_rows,)
        Out-of-fold residuals; their signs do not matter.
    fold_of_row : array_like of int of shape (n_rows,)
        Fold, from 0, that held each row out.
    fold_predictions : array_like of shape (n_folds, n_new)
        Predictions of the new rows by the model fitted without each fold.
    level : float, default=0.9
        Share of new rows to cover.

    Returns
    -------
    lower, upper : ndarray of shape (n_new,)
        Minus and plus infinity when there are fewer rows than :func:`minimum_rows`.

    References
    ----------
    .. [1] R. F. Barber, E. J. Candes, A. Ramdas, R. J. Tibshirani, Ann. Statist. 49 (2021) 486-507.
    """
    size = np.abs(np.asarray(residuals, dtype=np.float64))
    fold = np.asarray(fold_of_row)
    mu = np.asarray(fold_predictions, dtype=np.float64)
    if size.ndim != 1 or fold.shape != size.shape or mu.ndim != 2:
        raise SettingsError(
            f"residuals {size.shape} and fold_of_row {fold.shape} need one shape (n_rows,), "
            f"fold_predictions {mu.shape} the shape (n_folds, n_new)."
        )
    if len(fold) and (fold.min() < 0 or fold.max() >= len(mu)):
        raise SettingsError(
            f"fold_of_row runs from {fold.min()} to {fold.max()}, but there are predictions of "
            f"{len(mu)} folds."
        )
    n_rows, n_new = len(size), mu.shape[1]
    rank = order_statistic(n_rows, level)
    lower, upper = np.full(n_new, -np.inf), np.full(n_new, np.inf)
    if rank > n_rows:
        return lower, upper
    step = max(1, _CHUNK // n_rows)
    for start in range(0, n_new, step):
        here = slice(start, start + step)
        centre = mu[:, here][fold]  # (n_rows, chunk)
        # floor((1-level)(n+1)) = n + 1 - ceil(level (n+1)): the same rank from the other end
        lower[here] = np.partition(centre - size[:, None], n_rows - rank, axis=0)[n_rows - rank]
        upper[here] = np.partition(centre + size[:, None], rank - 1, axis=0)[rank - 1]
    return lower, upper


class Scale:
    """Where errors are measured: the target's own unit, or its logarithm.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        Measured values, positive for a logarithm.
    log_scale : bool
    """

    def __init__(self, y: FloatArray, log_scale: bool) -> None:
        self.log_scale = log_scale
        # A model without logarithms may predict zero or less; a thousandth of the smallest
        # measured value stands for that.
        self._floor = 1e-3 * float(y.min()) if log_scale else 0.0

    def to(self, values: FloatArray) -> FloatArray:
        """Return values on the scale of the errors."""
        return np.log(np.maximum(values, self._floor)) if self.log_scale else values

    def back(self, values: FloatArray) -> FloatArray:
        """Return values in the target's unit."""
        if not self.log_scale:
            return values
        with np.errstate(over="ignore"):
            return np.exp(values)


def check_log_scale(y: FloatArray, log_scale: bool) -> None:
    """Raise SettingsError if errors of these values cannot be measured as ratios."""
    if log_scale and not (y > 0).all():
        raise SettingsError("log_scale=True needs targets above zero in every row.")


def held_out_cv_plus(
    estimator: Any,
    X: Any,
    y: ArrayLike,
    fold_of_row: ArrayLike,
    level: float = 0.9,
    *,
    log_scale: bool = False,
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Return a CV+ interval for every row from models and residuals that never saw its fold.

    The share of rows inside is an honest measurement of coverage. (Comparing each residual with
    the other out-of-fold residuals is not: ranks cover their nominal share by construction.) Fold
    k is set aside, CV+ runs on the other folds, and its intervals are compared with the rows of
    k; the model without folds j and k serves both, so K folds take K(K-1)/2 fits.

    Parameters
    ----------
    estimator : estimator
        Left unfitted; fitted through :func:`fit_many`.
    X : DataFrame or array of shape (n_rows, n_inputs)
        Inputs.
    y : array_like of shape (n_rows,)
        One target.
    fold_of_row : array_like of int of shape (n_rows,)
        Fold, from 0, of each row; at least 3 folds.
    level : float, default=0.9
        Share to cover.
    log_scale : bool, default=False
        Measure errors as ratios, for positive targets.
    n_jobs, progress
        As in :func:`fit_many`.

    Returns
    -------
    lower, upper : ndarray of shape (n_rows,)
    """
    y = np.asarray(y, dtype=np.float64)
    fold = np.asarray(fold_of_row, dtype=np.intp)
    n_folds = int(fold.max()) + 1
    if n_folds < 3:
        raise SettingsError(f"{n_folds} folds: setting one aside and validating needs at least 3.")
    check_log_scale(y, log_scale)
    scale = Scale(y, log_scale)
    pairs = [(j, k) for k in range(n_folds) for j in range(k)]
    tasks = []
    for j, k in pairs:
        train = np.flatnonzero((fold != j) & (fold != k))
        tasks.append((take_rows(X, train), y[train]))
    models = fit_many(estimator, tasks, n_jobs=n_jobs, progress=progress)
    # without[j, k, i]: prediction of row i by the model that saw neither fold j nor fold k; only
    # the rows of j and k are needed
    without = np.full((n_folds, n_folds, len(y)), np.nan)
    for (j, k), model in zip(pairs, models, strict=True):
        rows = np.flatnonzero((fold == j) | (fold == k))
        prediction = np.asarray(model.predict(take_rows(X, rows)), dtype=float).reshape(len(rows))
        without[j, k, rows] = without[k, j, rows] = scale.to(prediction)
    lower, upper = np.empty(len(y)), np.empty(len(y))
    for k in range(n_folds):
        inside, outside = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        residuals = scale.to(y)[inside] - without[k, fold[inside], inside]
        inner = np.delete(np.arange(n_folds), k)
        renumbered = np.searchsorted(inner, fold[inside])
        predictions = without[k, inner][:, outside]
        lower[outside], upper[outside] = cv_plus(residuals, renumbered, predictions, level)
    return scale.back(lower), scale.back(upper)
