"""Taught augmentation: where the points lie and who labels them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import LinearRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from matlever.exceptions import SettingsError
from matlever.tables.small_table import SmallTableRegressor
from matlever.tables.taught import TaughtAugmentation


@parametrize_with_checks([TaughtAugmentation(LinearRegression(), random_state=0)])
def test_estimator_checks(estimator, check):
    check(estimator)


def table(n=28, d=3, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.random((n, d))
    return x, (x**2).sum(axis=1) + 0.1 * generator.standard_normal(n)


@given(
    n=st.integers(2, 12),
    n_chord=st.integers(0, 30),
    n_uniform=st.integers(0, 30),
    widen=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_points_lie_on_chords_and_in_the_widened_box(n, n_chord, n_uniform, widen, seed):
    x, y = table(n=n, seed=seed)
    x[:, 2] = 4.0  # a constant input stays what it is
    sampler = TaughtAugmentation(LinearRegression(), n_chord, n_uniform, widen, random_state=seed)
    points, labels = sampler.fit_resample(x, y)
    assert points.shape == (n + n_chord + n_uniform, 3)
    assert labels.shape == (len(points),)
    np.testing.assert_array_equal(points[:n], x)
    first, second = sampler.parents_.T
    assert (first != second).all()
    weight = sampler.lambda_[:, None]
    np.testing.assert_allclose(
        points[n : n + n_chord], (1 - weight) * x[first] + weight * x[second], atol=1e-12
    )
    margin = widen * np.ptp(x, axis=0)
    around = points[n + n_chord :]
    assert (around >= x.min(axis=0) - margin).all()
    assert (around <= x.max(axis=0) + margin).all()
    assert (points[:, 2] == 4.0).all()


def test_labels_are_the_teachers_and_half_the_measurement():
    x, y = table()
    targets = np.column_stack([y, -y])
    points, labels = TaughtAugmentation(LinearRegression(), random_state=0).fit_resample(x, targets)
    teacher = LinearRegression().fit(x, targets)
    np.testing.assert_allclose(labels[28:], teacher.predict(points[28:]))
    np.testing.assert_allclose(labels[:28], (teacher.predict(x) + targets) / 2)


def test_chords_join_all_pairs_alike():
    x, y = table(n=5)
    sampler = TaughtAugmentation(LinearRegression(), n_chord=20_000, random_state=0)
    sampler.fit_resample(x, y)
    counts = np.bincount(sampler.parents_ @ [5, 1], minlength=25).reshape(5, 5)
    assert (np.diag(counts) == 0).all()
    np.testing.assert_allclose(counts[~np.eye(5, dtype=bool)], 1000, rtol=0.15)


def test_curved_responses_are_not_flattened():
    # the mean label of SMOTE-REG is too high for a convex response, by tr(H S)/6 (here 0.08)
    generator = np.random.default_rng(1)
    x = generator.random((28, 3))
    y = (x**2).sum(axis=1)
    kernel = RBF(1.0) + WhiteKernel(1e-6, "fixed")
    sampler = TaughtAugmentation(GaussianProcessRegressor(kernel, normalize_y=True), random_state=0)
    points, labels = sampler.fit_resample(x, y)
    assert abs(np.mean(labels[28:] - (points[28:] ** 2).sum(axis=1))) < 0.01


def test_batch_equals_single_calls():
    tasks = [table(n=n, seed=n) for n in (10, 15)]
    frame = pd.DataFrame(tasks[1][0], columns=list("abc"))
    tasks[1] = (frame, pd.Series(tasks[1][1], name="y"))
    sampler = TaughtAugmentation(LinearRegression(), random_state=3)
    for (x, y), (points, labels) in zip(tasks, sampler.resample_batch(tasks), strict=True):
        expected, expected_labels = sampler.fit_resample(x, y)
        assert type(points) is type(x)
        np.testing.assert_array_equal(points, expected)
        np.testing.assert_array_equal(labels, expected_labels)


def test_teacher_with_a_batch_fit_learns_all_tasks_at_once():
    calls = []

    class Batched(LinearRegression):
        def fit_batch(self, tasks):
            calls.append(len(tasks))
            return [LinearRegression().fit(x, y) for x, y in tasks]

    TaughtAugmentation(Batched(), random_state=0).resample_batch([table(), table(seed=1)])
    assert calls == [2]


def test_small_table_predictor_is_the_default_teacher():
    x, y = table(n=15)
    sampler = TaughtAugmentation(n_chord=5, n_uniform=5, random_state=0).fit(x, y)
    assert isinstance(sampler.teacher_, SmallTableRegressor)
    points, _ = sampler.fit_resample(x, y)
    assert len(points) == 25


@pytest.mark.parametrize("wrong", [{"n_chord": -1}, {"n_uniform": 1.5}, {"widen": -0.1}])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        TaughtAugmentation(LinearRegression(), **wrong).fit_resample(*table())
