"""The whole way: optima are found, limits hold, seeds repeat, and arguments are checked."""

from __future__ import annotations

import json
import random
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from matlever.exceptions import MissingExtraError, SettingsError
from matlever.knobs import Knob, KnobSpace, LinearRelation, Mixture, TableEditor
from matlever.recommendation import suggest

BOX = TableEditor(KnobSpace([Knob("a", "K", lower=0, upper=100), Knob("b", lower=-1, upper=1)]))


def _smooth(frame):
    """A hill with its top of 1 at a = 70, b = 0.3."""
    return 1 - ((frame["a"] - 70) / 50) ** 2 - (frame["b"] - 0.3) ** 2


def _start(editor, n, seed=0):
    space = editor.space
    template = pd.DataFrame(
        {k.name: [k.levels[0] if k.kind == "categorical" else k.low] for k in space}
    )
    return editor.render(template, space.sample(n, seed)[None])


RUNS = _start(BOX, 6)


def test_top_of_a_smooth_hill_is_found_in_few_experiments():
    runs = _start(BOX, 4, seed=5)
    assert _smooth(runs).max() < 0.95
    for seed in range(8):
        found = suggest(BOX, runs, _smooth(runs), "maximise", random_state=seed)
        runs = pd.concat([runs, found.to_frame()[["a", "b"]]], ignore_index=True)
    assert _smooth(runs).max() > 0.995


def test_best_is_the_highest_expected_value():
    found = suggest(BOX, RUNS, _smooth(RUNS), "maximise", method="best")
    grid = BOX.space.sample(2000, 1)
    pool = pd.DataFrame(grid, columns=["a", "b"])
    best = suggest(BOX, RUNS, _smooth(RUNS), "maximise", method="best", pool=pool)
    assert found.predicted[0, 0] >= best.predicted[0, 0] - 1e-6


def test_same_seed_same_bits_and_the_global_generators_are_left_alone():
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002  # the global one is meant
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    first = suggest(BOX, RUNS, _smooth(RUNS), "maximise", n_experiments=2, random_state=3)
    after = random.getstate(), np.random.get_state()[1], torch.get_rng_state()  # noqa: NPY002
    assert before[0] == after[0]
    assert (before[1] == after[1]).all()
    assert torch.equal(before[2], after[2])
    torch.manual_seed(99)
    again = suggest(BOX, RUNS, _smooth(RUNS), "maximise", n_experiments=2, random_state=3)
    assert again == first
    other = suggest(BOX, RUNS, _smooth(RUNS), "maximise", n_experiments=2, random_state=4)
    assert other != first


def test_order_of_the_runs_does_not_matter_much():
    found = suggest(BOX, RUNS, _smooth(RUNS), "maximise")
    turned = suggest(BOX, RUNS[::-1], _smooth(RUNS)[::-1], "maximise")
    np.testing.assert_allclose(found.settings, turned.settings, atol=0.5)


def test_pending_runs_are_not_repeated_and_move_the_next_one_away():
    first = suggest(BOX, RUNS, _smooth(RUNS), "maximise")
    pending = first.to_frame()[["a", "b"]]
    second = suggest(BOX, RUNS, _smooth(RUNS), "maximise", pending=pending)
    away = np.abs(BOX.space.scale(first.settings) - BOX.space.scale(second.settings)).max()
    assert away > 0.02
    batch = suggest(BOX, RUNS, _smooth(RUNS), "maximise", n_experiments=2)
    np.testing.assert_array_equal(batch.settings[0], first.settings[0])
    np.testing.assert_allclose(batch.settings[1], second.settings[0], atol=2.0)


def test_pending_and_known_rows_of_a_pool_are_not_chosen_unless_repeats_are_allowed():
    pool = pd.concat([RUNS, _start(BOX, 3, seed=9)], ignore_index=True)
    question = {"pool": pool, "n_experiments": 3}
    found = suggest(BOX, RUNS, _smooth(RUNS), "maximise", **question)
    assert sorted(found.pool_rows) == [6, 7, 8]
    with pytest.raises(SettingsError, match="2 of the 9 different settings"):
        suggest(BOX, RUNS, _smooth(RUNS), "maximise", **question, pending=pool.iloc[[7]])
    again = suggest(BOX, RUNS, _smooth(RUNS), "maximise", **question, allow_repeats=True)
    assert len(set(again.pool_rows)) == 3


ALLOY = KnobSpace(
    [
        Knob("Fe", lower=0.1, upper=0.9),
        Knob("Ni", lower=0, upper=0.6),
        Knob("Co", lower=0, upper=0.6),
        Knob("anneal", "K", kind="grid", lower=300, upper=900, step=50),
        Knob("passes", kind="integer", lower=1, upper=4),
        Knob("gas", kind="categorical", levels=("air", "N2", "Ar")),
    ],
    [Mixture(("Fe", "Ni", "Co"), max_parts=2)],
)


@given(st.integers(0, 1000), st.sampled_from(["maximise", 0.4, (0.2, 0.3)]), st.booleans())
@settings(max_examples=4)
def test_every_suggestion_is_feasible(seed, goal, hold):
    editor = TableEditor(ALLOY)
    runs = _start(editor, 9, seed=seed)
    y = runs["Fe"] * (runs["gas"] == "Ar") + runs["passes"] / 10 + runs["anneal"] / 2000
    context = {"gas": "N2", "passes": 2} if hold else None
    found = suggest(editor, runs, y, goal, n_experiments=2, context=context, random_state=seed)
    assert ALLOY.is_feasible(found.settings).all()
    assert not (found.settings[0] == found.settings[1]).all()
    if hold:
        assert found.to_frame()["gas"].tolist() == ["N2", "N2"]
        assert found.to_frame()["passes"].tolist() == [2, 2]
    shown = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert shown["experiments"][0]["settings"]["gas"] in ("air", "N2", "Ar")


def test_linear_relations_hold_and_are_named_where_they_block():
    budget = LinearRelation({"t": 1, "hours": 20}, upper=250)
    space = KnobSpace(
        [Knob("t", "°C", lower=20, upper=300), Knob("hours", lower=0, upper=10)], [], [budget]
    )
    editor = TableEditor(space)
    runs = _start(editor, 8)

    def outcome():
        return -(((runs["t"] - 200) / 100) ** 2) - ((runs["hours"] - 7.5) / 5) ** 2

    for _ in range(5):
        found = suggest(editor, runs, outcome(), "maximise")
        assert space.is_feasible(found.settings).all()
        runs = pd.concat([runs, found.to_frame()[["t", "hours"]]], ignore_index=True)
    # The best that the budget allows, by Lagrange's equations.
    weights = np.array([[1 / 100**2, 0, 1], [0, 1 / 5**2, 20], [1, 20, 0]])
    best = np.linalg.solve(weights, [200 / 100**2, 7.5 / 5**2, 250])[:2]
    np.testing.assert_allclose(runs.loc[outcome().idxmax()], best, rtol=0.1)
    assert "t + 20 hours at its upper limit 250" in found.at_limits[0]


def test_fixed_knobs_stay_as_in_the_best_run_and_say_so():
    space = KnobSpace([Knob("a", lower=0, upper=1), Knob("day", lower=0, upper=9, fixed=True)])
    editor = TableEditor(space)
    runs = pd.DataFrame({"a": [0.1, 0.5, 0.9, 0.3], "day": [1.0, 2.0, 3.0, 14.0]})
    found = suggest(editor, runs, [0.1, 0.2, 0.3, 0.9], "maximise")
    assert found.settings[0, 1] == 14
    assert any("run 3: day at 14" in note for note in found.warnings)
    elsewhere = suggest(editor, runs, [0.1, 0.2, 0.3, 0.9], "maximise", context={"day": 5})
    assert elsewhere.settings[0, 1] == 5


def test_what_it_says():
    found = suggest(BOX, RUNS, _smooth(RUNS), "maximise", n_experiments=2, level=0.8)
    text = repr(found)
    assert "2 suggested experiments (expected improvement; outcome: maximise" in text
    assert "80 % interval" in text
    assert "chance to beat the best so far" in text
    assert "<table" in found._repr_html_()
    frame = found.to_frame()
    assert frame.index.tolist() == [1, 2]
    np.testing.assert_allclose(frame[["a", "b"]].to_numpy(), found.settings)
    assert (found.lower < found.predicted).all()
    assert (found.predicted < found.upper).all()
    assert found.best_so_far[0] == _smooth(RUNS).max()
    assert found.best_rows[0] == int(_smooth(RUNS).idxmax())
    assert ((found.probability > 0) & (found.probability < 1)).all()
    ax = found.plot()
    assert ax.get_ylabel() == "outcome"
    with pytest.raises(SettingsError, match="no target 'x'"):
        found.plot(target="x")


def test_names_from_data_are_escaped():
    editor = TableEditor(KnobSpace([Knob("<b>", lower=0, upper=1)]))
    runs = pd.DataFrame({"<b>": [0.0, 0.4, 1.0]})
    shown = suggest(editor, runs, pd.Series([1.0, 2.0, 1.5], name="<i>"), "max")._repr_html_()
    assert "<b>" not in shown
    assert "<i>" not in shown


def test_a_setting_at_a_limit_and_beyond_the_data_is_said():
    editor = TableEditor(KnobSpace([Knob("t", "°C", lower=0, upper=251)]))
    runs = pd.DataFrame({"t": [0.0, 50.0, 100.0, 150.0, 200.0]})
    found = suggest(editor, runs, runs["t"] * 0.01, "maximise")
    assert found.at_limits[0] == ("t at its upper limit 251 °C",)
    assert "Beyond all known runs: t 251 °C (so far up to 200 °C)" in found.reasons[0]
    assert any("at the limits of t (upper, 251 °C)" in note for note in found.warnings)
    assert not found.inside[0]
    assert found.nearest[0][0] == 4


def test_few_runs_and_noise_are_said():
    few = suggest(BOX, RUNS[:2], _smooth(RUNS[:2]), "maximise")
    assert any("Only 2 different runs for 2 knobs" in note for note in few.warnings)
    runs, noise = _start(BOX, 20), np.random.default_rng(1).random(20)
    assert any("expect surprises" in note for note in suggest(BOX, runs, noise, "max").warnings)


def test_outcomes_of_many_magnitudes_are_taken_logarithmically():
    y = np.exp(8 * _smooth(RUNS))
    found = suggest(BOX, RUNS, y, "maximise")
    assert any("logarithmic" in note for note in found.warnings)
    assert found.lower[0, 0] > 0
    straight = suggest(BOX, RUNS, y, "maximise", scale="linear")
    assert not any("logarithmic" in note for note in straight.warnings)
    with pytest.raises(SettingsError, match="above zero"):
        suggest(BOX, RUNS, _smooth(RUNS) - 2, "maximise", scale="log")


@pytest.mark.parametrize(
    ("ways", "says"),
    [
        ({"n_experiments": 0}, "n_experiments=0"),
        ({"n_experiments": 1.5}, "n_experiments=1.5"),
        ({"method": "luck"}, "method='luck'"),
        ({"goals": None}, "needs goals"),
        ({"goals": "sideways"}, "'sideways'"),
        ({"level": 90}, "level=90"),
        ({"scale": "square"}, "scale='square'"),
        ({"method": "best", "n_experiments": 2}, "one answer"),
        ({"context": {"c": 1}}, "no knob 'c'"),
        ({"context": {"a": 170}}, "a=170 is not allowed; it goes from 0 to 100 K"),
        ({"context": {"a": "warm"}}, "a='warm'"),
        ({"context": {"a": 1, "b": 0}}, "No knob can move"),
        ({"context": {"a": 1}, "pool": RUNS}, "context"),
        ({"pool": RUNS[:0]}, "pool is empty"),
        ({"pool": RUNS + 1000}, "No row of the pool is within the limits"),
        ({"scale": "log", "predictor": len}, "has its own"),
    ],
)
def test_arguments_are_checked(ways, says):
    question = {"goals": "maximise"} | ways
    with pytest.raises(SettingsError, match=says):
        suggest(BOX, RUNS, _smooth(RUNS), **question)


def test_rows_of_a_pool_outside_the_limits_are_left_out_and_counted():
    pool = _start(BOX, 5, seed=2)
    pool.loc[1, "a"] = 400.0
    found = suggest(BOX, RUNS, _smooth(RUNS), "maximise", pool=pool, n_experiments=4)
    assert 1 not in found.pool_rows
    assert any("1 of the 5 rows of the pool" in note for note in found.warnings)


def test_missing_extra_is_named(monkeypatch):
    for name in list(sys.modules):
        if name.startswith("matlever.recommendation._"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "botorch", None)
    with pytest.raises(MissingExtraError, match=r'pip install "matlever\[design\]"'):
        suggest(BOX, RUNS, _smooth(RUNS), "maximise")
