"""Which estimators fit which size of table, and which classes a model folder may name."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from sklearn.base import BaseEstimator

from matlever.exceptions import ModelFileError
from matlever.storage import State

__all__ = ["candidate_regressors", "default_regressor", "restore"]

_BLEND_ROWS = 1000  # above this the Gaussian processes of the blend take too long
# Up to this the blend is tried alone: on 28 rows it is ahead of boosting and plain networks
# (benchmarks/small_tables.py).
_SMALL_ROWS = 500

_CLASSES = {
    "AugmentedRegressor": "matlever.tables.augmented",
    "CrossConformalRegressor": "matlever.validation.conformal",
    "DenseRegressor": "matlever.tables.network",
    "GaussianProcessMAP": "matlever.tables.gaussian_process",
    "SmallTableRegressor": "matlever.tables.small_table",
    "TableEncoder": "matlever.tables.encoder",
    "TableRegressor": "matlever.tables.table_regressor",
    "TreeEnsemble": "matlever.tables.tree_ensemble",
}
# These hold parts of any kind and ask `restore` for them.
_COMPOSITE = {"CrossConformalRegressor"}


def restore(state: State) -> Any:
    """Rebuild the fitted object a state describes.

    Parameters
    ----------
    state : State

    Returns
    -------
    fitted : estimator
        Of one of the classes of a fixed list; nothing else is ever imported.

    Raises
    ------
    ModelFileError
        If the kind is not on the list, or its values contradict each other.
    """
    if state.kind not in _CLASSES:
        raise ModelFileError(
            f"The model file asks for {state.kind!r}; known are {', '.join(sorted(_CLASSES))}."
        )
    cls = getattr(import_module(_CLASSES[state.kind]), state.kind)
    return cls.from_state(state, restore) if state.kind in _COMPOSITE else cls.from_state(state)


def default_regressor(n_rows: int, random_state: int | None = None) -> BaseEstimator:
    """Return the regressor to try first on a numeric matrix of `n_rows` rows, not fitted."""
    return next(iter(candidate_regressors(n_rows, random_state).values()))


def candidate_regressors(n_rows: int, random_state: int | None = None) -> dict[str, BaseEstimator]:
    """Return the regressors worth comparing on a table of `n_rows` rows, the default first.

    Parameters
    ----------
    n_rows : int
    random_state : int or None, default=None

    Returns
    -------
    candidates : dict of str to estimator
        Not fitted. Up to 1,000 rows the blend, above it extra-trees; above 500 rows also boosting
        and a network.
    """
    from matlever.tables.small_table import SmallTableRegressor
    from matlever.tables.tree_ensemble import TreeEnsemble

    candidates: dict[str, BaseEstimator] = {}
    if n_rows <= _BLEND_ROWS:
        candidates["blend"] = SmallTableRegressor(random_state=random_state)
    else:
        candidates["extra-trees"] = TreeEnsemble("extra_trees", random_state=random_state)
    if n_rows > _SMALL_ROWS:
        from matlever.tables.network import DenseRegressor

        candidates["boosting"] = TreeEnsemble("boosting", n_trees=300, random_state=random_state)
        candidates["network"] = DenseRegressor(random_state=random_state)
    return candidates
