"""DenseRegressor: scikit-learn's rules, exact gradients, batches, storage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from matlever.exceptions import ModelFileError, SettingsError
from matlever.tables.network import DenseRegressor

QUICK = {"hidden": (16,), "n_members": 2, "n_steps": 150, "learning_rate": 1e-2, "random_state": 0}


@parametrize_with_checks(
    [DenseRegressor(**QUICK), DenseRegressor(**QUICK, early_stopping=True, check_every=10)]
)
def test_estimator_checks(estimator, check):
    check(estimator)


def table(n=28, d=3, seed=0):
    x = np.random.default_rng(seed).uniform(1.0, 5.0, (n, d))
    return x, np.column_stack([1e3 * np.sin(x.sum(axis=1)), 1e-3 * x[:, 0] * x[:, 1]])


@pytest.fixture(scope="module")
def fitted():
    return DenseRegressor(hidden=(16, 8), n_steps=150, random_state=0).fit(*table())


def test_learns_a_smooth_function_in_any_unit():
    x, y = table(n=200)
    model = DenseRegressor(n_members=2, n_steps=2000, random_state=0).fit(x[:150], y[:150])
    error = model.predict(x[150:]) - y[150:]
    assert (error.std(axis=0) < 0.15 * y.std(axis=0)).all()


def test_gradient_is_exact_inside_and_zero_beyond_the_training_range(fitted):
    x, _ = table(n=200, seed=1)
    x = np.clip(x, fitted.x_lower_ + 1e-3, fitted.x_upper_ - 1e-3)
    found = fitted.gradient(x)
    assert found.shape == (200, 3, 2)
    h = 1e-6
    for k in range(3):
        step = h * np.eye(3)[k]
        numeric = (fitted.predict(x + step) - fitted.predict(x - step)) / (2 * h)
        close = np.isclose(found[:, k], numeric, rtol=1e-4, atol=1e-6 * np.abs(numeric).max())
        assert close.mean() > 0.99  # a step may cross a kink of the ReLU
    x[0, 1] = 99.0
    assert (fitted.gradient(x[:1])[0, 1] == 0).all()
    assert (fitted.gradient(x[:1])[0, 0] != 0).all()


def test_gradient_of_one_target_and_without_hidden_layers_is_linear():
    x, y = table()
    model = DenseRegressor(hidden=(), n_members=1, n_steps=50, clamp=False, random_state=0)
    model.fit(x, y[:, 0])
    slope = model.gradient(x)
    assert slope.shape == x.shape
    np.testing.assert_allclose(slope, np.broadcast_to(slope[0], x.shape))
    np.testing.assert_allclose(
        model.predict(x) - model.predict(x[:1]), (x - x[0]) @ slope[0], atol=1e-9
    )


def test_inputs_are_clamped_unless_told(fitted):
    far = np.full((1, 3), 1e6)
    np.testing.assert_array_equal(fitted.predict(far), fitted.predict(fitted.x_upper_[None]))
    free = DenseRegressor(**QUICK, clamp=False).fit(*table())
    assert np.abs(free.predict(far)).max() > 1e6


def test_batch_equals_single_fits_whatever_the_rows_targets_and_features():
    x, y = table(n=40)
    tasks = [(x, y), (x[:21], y[:21]), (x[:30], y[:30, 0]), (x[:, :2], y), (x[5:], y[5:, :1])]
    model = DenseRegressor(**(QUICK | {"n_steps": 60, "batch_size": 24}))
    for one, (a, b) in zip(model.fit_batch(tasks), tasks, strict=True):
        alone = DenseRegressor(**model.get_params()).fit(a, b)
        assert one.predict(a).shape == b.shape
        np.testing.assert_allclose(
            one.predict(a), alone.predict(a), atol=1e-4 * np.abs(b).max(), rtol=0
        )
        assert one.n_features_in_ == a.shape[1]


def test_batch_equals_single_fits_with_a_generator_as_seed():
    tasks = [table(n=20), table(n=28)]
    model = DenseRegressor(**(QUICK | {"random_state": np.random.RandomState(3)}))
    singles = [clone(model).fit(x, y) for x, y in tasks]
    for one, alone, (x, y) in zip(model.fit_batch(tasks), singles, tasks, strict=True):
        np.testing.assert_allclose(
            one.predict(x), alone.predict(x), atol=1e-4 * np.abs(y).max(), rtol=0
        )


@pytest.mark.parametrize("of_inputs", [1e-200, 1e200])
@pytest.mark.parametrize("of_targets", [1e-200, 1e200])
def test_the_unit_does_not_matter_even_if_it_is_huge(of_inputs, of_targets):
    x, y = table()
    plain = DenseRegressor(**QUICK).fit(x, y)
    other = DenseRegressor(**QUICK).fit(x * of_inputs, y * of_targets)
    found = other.predict(x * of_inputs) / of_targets
    np.testing.assert_allclose(found, plain.predict(x), rtol=1e-3, atol=1e-3 * y.std(axis=0).min())


def test_targets_do_not_influence_each_other():
    x, y = table()
    both, first = DenseRegressor(**QUICK).fit(x, y), DenseRegressor(**QUICK).fit(x, y[:, 0])
    np.testing.assert_allclose(both.predict(x)[:, 0], first.predict(x), rtol=1e-3, atol=1.0)


def test_spread_of_members(fitted):
    x, _ = table()
    mean, std = fitted.predict(x, return_std=True)
    assert mean.shape == std.shape == (28, 2)
    np.testing.assert_array_equal(mean, fitted.predict(x))
    assert (std > 0).all()
    one = DenseRegressor(**(QUICK | {"n_members": 1})).fit(x, x[:, 0])
    assert (one.predict(x, return_std=True)[1] == 0).all()


def test_early_stopping_holds_rows_out_and_stops():
    x, _ = table(n=40)
    y = np.random.default_rng(0).standard_normal(40)
    model = DenseRegressor(
        n_members=3,
        n_steps=3000,
        learning_rate=1e-2,
        early_stopping=True,
        patience=3,
        random_state=0,
    )
    model.fit(x, y)
    assert (model.n_steps_ < 1500).all()
    rows, held_out = model._split(40, 0)
    assert len(held_out) == 4
    assert sorted([*rows, *held_out]) == list(range(40))


def test_constant_columns_and_targets_are_harmless():
    x, y = table()
    x[:, 1] = 7.0
    y[:, 1] = -3.0
    model = DenseRegressor(**QUICK).fit(x, y)
    np.testing.assert_allclose(model.predict(x)[:, 1], -3.0, atol=0.2)
    moved = x + np.array([0.0, 5.0, 0.0])
    np.testing.assert_array_equal(model.predict(moved), model.predict(x))


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_members": 0},
        {"validation_fraction": 1.0},
        {"n_steps": 0},
        {"learning_rate": -1.0},
        {"hidden": (8, 0)},
    ],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(SettingsError):
        DenseRegressor(**wrong).fit(*table())


def test_diverging_training_is_reported():
    x, y = table()
    with pytest.raises(SettingsError, match="learning_rate"):
        DenseRegressor(learning_rate=1e20, weight_decay=0.0, n_steps=60, random_state=0).fit(x, y)


def test_state_round_trip_is_bitwise(fitted):
    x, y = table()
    restored = DenseRegressor.from_state(fitted.to_state())
    np.testing.assert_array_equal(restored.predict(x), fitted.predict(x))
    np.testing.assert_array_equal(restored.gradient(x), fitted.gradient(x))
    assert restored.get_params() == fitted.get_params()
    frame = pd.DataFrame(x, columns=["a", "b", "c"])
    named = DenseRegressor(**QUICK).fit(frame, y[:, 0])
    again = DenseRegressor.from_state(named.to_state())
    np.testing.assert_array_equal(again.predict(frame), named.predict(frame))
    with pytest.raises(ValueError, match="feature names"):
        again.predict(frame[["b", "a", "c"]])


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("params", "hidden", [16]),
        ("params", "hidden", "16"),
        ("params", "hidden", [16, -8]),
        ("params", "hidden", [16, True]),
        ("params", "n_members", 3),
        ("params", "n_members", "4"),
        ("params", "n_members", -1),
        ("params", "random_state", {}),
        ("params", "clamp", "yes"),
        ("config", "n_features", 2),
        ("config", "single_target", True),
        ("config", "single_target", 0),
        ("config", "feature_names", ["a"]),
        ("arrays", "layer_0", np.zeros((2, 4, 4, 15), np.float32)),
        ("arrays", "layer_1", np.full((2, 4, 17, 8), np.nan, np.float32)),
        ("arrays", "x_mean", np.zeros(2)),
        ("arrays", "x_scale", np.zeros(3)),
        ("arrays", "y_scale", np.ones(2, np.float32)),
    ],
)
def test_a_changed_state_is_refused(fitted, part, name, value):
    state = fitted.to_state()
    if part == "params":
        part, name, value = "config", "params", {**state.config["params"], name: value}
    changed = replace(state, **{part: {**getattr(state, part), name: value}})
    with pytest.raises(ModelFileError, match="DenseRegressor"):
        DenseRegressor.from_state(changed)
    missing = {k: v for k, v in getattr(state, part).items() if k != name}
    with pytest.raises(ModelFileError, match=name):
        DenseRegressor.from_state(replace(state, **{part: missing}))
