"""Several targets: known fronts, conditions, and chances of success."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from matlever.knobs import Knob, KnobSpace, TableEditor
from matlever.recommendation import suggest
from matlever.recommendation._acquisition import _reference_point
from matlever.recommendation._describe import success
from matlever.recommendation._known import read_known
from matlever.recommendation._prediction import Prediction
from matlever.recommendation.goals import read_goals

RNG = np.random.default_rng(1)
RUNS = pd.DataFrame(RNG.random((12, 2)), columns=["a", "b"])
EDITOR = TableEditor(KnobSpace([Knob("a", lower=0, upper=1), Knob("b", lower=0, upper=1)]))


def _two(runs):
    """Two targets that contradict each other along a; b = 0.5 is best for both."""
    loss = 3 * (runs["b"] - 0.5) ** 2
    return pd.DataFrame({"y": runs["a"] - loss, "z": 1 - runs["a"] ** 2 - loss})


def _hypervolume(points, reference):
    """Area that two scores dominate above a reference point, by summing up stairs."""
    area, height = 0.0, reference[1]
    for x, y in sorted(points.tolist(), reverse=True):
        if x > reference[0] and y > height:
            area += (x - reference[0]) * (y - height)
            height = y
    return area


class Exact:
    """A model that knows the truth, nearly."""

    def predict(self, X, return_std=False):
        mean = _two(X).to_numpy()
        return (mean, np.full(mean.shape, 1e-3)) if return_std else mean


def test_row_that_adds_most_hypervolume_is_chosen_from_a_pool():
    pool = pd.DataFrame(RNG.random((30, 2)), columns=["a", "b"])
    known = _two(RUNS).to_numpy()
    found = suggest(
        EDITOR,
        RUNS,
        _two(RUNS),
        {"y": "maximise", "z": "maximise"},
        pool=pool,
        predictor=Exact(),
    )
    scaled = (known - known.mean(axis=0)) / known.std(axis=0, ddof=1)
    reference = _reference_point(
        torch.as_tensor(scaled), torch.ones(len(scaled), dtype=torch.bool)
    ).numpy()
    candidates = (_two(pool).to_numpy() - known.mean(axis=0)) / known.std(axis=0, ddof=1)
    gains = [_hypervolume(np.vstack([scaled, row]), reference) for row in candidates]
    assert found.pool_rows[0] == int(np.argmax(gains))


def test_reference_point_is_below_the_worst_of_the_front():
    y = torch.tensor([[0.0, 4.0], [2.0, 3.0], [1.0, 1.0], [3.0, 0.0]], dtype=torch.float64)
    counts = torch.tensor([True, True, True, False])
    np.testing.assert_allclose(_reference_point(y, counts), [0 - 0.3, 3 - 0.4])


@pytest.mark.slow
def test_suggestions_of_a_process_lie_on_the_front():
    found = suggest(EDITOR, RUNS, _two(RUNS), {"y": "max", "z": "max"}, n_experiments=3)
    np.testing.assert_allclose(found.settings[:, 1], 0.5, atol=0.2)
    assert np.ptp(found.settings[:, 0]) > 0.2  # and not all at one end of it


def test_a_range_beside_another_goal_is_a_condition():
    # Best y is at a = 1, where z is about 0; z of at least 0.6 allows a up to sqrt(0.4) = 0.63.
    found = suggest(
        EDITOR, RUNS, _two(RUNS), {"y": "maximise", "z": (0.6, None)}, predictor=Exact()
    )
    np.testing.assert_allclose(found.settings[0], [0.63, 0.5], atol=0.06)
    assert found.chance[0, 1] > 0.5


def test_a_batch_for_a_range_is_inside_and_spread_out():
    found = suggest(EDITOR, RUNS, _two(RUNS)["y"], (0.3, 0.5), n_experiments=4, scale="linear")
    truth = _two(pd.DataFrame(found.settings, columns=["a", "b"]))["y"]
    assert ((truth > 0.2) & (truth < 0.6)).all()
    away = np.linalg.norm(found.settings[:, None] - found.settings[None], axis=2)
    assert away[np.triu_indices(4, 1)].min() > 0.1


def test_targets_are_learned_each_from_its_own_rows():
    outcomes = _two(RUNS)
    outcomes.loc[:3, "y"] = np.nan
    outcomes.loc[6:8, "z"] = np.nan
    found = suggest(EDITOR, RUNS, outcomes, {"y": "max", "z": "max"})
    for target in ("y", "z"):
        there = outcomes[target].notna()
        alone = suggest(
            EDITOR,
            RUNS[there],
            outcomes.loc[there, target],
            "max",
            pool=pd.DataFrame(found.settings, columns=["a", "b"]),
        )
        position = found.targets.index(target)
        np.testing.assert_allclose(found.predicted[0, position], alone.predicted[0, 0], rtol=1e-6)


def test_only_targets_with_a_goal_play_a_part():
    found = suggest(EDITOR, RUNS, _two(RUNS), {"z": "minimise"})
    assert found.targets == ("z",)
    assert found.predicted.shape == (1, 1)


@pytest.mark.parametrize(
    "goals",
    [
        {"y": "max", "z": "min"},
        {"y": "max", "z": (0.2, 0.7)},
        {"y": (0.1, 0.9), "z": (0.2, None)},
        {"y": 0.4, "z": "max"},
    ],
)
def test_chance_of_success_agrees_with_drawing(goals):
    known = read_known(EDITOR, RUNS, _two(RUNS))
    read = read_goals(goals, known.targets)
    values = [
        Prediction(np.array([0.5, 0.2]), np.array([0.3, 0.1])),
        Prediction(np.array([-0.6, -1.0]), np.array([0.5, 0.3]), log=True),
    ]
    best = np.array(
        [
            np.nan if row is None else known.column(goal.target)[row]
            for goal, row in zip(read, known.best(read), strict=True)
        ]
    )
    found = success(read, values, known, best)
    rng = np.random.default_rng(0)
    for i in range(2):
        y = rng.normal(values[0].centre[i], values[0].spread[i], 40_000)
        z = np.exp(rng.normal(values[1].centre[i], values[1].spread[i], 40_000))
        assert found[i] == pytest.approx(_won(read, np.column_stack([y, z]), known), abs=0.012)


def _won(goals, drawn, known):
    """Share of drawn outcomes that succeed, counted one by one."""
    kinds = [goal.kind for goal in goals]
    inside = np.ones(len(drawn), dtype=bool)
    counts = np.ones(len(known.outcomes), dtype=bool)
    for j, kind in enumerate(kinds):
        if kind == "within":
            inside &= (drawn[:, j] >= goals[j].lower) & (drawn[:, j] <= goals[j].upper)
            column = known.outcomes[:, j]
            counts &= (column >= goals[j].lower) & (column <= goals[j].upper)
    aims = [j for j, kind in enumerate(kinds) if kind != "within"]
    if not aims:
        return inside.mean()
    sign = {"maximise": lambda v: v, "minimise": lambda v: -v, "reach": lambda v: -np.abs(v - 0.4)}
    scores = np.column_stack([sign[kinds[j]](drawn[:, j]) for j in aims])
    front = np.column_stack([sign[kinds[j]](known.outcomes[counts, j]) for j in aims])
    beaten = np.zeros(len(drawn), dtype=bool)
    for row in front:
        beaten |= (row >= scores).all(axis=1)
    return (inside & ~beaten).mean()
