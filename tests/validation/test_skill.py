"""The verdict: silent on noise, never silent on a clear signal."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import pearsonr, permutation_test
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyRegressor

from matlever.validation import CrossValidation, cross_validate, plan_folds, verdict


class Smooth(RegressorMixin, BaseEstimator):
    """Kernel ridge whose length is chosen by marginal likelihood: a small Gaussian process."""

    def fit(self, X, y):
        self.X_, self.mean_ = X, y.mean()
        z, best = y - y.mean(), -np.inf
        for length in (1.0, 2.0, 4.0):
            for noise in (0.01, 0.1, 0.5, 1.0):
                K = self._kernel(X, length) + noise * np.eye(len(y))
                alpha = np.linalg.solve(K, z)
                evidence = -0.5 * len(z) * np.log(z @ alpha) - 0.5 * np.linalg.slogdet(K)[1]
                if evidence > best:
                    best, self.length_, self.alpha_ = evidence, length, alpha
        return self

    def _kernel(self, X, length):
        return np.exp(-((X[:, None] - self.X_[None]) ** 2).sum(axis=2) / (2 * length**2))

    def predict(self, X):
        return self.mean_ + self._kernel(X, self.length_) @ self.alpha_


class Line(RegressorMixin, BaseEstimator):
    """Least squares."""

    def fit(self, X, y):
        self.b_ = np.linalg.lstsq(np.column_stack([np.ones(len(X)), X]), y, rcond=None)[0]
        return self

    def predict(self, X):
        return self.b_[0] + X @ self.b_[1:]


class Nearest(RegressorMixin, BaseEstimator):
    """Mean of the two nearest rows."""

    def fit(self, X, y):
        self.X_, self.y_ = X, y
        return self

    def predict(self, X):
        near = np.argsort(((X[:, None] - self.X_[None]) ** 2).sum(axis=2), axis=1)[:, :2]
        return self.y_[near].mean(axis=1)


MODELS = {"smooth": Smooth(), "line": Line(), "nearest": Nearest()}


def _words(n, d, n_seeds, share, models=("line", "nearest"), noise="normal"):
    words = {name: [] for name in models}
    for seed in range(n_seeds):
        random = np.random.default_rng([7, seed])
        X = random.uniform(-1, 1, (n, d))
        signal = X[:, 0] + X[:, 1] + X[:, 0] * X[:, 1]
        drawn = random.lognormal(size=n) if noise == "lognormal" else random.normal(size=n)
        y = np.sqrt(share) * signal / signal.std() + np.sqrt(1 - share) * drawn / drawn.std()
        chosen = {name: MODELS[name] for name in models}
        found = cross_validate(chosen, X, y, plan_folds(n, random_state=seed))
        for name in models:
            words[name].append(verdict(found, name).skill)
    return words


@pytest.mark.parametrize(
    ("n", "d", "noise"), [(28, 3, "normal"), (28, 3, "lognormal"), (12, 2, "normal")]
)
def test_pure_noise_is_called_noise(n, d, noise):
    for name, words in _words(n, d, 100, 0.0, noise=noise).items():
        assert words.count("none") >= 96, name


def test_a_clear_signal_is_never_called_noise():
    for name, words in _words(28, 3, 40, 0.95).items():
        assert "none" not in words, name


def test_a_signal_that_few_extreme_rows_carry_is_not_called_noise():
    """Most of the variance sits in four rows, as where one setting is rarely tried."""
    for seed in range(10):
        random = np.random.default_rng(seed)
        X = random.uniform(0.9, 1.1, (28, 2))
        X[:4, 0] = [0.0, 0.05, 0.0, 0.1]
        y = 10 * X[:, 0] + X[:, 1] + 0.1 * random.normal(size=28)
        found = cross_validate({"line": Line()}, X, y, plan_folds(28, random_state=seed))
        assert verdict(found, "line").skill != "none"


def test_the_share_of_random_pairings_is_the_p_value_of_a_permutation_test():
    random = np.random.default_rng(3)
    y = random.normal(size=30)
    prediction = 0.3 * y + random.normal(size=30)
    judged = verdict(_validation(y, prediction), "model")
    expected = permutation_test(
        (y, prediction),
        lambda a, b: pearsonr(a, b).statistic,
        permutation_type="pairings",
        alternative="greater",
        n_resamples=4_999,
        rng=1,
    )
    assert judged.p_follows == pytest.approx(expected.pvalue, abs=0.015)
    many = random.normal(size=2_000)
    weak = verdict(_validation(many, 0.05 * many + random.normal(size=2_000)), "model")
    assert 1e-6 < weak.p_follows < 0.2


@pytest.mark.slow
def test_noise_and_signal_with_a_gaussian_process():
    noise = _words(28, 3, 150, 0.0, models=("smooth",))["smooth"]
    assert noise.count("none") >= 144
    signal = _words(28, 3, 60, 0.9, models=("smooth",))["smooth"]
    assert "none" not in signal


def _validation(y, prediction, groups=None):
    plan = plan_folds(len(y), groups=groups, n_repeats=1)
    return CrossValidation(y=y, plan=plan, predictions={"model": np.atleast_2d(prediction)})


@pytest.mark.parametrize(
    ("noise", "skill"), [(0.3, "strong"), (1.0, "useful"), (2.0, "weak"), (20.0, "none")]
)
def test_words_follow_the_honest_r2(noise, skill):
    random = np.random.default_rng(0)
    prediction = random.normal(size=200)
    y = prediction + noise * random.normal(size=200)
    judged = verdict(_validation(y, prediction), "model")
    assert judged.skill == skill
    assert judged.r2 == pytest.approx(1 / (1 + noise**2), abs=0.1)


def test_sentences_say_what_was_found():
    random = np.random.default_rng(0)
    y = 40 + 10 * random.normal(size=60)
    good = verdict(_validation(y, y + 2 * random.normal(size=60)), "model", unit="nm")
    assert "95 % of the variance" in good.sentence
    assert f"{good.rmse:.3g} nm, against {good.rmse_of_mean:.3g} nm" in good.sentence
    bad = verdict(_validation(y, 40 + 10 * random.normal(size=60)), "model")
    assert bad.sentence.startswith("There is no evidence of skill: for rows it has not seen")
    assert "R² −" in bad.sentence
    constant = verdict(_validation(np.ones(30), np.ones(30)), "model")
    assert constant.skill == "none"
    assert json.dumps(constant.to_dict(), allow_nan=False)


def test_the_mean_may_be_given_or_worked_out():
    random = np.random.default_rng(1)
    X = random.normal(size=(40, 2))
    y = X[:, 0] + 0.3 * random.normal(size=40)
    models = {"line": Line(), "mean": DummyRegressor()}
    found = cross_validate(models, X, y, plan_folds(40))
    given, worked_out = verdict(found, "line", "mean"), verdict(found, "line")
    assert given.sentence == worked_out.sentence
    assert given.p_follows == pytest.approx(worked_out.p_follows, rel=1e-9)
    assert given.p_gains == pytest.approx(worked_out.p_gains, rel=1e-9)
    assert verdict(found, "mean").skill == "none"


def test_luck_within_groups_is_not_skill_for_new_groups():
    """Rows of a group share their deviation: 90 rows, but only 9 independent observations."""
    claimed = {"rows": 0, "groups": 0}
    for seed in range(60):
        random = np.random.default_rng(seed)
        groups = np.repeat(np.arange(9), 10)
        X = random.normal(size=(9, 2))[groups] + 0.01 * random.normal(size=(90, 2))
        y = random.normal(size=9)[groups] + 0.1 * random.normal(size=90)
        plans = {"rows": plan_folds(90, n_repeats=1), "groups": plan_folds(90, groups=groups)}
        for name, plan in plans.items():
            found = cross_validate({"nearest": Nearest()}, X, y, plan)
            claimed[name] += verdict(found, "nearest").skill != "none"
    assert claimed["rows"] == 60
    assert claimed["groups"] <= 3


def test_few_groups_that_are_all_predicted_well_count():
    random = np.random.default_rng(2)
    groups = np.repeat(np.arange(4), [25, 12, 6, 3])
    y = random.normal(size=46) + groups
    steady = verdict(_validation(y, y + 0.3 * random.normal(size=46), groups), "model")
    assert steady.skill == "strong"
    # right in the large group alone
    assert "for groups the model has not seen" in steady.sentence
    only_one = np.where(groups == 0, y, y.mean() + 3 * random.normal(size=46))
    assert verdict(_validation(y, only_one, groups), "model").skill == "none"
