"""The least change to a goal: closed forms, enumerations, linear programs; never a limit broken."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq, linprog
from sklearn.ensemble import RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor

from matlever.exceptions import DataError, SettingsError
from matlever.explanation import counterfactual
from matlever.knobs import Knob, KnobSpace, LinearRelation, Mixture, TableEditor


def box(k, cost=None):
    cost = np.ones(k) if cost is None else cost
    return KnobSpace([Knob(f"x{j}", lower=0, upper=1, cost=cost[j]) for j in range(k)])


class Guard:
    """A model of arrays that checks on its own that every row it is shown is allowed."""

    def __init__(self, function, space):
        self.function, self.space, self.rows = function, space, 0

    def predict(self, X):
        X = np.asarray(X, dtype=float)
        self.rows += len(X)
        for j, knob in enumerate(self.space.knobs):
            if knob.kind == "categorical":
                assert np.isin(X[:, j], np.arange(len(knob.levels))).all()
                continue
            assert (X[:, j] >= knob.low).all()
            assert (X[:, j] <= knob.high).all()
            if knob.kind == "integer":
                assert (X[:, j] == np.rint(X[:, j])).all()
            elif knob.kind == "grid":
                steps = (X[:, j] - knob.low) / knob.step
                np.testing.assert_allclose(steps, np.rint(steps), atol=1e-9)
        for mixture in self.space.mixtures:
            parts = X[:, self.space.positions(mixture.names)]
            np.testing.assert_allclose(parts.sum(axis=1), mixture.total, rtol=1e-9)
            most = mixture.max_parts or len(mixture.names)
            assert ((parts > 1e-9).sum(axis=1) <= most).all()
        for relation in self.space.relations:
            weights = np.array(list(relation.coefficients.values()))
            sums = X[:, self.space.positions(relation.names)] @ weights
            assert (sums <= relation.most + 1e-5).all()
            assert (sums >= relation.least - 1e-5).all()
        return self.function(X)


class ArrayEditor(TableEditor):
    """Levels as their numbers, so that any space has rows of numbers."""

    def values(self, samples):
        return np.asarray(samples, dtype=float)

    def render(self, samples, values):
        return np.asarray(values, dtype=float).reshape(-1, len(self.space))

    is_differentiable = False


# -- closed forms ---------------------------------------------------------------------------------


def knapsack(slope, cost, x, need):
    """Least cost to gain `need`: the best ratio of slope to cost first, to its limit."""
    room = np.where(slope > 0, 1 - x, x)
    total = 0.0
    for j in np.argsort(-np.abs(slope) / cost):
        take = min(room[j], max(need, 0.0) / abs(slope[j]))
        total, need = total + take * cost[j], need - take * abs(slope[j])
    return total


@pytest.mark.parametrize("seed", range(4))
def test_linear_model_gets_the_best_ratio_first_and_then_the_next(seed):
    rng = np.random.default_rng(seed)
    slope, cost, X = rng.normal(size=6), rng.uniform(0.5, 2, 6), rng.random((8, 6))
    goal = 0.8 * np.maximum(slope, 0).sum()
    found = counterfactual(lambda X: X @ slope, TableEditor(box(6, cost)), X, (goal, None))
    least = [knapsack(slope, cost, x, goal - x @ slope) for x in X]
    assert found.reached.all()
    np.testing.assert_allclose(found.cost, least, rtol=1e-4)
    np.testing.assert_allclose(found.cost, box(6, cost).change_cost(X, found.settings), rtol=1e-12)


def test_one_knob_is_enough_where_one_is_cheapest():
    space = KnobSpace(
        [
            Knob("a", "K", lower=0, upper=10),
            Knob("b", lower=0, upper=1, cost=3),
            Knob("c", lower=0, upper=1),
        ]
    )
    found = counterfactual(
        lambda X: 2 * X[:, 0] + 30 * X[:, 1] + X[:, 2],
        TableEditor(space),
        np.full((1, 3), 0.5),
        25.0,
    )
    # 2 per unit over 10 units: 20 per range at cost 1; b gives 30 at cost 3. Tolerance: 1 % of the
    # range over drawn settings.
    half = 25.0 - found.goal_lower[0, 0]
    assert 0.3 < half < 0.55
    assert found.changed.tolist() == [[True, False, False]]
    np.testing.assert_allclose(found.settings[0, 0], 0.5 + (25 - half - 16.5) / 2, rtol=1e-5)
    assert found.sentences[0].startswith("Raise a from 0.5 to ")


def test_distance_to_a_ball_is_within_two_percent_of_the_least():
    rng = np.random.default_rng(0)
    centre, X, radius = rng.random(6), rng.random((10, 6)), 0.3
    found = counterfactual(
        lambda X: -((X - centre) ** 2).sum(axis=1), TableEditor(box(6)), X, (-(radius**2), None)
    )
    for x, cost in zip(X, found.cost, strict=True):
        # In L1 the largest distances come down to one level.
        d = np.abs(x - centre)
        level = brentq(lambda t, d=d: (np.minimum(d, t) ** 2).sum() - radius**2, 0, d.max())
        least = np.maximum(d - level, 0).sum()
        assert least * (1 - 1e-5) <= cost <= least * 1.02


@pytest.mark.parametrize("seed", range(10))
def test_words_whole_numbers_and_grids_get_the_optimum_of_an_enumeration(seed):
    rng = np.random.default_rng(seed)
    table, cost = rng.random((5, 4, 3)), rng.uniform(0.5, 2, 3)
    space = KnobSpace(
        [
            Knob("a", kind="integer", lower=0, upper=4, cost=cost[0]),
            Knob("b", kind="grid", lower=0, upper=1.5, step=0.5, cost=cost[1]),
            Knob("w", kind="categorical", levels=("p", "q", "r"), cost=cost[2]),
        ]
    )

    def look_up(X):
        words = X["w"].map({"p": 0, "q": 1, "r": 2}).to_numpy(dtype=int)
        return table[X["a"].to_numpy(dtype=int), (2 * X["b"]).to_numpy(dtype=int), words]

    own = space.sample(5, seed)
    runs = pd.DataFrame(
        {"a": own[:, 0], "b": own[:, 1], "w": np.array(["p", "q", "r"])[own[:, 2].astype(int)]}
    )
    goal = (float(np.quantile(table, 0.9)), None)
    found = counterfactual(look_up, TableEditor(space), runs, goal)
    every = np.array(list(product(range(5), (0, 0.5, 1, 1.5), range(3))), dtype=float)
    hits = every[table.ravel() >= goal[0]]
    least = [space.change_cost(x, hits).min() for x in own]
    np.testing.assert_allclose(found.cost, least, rtol=1e-9)


def least_l1(A, x, lower, upper, weight, low, high, total=None):
    """Least weighted L1 change of a linear model, by a linear program; infinite if none."""
    k = len(x)
    both = np.hstack([np.eye(k), -np.eye(k)])
    rows = [-A @ both, A @ both, both, -both]
    bounds = [A @ x - low, high - A @ x, upper - x, x - lower]
    found = linprog(
        np.concatenate([weight, weight]),
        A_ub=np.vstack(rows),
        b_ub=np.concatenate(bounds),
        A_eq=None if total is None else np.ones((1, k)) @ both,
        b_eq=None if total is None else [total - x.sum()],
    )
    return found.fun if found.status == 0 else np.inf


def test_several_targets_at_once_get_the_optimum_of_the_linear_program():
    rng = np.random.default_rng(3)
    A, cost = rng.normal(size=(3, 8)), rng.uniform(0.5, 2, 8)
    space = box(8, cost)
    X, aim = space.sample(8, 2), A @ space.sample(1, 5)[0]
    goal = {"a": (aim[0] - 0.05, aim[0] + 0.05), "b": aim[1], 2: (None, aim[2])}
    found = counterfactual(
        lambda X: X @ A.T, TableEditor(space), X, goal, tolerance={"b": 0.02, "a": 9, 2: 9},
        targets=["a", "b", "c"],
    )  # fmt: skip
    low = [aim[0] - 0.05, aim[1] - 0.02, -1e9]
    high = [aim[0] + 0.05, aim[1] + 0.02, aim[2]]
    least = [least_l1(A, x, np.zeros(8), np.ones(8), cost, low, high) for x in X]
    assert found.reached.all()
    np.testing.assert_allclose(found.cost, least, rtol=1e-3)


@pytest.mark.parametrize(("p", "max_parts"), [(4, None), (6, None), (4, 2), (5, 3)])
def test_mixtures_get_the_optimum_of_the_linear_program(p, max_parts):
    slope = np.random.default_rng(p).normal(size=p)
    names = tuple(f"m{j}" for j in range(p))
    space = KnobSpace(
        [Knob(name, lower=0, upper=0.7) for name in names], [Mixture(names, 1.0, max_parts)]
    )
    X = space.sample(6, 1)
    goal = float(np.quantile(space.sample(2000, 3) @ slope, 0.9))
    model = Guard(lambda X: X @ slope, space)
    found = counterfactual(model, TableEditor(space), X, (goal, None))
    A, weight = slope[None], np.full(p, 1 / 0.7)
    for x, cost in zip(X, found.cost, strict=True):
        least = min(
            least_l1(A, x, np.zeros(p), np.where(np.isin(range(p), parts), 0.7, 0), weight,
                     [goal], [1e9], 1.0)
            for parts in combinations(range(p), max_parts or p)
        )  # fmt: skip
        np.testing.assert_allclose(cost, least, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("n_relations", [1, 2])
def test_relations_are_kept_and_get_the_optimum_of_the_linear_program(n_relations):
    rng = np.random.default_rng(0)
    A, slope = rng.uniform(0.2, 1, (n_relations, 6)), rng.normal(size=6) + 0.3
    most = A.sum(axis=1) / 2
    space = KnobSpace(
        box(6).knobs,
        relations=[
            LinearRelation(dict(zip(box(6).names, a, strict=True)), upper=c)
            for a, c in zip(A, most, strict=True)
        ],
    )
    X = space.sample(6, 1)
    goal = float(np.quantile(space.sample(1000, 2) @ slope, 0.95))
    model = Guard(lambda X: X @ slope, space)
    found = counterfactual(model, TableEditor(space), X, (goal, None))
    both = np.hstack([np.eye(6), -np.eye(6)])
    for x, cost in zip(X, found.cost, strict=True):
        least = linprog(
            np.ones(12),
            A_ub=np.vstack([-(slope @ both)[None], A @ both, both, -both]),
            b_ub=np.concatenate([[slope @ x - goal], most - A @ x, 1 - x, x]),
        ).fun
        np.testing.assert_allclose(cost, least, rtol=5e-3, atol=1e-5)


def test_a_relation_blocks():
    relation = LinearRelation({"x0": 2, "x1": 1}, upper=1)
    space = KnobSpace(box(3).knobs, relations=[relation])
    found = counterfactual(
        lambda X: X[:, 0] + X[:, 1], TableEditor(space), [[0.2, 0.2, 0.5]], (2.0, None)
    )
    np.testing.assert_allclose(found.settings[0], [0, 1, 0.5], atol=1e-6)
    names = {(limit.knob, limit.side) for limit in found.blocking[0]}
    assert (relation.label, "upper") in names
    assert names <= {(relation.label, "upper"), ("x1", "upper"), ("x0", "lower")}
    assert f"upper limit of {relation.label} (1)" in found.sentences[0]


# -- forests --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def forest():
    rng = np.random.default_rng(0)
    X = rng.random((150, 5))
    y = np.sin(6 * X[:, 0]) + X[:, 1] * X[:, 2] * 3 + (X[:, 3] > 0.5)
    return RandomForestRegressor(30, random_state=0).fit(X, y), X


def test_no_known_row_that_reaches_the_goal_is_cheaper(forest):
    model, X = forest
    predicted = model.predict(X)
    goal = float(np.quantile(predicted, 0.9))
    found = counterfactual(model, TableEditor(box(5)), X[:15], (goal, None), reference=X)
    hits = X[predicted >= goal]
    for x, cost in zip(X[:15], found.cost, strict=True):
        assert cost <= box(5).change_cost(x, hits).min() + 1e-9
    assert found.reached.all()


def test_two_knobs_of_a_forest_match_a_fine_grid():
    rng = np.random.default_rng(1)
    X = rng.random((80, 2))
    model = RandomForestRegressor(20, random_state=0).fit(X, np.cos(9 * X[:, 0]) * X[:, 1])
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 401)] * 2, indexing="ij"), -1).reshape(-1, 2)
    predicted = model.predict(grid)
    goal = float(np.quantile(predicted, 0.97))
    hits = grid[predicted >= goal]
    found = counterfactual(model, TableEditor(box(2)), X[:20], (goal, None))
    for x, cost in zip(X[:20], found.cost, strict=True):
        assert cost <= np.abs(hits - x).sum(axis=1).min() + 1e-9


def changed_back(space, x, settings, j):
    """One knob back at its start; in a mixture the opposite changes go back in proportion."""
    back, change = settings.copy(), settings - x
    back[j] = x[j]
    mixture = space.mixture_of(space.names[j])
    if mixture is not None:
        parts = space.positions(mixture.names)
        opposite = parts[change[parts] * change[j] < 0]
        back[opposite] -= abs(change[j]) / np.abs(change[opposite]).sum() * change[opposite]
    return back


def assert_nothing_can_go_back(model, editor, found):
    """No changed knob can return to its start alone while the goal holds."""
    space = editor.space
    for i, settings_, reached in zip(found.row, found.settings, found.reached, strict=True):
        x = found.start[i]
        width = np.maximum(space.upper - space.lower, 1e-9)
        for j in np.flatnonzero(np.abs(settings_ - x) > 1e-6 * width):
            back = changed_back(space, x, settings_, j)
            if not reached or not space.is_feasible(back):
                continue
            p = np.asarray(model.function(back[None])).reshape(1, -1)[0]
            wanted = [wish.position for wish in found.wishes]
            low, high = found.goal_lower[i] - p[wanted], p[wanted] - found.goal_upper[i]
            assert (np.maximum(low, high) > 0).any(), (x, settings_, j)


@pytest.mark.parametrize("n_answers", [1, 3])
def test_no_changed_knob_of_a_forest_can_go_back_alone(forest, n_answers):
    model, X = forest
    editor = TableEditor(box(5))
    guard = Guard(model.predict, editor.space)
    goal = (float(np.quantile(model.predict(X), 0.85)), None)
    found = counterfactual(guard, editor, X[:10], goal, n_answers=n_answers, reference=X)
    assert found.reached.all()
    assert_nothing_can_go_back(guard, editor, found)


# -- what may change ------------------------------------------------------------------------------


def test_held_and_fixed_knobs_stay_and_at_most_so_many_change():
    space = KnobSpace(
        [Knob("a", lower=0, upper=1, fixed=True)]
        + [Knob(f"b{j}", lower=0, upper=1) for j in range(4)]
    )
    X = np.full((3, 5), 0.5)
    slope = np.array([100.0, 50.0, 2.0, 1.0, 1.0])
    shown = []

    def model(X):
        shown.append(X)
        return X @ slope

    goal = (78.3, None)  # from 77; each of the last two adds 0.5 at most
    options = {"hold": ["b0"], "max_changes": 2}
    found = counterfactual(model, TableEditor(space), X, goal, **options)
    assert (np.concatenate(shown)[:, :2] == 0.5).all()
    assert found.held == ("a", "b0")
    np.testing.assert_allclose(found.cost, 0.5 + 0.3, rtol=1e-5)
    none = counterfactual(model, TableEditor(space), X, (78.8, None), **options)
    assert not none.reached.any()
    assert (none.changed.sum(axis=1) == 2).all()
    assert "At most 2 knobs were to change. a and b0 are held." in none.sentences[0]


def test_a_sample_at_the_goal_needs_no_change_and_one_outside_is_moved_first():
    editor = TableEditor(box(2))
    found = counterfactual(lambda X: X.sum(axis=1), editor, [[0.5, 0.5], [2.0, 0.1]], (1.0, None))
    np.testing.assert_array_equal(found.settings[0], [0.5, 0.5])
    np.testing.assert_array_equal(found.start[1], [1.0, 0.1])
    assert found.cost.tolist() == [0, 0]
    assert found.sentences[0] == "Nothing needs to change: predicted 1; goal at least 1 reached."
    told = (
        "1 of 2 samples stand outside the limits; they start at the nearest allowed setting "
        "(x0 at 1, not 2)."
    )
    assert told in found.warnings
    outside = counterfactual(lambda X: X.sum(axis=1), editor, [[2.0, 0.5], [0.1, 3.0]], (1.0, None))
    assert any("nearest allowed setting of x0 and x1." in text for text in outside.warnings)


def test_out_of_reach_gives_the_nearest_point_and_the_limits_that_block():
    space = KnobSpace(
        [
            Knob("a", "K", lower=0, upper=2),
            Knob("b", lower=0, upper=1),
            Knob("c", lower=0, upper=1),
            Knob("n", kind="integer", lower=0, upper=3),
        ]
    )
    x = np.array([[1.0, 0.5, 1.0, 3.0]])  # c stands at a limit that does not matter
    found = counterfactual(
        lambda X: 2 * X[:, 0] - X[:, 1] + X[:, 3], TableEditor(space), x, (9.0, None)
    )
    np.testing.assert_allclose(found.settings[0], [2, 0, 1, 3], atol=1e-6)
    assert not found.reached[0]
    assert [(limit.knob, limit.side) for limit in found.blocking[0]] == [
        ("a", "upper"),
        ("b", "lower"),
        ("n", "upper"),
    ]
    assert ("c", "upper") in [(limit.knob, limit.side) for limit in found.at_limits[0]]
    assert "The upper limit of a (2 K), the lower limit of b (0) and" in found.sentences[0]
    # 9 - 7 = 2, in shares of the range of the predictions over drawn settings (at most 8).
    assert 2 / 8 < found.miss[0] < 2 / 5


def test_out_of_reach_inside_the_limits_has_no_limit_to_blame():
    found = counterfactual(
        lambda X: 1 - (X[:, 0] - 0.4) ** 2, TableEditor(box(2)), [[0.9, 0.0]], (2.0, None)
    )
    np.testing.assert_allclose(found.settings[0], [0.4, 0.0], atol=2e-3)
    assert found.blocking == ((),)


def test_a_part_of_a_mixture_blocks():
    names = ("a", "b", "c")
    space = KnobSpace(
        [Knob("a", lower=0, upper=0.6), Knob("b", lower=0, upper=1), Knob("c", lower=0.1, upper=1)],
        [Mixture(names)],
    )
    found = counterfactual(
        lambda X: 3 * X[:, 0] + X[:, 1], TableEditor(space), [[0.2, 0.2, 0.6]], (5.0, None)
    )
    np.testing.assert_allclose(found.settings[0], [0.6, 0.3, 0.1], atol=1e-6)
    assert {(limit.knob, limit.side) for limit in found.blocking[0]} == {
        ("a", "upper"),
        ("c", "lower"),
    }


def test_knobs_that_cost_nothing_are_turned_no_further_than_needed():
    space = KnobSpace([Knob("free", lower=0, upper=1, cost=0), Knob("dear", lower=0, upper=1)])
    found = counterfactual(
        lambda X: X.sum(axis=1), TableEditor(space), [[0.1, 0.1]], (0.9, None), tolerance=None
    )
    np.testing.assert_allclose(found.settings, [[0.8, 0.1]], atol=1e-5)
    assert found.cost[0] == 0


# -- several answers ------------------------------------------------------------------------------


def test_answers_are_different_knobs_and_different_directions():
    editor = TableEditor(box(3, np.array([1.0, 2.0, 3.0])))
    found = counterfactual(
        lambda X: X.max(axis=1), editor, [[0.2, 0.3, 0.4]], (0.8, None), n_answers=3
    )
    # The cheapest is 0.6 of the first knob; the others 0.5 * 2 of the second and 0.4 * 3.
    assert found.changed.tolist() == [
        [True, False, False],
        [False, True, False],
        [False, False, True],
    ]
    np.testing.assert_allclose(found.cost, [0.6, 1.0, 1.2], rtol=1e-4)
    assert found.answer.tolist() == [0, 1, 2]
    both = counterfactual(
        lambda X: np.abs(X[:, 0] - 0.5), TableEditor(box(1)), [[0.45]], (0.4, None), n_answers=3
    )
    np.testing.assert_allclose(both.settings[:, 0], [0.1, 0.9], atol=1e-5)
    assert any("Fewer than 3 different answers" in text for text in both.warnings)


# -- intervals and data ---------------------------------------------------------------------------


def test_the_whole_interval_can_be_asked_to_reach_the_goal():
    def limits(X):
        middle, half = X.sum(axis=1), 0.1 + X[:, 1]
        return middle - half, middle + half

    options = {"interval": limits, "level": 0.8}
    goal = (1.2, None)
    plain = counterfactual(
        lambda X: X.sum(axis=1), TableEditor(box(2)), [[0.2, 0.2]], goal, **options
    )
    np.testing.assert_allclose(plain.upper - plain.lower, 0.2 + 2 * plain.settings[:, 1:])
    assert "(80 % interval " in plain.sentences[0]
    sure = counterfactual(
        lambda X: X.sum(axis=1), TableEditor(box(2)), [[0.2, 0.2]], (0.8, None), **options,
        confidence="interval",
    )  # fmt: skip
    # Lower limit x0 - 0.1: only the first knob helps.
    np.testing.assert_allclose(sure.settings, [[0.9, 0.2]], atol=1e-5)
    with pytest.raises(SettingsError, match="needs intervals"):
        counterfactual(
            lambda X: X.sum(axis=1), TableEditor(box(2)), [[0, 0]], goal, confidence="interval"
        )


def test_intervals_come_from_the_predictor_where_it_has_them(forest):
    _, X = forest
    process = GaussianProcessRegressor(alpha=1e-2).fit(X, X[:, 0])
    found = counterfactual(process, TableEditor(box(5)), X[:1], (0.9, None))
    mean, std = process.predict(found.settings, return_std=True)
    np.testing.assert_allclose(found.upper[:, 0] - mean, 1.6448536 * std, rtol=1e-5)
    assert found.level == 0.9

    class WithInterval:
        level = 0.5

        def predict(self, X):
            return X[:, 0]

        def predict_interval(self, X, level=None):
            half = self.level if level is None else level
            return X[:, 0] - half, np.full(len(X), np.inf)

    own = counterfactual(WithInterval(), TableEditor(box(5)), X[:1], (0.9, None))
    assert (own.level, own.upper[0, 0]) == (0.5, np.inf)
    asked = counterfactual(WithInterval(), TableEditor(box(5)), X[:1], (0.9, None), level=0.7)
    np.testing.assert_allclose(asked.lower, asked.prediction - 0.7)
    assert counterfactual(lambda X: X[:, 0], TableEditor(box(5)), X[:1], (0.9, None)).lower is None


def test_answers_far_from_data_say_so_or_are_avoided():
    known = np.array([[t, 0.1] for t in np.linspace(0, 1, 21)])
    editor = TableEditor(box(2))

    def law(X):
        return X[:, 0] + 2 * X[:, 1]

    far = counterfactual(law, editor, known[:1], (1.0, None), reference=known)
    assert far.inside.tolist() == [False]
    assert "This is far from all known samples." in far.sentences[0]
    near = counterfactual(law, editor, known[:1], (1.0, None), reference=known, stay_near_data=True)
    assert near.inside.tolist() == [True]
    assert near.reached.all()
    assert near.cost[0] > far.cost[0]
    out = counterfactual(law, editor, known[:1], (2.0, None), reference=known, stay_near_data=True)
    assert out.reached.all()
    assert out.inside.tolist() == [False]
    assert any("only away from known samples" in text for text in out.warnings)


def test_intervals_without_end_reach_nothing():
    found = counterfactual(
        lambda X: X[:, 0],
        TableEditor(box(1)),
        [[0.2]],
        (0.5, None),
        confidence="interval",
        interval=lambda X: (np.full(len(X), -np.inf), np.full(len(X), np.inf)),
    )
    assert not found.reached.any()
    assert found.to_dict()["rows"][0]["answers"][0]["miss"] is None


def test_a_flat_model_and_a_tiny_budget_give_an_answer_all_the_same():
    flat = counterfactual(lambda X: np.ones(len(X)), TableEditor(box(2)), [[0.1, 0.2]], 3.0)
    np.testing.assert_array_equal(flat.settings, [[0.1, 0.2]])
    assert "Nearest: no change brings it nearer: predicted 1." in flat.sentences[0]
    small = counterfactual(
        lambda X: X[:, 0], TableEditor(box(2)), [[0.1, 0.2]], (0.9, None), budget=1
    )
    assert small.n_calls[0] < 500


class Pictures:
    """Samples that are large: a list of pictures, one knob for their brightness."""

    space = KnobSpace([Knob("light", lower=0, upper=1), Knob("noise", lower=0, upper=1)])
    most_rows = 40

    def __init__(self):
        self.largest = 0

    def values(self, samples):
        return np.array([[picture.mean(), 0.0] for picture in samples])

    def render(self, samples, values):
        n, r, _ = values.shape
        self.largest = max(self.largest, n * r)
        assert len(samples) == n
        return [
            samples[i] * 0 + values[i, c, 0] + samples[i][0, 0] * 0
            for i in range(n)
            for c in range(r)
        ]


def test_large_samples_in_a_list_are_rendered_a_few_at_a_time():
    editor = Pictures()
    pictures = [np.full((3, 3), 0.2), np.full((3, 3), 0.4)]
    found = counterfactual(
        lambda X: np.array([picture.sum() for picture in X]),
        editor,
        pictures,
        (6.3, None),
        budget=300,
    )
    np.testing.assert_allclose(found.settings[:, 0], 0.7, atol=1e-4)
    assert editor.largest <= 40


class Dear(TableEditor):
    """Samples that take long to render: the editor says how many to ask for, and counts calls."""

    most_rows = 400
    usual_budget = 150

    def __init__(self, space):
        super().__init__(space)
        self.calls = 0

    def render(self, samples, values):
        self.calls += 1
        return super().render(samples, values)


def curved(X):
    return np.tanh(3 * X[:, 0] - 1) + X[:, 1] * (1 - X[:, 2]) - 0.8 * (X[:, 3] - 0.3) ** 2


def test_an_editor_may_say_how_many_samples_a_search_usually_renders():
    starts = np.random.default_rng(5).random((8, 4))
    known = np.random.default_rng(6).random((30, 4))
    cheap = counterfactual(curved, TableEditor(box(4)), starts, (1.2, None), reference=known)
    dear = counterfactual(curved, Dear(box(4)), starts, (1.2, None), reference=known)
    assert cheap.reached.all()
    assert dear.reached.all()
    assert dear.n_calls.max() < 320  # what was begun is finished
    assert cheap.n_calls.mean() > 8 * dear.n_calls.mean()
    needed = cheap.cost > 0
    assert np.median(dear.cost[needed] / cheap.cost[needed]) < 1.1


def test_with_few_predictions_no_knob_can_go_back_alone_either():
    starts = np.random.default_rng(7).random((20, 4))
    found = counterfactual(curved, Dear(box(4)), starts, (1.2, None), budget=120)
    for i in np.flatnonzero(found.reached):
        for j in np.flatnonzero(found.changed[i]):
            back = found.settings[i : i + 1].copy()
            back[0, j] = starts[i, j]
            assert curved(back)[0] < 1.2


def test_samples_asked_about_at_as_many_settings_are_rendered_together():
    editor = Dear(box(4))
    starts = np.random.default_rng(8).random((12, 4))
    together = counterfactual(curved, editor, starts, (1.2, None), reference=starts)
    for_all, editor.calls = editor.calls, 0
    alone = [
        counterfactual(curved, editor, starts[i : i + 1], (1.2, None), reference=starts)
        for i in range(12)
    ]
    assert for_all < editor.calls / 3
    np.testing.assert_array_equal(together.settings, [one.settings[0] for one in alone])


# -- gradients ------------------------------------------------------------------------------------


class Checked(torch.nn.Module):
    """A network that refuses rows beyond the limits or between the steps."""

    def __init__(self, seed=0, k=6):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.first = torch.nn.Parameter(2 * torch.randn(k, 16, generator=generator))
        self.second = torch.nn.Parameter(torch.randn(16, generator=generator))
        self.calls = 0

    def forward(self, X):
        self.calls += len(X)
        assert (X >= 0).all()
        assert (X <= 1).all()
        steps = X[:, 0] * 4
        assert torch.allclose(steps, steps.round(), atol=1e-5)
        return torch.tanh(X @ self.first) @ self.second


def test_a_module_follows_its_gradient_with_fewer_predictions_and_as_small_changes():
    knobs = [Knob("step", kind="grid", lower=0, upper=1, step=0.25)]
    space = KnobSpace(knobs + [Knob(f"x{j}", lower=0, upper=1) for j in range(5)])
    X = space.sample(10, 1)
    module = Checked()
    with torch.no_grad():
        goal = (float(np.quantile(module(torch.tensor(space.sample(500, 3)).float()), 0.95)), None)
    module.calls = 0
    along = counterfactual(module, TableEditor(space), X, goal)
    with_gradient, module.calls = module.calls, 0

    def black_box(X):
        with torch.no_grad():
            return module(torch.tensor(X).float()).numpy().astype(float)

    blind = counterfactual(black_box, TableEditor(space), X, goal)
    assert along.reached.all()
    assert with_gradient < 0.8 * module.calls
    assert along.cost.sum() < 1.02 * blind.cost.sum()


def test_a_linear_module_with_two_targets_gets_the_optimum():
    torch.manual_seed(0)
    module = torch.nn.Linear(6, 2, bias=False).double()
    A = module.weight.detach().numpy()
    X = box(6).sample(6, 0)
    aim = A @ box(6).sample(1, 9)[0]
    found = counterfactual(module, TableEditor(box(6)), X, dict(enumerate(aim)), tolerance=0.03)
    least = [least_l1(A, x, np.zeros(6), np.ones(6), np.ones(6), aim - 0.03, aim + 0.03) for x in X]
    np.testing.assert_allclose(found.cost, least, rtol=1e-3)


# -- the same bits, whatever the batch ------------------------------------------------------------


def test_same_seed_same_bits_and_rows_can_be_permuted(forest):
    model, X = forest
    goal, options = (2.2, None), {"n_answers": 2, "reference": X}
    found = counterfactual(model, TableEditor(box(5)), X[:6], goal, **options)
    assert found == counterfactual(model, TableEditor(box(5)), X[:6], goal, **options)
    order = np.array([3, 0, 5, 1, 4, 2])
    other = counterfactual(model, TableEditor(box(5)), X[:6][order], goal, **options)
    for position, i in enumerate(order):
        np.testing.assert_array_equal(
            other.settings[other.row == position], found.settings[found.row == i]
        )
    one = counterfactual(model, TableEditor(box(5)), X[4:5], goal, **options)
    np.testing.assert_array_equal(one.settings, found.settings[found.row == 4])


def test_time_limit_returns_what_there_is_and_a_long_one_changes_nothing(forest):
    model, X = forest
    editor = TableEditor(box(5))
    short = counterfactual(model, editor, X[:6], (2.2, None), time_limit=1e-9, n_answers=3)
    assert short.timed_out
    assert np.unique(short.row).tolist() == list(range(6))
    assert np.isfinite(short.prediction).all()
    assert any("time limit" in text for text in short.warnings)
    long = counterfactual(model, editor, X[:3], (2.2, None), time_limit=1e6)
    assert long == counterfactual(model, editor, X[:3], (2.2, None))


def test_progress_counts_samples(forest):
    model, X = forest
    said = []
    counterfactual(
        model, TableEditor(box(5)), X[:2], (2.2, None), budget=500,
        progress=lambda *args: said.append(args),
    )  # fmt: skip
    assert (said[0], said[-1]) == ((0, 2, "sample"), (2, 2, "sample"))


# -- any space, any model -------------------------------------------------------------------------


@st.composite
def spaces(draw):
    knobs = []
    for j in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["continuous", "integer", "grid", "categorical"]))
        cost = draw(st.sampled_from([0.0, 0.5, 1.0, 3.0]))
        low = draw(st.sampled_from([-2.0, 0.0, 10.0]))
        if kind == "categorical":
            knobs.append(
                Knob(
                    f"k{j}", kind=kind, levels=("a", "b", "c")[: draw(st.integers(2, 3))], cost=cost
                )
            )
        elif kind == "integer":
            knobs.append(
                Knob(f"k{j}", kind=kind, lower=low, upper=low + draw(st.integers(1, 6)), cost=cost)
            )
        elif kind == "grid":
            knobs.append(Knob(f"k{j}", kind=kind, lower=low, upper=low + 2, step=0.25, cost=cost))
        else:
            knobs.append(
                Knob(
                    f"k{j}",
                    lower=low,
                    upper=low + draw(st.sampled_from([0.0, 1.0, 500.0])),
                    cost=cost,
                )
            )
    mixtures = []
    if draw(st.booleans()):
        names = ("m0", "m1", "m2", "m3")[: draw(st.integers(2, 4))]
        step = draw(st.sampled_from([None, 0.1]))
        kind = {"kind": "continuous"} if step is None else {"kind": "grid", "step": step}
        upper = draw(st.sampled_from([0.8, 1.0]))
        knobs += [Knob(name, lower=0, upper=upper, **kind) for name in names]
        few = draw(st.sampled_from([None, 2]))
        mixtures = [Mixture(names, 1.0, few)]
    free = [knob for knob in knobs if knob.kind == "continuous" and knob.width]
    if len(free) > 1 and draw(st.booleans()):
        a, b = free[:2]
        middle = (a.low + a.high) / (2 * a.width) + (b.low + b.high) / (2 * b.width)
        relation = LinearRelation({a.name: 1 / a.width, b.name: 1 / b.width}, upper=middle)
        try:
            return KnobSpace(knobs, mixtures, [relation])
        except SettingsError:
            pass  # the mixture leaves nothing
    return KnobSpace(knobs, mixtures)


@given(spaces(), st.integers(0, 999), st.floats(0, 1.1), st.booleans(), st.sampled_from([None, 2]))
def test_nothing_infeasible_is_shown_and_nothing_can_go_back(space, seed, share, is_tree, most):
    rng = np.random.default_rng(seed)
    k = len(space)
    slope, wave = rng.normal(size=(2, k)), rng.uniform(0, 3, k)

    def law(X):
        z = space.scale(X)
        smooth = z @ slope[0] + np.sin(z * wave * 3) @ slope[1]
        return np.floor(4 * smooth) if is_tree else smooth

    model, editor = Guard(law, space), ArrayEditor(space)
    X = space.sample(2, seed)
    seen = law(space.sample(200, 1))
    goal = (float(seen.min() + share * np.ptp(seen)), None)
    options = {"budget": 600, "n_answers": 2, "max_changes": most}
    found = counterfactual(model, editor, X, goal, **options)
    assert space.is_feasible(found.settings).all()
    at = law(found.settings)
    np.testing.assert_allclose(found.prediction[:, 0], at, atol=1e-12)
    np.testing.assert_array_equal(found.reached, at >= goal[0] - 1e-9 * np.ptp(seen))
    np.testing.assert_allclose(
        found.cost, space.change_cost(X[found.row], found.settings), atol=1e-9
    )
    if most is not None:
        assert (found.changed.sum(axis=1) <= most).all()
    assert_nothing_can_go_back(model, editor, found)
    assert model.rows == found.n_calls.sum() + len(X)


# -- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"goal": None}, "must be a finite number or a range"),
        ({"goal": (3, 1)}, "must be a finite number or a range"),
        ({"goal": (None, None)}, "must be a finite number or a range"),
        ({"goal": float("nan")}, "must be a finite number or a range"),
        ({"goal": {"y": 1}}, "There is no target 'y'"),
        ({"goal": {1: 1}}, "There is no target 1; there are 1"),
        ({"goal": {}}, "at least one target"),
        ({"goal": 1, "tolerance": -1}, "must be a number, 0 or more"),
        ({"goal": 1, "tolerance": {3: 1}}, "tolerance but no goal"),
        ({"goal": 1, "hold": ["z"]}, "There is no knob 'z'"),
        ({"goal": 1, "hold": ["x0", "x1"]}, "There is no knob to turn"),
        ({"goal": 1, "n_answers": 0}, "n_answers=0 must be 1 or more"),
        ({"goal": 1, "time_limit": 0}, "must be above 0 seconds"),
        ({"goal": 1, "confidence": "sure"}, "is not one of"),
        ({"goal": 1, "targets": ["a", "b"]}, "the predictor has 1 targets"),
        ({"goal": 1, "interval": lambda X: (np.zeros((len(X), 2)),) * 2}, "interval has 2 targets"),
    ],
)
def test_faults_are_named(options, message):
    with pytest.raises((SettingsError, DataError), match=message):
        counterfactual(lambda X: X.sum(axis=1), TableEditor(box(2)), [[0.1, 0.2]], **options)


def test_several_targets_need_a_mapping_and_there_must_be_a_sample():
    def two(X):
        return X[:, :2]

    with pytest.raises(SettingsError, match="has 2 targets: give the goal as"):
        counterfactual(two, TableEditor(box(2)), [[0.1, 0.2]], 1)
    with pytest.raises(SettingsError, match="A target has two goals"):
        counterfactual(two, TableEditor(box(2)), [[0.1, 0.2]], {"a": 1, 0: 2}, targets=["a", "b"])
    with pytest.raises(DataError, match="no sample to change"):
        counterfactual(two, TableEditor(box(2)), np.empty((0, 2)), {0: 1})
