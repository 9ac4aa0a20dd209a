from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression

from matlever.exceptions import SettingsError
from matlever.tables.gaussian_process import GaussianProcessMAP
from matlever.tables.small_table import SmallTableRegressor
from matlever.tables.table_regressor import TableRegressor, is_better_on_log_scale


def syntheses(n=30, seed=0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "time": rng.uniform(1, 60, n),
            "acid": rng.choice(["oleic", "stearic", "none"], n),
            "T": np.where(rng.uniform(size=n) < 0.1, np.nan, rng.uniform(150, 300, n)),
        }
    )
    effect = X["acid"].map({"oleic": 0.0, "stearic": 1.5, "none": 3.0}).to_numpy()
    exponent = effect + 0.05 * X["time"].to_numpy()
    y = pd.DataFrame({"yield": exponent, "size": np.exp(exponent)})
    return X, y


@pytest.mark.parametrize("seed", range(30))
def test_log_scale_is_chosen_by_likelihood_and_skewness(seed):
    rng = np.random.default_rng(seed)
    y = [
        rng.lognormal(0, 0.2 + seed / 20, 28),
        rng.normal(10, 1, 28),
        rng.exponential(1, 28),
        rng.uniform(0, 1, 28),
    ][seed % 4]
    if (y <= 0).any():
        expected = False
    else:
        plain = stats.norm.logpdf(y, y.mean(), y.std()).sum()
        logs = np.log(y)
        logged = (stats.norm.logpdf(logs, logs.mean(), logs.std()) - logs).sum()
        expected = stats.skew(y) > 1 and logged - plain > 2
    assert is_better_on_log_scale(y) == expected


@pytest.mark.parametrize("y", [[1, 2], [0, 1, 2, 90], [3, 3, 3, 3], [1, 1, 1, 1e300]], ids=str)
def test_log_scale_of_odd_targets_is_decided_without_a_warning(y):
    assert is_better_on_log_scale(y) in (True, False)


def test_targets_get_the_scale_that_suits_each():
    X, y = syntheses()
    model = TableRegressor(SmallTableRegressor(n_trees=20), random_state=0).fit(X, y)
    assert model.log_targets_.tolist() == [False, True]
    mean, std = model.predict(X, return_std=True)
    encoded = model.encoder_.transform(X)
    inner, inner_std = model.regressor_.predict(encoded, return_std=True)
    np.testing.assert_allclose(mean, np.stack([inner[:, 0], np.exp(inner[:, 1])], axis=1))
    np.testing.assert_allclose(std[:, 1], inner_std[:, 1] * mean[:, 1])
    members = model.predict_members(X)
    blend = sum(
        w * np.log(p[:, 1])
        for w, p in zip(model.regressor_.weights_[1], members.values(), strict=True)
    )
    np.testing.assert_allclose(np.exp(blend), mean[:, 1])


def test_log_targets_can_be_forced():
    X, y = syntheses()
    never = TableRegressor(LinearRegression(), log_targets="never").fit(X, y["size"])
    assert never.log_targets_.tolist() == [False]
    always = TableRegressor(LinearRegression(), log_targets="always").fit(X, y["size"])
    np.testing.assert_allclose(always.predict(X), y["size"], rtol=1e-9)  # linear on log scale
    with pytest.raises(SettingsError, match="positive"):
        TableRegressor(LinearRegression(), log_targets="always").fit(X, y["yield"] - 100)


def test_any_regressor_may_be_given_and_members_only_where_there_are_some():
    assert hasattr(TableRegressor(), "predict_members")
    assert not hasattr(TableRegressor(LinearRegression()), "predict_members")


def test_folds_that_lack_a_level_are_fitted_in_one_batch():
    X, y = syntheses()
    tasks = [(X, y), (X[X["acid"] != "none"], y[X["acid"] != "none"]), (X[5:], y[5:])]
    model = TableRegressor(GaussianProcessMAP(), random_state=2)
    for (X_one, y_one), together in zip(tasks, model.fit_batch(tasks), strict=True):
        alone = TableRegressor(GaussianProcessMAP(), random_state=2).fit(X_one, y_one)
        assert together.regressor_.n_features_in_ == alone.regressor_.n_features_in_
        np.testing.assert_allclose(together.predict(X), alone.predict(X), rtol=2e-2, atol=2e-2)
    plain = TableRegressor(LinearRegression()).fit_batch(tasks)
    assert [m.regressor_.n_features_in_ for m in plain] == [5, 4, 5]


def test_seed_reaches_a_regressor_that_has_none():
    X, y = syntheses()
    model = TableRegressor(SmallTableRegressor(n_trees=5), random_state=11).fit(X, y["yield"])
    assert model.regressor_.random_state == 11
    own = TableRegressor(SmallTableRegressor(n_trees=5, random_state=3), random_state=11)
    assert own.fit(X, y["yield"]).regressor_.random_state == 3


def test_rows_outside_are_flagged_by_input():
    X, y = syntheses()
    model = TableRegressor(LinearRegression()).fit(X, y["yield"])
    new = X.iloc[:1].assign(acid="lauric", time=1e4)
    assert model.outside(new).tolist() == [[True, True, False]]
    assert not model.outside(X).any()
