"""The three-number check: what a leaking protocol claims of noise, and of a real relation."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor

from matlever.exceptions import SettingsError
from matlever.validation import cross_validate, plan_folds, r2, three_number_check


class Chords(BaseEstimator):
    """Each pair of rows, joined by `n` points on the straight line between them."""

    def __init__(self, n=8, random_state=None):
        self.n = n
        self.random_state = random_state

    def fit_resample(self, X, y):
        random = np.random.RandomState(self.random_state)
        a, b = np.triu_indices(len(X), 1)
        a, b = np.repeat(a, self.n), np.repeat(b, self.n)
        share = random.uniform(size=len(a))
        more = X[a] + share[:, None] * (X[b] - X[a])
        return np.vstack([X, more]), np.concatenate([y, y[a] + share * (y[b] - y[a])])


class Backwards(Chords):
    """Synthetic rows first."""

    def fit_resample(self, X, y):
        pool_X, pool_y = super().fit_resample(X, y)
        return pool_X[::-1], pool_y[::-1]


def _noise(seed=0, n=28):
    random = np.random.default_rng(seed)
    return random.uniform(size=(n, 3)), random.normal(size=n)


def test_noise_scores_high_under_the_published_protocol_and_not_honestly():
    X, y = _noise()
    network = KNeighborsRegressor(3, weights="distance")
    honest = cross_validate({"net": network}, X, y, plan_folds(28)).scores("net")["r2"].mean
    numbers = three_number_check(X, y, sampler=Chords(), network=network, honest_r2=honest)
    assert numbers.n_augmented == 28 + 8 * 378
    assert honest < 0
    assert numbers.paper_r2 > 0.5
    assert numbers.permuted_r2 > 0.5
    assert "no evidence of skill" in numbers.sentence
    assert f"{honest:.2f}".replace("-", "−") in numbers.sentence
    assert json.dumps(numbers.to_dict(), allow_nan=False)


def test_the_numbers_are_those_of_a_literal_protocol():
    X, y = _noise(1, 12)
    sampler, network = Chords(4, random_state=5), LinearRegression()
    numbers = three_number_check(
        X, y, sampler=sampler, network=network, honest_r2=None, n_folds=4, random_state=2
    )
    random = np.random.RandomState(2)
    seed = random.randint(2**31 - 1)
    shuffled = y[random.permutation(12)]
    for targets, on_originals, on_all in (
        (y, numbers.paper_r2, numbers.paper_r2_whole),
        (shuffled, numbers.permuted_r2, numbers.permuted_r2_whole),
    ):
        pool_X, pool_y = sampler.fit_resample(X, targets)
        fold = np.random.RandomState(seed).permutation(len(pool_y)) % 4
        predicted, of_folds = np.empty(len(pool_y)), []
        for k in range(4):
            model = LinearRegression().fit(pool_X[fold != k], pool_y[fold != k])
            predicted[fold == k] = model.predict(pool_X[fold == k])
            of_folds.append(model.score(pool_X[fold == k], pool_y[fold == k]))
        assert on_originals == pytest.approx(r2(targets, predicted[:12]), rel=1e-9)
        assert on_all == pytest.approx(np.mean(of_folds), rel=1e-9)
    assert numbers.honest_r2 is None
    assert "no leakage-free score" in numbers.sentence


def test_a_straight_line_is_not_flattered():
    random = np.random.default_rng(3)
    X = random.normal(size=(30, 2))
    y = X @ [1.0, 2.0] + 0.2 * random.normal(size=30)
    numbers = three_number_check(
        X, y, sampler=Chords(3), network=LinearRegression(), honest_r2=0.98
    )
    assert numbers.permuted_r2 < 0.3
    assert "flatters little" in numbers.sentence


def test_large_pools_are_thinned_but_keep_every_original_row():
    X, y = _noise()
    seen = []

    class Spy(LinearRegression):
        def fit_batch(self, tasks):
            seen.extend(np.vstack([inputs for inputs, _ in tasks[:10]]).tolist())
            return [LinearRegression().fit(*task) for task in tasks]

    options = {"sampler": Chords(), "network": Spy(), "honest_r2": 0.0, "max_rows": 500}
    numbers = three_number_check(X, y, **options)
    assert numbers.n_augmented == 500
    rows = {tuple(row) for row in seen}
    assert {tuple(row) for row in X.tolist()} <= rows
    assert len(rows) == 500
    assert three_number_check(X, y, **options) == numbers


def test_exact_duplicates_count_once():
    X, y = _noise(4, 10)
    twice = three_number_check(
        np.vstack([X, X[:3]]),
        np.concatenate([y, y[:3]]),
        sampler=Chords(random_state=0),
        network=LinearRegression(),
        honest_r2=0.0,
    )
    once = three_number_check(
        X, y, sampler=Chords(random_state=0), network=LinearRegression(), honest_r2=0.0
    )
    assert twice.n_augmented == once.n_augmented


def test_misuse_is_named():
    X, y = _noise()
    options = {"network": LinearRegression(), "honest_r2": 0.0}
    with pytest.raises(SettingsError, match="Backwards does not return the original rows first"):
        three_number_check(X, y, sampler=Backwards(), **options)
    with pytest.raises(SettingsError, match="do not fit"):
        three_number_check(X, y[:20], sampler=Chords(), **options)
