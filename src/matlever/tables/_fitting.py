"""What the estimators of this room share: checked arrays, standardising, states."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from matlever.exceptions import ModelFileError
from matlever.storage import State

__all__ = [
    "Float",
    "check_rows",
    "check_training",
    "column_scale",
    "fitted_config",
    "integer_seed",
    "rebuild",
    "seed_of_parts",
    "shaped",
    "truth",
    "whole_number",
]

Float = NDArray[np.float64]
_E = TypeVar("_E", bound=BaseEstimator)


def check_training(estimator: BaseEstimator, X: ArrayLike, y: ArrayLike) -> tuple[Float, Float]:
    """Check the parameters of `estimator` and its training data; note the shape of the target.

    Sets ``n_features_in_``, ``feature_names_in_`` and ``single_target_``.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
    Y : ndarray of shape (n_samples, n_targets)
    """
    estimator._validate_params()
    rows, target = validate_data(
        estimator,
        X,
        y,
        multi_output=True,
        y_numeric=True,
        dtype=np.float64,
        order="C",  # sums in another order differ in the last digit
        ensure_min_samples=2,
    )
    estimator.single_target_ = target.ndim == 1
    return rows, np.array(target, dtype=np.float64, order="C").reshape(len(target), -1)


def check_rows(estimator: BaseEstimator, X: ArrayLike) -> Float:
    """Return new rows as a checked float64 array of shape (n_samples, n_features)."""
    checked: Float = validate_data(estimator, X, reset=False, dtype=np.float64, order="C")
    return checked


def column_scale(values: Float) -> tuple[Float, Float]:
    """Return mean and standard deviation of each column, 1 where the column is constant."""
    columns = np.ascontiguousarray(values.T)  # sums then do not depend on the neighbours
    constant = (columns == columns[:, :1]).all(axis=1)
    mean = np.where(constant, columns[:, 0], columns.mean(axis=1))  # exact where it is known
    away = columns - mean[:, None]
    largest = np.abs(away).max(axis=1)
    # Divided by the largest first: squares of tiny or huge numbers leave the range of floats.
    scale = largest * (away / np.where(largest > 0, largest, 1.0)[:, None]).std(axis=1)
    tiny = 10 * np.finfo(np.float64).eps * np.abs(columns).max(axis=1)
    return mean, np.where(scale > tiny, scale, 1.0)


def shaped(estimator: BaseEstimator, values: Float) -> Float:
    """Return (n, n_targets) values in the shape of the targets of `fit`."""
    return values[:, 0] if estimator.single_target_ else values


def integer_seed(random_state: Any) -> int:
    """Return an integer given as `random_state` itself, else one drawn from what it stands for."""
    if isinstance(random_state, numbers.Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def seed_of_parts(random_state: Any) -> int | None:
    """Return the seed of all parts of an estimator: an integer, or None where none was given.

    Parts that shared a generator object would depend on the order in which they are fitted, which
    differs between one fit and a batch.
    """
    return None if random_state is None else integer_seed(random_state)


def fitted_config(estimator: BaseEstimator, **fitted: Any) -> dict[str, Any]:
    """Return constructor parameters and fitted values of `estimator` as JSON values.

    A generator object given as `random_state` cannot be written and is stored as None, as are
    parameters that are estimators.
    """
    params: dict[str, bool | str | int | float | list[int] | None] = {}
    for name, value in estimator.get_params(deep=False).items():
        if isinstance(value, (bool, str)) or value is None:
            params[name] = value
        elif isinstance(value, numbers.Integral):
            params[name] = int(value)
        elif isinstance(value, numbers.Real):
            params[name] = float(value)
        elif isinstance(value, (tuple, list)):
            params[name] = [int(number) for number in value]
        else:
            params[name] = None
    names = getattr(estimator, "feature_names_in_", None)
    return {
        "params": params,
        "n_features": int(estimator.n_features_in_),
        "feature_names": None if names is None else [str(name) for name in names],
        **fitted,
    }


def rebuild(cls: type[_E], state: State) -> _E:
    """Return an object of `cls` with the parameters and names that :func:`fitted_config` wrote.

    Raises
    ------
    ModelFileError
        If the state is of another class, or its parameters are not those of `cls`.
    """
    if state.kind != cls.__name__:
        raise ModelFileError(f"Expected the state of a {cls.__name__}, found {state.kind!r}.")
    params = state.get("params")
    known = cls._get_param_names()
    if not isinstance(params, Mapping) or not set(params) <= set(known):
        raise ModelFileError(f"{state.kind}: 'params' must name parameters among {sorted(known)}.")
    for name, value in params.items():
        if isinstance(value, bool) and "boolean" not in cls._parameter_constraints[name]:
            raise ModelFileError(f"{state.kind}: {name!r} is {value!r}, which is no such value.")
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in params.items()}
    estimator: _E = cls(**values)
    try:
        estimator._validate_params()
    except (ValueError, TypeError) as error:
        raise ModelFileError(f"{state.kind}: {error}") from error
    n_features = whole_number(state, "n_features", least=1)
    names = state.get("feature_names")
    estimator.n_features_in_ = n_features
    if names is not None:
        if (
            not isinstance(names, Sequence)
            or len(names) != n_features
            or not all(isinstance(name, str) for name in names)
        ):
            raise ModelFileError(f"{state.kind}: 'feature_names' must be {n_features} strings.")
        estimator.feature_names_in_ = np.array(names, dtype=object)
    return estimator


def whole_number(state: State, name: str, *, least: int) -> int:
    """Return the integer `name` of a state's config after checking its range."""
    value = state.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ModelFileError(
            f"{state.kind}: {name!r} is {value!r}, expected an integer >= {least}."
        )
    return value


def truth(state: State, name: str) -> bool:
    """Return the boolean `name` of a state's config."""
    value = state.get(name)
    if not isinstance(value, bool):
        raise ModelFileError(f"{state.kind}: {name!r} is {value!r}, expected true or false.")
    return value
