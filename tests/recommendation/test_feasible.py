"""Nothing infeasible is drawn, and what is held stays."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from matlever.knobs import Knob, KnobSpace, Mixture
from matlever.recommendation._feasible import FeasibleSettings


@st.composite
def spaces(draw):
    """A mixture of continuous or grid parts, perhaps of few, beside one knob of each kind."""
    n_parts = draw(st.integers(2, 4))
    on_grid = draw(st.booleans())
    parts = [
        Knob(
            f"p{j}",
            lower=0,
            upper=1,
            kind="grid" if on_grid else "continuous",
            step=0.05 if on_grid else None,
        )
        for j in range(n_parts)
    ]
    few = draw(st.one_of(st.none(), st.integers(1, n_parts)))
    others = [
        Knob("t", lower=draw(st.floats(-50, 0)), upper=draw(st.floats(1, 50))),
        Knob("g", kind="grid", lower=0, upper=1, step=draw(st.sampled_from([0.1, 0.25, 0.3]))),
        Knob("u", kind="grid", levels=(1.0, 3.0, 10.0)),
        Knob("i", kind="integer", lower=-2, upper=4),
        Knob("c", kind="categorical", levels=("a", "b", "c")),
    ]
    return KnobSpace([*parts, *others], [Mixture(tuple(k.name for k in parts), 1.0, few)])


@given(spaces(), st.integers(0, 2**31), st.booleans())
@settings(max_examples=30)
def test_everything_is_feasible_and_the_held_knobs_stay(space, seed, hold):
    rng = np.random.default_rng(seed)
    rows = space.sample(3, rng)
    held = {}
    if hold:
        held = {j: float(rows[0, j]) for j in (0, len(space) - 1)}
    feasible = FeasibleSettings(space, held)
    rows = feasible.put(rows)
    drawn = [feasible.draw(20, rng), feasible.near(rows, 20, rng), feasible.neighbours(rows[0])]
    for values in drawn:
        assert space.is_feasible(values).all()
        for j, value in held.items():
            np.testing.assert_allclose(values[:, j], value, atol=1e-12)
    assert len(drawn[1])


def test_neighbours_are_single_steps():
    space = KnobSpace(
        [
            Knob("i", kind="integer", lower=0, upper=4),
            Knob("c", kind="categorical", levels=("a", "b", "c")),
            Knob("t", lower=0, upper=1),
        ]
    )
    found = FeasibleSettings(space, {}).neighbours(np.array([0.0, 1.0, 0.5]))
    assert found.tolist() == [[1, 1, 0.5], [0, 0, 0.5], [0, 2, 0.5]]


def test_parts_of_a_mixture_of_few_change_places():
    parts = [Knob(name, lower=0, upper=1) for name in "abc"]
    space = KnobSpace(parts, [Mixture(("a", "b", "c"), max_parts=2)])
    found = FeasibleSettings(space, {}).neighbours(np.array([0.7, 0.3, 0.0]))
    assert found.tolist() == [[0.0, 0.3, 0.7], [0.7, 0.0, 0.3]]
