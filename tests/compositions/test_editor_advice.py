"""Explanations and recommendations of compositions, unchanged, on functions that are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from matlever.compositions import (
    ELEMENTS,
    CompositionEditor,
    element_properties,
    enumerate_compositions,
    parse_formulas,
)
from matlever.explanation import counterfactual, explain, sweep
from matlever.recommendation import suggest

Z = {name: j for j, name in enumerate(ELEMENTS)}
ALLOYS = ("Mn", "Fe", "Co", "Ni")
WORTH = {"Mn": 0.5, "Fe": 1.0, "Co": 3.0, "Ni": -2.0}
PAULING = element_properties(fill=True)["Electronegativity"]


class Linear:
    """A property that is linear in the fractions."""

    def __init__(self):
        self.weights = np.zeros(len(ELEMENTS))
        self.weights[[Z[name] for name in WORTH]] = list(WORTH.values())

    def predict(self, X):
        return np.asarray(X) @ self.weights

    def predict_tensor(self, X):
        return X @ torch.as_tensor(self.weights, dtype=X.dtype)


@pytest.fixture(scope="module")
def alloys():
    space = enumerate_compositions(ALLOYS, n_elements=[2, 3], max_atoms=6)
    return space.candidates(0, space.size).fractions


@pytest.fixture(scope="module")
def editor(alloys):
    return CompositionEditor.from_samples(alloys)


def test_weights_of_elements_are_those_of_the_law_less_their_mean(alloys, editor):
    inside = np.zeros((1, 103))
    inside[0, [Z[name] for name in ALLOYS]] = 0.25
    four = CompositionEditor(ALLOYS)
    found = explain(Linear(), four, inside, reference=alloys)
    worth = np.array([WORTH[name] for name in four.space.names])
    np.testing.assert_allclose(found.slope[0], worth - worth.mean(), atol=1e-9)
    few = explain(Linear(), editor, alloys[:6], reference=alloys)
    assert "Ni moves the prediction most" in few.sentence


def test_a_sweep_of_one_element_makes_the_others_give_way(alloys, editor):
    four = CompositionEditor(ALLOYS)
    inside = np.zeros((1, 103))
    inside[0, [Z[name] for name in ALLOYS]] = 0.25
    (found,) = sweep(Linear(), four, inside, knobs=["Co"]).sweeps
    # The others give way alike: at a share x of cobalt they have (1 - x) / 3 each.
    rest = (WORTH["Mn"] + WORTH["Fe"] + WORTH["Ni"]) / 3
    expected = 3.0 * found.values + rest * (1 - found.values)
    within = found.values >= 0.25  # below, the nearest feasible setting is the same
    np.testing.assert_allclose(found.mean[within], expected[within], atol=1e-9)
    (few,) = sweep(Linear(), editor, alloys[:3], knobs=["Co"]).sweeps
    assert few.knob.name == "Co"


@pytest.mark.parametrize("predictor", [Linear(), Linear().predict])
def test_counterfactuals_reach_the_goal_by_feasible_alloys(alloys, editor, predictor):
    start = alloys[:4]
    assert (Linear().predict(start) < 2.0).all()
    found = counterfactual(predictor, editor, start, goal=(2.0, None), reference=alloys)
    assert found.reached.all()
    assert editor.space.is_feasible(found.settings).all()
    # More cobalt is the way: nothing else is worth 2.
    co = editor.space.names.index("Co")
    assert (found.settings[:, co] > found.start[found.row, co]).all()
    rendered = editor.render(start, found.settings[:, None])
    np.testing.assert_allclose(Linear().predict(rendered), found.prediction[:, 0], atol=1e-6)


def test_the_next_alloy_is_the_one_with_the_most_cobalt(alloys, editor):
    pytest.importorskip("botorch")
    known = alloys[::7]
    found = suggest(editor, known, Linear().predict(known), "maximise")
    best = dict(zip(editor.space.names, found.settings[0], strict=True))
    assert best["Co"] == pytest.approx(editor.space["Co"].upper)
    assert editor.space.is_feasible(found.settings).all()


@pytest.fixture(scope="module")
def perovskites():
    sites = [["Ca", "Sr", "Ba"], ["Ti", "Zr", "Sn"], ["O"]]
    return enumerate_compositions(sites, stoichiometries=[(1, 1, 3)]).candidates(0, 9).fractions


@pytest.fixture(scope="module")
def roles():
    return CompositionEditor.substitution({"A": ["Ca", "Sr", "Ba"], "B": ["Ti", "Zr", "Sn"]})


def by_electronegativity(fractions):
    """Return a property that follows the mean electronegativity."""
    return fractions @ PAULING


def test_the_role_that_changes_electronegativity_more_weighs_more(perovskites, roles):
    found = explain(by_electronegativity, roles, perovskites[:5], reference=perovskites)
    assert found.sentence.startswith("B moves the prediction most")
    a, b = sweep(by_electronegativity, roles, perovskites[:5]).sweeps
    for swept, names in ((a, ["Ca", "Sr", "Ba"]), (b, ["Ti", "Zr", "Sn"])):
        expected = 0.2 * PAULING[[Z[name] for name in names]]
        np.testing.assert_allclose(np.diff(swept.mean), np.diff(expected), atol=1e-9)


def test_the_nearest_substitution_that_reaches_the_goal_is_found(perovskites, roles):
    start = parse_formulas(["BaTiO3"]).fractions
    goal = float(by_electronegativity(parse_formulas(["BaSnO3"]).fractions)[0]) - 1e-6
    found = counterfactual(
        by_electronegativity, roles, start, goal=(goal, None), reference=perovskites
    )
    assert "Change B from Ti to Sn" in repr(found)
    assert found.reached.all()


def test_the_next_substitution_is_one_not_made_yet(perovskites, roles):
    pytest.importorskip("botorch")
    known = perovskites[:7]
    found = suggest(
        roles,
        known,
        by_electronegativity(known),
        "maximise",
        predictor=by_electronegativity,
        pool=perovskites,
        method="best",
    )
    made = {tuple(row) for row in roles.values(known)}
    assert tuple(found.settings[0]) not in made
    rest = perovskites[7:]
    best = rest[by_electronegativity(rest).argmax()]
    np.testing.assert_array_equal(found.settings[0], roles.values(best[None])[0])


def test_compositions_do_as_samples_as_well(alloys, editor):
    samples = parse_formulas(["FeCo", "MnNi", "Fe2Co"])

    def law(compositions):
        return Linear().predict(compositions.fractions)

    found = explain(law, editor, samples, reference=samples)
    assert len(found.slope) == 3
    changed = counterfactual(law, editor, samples, goal=(2.2, None), reference=samples)
    assert "3 of 3" in repr(changed)
