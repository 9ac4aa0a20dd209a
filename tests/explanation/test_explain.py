"""What `explain` promises beyond LIME: limits, budgets, modes, honesty and lime's own names."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, qmc
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from matlever.exceptions import DataError, SettingsError
from matlever.explanation import explain, kernel_sensitivity, stability
from matlever.explanation.weights.designs import Design, fold_over
from matlever.explanation.weights.stability import coefficient_stability, variable_stability
from matlever.knobs import Knob, KnobSpace, LinearRelation, Mixture, TableEditor

RNG = np.random.default_rng(3)
X4 = RNG.normal(size=(30, 4)) * [1.0, 20.0, 0.1, 3.0] + [5.0, 100.0, 0.0, 1.0]
LIMITS = {f"x{j}": (-1e4, 1e4) for j in range(4)}
WIDE = TableEditor.from_frame(X4, limits=LIMITS)
SD, MEAN = X4.std(axis=0), X4.mean(axis=0)
SYMMETRIC = ("fold-over", "axial", "factorial")


class Asked:
    """A function that keeps the rows it was asked about."""

    def __init__(self, function):
        self.function, self.rows = function, []

    def predict(self, X):
        self.rows.append(np.asarray(X))
        return self.function(X)


def _quadratic(m, seed):
    rng = np.random.default_rng(seed)
    H = rng.normal(size=(m, m))
    H, b = H + H.T, rng.normal(size=m)
    return (lambda X: 3.0 + X @ b + 0.5 * ((X @ H) * X).sum(axis=1)), (lambda X: X @ H + b)


@pytest.mark.parametrize("design", SYMMETRIC)
@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 7, 10])
def test_symmetric_designs_return_the_gradient_of_a_quadratic(design, m):
    X = np.random.default_rng(m).normal(size=(20, m))
    editor = TableEditor.from_frame(X, limits={f"x{j}": (-1e4, 1e4) for j in range(m)})
    f, gradient = _quadratic(m, m)
    for n_calls in (None, 5 * (2**m if design == "factorial" else 8 * -(-m // 4)) + 1):
        found = explain(f, editor, X, reference=X, design=design, n_calls=n_calls)
        np.testing.assert_allclose(found.slope, gradient(X), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("design", ["plackett-burman", "simplex"])
def test_designs_without_mirror_images_are_biased_by_curvature(design):
    # What findings and theory say, and why these are not the default.
    f, gradient = _quadratic(4, 1)
    editor = TableEditor.from_frame(X4 / SD, limits=LIMITS)
    found = explain(f, editor, X4 / SD, reference=X4 / SD, design=design)
    error = np.linalg.norm(found.slope - gradient(X4 / SD)) / np.linalg.norm(gradient(X4 / SD))
    assert error > 0.05


@pytest.mark.parametrize("m", [1, 2, 3, 4, 6, 9, 20, 52])
def test_the_default_budget_is_kept_to_the_call(m):
    X = np.random.default_rng(0).normal(size=(12, m))
    model = Asked(lambda rows: rows.sum(axis=1))
    found = explain(model, X, X)
    assert sum(len(rows) for rows in model.rows) == found.n_calls
    assert found.n_calls <= 12 * (2 * 4 * -(-m // 4) + 1)
    assert len(model.rows) == 1  # one batched call


def test_same_seed_same_bits_whatever_the_batch_and_the_order():
    forest = RandomForestRegressor(20, random_state=0).fit(X4, X4[:, 0] * X4[:, 1])
    order = np.random.default_rng(1).permutation(30)
    for options in (
        {},
        {"n_calls": 200},
        {"design": "axial", "n_calls": 100},
        {"check": 16},
        {"design": "axial", "surrogate": "ridge"},
    ):
        first = explain(forest, WIDE, X4, reference=X4, **options)
        assert explain(forest, WIDE, X4, reference=X4, **options) == first
        turned = explain(forest, WIDE, X4[order], reference=X4, batch_rows=77, **options)
        for name in ("slope", "spread", "r2", "nwise", "correlation", "intercept", "contribution"):
            np.testing.assert_array_equal(getattr(turned, name), getattr(first, name)[order])


@pytest.mark.parametrize(
    "options", [{"n_calls": 100}, {"surrogate": "ridge"}, {"design": "gaussian", "n_calls": 51}]
)
def test_one_sample_alone_gets_the_bits_it_gets_among_many(options):
    # Within the observed limits, where points are moved and surrogates have to be solved for.
    def f(X):
        return X[:, 0] * X[:, 1] + X[:, 2] ** 2 * X[:, 3]

    many = explain(f, X4, X4, **options)
    alone = explain(f, X4, X4, batch_rows=1, **options)
    assert alone == many


@pytest.mark.parametrize(("estimand", "width"), [("lime", 1.5), ("kernel", 0.9)])
def test_many_rotations_converge_to_the_named_estimand(estimand, width):
    def f(X):
        z = (X - MEAN) / SD
        return np.sin(2 * z[:, 0]) + z[:, 1] * np.tanh(z[:, 2]) + np.exp(0.5 * z[:, 3])

    sigma = width / np.sqrt(1 + width**2) if estimand == "lime" else width
    # The definition: E[z f] / sigma^2 under a Gaussian around the sample, by quasi Monte Carlo.
    e = norm.ppf(qmc.Sobol(4, seed=1).random_base2(15).clip(1e-9, 1 - 1e-9))
    e = np.concatenate([e, -e])
    expected = np.stack([(f(x + SD * sigma * e)[:, None] * e).mean(axis=0) / sigma for x in X4[:6]])
    options = {"reference": X4, "estimand": estimand, "kernel_width": width}
    found = explain(f, WIDE, X4[:6], design="fold-over", n_calls=4001, **options)
    np.testing.assert_allclose(found.slope_standardised, expected, rtol=0.02, atol=0.04)
    assert (np.abs(found.slope_standardised - expected) < 5 * found.spread + 0.005).all()
    drawn = explain(f, WIDE, X4[:6], design="gaussian-mirrored", n_calls=40_001, **options)
    np.testing.assert_allclose(drawn.slope_standardised, expected, rtol=0.04, atol=0.03)
    # Low discrepancy: a fraction of the error with a fraction of the points.
    sobol = explain(f, WIDE, X4[:6], design="sobol", n_calls=1001, **options)
    np.testing.assert_allclose(sobol.slope_standardised, expected, rtol=0.01, atol=0.01)


def test_the_two_estimands_differ_and_the_result_says_which():
    def cubic(X):
        return ((X[:, 0] - MEAN[0]) / SD[0]) ** 3

    at = MEAN[None]
    found = {
        name: explain(cubic, WIDE, at, reference=X4, estimand=name, design="axial", radius="shell")
        for name in ("lime", "kernel")
    }
    kappa = 1.5
    ratio = found["kernel"].slope_standardised[0, 0] / found["lime"].slope_standardised[0, 0]
    assert ratio == pytest.approx(1 + kappa**2)
    assert found["lime"].estimand == "lime"
    assert found["kernel"].kernel_width[0] == kappa


# -- limits ---------------------------------------------------------------------------------------

SPACES = st.sampled_from(["box", "steps", "words", "mixture", "few parts", "crowded"])


def _space(kind):
    if kind == "box":
        return KnobSpace([Knob(f"k{j}", lower=0, upper=10.0**j) for j in range(4)])
    if kind == "steps":
        return KnobSpace(
            [
                Knob("n", kind="integer", lower=-1, upper=3),
                Knob("g", kind="grid", lower=0, upper=2, step=0.75),
                Knob("u", kind="grid", levels=(0.0, 0.1, 5.0)),
                Knob("c", lower=0, upper=1),
            ]
        )
    if kind == "words":
        return KnobSpace(
            [Knob("w", kind="categorical", levels=("a", "b", "c")), Knob("c", lower=0, upper=1)]
        )
    parts = [Knob(f"p{j}", lower=0.0, upper=1.0) for j in range(4)]
    if kind == "mixture":
        return KnobSpace([*parts, Knob("t", lower=1, upper=2)], [Mixture([p.name for p in parts])])
    if kind == "few parts":
        return KnobSpace(parts, [Mixture([p.name for p in parts], max_parts=2)])
    tight = [Knob(f"p{j}", lower=0.2, upper=0.3) for j in range(4)]
    return KnobSpace(tight, [Mixture([p.name for p in tight])])


DESIGNS = st.sampled_from(
    [
        *SYMMETRIC,
        "plackett-burman",
        "simplex",
        "gaussian",
        "gaussian-centred",
        "known-rows",
        "joint",
    ]
)


@given(SPACES, DESIGNS, st.sampled_from(["lime", "kernel"]), st.integers(0, 10_000))
@settings(max_examples=120)
def test_nothing_infeasible_is_ever_asked_for(kind, design, estimand, seed):
    space = _space(kind)
    editor = TableEditor(space)
    settings_ = space.sample(25, seed)
    template = {k.name: ["a"] if k.kind == "categorical" else [0.0] for k in space}
    rows = editor.render(pd.DataFrame(template), settings_[None])
    weights = np.random.default_rng(seed).normal(size=len(space))
    shown = []

    def model(X):
        v = editor.values(X)
        shown.append(v)
        return v @ weights

    options = {} if design != "joint" else {"n_calls": 4}
    found = explain(
        model, editor, rows[:5], reference=rows, design=design, estimand=estimand, **options
    )
    for v in shown:
        assert space.is_feasible(v, tol=1e-9).all()
        assert (v >= space.lower - 1e-12).all()
        assert (v <= space.upper + 1e-12).all()
    assert np.isfinite(found.slope).all()
    if design in SYMMETRIC and kind in ("box", "steps"):
        # A linear model is linear wherever the points end up.
        np.testing.assert_allclose(found.slope, np.tile(weights, (5, 1)), rtol=1e-6, atol=1e-9)


def test_at_a_limit_pairs_move_to_the_open_side_and_the_result_says_so():
    editor = TableEditor.from_frame(X4)  # observed limits
    corner = X4.copy()
    corner[0] = X4.max(axis=0)
    model = Asked(lambda X: (X[:, 0] - X4[:, 0].max()) ** 2)
    found = explain(model, editor, corner[:1], reference=X4)
    assert found.one_sided[0].all()
    assert found.slope[0, 0] < 0  # the slope in the middle of the side that exists
    asked = model.rows[0][1:]
    span = np.ptp(asked, axis=0)
    # The side that exists is used for the whole step, and no point goes beyond the limit.
    assert (span > 0.5 * np.sqrt(6 / 4) * 0.8 * SD).all()
    middle = asked.mean(axis=0)[0] - X4[:, 0].max()
    assert found.slope[0, 0] == pytest.approx(2 * middle, rel=1e-9)
    inside = explain(model, editor, MEAN[None], reference=X4)
    assert not inside.one_sided.any()


def test_near_a_limit_pairs_shrink_and_stay_exact_for_quadratics():
    f, gradient = _quadratic(4, 5)
    Z = (X4 - MEAN) / SD
    editor = TableEditor.from_frame(Z, limits={f"x{j}": (-0.5, 0.5) for j in range(4)})
    at = np.array([[0.1, -0.2, 0.0, 0.15]])
    found = explain(f, editor, at, reference=Z)
    assert not found.one_sided.any()
    assert found.outside[0] == 1.0
    assert "lay outside the limits and the designs were shrunk" in found.warnings[0]
    np.testing.assert_allclose(found.slope, gradient(at), rtol=1e-9)


def test_a_whole_number_moves_by_whole_steps_to_both_sides():
    frame = pd.DataFrame({"n": [0.0, 1.0, 2.0, 3.0, 4.0], "c": [0.1, 0.5, 0.2, 0.9, 0.4]})
    model = Asked(lambda X: np.asarray(X)[:, 0] ** 2)
    found = explain(model, frame, frame.iloc[[2]], kernel_width=0.2)
    assert set(model.rows[0][:, 0]) == {1.0, 2.0, 3.0}
    assert found.slope[0, 0] == pytest.approx(4.0)


def test_unseen_territory_is_reported():
    rng = np.random.default_rng(0)
    line = rng.uniform(0, 1, (200, 1)) * np.ones((1, 2)) + 0.01 * rng.normal(size=(200, 2))
    found = explain(lambda X: X[:, 0], line, line[:10])
    # Half of a square design around a diagonal leaves the diagonal.
    assert 0.3 < found.unseen.mean() <= 0.75
    assert explain(lambda X: X[:, 0], line, line[:10], design="known-rows").unseen.max() == 0


# -- mixtures and levels --------------------------------------------------------------------------


@pytest.mark.parametrize("design", SYMMETRIC)
def test_mixtures_move_in_the_plane_of_constant_sum_also_from_its_corners(design):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.dirichlet(np.ones(4), 40), np.eye(4)]) * 100
    editor = TableEditor.from_frame(X, mixtures=[Mixture([f"x{j}" for j in range(4)], 100.0)])
    slope = np.array([3.0, 1.0, -2.0, 0.5])
    found = explain(lambda X: X @ slope, editor, X, reference=X, design=design)
    np.testing.assert_allclose(found.slope, np.tile(slope - slope.mean(), (44, 1)), rtol=1e-6)
    np.testing.assert_allclose(found.slope.sum(axis=1), 0, atol=1e-9)
    assert found.one_sided[-4:].all()  # the corners
    assert not found.one_sided[:40].all()


def test_a_level_weighs_what_it_differs_from_the_others():
    frame = pd.DataFrame({"w": ["a"] * 5 + ["b"] * 3 + ["c"] * 2, "x": np.linspace(0, 1, 10)})
    effect = {"a": 0.0, "b": 1.0, "c": 5.0}

    def model(X):
        return X["w"].map(effect).to_numpy(dtype=float) + 2 * X["x"].to_numpy()

    # A budget in which the levels' shares come out exactly: 5 of 8 a, 3 of 8 b, seen from c.
    found = explain(model, frame, frame, design="fold-over", n_calls=8 * 30 + 1)
    np.testing.assert_allclose(found.slope[8:, 0], 5.0 - 3 / 8, rtol=0.1)
    np.testing.assert_allclose(found.slope[:, 1], 2.0, rtol=0.35)
    assert found[9].as_list()[0][0] == "w=c"


@pytest.mark.parametrize("n_levels", [2, 3, 5, 12])
@pytest.mark.parametrize("m", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("n_calls", [None, 161])
def test_the_effects_of_levels_are_not_taken_for_slopes_of_numbers(n_levels, m, n_calls):
    rng = np.random.default_rng(m)
    names = [f"x{j}" for j in range(m)]
    frame = pd.DataFrame(rng.normal(size=(80, m)), columns=names)
    frame["w"] = [f"l{i}" for i in rng.integers(n_levels, size=80)]
    effect = {f"l{i}": 3.0 * i**2 for i in range(n_levels)}
    editor = TableEditor.from_frame(frame, limits=dict.fromkeys(names, (-1e4, 1e4)))
    f, gradient = _quadratic(m, m)

    def model(X):
        return f(X[names].to_numpy()) + X["w"].map(effect).to_numpy(dtype=float)

    found = explain(model, editor, frame, reference=frame, n_calls=n_calls)
    np.testing.assert_allclose(found.slope[:, :m], gradient(frame[names].to_numpy()), rtol=1e-7)
    assert found.n_calls <= 80 * (n_calls or 2 * 4 * -(-(m + 1) // 4) + 1)


def test_additive_levels_are_no_reason_to_warn_and_no_effect_is_written_so():
    frame = pd.DataFrame({"w": ["a", "b", "c"] * 10, "x": np.linspace(0, 1, 30), "n": range(30)})
    effect = {"a": 1.0, "b": 2.0, "c": 9.0}

    def model(X):
        return X["w"].map(effect).to_numpy(dtype=float) + 1e-3 * X["x"].to_numpy()

    found = explain(model, frame, frame)
    np.testing.assert_allclose(found.r2, 1.0, atol=1e-9)
    assert not any("straight line" in text for text in found.warnings)
    page = found.as_html()
    assert "<td>0 ± 0</td><td>no effect</td>" in page  # not 1e-17, both ways
    assert "<td>0 ± 0 (one side)</td>" in found[0].as_html()


def test_further_points_keep_the_levels_shares_however_narrow_the_kernel():
    frame = pd.DataFrame({"w": ["a"] * 5 + ["b"] * 3 + ["c"] * 2, "x": np.linspace(0, 1, 10)})
    model = Asked(lambda X: X["x"].to_numpy())
    model.predict = lambda X: (model.rows.append(X["w"]), X["x"].to_numpy())[1]
    found = explain(model, frame, frame[:1], kernel_width=0.05, check=4000)
    asked = model.rows[0].iloc[-4000:]
    np.testing.assert_allclose((asked == "a").mean(), 0.5, atol=0.03)
    np.testing.assert_allclose((asked == "c").mean(), 0.2, atol=0.03)
    assert found.r2[0] == pytest.approx(1.0)


@pytest.mark.parametrize("design", ["auto", "axial", "sobol", "plackett-burman"])
def test_relations_leave_slopes_of_linear_models_exact(design):
    knobs = [Knob(n, lower=0.0, upper=1.0) for n in "abcd"]
    few = KnobSpace(
        [*knobs, Knob("t", lower=0, upper=100)],
        [Mixture(tuple("abcd"), max_parts=2)],
        [LinearRelation({"a": 100, "t": 1}, upper=120)],
    )
    X = few.sample(40, 0)
    weights = np.array([1.0, 2.0, 6.0, -9.0, 30.0])
    found = explain(lambda X: X @ weights, TableEditor(few), X, reference=X, design=design)
    np.testing.assert_allclose(found.slope[:, 4], 30.0, rtol=1e-6)
    # Of two parts present, few points can be too few to see every other part.
    exact = np.isclose(found.slope, weights, rtol=1e-6).all(axis=1)
    assert exact.mean() > (0.9 if design in ("auto", "sobol") else 0.8)
    # An equation: only the difference of its two knobs can be seen.
    tied = KnobSpace(
        [Knob("a", lower=0, upper=10), Knob("b", lower=0, upper=10), Knob("c", lower=0, upper=1)],
        relations=[LinearRelation({"a": 1, "b": 1}, lower=10, upper=10)],
    )
    X = tied.sample(40, 0)
    found = explain(
        lambda X: X @ [1.0, 2.0, 30.0], TableEditor(tied), X, reference=X, design=design
    )
    np.testing.assert_allclose(found.slope[:, 1] - found.slope[:, 0], 1.0, rtol=1e-5)
    np.testing.assert_allclose(found.slope[:, 2], 30.0, rtol=1e-6)


# -- fidelity and spread --------------------------------------------------------------------------


def test_fidelity_at_further_points_is_that_of_the_definition():
    f, gradient = _quadratic(2, 0)
    Z = np.random.default_rng(0).normal(size=(40, 2))
    editor = TableEditor.from_frame(Z, limits={"x0": (-1e4, 1e4), "x1": (-1e4, 1e4)})
    sigma = 0.6
    found = explain(
        f,
        editor,
        Z[:5],
        reference=(Z - Z.mean(0)) / Z.std(0),
        check=20_000,
        estimand="kernel",
        kernel_width=sigma,
    )
    # A quadratic form under a Gaussian: explained |g|^2 s^2, the rest tr(H^2) s^4 / 2.
    H = np.stack([gradient(row) - gradient(np.zeros(2)) for row in np.eye(2)])
    explained = (gradient(Z[:5]) ** 2).sum(axis=1) * sigma**2
    rest = np.trace(H @ H) * sigma**4 / 2
    np.testing.assert_allclose(found.r2, explained / (explained + rest), atol=0.03)
    np.testing.assert_allclose(found.nwise, rest, rtol=0.1)
    np.testing.assert_allclose(found.correlation**2, found.r2, atol=0.02)


def test_fidelity_without_further_points_is_close_to_it():
    # The halves of one design stand in for points that cost nothing extra.
    Z = np.random.default_rng(0).normal(size=(60, 6))
    editor = TableEditor.from_frame(Z, limits={f"x{j}": (-1e4, 1e4) for j in range(6)})
    f, _ = _quadratic(6, 2)
    cheap = explain(f, editor, Z, reference=Z)
    dear = explain(f, editor, Z, reference=Z, check=500)
    assert abs(np.median(cheap.r2) - np.median(dear.r2)) < 0.15
    assert "mirrored halves" in cheap.fidelity_at
    assert dear.fidelity_at == "500 further points"
    # Noise has no line, and no fidelity.
    rng = np.random.default_rng(1)
    noise = explain(lambda X: rng.normal(size=len(X)), editor, Z, reference=Z)
    assert np.median(noise.r2) < 0.3
    assert "follows the model poorly" in noise.warnings[-1]


def test_spread_over_rotations_is_that_of_repeated_rotations():
    def f(X):
        z = (X - MEAN) / SD
        return np.sin(2 * z[:, 0] + z[:, 1]) * z[:, 2] + z[:, 3] ** 3

    runs = [
        explain(f, WIDE, X4[:6], reference=X4, n_calls=161, radius="shell", random_state=s)
        for s in range(60)
    ]
    over_seeds = np.std([one.slope_standardised for one in runs], axis=0)
    claimed = np.sqrt(np.mean([one.spread**2 for one in runs], axis=0))
    assert 0.75 < np.median(claimed / over_seeds) < 1.35
    assert runs[0].spread_over == "random rotations of the design"


@pytest.mark.parametrize("as_frame", [True, False])
def test_samples_with_missing_cells_are_said_to_be_filled(as_frame):
    holes = X4[:5].copy()
    holes[1, 2] = holes[3, 0] = holes[3, 1] = np.nan
    rows, known = (pd.DataFrame(holes), pd.DataFrame(X4)) if as_frame else (holes, X4)
    if as_frame:
        rows.columns = known.columns = list("abcd")
    found = explain(lambda X: np.asarray(X) @ [1.0, 2.0, 3.0, 4.0], known, rows)
    assert "2 of 5 samples have missing cells" in found.warnings[0]
    assert found.settings[1, 2] == np.median(X4[:, 2])


@pytest.mark.parametrize("unit", [1e-20, 1e-13, 1e12, 1e100])
@pytest.mark.parametrize("check", [0, 20])
def test_fidelity_does_not_depend_on_the_unit_of_the_target(unit, check):
    f, _ = _quadratic(4, 1)
    one = explain(f, WIDE, X4, reference=X4, check=check)
    scaled = explain(lambda X: unit * f(X), WIDE, X4, reference=X4, check=check)
    np.testing.assert_allclose(scaled.r2, one.r2, rtol=1e-6)
    np.testing.assert_allclose(scaled.correlation, one.correlation, rtol=1e-6)


@pytest.mark.parametrize("options", [{}, {"check": 9}, {"design": "known-rows"}, {"n_calls": 99}])
def test_rounding_of_a_constant_model_is_no_slope(options):
    rng = np.random.default_rng(0)

    def constant(X):
        return 1e9 * (1 + 1e-16 * rng.choice([-1, 0, 1], size=len(X)))

    found = explain(constant, WIDE, X4, reference=X4, **options)
    assert (found.slope == 0).all()
    assert np.isnan(found.r2).all()
    assert not any("straight line" in text for text in found.warnings)
    assert found.sentence == "No knob changes the prediction at any of the 30 rows."


# -- other surrogates and modes -------------------------------------------------------------------


def test_lasso_keeps_the_knobs_that_matter_and_ridge_shrinks():
    slope = np.array([3.0, 0.0, 40.0, 0.0])

    def model(X):
        return X @ slope

    sparse = explain(model, WIDE, X4, reference=X4, surrogate="lasso", n_features=2)
    np.testing.assert_allclose(sparse.slope, np.tile(slope, (30, 1)), rtol=1e-9, atol=1e-9)
    one = explain(model, WIDE, X4, reference=X4, surrogate="lasso", n_features=1)
    largest = np.argmax(np.abs(slope * SD))
    assert (np.flatnonzero(one.slope[0]) == [largest]).all()
    ridge = explain(model, WIDE, X4, reference=X4, surrogate="ridge", penalty=5.0)
    assert (np.abs(ridge.slope[:, [0, 2]]) < np.abs(slope[[0, 2]])).all()
    for options in ({"n_features": 9}, {"n_features": 0}):
        with pytest.raises(SettingsError, match="n_features"):
            explain(model, WIDE, X4, reference=X4, surrogate="lasso", **options)


def test_a_model_that_hides_off_the_data_is_seen_through_by_known_rows():
    # D. Slack et al. (2020): a classifier tells real rows from LIME's perturbed ones; only real
    # rows get the biased answer.
    rng = np.random.default_rng(0)
    base = rng.normal(size=(400, 2))
    X = np.column_stack([base[:, 0], base[:, 1], base @ [1, 1], base @ [1, -1], base[:, 0] * 2])
    X += 0.05 * rng.normal(size=X.shape)
    biased, innocent = 0, 1
    perturbed = X + rng.normal(size=X.shape) * X.std(axis=0)
    guard = RandomForestClassifier(60, random_state=0).fit(
        np.concatenate([X, perturbed]), np.r_[np.ones(400), np.zeros(400)]
    )

    def scheming(rows):
        real = guard.predict(rows) == 1
        return np.where(real, 3 * rows[:, biased], 3 * rows[:, innocent])

    limits = {f"x{j}": (-1e3, 1e3) for j in range(5)}
    editor = TableEditor.from_frame(X, limits=limits)
    fooled = explain(scheming, editor, X[:30], reference=X, design="gaussian", n_calls=1001)
    shown = np.abs(fooled.slope_standardised).mean(axis=0)
    assert shown[innocent] > 2 * shown[biased]
    seen = explain(scheming, editor, X[:30], reference=X, design="known-rows")
    # The columns are nearly dependent: what counts is that the biased one cannot be missed while
    # the innocent one gets no weight.
    direct = np.abs(seen.slope_standardised).mean(axis=0)
    assert direct[biased] + direct[4] > 3 * direct[innocent]
    assert seen.n_calls == 30 + 400


@pytest.mark.parametrize("design", ["known-rows", "joint"])
@pytest.mark.parametrize("fixed", [("x3",), ("x0", "x2")])
def test_what_fixed_knobs_do_elsewhere_is_not_taken_for_a_slope(design, fixed):
    # Known rows and other samples' points do not share the fixed settings of a sample.
    Z = np.random.default_rng(0).normal(size=(80, 4))
    free = [j for j in range(4) if f"x{j}" not in fixed]
    limits = {f"x{j}": (-1e3, 1e3) for j in free}
    editor = TableEditor.from_frame(Z, fixed=fixed, limits=limits)
    slope = np.array([50.0, 2.0, -300.0, 100.0])
    found = explain(lambda X: X @ slope, editor, Z[:40], reference=Z, design=design)
    np.testing.assert_allclose(found.slope[:, free], np.tile(slope[free], (40, 1)), rtol=1e-6)
    np.testing.assert_allclose(found.r2, 1.0, atol=1e-6)


def test_known_rows_in_batches_are_the_same_to_the_bit(monkeypatch):
    Z = np.random.default_rng(0).normal(size=(300, 3))
    whole = explain(lambda X: np.sin(X).sum(axis=1), Z, Z[:50], design="known-rows")
    monkeypatch.setattr("matlever.explanation.weights.known_rows._MOST_NUMBERS", 5_000)
    assert explain(lambda X: np.sin(X).sum(axis=1), Z, Z[:50], design="known-rows") == whole


def test_a_joint_design_says_when_its_points_are_too_few_or_its_work_too_much():
    Z = np.random.default_rng(0).normal(size=(200, 30))
    close = explain(lambda X: X[:, 0], Z[:, :4], 0.3 * Z[:20, :4], design="joint", n_calls=5)
    assert close.warnings == ()
    far = explain(lambda X: X[:, 0], Z, Z[:10], design="joint")
    assert "10 of 10 samples have few shared points" in far.warnings[0]
    with pytest.raises(SettingsError, match="explain fewer samples at once"):
        explain(lambda X: X[:, 0], Z, Z[:180], design="joint")


def test_a_joint_design_shares_calls_between_close_samples():
    f, _ = _quadratic(4, 3)
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(100, 4))
    close = 0.3 * rng.normal(size=(20, 4))
    editor = TableEditor.from_frame(Z, limits=LIMITS)
    truth = explain(f, editor, close, reference=Z).slope
    joint = explain(f, editor, close, reference=Z, design="joint", n_calls=3)
    assert joint.n_calls == 60
    assert len({tuple(row) for row in joint.slope.round(12)}) == 20
    # As many calls each on its own buy three points per sample: no slope of four knobs.
    error = np.linalg.norm(joint.slope - truth) / np.linalg.norm(truth)
    simplex = explain(f, editor, close, reference=Z, design="simplex")
    assert simplex.n_calls == 120
    assert error < np.linalg.norm(simplex.slope - truth) / np.linalg.norm(truth)
    linear = explain(lambda X: X @ [1.0, 2, 3, 4], editor, close, reference=Z, design="joint")
    np.testing.assert_allclose(linear.slope, np.tile([1.0, 2, 3, 4], (20, 1)), rtol=1e-6)
    with pytest.raises(SettingsError, match="n_calls=1 must be"):
        explain(f, editor, close, reference=Z, design="joint", n_calls=1)


def test_a_kernel_width_is_found_where_a_line_explains_what_was_asked():
    # f = b z + c z^2 under a Gaussian of sd s: R2 = b^2 / (b^2 + 2 c^2 s^2).
    Z = np.random.default_rng(0).normal(size=(300, 1))
    Z = (Z - Z.mean()) / Z.std()
    editor = TableEditor.from_frame(Z, limits={"x0": (-1e4, 1e4)})
    at = np.array([[0.5], [2.0], [4.0]])
    found = kernel_sensitivity(
        lambda X: X[:, 0] ** 2,
        editor,
        at,
        reference=Z,
        estimand="kernel",
        widths=np.geomspace(0.05, 4, 25),
    )
    slope = 2 * at[:, 0]
    expected = slope * np.sqrt((1 / 0.9 - 1) / 2)
    np.testing.assert_allclose(found.kernel_width, expected, rtol=0.2)
    assert (np.diff(found.kernel_width) > 0).all()
    json.dumps(found.to_dict(), allow_nan=False)
    by_auto = explain(
        lambda X: X[:, 0] ** 2, editor, at, reference=Z, kernel_width="auto", estimand="kernel"
    )
    assert by_auto.kernel_width.shape == (3,)
    assert (np.diff(by_auto.kernel_width) >= 0).all()


def test_stability_indices_are_the_published_ones_and_never_stand_alone():
    slopes = np.array([[[3.0, 2.0, 1.0]], [[3.0, 1.0, 2.0]], [[3.0, 2.0, 1.0]]])
    # Pairs (1,2) and (2,3) share one of two, (1,3) both: (50 + 50 + 100) / 3.
    np.testing.assert_allclose(variable_stability(slopes, 2), [200 / 3])
    errors = np.full_like(slopes, 0.1)
    # Knob 0 always agrees; knobs 1 and 2 agree in one pair of three.
    np.testing.assert_allclose(coefficient_stability(slopes, errors), [100 * (1 + 2 / 3) / 3])

    def f(X):
        z = (X - MEAN) / SD
        return np.sin(3 * z[:, 0]) + z[:, 1] * z[:, 2] ** 2

    fixed = stability(f, WIDE, X4[:8], reference=X4)
    assert fixed.by_construction
    assert (fixed.vsi == 100).all()
    assert (fixed.csi == 100).all()
    assert (fixed.rotation_spread > 0.005).all()  # which is what the indices do not see
    drawn = stability(f, WIDE, X4[:8], reference=X4, design="gaussian", n_calls=101)
    assert not drawn.by_construction
    assert (drawn.relative_sd > 0).all()
    assert np.isnan(drawn.rotation_spread).all()
    assert "by construction" in repr(fixed)
    json.dumps(fixed.to_dict(), allow_nan=False)
    assert len(drawn.to_frame()) == 8


def test_a_constant_model_has_curves_and_stability_too():
    def constant(X):
        return np.full(len(X), 3.3)

    widths = kernel_sensitivity(constant, WIDE, X4[:3], reference=X4)
    assert "flat" in repr(widths)
    widths.plot()
    steady = stability(constant, WIDE, X4[:3], reference=X4, n_repeats=2)
    assert (steady.relative_sd == 0).all()


def test_stability_rotates_designs_and_says_where_there_is_none():
    def f(X):
        return np.sin((X - MEAN) / SD).sum(axis=1)

    default = stability(f, WIDE, X4[:3], reference=X4, n_repeats=3)
    auto = stability(f, WIDE, X4[:3], reference=X4, n_repeats=3, design="auto")
    np.testing.assert_array_equal(auto.rotation_spread, default.rotation_spread)
    assert np.isfinite(default.rotation_spread).all()
    for options in ({"n_calls": 101}, {"design": "known-rows"}, {"design": "joint"}):
        found = stability(f, WIDE, X4[:3], reference=X4, n_repeats=2, **options)
        assert np.isnan(found.rotation_spread).all()
        assert "no design that could be rotated" in repr(found)


# -- models of all kinds, and lime's names --------------------------------------------------------


def test_a_torch_module_and_a_function_are_explained_alike():
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))

    def function(X):
        with torch.no_grad():
            return module(torch.as_tensor(np.asarray(X), dtype=torch.float32))[:, 0].numpy()

    by_module = explain(module, WIDE, X4, reference=X4)
    np.testing.assert_array_equal(by_module.slope, explain(function, WIDE, X4, reference=X4).slope)


def test_limes_names_mean_what_they_mean_in_lime(tmp_path):
    slope = np.array([2.0, -0.3, 40.0, 0.0])
    frame = pd.DataFrame(X4, columns=["a", "b", "c", "<d>"], index=range(2, 32))
    found = explain(lambda X: 7 + X.to_numpy() @ slope, frame, frame)
    one = found[3]
    assert [name for name, _ in one.as_list()] == ["b", "c", "a", "<d>"]
    weights = dict(one.as_map()[1])
    np.testing.assert_allclose([weights[j] for j in range(4)], slope * SD, rtol=1e-9, atol=1e-12)
    assert dict(one.as_map()[0])[1] == -weights[1]
    assert one.as_list(label=0)[0][1] == -one.as_list()[0][1]
    assert one.local_pred == pytest.approx(one.predicted_value)
    assert one.intercept == pytest.approx(7 + MEAN @ slope)
    assert one.score == pytest.approx(1.0)
    figure = one.as_pyplot_figure()
    figure.canvas.draw()
    one.save_to_file(tmp_path / "one.html")
    page = (tmp_path / "one.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "&lt;d&gt;" in page
    assert "<d>" not in page
    assert list(tmp_path.iterdir()) == [tmp_path / "one.html"]
    assert len(one.to_frame()) == 4
    assert len(list(found)) == 30
    found.save_html(tmp_path / "all.html")
    page = (tmp_path / "all.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;d&gt;" in page
    assert "<d>" not in page
    assert "<script" not in found._repr_html_() + one._repr_html_()
    with pytest.raises(IndexError):
        found[30]
    with pytest.raises(TypeError, match="slice"):
        found[:3]
    named = explain(lambda X: X.to_numpy() @ slope, frame, frame[:2], targets="yield")
    assert named.targets == ("yield",)
    with pytest.raises(DataError, match=r"\(2, 2\) numbers per sample"):
        explain(lambda X: np.zeros((len(X), 2, 2)), frame, frame[:2])


def test_pages_of_many_knobs_show_what_can_be_read_and_say_so():
    names = [f"the rather long name of knob number {j}" for j in range(60)]
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 60)), columns=names)
    found = explain(lambda X: X.to_numpy() @ np.arange(60.0), frame, frame)
    page = found.as_html()
    assert "The table shows the 40 knobs with the largest weights of 60." in page
    assert "The map shows the 20 with the largest weights." in page
    assert "the rather long…umber 59" in page
    labels = [text.get_text() for text in found[0].plot().get_yticklabels()]
    assert max(map(len, labels)) <= 32
    assert len(set(labels)) == 30
    few = explain(lambda X: X[:, 0], X4, X4).as_html()
    assert "largest weights" not in few


def test_settings_that_cannot_be_used_are_named():
    def call(**options):
        return explain(lambda X: X[:, 0], WIDE, X4, **{"reference": X4, **options})

    for options, message in [
        ({"design": "latin"}, "design='latin' is not one of"),
        ({"design": "gaussian-x"}, "design='gaussian-x'"),
        ({"radius": "far"}, "radius='far'"),
        ({"radius": -1.0}, "radius=-1.0"),
        ({"radius": "two-shells"}, "two designs or more"),
        ({"surrogate": "tree"}, "surrogate='tree'"),
        ({"estimand": "mean"}, "estimand='mean'"),
        ({"kernel_width": "wide"}, "kernel_width='wide'"),
        ({"kernel_width": [1.0, 2.0]}, "one for each of the 30"),
        ({"surrogate": "ridge", "penalty": -1.0}, "penalty"),
        ({"jitter": -0.1}, "jitter"),
        ({"penalty": 1.0}, "penalty=... is for surrogate='ridge'"),
        ({"n_features": 2}, "n_features=... is for surrogate='lasso'"),
        ({"design": "known-rows", "surrogate": "lasso"}, "surrogate=... has no meaning"),
        ({"design": "joint", "check": 3, "jitter": 0.1}, "jitter=.*check=... has no meaning"),
        ({"design": "gaussian", "radius": 1.0}, "radius=... has no meaning"),
        ({"n_calls": 2.5}, "n_calls=2.5 must be a whole number"),
        ({"n_calls": 0, "design": "gaussian"}, "n_calls=0 must be a whole number"),
        ({"n_calls": "many"}, "n_calls='many'"),
        (
            {"design": Design("mine", fold_over(4).points[::-1][[0, 2, 1, 3, 4, 5, 6, 7]], True)},
            "mir",
        ),
        ({"check": -1}, "check=-1"),
        ({"reference": None}, "Give reference"),
    ]:
        with pytest.raises(SettingsError, match=message):
            call(**options)


def test_results_can_be_copied_without_the_model_behind_them():
    class Unpicklable:
        def predict(self, X):
            return X[:, 0]

        def __reduce__(self):
            raise TypeError("a model that cannot be copied")

    found = explain(Unpicklable(), X4, X4)
    again = pickle.loads(pickle.dumps(found))
    assert again == found
    np.testing.assert_array_equal(again.unseen, found.unseen)


def test_odd_predictors_and_rows_are_named():
    module = torch.nn.Linear(4, 1)

    def with_gradient(X):
        return module(torch.as_tensor(np.array(X), dtype=torch.float32))[:, 0]

    by_module = explain(module, WIDE, X4, reference=X4)
    np.testing.assert_allclose(
        explain(with_gradient, WIDE, X4, reference=X4).slope, by_module.slope, rtol=1e-6
    )
    with pytest.raises(DataError, match="must return numbers"):
        explain(lambda X: ["high"] * len(X), WIDE, X4, reference=X4)
    with pytest.raises(DataError, match="keep two dimensions"):
        explain(len, WIDE, X4[0], reference=X4)
    twice = pd.DataFrame(X4, columns=["a", "b", "a", "c"])
    with pytest.raises(DataError, match="'a' stands twice"):
        explain(len, twice, twice)
