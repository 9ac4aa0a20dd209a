from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor, RandomForestRegressor

from matlever.exceptions import ModelFileError
from matlever.tables import _forest
from matlever.tables._forest import Forest


def random_tree(rng, n_leaves, n_features):
    """Preorder nodes of a random tree, and a function that walks it the plain way."""
    if n_leaves == 1:
        return [-1], [float(rng.standard_normal())]
    left = int(rng.integers(1, n_leaves))
    left_nodes = random_tree(rng, left, n_features)
    right_nodes = random_tree(rng, n_leaves - left, n_features)
    feature = [int(rng.integers(n_features)), *left_nodes[0], *right_nodes[0]]
    return feature, [float(rng.standard_normal()), *left_nodes[1], *right_nodes[1]]


def plain_walk(feature, value, x, node=0):
    """Return the leaf value below `node` and the node after its subtree."""
    if feature[node] < 0:
        return value[node], node + 1
    left, after_left = plain_walk(feature, value, x, node + 1)
    right, after = plain_walk(feature, value, x, after_left)
    return (left if x[feature[node]] <= value[node] else right), after


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 90), min_size=1, max_size=6))
def test_every_way_of_evaluating_agrees_with_a_plain_walk(seed, sizes):
    rng = np.random.default_rng(seed)
    trees = [random_tree(rng, size, 3) for size in sizes]
    start = np.concatenate([[0], np.cumsum([len(feature) for feature, _ in trees])])
    forest = Forest(
        np.concatenate([feature for feature, _ in trees]).astype(np.int32),
        np.concatenate([value for _, value in trees]),
        start.astype(np.int64),
    )
    forest.check(3)
    X = rng.standard_normal((9, 3)).astype(np.float32)
    X[0] = forest.value[0]  # on a threshold, as far as float32 allows
    expected = [[plain_walk(f, v, x.astype(float))[0] for f, v in trees] for x in X]
    np.testing.assert_array_equal(forest.predict(X), expected)
    np.testing.assert_array_equal(forest.predict(X[:3]), expected[:3])  # few rows: walked


@pytest.mark.parametrize("mask_leaves", [0, 256])
@pytest.mark.parametrize("n", [30, 200])
def test_trees_copied_from_scikit_learn_predict_the_same(n, mask_leaves, monkeypatch):
    monkeypatch.setattr(_forest, "_MASK_LEAVES", mask_leaves)
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(n, 4)).astype(np.float32)
    y = np.sin(5 * X[:, 0]) + X[:, 1] + 0.1 * rng.standard_normal(n)
    new = rng.uniform(-0.1, 1.1, size=(50, 4)).astype(np.float32)
    new[:20] = X[:20]
    for peer in (
        ExtraTreesRegressor(15, random_state=0),
        RandomForestRegressor(15, random_state=0),
    ):
        peer.fit(X, y)
        ours = Forest.from_sklearn([tree.tree_ for tree in peer.estimators_]).predict(new)
        expected = np.stack([tree.predict(new) for tree in peer.estimators_], axis=1)
        np.testing.assert_array_equal(ours, expected)
    boosting = GradientBoostingRegressor(n_estimators=20, random_state=0).fit(X, y)
    ours = Forest.from_sklearn([tree.tree_ for tree in boosting.estimators_[:, 0]]).predict(new)
    np.testing.assert_allclose(y.mean() + 0.1 * ours.sum(axis=1), boosting.predict(new))


@pytest.mark.parametrize(
    ("feature", "start"),
    [
        ([0, -1], [0, 2]),
        ([0, -1, -1, -1], [0, 4]),
        ([-1, 0, -1], [0, 3]),
        ([0, 0, 0], [0, 3]),
        ([0, -1, -1], [0, 1, 3]),
        ([0, -1, -1], [0, 3, 3]),
        ([0, -1, -1], [1, 3]),
        ([0, -1, -1], [0, 2]),
        ([0, -1, -1], [0, 5, 3]),
        ([7, -1, -1], [0, 3]),
        ([-2, -1, -1], [0, 3]),
        ([], [0]),
    ],
)
def test_broken_trees_are_refused(feature, start):
    forest = Forest(
        np.array(feature, dtype=np.int32), np.zeros(len(feature)), np.array(start, dtype=np.int64)
    )
    with pytest.raises(ModelFileError, match="Trees"):
        forest.check(2)
