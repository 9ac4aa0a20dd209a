"""A regressor for data frames: encodes categories, decides about logarithms, then fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self, overload

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from matlever.exceptions import ModelFileError, SettingsError
from matlever.storage import State
from matlever.tables._fitting import Float, fitted_config, rebuild, seed_of_parts, truth
from matlever.tables.encoder import TableEncoder
from matlever.tables.restore import restore, restore_regressor
from matlever.tables.small_table import SmallTableRegressor
from matlever.validation import Task

__all__ = ["TableRegressor", "is_better_on_log_scale"]

_SKEWNESS = 1.0
_LIKELIHOOD_GAIN = 2.0
_LARGEST_LOG = 700.0  # exp(700) is about the largest number


def is_better_on_log_scale(y: ArrayLike) -> bool:
    """Return whether a target looks more normal after taking logarithms.

    Parameters
    ----------
    y : array_like of shape (n_samples,)

    Returns
    -------
    better : bool
        True if all values are positive, their skewness is above 1, and the log-likelihood of a
        normal distribution of log y (with the Jacobian of the logarithm) exceeds that of y by more
        than 2.

    Examples
    --------
    >>> is_better_on_log_scale([1, 2, 4, 8, 16, 32, 64, 128])
    True
    >>> is_better_on_log_scale([1, 2, 3, 4, 5, 6, 7, 8])
    False
    """
    values = np.asarray(y, dtype=np.float64)
    if len(values) < 3 or not (values > 0).all():
        return False
    values = values / values.max()  # the unit does not matter, and squares stay within floats
    if not (values > 0).all():
        return False
    logs = np.log(values)
    spread, log_spread = values.std(), logs.std()
    if not (spread > 0 and log_spread > 0):
        return False
    if (((values - values.mean()) / spread) ** 3).mean() <= _SKEWNESS:
        return False
    # Normal profile log-likelihoods up to the same constant; d log(y) / dy = 1 / y.
    gain = -len(values) * np.log(log_spread) - logs.sum() + len(values) * np.log(spread)
    return bool(gain > _LIKELIHOOD_GAIN)


def _regressor_has(name: str) -> Any:
    def check(self: TableRegressor) -> bool:
        chosen = getattr(self, "regressor_", None) or self.regressor
        return chosen is None or hasattr(chosen, name)

    return check


class TableRegressor(RegressorMixin, BaseEstimator):
    """Regressor for a data frame of numbers and categories, with log scale where it helps.

    Everything is decided from the rows given to `fit`, so inside cross-validation nothing leaks.

    Parameters
    ----------
    regressor : estimator or None, default=None
        Fitted to the encoded inputs; None means :class:`SmallTableRegressor`.
    encoder : transformer or None, default=None
        None means :class:`TableEncoder`.
    log_targets : {"auto", "never", "always"}, default="auto"
        Whether the logarithm of a target is learned; "auto" decides for each target by
        :func:`is_better_on_log_scale`, "always" needs positive targets.
    random_state : int, RandomState instance or None, default=None
        Seed handed to the regressor when it has none of its own.

    Attributes
    ----------
    encoder_ : fitted transformer
    regressor_ : fitted estimator
    log_targets_ : ndarray of shape (n_targets,), bool
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Notes
    -----
    A target learned on log scale is predicted by the exponential of the predicted mean, which is
    the median, and its standard deviation by the delta method.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "regressor": [HasMethods(["fit", "predict"]), None],
        "encoder": [HasMethods(["fit", "transform"]), None],
        "log_targets": [StrOptions({"auto", "never", "always"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        regressor: BaseEstimator | None = None,
        encoder: BaseEstimator | None = None,
        log_targets: Literal["auto", "never", "always"] = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.regressor = regressor
        self.encoder = encoder
        self.log_targets = log_targets
        self.random_state = random_state

    def fit(self, X: ArrayLike | pd.DataFrame, y: ArrayLike) -> Self:
        """Encode the inputs, choose the scale of each target, and fit the regressor.

        Parameters
        ----------
        X : DataFrame or array_like of shape (n_samples, n_features)
        y : array_like of shape (n_samples,) or (n_samples, n_targets)

        Returns
        -------
        self
        """
        task = self._prepare(X, y)
        self.regressor_ = self._unfitted().fit(*task)
        return self

    def fit_batch(self, tasks: Sequence[Task]) -> list[Self]:
        """Return clones fitted to each (X, y), all together where the regressor can."""
        models = [clone(self) for _ in tasks]
        encoded = [model._prepare(X, y) for model, (X, y) in zip(models, tasks, strict=True)]
        together: dict[tuple[int, ...], list[int]] = {}  # a fold may lack a level: fewer columns
        for i, (matrix, target) in enumerate(encoded):
            together.setdefault((matrix.shape[1], target.ndim), []).append(i)
        one_seed = self.random_state is None or isinstance(self.random_state, int)
        for positions in together.values():
            if one_seed and hasattr(self._unfitted(), "fit_batch"):
                fitted = models[positions[0]]._unfitted().fit_batch([encoded[i] for i in positions])
            else:
                fitted = [models[i]._unfitted().fit(*encoded[i]) for i in positions]
            for i, regressor in zip(positions, fitted, strict=True):
                models[i].regressor_ = regressor
        return models

    @overload
    def predict(self, X: ArrayLike | pd.DataFrame, return_std: Literal[False] = False) -> Float: ...
    @overload
    def predict(
        self, X: ArrayLike | pd.DataFrame, return_std: Literal[True]
    ) -> tuple[Float, Float]: ...
    def predict(
        self, X: ArrayLike | pd.DataFrame, return_std: bool = False
    ) -> Float | tuple[Float, Float]:
        """Predict in the target's own unit.

        Parameters
        ----------
        X : DataFrame or array_like of shape (n_samples, n_features)
        return_std : bool, default=False
            Needs a regressor that can.

        Returns
        -------
        mean : ndarray of shape (n_samples,) or (n_samples, n_targets)
        std : ndarray of the same shape, only with `return_std`
        """
        check_is_fitted(self)
        matrix = self._encode(X)
        if not return_std:
            return self._own_unit(self.regressor_.predict(matrix))
        mean, std = self.regressor_.predict(matrix, return_std=True)
        mean = self._own_unit(mean)
        scale = np.where(self.log_targets_, mean.reshape(len(mean), -1), 1.0)
        return mean, std * scale.reshape(mean.shape)

    @available_if(_regressor_has("predict_members"))  # type: ignore[untyped-decorator] # sklearn
    def predict_members(self, X: ArrayLike | pd.DataFrame) -> dict[str, Float]:
        """Return the prediction of each member of the regressor, in the target's own unit."""
        check_is_fitted(self)
        members = self.regressor_.predict_members(self._encode(X))
        return {name: self._own_unit(values) for name, values in members.items()}

    def outside(self, X: ArrayLike | pd.DataFrame) -> NDArray[np.bool_]:
        """Return which inputs are outside the training range or new levels, (n, n_inputs)."""
        check_is_fitted(self)
        beyond: NDArray[np.bool_] = self.encoder_.outside(X)
        return beyond

    def to_state(self) -> State:
        """Return the fitted estimator as plain data."""
        check_is_fitted(self)
        for part in (self.encoder_, self.regressor_):
            if not hasattr(part, "to_state"):
                raise SettingsError(
                    f"A {type(part).__name__} cannot be written to a model folder. Use an "
                    "estimator of matlever, for instance SmallTableRegressor or TreeEnsemble."
                )
        return State(
            kind="TableRegressor",
            config=fitted_config(
                self,
                log_scale=[bool(log) for log in self.log_targets_],
                single_target=bool(self.single_target_),
            ),
            parts={"encoder": self.encoder_.to_state(), "regressor": self.regressor_.to_state()},
        )

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Rebuild a fitted estimator; its predictions are bitwise those of the original."""
        model = rebuild(cls, state)
        model.single_target_ = truth(state, "single_target")
        log_scale = state.get("log_scale")
        if (
            not isinstance(log_scale, list)
            or not log_scale
            or not all(isinstance(log, bool) for log in log_scale)
            or (model.single_target_ and len(log_scale) != 1)
        ):
            raise ModelFileError(f"{state.kind}: 'log_scale' must hold true or false per target.")
        model.log_targets_ = np.array(log_scale)
        model.encoder_ = restore(state.part("encoder"))
        if not hasattr(model.encoder_, "transform"):
            raise ModelFileError(f"{state.kind}: its encoder cannot transform rows.")
        if model.encoder_.n_features_in_ != model.n_features_in_:
            raise ModelFileError(f"{state.kind}: its encoder has another number of inputs.")
        model.regressor_ = restore_regressor(
            state.part("regressor"),
            len(model.encoder_.get_feature_names_out()),
            () if model.single_target_ else (len(log_scale),),
        )
        model.regressor = clone(model.regressor_)
        if not isinstance(model.encoder_, TableEncoder):
            model.encoder = clone(model.encoder_)
        return model

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.target_tags.multi_output = True
        return tags

    def _prepare(self, X: ArrayLike | pd.DataFrame, y: ArrayLike) -> tuple[Float, Float]:
        """Check the data, fit the encoder, choose the scales; return what the regressor sees."""
        self._validate_params()
        validate_data(self, X, y, skip_check_array=True)
        self.encoder_ = TableEncoder() if self.encoder is None else clone(self.encoder)
        matrix = self.encoder_.fit_transform(X)
        if not isinstance(X, pd.DataFrame):
            self.n_features_in_ = self.encoder_.n_features_in_
        target = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        check_consistent_length(matrix, target)
        self.single_target_ = target.ndim == 1
        columns = target.reshape(len(target), -1)
        if self.log_targets == "always" and not (columns > 0).all():
            raise SettingsError(
                f"log_targets='always' needs positive targets; the smallest is {columns.min():g}. "
                "Use log_targets='auto'."
            )
        self.log_targets_ = np.array(
            [
                self.log_targets == "always"
                or (self.log_targets == "auto" and is_better_on_log_scale(column))
                for column in columns.T
            ]
        )
        learned = columns.copy()
        learned[:, self.log_targets_] = np.log(columns[:, self.log_targets_])
        return matrix, learned.reshape(target.shape)

    def _unfitted(self) -> BaseEstimator:
        regressor = SmallTableRegressor() if self.regressor is None else clone(self.regressor)
        params = regressor.get_params(deep=False)
        if "random_state" in params and params["random_state"] is None:
            regressor.set_params(random_state=seed_of_parts(self.random_state))
        return regressor

    def _encode(self, X: ArrayLike | pd.DataFrame) -> Float:
        if isinstance(X, pd.DataFrame):  # the encoder checks arrays
            validate_data(self, X, reset=False, skip_check_array=True)
        matrix: Float = self.encoder_.transform(X)
        return matrix

    def _own_unit(self, values: ArrayLike) -> Float:
        """Return predictions (n,) or (n, n_targets) after undoing the logarithms."""
        learned = np.asarray(values, dtype=np.float64)
        columns = learned.reshape(len(learned), -1).copy()
        logs = self.log_targets_
        columns[:, logs] = np.exp(np.minimum(columns[:, logs], _LARGEST_LOG))
        return columns.reshape(learned.shape)
