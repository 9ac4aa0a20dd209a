"""Nested choice: by literal inner folds, in batches, and honest about its cost."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.neighbors import KNeighborsRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from matlever.exceptions import SettingsError
from matlever.validation import BestOf, cross_validate, plan_folds

CANDIDATES = [
    ("mean", DummyRegressor()),
    ("line", LinearRegression()),
    ("knn", KNeighborsRegressor(2)),
]


def _data(n, seed, curved):
    random = np.random.default_rng(seed)
    X = random.uniform(-2, 2, (n, 2))
    y = np.sin(3 * X[:, 0]) if curved else X @ [1.0, 2.0]
    return X, y + 0.1 * random.normal(size=n)


def test_inner_scores_are_cross_validated_errors():
    X, y = _data(40, 0, curved=False)
    chosen = BestOf(CANDIDATES, n_folds=4, random_state=3).fit(X, y)
    folds = plan_folds(40, n_folds=4, n_repeats=1, random_state=3).fold_of_row[0]
    for name, model in CANDIDATES:
        expected = cross_val_predict(model, X, y, cv=PredefinedSplit(folds))
        assert chosen.inner_scores_[name] == pytest.approx(np.sqrt(np.mean((y - expected) ** 2)))
    assert chosen.best_name_ == "line"
    np.testing.assert_allclose(chosen.predict(X), LinearRegression().fit(X, y).predict(X))


def test_batches_choose_for_each_task():
    tasks = [_data(60, 1, curved=True), _data(30, 2, curved=False), _data(60, 3, curved=True)]
    fitted = BestOf(CANDIDATES).fit_batch(tasks)
    assert [model.best_name_ for model in fitted] == ["knn", "line", "knn"]
    for model, (X, y) in zip(fitted, tasks, strict=True):
        alone = BestOf(CANDIDATES).fit(X, y)
        assert alone.inner_scores_ == model.inner_scores_
        np.testing.assert_array_equal(alone.predict(X), model.predict(X))


def test_the_outer_score_pays_for_the_choice():
    """Of many useless candidates the best looks good in hindsight, not under nested choice."""

    class OneColumn(LinearRegression):
        def __init__(self, column=0):
            self.column = column
            super().__init__()

        def fit(self, X, y):
            return super().fit(X[:, [self.column]], y)

        def predict(self, X):
            return super().predict(X[:, [self.column]])

    many = [(f"column {k}", OneColumn(k)) for k in range(10)]
    plan = plan_folds(28, n_folds=5, n_repeats=1)
    hindsight, nested = [], []
    for seed in range(4):
        random = np.random.default_rng(seed)
        X, y = random.normal(size=(28, 10)), random.normal(size=28)
        found = cross_validate({**dict(many), "nested": BestOf(many, n_folds=3)}, X, y, plan)
        hindsight.append(max(found.scores(name)["r2"].mean for name, _ in many))
        nested.append(found.scores("nested")["r2"].mean)
    assert np.mean(hindsight) > 0
    assert np.mean(nested) < -0.05


def test_data_frames_and_options_reach_the_chosen_model():
    X, y = _data(30, 4, curved=False)
    frame = pd.DataFrame(X, columns=["a", "b"])
    model = BestOf([("ridge", Ridge())]).fit(frame, y)
    assert list(model.feature_names_in_) == ["a", "b"]
    assert list(model.best_.feature_names_in_) == ["a", "b"]
    mean, std = BestOf([("mean", DummyRegressor())]).fit(X, y).predict(X, return_std=True)
    assert mean.shape == std.shape == (30,)


def test_names_have_to_differ():
    X, y = _data(30, 4, curved=False)
    with pytest.raises(SettingsError, match="different names"):
        BestOf([("a", Ridge()), ("a", Ridge())]).fit(X, y)
    with pytest.raises(SettingsError, match="at least one"):
        BestOf([]).fit(X, y)


@parametrize_with_checks([BestOf()])
def test_scikit_learn_contract(estimator, check):
    check(estimator)
