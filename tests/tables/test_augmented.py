"""AugmentedRegressor: augmentation inside the fold, batches, storage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_predict
from sklearn.utils.estimator_checks import parametrize_with_checks

from matlever.exceptions import ModelFileError
from matlever.tables.augmented import AugmentedRegressor
from matlever.tables.network import DenseRegressor
from matlever.tables.smote_reg import SmoteReg
from matlever.tables.taught import TaughtAugmentation

NETWORK = DenseRegressor(hidden=(8,), n_members=1, n_steps=60, learning_rate=1e-2)


@parametrize_with_checks(
    [
        AugmentedRegressor(SmoteReg(amount=100), LinearRegression(), random_state=0),
        AugmentedRegressor(TaughtAugmentation(LinearRegression()), LinearRegression(), 0),
    ]
)
def test_estimator_checks(estimator, check):
    check(estimator)


def table(n=20, d=3, seed=0):
    x = np.random.default_rng(seed).random((n, d))
    return x, np.column_stack([x.sum(axis=1), x[:, 0] ** 2])


def test_synthetic_rows_are_made_from_training_rows_only():
    x, y = table()
    seen = []

    class Spy(BaseEstimator):
        def fit_resample(self, X, y):
            seen.append(np.array(X))
            return SmoteReg(amount=100, random_state=0).fit_resample(X, y)

    cross_val_predict(AugmentedRegressor(Spy(), LinearRegression()), x, y, cv=5)
    assert [len(rows) for rows in seen] == [16] * 5
    for fold, rows in enumerate(seen):
        held_out = x[4 * fold : 4 * fold + 4]
        assert not (rows[:, None] == held_out[None]).all(axis=2).any()


def test_linear_responses_stay_what_they_are():
    # chord labels of a linear response are exact
    x, y = table()
    model = AugmentedRegressor(regressor=LinearRegression(), random_state=0).fit(x, y[:, 0])
    np.testing.assert_allclose(model.predict(x), y[:, 0])
    assert model.n_augmented_ == 20 + 190 * 24


@pytest.mark.parametrize("sampler", [None, TaughtAugmentation(LinearRegression(), 30, 10)])
@pytest.mark.parametrize("regressor", [NETWORK, LinearRegression()])
def test_batch_equals_single_fits(sampler, regressor):
    tasks = [table(n=12), (table(n=9)[0], table(n=9)[1][:, 0])]
    model = AugmentedRegressor(sampler, regressor, random_state=1)
    for one, (x, y) in zip(model.fit_batch(tasks), tasks, strict=True):
        alone = AugmentedRegressor(sampler, regressor, random_state=1).fit(x, y)
        np.testing.assert_allclose(one.predict(x), alone.predict(x), atol=1e-4)
        assert one.predict(x).shape == y.shape
        assert one.n_augmented_ == alone.n_augmented_


@pytest.mark.parametrize("sampler", [None, TaughtAugmentation(n_chord=30, n_uniform=10)])
@pytest.mark.parametrize("inner", [False, True])
def test_batch_equals_single_fits_with_a_generator_as_seed(sampler, inner):
    tasks = [table(n=12), table(n=9)]
    model = clone(AugmentedRegressor(sampler, NETWORK, np.random.RandomState(3)))
    if inner and sampler is not None:
        model.set_params(sampler__random_state=np.random.RandomState(4), random_state=0)
        model.set_params(regressor__random_state=np.random.RandomState(5))
    singles = [clone(model).fit(x, y) for x, y in tasks]
    for one, alone, (x, _) in zip(model.fit_batch(tasks), singles, tasks, strict=True):
        np.testing.assert_allclose(one.predict(x), alone.predict(x), atol=1e-2, rtol=0)


def test_gradient_and_spread_are_the_regressors():
    x, y = table()
    network = DenseRegressor(hidden=(8,), n_members=3, n_steps=60)
    model = AugmentedRegressor(SmoteReg(amount=100), network, random_state=0).fit(x, y)
    np.testing.assert_array_equal(model.gradient(x), model.regressor_.gradient(x))
    mean, std = model.predict(x, return_std=True)
    assert mean.shape == std.shape == y.shape


def test_seed_goes_to_parts_without_one():
    x, y = table()
    sampler = SmoteReg(amount=100, random_state=7)
    first = AugmentedRegressor(sampler, NETWORK, random_state=0).fit(x, y)
    assert first.regressor_.random_state == 0
    assert sampler.random_state == 7
    again = AugmentedRegressor(sampler, NETWORK, random_state=0).fit(x, y)
    np.testing.assert_array_equal(first.predict(x), again.predict(x))


@pytest.mark.parametrize("sampler", [None, SmoteReg(amount=100), TaughtAugmentation(n_chord=9)])
def test_state_round_trip_is_bitwise(sampler):
    x, y = table()
    fit_with = sampler
    if isinstance(sampler, TaughtAugmentation):
        fit_with = sampler.set_params(teacher=LinearRegression())
    model = AugmentedRegressor(fit_with, NETWORK, random_state=0).fit(x, y)
    restored = AugmentedRegressor.from_state(model.to_state())
    np.testing.assert_array_equal(restored.predict(x), model.predict(x))
    np.testing.assert_array_equal(restored.gradient(x), model.gradient(x))
    assert type(restored.sampler) is type(sampler)
    assert restored.regressor.get_params() == model.regressor_.get_params()
    if isinstance(sampler, SmoteReg):
        assert restored.sampler.get_params() == sampler.get_params()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_features", 4),
        ("n_augmented", "many"),
        ("n_augmented", -1),
        ("n_augmented", True),
        ("n_targets", 1),
        ("single_target", True),
        ("params", {"random_state": {"a": 1}}),
        ("params", {"random_state": True}),
        ("params", {"random_state": -1}),
        ("sampler", {"kind": [], "params": {}}),
        ("sampler", {"kind": "SmoteReg", "params": {"random_state": {}}}),
        ("sampler", {"kind": "SmoteReg", "params": {"random_state": True}}),
        ("sampler", {"kind": "os.system", "params": {}}),
        ("sampler", {"kind": "SmoteReg", "params": {"teacher": 1}}),
        ("sampler", "SmoteReg"),
        ("feature_names", ["a"]),
    ],
)
def test_a_changed_state_is_refused(name, value):
    state = AugmentedRegressor(SmoteReg(amount=100), NETWORK, 0).fit(*table()).to_state()
    with pytest.raises(ModelFileError, match="Regressor: "):
        AugmentedRegressor.from_state(replace(state, config={**state.config, name: value}))
    with pytest.raises(ModelFileError, match="regressor"):
        AugmentedRegressor.from_state(replace(state, parts={}))
