"""LIME against closed forms, against the lime package's own recipe, and against its promises."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression

from matlever.exceptions import DataError, SettingsError
from matlever.explanation import explain
from matlever.explanation.weights.neighbourhood import gaussian_draws
from matlever.knobs import Knob, KnobSpace, Mixture
from matlever.knobs.table_editor import TableEditor

RNG = np.random.default_rng(7)
X3 = RNG.normal(size=(40, 3)) * [1.0, 20.0, 0.1] + [5.0, 100.0, 0.0]
WIDE = TableEditor.from_frame(X3, limits={f"x{j}": (-1e4, 1e4) for j in range(3)})
SD = X3.std(axis=0)
LEVELS = ("CdSe", "InP", "ZnSe")


class Model:
    """A predictor from a function that counts and keeps what it is shown."""

    def __init__(self, function):
        self.function, self.shown = function, []

    def predict(self, X):
        self.shown.append(X)
        return self.function(X)


def test_slopes_of_a_linear_model_are_exact_and_everything_else_follows():
    slope, tight = np.array([2.0, -0.3, 40.0]), TableEditor.from_frame(X3)
    found = explain(Model(lambda X: 7.0 + X @ slope), tight, X3, reference=X3)
    np.testing.assert_allclose(found.slope, np.tile(slope, (40, 1)), rtol=1e-9)
    np.testing.assert_allclose(found.slope_standardised, found.slope * SD, rtol=1e-12)
    np.testing.assert_allclose(found.contribution, (X3 - X3.mean(0)) * slope, rtol=1e-9)
    np.testing.assert_allclose(found.intercept, 7.0 + X3.mean(0) @ slope, rtol=1e-9)
    np.testing.assert_allclose(found.local_prediction, 7.0 + X3 @ slope, rtol=1e-9)
    np.testing.assert_allclose(found.r2, 1.0, atol=1e-9)
    assert found.spread.max() < 1e-7
    assert found.n_calls == 40 * 9
    assert [i.knob for i in found.overall] == ["x1", "x2", "x0"]
    assert [i.direction for i in found.overall] == ["-", "+", "+"]


def test_slopes_of_a_quadratic_away_from_limits_are_its_gradient():
    H = np.array([[1.0, 0.02, 3.0], [0.02, 0.001, 0.0], [3.0, 0.0, -50.0]])
    found = explain(Model(lambda X: 0.5 * ((X @ H) * X).sum(1)), WIDE, X3, reference=X3, n_calls=81)
    np.testing.assert_allclose(found.slope, X3 @ H, rtol=1e-8)


def test_slope_of_a_cubic_converges_to_the_limit_of_kernel_times_density():
    # The slope of u^3 under a Gaussian of variance tau^2 = k^2 / (1 + k^2) is 3 tau^2.
    X = np.array([[-1.0], [1.0]])
    editor = TableEditor.from_frame(X, limits={"x0": (-50, 50)})
    kappa, at = 1.3, np.array([[0.4], [-2.0]])
    found = explain(
        Model(lambda X: X[:, 0] ** 3),
        editor,
        at,
        reference=X,
        kernel_width=kappa,
        design="gaussian-mirrored",
        n_calls=400_001,
    )
    tau2 = kappa**2 / (1 + kappa**2)
    expected = 3 * at**2 + 3 * tau2
    np.testing.assert_allclose(found.slope, expected, rtol=0.01)
    # ... and the spread says how far off it may be.
    assert (np.abs(found.slope - expected) < 5 * found.spread).all()
    assert (found.spread < 0.02 * expected).all()


@pytest.mark.parametrize("mirrored", [True, False])
def test_same_points_give_the_numbers_of_the_lime_package_without_its_penalty(mirrored):
    # lime 0.2.0.1, LimeTabularExplainer(discretize_continuous=False, sample_around_instance=True):
    # data = normal * scale + row, first row the instance; kernel sqrt(exp(-d^2 / kw^2)) on scaled
    # data; kw = 0.75 sqrt(m); a weighted linear model on scaled data. Categories are drawn from
    # their training frequencies and enter as the indicator "same as the row".
    frame = pd.DataFrame(X3, columns=["a", "b", "c"]).assign(
        d=np.array(LEVELS)[RNG.integers(3, size=40)]
    )
    limits = dict.fromkeys("abc", (-1e4, 1e4))
    editor = TableEditor.from_frame(frame, limits=limits)

    def f(X):
        word = X["d"].map({"CdSe": 0.0, "InP": 1.0, "ZnSe": 3.0}).astype(float)
        return (np.sin(X["a"]) * X["b"] + 100 * np.exp(X["c"]) + 20 * word * X["a"]).to_numpy()

    rows = frame.iloc[[0, 5]]
    design = "gaussian-mirrored" if mirrored else "gaussian"
    found = explain(
        Model(f), editor, rows, reference=frame, design=design, n_calls=401, random_state=3
    )
    draws = gaussian_draws(400, 4, np.random.default_rng(3), mirrored=mirrored)
    frequency = np.array([(frame["d"] == level).mean() for level in LEVELS])
    for i in range(2):
        data = rows.iloc[[i] * 401].reset_index(drop=True)
        for j, name in enumerate("abc"):
            data.loc[1:, name] = rows[name].iloc[i] + SD[j] * draws[:, j]
        drawn = np.searchsorted(np.cumsum(frequency)[:-1], ndtr(draws[:, 3]), side="right")
        data.loc[1:, "d"] = np.array(LEVELS)[drawn]
        scaled = ((data[list("abc")] - X3.mean(0)) / SD).assign(d=data["d"] == rows["d"].iloc[i])
        scaled = scaled.to_numpy(dtype=float)
        distances = np.sqrt(((scaled - scaled[0]) ** 2).sum(1))
        kernel_width = np.sqrt(4) * 0.75
        weights = np.sqrt(np.exp(-(distances**2) / kernel_width**2))
        model = LinearRegression().fit(scaled, f(data), sample_weight=weights)
        np.testing.assert_allclose(found.slope_standardised[i], model.coef_, rtol=1e-7)
        np.testing.assert_allclose(found.intercept[i], model.intercept_, rtol=1e-7)
        np.testing.assert_allclose(
            found.local_prediction[i], model.predict(scaled[:1])[0], rtol=1e-7
        )


def test_fidelity_is_that_of_points_the_surrogate_has_not_seen():
    # Noise that no line can follow: in-sample R2 would be about p / N > 0, held out it is not.
    rng = np.random.default_rng(0)
    noise = Model(lambda X: rng.normal(size=len(X)))
    draws = {"reference": X3, "design": "gaussian"}
    found = explain(noise, WIDE, X3, n_calls=61, kernel_width=5.0, **draws)
    assert np.median(found.r2) < 0
    # Half signal, half noise, many points: R2 is the share of signal.
    half = Model(lambda X: (X[:, 0] - 5) / SD[0] + rng.normal(size=len(X)))
    found = explain(half, WIDE, X3[:5], n_calls=20_001, kernel_width=50.0, **draws)
    np.testing.assert_allclose(found.r2, 0.5, atol=0.03)


def test_spread_is_the_standard_deviation_over_seeds():
    model = Model(lambda X: np.sin(X[:, 0]) * X[:, 1] + np.abs(X[:, 2]) * 300)
    runs = [
        explain(
            model,
            WIDE,
            X3[:4],
            reference=X3,
            design="gaussian-mirrored",
            n_calls=201,
            random_state=seed,
        )
        for seed in range(60)
    ]
    over_seeds = np.std([run.slope_standardised for run in runs], axis=0)
    claimed = np.sqrt(np.mean([run.spread**2 for run in runs], axis=0))
    ratio = claimed / over_seeds
    assert 0.8 < np.median(ratio) < 1.4
    assert ratio.min() > 0.6
    assert ratio.max() < 1.8


def test_same_seed_same_bits_and_permuted_rows_permute_the_answer():
    def predict(X):
        return np.tanh(X[:, 0] - 5) * X[:, 1] + X[:, 2] ** 2

    first = explain(Model(predict), WIDE, X3, reference=X3, n_calls=101)
    assert explain(Model(predict), WIDE, X3, reference=X3, n_calls=101) == first
    order = np.random.default_rng(1).permutation(40)
    permuted = explain(Model(predict), WIDE, X3[order], reference=X3, n_calls=101, batch_rows=1234)
    for name in ("slope", "spread", "contribution", "r2", "intercept", "prediction"):
        np.testing.assert_array_equal(getattr(permuted, name), getattr(first, name)[order])


def test_several_targets_are_the_single_ones_side_by_side():
    def both(X):
        return np.column_stack([X[:, 0] * X[:, 1], np.exp(X[:, 2])])

    names = ["length (nm)", "width"]
    found = explain(Model(both), WIDE, X3[:6], reference=X3, n_calls=101, targets=names)
    assert found.slope.shape == (6, 3, 2)
    for t in (0, 1):
        one = explain(
            Model(lambda X, t=t: both(X)[:, t]),
            WIDE,
            X3[:6],
            reference=X3,
            n_calls=101,
            targets=names[t : t + 1],
        )
        taken = found.for_target(names[t])
        np.testing.assert_allclose(taken.slope, one.slope, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(taken.spread, one.spread, rtol=1e-6, atol=1e-12)
        json.dumps(taken.to_dict(), allow_nan=False)
    assert len(found.to_frame()) == 6 * 3 * 2
    with pytest.raises(SettingsError, match="choose one"):
        found.to_dict()
    with pytest.raises(SettingsError, match="no target 'mass'"):
        found.for_target("mass")


def test_slopes_of_a_mixture_lie_in_the_plane_of_constant_sum():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.dirichlet(np.ones(4), 50) * 100, rng.uniform(200, 400, 50)])
    editor = TableEditor.from_frame(X, mixtures=[Mixture([f"x{j}" for j in range(4)], 100.0)])
    slope = np.array([3.0, 1.0, -2.0, 0.5, 0.1])
    found = explain(Model(lambda X: X @ slope), editor, X, reference=X, n_calls=201)
    tangent = slope - np.append(np.full(4, slope[:4].mean()), 0)
    np.testing.assert_allclose(found.slope, np.tile(tangent, (50, 1)), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.r2, 1, atol=1e-9)
    # The surrogate is right about any feasible change, although no part can move alone.
    change = X[1:] - X[:-1]
    np.testing.assert_allclose((found.slope[:-1] * change).sum(1), change @ slope, atol=1e-6)


KNOBS = st.sampled_from(
    [
        Knob("k", lower=0, upper=3),
        Knob("k", lower=0, upper=3, fixed=True),
        Knob("k", lower=1, upper=1),
        Knob("k", kind="integer", lower=-1, upper=4),
        Knob("k", kind="grid", lower=0, upper=2, step=0.75),
        Knob("k", kind="grid", levels=(0.0, 0.1, 5.0)),
        Knob("k", kind="categorical", levels=LEVELS),
    ]
)


@given(st.lists(KNOBS, min_size=1, max_size=5), st.booleans(), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_nothing_infeasible_is_shown_and_knobs_that_cannot_move_weigh_nothing(kinds, mixed, seed):
    knobs = [
        Knob(
            **{
                **knob.to_dict(),
                "name": f"k{j}",
                **({"lower": None, "upper": None} if knob.levels else {}),
            }
        )
        for j, knob in enumerate(kinds)
    ]
    mixtures = []
    if mixed:
        limits = [(0, 1, False), (0.1, 0.5, False), (0, 1, seed % 2 == 0), (0, 0.6, False)]
        knobs += [Knob(f"m{j}", lower=a, upper=b, fixed=f) for j, (a, b, f) in enumerate(limits)]
        mixtures = [Mixture([f"m{j}" for j in range(4)], max_parts=3 if seed % 3 else None)]
    space = KnobSpace(knobs, mixtures)
    editor = TableEditor(space)
    values = space.sample(25, seed)
    rows = editor.render(
        pd.DataFrame({k.name: ["CdSe"] if k.kind == "categorical" else [0.0] for k in knobs}),
        values[None],
    )
    model = Model(lambda X: editor.values(X) @ np.arange(1.0, len(knobs) + 1))
    try:
        found = explain(model, editor, rows[:4], reference=rows, n_calls=61)
    except SettingsError as error:
        assert "No knob moves" in str(error)  # noqa: PT017
        return
    shown = editor.values(model.shown[0]).reshape(4, -1, len(knobs))
    assert space.is_feasible(shown, tol=1e-9).all()
    frozen = [j for j, knob in enumerate(knobs) if knob.fixed or knob.width == 0]
    assert (shown[:, :, frozen] == values[:4, None, frozen]).all()
    assert (found.slope[:, frozen] == 0).all()
    assert np.isfinite(found.slope).all()


def test_a_sample_outside_the_limits_is_explained_at_the_nearest_setting_with_a_warning():
    editor = TableEditor.from_frame(X3)
    far = X3[:2].copy()
    far[0, 1] = 1e5
    found = explain(Model(lambda X: X.sum(1)), editor, far, reference=X3, n_calls=21)
    assert found.settings[0, 1] == X3[:, 1].max()
    assert "1 of 2 samples lie outside the limits" in found.warnings[0]


def test_a_flat_model_has_no_weights_no_fidelity_and_a_sentence_that_says_so():
    found = explain(Model(lambda X: np.full(len(X), 3.0)), WIDE, X3, reference=X3, n_calls=21)
    assert (found.slope == 0).all()
    assert np.isnan(found.r2).all()
    assert found.sentence == "No knob changes the prediction at any of the 40 rows."
    assert found.to_dict()["r2"] == [None] * 40


def test_the_sentence_names_the_strongest_knob_its_direction_and_its_size():
    frame = pd.DataFrame({"amount": [10.0, 20.0, 30.0], "time": [1.0, 3.0, 2.0]}, index=[2, 3, 4])
    editor = TableEditor.from_frame(frame, units={"amount": "nmol", "time": "min"})
    model = Model(lambda X: -2 * X["amount"].to_numpy() + 3 * X["time"].to_numpy())
    found = explain(model, editor, frame, reference=frame, targets=["length (nm)"])
    assert found.rows == (2, 3, 4)
    assert found.sentence == (
        "amount moves length (nm) most: one standard deviation more (8.16 nmol) lowers it by 16.3 "
        "on average over 3 rows; next comes time (2.45)."
    )
    assert "amount: 16.3" in repr(found)
    # With the unit of the target each number has its unit, and the label need not repeat it.
    for name in ("length (nm)", "length"):
        found = explain(model, editor, frame, reference=frame, targets=[name], target_units=["nm"])
        assert found.sentence == (
            "amount moves length most: one standard deviation more (8.16 nmol) lowers it by "
            "16.3 nm on average over 3 rows; next comes time (2.45)."
        )
        assert found.targets == (name,)


def test_each_of_several_targets_keeps_its_unit():
    found = explain(
        Model(lambda X: np.column_stack([X[:, 0], -X[:, 1]])),
        WIDE,
        X3,
        reference=X3,
        n_calls=41,
        targets=["length (nm)", "cost"],
        target_units=["nm", None],
    )
    assert "raises it by" in found.for_target(0).sentence
    assert " nm on average" in found.for_target("length (nm)").sentence
    assert "x1 moves cost most" in found.for_target("cost").sentence
    assert " nm" not in found.for_target(1).sentence


@pytest.mark.parametrize(("share", "direction"), [(0.85, "+"), (0.75, "mixed"), (0.15, "-")])
def test_a_direction_needs_four_fifths_of_the_weight(share, direction):
    X = np.linspace(0, 100, 101)[:, None]
    editor = TableEditor.from_frame(X, limits={"x0": (-1e4, 1e4)})
    # |x - c| rises on one side of the corner: all slopes have one size, `share` of them are upward.
    corner = 100 * (1 - share)
    found = explain(
        Model(lambda X: np.abs(X[:, 0] - corner)),
        editor,
        X,
        reference=X,
        n_calls=101,
        kernel_width=0.02,
    )
    assert found.overall[0].direction == direction


def test_a_forest_is_explained_and_drawn_with_hostile_names():
    frame = pd.DataFrame(X3, columns=["<b>a</b>", "$x_1$", "c"])
    y = 3 * X3[:, 0] + np.sin(X3[:, 1] / 10)
    forest = RandomForestRegressor(10, random_state=0).fit(frame, y)
    editor = TableEditor.from_frame(frame)
    found = explain(forest, editor, frame, reference=frame, n_calls=101, targets=["<i>$y$"])
    assert found.overall[0].knob == "<b>a</b>"
    assert "<b>" not in found._repr_html_()
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert found.plot(ax) is ax
    ax.figure.canvas.draw()
    (image,) = ax.get_images()
    np.testing.assert_array_equal(image.get_array(), found.slope_standardised)
    assert image.get_clim()[0] == -image.get_clim()[1]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"n_calls": 5},
            SettingsError,
            "n_calls=5: one fold-over design of 3 moving knobs takes 9",
        ),
        ({"kernel_width": 0.0}, SettingsError, "kernel_width=0.0"),
        ({"batch_rows": 0}, SettingsError, "batch_rows=0"),
        ({"targets": ["a", "b"]}, SettingsError, "2 names of targets for 1"),
        ({"reference": X3[:0]}, DataError, "reference holds no sample"),
        ({"reference": X3[:1]}, SettingsError, "No knob moves"),
        ({"samples": X3[:0]}, DataError, "no sample to explain"),
        ({"predictor": Model(lambda X: X[:5, 0])}, DataError, r"shape \(5,\) for"),
        ({"predictor": Model(lambda X: X[:, 0] * np.nan)}, DataError, "returned NaN"),
        (
            {"predictor": Model(lambda X: np.where(X[:, 0] > 5, np.inf, X[:, 0]))},
            DataError,
            "returned an infinite value for the feasible sample x0 = ",
        ),
        ({"target_units": ["nm", "nm"]}, SettingsError, "2 units of targets for 1"),
    ],
)
def test_what_cannot_be_explained_is_said(options, error, message):
    given_ = {"predictor": Model(lambda X: X[:, 0]), "samples": X3, "reference": X3, **options}
    with pytest.raises(error, match=message):
        explain(given_.pop("predictor"), WIDE, given_.pop("samples"), **given_)


def test_many_knobs_get_more_points_and_a_note():
    X = np.random.default_rng(0).normal(size=(30, 60))
    editor = TableEditor.from_frame(X)
    found = explain(
        Model(lambda X: X[:, 7]), editor, X[:2], reference=X, design="gaussian", n_calls=51
    )
    assert found.n_calls == 2 * 251
    assert "250 points per sample instead of 50" in found.warnings[0]
    np.testing.assert_allclose(found.slope[:, 7], 1.0, rtol=1e-6)


def test_a_frame_or_an_array_stands_for_its_editor():
    model = Model(lambda X: np.asarray(X, dtype=float) @ [1.0, 2.0, 3.0])
    by_editor = explain(model, TableEditor.from_frame(X3), X3, reference=X3)
    np.testing.assert_array_equal(explain(model, X3, X3, reference=X3).slope, by_editor.slope)
    with pytest.raises(SettingsError, match="not a NoneType"):
        explain(model, None, X3, reference=X3)
