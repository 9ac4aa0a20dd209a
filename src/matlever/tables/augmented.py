"""A regressor that augments its training rows: leak-free wherever an estimator can stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import check_is_fitted

from matlever.exceptions import ModelFileError
from matlever.storage import State
from matlever.tables._fitting import (
    Float,
    check_rows,
    check_training,
    fitted_config,
    rebuild,
    seed_of_parts,
    truth,
    whole_number,
)
from matlever.tables.network import DenseRegressor
from matlever.tables.restore import restore_regressor
from matlever.tables.smote_reg import SmoteReg
from matlever.tables.taught import TaughtAugmentation
from matlever.validation import Task

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

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "sampler": [HasMethods(["fit_resample"]), None],
        "regressor": [HasMethods(["fit", "predict"]), None],
        "random_state": ["random_state"],
    }

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
        x, targets = self._checked(X, y)
        sampler, regressor = self._parts()
        more_x, more_y = sampler.fit_resample(x, targets)
        self.regressor_ = regressor.fit(more_x, more_y)
        self.n_augmented_ = len(more_x)
        return self

    def fit_batch(self, tasks: Sequence[Task]) -> list[Self]:
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
        data = [m._checked(X, y) for m, (X, y) in zip(models, tasks, strict=True)]
        sampler, regressor = clone(self)._parts()  # a generator given as seed is not advanced
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

    def _checked(self, X: Any, y: Any) -> tuple[Float, Float]:
        """Return checked inputs, and targets in the shape they were given in."""
        x, targets = check_training(self, X, y)
        self.n_targets_ = targets.shape[1]
        return x, targets[:, 0] if self.single_target_ else targets

    def _parts(self) -> tuple[Any, Any]:
        """Return sampler and regressor to fit, seeded."""
        seed = seed_of_parts(self.random_state)
        parts = []
        for part, default in ((self.sampler, SmoteReg), (self.regressor, DenseRegressor)):
            fresh = default() if part is None else clone(part)
            if fresh.get_params().get("random_state", 0) is None:
                fresh.set_params(random_state=seed)
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

    def _inputs(self, X: Any) -> Float:
        check_is_fitted(self)
        return check_rows(self, X)

    def to_state(self) -> State:
        """Return everything needed to rebuild the fitted regressor.

        A sampler other than SMOTE-REG, and the teacher of a taught one, are not kept: they are
        needed to fit, not to predict.
        """
        check_is_fitted(self)
        sampler = None
        if type(self.sampler).__name__ in _SAMPLERS:
            params = self.sampler.get_params(deep=False)
            params.pop("teacher", None)
            is_seed = isinstance(params["random_state"], (int, np.integer))
            params["random_state"] = int(params["random_state"]) if is_seed else None
            sampler = {"kind": type(self.sampler).__name__, "params": params}
        config = fitted_config(
            self,
            n_augmented=self.n_augmented_,
            n_targets=self.n_targets_,
            single_target=self.single_target_,
            sampler=sampler,
        )
        state: State = self.regressor_.to_state()
        return State(kind="AugmentedRegressor", config=config, parts={"regressor": state})

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Rebuild a fitted regressor; predictions are bitwise those of the original.

        Raises
        ------
        ModelFileError
            If a value or part is missing or does not fit the others.
        """
        model = rebuild(cls, state)
        model.n_augmented_ = whole_number(state, "n_augmented", least=1)
        model.n_targets_ = whole_number(state, "n_targets", least=1)
        model.single_target_ = truth(state, "single_target")
        if model.single_target_ and model.n_targets_ != 1:
            raise ModelFileError(f"{state.kind}: a single target with {model.n_targets_} targets.")
        model.sampler = _restore_sampler(state.get("sampler"))
        model.regressor_ = restore_regressor(
            state.part("regressor"),
            model.n_features_in_,
            () if model.single_target_ else (model.n_targets_,),
        )
        model.regressor = clone(model.regressor_)
        return model


def _restore_sampler(config: Any) -> Any:
    """Rebuild a sampler from its kind and parameters, all of them numbers."""
    if config is None:
        return None
    kind = config.get("kind") if isinstance(config, dict) else None
    if not isinstance(kind, str) or kind not in _SAMPLERS:
        raise ModelFileError("AugmentedRegressor: its sampler is of an unknown kind.")
    params = config.get("params")
    if not isinstance(params, dict) or not set(params) <= set(_SAMPLERS[kind]._get_param_names()):
        raise ModelFileError(f"AugmentedRegressor: unknown parameters of {kind}.")
    seed = params.get("random_state")
    if isinstance(seed, (bool, float)) or not all(
        value is None or isinstance(value, (int, float)) for value in params.values()
    ):
        raise ModelFileError(f"AugmentedRegressor: the parameters of {kind} must be numbers.")
    return _SAMPLERS[kind](**params)
