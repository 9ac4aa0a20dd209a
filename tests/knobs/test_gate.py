"""What a predictor is shown: nothing infeasible, limits to the last bit, fixed knobs in place."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matlever.exceptions import DataError
from matlever.knobs import Knob, KnobSpace, Mixture, TableEditor, predict_settings

KNOBS = [
    Knob("a", lower=-1.5, upper=0.3),
    Knob("b", kind="integer", lower=-1.2, upper=2.7),
    Knob("c", kind="grid", lower=0.0, upper=0.3, step=0.1),  # 3 * 0.1 > 0.3
    Knob("d", kind="categorical", levels=("x", "y", "z")),
    Knob("e", lower=0, upper=1, fixed=True),
    Knob("f", kind="grid", levels=(0.5, -1, 2)),
    Knob("m0", lower=0, upper=0.6),
    Knob("m1", lower=0.1, upper=1),
]
SPACE = KnobSpace(KNOBS, [Mixture(("m0", "m1"))])
FREE = ~SPACE.is_fixed


class Recorder:
    def __init__(self):
        self.shown = []

    def predict(self, X):
        self.shown.append(np.array(X))
        X[:] = np.nan  # what a predictor does to its rows is its own business
        return np.zeros(len(X))


def exact(shown):
    allowed = [
        np.isin(shown[..., j], knob.allowed)
        for j, knob in enumerate(KNOBS)
        if knob.kind != "continuous"
    ]
    assert np.all(allowed)
    assert (shown[..., FREE] >= SPACE.lower[FREE]).all()
    assert (shown[..., FREE] <= SPACE.upper[FREE]).all()


@given(st.integers(0, 2**31), st.sampled_from([1e-16, 1e-12, 1e-7]))
@settings(max_examples=40, deadline=None)
def test_what_rounding_put_off_a_limit_or_a_step_is_shown_exactly(seed, size):
    rng = np.random.default_rng(seed)
    samples = SPACE.sample(6, rng)
    values = np.repeat(SPACE.sample(5, rng)[None], 6, axis=0)
    at_limit = rng.random(values.shape) < 0.3
    at_limit[..., SPACE.positions(("m0", "m1"))] = False
    values = np.where(
        at_limit, np.where(rng.random(values.shape) < 0.5, SPACE.lower, SPACE.upper), values
    )
    values = SPACE.project(values)
    values[..., ~FREE] = samples[:, None, ~FREE]
    off = values + size * FREE * rng.uniform(-1, 1, values.shape)
    before, recorder = off.copy(), Recorder()
    predict_settings(recorder, TableEditor(SPACE), samples, off)
    np.testing.assert_array_equal(off, before)
    (shown,) = recorder.shown
    exact(shown)
    np.testing.assert_allclose(shown, off.reshape(shown.shape), rtol=0, atol=size + 1e-15)


@given(st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_one_setting_off_by_more_than_rounding_and_nothing_is_shown(seed):
    rng = np.random.default_rng(seed)
    samples = SPACE.sample(4, rng)
    values = np.repeat(samples[:, None], 5, axis=1)
    i, r, j = rng.integers(4), rng.integers(5), rng.integers(len(SPACE))
    values[i, r, j] += rng.choice([np.nan, np.inf, -np.inf, 0.011, -0.011])
    inside = KNOBS[j].kind == "continuous" and not KNOBS[j].fixed and j == 0
    recorder = Recorder()
    if inside and -1.5 <= values[i, r, j] <= 0.3:
        predict_settings(recorder, TableEditor(SPACE), samples, values)
        return
    with pytest.raises(DataError, match=r"1 settings .* were not rendered"):
        predict_settings(recorder, TableEditor(SPACE), samples, values)
    assert recorder.shown == []


def test_a_fixed_knob_is_shown_where_its_sample_stands_or_not_at_all():
    frame = pd.DataFrame({"a": [0.0, 0.2], "day": [5.0, 7.0]})
    space = KnobSpace([Knob("a", lower=0, upper=1), Knob("day", "d", lower=5, upper=6, fixed=True)])
    editor = TableEditor(space)
    found = predict_settings(
        type("Day", (), {"predict": lambda self, X: X["day"]})(),
        editor,
        frame,
        np.array([[[0.1, 5.0]], [[0.9, 7.0]]]),
    )
    np.testing.assert_array_equal(found, [[5.0], [7.0]])
    with pytest.raises(DataError, match="day = 6 d where its sample stands at 7 d"):
        predict_settings(Recorder(), editor, frame, np.array([[[0.1, 5.0]], [[0.9, 6.0]]]))


def test_a_negative_fixed_part_is_said():
    knobs = [Knob("a", lower=0, upper=2), Knob("b", lower=0, upper=1, fixed=True)]
    space = KnobSpace(knobs, [Mixture(("a", "b"))])
    assert not space.is_feasible([1.1, -0.1])
    assert space.violations([[1.1, -0.1]]) == [("b = -0.1 is below 0",)]


@pytest.mark.parametrize("k", [1, 3, 20, 1500])
def test_limits_are_held_in_every_place_of_a_large_array(k):
    space = KnobSpace([Knob(f"x{j}", lower=0, upper=1) for j in range(k)])
    values = np.full((7, 150, k), 0.5)
    assert space.is_feasible(values).all()
    assert space.admit(values) is values
    for place in ((0, 0, 0), (6, 149, k - 1), (3, 77, k // 2)):
        for wrong in (np.nan, -1e-3, 1 + 1e-3):
            off = values.copy()
            off[place] = wrong
            expected = np.ones((7, 150), dtype=bool)
            expected[place[:2]] = False
            np.testing.assert_array_equal(space.is_feasible(off), expected)


def test_settings_and_samples_must_be_as_many():
    with pytest.raises(DataError, match="settings for 2 samples, but 3 samples"):
        predict_settings(
            Recorder(), TableEditor(SPACE), SPACE.sample(3, 0), SPACE.sample(2, 0)[:, None]
        )


def test_a_predictor_may_say_that_it_has_no_spread():
    from matlever.knobs import gives_std

    class One:
        has_std = False

        def predict(self, X, return_std=False):
            raise AssertionError("not to be asked")

    class Several(One):
        has_std = True

    assert not gives_std(One())
    assert gives_std(Several())
