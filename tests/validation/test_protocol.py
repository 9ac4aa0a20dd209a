"""Cross-validation: against scikit-learn, without leaks, and the same after JSON."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.neighbors import KNeighborsRegressor

from matlever.exceptions import MatleverError, SettingsError
from matlever.validation import CrossValidation, cross_validate, fit_many, plan_folds


def _data(n=40, seed=0):
    random = np.random.default_rng(seed)
    X = random.uniform(-1, 1, (n, 3))
    return X, X @ [1.0, -2.0, 0.5] + 0.3 * random.normal(size=n)


class Recorder(RegressorMixin, BaseEstimator):
    """A regressor fitted in batches, with members, that remembers what it was given."""

    batches: list[list[int]] = []  # noqa: RUF012 - shared on purpose

    def fit_batch(self, tasks):
        Recorder.batches.append([len(y) for _, y in tasks])
        fitted = []
        for X, y in tasks:
            model = Recorder()
            model.inner_ = Ridge().fit(X, y)
            fitted.append(model)
        return fitted

    def predict(self, X):
        return self.inner_.predict(X)

    def predict_members(self, X):
        return {"half": self.predict(X) / 2, "ridge": self.predict(X)}


def test_predictions_are_those_of_scikit_learn_on_the_same_folds():
    X, y = _data()
    plan = plan_folds(len(y), random_state=1)
    found = cross_validate({"ridge": Ridge()}, X, y, plan)
    for repeat, folds in enumerate(plan.fold_of_row):
        expected = cross_val_predict(Ridge(), X, y, cv=PredefinedSplit(folds))
        np.testing.assert_allclose(found.predictions["ridge"][repeat], expected, rtol=1e-12)


def test_always_guessing_the_mean_is_the_dummy_regressor():
    X, y = _data()
    found = cross_validate({"mean": DummyRegressor()}, X, y, plan_folds(len(y)))
    np.testing.assert_allclose(found.mean_predictor(), found.predictions["mean"], rtol=1e-12)


def test_data_frames_keep_their_columns_whatever_their_index():
    X, y = _data()
    frame = pd.DataFrame(X, columns=["a", "b", "c"], index=np.arange(100, 140))
    plan = plan_folds(len(y), n_repeats=1)
    found = cross_validate({"ridge": Ridge()}, frame, y, plan, keep_models_of=["ridge"])
    same = cross_validate({"ridge": Ridge()}, X, y, plan)
    np.testing.assert_allclose(found.predictions["ridge"], same.predictions["ridge"], rtol=1e-12)
    assert list(found.models["ridge"][0].feature_names_in_) == ["a", "b", "c"]


def test_all_fits_of_a_candidate_go_in_one_batch_and_members_are_scored():
    X, y = _data(23)
    Recorder.batches.clear()
    plan = plan_folds(len(y), n_repeats=2)
    found = cross_validate({"ours": Recorder(), "ridge": Ridge()}, X, y, plan)
    assert len(Recorder.batches) == 1
    assert len(Recorder.batches[0]) == 20
    assert found.members == {"ours": ("half", "ours: ridge")}
    np.testing.assert_array_equal(found.predictions["half"], found.predictions["ours"] / 2)
    np.testing.assert_allclose(found.predictions["ours: ridge"], found.predictions["ridge"])


def test_nothing_of_a_held_out_row_reaches_its_prediction():
    X, y = _data(24)
    plan = plan_folds(len(y), n_repeats=1)
    model = {"knn": KNeighborsRegressor(1)}
    before = cross_validate(model, X, y, plan)
    changed = y.copy()
    changed[7] += 1e3
    after = cross_validate(model, X, changed, plan)
    same_fold = plan.fold_of_row[0] == plan.fold_of_row[0, 7]
    np.testing.assert_array_equal(
        before.predictions["knn"][0, same_fold], after.predictions["knn"][0, same_fold]
    )


def test_kept_models_give_the_predictions_of_the_first_repeat():
    X, y = _data()
    plan = plan_folds(len(y))
    found = cross_validate({"ridge": Ridge()}, X, y, plan, keep_models_of=["ridge"])
    assert len(found.models["ridge"]) == plan.n_folds
    for model, (_, test) in zip(found.models["ridge"], plan.splits(0), strict=True):
        np.testing.assert_array_equal(model.predict(X[test]), found.out_of_fold("ridge")[test])


def test_bootstrap_spread_agrees_with_a_literal_bootstrap_of_groups():
    random = np.random.default_rng(2)
    groups = np.repeat(np.arange(30), 4)
    X, y = _data(120)
    y = y + random.normal(size=30)[groups]
    plan = plan_folds(120, groups=groups, n_repeats=1)
    found = cross_validate({"ridge": Ridge()}, X, y, plan)
    prediction = found.out_of_fold("ridge")
    r2s, maes = [], []
    for _ in range(1500):
        rows = np.concatenate([np.flatnonzero(groups == g) for g in random.integers(0, 30, 30)])
        error, measured = y[rows] - prediction[rows], y[rows]
        r2s.append(1 - (error @ error) / ((measured - measured.mean()) ** 2).sum())
        maes.append(np.abs(error).mean())
    scores = found.scores("ridge")
    # 1,500 and 2,000 draws: each spread is good to about 3 %
    assert scores["r2"].sd == pytest.approx(np.ptp(np.quantile(r2s, [0.16, 0.84])) / 2, rel=0.12)
    assert scores["mae"].sd == pytest.approx(np.std(maes), rel=0.12)


def test_the_spread_is_that_of_other_tables_and_not_of_the_split():
    """Over tables drawn anew R2 varies as the printed spread says; repeats vary far less."""
    means, spreads, splits = [], [], []
    for seed in range(60):
        random = np.random.default_rng(seed)
        X = random.normal(size=(28, 3))
        y = X @ [1.0, 0.5, 0.0] + random.normal(size=28)
        score = cross_validate({"ridge": Ridge()}, X, y, plan_folds(28)).scores("ridge")["r2"]
        assert len(score.values) == 5
        means.append(score.mean)
        spreads.append(score.sd)
        splits.append(score.split_sd)
    assert 0.6 * np.std(means) < np.mean(spreads) < 1.6 * np.std(means)
    assert np.mean(splits) < 0.5 * np.mean(spreads)


def test_the_spread_stays_finite_with_few_settings():
    random = np.random.default_rng(0)
    X = np.repeat(random.normal(size=(5, 2)), 4, axis=0)
    y = random.normal(size=20)
    plan = plan_folds(20, blocks=np.repeat(np.arange(5), 4))
    score = cross_validate({"ridge": Ridge()}, X, y, plan).scores("ridge")["r2"]
    assert 0 < score.sd < 5


def test_json_gives_every_prediction_back_bit_by_bit():
    X, y = _data(30)
    found = cross_validate({"ours": Recorder()}, X, y * np.pi, plan_folds(30))
    back = CrossValidation.from_dict(json.loads(json.dumps(found.to_dict())))
    for name, rows in found.predictions.items():
        np.testing.assert_array_equal(back.predictions[name], rows)
    assert back.scores("ours") == found.scores("ours")
    assert back.members == found.members


def test_progress_counts_every_fit():
    X, y = _data(30)
    seen = []
    cross_validate(
        {"a": Ridge(), "b": Recorder()},
        X,
        y,
        plan_folds(30, n_repeats=1),
        progress=lambda done, total, what: seen.append((done, total, what)),
    )
    assert seen[0] == (0, 20, "validating a")
    assert seen[-1] == (20, 20, "validating b")
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)


def test_a_model_that_predicts_nonsense_is_named():
    class Broken(Ridge):
        def predict(self, X):
            return np.full(len(X), np.nan)

    X, y = _data(30)
    with pytest.raises(MatleverError, match=r"'broken'.*finite number for 30 rows"):
        cross_validate({"broken": Broken()}, X, y, plan_folds(30))
    with pytest.raises(SettingsError, match="29 rows"):
        cross_validate({"ridge": Ridge()}, X[:29], y, plan_folds(30))


def test_fit_many_keeps_the_order_when_batches_are_split_by_width():
    X, y = _data(20)
    tasks = [(X, y), (X[:, :2], y), (X[:9], y[:9]), (X[:5, :2], y[:5])]
    Recorder.batches.clear()
    models = fit_many(Recorder(), tasks)
    assert Recorder.batches == [[20, 9], [20, 5]]
    for model, (inputs, targets) in zip(models, tasks, strict=True):
        expected = Ridge().fit(inputs, targets).predict(inputs)
        np.testing.assert_allclose(model.predict(inputs), expected)


def test_fit_many_leaves_the_estimator_unfitted_and_may_run_side_by_side():
    X, y = _data(20)
    base = Ridge()
    with parallel_config(backend="threading"):
        one, two = fit_many(base, [(X, y), (X[:10], y[:10])], n_jobs=2)
    assert not hasattr(base, "coef_")
    np.testing.assert_allclose(one.coef_, Ridge().fit(X, y).coef_)
    np.testing.assert_allclose(two.coef_, Ridge().fit(X[:10], y[:10]).coef_)
