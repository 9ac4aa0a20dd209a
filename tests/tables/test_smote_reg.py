"""SMOTE-REG against the paper's algorithm written out as loops, and its invariants."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from matlever.exceptions import SettingsError
from matlever.tables._combinations import row_combinations
from matlever.tables._duplicates import first_of_duplicates
from matlever.tables.smote_reg import SmoteReg


@parametrize_with_checks([SmoteReg(random_state=0)])
def test_estimator_checks(estimator, check):
    check(estimator)


def table(n=28, d=3, t=1, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.random((n, d))
    y = generator.random((n, t))
    return x, (y[:, 0] if t == 1 else y)


def written_out(x, y, size, amount, k, generator):
    """Algorithm 2 of the paper, line by line."""
    rows = np.column_stack([x, y])
    synthetic = []
    for chosen in combinations(range(len(x)), size):
        minority, n_new = list(chosen), amount
        if amount < 100:
            generator.shuffle(minority)
            minority, n_new = minority[: int(amount / 100 * size)], 100
        for i in minority:
            others = [j for j in minority if j != i]
            others.sort(key=lambda j: np.sum((x[i] - x[j]) ** 2))
            for _ in range(int(n_new / 100)):
                if others:
                    j = others[generator.integers(min(k, len(others)))]
                    synthetic.append(rows[i] + generator.random() * (rows[j] - rows[i]))
    merged = np.concatenate([rows, np.reshape(synthetic, (-1, rows.shape[1]))])
    return pd.DataFrame(merged).drop_duplicates().to_numpy()


@pytest.mark.parametrize(
    ("settings_", "n_new"),
    [
        ({}, 9072),
        ({"amount": 1250}, 9072),
        ({"amount": 100}, 756),
        ({"n_combination": 3, "amount": 400}, 39312),
        ({"n_combination": 3, "amount": 400, "k_neighbors": 2}, 39312),
        ({"amount": 50}, 0),
        ({"n_combination": 3, "amount": 50}, 0),
        ({"n_combination": 4, "amount": 50, "k_neighbors": 2}, 40950),
        ({"n_combination": 2, "k_neighbors": 5}, 9072),
    ],
)
def test_28_rows_give_the_counts_of_the_algorithm(settings_, n_new):
    sampler = SmoteReg(random_state=0, **settings_)
    x, y = sampler.fit_resample(*table())
    assert x.shape == (28 + n_new, 3)
    assert y.shape == (28 + n_new,)
    assert sampler.parents_.shape == (n_new, 2)
    assert not sampler.sampled_


def test_a_row_given_twice_is_kept_once_and_its_chord_dropped():
    x, y = table()
    x[5] = x[9]
    assert len(SmoteReg(random_state=0).fit_resample(x, y)[0]) == 9100
    y[5] = y[9]
    sampler = SmoteReg(random_state=0)
    x_new, _ = sampler.fit_resample(x, y)
    assert len(x_new) == 9100 - 1 - 24
    assert sampler.original_rows_.tolist() == [i for i in range(28) if i != 9]
    assert len(sampler.parents_) == len(sampler.lambda_) == 9072 - 24


@pytest.mark.parametrize(
    ("size", "amount", "k"), [(2, 1200, 1), (3, 300, 1), (3, 300, 2), (4, 100, 2), (4, 75, 1)]
)
def test_same_count_and_distribution_as_the_loops(size, amount, k):
    x, y = table(n=11)
    sampler = SmoteReg(size, amount, k, scale_distances=False, random_state=1)
    x_new, y_new = sampler.fit_resample(x, y)
    found = np.column_stack([x_new, y_new])
    expected = written_out(x, y, size, amount, k, np.random.default_rng(2))
    assert found.shape == expected.shape
    for column in range(4):
        assert stats.ks_2samp(found[:, column], expected[:, column]).pvalue > 1e-3
    from_centre = [
        np.linalg.norm(rows[:, :3] - x.mean(axis=0), axis=1) for rows in (found, expected)
    ]
    assert stats.ks_2samp(*from_centre).pvalue > 1e-3
    if amount >= 100:  # every row is a parent equally often
        assert (np.bincount(sampler.parents_[:, 0]) == comb(10, size - 1) * amount // 100).all()


@given(
    n=st.integers(2, 9),
    size=st.integers(2, 5),
    amount=st.integers(1, 450),
    k=st.integers(1, 6),
    targets=st.integers(1, 3),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=60, deadline=None)
def test_every_new_row_lies_between_its_parents(n, size, amount, k, targets, seed):
    x, y = table(n=n, t=targets, seed=seed)
    sampler = SmoteReg(min(size, n), amount, k, random_state=seed)
    x_new, y_new = sampler.fit_resample(x, y)
    assert (x_new[:n] == x).all()
    assert (y_new[:n] == y).all()
    first, second = sampler.parents_.T
    weight = sampler.lambda_[:, None]
    assert (first != second).all()
    assert ((weight >= 0) & (weight < 1)).all()
    np.testing.assert_allclose(x_new[n:], (1 - weight) * x[first] + weight * x[second], atol=1e-12)
    y, y_new = y.reshape(n, -1), y_new.reshape(len(y_new), -1)
    np.testing.assert_allclose(y_new[n:], (1 - weight) * y[first] + weight * y[second], atol=1e-12)
    assert (x_new[n:] >= np.minimum(x[first], x[second]) - 1e-12).all()
    assert (y_new[n:] <= np.maximum(y[first], y[second]) + 1e-12).all()
    again = SmoteReg(min(size, n), amount, k, random_state=seed).fit_resample(x, y)[0]
    assert (again == x_new).all()


def test_neighbours_are_the_nearest_within_the_combination():
    x = np.array([[0.0], [1.0], [3.0], [7.0]])
    sampler = SmoteReg(4, 100, 1, random_state=0)
    sampler.fit_resample(x, x[:, 0])
    assert sampler.parents_.tolist() == [[0, 1], [1, 0], [2, 1], [3, 2]]
    sampler.set_params(n_combination=3).fit_resample(x, x[:, 0])
    assert {(2, 0), (3, 1)} < set(
        map(tuple, sampler.parents_.tolist())
    )  # where 1, then 2 is absent


def test_distances_do_not_depend_on_units_unless_told():
    x, y = table(n=8)
    kilo = x * [1e3, 1.0, 1.0]
    parents = []
    for data, scaled in ((x, True), (kilo, True), (kilo, False)):
        sampler = SmoteReg(4, 100, scale_distances=scaled, random_state=0)
        sampler.fit_resample(data, y)
        parents.append(sampler.parents_)
    assert (parents[0] == parents[1]).all()
    assert (parents[1] != parents[2]).any()


def test_spread_shrinks_as_theory_says():
    # mean square of the chord's middle plus a third of its half length squared
    ratios = []
    for seed in range(5):
        x, y = table(seed=seed)
        x_new, _ = SmoteReg(random_state=seed).fit_resample(x, y)
        ratios.append(x_new[28:].var(axis=0) / x.var(axis=0))
    assert np.mean(ratios) == pytest.approx(2 / 3 - 1 / (3 * 27), abs=0.005)


def test_frames_come_back_as_frames():
    x, y = table(t=2)
    frame = pd.DataFrame(x, columns=["core", "amount", "S"], index=range(100, 128))
    targets = pd.DataFrame(y, columns=["length", "width"], index=frame.index)
    x_new, y_new = SmoteReg(random_state=0).fit_resample(frame, targets)
    assert x_new.columns.tolist() == ["core", "amount", "S"]
    assert y_new.columns.tolist() == ["length", "width"]
    assert x_new.index.equals(y_new.index)
    plain, _ = SmoteReg(random_state=0).fit_resample(x, y)
    assert (x_new.to_numpy() == plain).all()
    _, series = SmoteReg(random_state=0).fit_resample(frame, targets["length"])
    assert series.name == "length"


def test_too_many_combinations_are_sampled():
    x, y = table(n=40)
    sampler = SmoteReg(12, 100, max_combinations=500, random_state=0)
    sampler.fit_resample(x, y)
    assert sampler.sampled_
    assert sampler.n_combinations_ == 500
    assert len(sampler.parents_) == 500 * 12


@given(n=st.integers(1, 9), data=st.data())
@settings(max_examples=60, deadline=None)
def test_combinations_are_all_there_or_distinct_samples(n, data):
    size = data.draw(st.integers(1, n))
    at_most = data.draw(st.integers(1, 60))
    found, n_possible = row_combinations(n, size, at_most, np.random.default_rng(0))
    every = set(combinations(range(n), size))
    assert n_possible == len(every)
    listed = set(map(tuple, found.tolist()))
    assert len(listed) == len(found) == min(at_most, len(every))
    assert listed <= every


@pytest.mark.parametrize(("n", "size"), [(60, 7), (200, 30)])
def test_sampled_combinations_are_uniform(n, size):
    found, _ = row_combinations(n, size, 4000, np.random.default_rng(0))
    assert (np.diff(found, axis=1) > 0).all()
    assert len(np.unique(found, axis=0)) == 4000
    counts = np.bincount(found.ravel(), minlength=n)
    assert stats.chisquare(counts).pvalue > 1e-3


@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 30), st.integers(1, 3)),
        elements=st.sampled_from([0.0, 1.0, 1.5, -2.0]),
    )
)
@settings(max_examples=80, deadline=None)
def test_duplicates_are_those_pandas_finds(rows):
    kept = first_of_duplicates(rows)
    expected = np.flatnonzero(~pd.DataFrame(rows).duplicated())
    assert (np.arange(len(rows)) if kept is None else kept).tolist() == expected.tolist()


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_combination": 0},
        {"n_combination": 29},
        {"amount": 0},
        {"amount": 0.5},
        {"k_neighbors": 0},
        {"max_combinations": 0},
    ],
)
def test_wrong_settings_are_refused_by_name(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        SmoteReg(**wrong).fit_resample(*table())


def test_stands_in_the_pipeline_of_imbalanced_learn():
    pipeline = pytest.importorskip("imblearn.pipeline")
    x, y = table(n=28)
    y = x @ [1.0, 2.0, 3.0]
    seen = []

    class Watching(LinearRegression):
        def fit(self, X, y):
            seen.append(len(X))
            return super().fit(X, y)

    model = pipeline.Pipeline([("augment", SmoteReg(random_state=0)), ("fit", Watching())])
    assert cross_val_score(model, x, y, cv=7).min() > 0.999
    assert seen == [24 + comb(24, 2) * 24] * 7  # made from the 24 training rows of each fold
    search = GridSearchCV(model, {"augment__amount": [100, 200]}, cv=3).fit(x, y)
    assert search.best_score_ > 0.999
