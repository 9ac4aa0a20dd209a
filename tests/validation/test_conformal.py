"""CV+ against a literal implementation, and its coverage by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from matlever.exceptions import ModelFileError, SettingsError
from matlever.storage import State, read_model, write_model
from matlever.validation import (
    CrossConformalRegressor,
    cross_validate,
    cv_plus,
    held_out_cv_plus,
    minimum_rows,
    plan_folds,
)


def literal_cv_plus(x, X, y, fold_of_row, fit, alpha):
    """Barber et al. 2021, equations (1), (2) and section 2.2, one point and one row at a time."""
    n = len(y)
    low, high = [], []
    for i in range(n):
        without = [j for j in range(n) if fold_of_row[j] != fold_of_row[i]]
        mu = fit(X[without], y[without])
        residual = abs(y[i] - mu(X[i]))
        low.append(mu(x) - residual)
        high.append(mu(x) + residual)
    k_high = math.ceil((1 - alpha) * (n + 1) - 1e-9)
    k_low = math.floor(alpha * (n + 1) + 1e-9)
    upper = sorted(high)[k_high - 1] if k_high <= n else math.inf
    lower = sorted(low)[k_low - 1] if k_low >= 1 else -math.inf
    return lower, upper


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.35])
@pytest.mark.parametrize("n_folds", [4, 99])
def test_intervals_are_those_of_the_paper(alpha, n_folds):
    random = np.random.default_rng(3)
    X, new = random.normal(size=(23, 2)), random.normal(size=(6, 2))
    y = X[:, 0] + random.normal(size=23)

    def fit(A, b):
        coefficients = np.linalg.lstsq(np.column_stack([np.ones(len(A)), A]), b, rcond=None)[0]
        return lambda x: coefficients[0] + x @ coefficients[1:]

    model = CrossConformalRegressor(LinearRegression(), n_folds=n_folds, level=1 - alpha).fit(X, y)
    lower, upper = model.predict_interval(new)
    expected = [literal_cv_plus(x, X, y, model.fold_of_row_, fit, alpha) for x in new]
    np.testing.assert_allclose(np.column_stack([lower, upper]), expected, rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 40),
    n_folds=st.integers(1, 5),
    level=st.sampled_from([0.5, 0.8, 0.9, 0.95]),
    seed=st.integers(0, 999),
)
def test_order_statistics_are_exact(n, n_folds, level, seed):
    random = np.random.default_rng(seed)
    fold = random.integers(0, n_folds, n)
    residuals, mu = random.normal(size=n), random.normal(size=(n_folds, 3))
    lower, upper = cv_plus(residuals, fold, mu, level)
    rank = math.ceil(round(level * (n + 1), 9))
    for m in range(3):
        if rank > n:
            assert (lower[m], upper[m]) == (-math.inf, math.inf)
            assert n < minimum_rows(level)
        else:
            assert upper[m] == sorted(mu[fold, m] + abs(residuals))[rank - 1]
            assert -lower[m] == sorted(-(mu[fold, m] - abs(residuals)))[rank - 1]
            assert n >= minimum_rows(level)


def test_chunks_change_nothing(monkeypatch):
    random = np.random.default_rng(0)
    arguments = (random.normal(size=30), random.integers(0, 4, 30), random.normal(size=(4, 50)))
    whole = cv_plus(*arguments)
    monkeypatch.setattr("matlever.validation.intervals._CHUNK", 70)
    np.testing.assert_array_equal(cv_plus(*arguments), whole)


@pytest.mark.parametrize(("level", "n"), [(0.9, 9), (0.8, 4), (0.95, 19), (0.99, 99), (0.5, 1)])
def test_fewest_rows_for_a_finite_interval(level, n):
    assert minimum_rows(level) == n


@pytest.mark.parametrize("level", [0.0, 1.0, 90.0, -0.1])
def test_a_level_that_is_no_share_is_refused(level):
    with pytest.raises(SettingsError, match="between 0 and 1"):
        cv_plus(np.ones(20), np.zeros(20, int), np.ones((1, 1)), level)
    with pytest.raises(SettingsError, match="between 0 and 1"):
        minimum_rows(level)


def test_eight_rows_have_no_interval_at_90_percent():
    random = np.random.default_rng(0)
    X, y = random.normal(size=(9, 1)), random.normal(size=9)
    assert np.isinf(CrossConformalRegressor().fit(X[:8], y[:8]).predict_interval(X)).all()
    assert np.isfinite(CrossConformalRegressor().fit(X, y).predict_interval(X)).all()


def test_intervals_cover_new_rows_at_their_level():
    random = np.random.default_rng(1)
    inside = []
    for _ in range(80):
        X, new = random.uniform(-2, 2, (28, 1)), random.uniform(-2, 2, (40, 1))
        y = np.sin(2 * X[:, 0]) + 0.3 * random.standard_t(4, size=28)
        y_new = np.sin(2 * new[:, 0]) + 0.3 * random.standard_t(4, size=40)
        model = CrossConformalRegressor(KNeighborsRegressor(2)).fit(X, y)
        lower, upper = model.predict_interval(new)
        inside.append(((lower <= y_new) & (y_new <= upper)).mean())
    coverage, error = np.mean(inside), np.std(inside) / math.sqrt(len(inside))
    assert coverage > 0.9 - 3 * error
    assert coverage < 0.97


def _grouped(random, n_groups=6, size=8, spread=2.0):
    groups = np.repeat(np.arange(n_groups), size)
    X = random.normal(size=(len(groups), 2))
    y = X[:, 0] + spread * random.normal(size=n_groups)[groups] + 0.1 * random.normal(size=len(X))
    return X, y, groups


def test_held_out_intervals_never_saw_the_fold():
    random = np.random.default_rng(4)
    X, y, groups = _grouped(random)
    before = held_out_cv_plus(Ridge(), X, y, groups)
    changed = y.copy()
    changed[groups == 2] += 50.0
    after = held_out_cv_plus(Ridge(), X, changed, groups)
    held_out = groups == 2
    np.testing.assert_array_equal(np.array(before)[:, held_out], np.array(after)[:, held_out])
    assert not np.allclose(np.array(before)[:, ~held_out], np.array(after)[:, ~held_out])


def test_held_out_intervals_are_cv_plus_on_the_other_folds():
    random = np.random.default_rng(5)
    X, y, groups = _grouped(random, n_groups=4)
    lower, upper = held_out_cv_plus(Ridge(), X, y, groups, level=0.8)
    inside = groups != 1
    predictor = CrossConformalRegressor(Ridge(), n_folds=3, level=0.8)
    predictor.fit(X[inside], y[inside], groups=groups[inside])
    np.testing.assert_allclose(
        predictor.predict_interval(X[~inside]), (lower[~inside], upper[~inside]), rtol=1e-10
    )


def test_a_cross_validation_gives_the_same_intervals_without_fitting_again():
    random = np.random.default_rng(6)
    X, y = random.normal(size=(30, 3)), random.normal(size=30)
    plan = plan_folds(30, n_repeats=1, random_state=0)
    found = cross_validate({"ridge": Ridge()}, X, y, plan, keep_models_of=["ridge"])
    together = CrossConformalRegressor.from_cross_validation(
        Ridge().fit(X, y),
        found.models["ridge"],
        plan.fold_of_row[0],
        y,
        found.out_of_fold("ridge"),
    )
    alone = CrossConformalRegressor(Ridge(), random_state=0).fit(X, y)
    new = random.normal(size=(5, 3))
    np.testing.assert_array_equal(together.predict_interval(new), alone.predict_interval(new))
    np.testing.assert_array_equal(together.predict(new), alone.predict(new))
    assert together.n_features_in_ == 3


def test_batches_give_the_same_objects():
    random = np.random.default_rng(7)
    tasks = [(random.normal(size=(n, 2)), random.normal(size=n)) for n in (12, 25)]
    fitted = CrossConformalRegressor(n_folds=4).fit_batch(tasks)
    for model, (X, y) in zip(fitted, tasks, strict=True):
        alone = CrossConformalRegressor(n_folds=4).fit(X, y)
        np.testing.assert_array_equal(model.predict_interval(X), alone.predict_interval(X))
        np.testing.assert_array_equal(model.predict(X), alone.predict(X))


class StoredRidge(Ridge):
    """Ridge that can be written down."""

    def to_state(self):
        return State("StoredRidge", {"b": float(self.intercept_)}, {"w": self.coef_})

    @classmethod
    def restore(cls, state):
        model = cls()
        model.coef_ = state.array("w", (None,), np.float64)
        model.n_features_in_ = len(model.coef_)
        model.intercept_ = state.get("b")
        return model


def test_saved_and_loaded_intervals_are_bitwise_equal(tmp_path):
    random = np.random.default_rng(9)
    X, y = random.normal(size=(31, 2)), random.normal(size=31)
    model = CrossConformalRegressor(StoredRidge(), level=0.8, n_folds=7).fit(X, y)
    write_model(tmp_path / "model", model.to_state())
    state, _ = read_model(tmp_path / "model")
    back = CrossConformalRegressor.from_state(state, StoredRidge.restore)
    new = random.normal(size=(9, 2))
    np.testing.assert_array_equal(back.predict(new), model.predict(new))
    np.testing.assert_array_equal(back.predict_interval(new), model.predict_interval(new))


@pytest.mark.parametrize(
    ("config", "arrays", "message"),
    [
        ({"n_folds": 3}, {}, "n_folds is 3"),
        ({"n_folds": True}, {}, "n_folds is True"),
        ({"level": 1.5}, {}, "level is 1.5"),
        ({"level": "0.9"}, {}, "level is '0.9'"),
        ({"random_state": "x"}, {}, "random_state"),
        ({"n_features_in": -1}, {}, "n_features_in"),
        ({"n_features_in": 10**9}, {}, "n_features_in"),
        ({"n_features_in": None}, {}, "n_features_in"),
        ({"feature_names_in": ["a"]}, {}, "feature_names_in"),
        ({}, {"fold_of_row": np.full(10, 2)}, "fold_of_row does not fit"),
        ({}, {"fold_of_row": np.full(10, -1)}, "fold_of_row does not fit"),
        ({}, {"y": np.zeros(4)}, "'y' has shape"),
        ({}, {"y": np.full(10, np.inf)}, "not finite"),
    ],
)
def test_a_broken_state_is_refused(config, arrays, message):
    random = np.random.default_rng(9)
    X, y = random.normal(size=(10, 2)), random.normal(size=10)
    state = CrossConformalRegressor(StoredRidge(), n_folds=2).fit(X, y, groups=y > 0).to_state()
    broken = State(state.kind, {**state.config, **config}, {**state.arrays, **arrays}, state.parts)
    with pytest.raises(ModelFileError, match=message):
        CrossConformalRegressor.from_state(broken, StoredRidge.restore)


@parametrize_with_checks([CrossConformalRegressor(n_folds=3)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_errors_of_a_logarithm_give_intervals_by_ratios():
    """On a log scale CV+ is CV+ of the logarithms, taken back."""
    random = np.random.default_rng(11)
    X = random.uniform(size=(40, 2))
    y = np.exp(5 * X[:, 0] + 0.2 * random.normal(size=40))
    ratios = TransformedTargetRegressor(Ridge(0.01), func=np.log, inverse_func=np.exp)
    by_ratio = CrossConformalRegressor(ratios, n_folds=8, log_scale=True).fit(X, y)
    plain = CrossConformalRegressor(Ridge(0.01), n_folds=8).fit(X, np.log(y))
    new = random.uniform(size=(20, 2))
    for one, other in zip(by_ratio.predict_interval(new), plain.predict_interval(new), strict=True):
        np.testing.assert_allclose(one, np.exp(other), rtol=1e-9)
    assert (by_ratio.predict_interval(new)[0] > 0).all()
    folds = by_ratio.fold_of_row_
    of_ratios = held_out_cv_plus(ratios, X, y, folds, log_scale=True)
    of_logs = held_out_cv_plus(Ridge(0.01), X, np.log(y), folds)
    np.testing.assert_allclose(of_ratios, np.exp(of_logs), rtol=1e-9)
    with pytest.raises(SettingsError, match="above zero"):
        CrossConformalRegressor(log_scale=True).fit(X, y - y.mean())
