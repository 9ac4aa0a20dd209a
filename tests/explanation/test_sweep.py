"""Curves along one knob: the right function, the right average, and never outside the limits."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import partial_dependence

from matlever.exceptions import DataError, SettingsError
from matlever.explanation import sweep
from matlever.knobs import Knob, KnobSpace, Mixture
from matlever.knobs.table_editor import TableEditor

RNG = np.random.default_rng(3)
RUNS = pd.DataFrame(
    {
        "amount": RNG.uniform(10, 60, 30),
        "pulses": RNG.integers(1, 40, 30).astype(float),
        "seed": np.array(["CdSe", "InP", "ZnSe"])[RNG.integers(3, size=30)],
    }
)
PARTS = ("a", "b", "c")


class Model:
    def __init__(self, function):
        self.function, self.calls = function, []

    def predict(self, X):
        self.calls.append(X)
        return self.function(X)


def law(X):
    word = X["seed"].map({"CdSe": 1.0, "InP": 2.0, "ZnSe": 4.0}).astype(float)
    return (word * np.sqrt(X["amount"]) + X["pulses"]).to_numpy()


def test_curves_are_the_law_and_their_mean_is_the_partial_dependence():
    editor = TableEditor.from_frame(RUNS, units={"amount": "nmol"})
    model = Model(law)
    found = sweep(model, editor, RUNS, targets=["length"])
    assert [one.knob.name for one in found] == ["amount", "pulses", "seed"]
    assert len(model.calls) == 3
    for one in found:
        np.testing.assert_array_equal(one.knob.nearest(one.values), one.values)
        for position, value in enumerate(one.values):
            cell = one.knob.levels[int(value)] if one.knob.kind == "categorical" else value
            expected = law(RUNS.assign(**{one.knob.name: cell}))
            np.testing.assert_allclose(one.individual[:, position], expected, rtol=1e-12)
            np.testing.assert_allclose(one.mean[position], expected.mean(), rtol=1e-12)
    ends = [RUNS["amount"].min(), RUNS["amount"].max()]
    np.testing.assert_array_equal(np.asarray(found["amount"].values)[[0, -1]], ends)
    assert len(found["pulses"].values) == 11
    np.testing.assert_array_equal(found["seed"].values, [0, 1, 2])


def test_mean_curve_is_scikit_learns_partial_dependence_of_a_forest():
    X = RUNS[["amount", "pulses"]].to_numpy()
    forest = RandomForestRegressor(20, random_state=0).fit(X, X[:, 0] ** 2 + X[:, 1])
    found = sweep(forest, TableEditor.from_frame(X), X, ["x0"])["x0"]
    grid = {0: np.asarray(found.values)}
    theirs = partial_dependence(forest, X, [0], method="brute", custom_values=grid, kind="both")
    np.testing.assert_allclose(found.mean, theirs["average"][0], rtol=1e-12)
    np.testing.assert_allclose(found.individual, theirs["individual"][0], rtol=1e-12)


def test_interval_is_the_mean_of_the_samples_limits_for_one_target_and_for_two():
    editor = TableEditor.from_frame(RUNS)
    one = sweep(
        Model(law), editor, RUNS, ["amount"], interval=lambda X: (law(X) - 1, law(X) + X["pulses"])
    )["amount"]
    np.testing.assert_allclose(one.lower, one.mean - 1)
    np.testing.assert_allclose(one.upper, one.mean + RUNS["pulses"].mean())

    def two(X):
        return np.column_stack([law(X), -law(X)])

    both = sweep(
        Model(two),
        editor,
        RUNS,
        interval=lambda X: (two(X) - 1, two(X) + 2),
        targets=["y", "minus y"],
    )
    for name, sign in (("y", 1), ("minus y", -1)):
        single = both.for_target(name)
        curve = single["amount"]
        np.testing.assert_allclose(curve.mean, sign * one.mean)
        np.testing.assert_allclose(curve.upper, sign * one.mean + 2)
        (first, *_) = single.to_dict()["sweeps"]
        json.dumps(first, allow_nan=False)
        assert len(first["individual"]) == 30
        assert len(single.to_frame()) == 11 + 11 + 3
    with pytest.raises(SettingsError, match="choose one"):
        both.to_frame()


def test_infinite_limits_are_missing_in_the_result_and_infinite_predictions_are_refused():
    editor = TableEditor.from_frame(RUNS)
    limits = [
        lambda X: (np.full(len(X), -np.inf), law(X) + 1),
        lambda X: (np.where(X["seed"] == "InP", np.inf, -np.inf), law(X) + 1),
    ]
    for limit in limits:
        found = sweep(Model(law), editor, RUNS, ["amount"], interval=limit)
        one = found["amount"]
        assert np.isnan(one.lower).all()
        np.testing.assert_allclose(one.upper, one.mean + 1)
        (stored,) = json.loads(json.dumps(found.to_dict(), allow_nan=False))["sweeps"]
        assert stored["lower"] == [None] * 11
        assert found.to_frame()["lower"].isna().all()
    with pytest.raises(DataError, match="returned an infinite value"):
        sweep(Model(lambda X: law(X) + np.inf), editor, RUNS)
    with pytest.raises(DataError, match="returned NaN"):
        sweep(Model(law), editor, RUNS, interval=lambda X: (law(X) * np.nan, law(X)))


def test_a_part_moves_along_coxs_direction():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.dirichlet(np.ones(3), 20), columns=PARTS)
    X.iloc[0] = [1.0, 0.0, 0.0]
    space = KnobSpace([Knob(name, lower=0, upper=1) for name in PARTS], [Mixture(PARTS)])
    model = Model(lambda X: X["b"].to_numpy() - X["c"].to_numpy())
    found = sweep(model, TableEditor(space), X, ["a"], 5)["a"]
    (shown,) = model.calls
    shown = shown.to_numpy().reshape(20, 5, 3)
    np.testing.assert_allclose(shown[:, :, 0], np.tile(np.linspace(0, 1, 5), (20, 1)), atol=1e-12)
    ratio = X["b"] / (X["b"] + X["c"])
    for position in range(4):
        others = shown[1:, position, 1:]
        np.testing.assert_allclose(others[:, 0] / others.sum(1), ratio[1:], rtol=1e-9)
    # From a pure component the others share alike.
    np.testing.assert_allclose(shown[0, :, 1], shown[0, :, 2], atol=1e-12)
    np.testing.assert_allclose(found.reached, 1.0)


@given(st.integers(0, 10_000), st.sampled_from([None, 2, 3]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_every_setting_shown_is_feasible_and_missing_points_are_struck_out(seed, parts, fixed):
    names = ("a", "b", "c", "d")
    limits = [(0.0, 0.7, False), (0.0, 0.7, False), (0.0, 0.7, fixed), (0.0, 0.7, False)]
    space = KnobSpace(
        [Knob(n, lower=a, upper=b, fixed=f) for n, (a, b, f) in zip(names, limits, strict=True)]
        + [Knob("t", kind="grid", lower=0, upper=9, step=2)],
        [Mixture(names, max_parts=parts)],
    )
    editor = TableEditor(space)
    rows = pd.DataFrame(space.sample(12, seed), columns=space.names)
    model = Model(lambda X: X["a"].to_numpy())
    found = sweep(model, editor, rows)
    for shown in model.calls:
        assert space.is_feasible(editor.values(shown), tol=1e-9).all()
    for one in found:
        missing = np.isnan(one.individual)
        np.testing.assert_allclose(1 - missing.mean(axis=0), one.reached)
        if one.knob.name == "a":
            reached = np.broadcast_to(one.values, missing.shape)[~missing]
            np.testing.assert_allclose(one.individual[~missing], reached, atol=1e-9)
    if fixed:
        assert "c" not in [one.knob.name for one in found]


def test_inside_tells_known_from_unknown_territory():
    # Known: the diagonal. Turned to the far corner, a sample leaves it; at its own end it does not.
    known = pd.DataFrame({"a": np.linspace(0, 1, 21), "b": np.linspace(0, 1, 21)})
    editor = TableEditor.from_frame(known, units={"a": "nm", "b": "nm"})
    one = sweep(Model(lambda X: X["a"].to_numpy()), editor, known[:2], ["a"], 5, reference=known)[
        "a"
    ]
    np.testing.assert_array_equal(one.inside, [1, 0, 0, 0, 0])
    assert len(one.data) == 21


def test_sweeps_are_drawn_and_shown_in_words():
    from matplotlib.figure import Figure

    editor = TableEditor.from_frame(RUNS, units={"amount": "$nmol"})
    found = sweep(Model(law), editor, RUNS, interval=lambda X: (law(X) - 1, law(X) + 1))
    axes = Figure().subplots(1, 3)
    found.plot(axes)
    axes[0].figure.canvas.draw()
    assert [ax.get_xlabel() for ax in axes] == [r"amount (\$nmol)", "pulses", "seed"]
    assert "seed: " in repr(found)
    assert "at ZnSe" in repr(found)


@pytest.mark.parametrize("options", [{"knobs": ["colour"]}, {"knobs": []}, {"n_values": 1}])
def test_what_cannot_be_swept_is_said(options):
    with pytest.raises(SettingsError):
        sweep(Model(law), TableEditor.from_frame(RUNS), RUNS, **options)
