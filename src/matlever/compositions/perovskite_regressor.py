"""Formation energies from site descriptors: an ensemble of small networks, trained at once."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from matlever.exceptions import ModelFileError, SettingsError
from matlever.storage import State
from matlever.validation import Progress, Task

if TYPE_CHECKING:
    from matlever.compositions._perovskite_network import PerovskiteNetwork

__all__ = ["PerovskiteRegressor"]

Float = NDArray[np.float64]


class PerovskiteRegressor(RegressorMixin, BaseEstimator):
    """An ensemble of :class:`PerovskiteNetwork`, on standardised descriptors and energies.

    All members, and all folds of a cross-validation (`fit_batch`), train as one stacked network.

    Parameters
    ----------
    hidden : tuple of int, default=(12,)
        Widths of the hidden layers, ReLU each.
    n_members : int, default=10
        Networks averaged; they differ in initial weights and mini-batches. 1 is the paper's way.
    n_steps : int, default=4000
        Adam steps.
    batch_size : int, default=64
        Rows per mini-batch.
    learning_rate : float, default=5e-3
        Adam's step size.
    weight_decay : float, default=0.0
        Decoupled weight decay.
    device : str, default="cpu"
        Where torch trains; prediction needs numpy only.
    random_state : int, RandomState instance or None, default=None
        Source of initial weights and mini-batches.

    Attributes
    ----------
    layers_ : list of ndarrays of shape (n_members, n_in + 1, n_out), float32
        Weights of each layer; the last row is the bias.
    x_mean_, x_scale_ : ndarrays of shape (n_features,)
        Mean and standard deviation of the training descriptors.
    y_mean_, y_scale_ : float
        Mean and standard deviation of the training energies.

    Notes
    -----
    Initial weights are drawn as ``torch.nn.Linear`` does, from a narrower uniform distribution than
    Glorot's. The spread of the members is no interval by itself: wrap the estimator in
    :class:`matlever.validation.CrossConformalRegressor`.

    References
    ----------
    .. [1] W. Ye, C. Chen, Z. Wang, I.-H. Chu, S. P. Ong, Nat. Commun. 9 (2018) 3800.

    Examples
    --------
    >>> from matlever.compositions import site_descriptors
    >>> X = site_descriptors(["La3+", "Nd3+", "Sr2+", "Ba2+"], ["Al3+", "Al3+", "Ti4+", "Ti4+"])
    >>> model = PerovskiteRegressor(n_members=2, n_steps=200, random_state=0)
    >>> model.fit(X, [-0.1, -0.05, -0.24, -0.27]).predict(X).shape
    (4,)
    """

    # Ranges are checked by TrainingSettings and StackedNetwork.
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden": [tuple, list],
        "n_members": [Integral],
        "n_steps": [Integral],
        "batch_size": [Integral],
        "learning_rate": [Real],
        "weight_decay": [Real],
        "device": [str],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        hidden: tuple[int, ...] = (12,),
        n_members: int = 10,
        n_steps: int = 4000,
        batch_size: int = 64,
        learning_rate: float = 5e-3,
        weight_decay: float = 0.0,
        device: str = "cpu",
        random_state: Any = None,
    ) -> None:
        self.hidden = hidden
        self.n_members = n_members
        self.n_steps = n_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.device = device
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, *, progress: Progress | None = None) -> Self:
        """Train the networks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Site descriptors, see :func:`matlever.compositions.site_descriptors`.
        y : array-like of shape (n_samples,)
            Formation energies, in any unit.
        progress : callable, optional
            Called with (steps done, steps at most, "training step").

        Returns
        -------
        self : PerovskiteRegressor
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
            Data of each task as for `fit`, with as many features each.
        progress : callable, optional
            Called with (steps done, steps at most, "training step").

        Returns
        -------
        models : list of PerovskiteRegressor
            What ``clone(self).fit(X, y)`` gives for each task, up to rounding.
        """
        models = [clone(self) for _ in tasks]
        self._fit_all(models, tasks, progress)
        return models

    def _fit_all(
        self,
        models: Sequence[PerovskiteRegressor],
        tasks: Sequence[tuple[Any, Any]],
        progress: Progress | None,
    ) -> None:
        from matlever.training import Member, StackedNetwork, TrainingSettings, train_stacked

        if self.n_members < 1:
            raise SettingsError(f"n_members={self.n_members} must be at least 1.")
        settings = TrainingSettings(
            n_steps=self.n_steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
        )
        data = [model._standardise(X, y) for model, (X, y) in zip(models, tasks, strict=True)]
        n_rows = max(len(z) for z, _ in data)
        x = np.zeros((len(data), n_rows, data[0][0].shape[1]))
        y = np.zeros((len(data), n_rows, 1))
        members: list[Member] = []
        generators: list[np.random.Generator] = []
        for table, (model, (z, t)) in enumerate(zip(models, data, strict=True)):
            x[table, : len(z)], y[table, : len(t), 0] = z, t
            seed = _seed(model.random_state)
            for member in range(self.n_members):
                generators.append(np.random.default_rng((seed, member, 0)))
                members.append(Member(table, 0, np.arange(len(z)), (seed, member, 1)))
        network = StackedNetwork(n_members=len(members), n_inputs=x.shape[2], hidden=self.hidden)
        network.initialise(generators)
        train_stacked(network, x, y, members, settings, device=self.device, progress=progress)
        weights = [layer.detach().numpy() for layer in network.layers]
        if not all(np.isfinite(layer).all() for layer in weights):
            raise SettingsError(
                f"The training diverged with learning_rate={self.learning_rate}. "
                "Choose a smaller one."
            )
        for i, model in enumerate(models):
            part = slice(i * self.n_members, (i + 1) * self.n_members)
            model.layers_ = [layer[part].copy() for layer in weights]

    def _standardise(self, X: Any, y: Any) -> tuple[Float, Float]:
        """Check the data, learn means and scales; return z-scored descriptors and energies."""
        self._validate_params()
        rows, target = validate_data(
            self, X, y, y_numeric=True, dtype=np.float64, order="C", ensure_min_samples=2
        )
        target = np.asarray(target, dtype=np.float64)
        self.x_mean_, scale = rows.mean(axis=0), rows.std(axis=0)
        self.x_scale_ = np.where(scale > 1e-12 * np.abs(rows).max(axis=0), scale, 1.0)
        self.y_mean_ = float(target.mean())
        self.y_scale_ = float(target.std()) or 1.0
        return (rows - self.x_mean_) / self.x_scale_, (target - self.y_mean_) / self.y_scale_

    def predict(self, X: ArrayLike, return_std: bool = False) -> Any:
        """Predict the formation energy as the mean over the members.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Site descriptors.
        return_std : bool, default=False
            Also return the standard deviation over the members (no calibrated uncertainty).

        Returns
        -------
        y : ndarray of shape (n_samples,)
            In the unit of the training energies.
        std : ndarray of shape (n_samples,)
            Only with `return_std`.
        """
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, dtype=np.float64, order="C")
        z = np.broadcast_to(
            (rows - self.x_mean_) / self.x_scale_, (len(self.layers_[0]), *rows.shape)
        )
        for place, layer in enumerate(self.layers_):
            weights = layer.astype(np.float64)
            # einsum: a row's prediction then does not depend on the rows beside it.
            z = np.einsum("mni,mio->mno", z, weights[:, :-1]) + weights[:, -1:]
            z = np.maximum(z, 0.0) if place < len(self.layers_) - 1 else z
        members = z[:, :, 0] * self.y_scale_ + self.y_mean_
        if not return_std:
            return members.mean(axis=0)
        return members.mean(axis=0), members.std(axis=0, ddof=1 if len(members) > 1 else 0)

    def networks(self) -> list[PerovskiteNetwork]:
        """Return the members as torch modules on standardised descriptors and energies."""
        import torch

        from matlever.compositions._perovskite_network import PerovskiteNetwork

        check_is_fitted(self)
        found = []
        for member in range(len(self.layers_[0])):
            network = PerovskiteNetwork(n_inputs=self.n_features_in_, hidden=self.hidden)
            linear = [m for m in network.layers if isinstance(m, torch.nn.Linear)]
            with torch.no_grad():
                for module, layer in zip(linear, self.layers_, strict=True):
                    module.weight.copy_(torch.from_numpy(layer[member, :-1].T.copy()))
                    module.bias.copy_(torch.from_numpy(layer[member, -1].copy()))
            found.append(network)
        return found

    def to_state(self) -> State:
        """Return everything needed to rebuild the fitted networks."""
        check_is_fitted(self)
        params = self.get_params(deep=False)
        params["hidden"] = [int(width) for width in self.hidden]
        for name in ("n_members", "n_steps", "batch_size"):
            params[name] = int(params[name])
        for name in ("learning_rate", "weight_decay"):
            params[name] = float(params[name])
        seed = params["random_state"]
        params["random_state"] = int(seed) if isinstance(seed, Integral) else None
        names = getattr(self, "feature_names_in_", None)
        arrays: dict[str, NDArray[Any]] = {f"layer_{i}": w for i, w in enumerate(self.layers_)}
        arrays |= {"x_mean": self.x_mean_, "x_scale": self.x_scale_}
        return State(
            kind="PerovskiteRegressor",
            config={
                "params": params,
                "n_features": int(self.n_features_in_),
                "feature_names": None if names is None else [str(name) for name in names],
                "y_mean": self.y_mean_,
                "y_scale": self.y_scale_,
            },
            arrays=arrays,
        )

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Rebuild fitted networks; predictions are bitwise those of the original.

        Raises
        ------
        ModelFileError
            If a value or array is missing or does not fit the others.
        """
        if state.kind != cls.__name__:
            raise ModelFileError(f"Expected the state of a {cls.__name__}, found {state.kind!r}.")
        params, n = state.get("params"), state.get("n_features")
        try:
            model = cls(**{**params, "hidden": tuple(params["hidden"])})
            model._validate_params()
            widths = [int(n), *(int(width) for width in model.hidden), 1]
            model.y_mean_, model.y_scale_ = float(state.get("y_mean")), float(state.get("y_scale"))
        except (TypeError, ValueError, KeyError) as error:
            raise ModelFileError(f"{state.kind}: {error}") from error
        if min(widths) < 1 or model.n_members < 1:
            raise ModelFileError(f"{state.kind}: layers of {widths} units are none.")
        model.layers_ = [
            state.array(f"layer_{i}", (model.n_members, widths[i] + 1, widths[i + 1]), np.float32)
            for i in range(len(widths) - 1)
        ]
        model.x_mean_ = state.array("x_mean", (widths[0],), np.float64)
        model.x_scale_ = state.array("x_scale", (widths[0],), np.float64)
        model.n_features_in_ = widths[0]
        names = state.get("feature_names")
        if names is not None:
            model.feature_names_in_ = np.array(names, dtype=object)
        return model


def _seed(random_state: Any) -> int:
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))
