"""Which classes of tables a model folder may name, and a check of regressors that are parts."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from matlever.exceptions import ModelFileError
from matlever.storage import State, register, restore

__all__ = ["restore", "restore_regressor"]

register(
    {
        "AugmentedRegressor": "matlever.tables.augmented",
        "DenseRegressor": "matlever.tables.network",
        "GaussianProcessMAP": "matlever.tables.gaussian_process",
        "SmallTableRegressor": "matlever.tables.small_table",
        "TableEncoder": "matlever.tables.encoder",
        "TableRegressor": "matlever.tables.table_regressor",
        "TreeEnsemble": "matlever.tables.tree_ensemble",
    }
)


def restore_regressor(state: State, n_features: int, target_shape: tuple[int, ...]) -> Any:
    """Rebuild a part that has to predict, and check that it fits the whole it belongs to.

    Parameters
    ----------
    state : State
        Of the part.
    n_features : int
        Inputs it is going to be given, as a matrix of numbers.
    target_shape : tuple of int
        Shape of what it predicts for one row: ``()`` or ``(n_targets,)``.

    Returns
    -------
    fitted : estimator

    Raises
    ------
    ModelFileError
        If the part cannot predict, or has other inputs or targets.
    """
    part = restore(state)
    if not hasattr(part, "predict"):
        raise ModelFileError(f"The model file uses a {state.kind} as regressor: it cannot predict.")
    if part.n_features_in_ != n_features:
        raise ModelFileError(
            f"{state.kind}: it has {part.n_features_in_} inputs, but is given {n_features}."
        )
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = np.shape(part.predict(np.zeros((1, n_features))))
    except (ValueError, TypeError) as error:
        raise ModelFileError(f"{state.kind}: it cannot predict a row of numbers.") from error
    if found != (1, *target_shape):
        raise ModelFileError(
            f"{state.kind}: it predicts another number of targets, {found[1:]} instead of "
            f"{target_shape} for each row."
        )
    return part
