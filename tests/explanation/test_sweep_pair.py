"""Surfaces over two knobs: the right mean, the right gaps, and interaction of known size."""

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
from matlever.explanation import friedman_h, strongest_pairs, sweep, sweep_pair
from matlever.knobs import Knob, KnobSpace, LinearRelation, Mixture, TableEditor

RNG = np.random.default_rng(5)
RUNS = pd.DataFrame(
    {
        "amount": RNG.uniform(10, 60, 40),
        "time": RNG.uniform(1, 5, 40),
        "pulses": RNG.integers(1, 6, 40).astype(float),
        "seed": np.array(["CdSe", "InP", "ZnSe"])[RNG.integers(3, size=40)],
    }
)
EDITOR = TableEditor.from_frame(RUNS, units={"amount": "nmol", "time": "h"})
WORDS = {"CdSe": 1.0, "InP": 2.0, "ZnSe": 4.0}
PARTS = ("a", "b", "c", "d")


def word(X):
    return X["seed"].map(WORDS).to_numpy(dtype=float)


def additive(X):
    return np.sqrt(X["amount"].to_numpy()) + X["pulses"].to_numpy() ** 2 - word(X)


def product(X):
    return X["amount"].to_numpy() * X["time"].to_numpy()


# -- the surface ----------------------------------------------------------------------------------


def test_surface_is_scikit_learns_two_way_partial_dependence_of_a_forest():
    X = RUNS[["amount", "time", "pulses"]].to_numpy()
    forest = RandomForestRegressor(20, random_state=0).fit(X, X[:, 0] * X[:, 1] + X[:, 2])
    found = sweep_pair(forest, X, X, ("x0", "x1"), 7)
    grid = dict(enumerate(found.values))
    theirs = partial_dependence(
        forest, X, [0, 1], method="brute", custom_values=grid, kind="average"
    )
    np.testing.assert_allclose(found.mean, theirs["average"][0], rtol=1e-12)
    assert found.n_calls == 40 * 49


def test_each_row_of_a_surface_is_the_sweep_of_samples_with_the_other_knob_there():
    found = sweep_pair(additive, EDITOR, RUNS, ("seed", "amount"), 5)
    assert found.mean.shape == (3, 5)
    for i, level in enumerate(WORDS):
        there = sweep(additive, EDITOR, RUNS.assign(seed=level), ["amount"], 5)["amount"]
        np.testing.assert_allclose(found.mean[i], there.mean, rtol=1e-12)


def test_several_targets_intervals_and_batches():
    def two(X):
        return np.column_stack([additive(X), product(X)])

    told = []
    options = {"interval": lambda X: (two(X) - 1, two(X) + 2), "targets": ["y", "xy ($h)"]}
    both = sweep_pair(two, EDITOR, RUNS, ("amount", "time"), 4, **options)
    small = sweep_pair(
        two,
        EDITOR,
        RUNS,
        ("amount", "time"),
        4,
        **options,
        batch_rows=100,
        progress=lambda *said: told.append(said),
    )
    np.testing.assert_allclose(both.mean, small.mean, rtol=1e-13)
    assert told[-1] == (40, 40, "amount, time")
    one = both.for_target("xy ($h)")
    np.testing.assert_allclose(one.mean, np.outer(*tuple(one.values)), rtol=1e-12)
    np.testing.assert_allclose(one.lower, one.mean - 1)
    np.testing.assert_allclose(one.upper, one.mean + 2)
    np.testing.assert_allclose(both.interaction.strength[1], one.interaction.strength)
    with pytest.raises(SettingsError, match="choose one"):
        both.to_dict()
    assert "xy ($h)" in repr(both)
    assert len(one.to_frame()) == 16


def test_infinite_limits_become_missing():
    found = sweep_pair(
        additive,
        EDITOR,
        RUNS,
        ("amount", "seed"),
        3,
        interval=lambda X: (np.full(len(X), -np.inf), additive(X)),
    )
    assert np.isnan(found.lower).all()
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["lower"] == [[None] * 3] * 3


def test_wanted_values_of_one_of_two_knobs():
    from matplotlib.figure import Figure

    wanted = {"seed": ["ZnSe", "CdSe"]}
    found = sweep_pair(additive, EDITOR, RUNS, ("amount", "seed"), 4, values=wanted)
    stored = found.to_dict()
    assert stored["levels"] == [None, ["CdSe", "ZnSe"]]
    assert stored["values"][1] == [0, 1]
    assert stored["data"][1].count(None) == (RUNS["seed"] == "InP").sum()
    np.testing.assert_allclose(np.diff(found.mean, axis=1), WORDS["CdSe"] - WORDS["ZnSe"])
    ax = found.plot(Figure().subplots())
    assert [text.get_text() for text in ax.get_yticklabels()] == ["CdSe", "ZnSe"]
    assert list(found.to_frame()["seed"][:2]) == ["CdSe", "ZnSe"]


# -- interaction ----------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", [("amount", "pulses"), ("seed", "amount"), ("pulses", "seed")])
def test_an_additive_model_has_no_interaction(pair):
    found = sweep_pair(additive, EDITOR, RUNS, pair)
    assert found.interaction.strength < 1e-20
    assert found.interaction.sd < 1e-10
    assert friedman_h(additive, EDITOR, RUNS, pair) < 1e-10


def test_interaction_of_a_product_is_the_closed_form():
    # x y on an even grid: the variance is Vx Vy (interaction) + my² Vx + mx² Vy (the two curves).
    found = sweep_pair(product, EDITOR, RUNS, ("amount", "time"), 9)
    (mx, vx), (my, vy) = ((x.mean(), x.var()) for x in tuple(found.values))
    np.testing.assert_allclose(found.interaction.sd, np.sqrt(vx * vy), rtol=1e-12)
    np.testing.assert_allclose(
        found.interaction.strength, vx * vy / (vx * vy + my**2 * vx + mx**2 * vy), rtol=1e-12
    )
    document = found.to_dict()
    assert document["interaction"] == pytest.approx(float(found.interaction.strength))
    assert f"{100 * document['interaction']:.0f} % of that variance" in found.sentence


def test_a_flat_surface_has_no_interaction_but_a_saddle_is_nothing_else():
    flat = sweep_pair(lambda X: np.full(len(X), 3.0), EDITOR, RUNS, ("amount", "time"))
    assert flat.interaction.strength == 0

    def saddle(X):
        a, t = (
            X[name] - (EDITOR.space[name].low + EDITOR.space[name].high) / 2
            for name in ("amount", "time")
        )
        return (a * t).to_numpy()

    found = sweep_pair(saddle, EDITOR, RUNS, ("amount", "time"))
    np.testing.assert_allclose(found.interaction.strength, 1.0, rtol=1e-12)


def test_friedmans_h_is_its_definition():
    def law(X):
        return np.sin(X["amount"].to_numpy()) * X["pulses"].to_numpy() + word(X)

    x, p, w = RUNS["amount"].to_numpy(), RUNS["pulses"].to_numpy(), word(RUNS)
    both = np.sin(x) * p + w.mean()
    first, second = np.sin(x) * p.mean() + w.mean(), np.sin(x).mean() * p + w.mean()
    both, first, second = (f - f.mean() for f in (both, first, second))
    expected = np.sqrt(((both - first - second) ** 2).sum() / (both**2).sum())
    np.testing.assert_allclose(
        friedman_h(law, EDITOR, RUNS, ("amount", "pulses"), batch_rows=300), expected, rtol=1e-10
    )
    assert np.isnan(friedman_h(lambda X: np.ones(len(X)), EDITOR, RUNS, ("amount", "time")))
    two = friedman_h(
        lambda X: np.column_stack([law(X), additive(X)]), EDITOR, RUNS, ("amount", "pulses")
    )
    np.testing.assert_allclose(two, [expected, 0], atol=1e-9)


# -- what cannot be set ---------------------------------------------------------------------------


def test_two_parts_of_a_mixture_move_along_coxs_direction_and_stop_at_their_sum():
    rows = pd.DataFrame(np.random.default_rng(0).dirichlet(np.ones(4), 25), columns=PARTS)
    space = KnobSpace([Knob(name, lower=0, upper=1) for name in PARTS], [Mixture(PARTS)])
    seen = []

    def law(X):
        seen.append(X)
        return X["a"].to_numpy() + 2 * X["b"].to_numpy() + 3 * X["c"].to_numpy()

    found = sweep_pair(law, TableEditor(space), rows, ("a", "b"), 5)
    a, b = np.meshgrid(*tuple(found.values), indexing="ij")
    possible = a + b <= 1 + 1e-12
    np.testing.assert_array_equal(np.isfinite(found.mean), possible)
    np.testing.assert_array_equal(found.reached, possible)
    share = (rows["c"] / (rows["c"] + rows["d"])).mean()
    expected = a + 2 * b + 3 * share * (1 - a - b)
    np.testing.assert_allclose(found.mean[possible], expected[possible], rtol=1e-9)
    # On the triangle the surface is a plane: no interaction, although its cells are no rectangle.
    assert found.interaction.strength < 1e-15
    stored = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert stored["mean"][4][4] is None
    for X in seen:
        assert space.is_feasible(X.to_numpy(), tol=1e-9).all()


def test_a_change_of_the_samples_is_not_taken_for_interaction():
    # Where c is fixed, samples with more of it reach fewer cells: the mean jumps at their border.
    space = KnobSpace(
        [Knob(name, lower=0, upper=1, fixed=name == "c") for name in PARTS], [Mixture(PARTS)]
    )
    rows = pd.DataFrame([[0.2, 0.2, 0.5, 0.1], [0.3, 0.3, 0.1, 0.3]], columns=PARTS)
    found = sweep_pair(
        lambda X: X["a"].to_numpy() + 10 * X["c"].to_numpy(),
        TableEditor(space),
        rows,
        ("a", "b"),
        9,
    )
    assert set(np.unique(found.reached)) == {0.0, 0.5, 1.0}
    assert found.interaction.strength < 1e-20


@given(st.integers(0, 10_000), st.sampled_from([None, 2, 3]), st.booleans())
@settings(max_examples=25)
def test_every_setting_shown_is_feasible(seed, parts, fixed):
    limits = [(0.0, 0.7, False), (0.0, 0.6, False), (0.0, 0.7, fixed), (0.0, 0.7, False)]
    space = KnobSpace(
        [Knob(n, lower=a, upper=b, fixed=f) for n, (a, b, f) in zip(PARTS, limits, strict=True)]
        + [Knob("t", kind="grid", lower=0, upper=9, step=2)],
        [Mixture(PARTS, max_parts=parts)],
    )
    editor = TableEditor(space)
    rows = pd.DataFrame(space.sample(8, seed), columns=space.names)
    seen = []

    def law(X):
        seen.append(X.to_numpy())
        return X["a"].to_numpy()

    for pair in [("a", "b"), ("t", "d")]:
        found = sweep_pair(law, editor, rows, pair, 5)
        np.testing.assert_array_equal(np.isnan(found.mean), found.reached == 0)
    strongest_pairs(law, editor, rows)
    for shown in seen:
        assert space.is_feasible(shown, tol=1e-9).all()


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        (("amount",), "two knobs"),
        ("amount", "two knobs"),
        (("amount", "colour"), "colour"),
        (("amount", "amount"), "twice"),
    ],
)
def test_what_is_no_pair_is_said(knobs, words):
    with pytest.raises(SettingsError, match=words):
        sweep_pair(additive, EDITOR, RUNS, knobs)


def test_the_two_parts_of_a_binary_mixture_are_one_knob():
    space = KnobSpace(
        [Knob(name, lower=0, upper=1) for name in ("a", "b")]
        + [Knob("c", lower=0, upper=1, fixed=True)],
        [Mixture(("a", "b", "c"))],
    )
    rows = np.array([[0.5, 0.3, 0.2]])
    with pytest.raises(SettingsError, match="one follows from the other"):
        sweep_pair(lambda X: X[:, 0], TableEditor(space), rows, ("a", "b"))
    with pytest.raises(SettingsError, match="no two knobs"):
        strongest_pairs(lambda X: X[:, 0], TableEditor(space), rows)


def test_knobs_tied_by_a_relation_stop_at_its_limit():
    space = KnobSpace(
        [Knob(name, lower=0, upper=1) for name in "abc"],
        relations=[LinearRelation({"a": 1, "b": 1}, upper=1.2)],
    )
    rows = space.sample(10, 0)
    seen = []

    def law(X):
        seen.append(X)
        return X[:, 0] * X[:, 2] + X[:, 1]

    found = sweep_pair(law, TableEditor(space), rows, ("a", "b"), 6)
    a, b = np.meshgrid(*tuple(found.values), indexing="ij")
    np.testing.assert_array_equal(np.isfinite(found.mean), a + b <= 1.2 + 1e-9)
    expected = a * rows[:, 2].mean() + b
    np.testing.assert_allclose(found.mean, np.where(a + b <= 1.2 + 1e-9, expected, np.nan))
    # With a held, b makes room: every pair of a and c can be set.
    other = sweep_pair(law, TableEditor(space), rows, ("a", "c"), 6)
    a, c = np.meshgrid(*tuple(other.values), indexing="ij")
    room = np.minimum(rows[:, 1], 1.2 - a[..., None]).mean(axis=2)
    np.testing.assert_allclose(other.mean, a * c + room, rtol=1e-9)
    for X in seen:
        assert space.is_feasible(X, tol=1e-9).all()


def test_knobs_tied_by_an_equation_are_one_knob():
    space = KnobSpace(
        [Knob(name, lower=0, upper=1) for name in "ab"],
        relations=[LinearRelation({"a": 1, "b": -1}, lower=0, upper=0)],
    )
    with pytest.raises(SettingsError, match="cannot be set independently"):
        sweep_pair(lambda X: X[:, 0], TableEditor(space), space.sample(5, 0), ("a", "b"), 6)


def test_no_sample_and_wrong_numbers_are_refused():
    with pytest.raises(DataError, match="no sample"):
        sweep_pair(additive, EDITOR, RUNS[:0], ("amount", "time"), reference=RUNS)
    with pytest.raises(DataError, match="no sample"):
        strongest_pairs(additive, EDITOR, RUNS[:0], reference=RUNS)
    with pytest.raises(DataError, match="no sample"):
        friedman_h(additive, EDITOR, RUNS[:0], ("amount", "time"))
    for options in ({"n_pairs": 0}, {"n_values": 1}, {"n_samples": 0}, {"most_knobs": 1}):
        with pytest.raises(SettingsError, match=next(iter(options))):
            strongest_pairs(additive, EDITOR, RUNS, **options)
    with pytest.raises(SettingsError, match="n_values"):
        sweep_pair(additive, EDITOR, RUNS, ("amount", "time"), 1)


# -- which pairs ----------------------------------------------------------------------------------


def test_the_interacting_pair_of_friedmans_function_is_found():
    rng = np.random.default_rng(1)
    X = rng.uniform(size=(100, 7))

    def friedman1(X):
        return (
            10 * np.sin(np.pi * X[:, 0] * X[:, 1])
            + 20 * (X[:, 2] - 0.5) ** 2
            + 10 * X[:, 3]
            + 5 * X[:, 4]
        )

    calls = []
    found = strongest_pairs(lambda X: (calls.append(len(X)), friedman1(X))[1], X, X)
    assert found.pairs == (("x0", "x1"),)  # and no second one, for there is none
    assert len(calls) == 1
    assert found.n_calls == calls[0] == 21 * 16 * 20
    few = strongest_pairs(friedman1, X, X, batch_rows=500)
    np.testing.assert_allclose(few.sd, found.sd, atol=1e-12)
    assert "x0 and x1" in repr(found)


def test_a_strong_pair_comes_before_one_that_hardly_matters():
    X = np.random.default_rng(2).uniform(size=(30, 4))
    found = strongest_pairs(lambda X: X[:, 0] * X[:, 1] + 1e-3 * (X[:, 2] > 0.5) * X[:, 3], X, X)
    assert found.pairs == (("x0", "x1"), ("x2", "x3"))
    table = found.to_frame()
    assert table["interaction"][1] > table["interaction"][0]  # the share would say the opposite
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_ranking_is_that_of_full_sweeps_on_the_same_grid():
    found = strongest_pairs(
        lambda X: product(X) * word(X), EDITOR, RUNS, n_values=3, n_samples=40, targets=["y"]
    )
    for position, pair in enumerate(found.candidates):
        whole = sweep_pair(lambda X: product(X) * word(X), EDITOR, RUNS, pair, 3)
        np.testing.assert_allclose(found.sd[position], whole.interaction.sd, atol=1e-9)
    assert next(iter(found)) == found.pairs[0]


def test_of_many_knobs_those_that_move_single_predictions_are_paired():
    # x0 x1 has no effect on average: only single predictions move.
    X = np.random.default_rng(3).choice([-1.0, 1.0], size=(40, 12)) + 1e-6
    calls = []

    def law(X):
        calls.append(len(X))
        return X[:, 3] * X[:, 7]

    found = strongest_pairs(law, X, X, most_knobs=3)
    assert found.pairs[0] == ("x3", "x7")
    assert len(found.candidates) == 3
    assert found.n_calls == sum(calls)


# -- pictures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", [("amount", "time"), ("seed", "amount"), ("pulses", "seed")])
def test_pictures_carry_units_levels_and_target(pair):
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    found = sweep_pair(additive, EDITOR, RUNS, pair, 5, reference=RUNS[:6], targets=["$y (nm)"])
    ax = found.plot(figure.subplots())
    figure.canvas.draw()
    labels = {"amount": "amount (nmol)", "time": "time (h)"}
    assert (ax.get_xlabel(), ax.get_ylabel()) == tuple(labels.get(name, name) for name in pair)
    assert figure.axes[1].get_ylabel() == r"\$y (nm)"
    for name, axis in zip(pair, (ax.xaxis, ax.yaxis), strict=True):
        if name == "seed":
            assert [text.get_text() for text in axis.get_ticklabels()] == list(WORDS)
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words == ["known samples"] + ["turned samples far from data"] * (not found.is_near.all())
    assert "<pre>" in found._repr_html_()


@pytest.mark.parametrize("steps", [False, True])
def test_settings_far_from_all_data_are_hatched(steps):
    from matplotlib.figure import Figure

    known = pd.DataFrame({"a": np.linspace(0, 1, 21), "b": np.linspace(0, 1, 21)})
    kind = {"kind": "grid", "step": 0.05} if steps else {}
    editor = TableEditor(KnobSpace([Knob(name, lower=0, upper=1, **kind) for name in "ab"]))
    found = sweep_pair(lambda X: X["a"].to_numpy(), editor, known, ("a", "b"), 21)
    # The radius is the distance of neighbours on the diagonal: two steps beside it are just inside.
    apart = np.abs(np.subtract.outer(np.arange(21), np.arange(21)))
    np.testing.assert_array_equal(found.is_near, apart <= 2)
    figure = Figure()
    ax = found.plot(figure.subplots())
    figure.canvas.draw()
    hatches = [
        part.hatches if hasattr(part, "hatches") else [part.get_hatch()] for part in ax.collections
    ]
    assert ["////"] in [list(hatch) for hatch in hatches]
    assert "78 % of the settings are far" in found.sentence


def test_a_constant_surface_and_one_with_gaps_can_be_drawn():
    from matplotlib.figure import Figure

    space = KnobSpace([Knob(name, lower=0, upper=1) for name in PARTS], [Mixture(PARTS)])
    rows = pd.DataFrame(space.sample(9, 0), columns=PARTS)
    for law in (lambda X: np.ones(len(X)), lambda X: X["a"].to_numpy()):
        figure = Figure()
        ax = sweep_pair(law, TableEditor(space), rows, ("a", "b"), 6).plot(figure.subplots())
        figure.canvas.draw()
        assert "cannot be set" in [text.get_text() for text in ax.get_legend().get_texts()]
