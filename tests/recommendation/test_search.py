"""The best feasible setting is found, against projections and enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from matlever.exceptions import SettingsError
from matlever.knobs import Knob, KnobSpace, Mixture
from matlever.recommendation._botorch import quiet
from matlever.recommendation._climb import climb
from matlever.recommendation._coordinates import Coordinates
from matlever.recommendation._feasible import FeasibleSettings
from matlever.recommendation._gaussian_process import fit_gp
from matlever.recommendation._search import Search

with quiet():
    from botorch.acquisition.logei import qLogNoisyExpectedImprovement
    from botorch.optim import optimize_acqf
    from botorch.sampling.normal import SobolQMCNormalSampler


def _hill(coordinates, target):
    """A hill around a setting, as a function of points (b, 1, p)."""
    top = torch.as_tensor(coordinates.encode(np.asarray(target, dtype=float)))

    def value(X):
        return -(X[..., 0, :] - top).square().sum(dim=-1)

    return value


def _search(space, known, held=None, has_gradient=True):
    feasible = FeasibleSettings(space, held or {})
    coordinates = Coordinates(space, known)
    return Search(feasible, coordinates, feasible.put(known), has_gradient)


def test_climbing_stays_in_the_plane_of_a_mixture():
    space = KnobSpace(
        [Knob(name, lower=0, upper=1) for name in "abc"] + [Knob("t", lower=0, upper=100)],
        [Mixture(("a", "b", "c"))],
    )
    coordinates = Coordinates(space, space.sample(5, 0))
    top = [0.7, 0.6, 0.2, 140.0]  # neither on the plane nor within the limits
    found = climb(_hill(coordinates, top), coordinates, np.array([0.2, 0.2, 0.6, 50.0]), range(4))
    np.testing.assert_allclose(found, space.project(top), atol=1e-3)


@pytest.mark.parametrize("has_gradient", [True, False])
def test_best_of_a_mixed_space_is_found(has_gradient):
    space = KnobSpace(
        [
            Knob("t", lower=-1, upper=1),
            Knob("g", kind="grid", lower=0, upper=10, step=0.5),
            Knob("i", kind="integer", lower=0, upper=20),
            Knob("c", kind="categorical", levels=("a", "b", "c", "d")),
        ]
    )
    search = _search(space, space.sample(4, 1), has_gradient=has_gradient)
    target = [0.31, 7.3, 13.2, 2]
    rng = np.random.default_rng(0)
    none = np.empty((0, search.coordinates.n_coordinates))
    found, value = search.best(_hill(search.coordinates, target), none, rng)
    np.testing.assert_allclose(found, [0.31, 7.5, 13, 2], atol=1e-5 if has_gradient else 0.02)
    assert value <= 0


def test_best_of_few_parts_is_that_of_enumeration():
    parts = [Knob(f"p{j}", lower=0, upper=1, kind="grid", step=0.1) for j in range(5)]
    space = KnobSpace(parts, [Mixture(tuple(k.name for k in parts), max_parts=2)])
    search = _search(space, space.sample(4, 1))
    target = np.array([0.05, 0.52, 0.0, 0.13, 0.4])
    every = [
        np.array(row) / 10
        for row in itertools.product(range(11), repeat=5)
        if sum(row) == 10 and sum(x > 0 for x in row) <= 2
    ]
    best = min(every, key=lambda row: ((row - target) ** 2).sum())
    none = np.empty((0, 5))
    found, _ = search.best(_hill(search.coordinates, target), none, np.random.default_rng(0))
    np.testing.assert_allclose(found, best, atol=1e-9)


def test_held_knobs_do_not_move():
    space = KnobSpace(
        [Knob("t", lower=-1, upper=1), Knob("c", kind="categorical", levels=("a", "b"))]
    )
    search = _search(space, space.sample(4, 1), held={1: 1.0})
    found, _ = search.best(
        _hill(search.coordinates, [0.4, 0]), np.empty((0, 3)), np.random.default_rng(0)
    )
    np.testing.assert_allclose(found, [0.4, 1.0], atol=1e-5)


def test_what_is_taken_is_not_chosen_and_an_empty_rest_is_refused():
    space = KnobSpace([Knob("i", kind="integer", lower=0, upper=3)])
    search = _search(space, np.array([[0.0], [3.0]]))
    taken = search.coordinates.encode([[1.0], [2.0]])
    rng = np.random.default_rng(0)
    found, _ = search.best(_hill(search.coordinates, [1.4]), taken, rng)
    assert found.tolist() in ([0.0], [3.0])
    every = search.coordinates.encode([[0.0], [1.0], [2.0], [3.0]])
    with pytest.raises(SettingsError, match="allow_repeats"):
        search.best(_hill(search.coordinates, [1.4]), every, rng)


def test_acquisition_is_as_high_as_botorch_itself_finds_it():
    rng = np.random.default_rng(2)
    known = rng.random((15, 3))
    y = np.sin(6 * known[:, 0]) - (known[:, 1] - 0.3) ** 2 + known[:, 2] * known[:, 0]
    gp = fit_gp(known, (y - y.mean()) / y.std(ddof=1))
    acquisition = qLogNoisyExpectedImprovement(
        gp, torch.as_tensor(known), SobolQMCNormalSampler(torch.Size([128]), seed=0)
    )
    space = KnobSpace([Knob(name, lower=0, upper=1) for name in "abc"])
    found, value = _search(space, known).best(acquisition, np.empty((0, 3)), rng)
    cube = torch.tensor([[0.0] * 3, [1.0] * 3], dtype=torch.float64)
    with quiet():
        point, theirs = optimize_acqf(acquisition, cube, q=1, num_restarts=10, raw_samples=512)
    assert value == pytest.approx(theirs.item(), abs=1e-3)
    np.testing.assert_allclose(found, point.numpy()[0], atol=0.01)
