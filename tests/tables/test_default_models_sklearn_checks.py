from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from matlever.tables.encoder import TableEncoder
from matlever.tables.gaussian_process import GaussianProcessMAP
from matlever.tables.small_table import SmallTableRegressor
from matlever.tables.table_regressor import TableRegressor
from matlever.tables.tree_ensemble import TreeEnsemble


@parametrize_with_checks(
    [
        GaussianProcessMAP(n_starts=1, random_state=0),
        GaussianProcessMAP(linear=True, n_starts=2, clamp=True, random_state=0),
        TreeEnsemble(n_trees=10, n_blocks=3, random_state=0),
        TreeEnsemble("random_forest", n_trees=10, random_state=0),
        TreeEnsemble("boosting", n_trees=15, learning_rate=0.3, random_state=0),
        SmallTableRegressor(n_trees=20, n_starts=1, random_state=0),
        TableEncoder(),
        TableRegressor(SmallTableRegressor(n_trees=20, n_starts=1), random_state=0),
    ]
)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
def test_estimators_keep_the_rules_of_scikit_learn(estimator, check):
    check(estimator)
