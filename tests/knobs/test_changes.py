"""What a change costs, and how far a setting can move before a limit stops it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matlever.exceptions import DataError
from matlever.knobs import Knob, KnobSpace, Mixture

KNOBS = [
    Knob("a", "K", lower=-1.5, upper=2.0, cost=3.0),
    Knob("b", kind="integer", lower=-1.2, upper=2.7),
    Knob("c", kind="grid", lower=0.1, upper=1.05, step=0.3),
    Knob("d", kind="categorical", levels=("x", "y", "z"), cost=2.0),
    Knob("e", lower=0, upper=1, fixed=True),
    Knob("f", kind="grid", levels=(0.5, -1, 2)),
    Knob("m0", lower=0, upper=0.6),
    Knob("m1", lower=0.1, upper=1),
    Knob("m2", lower=0, upper=1, cost=0.5),
]
SPACE = KnobSpace(KNOBS, [Mixture(("m0", "m1", "m2"))])
MOVABLE = np.flatnonzero(~SPACE.is_fixed & ~SPACE.is_categorical)
PARTS = SPACE.positions(("m0", "m1", "m2"))


def some_directions(rng, n, r):
    """Directions in the plane of the mixture, of all lengths; some knobs stand still."""
    d = np.zeros((n, r, len(SPACE)))
    d[..., MOVABLE] = rng.normal(size=(n, r, len(MOVABLE))) * rng.choice([0, 0.1, 1, 10], (n, r, 1))
    d[..., PARTS] -= d[..., PARTS].mean(axis=-1, keepdims=True)
    d[rng.random(d.shape) < 0.2] = 0
    d[..., PARTS] -= d[..., PARTS].mean(axis=-1, keepdims=True)
    return d


def relaxed():
    """The same space with every number between the lowest and the highest value allowed."""
    lowest = {"b": (-1, 2), "c": (0.1, 1.0), "f": (-1, 2)}
    knobs = [
        Knob(k.name, lower=lowest[k.name][0], upper=lowest[k.name][1]) if k.name in lowest else k
        for k in KNOBS
    ]
    return KnobSpace(knobs, SPACE.mixtures)


@given(st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_room_is_the_largest_step_that_keeps_every_limit(seed):
    rng = np.random.default_rng(seed)
    values, directions = SPACE.sample(7, rng), some_directions(rng, 7, 11)
    room = SPACE.room(values, directions)
    continuous = relaxed()
    assert room.shape == (7, 11)
    assert ((room >= 0) & (room <= 1)).all()
    reached = values[:, None] + room[:, :, None] * directions
    assert continuous.is_feasible(reached, tol=1e-11).all()
    stopped = (room < 1) & (room > 0)
    beyond = values[:, None] + (room * (1 + 1e-6))[:, :, None] * directions
    tight = continuous.is_feasible(beyond, tol=0.0)
    # Not the sum of a mixture, which rounding alone upsets: the limits of the knobs.
    low = np.where(SPACE.is_fixed, -np.inf, continuous.lower)
    high = np.where(SPACE.is_fixed, np.inf, continuous.upper)
    over = ((beyond < low) | (beyond > high)).any(axis=-1)
    assert not (tight & stopped).any()
    assert over[stopped].all()
    np.testing.assert_array_equal(SPACE.room(values, directions[0]), room_one(values, directions))


def room_one(values, directions):
    return np.concatenate([SPACE.room(v[None], directions[:1]) for v in values])


def test_no_room_at_a_limit_off_the_plane_of_a_mixture_and_for_a_part_too_many():
    knobs = [Knob(name, lower=0, upper=1) for name in ("a", "b", "c", "x")]
    space = KnobSpace(knobs, [Mixture(("a", "b", "c"), max_parts=2)])
    values = [[0.4, 0.6, 0.0, 1.0]]
    ways = [
        [0, 0, 0, 0.5],  # x stands at its upper limit
        [0, 0, 0, -2.0],
        [0, 0, 0, 1e-17],  # zero but for rounding
        [0.1, 0, 0, 0],  # changes the sum
        [-0.8, 0.8, 0, 0],
        [-0.8, 0, 0.8, 0],  # a third part
        [0, 0, 0, 0],
    ]
    np.testing.assert_allclose(
        space.room(values, [ways]), [[0, 0.5, 1, 0, 0.5, 0, 1]], rtol=1e-15, atol=0
    )


@pytest.mark.parametrize("name", ["d", "e"])
def test_a_direction_that_moves_what_cannot_move_is_refused(name):
    direction = np.zeros((1, 1, len(SPACE)))
    direction[0, 0, SPACE.positions([name])] = 0.1
    with pytest.raises(DataError, match=f"'{name}' is fixed or categorical"):
        SPACE.room(SPACE.sample(1, 0), direction)
    with pytest.raises(DataError, match="Room needs settings"):
        SPACE.room(SPACE.sample(2, 0), np.zeros((3, 1, len(SPACE))))


@given(st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_cost_of_a_change_is_a_distance(seed):
    start, middle, end = (
        np.random.default_rng(seed).permutation(SPACE.sample(30, seed)).reshape(3, 10, -1)
    )
    there = SPACE.change_cost(start, end)
    assert there.shape == (10,)
    np.testing.assert_array_equal(there, SPACE.change_cost(end, start))
    np.testing.assert_array_equal(SPACE.change_cost(start, start), np.zeros(10))
    by_way = SPACE.change_cost(start, middle) + SPACE.change_cost(middle, end)
    assert (there <= by_way * (1 + 1e-12)).all()
    np.testing.assert_array_equal(SPACE.change_cost(start[0], end)[0], there[0])


def test_cost_adds_shares_of_the_range_and_whole_levels_and_ignores_what_is_fixed():
    start = [0.0, 0, 0.1, 0, 0.2, 0.5, 0.5, 0.5, 0.0]
    end = [0.7, 1, 0.4, 2, 0.9, 2.0, 0.3, 0.5, 0.2]
    expected = 3 * 0.7 / 3.5 + 1 / 3.9 + 0.3 / 0.95 + 2 + 0 + 1.5 / 3 + 0.2 / 0.6 + 0.5 * 0.2
    assert SPACE.change_cost(start, end) == pytest.approx(expected, rel=1e-14)
