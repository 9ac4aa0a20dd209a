"""Linear relations: nearest, idempotent, uniform; against general solvers and brute force."""

from __future__ import annotations

import itertools
import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize
from scipy.stats import beta, kstest

from matlever.exceptions import DataError, SettingsError
from matlever.knobs import (
    Knob,
    KnobSpace,
    LinearRelation,
    Mixture,
    TableEditor,
    _coupled,
    predict_settings,
)


def scales(space):
    """Units in which distances are Euclidean."""
    width = np.where(space.upper > space.lower, space.upper - space.lower, 1.0)
    for mixture in space.mixtures:
        width[space.positions(mixture.names)] = mixture.total
    return width


def some_relations(rng, names, point, n_equations):
    """One to three relations that hold at `point`, the first ones equations."""
    relations = []
    for i in range(int(rng.integers(1, 4))):
        some = rng.choice(len(names), size=min(len(names), int(rng.integers(1, 4))), replace=False)
        weights = {names[j]: float(rng.choice([-2.0, -1.0, 1.0, 3.5])) for j in some}
        total = sum(a * point[names.index(n)] for n, a in weights.items())
        room = float(rng.choice([0.0, 0.1, 1.0]))
        if i < n_equations:
            relations.append(LinearRelation(weights, total, total))
        elif rng.random() < 0.5:
            relations.append(LinearRelation(weights, upper=total + room))
        else:
            relations.append(LinearRelation(weights, total - room, total + 2 * room))
    return relations


def continuous_space(seed):
    rng = np.random.default_rng(seed)
    p = int(rng.integers(2, 6))
    names = [f"x{i}" for i in range(p)]
    low = rng.uniform(-3, 1, p)
    knobs = [
        Knob(n, lower=lo, upper=lo + w)
        for n, lo, w in zip(names, low, rng.choice([0.5, 2.0, 100.0], p), strict=True)
    ]
    mixtures = []
    if rng.random() < 0.5:
        parts = [f"m{i}" for i in range(int(rng.integers(2, 4)))]
        knobs += [Knob(n, lower=0, upper=float(rng.choice([0.7, 1.0]))) for n in parts]
        mixtures = [Mixture(parts)]
    if rng.random() < 0.3:
        knobs.append(Knob("word", kind="categorical", levels="xyz"))
    if rng.random() < 0.3:
        knobs.insert(0, Knob("still", lower=0, upper=1, fixed=True))
    bare = KnobSpace(knobs, mixtures)
    point = bare.sample(1, rng)[0]
    numbers = [n for n in bare.names if bare[n].kind != "categorical"]
    at = point[bare.positions(numbers)]
    return KnobSpace(
        knobs, mixtures, some_relations(rng, numbers, at, int(rng.integers(0, 2)))
    ), point


def around(space, rng, point, n):
    values = point + scales(space) * rng.normal(0, 1, (n, len(space))) * rng.choice([0.1, 1.0, 3.0])
    return np.where(space.is_fixed, point, values)


@given(st.integers(0, 2**31))
@settings(max_examples=100, deadline=None)
def test_projection_is_feasible_idempotent_and_nearer_than_any_sampled_setting(seed):
    space, point = continuous_space(seed)
    rng = np.random.default_rng(seed)
    values = around(space, rng, point, 12)
    found = space.project(values)
    assert space.is_feasible(found, tol=1e-9).all()
    assert space.violations(found, tol=1e-9) == [()] * 12
    np.testing.assert_array_equal(space.project(found), found)
    np.testing.assert_array_equal(found[:, space.is_fixed], values[:, space.is_fixed])
    np.testing.assert_array_equal(space.project(values[3:5]), found[3:5])
    numbers, unit = ~space.is_categorical, scales(space)
    others = np.vstack([space.project(around(space, rng, point, 12)), point])
    ours = ((((found - values) / unit) ** 2)[:, numbers]).sum(axis=1)
    theirs = ((((others - values[:, None]) / unit) ** 2)[..., numbers]).sum(axis=2).min(axis=1)
    assert (ours <= theirs * (1 + 1e-9) + 1e-9).all()


@pytest.mark.parametrize("seed", range(25))
def test_projection_equals_a_general_optimiser(seed):
    space, point = continuous_space(1000 + seed)
    rng, unit = np.random.default_rng(seed), scales(space)
    numbers = np.flatnonzero(~space.is_categorical)
    target = around(space, rng, point, 1)[0]
    low, high = space.lower.copy(), space.upper.copy()
    low[space.is_fixed] = high[space.is_fixed] = target[space.is_fixed]
    rows = []
    for mixture in space.mixtures:
        columns = space.positions(mixture.names)
        row = np.zeros(len(space))
        row[columns] = unit[columns]
        rows.append((row, mixture.total, mixture.total))
    for relation in space.relations:
        row = np.zeros(len(space))
        for name, a in relation.coefficients.items():
            row[space.positions([name])] = a * unit[space.positions([name])]
        rows.append((row, relation.least, relation.most))
    constraints = []
    for row, least, most in rows:
        row, size = row[numbers], np.abs(row).sum()
        if least == most:
            constraints.append(("eq", row / size, least / size))
        else:
            if np.isfinite(most):
                constraints.append(("ineq", -row / size, -most / size))
            if np.isfinite(least):
                constraints.append(("ineq", row / size, least / size))
    goal = (target / unit)[numbers]
    found = minimize(
        lambda x: ((x - goal) ** 2).sum(),
        (point / unit)[numbers],
        jac=lambda x: 2 * (x - goal),
        bounds=list(zip((low / unit)[numbers], (high / unit)[numbers], strict=True)),
        constraints=[
            {"type": kind, "fun": lambda x, r=r, b=b: r @ x - b, "jac": lambda x, r=r: r}
            for kind, r, b in constraints
        ],
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    ours = (space.project(target) / unit)[numbers]
    np.testing.assert_allclose(ours, found.x, atol=2e-6)


def stepped_space(seed):
    rng = np.random.default_rng(seed)
    knobs = [
        Knob("a", kind="integer", lower=0, upper=3),
        Knob("b", kind="grid", lower=0.1, upper=0.95, step=0.2),
        Knob("c", kind="grid", levels=(-1.0, 0.5, 0.7, 2.0)),
        Knob("d", kind="categorical", levels="xy"),
    ]
    mixtures = []
    if rng.random() < 0.5:
        knobs += [Knob(n, kind="grid", lower=0, upper=1, step=0.25) for n in ("p", "q", "r")]
        mixtures = [Mixture(("p", "q", "r"), max_parts=2)]
    every = np.array(list(itertools.product(*(knob.allowed for knob in knobs))))
    bare = KnobSpace(knobs, mixtures)
    every = every[bare.is_feasible(every)]
    point = every[rng.integers(len(every))]
    numbers = [n for n in bare.names if n != "d"]
    relations = some_relations(
        rng, numbers, point[bare.positions(numbers)], int(rng.integers(0, 3))
    )
    space = KnobSpace(knobs, mixtures, relations)
    return space, every, every[space.is_feasible(every, tol=1e-9)]


@given(st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_with_steps_the_result_is_one_of_all_feasible_grid_points(seed):
    space, every, feasible = stepped_space(seed)
    rng, unit = np.random.default_rng(seed), scales(space)
    values = every[rng.integers(len(every), size=8)] + unit * rng.normal(0, 0.3, (8, len(space)))
    found = space.project(values)
    assert (np.abs(found[:, None] - feasible).max(axis=2).min(axis=1) < 1e-12).all()
    np.testing.assert_array_equal(space.project(found), found)
    apart = KnobSpace(space.knobs, space.mixtures).project(values)
    kept = space.is_feasible(apart, tol=1e-9)
    np.testing.assert_array_equal(found[kept], apart[kept])
    drawn = space.sample(10, seed)
    assert (np.abs(drawn[:, None] - feasible).max(axis=2).min(axis=1) < 1e-12).all()


@given(st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_the_last_resort_finds_the_nearest_of_all_grid_points(seed):
    space, every, feasible = stepped_space(seed)
    rng, unit = np.random.default_rng(seed), scales(space)
    numbers = ~space.is_categorical
    target = every[rng.integers(len(every))] + unit * numbers * rng.normal(0, 0.4, len(space))
    held = np.zeros(len(space), dtype=bool)
    found = space._coupled._program.nearest(target, held)
    ours = (np.abs(found - target) / unit)[numbers].sum()
    best = (np.abs(feasible - target) / unit)[:, numbers].sum(axis=1).min()
    assert ours == pytest.approx(best, abs=1e-6)
    # What is held need not be allowed, and then there may be nothing.
    held[0] = True
    target[0] = every[rng.integers(len(every)), 0]
    found = space._coupled._program.nearest(target, held)
    left = feasible[np.abs(feasible[:, 0] - target[0]) < 1e-9]
    assert (found is None) == (len(left) == 0)
    nan = space.project(target, hold=["a"], unreachable="nan")
    assert np.isnan(nan).all() == (len(left) == 0)
    if len(left):
        assert np.abs(left - nan).max(axis=1).min() < 1e-12
    else:
        with pytest.raises(DataError, match=r"no setting keeps this .* \['a'\] stay"):
            space.project(target, hold=["a"])


@given(st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_mixed_knobs_with_few_parts_are_projected_into_the_set(seed):
    rng = np.random.default_rng(seed)
    knobs = [
        Knob("t", "K", lower=300, upper=900),
        Knob("n", kind="integer", lower=0, upper=5),
        *(Knob(name, lower=0, upper=1) for name in "pqrs"),
        Knob("word", kind="categorical", levels="xyz"),
    ]
    mixtures = [Mixture(tuple("pqrs"), max_parts=2)]
    point = KnobSpace(knobs, mixtures).sample(1, rng)[0]
    names = ["t", "n", *"pqrs"]
    relations = some_relations(rng, names, point[:6], int(rng.integers(0, 2)))
    space = KnobSpace(knobs, mixtures, relations)
    values = around(space, rng, point, 10)
    found = space.project(values)
    assert space.is_feasible(found, tol=1e-9).all()
    np.testing.assert_array_equal(space.project(found), found)
    drawn = space.sample(5, seed)
    assert space.is_feasible(drawn, tol=1e-9).all()
    np.testing.assert_array_equal(drawn, space.sample(5, seed))


def test_held_knobs_stay_and_the_others_make_room():
    knobs = [Knob("a", lower=0, upper=10), Knob("b", lower=0, upper=10)]
    space = KnobSpace(knobs, relations=[LinearRelation({"a": 1, "b": 2}, upper=12)])
    np.testing.assert_allclose(space.project([10.0, 10.0], hold=["a"]), [10, 1], atol=1e-12)
    np.testing.assert_allclose(space.project([10.0, 10.0]), [6.4, 2.8], atol=1e-12)
    found = space.project([[13.0, 1.0], [4.0, 9.0]], hold=["a"], unreachable="nan")
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1], [4, 4])
    with pytest.raises(DataError, match=r"a \+ 2 b <= 12: no setting keeps this .* \['a'\] stay"):
        space.project([13.0, 1.0], hold=["a"])


def test_a_fixed_knob_counts_in_a_relation_and_is_not_moved():
    knobs = [Knob("a", lower=0, upper=10), Knob("b", lower=0, upper=1, fixed=True)]
    space = KnobSpace(knobs, relations=[LinearRelation({"a": 1, "b": 1}, 5, 5)])
    np.testing.assert_allclose(space.project([[0.0, 0.3], [9.0, 4.0]]), [[4.7, 0.3], [1, 4]])
    assert np.isnan(space.project([[0.0, 6.0]], unreachable="nan")).all()
    assert space.is_feasible([1.0, 4.0])
    drawn = space.sample(200, 0)
    assert space.is_feasible(drawn, tol=1e-9).all()
    assert kstest(drawn[:, 1], "uniform").pvalue > 0.001


@pytest.mark.parametrize("rounds", [64, 0])
def test_samples_of_a_triangle_are_uniform(rounds, monkeypatch):
    # x + y <= 1 in the unit square: x has the density 2 (1 - x), which is Beta(1, 2).
    monkeypatch.setattr(_coupled, "_REJECTION_ROUNDS", rounds)
    knobs = [Knob("x", lower=0, upper=1), Knob("y", lower=0, upper=1)]
    space = KnobSpace(knobs, relations=[LinearRelation({"x": 1, "y": 1}, upper=1)])
    drawn = space.sample(3000, 0)
    assert space.is_feasible(drawn, tol=0).all()
    for values in (drawn[:, 0], drawn[:, 1], 1 - drawn.sum(axis=1)):
        assert kstest(values, beta(1, 2).cdf).pvalue > 0.001


def test_samples_of_an_equation_are_those_of_a_mixture():
    # x + y / 100 + z = 1 over a box of that size: each share is Beta(1, 2), as Dirichlet(1, 1, 1).
    knobs = [
        Knob("x", lower=0, upper=1),
        Knob("y", lower=0, upper=100),
        Knob("z", lower=0, upper=1),
    ]
    space = KnobSpace(knobs, relations=[LinearRelation({"x": 1, "y": 0.01, "z": 1}, 1, 1)])
    drawn = space.sample(3000, 0)
    assert space.is_feasible(drawn, tol=1e-9).all()
    for values in (drawn[:, 0], drawn[:, 1] / 100, drawn[:, 2]):
        assert kstest(values, beta(1, 2).cdf).pvalue > 0.001


def test_a_narrow_set_of_many_knobs_is_sampled_as_by_rejection():
    # Between two planes 0.02 apart in six dimensions: against the plainest rejection.
    names = [f"x{i}" for i in range(6)]
    knobs = [Knob(name, lower=0, upper=1) for name in names]
    ramp = {name: float(i + 1) for i, name in enumerate(names)}
    space = KnobSpace(knobs, relations=[LinearRelation(ramp, 6.0, 6.02)])
    space._coupled._never_by_chance = True
    drawn = space.sample(1500, 0)
    plain = np.random.default_rng(1).random((800_000, 6))
    total = plain @ np.arange(1.0, 7.0)
    plain = plain[(total >= 6.0) & (total <= 6.02)]
    assert len(plain) > 500
    for j in range(6):
        assert kstest(drawn[:, j], plain[:, j]).pvalue > 0.001


def test_reachable_range_equals_a_linear_program_and_its_ends_are_reached():
    for seed in range(15):
        space, _ = continuous_space(5000 + seed)
        rows = [
            (relation.coefficients, relation.least, relation.most) for relation in space.relations
        ]
        rows += [(dict.fromkeys(m.names, 1.0), m.total, m.total) for m in space.mixtures]
        matrix, limits = [], []
        for weights, least, most in rows:
            row = np.array([weights.get(name, 0.0) for name in space.names])
            for sign, limit in ((1, most), (-1, -least)):
                if np.isfinite(limit):
                    matrix.append(sign * row)
                    limits.append(limit)
        for j, name in enumerate(space.names):
            low, high = space.reachable_range(name)
            for sign, ours in ((1.0, low), (-1.0, high)):
                cost = sign * np.eye(len(space))[j]
                bounds = list(zip(space.lower, space.upper, strict=True))
                best = linprog(cost, matrix, np.array(limits) + 1e-12, bounds=bounds)
                assert ours == pytest.approx(sign * best.fun, abs=1e-7 * scales(space)[j])
            if space.is_fixed.any():
                continue
            at = space.project(np.tile(space.sample(1, 0), (2, 1)))
            at[:, j] = low, high
            assert np.isfinite(space.project(at, hold=[name], unreachable="nan")).all()


def test_reachable_range_with_steps_is_that_of_all_grid_points():
    for seed in range(10):
        space, _, feasible = stepped_space(seed)
        for j, name in enumerate(space.names):
            ends = feasible[:, j].min(), feasible[:, j].max()
            assert space.reachable_range(name) == pytest.approx(ends, abs=1e-12)


@given(st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_room_ends_at_the_first_limit_or_relation(seed):
    space, point = continuous_space(seed)
    rng = np.random.default_rng(seed)
    values = space.project(around(space, rng, point, 5))
    others = space.project(around(space, rng, point, 5))
    others[:, space.is_fixed] = values[:, space.is_fixed]
    directions = np.stack(
        [others - values, 7 * (others - values), rng.normal(size=values.shape)], 1
    )
    directions[..., space.is_categorical | space.is_fixed] = 0
    if space.is_fixed.any():  # those were other sums
        directions = directions[:, 2:]
    room = space.room(values, directions)
    reached = values[:, None] + room[..., None] * directions
    assert space.is_feasible(reached, tol=1e-9).all()
    beyond = values[:, None] + (room[..., None] + 1e-5) * directions
    stopped = room < 1 - 1e-5
    size = (np.abs(directions) / scales(space)).max(axis=-1)
    assert not (space.is_feasible(beyond, tol=0) & stopped & (size > 1e-3)).any()
    if not space.is_fixed.any():
        assert (room[:, 0] > 1 - 1e-6).all()  # the set is convex


def test_what_is_said_about_relations():
    knobs = [Knob("a", lower=0, upper=10), Knob("b", lower=0, upper=10)]
    balance = LinearRelation({"b": 1, "a": -1}, lower=-2, upper=5)
    space = KnobSpace(knobs, relations=[LinearRelation({"a": 1, "b": 2}, upper=12), balance])
    assert space.violations([[10, 8.0], [3, 4]]) == [
        ("a + 2 b = 26, but a + 2 b <= 12",),
        (),
    ]
    assert space.active_limits([[2, 5.0], [2, 0], [0.6667, 5.66665]]) == [
        (("a + 2 b", "upper", 12.0),),
        (("b", "lower", 0.0), ("b - a", "lower", -2.0)),
        (("a + 2 b", "upper", 12.0),),
    ]
    assert repr(space).endswith("  a + 2 b <= 12\n  -2 <= b - a <= 5")
    again = KnobSpace.from_dict(json.loads(json.dumps(space.to_dict())))
    assert again == space
    assert hash(again) == hash(space)
    assert again != KnobSpace(knobs)
    assert pickle.loads(pickle.dumps(space)) == space
    old = {key: value for key, value in space.to_dict().items() if key != "relations"}
    assert KnobSpace.from_dict(old) == KnobSpace(knobs)
    assert str(LinearRelation({"a": 0.5, "c": 0}, 1, 1)) == "0.5 a = 1"
    assert repr(LinearRelation({"a": -1}, 1)) == "LinearRelation(-a >= 1)"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LinearRelation({}, 0), "needs a knob"),
        (lambda: LinearRelation({"a": 0}, 0), "needs a knob"),
        (lambda: LinearRelation({"a": 1}), "needs a lower or an upper limit"),
        (lambda: LinearRelation({"a": 1}, 2, 1), "lower limit 2 is above the upper limit 1"),
        (lambda: LinearRelation({"a": float("nan")}, 2), "coefficient of 'a' must be a finite"),
        (lambda: LinearRelation({"a": 1}, "x"), "lower='x' must be a finite number"),
        (lambda: LinearRelation(3, 1), "numbers by knob"),
        (lambda: LinearRelation.from_dict({"colour": 1}), "not the description of a relation"),
    ],
)
def test_relations_that_cannot_be_meant_are_refused(make, message):
    with pytest.raises(SettingsError, match=message):
        make()


@pytest.mark.parametrize(
    ("relations", "message"),
    [
        ([LinearRelation({"z": 1}, 0)], "names 'z', which is no knob"),
        ([LinearRelation({"w": 1}, 0)], "names 'w', which has levels"),
        ([LinearRelation({"a": 1, "n": 1}, 7)], r"a \+ n >= 7 is impossible: .* is 0 to 4"),
        (
            [LinearRelation({"a": 1, "n": 1}, 3), LinearRelation({"a": 2, "n": 2}, upper=5)],
            r"No setting keeps a \+ n >= 3; 2 a \+ 2 n <= 5",
        ),
        ([LinearRelation({"n": 2}, 1, 1)], "2 n = 1"),
    ],
)
def test_spaces_without_a_feasible_setting_are_refused(relations, message):
    knobs = [
        Knob("a", lower=0, upper=1),
        Knob("n", kind="integer", lower=0, upper=3),
        Knob("w", kind="categorical", levels="xy"),
    ]
    with pytest.raises(SettingsError, match=message):
        KnobSpace(knobs, relations=relations)


def test_the_gate_keeps_relations():
    knobs = [Knob("a", lower=0, upper=10), Knob("b", lower=0, upper=10)]
    space = KnobSpace(knobs, relations=[LinearRelation({"a": 1, "b": 2}, upper=12)])
    shown = []

    class Recorder:
        def predict(self, X):
            shown.append(X)
            return X.sum(axis=1)

    samples = np.array([[1.0, 1.0]])
    with pytest.raises(DataError, match=r"a \+ 2 b = 12.1, but a \+ 2 b <= 12"):
        predict_settings(Recorder(), TableEditor(space), samples, np.array([[[2.1, 5.0]]]))
    assert shown == []
    predict_settings(Recorder(), TableEditor(space), samples, np.array([[[2.0, 5.0 + 1e-9]]]))
