"""Which estimators are worth comparing on which size of table."""

from __future__ import annotations

from sklearn.base import BaseEstimator

__all__ = ["candidate_regressors"]

_BLEND_ROWS = 1000  # above this the Gaussian processes of the blend take too long
# Up to this the blend is tried alone: on 28 rows it is ahead of boosting and plain networks
# (benchmarks/small_tables.py).
_SMALL_ROWS = 500


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
