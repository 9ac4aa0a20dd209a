from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, ks_2samp
from sklearn.ensemble import ExtraTreesRegressor

from matlever.tables._grow import Plot, grow


def small_data(n=20, d=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, d)).astype(np.float32)
    y = X[:, 0] + 0.5 * X[:, 1] + 0.3 * rng.standard_normal(n)
    return X, (y - y.mean()) / y.std()


def test_trees_are_distributed_as_those_of_scikit_learn():
    X, y = small_data()
    peer = ExtraTreesRegressor(2500, random_state=0).fit(X, y)
    ours = grow([Plot(X, y, [np.arange(20)] * 2500, seed=1)])[0]
    roots = ours.start[:-1]
    # The inputs asked for at the root and at its left child; small nodes have many ties there.
    for depth in (0, 1):
        theirs = np.array([tree.tree_.feature[depth] for tree in peer.estimators_])
        mine = ours.feature[roots + depth]
        table = [np.bincount(f[f >= 0], minlength=3) for f in (mine, theirs)]
        assert chi2_contingency(table).pvalue > 1e-3
    thresholds = [tree.tree_.threshold[0] for tree in peer.estimators_]
    assert ks_2samp(ours.value[roots], thresholds).pvalue > 1e-3
    new = np.random.default_rng(5).uniform(size=(300, 3)).astype(np.float32)
    values = ours.predict(new)
    difference = values.mean(axis=1) - peer.predict(new)
    expected = 2 * values.var(axis=1).mean() / 2500  # two means of 2,500 independent trees
    assert (difference**2).mean() < 2 * expected


def test_pure_leaves_reproduce_the_training_rows():
    X, y = small_data(60)
    forest = grow([Plot(X, y, [np.arange(60)] * 5, seed=0)])[0]
    forest.check(3)
    np.testing.assert_allclose(forest.predict(X), np.tile(y[:, None], 5), atol=1e-12)


def test_rows_with_equal_inputs_share_a_leaf():
    X = np.repeat(small_data(5)[0], 2, axis=0)
    y = np.arange(10.0)
    forest = grow([Plot(X, y, [np.arange(10)], seed=0)])[0]
    np.testing.assert_allclose(forest.predict(X)[::2, 0], (y[::2] + y[1::2]) / 2)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 6), st.integers(2, 40))
def test_leaves_hold_at_least_so_many_rows_and_their_mean(seed, least, n):
    X, y = small_data(n, 2, seed)
    forest = grow([Plot(X, y, [np.arange(n)] * 3, seed=seed, min_samples_leaf=least)])[0]
    values = forest.predict(X)
    for column in values.T:
        leaves, where, counts = np.unique(column, return_inverse=True, return_counts=True)
        assert len(leaves) == 1 or counts.min() >= least
        means = np.bincount(where, weights=y) / counts
        np.testing.assert_allclose(means, leaves, atol=1e-12)


def test_a_forest_does_not_depend_on_what_grows_beside_it():
    plots = [
        Plot(*small_data(n, d, seed=n), [np.arange(n)] * 30, seed=7)
        for n, d in ((20, 3), (400, 3), (12, 2), (35, 3), (1200, 5))
    ]
    for plot, together in zip(plots, grow(plots), strict=True):
        alone = grow([plot])[0]
        np.testing.assert_array_equal(alone.feature, together.feature)
        np.testing.assert_array_equal(alone.value, together.value)
        np.testing.assert_array_equal(alone.start, together.start)
        together.check(plot.X.shape[1])
