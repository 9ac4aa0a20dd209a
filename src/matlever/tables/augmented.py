"""A regressor that augments its training rows: leak-free wherever an estimator can stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils.validation import check_is_fitted, validate_data

from matlever.exceptions import ModelFileError
from matlever.storage import State
from matlever.tables.network import DenseRegressor
from matlever.tables.smote_reg import SmoteReg
from matlever.tables.taught import TaughtAugmentation

__all__ = ["AugmentedRegressor"]

_SAMPLERS: dict[str, Any] = {"SmoteReg": SmoteReg, "TaughtAugmentation": TaughtAugmentation}


class AugmentedRegressor(RegressorMixin, BaseEstimator):
    """Augment the rows given to `fit`, then fit a regressor to them.

    Inside cross-validation each fold's synthetic rows are so made from its training rows alone.
    Needs no imbalanced-learn; scikit-learn's own pipelines refuse samplers.

    Parameters
    ----------
    sampler : object with `fit_resample`, or None, default=None
        Cloned and run on the training rows; None means :class:`~matlever.tables.SmoteReg`.
    regressor : estimator or None, default=None
        Cloned, fitted to the augmented rows; None means :class:`~matlever.tables.DenseRegressor`.
    random_state : int, RandomState instance or None, default=None
        Seed of those of the two that have a `random_state` of None.

    Attributes
    ----------
    regressor_ : estimator
        The fitted regressor.
    n_augmented_ : int
        Rows it was fitted to.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> X = np.random.default_rng(0).random((20, 2))
    >>> model = AugmentedRegressor(regressor=LinearRegression(), random_state=0)
    >>> float(model.fit(X, X @ [1.0, 2.0]).predict([[1.0, 1.0]])[0].round(6))
    3.0
    """

    def __init__(
        self, sampler: Any = None, regressor: Any = None, random_state: Any = None
    ) -> None:
        self.sampler = sampler
        self.regressor = regressor
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        """Say that several targets are predicted."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = True
        return tags

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Augment the rows and fit the regressor to them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs, numeric.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.

        Returns
        -------
        self : AugmentedRegressor
            Itself.
        """
        x, targets = self._validate(X, y)
        sampler, regressor = self._parts()
        more_x, more_y = sampler.fit_resample(x, targets)
        self.regressor_ = regressor.fit(more_x, more_y)
        self.n_augmented_ = len(more_x)
        return self

    def fit_batch(self, tasks: Sequence[tuple[Any, Any]]) -> list[Self]:
        """Fit one clone for each task; teachers and networks of all tasks learn at once.

        Parameters
        ----------
        tasks : sequence of (X, y)
            Data of each task as for `fit`.

        Returns
        -------
        models : list of AugmentedRegressor
            What ``clone(self).fit(X, y)`` gives for each task, up to rounding.
        """
        models = [clone(self) for _ in tasks]
        data = [m._validate(X, y) for m, (X, y) in zip(models, tasks, strict=True)]
        sampler, regressor = self._parts()
        if hasattr(sampler, "resample_batch"):
            augmented = sampler.resample_batch(data)
        else:
            augmented = [clone(sampler).fit_resample(x, targets) for x, targets in data]
        if hasattr(regressor, "fit_batch"):
            fitted = regressor.fit_batch(augmented)
        else:
            fitted = [clone(regressor).fit(x, targets) for x, targets in augmented]
        for model, one, (x, _) in zip(models, fitted, augmented, strict=True):
            model.regressor_, model.n_augmented_ = one, len(x)
        return models

    def _validate(self, X: Any, y: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        x, targets = validate_data(
            self, X, y, dtype=np.float64, multi_output=True, y_numeric=True, ensure_min_samples=2
        )
        return x, np.asarray(targets, dtype=np.float64)

    def _parts(self) -> tuple[Any, Any]:
        """Return sampler and regressor to fit, seeded."""
        parts = []
        for part, default in ((self.sampler, SmoteReg), (self.regressor, DenseRegressor)):
            fresh = default() if part is None else clone(part)
            if fresh.get_params().get("random_state", 0) is None:
                fresh.set_params(random_state=self.random_state)
            parts.append(fresh)
        return parts[0], parts[1]

    def predict(self, X: ArrayLike, return_std: bool = False) -> Any:
        """Predict with the fitted regressor.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.
        return_std : bool, default=False
            Also return the regressor's standard deviation, if it has one.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Predictions.
        std : ndarray of the same shape
            Only with `return_std`.
        """
        x = self._inputs(X)
        return (
            self.regressor_.predict(x, return_std=True)
            if return_std
            else self.regressor_.predict(x)
        )

    def gradient(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the derivative of the prediction by each input, if the regressor has it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        gradient : ndarray of shape (n_samples, n_features) or (n_samples, n_features, n_targets)
            Derivatives in the data's own units.
        """
        return np.asarray(self.regressor_.gradient(self._inputs(X)))

    def _inputs(self, X: Any) -> NDArray[np.float64]:
        check_is_fitted(self)
        return np.asarray(validate_data(self, X, dtype=np.float64, reset=False))

    def to_state(self) -> State:
        """Return everything needed to rebuild the fitted regressor.

        A sampler other than SMOTE-REG, and the teacher of a taught one, are not kept: they are
        needed to fit, not to predict.
        """
        check_is_fitted(self)
        sampler, _ = self._parts()
        config: dict[str, Any] = {
            "random_state": _seed_or_none(self.random_state),
            "n_augmented_": self.n_augmented_,
            "n_features_in_": self.n_features_in_,
            "sampler": None,
        }
        if self.sampler is not None and type(sampler).__name__ in _SAMPLERS:
            params = {
                k: v for k, v in self.sampler.get_params(deep=False).items() if k != "teacher"
            }
            params["random_state"] = _seed_or_none(params["random_state"])
            config["sampler"] = {"kind": type(sampler).__name__, "params": params}
        if hasattr(self, "feature_names_in_"):
            config["feature_names_in_"] = [str(name) for name in self.feature_names_in_]
        state: State = self.regressor_.to_state()
        return State(kind=type(self).__name__, config=config, parts={"regressor": state})

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Rebuild a fitted regressor; predictions are bitwise those of the original.

        Raises
        ------
        ModelFileError
            If a value or part is missing or does not fit the others.
        """
        from matlever.tables.models import restore  # imports this module

        sampler = state.get("sampler")
        if sampler is not None:
            sampler = _restore_sampler(sampler)
        for name in ("n_augmented_", "n_features_in_"):
            if not isinstance(state.get(name), int):
                raise ModelFileError(
                    f"{state.kind}: {name}={state.get(name)!r} is no whole number."
                )
        regressor: Any = restore(state.part("regressor"))
        model = cls(sampler, clone(regressor), state.get("random_state"))
        model.regressor_ = regressor
        model.n_augmented_ = state.get("n_augmented_")
        model.n_features_in_ = state.get("n_features_in_")
        if model.n_features_in_ != regressor.n_features_in_:
            raise ModelFileError(
                f"{state.kind}: {model.n_features_in_} inputs are announced, its regressor has "
                f"{regressor.n_features_in_}."
            )
        if "feature_names_in_" in state.config:
            names = np.asarray(state.get("feature_names_in_"), dtype=object)
            if names.shape != (model.n_features_in_,):
                raise ModelFileError(
                    f"{state.kind}: {model.n_features_in_} input names are expected."
                )
            model.feature_names_in_ = names
        return model


def _seed_or_none(random_state: Any) -> int | None:
    return int(random_state) if isinstance(random_state, (int, np.integer)) else None


def _restore_sampler(config: Any) -> Any:
    """Rebuild a sampler from its kind and parameters."""
    if not isinstance(config, dict) or config.get("kind") not in _SAMPLERS:
        raise ModelFileError("AugmentedRegressor: its sampler is of an unknown kind.")
    kind = _SAMPLERS[config["kind"]]
    params = config.get("params")
    if not isinstance(params, dict) or not set(params) <= set(kind._get_param_names()):
        raise ModelFileError(f"AugmentedRegressor: unknown parameters of {config['kind']}.")
    return kind(**params)
