from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor

from matlever.exceptions import SettingsError
from matlever.tables import tree_ensemble
from matlever.tables._left_out import leave_out_blocks
from matlever.tables.tree_ensemble import TreeEnsemble


def two_targets(n=40, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, 3)) * [1, 50, 1e-3]
    Y = np.stack([np.sin(5 * X[:, 0]) + 0.02 * X[:, 1], 100 + X[:, 1] ** 2], axis=1)
    return X, Y + 0.1 * Y.std(axis=0) * rng.standard_normal(Y.shape)


def test_random_forest_is_that_of_scikit_learn():
    X, Y = two_targets()
    model = TreeEnsemble("random_forest", n_trees=30, random_state=4).fit(X, Y[:, 0])
    Z = ((X - model.X_mean_) / model.X_scale_).astype(np.float32)
    seed = np.random.RandomState(4).randint(2**31 - 1)
    peer = RandomForestRegressor(30, random_state=seed)
    y = (Y[:, 0] - model.y_mean_) / model.y_scale_
    expected = model.y_mean_ + model.y_scale_ * peer.fit(Z, y).predict(Z)
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-9)


@pytest.mark.parametrize("subsample", [0.7, 1.0])
def test_boosting_is_that_of_scikit_learn(subsample):
    X, Y = two_targets()
    model = TreeEnsemble("boosting", n_trees=40, subsample=subsample, random_state=4)
    model.fit(X, Y[:, 1])
    Z = ((X - model.X_mean_) / model.X_scale_).astype(np.float32)
    seed = np.random.RandomState(4).randint(2**31 - 1)
    peer = GradientBoostingRegressor(
        n_estimators=40, learning_rate=0.05, subsample=subsample, init="zero", random_state=seed
    )
    y = (Y[:, 1] - model.y_mean_) / model.y_scale_
    expected = model.y_mean_ + model.y_scale_ * peer.fit(Z, y).predict(Z)
    mean, std = model.predict(X, return_std=True)
    np.testing.assert_allclose(mean, expected, rtol=1e-9)
    assert (std == std[0]).all()
    assert 0 < std[0] < 1.5 * Y[:, 1].std()


def test_two_targets_are_two_ensembles():
    X, Y = two_targets()
    for method in ("extra_trees", "random_forest", "boosting"):
        both = TreeEnsemble(method, n_trees=10, random_state=0).fit(X, Y)
        mean, std = both.predict(X, return_std=True)
        for t in range(2):
            alone = TreeEnsemble(method, n_trees=10, random_state=0).fit(X, Y[:, t])
            alone_mean, alone_std = alone.predict(X, return_std=True)
            np.testing.assert_allclose(mean[:, t], alone_mean, rtol=1e-9)
            np.testing.assert_allclose(std[:, t], alone_std, rtol=1e-9, atol=1e-12)


def test_batch_equals_fitting_one_by_one():
    tasks = [two_targets(n, n) for n in (15, 40, 23)]
    model = TreeEnsemble(n_trees=20, n_blocks=5, random_state=1)
    for (X, Y), together in zip(tasks, model.fit_batch(tasks), strict=True):
        alone = TreeEnsemble(n_trees=20, n_blocks=5, random_state=1).fit(X, Y)
        np.testing.assert_array_equal(together.predict(X), alone.predict(X))
        np.testing.assert_array_equal(together.leave_out_mse_, alone.leave_out_mse_)


def test_leave_out_error_is_that_of_cross_validation():
    X, Y = two_targets(60)
    y = Y[:, 0]
    error = TreeEnsemble(n_trees=2000, n_blocks=10, random_state=0).fit(X, y).leave_out_mse_[0]
    seed = np.random.RandomState(0).randint(2**31 - 1)
    block = leave_out_blocks(X, 10, seed)
    squares = np.empty(60)
    for b in range(10):
        model = TreeEnsemble(n_trees=400, random_state=b).fit(X[block != b], y[block != b])
        squares[block == b] = (model.predict(X[block == b]) - y[block == b]) ** 2
    assert error == pytest.approx(squares.mean() / y.var(), rel=0.05)
    # With few trees the error of so few is corrected to that of all of them.
    few = [
        TreeEnsemble(n_trees=40, n_blocks=10, random_state=s).fit(X, y).leave_out_mse_[0]
        for s in range(30)
    ]
    assert np.mean(few) == pytest.approx(error, rel=0.15)


def test_replicates_never_stand_in_two_blocks():
    X = np.repeat(np.arange(13.0), 3)[:, None]
    block = leave_out_blocks(X, 10, seed=0)
    assert (block.reshape(13, 3) == block.reshape(13, 3)[:, :1]).all()
    assert len(np.unique(block)) == 10
    assert len(np.unique(leave_out_blocks(X[:9], 10, seed=0))) == 3
    # Replicates with different results cannot be told apart: the error shows it.
    y = np.random.default_rng(0).standard_normal(39)
    model = TreeEnsemble(n_blocks=10, random_state=0).fit(X, y)
    assert model.leave_out_mse_[0] > 0.8


def test_few_trees_do_not_judge_rows_they_have_seen():
    errors = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        model = TreeEnsemble(n_trees=3, n_blocks=10, random_state=seed)
        model.fit(rng.standard_normal((40, 3)), rng.standard_normal(40))
        assert set(model.blocks_) == {0, 1, 2}
        errors.append(model.leave_out_mse_[0])
    assert min(errors) > 0.9
    X, Y = two_targets()
    one = TreeEnsemble(n_trees=1, n_blocks=10, random_state=0).fit(X, Y)
    np.testing.assert_allclose(one.leave_out_mse_, 1)  # all of the variance: nothing is known


def test_blocks_of_rows_change_nothing(monkeypatch):
    X, Y = two_targets(100)
    for method in ("extra_trees", "boosting"):
        model = TreeEnsemble(method, n_trees=10, random_state=0).fit(X, Y)
        whole = model.predict(X, return_std=True)
        monkeypatch.setattr(tree_ensemble, "_BLOCK_VALUES", 20 * 17)
        np.testing.assert_array_equal(model.predict(X, return_std=True), whole)
        monkeypatch.undo()


def test_blocks_need_extra_trees():
    with pytest.raises(SettingsError, match="extra_trees"):
        TreeEnsemble("boosting", n_blocks=10).fit(*two_targets())


def test_large_inputs_are_not_infinite_to_the_trees():
    X = np.arange(20.0)[:, None] * 1e150
    model = TreeEnsemble(n_trees=5, random_state=0).fit(X, np.arange(20.0))
    np.testing.assert_allclose(model.predict(X), np.arange(20.0), atol=1e-12)
    assert model.predict([[1e300]]) == pytest.approx(19)
