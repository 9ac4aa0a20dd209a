"""Gaussian processes with the most probable hyper-parameters (MAP), fitted many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar, Literal, Self, overload

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from matlever.exceptions import ModelFileError
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
from matlever.tables._gp_map import NOISE_FLOOR, Prior, fit_map
from matlever.validation import Task

__all__ = ["GaussianProcessMAP"]

_BLOCK_ELEMENTS = 2_000_000  # of one (rows, n_train) covariance block in predict


class GaussianProcessMAP(RegressorMixin, BaseEstimator):
    r"""Gaussian process, Matern-5/2 with one length scale per input, MAP hyper-parameters.

    On standardised inputs and targets the covariance of two measurements is

    .. math:: s^2 M_{5/2}(r) + 1 + w\, x \cdot x' + \sigma^2 \delta, \quad
              r^2 = \sum_j (x_j - x'_j)^2 / \ell_j^2

    (the term in w only with ``linear=True``). Priors, on logarithms: length scales
    N(sqrt 2 + log(d) / 2, variance 3), noise variance N(-4, 1.5^2), signal variance N(0, 1), weight
    N(-1, 1.5^2). Each target of a 2-D `y` has its own process.

    Parameters
    ----------
    linear : bool, default=False
        Add a linear kernel: a trend that goes on outside the data.
    n_starts : int, default=3
        Starting points of the search: the mode of the prior and draws from it.
    trial_rounds : int, default=25
        Evaluations after which all starts but the best are given up.
    max_iter : int, default=100
        Evaluations of the log posterior per start at most.
    search_rows : int, default=400
        With more rows than this the hyper-parameters are found on a random choice of so many rows;
        the predictions use all rows.
    clamp : bool, default=False
        Move new rows into the box of the training rows before predicting.
    device : str, default="cpu"
        Where torch searches for the hyper-parameters. Predictions are made with numpy.
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    length_scale_ : ndarray of shape (n_targets, n_features)
        In standard deviations of the input.
    signal_variance_, noise_variance_, linear_weight_, log_posterior_ : ndarray of shape
    (n_targets,)
        Variances in units of the target's variance.
    alpha_ : ndarray of shape (n_samples, n_targets)
        K^-1 y on standardised data.
    n_iter_ : int
        Evaluations of the log posterior, the largest of the targets.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Notes
    -----
    The standard deviation is that of a new measurement (it includes the noise). On small
    tables it tends to be too small: calibrate it by cross-conformal prediction.

    References
    ----------
    .. [1] C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT Press
       2006, equations 2.25, 2.26, 5.9 and 5.12.
    .. [2] C. Hvarfner, E. O. Hellsten, L. Nardi, ICML 2024, arXiv:2402.02229 (the length-scale
       prior).

    Examples
    --------
    >>> import numpy as np
    >>> from matlever.tables import GaussianProcessMAP
    >>> X = np.linspace(0, 6, 25)[:, None]
    >>> model = GaussianProcessMAP(random_state=0).fit(X, np.sin(X[:, 0]))
    >>> mean, std = model.predict([[1.1]], return_std=True)
    >>> bool(abs(mean[0] - np.sin(1.1)) < 0.01)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "linear": ["boolean"],
        "n_starts": [Interval(Integral, 1, None, closed="left")],
        "trial_rounds": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "search_rows": [Interval(Integral, 2, None, closed="left")],
        "clamp": ["boolean"],
        "device": [str],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        linear: bool = False,
        n_starts: int = 3,
        trial_rounds: int = 25,
        max_iter: int = 100,
        search_rows: int = 400,
        clamp: bool = False,
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.linear = linear
        self.n_starts = n_starts
        self.trial_rounds = trial_rounds
        self.max_iter = max_iter
        self.search_rows = search_rows
        self.clamp = clamp
        self.device = device
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Find the hyper-parameters and condition on the rows.

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
        """Return clones of this estimator fitted to each (X, y), all in one computation.

        Equal to ``clone(self).fit(X, y)`` for each task up to the tolerance of the search.
        """
        models = [clone(self) for _ in tasks]
        _fit_together(models, tasks)
        return models

    @overload
    def predict(self, X: ArrayLike, return_std: Literal[False] = False) -> Float: ...
    @overload
    def predict(self, X: ArrayLike, return_std: Literal[True]) -> tuple[Float, Float]: ...
    def predict(self, X: ArrayLike, return_std: bool = False) -> Float | tuple[Float, Float]:
        """Predict the mean, and the standard deviation of a new measurement.

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
        Z = self._scaled_rows(check_rows(self, X))
        n_targets = self.alpha_.shape[1]
        mean, std = np.empty((len(Z), n_targets)), np.empty((len(Z), n_targets))
        block = max(1, _BLOCK_ELEMENTS // len(self.X_train_))
        for t in range(n_targets):
            factor = self._factor(t) if return_std else None
            for start in range(0, len(Z), block):
                rows = slice(start, start + block)
                K = self._covariance(t, Z[rows], self.X_train_)
                mean[rows, t] = K @ self.alpha_[:, t]
                if factor is not None:
                    half = solve_triangular(factor, K.T, lower=True, check_finite=False)
                    own = self._prior_variance(t, Z[rows])
                    variance = own - np.einsum("nr,nr->r", half, half)
                    std[rows, t] = np.sqrt(np.maximum(variance, self.noise_variance_[t]))
        mean = shaped(self, self.y_mean_ + self.y_scale_ * mean)
        if not return_std:
            return mean
        return mean, shaped(self, self.y_scale_ * std)

    def leave_blocks_out(self, blocks: ArrayLike) -> Float:
        """Return predictions of the training rows, each without the rows of its block.

        Parameters
        ----------
        blocks : array_like of shape (n_samples,)
            Label of the block of each training row.

        Returns
        -------
        mean : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Closed form at the fitted hyper-parameters: the residuals of block b are
            ``(K^-1)_bb^-1 alpha_b`` (single rows: Rasmussen & Williams, equation 5.12).
        """
        check_is_fitted(self)
        labels = np.unique(np.asarray(blocks), return_inverse=True)[1]
        if labels.shape != (len(self.X_train_),):
            raise ValueError(f"blocks has shape {labels.shape}, expected ({len(self.X_train_)},)")
        residual = np.empty_like(self.alpha_)
        members = [np.flatnonzero(labels == b) for b in range(labels.max() + 1)]
        for t in range(self.alpha_.shape[1]):
            factor = self._factor(t)
            inverse = cho_solve((factor, True), np.eye(len(factor)), check_finite=False)
            for rows in members:
                within = inverse[np.ix_(rows, rows)]
                residual[rows, t] = np.linalg.solve(within, self.alpha_[rows, t])
        y = np.empty_like(self.alpha_)
        for t in range(y.shape[1]):
            y[:, t] = self._covariance(t, self.X_train_, self.X_train_) @ self.alpha_[:, t]
            y[:, t] += self.noise_variance_[t] * self.alpha_[:, t]
        return shaped(self, self.y_mean_ + self.y_scale_ * (y - residual))

    def gradient(self, X: ArrayLike) -> Float:
        """Return the exact derivative of the predicted mean by each input, in the data's own units.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)

        Returns
        -------
        gradient : ndarray of shape (n_samples, n_features) or (n_samples, n_features, n_targets)
            With `clamp`, zero for inputs outside the training box.
        """
        check_is_fitted(self)
        X = check_rows(self, X)
        Z = self._scaled_rows(X)
        n_targets = self.alpha_.shape[1]
        out = np.empty((len(Z), Z.shape[1], n_targets))
        block = max(1, _BLOCK_ELEMENTS // len(self.X_train_))
        for t in range(n_targets):
            scale = self.length_scale_[t]
            train = self.X_train_ / scale
            for start in range(0, len(Z), block):
                rows = slice(start, start + block)
                new = Z[rows] / scale
                a = np.sqrt(5 * _squared_distance(new, train))
                # ds2M/dx_j = -(5/3) s2 (1 + a) exp(-a) (x_j - x'_j) / l_j^2
                W = (1 + a) * np.exp(-a) * self.alpha_[:, t]
                W *= -5 / 3 * self.signal_variance_[t]
                out[rows, :, t] = (new * W.sum(axis=1)[:, None] - W @ train) / scale
            out[:, :, t] += self.linear_weight_[t] * (self.alpha_[:, t] @ self.X_train_)
        out *= self.y_scale_ / self.X_scale_[:, None]
        if self.clamp:
            out[(self.X_lower_ > X) | (self.X_upper_ < X)] = 0.0
        return out[:, :, 0] if self.single_target_ else out

    def to_state(self) -> State:
        """Return the fitted process as plain data."""
        check_is_fitted(self)
        return State(
            kind="GaussianProcessMAP",
            config=fitted_config(
                self, single_target=bool(self.single_target_), n_iter=self.n_iter_
            ),
            arrays={name: getattr(self, f"{name}_") for name in _ARRAYS},
        )

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Rebuild a fitted process; its predictions are bitwise those of the original."""
        model = rebuild(cls, state)
        model.single_target_ = truth(state, "single_target")
        model.n_iter_ = whole_number(state, "n_iter", least=1)
        d = model.n_features_in_
        n, n_targets = state.array("alpha", (None, None), np.float64).shape
        if n < 1 or n_targets < 1 or (model.single_target_ and n_targets != 1):
            raise ModelFileError(
                f"{state.kind}: 'alpha' has the impossible shape {(n, n_targets)}."
            )
        sizes = {"d": d, "n": n, "t": n_targets}
        for name, shape in _ARRAYS.items():
            values = state.array(name, tuple(sizes[letter] for letter in shape), np.float64)
            setattr(model, f"{name}_", values)
        for name in ("length_scale", "signal_variance", "noise_variance", "X_scale", "y_scale"):
            if not (state.arrays[name] > 0).all():
                raise ModelFileError(f"{state.kind}: the array {name!r} must be positive.")
        if not (model.linear_weight_ >= 0).all():
            raise ModelFileError(f"{state.kind}: the array 'linear_weight' must not be negative.")
        return model

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _scaled_rows(self, X: Float) -> Float:
        if self.clamp:
            X = np.clip(X, self.X_lower_, self.X_upper_)
        scaled: Float = (X - self.X_mean_) / self.X_scale_
        return scaled

    def _covariance(self, t: int, A: Float, B: Float) -> Float:
        """Return the noise-free covariance of rows A (a, d) and B (b, d), shape (a, b)."""
        scale = self.length_scale_[t]
        r2 = _squared_distance(A / scale, B / scale)
        a = np.sqrt(5 * r2)
        K = (1 + a + 5 / 3 * r2) * np.exp(-a)
        K *= self.signal_variance_[t]
        K += 1
        if self.linear:
            K += self.linear_weight_[t] * (A @ B.T)
        result: Float = K
        return result

    def _prior_variance(self, t: int, Z: Float) -> Float:
        own = self.signal_variance_[t] + 1 + self.noise_variance_[t]
        variance: Float = own + self.linear_weight_[t] * np.einsum("nd,nd->n", Z, Z)
        return variance

    def _factor(self, t: int) -> Float:
        """Return the lower Cholesky factor of the covariance of the training rows."""
        K = self._covariance(t, self.X_train_, self.X_train_)
        K[np.diag_indices_from(K)] = self._prior_variance(t, self.X_train_)
        factor: Float = np.tril(cho_factor(K, lower=True, check_finite=False)[0])
        return factor

    def _condition(self, Z: Float, Y: Float, theta: Float) -> None:
        """Set the hyper-parameters (n_targets, p) and solve for alpha."""
        d = Z.shape[1]
        hyper = np.exp(theta)
        self.X_train_ = Z
        self.length_scale_ = hyper[:, :d]
        self.signal_variance_ = hyper[:, d]
        self.noise_variance_ = NOISE_FLOOR + hyper[:, d + 1]
        self.linear_weight_ = hyper[:, d + 2] if self.linear else np.zeros(len(theta))
        self.alpha_ = np.empty_like(Y)
        for t in range(Y.shape[1]):
            self.alpha_[:, t] = cho_solve((self._factor(t), True), Y[:, t], check_finite=False)


_ARRAYS = {
    "X_train": "nd",
    "X_mean": "d",
    "X_scale": "d",
    "X_lower": "d",
    "X_upper": "d",
    "y_mean": "t",
    "y_scale": "t",
    "length_scale": "td",
    "signal_variance": "t",
    "noise_variance": "t",
    "linear_weight": "t",
    "log_posterior": "t",
    "alpha": "nt",
}


def _squared_distance(A: Float, B: Float) -> Float:
    """Return squared distances of rows of A (a, d) and B (b, d), shape (a, b)."""
    square = A @ (-2 * B.T)
    square += np.einsum("ad,ad->a", A, A)[:, None]
    square += np.einsum("bd,bd->b", B, B)
    return np.maximum(square, 0.0, out=square)


def _fit_together(models: Sequence[GaussianProcessMAP], tasks: Sequence[tuple[Any, Any]]) -> None:
    """Fit each model to its task, searching for all hyper-parameters of equal length at once."""
    prepared = []
    by_width: dict[int, list[int]] = {}
    for position, (model, (X, y)) in enumerate(zip(models, tasks, strict=True)):
        X, Y = check_training(model, X, y)
        model.X_mean_, model.X_scale_ = column_scale(X)
        model.y_mean_, model.y_scale_ = column_scale(Y)
        model.X_lower_, model.X_upper_ = X.min(axis=0), X.max(axis=0)
        Z = (X - model.X_mean_) / model.X_scale_
        prepared.append((Z, (Y - model.y_mean_) / model.y_scale_))
        by_width.setdefault(X.shape[1], []).append(position)
    for d, positions in by_width.items():
        first = models[positions[0]]
        problems = []
        for position in positions:
            model, (Z, V) = models[position], prepared[position]
            rng = check_random_state(model.random_state)
            starts = Prior(d, model.linear).starts(model.n_starts, rng)
            rows = np.arange(len(Z))
            if len(Z) > model.search_rows:
                rows = np.sort(rng.permutation(len(Z))[: model.search_rows])
            problems += [(Z[rows], v[rows], starts) for v in V.T]
        theta, log_posterior, n_rounds = fit_map(
            problems,
            linear=first.linear,
            trial_rounds=first.trial_rounds,
            max_iter=first.max_iter,
            tolerance=1e-4,
            device=first.device,
        )
        place = 0
        for position in positions:
            model, (Z, V) = models[position], prepared[position]
            part = slice(place, place + V.shape[1])
            model._condition(Z, V, theta[part])
            model.log_posterior_ = log_posterior[part]
            model.n_iter_ = int(n_rounds[part].max())
            place += V.shape[1]
