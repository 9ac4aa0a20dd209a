from __future__ import annotations

import numpy as np
import pytest

from matlever.tables.small_table import MEMBER_NAMES, SmallTableRegressor


def growth(n=28, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, 3)) * [10, 1, 500]
    smooth = np.exp(-((X[:, 0] - 5) ** 2) / 10) + X[:, 1]
    Y = np.stack([smooth, 2 * X[:, 2] - 30 * X[:, 0]], axis=1)
    return X, Y + 0.05 * Y.std(axis=0) * rng.standard_normal(Y.shape)


@pytest.fixture(scope="module")
def fitted():
    X, Y = growth()
    return SmallTableRegressor(random_state=0).fit(X, Y), X, Y


def test_prediction_is_the_mean_weighted_by_the_inverse_error(fitted):
    model, X, _ = fitted
    assert tuple(model.members_) == MEMBER_NAMES
    members = model.predict_members(X)
    assert tuple(members) == MEMBER_NAMES
    for t in range(2):
        inverse = 1 / model.loo_mse_[t]
        np.testing.assert_allclose(model.weights_[t], inverse / inverse.sum())
        expected = sum(
            w * p[:, t] for w, p in zip(model.weights_[t], members.values(), strict=True)
        )
        np.testing.assert_allclose(model.predict(X)[:, t], expected)


def test_a_member_that_fails_on_many_rows_is_left_out():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, size=(150, 12)).astype(float)
    steps = rng.permutation(np.arange(8.0))[(X[:, :3] @ [1, 2, 4]).astype(int)]  # a look-up table
    model = SmallTableRegressor(random_state=0).fit(X, steps)
    best = model.loo_mse_[0].argmin()
    assert model.weights_[0, best] == model.weights_[0].max()
    ratio = model.loo_mse_[0] / model.loo_mse_[0, best]
    np.testing.assert_allclose(model.weights_[0] / model.weights_[0, best], ratio**-3.0)


def test_a_linear_response_is_left_to_the_processes(fitted):
    model, _, _ = fitted
    assert model.weights_[1, 2] < 0.15


def test_leave_out_errors_foretell_the_error_on_new_rows():
    ratios = []
    for seed in range(6):
        X, Y = growth(40, seed)
        model = SmallTableRegressor(random_state=0).fit(X, Y[:, 0])
        new, truth = growth(400, 100 + seed)
        members = model.predict_members(new)
        errors = [np.mean((truth[:, 0] - p) ** 2) / Y[:, 0].var() for p in members.values()]
        ratios.append(model.loo_mse_[0] / errors)
    typical = np.exp(np.mean(np.log(ratios), axis=0))
    assert ((typical > 0.5) & (typical < 2)).all()


def test_spread_is_that_of_a_mixture(fitted):
    model, X, _ = fitted
    rng = np.random.default_rng(0)
    mean, std = model.predict(X[:3], return_std=True)
    draws = []
    for t in range(2):
        chosen = rng.choice(3, size=200_000, p=model.weights_[t])
        values = np.empty((3, len(chosen)))
        for k, (name, member) in enumerate(model.members_.items()):
            if name == "extra-trees":
                centre = member.predict(X[:3])[:, t]
                width = np.full(3, np.sqrt(model.loo_mse_[t, 2]) * member.y_scale_[t])
            else:
                centre, width = (a[:, t] for a in member.predict(X[:3], return_std=True))
            mine = chosen == k
            values[:, mine] = centre[:, None] + width[:, None] * rng.standard_normal(
                (3, mine.sum())
            )
        draws.append(values)
    np.testing.assert_allclose(np.mean(draws, axis=2).T, mean, rtol=0.02)
    np.testing.assert_allclose(np.std(draws, axis=2).T, std, rtol=0.02)


def test_rows_outside_are_flagged_and_moved_into_the_box(fitted):
    model, X, Y = fitted
    far = X[:2].copy()
    far[0, 1], far[1, 2] = 99, -99
    np.testing.assert_array_equal(model.outside(far), [[False, True, False], [False, False, True]])
    moved = np.clip(far, X.min(axis=0), X.max(axis=0))
    np.testing.assert_array_equal(model.predict(far), model.predict(moved))
    free = SmallTableRegressor(n_trees=20, clamp=False, random_state=0).fit(X, Y)
    assert (free.predict(far) != free.predict(moved)).any()


def test_batch_equals_fitting_one_by_one():
    tasks = [growth(n, n) for n in (12, 28, 25)]
    model = SmallTableRegressor(n_trees=30, random_state=5)
    for (X, Y), together in zip(tasks, model.fit_batch(tasks), strict=True):
        alone = SmallTableRegressor(n_trees=30, random_state=5).fit(X, Y)
        single = SmallTableRegressor(n_trees=30, random_state=5).fit(X, Y[:, 1])
        np.testing.assert_allclose(together.weights_, alone.weights_, atol=2e-3)
        close = 2e-3 * Y.std(axis=0)
        assert (np.abs(together.predict(X) - alone.predict(X)) < close).all()
        assert (np.abs(together.predict(X)[:, 1] - single.predict(X)) < close[1]).all()


def test_threads_change_nothing():
    X, Y = growth()
    one = SmallTableRegressor(n_trees=20, random_state=0).fit(X, Y)
    two = SmallTableRegressor(n_trees=20, n_jobs=2, random_state=0).fit(X, Y)
    np.testing.assert_allclose(one.predict(X), two.predict(X), rtol=1e-6)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_a_handful_of_rows_is_enough_to_fit(n):
    X, Y = growth(n)
    mean, std = (
        SmallTableRegressor(n_trees=10, random_state=0).fit(X, Y).predict(X, return_std=True)
    )
    assert np.isfinite(mean).all()
    assert np.isfinite(std).all()


def test_blend_does_not_lose_to_its_members_on_average():
    scores = []
    for seed in range(8):
        X, Y = growth(28, seed)
        model = SmallTableRegressor(random_state=0).fit(X, Y)
        new, truth = growth(300, 50 + seed)
        every = [*model.predict_members(new).values(), model.predict(new)]
        scores.append([((truth - p) ** 2).mean(axis=0) ** 0.5 / truth.std(axis=0) for p in every])
    *members, blend = np.mean(scores, axis=(0, 2))
    assert blend < np.mean(members)
    assert blend < 1.1 * min(members)
