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
from matlever.explanation.sweeps.box_plot import box_statistics
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


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"knobs": ["colour"]}, "no knob 'colour'"),
        ({"knobs": []}, "no knob to turn"),
        ({"knobs": ["amount", "amount"]}, "named twice"),
        ({"n_values": 1}, "2 or more"),
        ({"batch_rows": 0}, "batch_rows=0"),
        ({"values": {"amount": [9.0, 20.0]}}, "first is 9"),
        ({"values": {"pulses": [2.5]}}, "none of its values"),
        ({"values": {"pulses": []}}, "list of values"),
        ({"values": {"amount": ["much"]}}, "must be numbers"),
        ({"values": {"seed": ["CdSe", "CdTe"]}}, "CdTe"),
        ({"values": {"seed": ["CdSe"]}, "knobs": ["amount"]}, "not turned"),
        ({"values": {"colour": [1]}}, "no knob 'colour'"),
    ],
)
def test_what_cannot_be_swept_is_said(options, words):
    with pytest.raises(SettingsError, match=words):
        sweep(Model(law), TableEditor.from_frame(RUNS), RUNS, **options)


def test_knobs_that_cannot_move_are_refused_by_name():
    editor = TableEditor(
        KnobSpace(
            [
                Knob("a", lower=0, upper=1),
                Knob("b", lower=0, upper=1, fixed=True),
                Knob("c", "K", lower=5, upper=5),
            ]
        )
    )
    rows = np.array([[0.5, 0.5, 5.0]])
    with pytest.raises(SettingsError, match=r"'b' is fixed; 'c' has one value only, 5 K"):
        sweep(Model(lambda X: X[:, 0]), editor, rows, ["a", "b", "c"])


# -- box plots ------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.integers(1, 30), st.booleans())
def test_boxes_are_those_of_matplotlib(seed, n, coarse):
    from matplotlib.cbook import boxplot_stats

    values = np.random.default_rng(seed).standard_t(2, (n, 3))
    values = np.round(values) if coarse else values
    box = box_statistics(values)
    for j, theirs in enumerate(boxplot_stats(values)):
        for ours, name in [
            ("median", "med"),
            ("whisker_low", "whislo"),
            ("whisker_high", "whishi"),
        ]:
            np.testing.assert_allclose(getattr(box, ours)[j], theirs[name])
        np.testing.assert_allclose((box.q1[j], box.q3[j]), (theirs["q1"], theirs["q3"]))
        np.testing.assert_array_equal(box.outliers[j], np.sort(theirs["fliers"]))


def test_boxes_of_a_sweep_leave_out_points_that_do_not_exist():
    names = ("a", "b", "c")
    space = KnobSpace([Knob(name, lower=0, upper=0.6) for name in names], [Mixture(names)])
    rows = pd.DataFrame([[0.4, 0.3, 0.3], [0.2, 0.6, 0.2], [0.2, 0.3, 0.5]], columns=names)
    rows = pd.concat([rows, rows.assign(b=rows["c"], c=rows["b"])])
    editor = TableEditor(
        KnobSpace([*space.knobs[:2], Knob("c", lower=0, upper=0.6, fixed=True)], space.mixtures)
    )
    one = sweep(Model(lambda X: X["b"].to_numpy()), editor, rows, ["a"], 4)["a"]
    stored = json.loads(json.dumps(one.to_dict(), allow_nan=False))
    assert 0 < np.isnan(one.individual).mean() < 1
    for j in range(4):
        column = one.individual[:, j]
        known = column[np.isfinite(column)]
        expected = np.median(known) if len(known) else None
        assert stored["box"]["median"][j] == expected
    assert len(stored["box"]["outliers"]) == 4
    with pytest.raises(SettingsError, match="several targets"):
        _ = sweep(Model(lambda X: X[["a", "b"]].to_numpy()), editor, rows, ["a"])["a"].box


# -- axes -----------------------------------------------------------------------------------------


def test_a_knob_over_decades_gets_a_logarithmic_axis_and_others_do_not():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "decades": 10 ** rng.uniform(-2, 2, 60),
            "even": rng.uniform(0.01, 100, 60),  # as wide, but even on a linear axis
            "narrow": 10 ** rng.uniform(0, 1, 60),
            "zero": np.append(10 ** rng.uniform(-2, 2, 59), 0.0),
            "count": np.round(10 ** rng.uniform(0, 3, 60)),
        }
    )
    editor = TableEditor.from_frame(X, units=dict.fromkeys(["decades", "even", "narrow"], "s"))
    found = sweep(Model(lambda X: X["decades"].to_numpy()), editor, X, n_values=9)
    scales = {one.knob.name: one.to_dict()["scale"] for one in found}
    assert scales == {
        "decades": "log", "even": "linear", "narrow": "linear", "zero": "linear", "count": "log",
    }  # fmt: skip
    values = np.asarray(found["decades"].values)
    np.testing.assert_allclose(values[1:] / values[:-1], values[1] / values[0])
    np.testing.assert_array_equal(values[[0, -1]], [X["decades"].min(), X["decades"].max()])
    counts = np.asarray(found["count"].values)
    steps = np.diff(np.log(counts[3:]))
    np.testing.assert_allclose(steps, steps.mean(), rtol=0.2)
    np.testing.assert_array_equal(counts, np.rint(counts))


def test_an_axis_is_chosen_from_the_reference_and_kept_for_wanted_values():
    known = pd.DataFrame({"rate": 10.0 ** np.arange(-1, 3)})
    editor = TableEditor.from_frame(known, units={"rate": "K/min"})
    one = sweep(
        Model(lambda X: X["rate"].to_numpy()),
        editor,
        known[:1],
        reference=known,
        values={"rate": [50.0, 0.1, 2.0]},
    )["rate"]
    assert one.scale == "log"
    np.testing.assert_array_equal(one.values, [0.1, 2.0, 50.0])
    np.testing.assert_array_equal(one.individual, [[0.1, 2.0, 50.0]])


def test_wanted_levels_are_named():
    one = sweep(
        Model(law), TableEditor.from_frame(RUNS), RUNS, ["seed"], values={"seed": ["ZnSe", "CdSe"]}
    )["seed"]
    assert [one.show(i) for i in range(2)] == ["CdSe", "ZnSe"]
    np.testing.assert_allclose(one.mean[1], law(RUNS.assign(seed="ZnSe")).mean())
    stored = one.to_dict()
    assert (stored["values"], stored["levels"]) == ([0, 1], ["CdSe", "ZnSe"])
    places = [stored["levels"][int(place)] for place in stored["data"] if place is not None]
    assert places == [word for word in RUNS["seed"] if word != "InP"]


# -- many samples ---------------------------------------------------------------------------------


def test_batches_change_nothing_and_report_how_far_they_are():
    editor = TableEditor.from_frame(RUNS)
    told = []
    model = Model(law)
    whole = sweep(Model(law), editor, RUNS, interval=lambda X: (law(X), law(X) + 1))
    parts = sweep(
        model,
        editor,
        RUNS,
        interval=lambda X: (law(X), law(X) + 1),
        batch_rows=50,
        progress=lambda *said: told.append(said),
    )
    assert max(map(len, model.calls)) <= 50
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(a.individual, b.individual)
        np.testing.assert_allclose(a.upper, b.upper, rtol=1e-14)
    assert told[0] == (0, 90, "amount")
    assert told[-1] == (90, 90, "seed")
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)


def test_box_plots_are_drawn_on_both_kinds_of_axis():
    from matplotlib.figure import Figure

    rates = RUNS.assign(rate=np.geomspace(0.1, 100, 30))
    editor = TableEditor.from_frame(rates, units={"rate": "K/$min"})
    found = sweep(Model(law), editor, rates, targets=["length ($nm)"], reference=rates[::10])
    axes = Figure().subplots(1, 4)
    found.boxplot(axes)
    axes[0].figure.canvas.draw()
    assert [ax.get_xscale() for ax in axes] == ["linear", "linear", "linear", "log"]
    assert axes[3].get_xlabel() == r"rate (K/\$min)"
    assert axes[0].get_ylabel() == r"length (\$nm)"
    boxes = axes[0].patches
    assert len(boxes) == 11
    np.testing.assert_allclose(
        [box.get_y() + box.get_height() for box in boxes], found["amount"].box.q3
    )
    found.plot(axes)  # with a dashed part, far from the three known rows
    axes[0].figure.canvas.draw()
    assert any(ax.get_legend() for ax in axes)
