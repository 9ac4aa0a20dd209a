"""A given model's spread: its own where it has one; its means and spreads decide what is chosen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor

from matlever.exceptions import DataError, SettingsError
from matlever.knobs import FunctionPredictor, as_editor
from matlever.recommendation import suggest
from matlever.recommendation._given import spread_of

RNG = np.random.default_rng(0)
RUNS = pd.DataFrame(RNG.random((10, 2)), columns=["a", "b"])
OUTCOMES = RUNS["a"] - (RUNS["b"] - 0.4) ** 2
POOL = pd.DataFrame(RNG.random((40, 2)), columns=["a", "b"])
EDITOR = as_editor(pd.concat([RUNS, POOL]))


class WithSpread:
    """A model whose mean and spread are known."""

    def predict(self, X, return_std=False):
        mean, std = X["a"] * 0.9, 0.05 + 0.6 * X["b"] ** 2
        return (mean, std) if return_std else mean


class WithInterval:
    """The same as an interval."""

    def predict(self, X):
        return WithSpread().predict(X)

    def predict_interval(self, X, level=0.9):
        mean, std = WithSpread().predict(X, return_std=True)
        half = stats.norm.ppf(0.5 + level / 2) * std
        return mean - half, mean + half


def test_spread_is_the_models_own_where_it_has_one():
    mean, std = WithSpread().predict(POOL, return_std=True)
    for model in (WithSpread(), WithInterval()):
        found = spread_of(model)[0](POOL)
        np.testing.assert_allclose(found[0], mean)
        np.testing.assert_allclose(found[1], std)
    forest = RandomForestRegressor(20, random_state=0).fit(RUNS, OUTCOMES)
    mean, std = spread_of(forest)[0](POOL)
    trees = np.array([tree.predict(POOL.to_numpy()) for tree in forest.estimators_])
    np.testing.assert_allclose(mean, trees.mean(axis=0))
    np.testing.assert_allclose(std, trees.std(axis=0))
    assert spread_of(GaussianProcessRegressor())[1] == "its own standard deviation"


@pytest.mark.parametrize(
    "model", [GradientBoostingRegressor().fit(RUNS, OUTCOMES), FunctionPredictor(np.sum)]
)
def test_stages_of_boosting_are_no_spread(model):
    assert spread_of(model)[1] is None


@pytest.mark.parametrize("goal", ["maximise", "minimise", 1.05])
@pytest.mark.parametrize("model", [WithSpread(), WithInterval()])
def test_choice_from_a_pool_is_that_of_the_closed_form(goal, model):
    found = suggest(EDITOR, RUNS, OUTCOMES, goal, pool=POOL, predictor=model)
    mean, std = WithSpread().predict(POOL, return_std=True)
    mean, std = mean.to_numpy(), std.to_numpy()
    y = OUTCOMES.to_numpy()

    def gain(a, sign):  # Jones, Schonlau and Welch, Eq. 14
        u = sign * (mean - a) / std
        return std * (stats.norm.pdf(u) + u * stats.norm.cdf(u))

    if goal == "maximise":
        expected = gain(y.max(), 1)
    elif goal == "minimise":
        expected = gain(y.min(), -1)
    else:
        away = np.abs(y - goal).min()
        expected = gain(goal - away, 1) - 2 * gain(goal, 1) + gain(goal + away, 1)
    row = found.pool_rows[0]
    # 256 quasi-random draws rank the rows as the integral does, but for near-ties.
    assert expected[row] >= 0.97 * expected.max()
    np.testing.assert_allclose(found.improvement[0, 0], expected[row], rtol=1e-6)
    np.testing.assert_allclose(found.predicted[0, 0], mean[row])
    np.testing.assert_allclose(found.std[0, 0], std[row], rtol=1e-5)
    assert found.model.startswith(type(model).__name__)


def test_without_spread_that_of_a_gaussian_process_stands_in():
    found = suggest(EDITOR, RUNS, OUTCOMES, "maximise", predictor=lambda X: X["a"].to_numpy())
    alone = suggest(EDITOR, RUNS, OUTCOMES, "maximise", scale="linear", pool=POOL)
    again = suggest(
        EDITOR, RUNS, OUTCOMES, "maximise", pool=POOL, predictor=lambda X: X["a"].to_numpy()
    )
    assert any("no spread of its own" in note for note in found.warnings)
    np.testing.assert_allclose(found.predicted[0, 0], found.settings[0, 0])
    same = POOL.loc[again.pool_rows[0]]
    here = suggest(EDITOR, RUNS, OUTCOMES, "maximise", scale="linear", pool=same.to_frame().T)
    np.testing.assert_allclose(again.std, here.std, rtol=1e-5)
    assert alone.model == "Gaussian process"


def test_a_batch_from_a_given_model_spreads_out():
    found = suggest(
        EDITOR, RUNS, OUTCOMES, "maximise", predictor=WithSpread(), n_experiments=3, random_state=1
    )
    distance = np.linalg.norm(found.settings[:, None] - found.settings[None], axis=2)
    assert distance[np.triu_indices(3, 1)].min() > 0.05


def test_forest_and_network_that_we_did_not_train():
    forest = RandomForestRegressor(30, random_state=0).fit(RUNS, OUTCOMES)
    network = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    for model in (forest, network):
        found = suggest(EDITOR, RUNS, OUTCOMES, "maximise", predictor=model)
        assert EDITOR.space.is_feasible(found.settings).all()
        assert np.isfinite(found.lower).all()


def test_several_targets_of_a_given_model_must_match_the_outcomes():
    both = pd.DataFrame({"y": OUTCOMES, "z": -OUTCOMES})
    with pytest.raises(SettingsError, match="1 targets, but 2 outcomes"):
        suggest(EDITOR, RUNS, both, {"y": "maximise"}, predictor=WithSpread())


def test_pending_runs_outside_the_limits_are_not_shown_to_a_model():
    far = pd.DataFrame({"a": [7.0], "b": [0.1]})
    with pytest.raises(DataError, match="pending"):
        suggest(EDITOR, RUNS, OUTCOMES, "maximise", predictor=WithSpread(), pending=far)
