"""Goals are read as written, and chance and improvement agree with integration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from matlever.exceptions import SettingsError
from matlever.recommendation._prediction import Prediction
from matlever.recommendation.goals import Goal, read_goals


def test_every_form_is_read():
    goals = read_goals(
        {"b": (None, 3), "a": "maximize", "c": 20, "d": "MIN", "e": (1, math.inf)},
        ["a", "b", "c", "d", "e", "without"],
    )
    assert [goal.target for goal in goals] == ["a", "b", "c", "d", "e"]
    assert [goal.text for goal in goals] == [
        "maximise",
        "at most 3",
        "reach 20",
        "minimise",
        "at least 1",
    ]
    assert read_goals((1.5, 2.5), ["only"])[0].text == "between 1.5 and 2.5"


def test_all_faults_are_named_together():
    with pytest.raises(SettingsError) as caught:
        read_goals(
            {"a": "upwards", "z": "maximise", "b": (3, 2), "c": (None, None)}, ["a", "b", "c"]
        )
    text = str(caught.value)
    for word in ("'upwards'", "no target 'z'", "(3, 2)", "(None, None)", "a range (low, high)"):
        assert word in text


@pytest.mark.parametrize("wanted", [math.nan, True, None, "", (1,), math.inf])
def test_what_is_no_goal_is_refused(wanted):
    with pytest.raises(SettingsError, match="it must be"):
        read_goals({"a": wanted}, ["a"])


def test_one_goal_for_several_targets_is_refused():
    with pytest.raises(SettingsError, match="2 targets"):
        read_goals("maximise", ["a", "b"])


GOALS = [
    Goal("y", "maximise"),
    Goal("y", "minimise"),
    Goal("y", "reach", 1.1, 1.1),
    Goal("y", "within", 0.8, 1.3),
    Goal("y", "within", 1.4),
    Goal("y", "within", -math.inf, 0.3),
]


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: goal.text)
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("best", [0.5, 1.9])
def test_improvement_and_chance_agree_with_integration(goal, log, best):
    centre, spread = 0.1, 0.6
    truth = stats.lognorm(s=spread, scale=np.exp(centre)) if log else stats.norm(centre, spread)
    prediction = Prediction(np.array([centre]), np.array([spread]), log)
    from_score = float(goal.score(best))

    def gain(y):
        return max(float(goal.score(y)) - from_score, 0.0) * truth.pdf(y)

    kinks = sorted(
        {best, *(v for v in (goal.lower, goal.upper) if math.isfinite(v)), 2 * goal.lower - best}
        - {-math.inf, math.inf}
    )
    low, high = (0.0, 60.0) if log else (-8.0, 8.0)
    expected = integrate.quad(gain, low, high, points=kinks, limit=2000)[0]
    np.testing.assert_allclose(
        goal.expected_improvement(prediction, best), expected, rtol=1e-5, atol=1e-9
    )
    draws = truth.ppf((np.arange(400_000) + 0.5) / 400_000)
    wins = goal.score(draws) >= 0 if goal.kind == "within" else goal.score(draws) > from_score
    np.testing.assert_allclose(goal.probability(prediction, best), wins.mean(), atol=1e-5)
