"""Ensembles of regression trees kept as plain arrays, so that a saved model needs no pickle."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self, overload

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from matlever.exceptions import ModelFileError, SettingsError
from matlever.storage import State
from matlever.tables._fitting import (
    Float,
    check_rows,
    check_training,
    column_scale,
    fitted_config,
    rebuild,
    shaped,
    truth,
    whole_number,
)
from matlever.tables._forest import Forest
from matlever.tables._grow import Plot, grow
from matlever.tables._left_out import leave_out_blocks, leave_out_error, rows_of_trees
from matlever.validation import Task

__all__ = ["TreeEnsemble"]


class TreeEnsemble(RegressorMixin, BaseEstimator):
    """Extra-trees, a random forest or gradient boosting, stored and evaluated as arrays.

    Extra-trees are grown here, all trees of all targets and tasks together; the other two are
    fitted by scikit-learn and copied. Each target has its own trees. Inputs are standardised and
    rounded to float32, as scikit-learn's trees do.

    Parameters
    ----------
    method : {"extra_trees", "random_forest", "boosting"}, default="extra_trees"
    n_trees : int, default=200
        Trees per target.
    min_samples_leaf : int, default=1
    learning_rate : float, default=0.05
        Of boosting.
    max_depth : int, default=3
        Of the trees of boosting; the others are grown until their leaves are pure.
    subsample : float, default=0.7
        Share of the rows each tree of boosting sees.
    n_blocks : int, default=0
        Of extra-trees: with 2 or more, the rows are divided into so many blocks and each tree is
        grown without the rows of one of them, which gives `leave_out_mse_` for nothing. Rows with
        the same inputs share a block. There are never more blocks than trees.
    n_jobs : int or None, default=None
        Threads for the methods fitted by scikit-learn.
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    forest_ : Forest
        `n_trees` trees of the first target, then of the second, ...
    blocks_ : ndarray of shape (n_samples,), int
        With `n_blocks`: the block of each training row; tree k was grown without block
        ``k % (blocks_.max() + 1)``. Not kept in a model file.
    leave_out_mse_ : ndarray of shape (n_targets,)
        With `n_blocks`: mean squared error on rows the trees have not seen, in units of the
        target's variance.
    spread_ : ndarray of shape (n_targets,)
        Of boosting: root mean square error on rows left out of single trees, in the target's unit.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Notes
    -----
    The standard deviation is that between trees (for boosting, the constant `spread_`). It is not
    calibrated; use cross-conformal intervals.

    References
    ----------
    .. [1] P. Geurts, D. Ernst, L. Wehenkel, Machine Learning 63 (2006) 3-42.
    .. [2] L. Breiman, Machine Learning 45 (2001) 5-32.
    .. [3] J. H. Friedman, Annals of Statistics 29 (2001) 1189-1232.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "method": [StrOptions({"extra_trees", "random_forest", "boosting"})],
        "n_trees": [Interval(Integral, 1, None, closed="left")],
        "min_samples_leaf": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "max_depth": [Interval(Integral, 1, None, closed="left")],
        "subsample": [Interval(Real, 0, 1, closed="right")],
        "n_blocks": [Interval(Integral, 0, None, closed="left")],
        "n_jobs": [Interval(Integral, None, None, closed="neither"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        method: Literal["extra_trees", "random_forest", "boosting"] = "extra_trees",
        n_trees: int = 200,
        min_samples_leaf: int = 1,
        learning_rate: float = 0.05,
        max_depth: int = 3,
        subsample: float = 0.7,
        n_blocks: int = 0,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.method = method
        self.n_trees = n_trees
        self.min_samples_leaf = min_samples_leaf
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.subsample = subsample
        self.n_blocks = n_blocks
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Grow the trees.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
        y : array_like of shape (n_samples,) or (n_samples, n_targets)

        Returns
        -------
        self
        """
        _fit_together([self], [(X, y)])
        return self

    def fit_batch(self, tasks: Sequence[Task]) -> list[Self]:
        """Return clones of this estimator fitted to each (X, y); equal to fitting one by one."""
        models = [clone(self) for _ in tasks]
        _fit_together(models, tasks)
        return models

    @overload
    def predict(self, X: ArrayLike, return_std: Literal[False] = False) -> Float: ...
    @overload
    def predict(self, X: ArrayLike, return_std: Literal[True]) -> tuple[Float, Float]: ...
    def predict(self, X: ArrayLike, return_std: bool = False) -> Float | tuple[Float, Float]:
        """Predict the mean over trees (boosting: their sum), and the spread between trees.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
        return_std : bool, default=False

        Returns
        -------
        mean : ndarray of shape (n_samples,) or (n_samples, n_targets)
        std : ndarray of the same shape, only with `return_std`
        """
        check_is_fitted(self)
        rows = to_float32(check_rows(self, X), self.X_mean_, self.X_scale_)
        n_targets = len(self.y_mean_)
        mean = np.empty((len(rows), n_targets))
        std = np.tile(self.spread_, (len(rows), 1))
        size = max(16, _BLOCK_VALUES // self.forest_.n_trees)
        for start in range(0, len(rows), size):
            block = slice(start, start + size)
            values = self.forest_.predict(rows[block])
            values = values.reshape(len(values), n_targets, -1)
            if self.method == "boosting":
                mean[block] = values.sum(axis=2)
                continue
            mean[block] = values.mean(axis=2)
            if return_std:
                std[block] = self.y_scale_ * values.std(axis=2)
        mean = self.y_mean_ + self.y_scale_ * mean
        # What is left of a zero by rounding: trees that agree on it should say zero.
        noise = _ROUNDING * (np.abs(self.y_mean_) + self.y_scale_)
        mean = shaped(self, np.where(np.abs(mean) < noise, 0.0, mean))
        return (mean, shaped(self, std)) if return_std else mean

    def to_state(self) -> State:
        """Return the fitted trees as plain data."""
        check_is_fitted(self)
        return State(
            kind="TreeEnsemble",
            config=fitted_config(
                self, single_target=bool(self.single_target_), n_targets=len(self.y_mean_)
            ),
            arrays={
                "feature": self.forest_.feature,
                "value": self.forest_.value,
                "start": self.forest_.start,
                **{name: getattr(self, f"{name}_") for name in _ARRAYS},
                **({"leave_out_mse": self.leave_out_mse_} if self.n_blocks else {}),
            },
        )

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Rebuild fitted trees; their predictions are bitwise those of the original."""
        model = rebuild(cls, state)
        model.single_target_ = truth(state, "single_target")
        n_targets = whole_number(state, "n_targets", least=1)
        if model.single_target_ and n_targets != 1:
            raise ModelFileError(f"{state.kind}: a single target with {n_targets} targets.")
        sizes = {"d": model.n_features_in_, "t": n_targets}
        for name, letter in _ARRAYS.items():
            setattr(model, f"{name}_", state.array(name, (sizes[letter],), np.float64))
        if not ((model.X_scale_ > 0).all() and (model.y_scale_ > 0).all()):
            raise ModelFileError(f"{state.kind}: the scales must be positive.")
        model.forest_ = Forest(
            state.array("feature", (None,), np.int32),
            state.array("value", (None,), np.float64),
            state.array("start", (n_targets * model.n_trees + 1,), np.int64),
        )
        model.forest_.check(model.n_features_in_)
        if model.n_blocks:
            model.leave_out_mse_ = state.array("leave_out_mse", (n_targets,), np.float64)
        return model

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


_ROUNDING = 16 * np.finfo(np.float64).eps
_BLOCK_VALUES = 2**22  # of single trees, held at a time
_ARRAYS = {"X_mean": "d", "X_scale": "d", "y_mean": "t", "y_scale": "t", "spread": "t"}


def to_float32(X: Float, mean: Float, scale: Float) -> NDArray[np.float32]:
    """Return standardised rows rounded to float32, kept within what float32 can hold."""
    largest = float(np.finfo(np.float32).max)
    return np.clip((X - mean) / scale, -largest, largest).astype(np.float32)


def _fit_together(models: Sequence[TreeEnsemble], tasks: Sequence[tuple[Any, Any]]) -> None:
    """Fit each model to its task; extra-trees of equal width are grown together."""
    prepared, seeds = [], []
    for model, (X, y) in zip(models, tasks, strict=True):
        X, Y = check_training(model, X, y)
        model.X_mean_, model.X_scale_ = column_scale(X)
        model.y_mean_, model.y_scale_ = column_scale(Y)
        model.spread_ = np.zeros(Y.shape[1])
        if model.n_blocks and model.method != "extra_trees":
            raise SettingsError(f"n_blocks={model.n_blocks} needs method='extra_trees'.")
        rows = to_float32(X, model.X_mean_, model.X_scale_)
        prepared.append((rows, (Y - model.y_mean_) / model.y_scale_))
        seeds.append(int(check_random_state(model.random_state).randint(2**31 - 1)))
    if not models:
        return
    first = models[0]
    targets = [(i, t) for i, (_, Y) in enumerate(prepared) for t in range(Y.shape[1])]
    forests: dict[tuple[int, int], Forest]
    if first.method == "extra_trees":
        blocks = [
            leave_out_blocks(X, min(first.n_blocks, first.n_trees), seed)
            for (X, _), seed in zip(prepared, seeds, strict=True)
        ]
        plots = [
            Plot(
                prepared[i][0],
                prepared[i][1][:, t],
                rows_of_trees(blocks[i], first.n_trees),
                seeds[i],
                first.min_samples_leaf,
            )
            for i, t in targets
        ]
        forests = dict(zip(targets, grow(plots), strict=True))
        if first.n_blocks:
            for i, model in enumerate(models):
                model.blocks_ = blocks[i]
                model.leave_out_mse_ = np.empty(len(model.y_mean_))
            for (i, t), plot in zip(targets, plots, strict=True):
                models[i].leave_out_mse_[t] = leave_out_error(forests[i, t], plot, blocks[i])
    else:
        fitted = Parallel(n_jobs=first.n_jobs, prefer="threads")(
            delayed(_by_sklearn)(first, prepared[i][0], prepared[i][1][:, t], seeds[i])
            for i, t in targets
        )
        forests = {}
        for (i, t), (forest, spread) in zip(targets, fitted, strict=True):
            forests[i, t] = forest
            models[i].spread_[t] = spread * models[i].y_scale_[t]
    for i, model in enumerate(models):
        model.forest_ = Forest.joined([forests[i, t] for t in range(prepared[i][1].shape[1])])


def _by_sklearn(
    model: TreeEnsemble, X: NDArray[np.float32], y: Float, seed: int
) -> tuple[Forest, float]:
    """Return scikit-learn's trees for one standardised target, and boosting's out-of-bag error."""
    if model.method == "random_forest":
        fitted = RandomForestRegressor(
            model.n_trees, min_samples_leaf=model.min_samples_leaf, random_state=seed
        ).fit(X, y)
        return Forest.from_sklearn([tree.tree_ for tree in fitted.estimators_]), 0.0
    fitted = GradientBoostingRegressor(
        n_estimators=model.n_trees,
        learning_rate=model.learning_rate,
        max_depth=model.max_depth,
        subsample=model.subsample,
        min_samples_leaf=model.min_samples_leaf,
        init="zero",
        random_state=seed,
    ).fit(X, y)
    forest = Forest.from_sklearn([tree.tree_ for tree in fitted.estimators_[:, 0]])
    leaf = forest.feature < 0
    value = np.where(leaf, model.learning_rate * forest.value, forest.value)
    loss = fitted.oob_scores_[-1] if model.subsample < 1 else fitted.train_score_[-1]
    return Forest(forest.feature, value, forest.start), float(np.sqrt(max(loss, 0.0)))
