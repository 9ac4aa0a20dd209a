"""Dense network regression: an ensemble of small ReLU networks for each target, trained at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils.validation import check_is_fitted

from matlever.exceptions import ModelFileError, SettingsError
from matlever.storage import State
from matlever.tables._dense_arithmetic import evaluate, mean_slopes
from matlever.tables._fitting import (
    Float,
    check_rows,
    check_training,
    column_scale,
    fitted_config,
    integer_seed,
    rebuild,
    shaped,
    truth,
)
from matlever.validation import Progress, Task

__all__ = ["DenseRegressor"]


class DenseRegressor(RegressorMixin, BaseEstimator):
    """Dense ReLU networks on standardised data, one ensemble for each target.

    The defaults are the 3-64-64-1 network of the nanorod study [1]_ (for three inputs): two hidden
    layers of 64 units, Adam with step 1e-3 and mean squared error on z-scored data, a network of
    its own for each target. Training is short on purpose: on 28-row tables longer training
    lowered the accuracy on unseen rows.

    Parameters
    ----------
    hidden : tuple of int, default=(64, 64)
        Widths of the hidden layers.
    n_members : int, default=4
        Networks averaged for each target; they differ in initial weights and mini-batches.
    n_steps : int, default=500
        Adam steps; with early stopping, the most that are taken.
    batch_size : int, default=64
        Rows per mini-batch.
    learning_rate : float, default=1e-3
        Adam's step size.
    weight_decay : float, default=1.0
        Decoupled weight decay, see :class:`matlever.training.TrainingSettings`; 0 is the study's
        network.
    early_stopping : bool, default=False
        Stop each network when its error on held-out rows no longer falls; keep the best weights.
    validation_fraction : float, default=0.1
        Share of the rows held out for early stopping; at least one row.
    patience : int, default=10
        Looks without a better error after which a network stops.
    check_every : int, default=50
        Steps between two looks.
    clamp : bool, default=True
        Move inputs outside the range of the training rows to its border before predicting.
    device : str, default="cpu"
        Where torch trains; prediction needs numpy only.
    random_state : int, RandomState instance or None, default=None
        Source of initial weights, mini-batches and held-out rows.

    Attributes
    ----------
    layers_ : list of ndarrays of shape (n_targets, n_members, n_in + 1, n_out)
        Weights of each layer, float32; the last row is the bias.
    x_mean_, x_scale_, x_lower_, x_upper_ : ndarrays of shape (n_features,)
        Mean, standard deviation and range of the training inputs.
    y_mean_, y_scale_ : ndarrays of shape (n_targets,)
        Mean and standard deviation of the training targets.
    n_steps_ : ndarray of shape (n_targets, n_members), int
        Steps after which each network's weights were kept.

    Notes
    -----
    On 28 rows of each of 12 real tables the mean normalised error on unseen rows was 0.701 without
    augmentation and 0.616 with taught augmentation (``benchmarks/small_tables.py``).

    The spread of the members is no interval: on 28-row tables mean ± 1.645 spreads covered 29 %
    instead of 90 % (``benchmarks/small_tables.py``). Use cross-conformal intervals.

    References
    ----------
    .. [1] The CdSe/CdS nanorod study, section "Deep learning for regression" (equation 3).
    .. [2] B. Lakshminarayanan et al., "Simple and scalable predictive uncertainty estimation using
       deep ensembles", NeurIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 40)[:, None]
    >>> model = DenseRegressor(random_state=0).fit(X, np.abs(X[:, 0]))
    >>> bool(abs(model.predict([[0.5]])[0] - 0.5) < 0.05)
    True
    """

    # Ranges are checked by TrainingSettings and StackedNetwork.
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden": [tuple, list],
        "n_members": [Integral],
        "n_steps": [Integral],
        "batch_size": [Integral],
        "learning_rate": [Real],
        "weight_decay": [Real],
        "early_stopping": ["boolean"],
        "validation_fraction": [Real],
        "patience": [Integral],
        "check_every": [Integral],
        "clamp": ["boolean"],
        "device": [str],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        hidden: tuple[int, ...] = (64, 64),
        n_members: int = 4,
        n_steps: int = 500,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        weight_decay: float = 1.0,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        check_every: int = 50,
        clamp: bool = True,
        device: str = "cpu",
        random_state: Any = None,
    ) -> None:
        self.hidden = hidden
        self.n_members = n_members
        self.n_steps = n_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.check_every = check_every
        self.clamp = clamp
        self.device = device
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        """Say that several targets are predicted."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = True
        return tags

    def fit(self, X: ArrayLike, y: ArrayLike, *, progress: Progress | None = None) -> Self:
        """Train the networks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs, numeric, in any unit.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.
        progress : callable, optional
            Called with (steps done, steps at most, "training step").

        Returns
        -------
        self : DenseRegressor
            Itself.

        Raises
        ------
        SettingsError
            If a parameter is out of range, or the training diverges.
        """
        self._fit_all([self], [(X, y)], progress)
        return self

    def fit_batch(self, tasks: Sequence[Task], *, progress: Progress | None = None) -> list[Self]:
        """Fit one clone for each task, all networks of all tasks as one stack.

        Parameters
        ----------
        tasks : sequence of (X, y)
            Data of each task as for `fit`, with any numbers of rows and features.
        progress : callable, optional
            Called with (steps done, steps at most, "training step").

        Returns
        -------
        models : list of DenseRegressor
            What ``clone(self).fit(X, y)`` gives for each task, up to rounding.
        """
        models = [clone(self) for _ in tasks]
        groups: dict[int, list[int]] = {}
        for position, (X, _) in enumerate(tasks):
            groups.setdefault(np.shape(X)[1], []).append(position)
        for positions in groups.values():
            self._fit_all([models[i] for i in positions], [tasks[i] for i in positions], progress)
        return models

    def _fit_all(
        self,
        models: Sequence[DenseRegressor],
        tasks: Sequence[tuple[Any, Any]],
        progress: Progress | None,
    ) -> None:
        """Fit each model to its task; all tasks have the same number of features."""
        from matlever.training import Member, StackedNetwork, TrainingSettings, train_stacked

        self._check_parameters()
        settings = TrainingSettings(
            n_steps=self.n_steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            patience=self.patience,
            check_every=self.check_every,
        )
        data = [model._standardise(X, y) for model, (X, y) in zip(models, tasks, strict=True)]
        n_rows, n_targets = max(len(z) for z, _ in data), max(t.shape[1] for _, t in data)
        x_all = np.zeros((len(data), n_rows, data[0][0].shape[1]))
        y_all = np.zeros((len(data), n_rows, n_targets))
        members: list[Member] = []
        generators: list[np.random.Generator] = []
        for table, (model, (z, t)) in enumerate(zip(models, data, strict=True)):
            x_all[table, : len(z)], y_all[table, : len(t), : t.shape[1]] = z, t
            seed = integer_seed(model.random_state)  # each clone has a generator of its own
            rows, held_out = model._split(len(z), seed)
            for target in range(t.shape[1]):
                for member in range(self.n_members):
                    generators.append(np.random.default_rng((seed, target, member, 0)))
                    members.append(Member(table, target, rows, (seed, target, member, 1), held_out))
        network = StackedNetwork(
            n_members=len(members), n_inputs=x_all.shape[2], hidden=self.hidden
        ).initialise(generators)
        result = train_stacked(
            network, x_all, y_all, members, settings, device=self.device, progress=progress
        )
        weights = [layer.detach().numpy() for layer in network.layers]
        if not all(np.isfinite(layer).all() for layer in weights):
            raise SettingsError(
                f"The training diverged with learning_rate={self.learning_rate}. "
                "Choose a smaller one."
            )
        start = 0
        for model, (_, t) in zip(models, data, strict=True):
            stop = start + t.shape[1] * self.n_members
            shape = (t.shape[1], self.n_members)
            model.layers_ = [w[start:stop].reshape(*shape, *w.shape[1:]).copy() for w in weights]
            model.n_steps_ = result.n_steps[start:stop].reshape(shape)
            start = stop

    def _check_parameters(self) -> None:
        if self.n_members < 1:
            raise SettingsError(f"n_members={self.n_members} must be at least 1.")
        if not 0 < self.validation_fraction < 1:
            raise SettingsError(
                f"validation_fraction={self.validation_fraction} must lie between 0 and 1."
            )

    def _standardise(self, X: Any, y: Any) -> tuple[Float, Float]:
        """Check the data, learn means, scales and range; return z-scored inputs and targets."""
        X, Y = check_training(self, X, y)
        self.x_mean_, self.x_scale_ = column_scale(X)
        self.y_mean_, self.y_scale_ = column_scale(Y)
        self.x_lower_, self.x_upper_ = X.min(axis=0), X.max(axis=0)
        return (X - self.x_mean_) / self.x_scale_, (Y - self.y_mean_) / self.y_scale_

    def _split(self, n_rows: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return training rows and rows held out for early stopping."""
        if not self.early_stopping:
            return np.arange(n_rows), np.empty(0, dtype=np.intp)
        order = np.random.default_rng((seed, 2)).permutation(n_rows)
        n_held_out = min(n_rows - 1, max(1, round(self.validation_fraction * n_rows)))
        return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])

    def predict(self, X: ArrayLike, return_std: bool = False) -> Any:
        """Predict the targets as the mean over the members.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.
        return_std : bool, default=False
            Also return the standard deviation over the members (no calibrated uncertainty).

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Predictions in the targets' units, shaped as the targets in `fit`.
        std : ndarray of the same shape
            Only with `return_std`.
        """
        z, _ = self._inputs(X)
        outputs = evaluate(self.layers_, z)
        mean = shaped(self, outputs.mean(axis=1).T * self.y_scale_ + self.y_mean_)
        if not return_std:
            return mean
        std = outputs.std(axis=1, ddof=1 if outputs.shape[1] > 1 else 0).T * self.y_scale_
        return mean, shaped(self, std)

    def gradient(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the exact derivative of the prediction by each input, in the data's own units.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        gradient : ndarray of shape (n_samples, n_features) or (n_samples, n_features, n_targets)
            Derivatives; 0 along an input that was moved to the border of the training range.
        """
        z, inside = self._inputs(X)
        slope = mean_slopes(self.layers_, z) * self.y_scale_[:, None, None] / self.x_scale_
        slope = np.moveaxis(slope, 0, 2) * inside[:, :, None]
        return np.ascontiguousarray(slope[:, :, 0] if self.single_target_ else slope)

    def _inputs(self, X: Any) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return z-scored, clamped inputs, and which of them were inside the training range."""
        check_is_fitted(self)
        X = check_rows(self, X)
        inside = np.ones(X.shape, dtype=bool)
        if self.clamp:
            inside = (self.x_lower_ <= X) & (self.x_upper_ >= X)
            X = np.clip(X, self.x_lower_, self.x_upper_)
        return (X - self.x_mean_) / self.x_scale_, inside

    def to_state(self) -> State:
        """Return everything needed to rebuild the fitted networks."""
        check_is_fitted(self)
        arrays = {name: getattr(self, f"{name}_") for name in _VECTORS}
        arrays["n_steps"] = self.n_steps_.astype(np.int64)
        arrays |= {f"layer_{i}": layer for i, layer in enumerate(self.layers_)}
        config = fitted_config(self, single_target=self.single_target_)
        return State(kind="DenseRegressor", config=config, arrays=arrays)

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Rebuild fitted networks; predictions are bitwise those of the original.

        Raises
        ------
        ModelFileError
            If a value or array is missing or does not fit the others.
        """
        model = rebuild(cls, state)
        if not all(type(width) is int and width > 0 for width in model.hidden):
            raise ModelFileError(f"{state.kind}: hidden={model.hidden!r} are no layer widths.")
        if model.n_members < 1:
            raise ModelFileError(f"{state.kind}: n_members={model.n_members} is not positive.")
        n_features = model.n_features_in_
        n_targets = len(state.array("y_mean", (None,), np.float64))
        for name in _VECTORS:
            length = n_features if name.startswith("x") else n_targets
            setattr(model, f"{name}_", state.array(name, (length,), np.float64))
        if n_targets < 1 or not ((model.x_scale_ > 0).all() and (model.y_scale_ > 0).all()):
            raise ModelFileError(f"{state.kind}: scales must be positive, and targets exist.")
        widths = [n_features, *model.hidden, 1]
        model.layers_ = [
            state.array(f"layer_{i}", (n_targets, model.n_members, n_in + 1, n_out), np.float32)
            for i, (n_in, n_out) in enumerate(pairwise(widths))
        ]
        model.n_steps_ = state.array("n_steps", (n_targets, model.n_members), np.int64)
        model.single_target_ = truth(state, "single_target")
        if model.single_target_ and n_targets != 1:
            raise ModelFileError(f"{state.kind}: a single target with {n_targets} targets.")
        return model


_VECTORS = ("x_mean", "x_scale", "x_lower", "x_upper", "y_mean", "y_scale")
