"""Feasible settings: nearest, idempotent, uniform, and what is said about settings that are not."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import kstest

from matlever.exceptions import DataError, SettingsError
from matlever.knobs import DataRegion, Knob, KnobSpace, Mixture

NUMBER = st.floats(-3, 3).map(lambda x: round(x, 6))


@st.composite
def spaces(draw):
    """Spaces with every kind of knob and, mostly, one mixture with room inside its limits."""
    knobs = [
        Knob("a", "K", lower=-1.5, upper=draw(st.sampled_from([-1.5, 0.2, 2.0]))),
        Knob("b", kind="integer", lower=-1.2, upper=2.7),
        Knob("c", kind="grid", lower=0.1, upper=1.05, step=draw(st.sampled_from([0.1, 0.3, 2.0]))),
        Knob("d", kind="grid", levels=(0.5, -1, 2)),
        Knob("e", kind="categorical", levels=("x", "y", "z")),
        Knob("f", lower=0, upper=1, fixed=True),
    ]
    p = draw(st.integers(2, 5))
    total = draw(st.sampled_from([1.0, 100.0]))
    step = draw(st.sampled_from([None, 0.05]))
    max_parts = draw(st.one_of(st.none(), st.integers(2, p)))
    kind = "continuous" if step is None else "grid"
    lower = draw(st.lists(st.sampled_from([0.0, 0.0, 0.1]), min_size=p, max_size=p))
    upper = draw(st.lists(st.sampled_from([0.4, 0.6, 1.0]), min_size=p, max_size=p))
    for i in range(p):
        knobs.append(
            Knob(
                f"m{i}",
                kind=kind,
                lower=lower[i] * total,
                upper=upper[i] * total,
                step=None if step is None else step * total,
            )
        )
    try:
        return KnobSpace(knobs, [Mixture([f"m{i}" for i in range(p)], total, max_parts)])
    except SettingsError:
        return KnobSpace(knobs)


@given(spaces(), st.integers(0, 2**31))
@settings(max_examples=150, deadline=None)
def test_projection_is_feasible_idempotent_and_nearer_than_any_sampled_setting(space, seed):
    rng = np.random.default_rng(seed)
    width = np.where(space.upper > space.lower, space.upper - space.lower, 1.0)
    values = space.lower + width * rng.uniform(-0.7, 1.7, (20, space.n_knobs))
    projected = space.project(values)
    assert space.is_feasible(projected, tol=1e-9).all()
    assert np.array_equal(space.project(projected), projected)
    others = space.sample(60, seed)
    assert space.is_feasible(others, tol=1e-9).all()
    others = np.where(space.is_fixed, values[:, None], others)
    # The projection treats each mixture and each other knob on its own: compare them one by one.
    for columns in [space.positions(m.names) for m in space.mixtures] + [
        np.array([j]) for j in range(space.n_knobs) if not space.mixture_of(space.names[j])
    ]:
        ours = ((projected - values)[:, columns] ** 2).sum(axis=1)
        theirs = ((others - values[:, None])[:, :, columns] ** 2).sum(axis=2).min(axis=1)
        assert (ours <= theirs + 1e-9 * (1 + theirs)).all()
    assert space.violations(projected) == [()] * 20


@pytest.mark.parametrize("seed", range(6))
def test_continuous_mixture_projection_equals_a_general_optimiser(seed):
    rng = np.random.default_rng(seed)
    p = int(rng.integers(2, 7))
    lower = rng.uniform(0, 0.5 / p, p)
    upper = lower + rng.uniform(1.0 / p, 1, p)
    space = KnobSpace(
        [Knob(f"m{i}", lower=lower[i], upper=upper[i]) for i in range(p)],
        [Mixture([f"m{i}" for i in range(p)])],
    )
    v = rng.normal(0.3, 1, p)
    found = minimize(
        lambda x: ((x - v) ** 2).sum(),
        np.clip(lower + (1 - lower.sum()) / p, lower, upper),
        jac=lambda x: 2 * (x - v),
        bounds=list(zip(lower, np.minimum(upper, 1), strict=True)),
        constraints={"type": "eq", "fun": lambda x: x.sum() - 1, "jac": np.ones_like},
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 500},
    )
    np.testing.assert_allclose(space.project(v), found.x, atol=1e-6)


@pytest.mark.parametrize("max_parts", [None, 2])
@pytest.mark.parametrize("upper", [(1.0, 1.0, 1.0), (0.5, 0.6, 1.0)])
def test_mixture_on_a_grid_is_projected_to_the_nearest_of_all_grid_points(max_parts, upper):
    names = ("m0", "m1", "m2")
    space = KnobSpace(
        [
            Knob(n, kind="grid", lower=0, upper=u, step=0.1)
            for n, u in zip(names, upper, strict=True)
        ],
        [Mixture(names, max_parts=max_parts)],
    )
    every = np.array(
        [
            point
            for point in itertools.product(np.arange(11) / 10, repeat=3)
            if abs(sum(point) - 1) < 1e-9
            and (np.array(point) <= np.array(upper) + 1e-9).all()
            and sum(np.array(point) > 0) <= (max_parts or 3)
        ]
    )
    v = np.random.default_rng(0).normal(0.3, 0.6, (300, 3))
    nearest = ((v[:, None] - every) ** 2).sum(-1).min(1)
    np.testing.assert_allclose(((space.project(v) - v) ** 2).sum(-1), nearest, atol=1e-12)


def test_few_parts_with_unlike_limits_are_chosen_as_well_as_by_trying_all():
    upper = np.array([0.3, 0.9, 0.5, 1.0, 0.7])
    names = [f"m{i}" for i in range(5)]
    knobs = [Knob(n, lower=0, upper=u) for n, u in zip(names, upper, strict=True)]
    space = KnobSpace(knobs, [Mixture(names, max_parts=2)])
    v = np.random.default_rng(1).normal(0.3, 0.5, (50, 5))
    best = np.full(50, np.inf)
    for chosen in itertools.combinations(range(5), 2):
        a, b = chosen
        if upper[a] + upper[b] < 1:
            continue
        share = np.clip((v[:, a] - v[:, b] + 1) / 2, max(0, 1 - upper[b]), min(upper[a], 1))
        rest = (np.delete(v, chosen, axis=1) ** 2).sum(1)
        best = np.minimum(best, (v[:, a] - share) ** 2 + (v[:, b] - 1 + share) ** 2 + rest)
    np.testing.assert_allclose(((space.project(v) - v) ** 2).sum(1), best, atol=1e-12)


def test_held_parts_stay_and_the_others_make_room():
    space = KnobSpace(
        [Knob("a", lower=0, upper=0.5), Knob("b", lower=0, upper=1), Knob("c", lower=0, upper=1)],
        [Mixture(("a", "b", "c"), max_parts=2)],
    )
    values = np.array([[0.2, 0.5, 0.3], [0.0, 0.5, 0.5], [1.2, 0.0, 0.0]])
    held = space.project(values, hold=["a"], unreachable="nan")
    np.testing.assert_allclose(held[:2], [[0.2, 0.8, 0.0], [0.0, 0.5, 0.5]], atol=1e-15)
    assert np.isnan(held[2]).all()
    with pytest.raises(DataError, match=r"\('a', 'b', 'c'\) cannot sum to 1 .* \['a'\] stay"):
        space.project(values, hold=["a"])
    assert space.reachable_range("a") == (0.0, 0.5)
    assert space.reachable_range("b") == (0.0, 1.0)


@pytest.mark.parametrize("upper", [1.0, 0.45, 0.3])
def test_samples_of_a_mixture_are_uniform(upper):
    # Against the plainest rejection: uniform in the box, and the last part what is left.
    p, n = 4, 4000
    names = [f"m{i}" for i in range(p)]
    space = KnobSpace([Knob(name, lower=0, upper=upper) for name in names], [Mixture(names)])
    drawn = space.sample(n, 0)
    rng = np.random.default_rng(1)
    first = rng.uniform(0, upper, (400_000, p - 1))
    last = 1 - first.sum(axis=1)
    accepted = np.column_stack([first, last])[(last >= 0) & (last <= upper)]
    for part in range(p):
        assert kstest(drawn[:, part], accepted[:, part]).pvalue > 0.001


def test_the_random_walk_of_a_narrow_mixture_is_uniform():
    # 12 parts with unlike, tight limits: rejection fails for many rows and the walk takes over.
    from matlever.knobs._bounded_simplex import _walk, draw

    rng = np.random.default_rng(0)
    room = np.tile(np.linspace(0.05, 0.3, 5), (1500, 1))
    total = np.full(1500, 0.45)
    exact = draw(np.zeros_like(room), room, total, None, rng)
    walked = _walk(room, total, False, rng)
    np.testing.assert_allclose(walked.sum(1), total, atol=1e-12)
    for part in range(5):
        assert kstest(exact[:, part], walked[:, part]).pvalue > 0.001


def test_samples_on_a_grid_hit_every_feasible_point_equally_often():
    names = ("a", "b", "c")
    knobs = [Knob(n, kind="grid", lower=0, upper=u, step=0.25) for n, u in zip(names, (1, 1, 0.5))]  # noqa: B905
    space = KnobSpace(knobs, [Mixture(names)])
    drawn = np.rint(space.sample(6000, 0) * 4).astype(int)
    points, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(points) == 5 + 4 + 3  # c = 0, 0.25, 0.5
    assert abs(counts / 6000 - 1 / 12).max() < 0.02


def test_scale_and_unscale_are_inverse_and_put_limits_at_zero_and_one():
    space = KnobSpace(
        [
            Knob("a", lower=-5, upper=15),
            Knob("b", kind="categorical", levels="xyz"),
            Knob("c", lower=2, upper=2),
        ]
    )
    np.testing.assert_array_equal(space.scale(space.lower), np.zeros(3))
    np.testing.assert_array_equal(space.scale([15, 2, 2]), [1, 1, 0])
    values = space.sample(7, 0)
    np.testing.assert_allclose(space.unscale(space.scale(values)), values, atol=1e-14)


def test_active_limits_and_violations_name_knob_side_and_value():
    space = KnobSpace(
        [
            Knob("temperature", "°C", lower=20, upper=300),
            Knob("n", kind="integer", lower=1, upper=3),
        ]
    )
    (active,) = space.active_limits([[300, 2]])
    assert active == (("temperature", "upper", 300.0),)
    (broken,) = space.violations([[310, 2.5]])
    assert broken == (
        "temperature = 310 is not allowed: outside 20 to 300 °C",
        "n = 2.5 is not allowed: nearest is 2",
    )


def test_a_space_survives_json_and_compares_equal():
    space = KnobSpace(
        [
            Knob("a", "nm", lower=0, upper=1, cost=2.5),
            Knob("b", lower=0, upper=1),
            Knob("c", kind="categorical", levels=("x", "y"), fixed=True),
            Knob("d", kind="grid", lower=0, upper=1, step=0.1),
        ],
        [Mixture(("a", "b"), max_parts=1)],
    )
    assert KnobSpace.from_dict(json.loads(json.dumps(space.to_dict()))) == space
    assert "a + b = 1, at most 1 parts" in repr(space)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Knob("", lower=0, upper=1),
        lambda: Knob("a", lower=1, upper=0),
        lambda: Knob("a", lower=0),
        lambda: Knob("a", lower=0, upper=float("nan")),
        lambda: Knob("a", kind="integer", lower=0.2, upper=0.8),
        lambda: Knob("a", kind="grid", lower=0, upper=1),
        lambda: Knob("a", kind="grid", lower=0, upper=1, step=-0.1),
        lambda: Knob("a", kind="grid", levels=("x",)),
        lambda: Knob("a", kind="categorical", levels=("x", "x")),
        lambda: Knob("a", kind="other", lower=0, upper=1),
        lambda: Knob("a", lower=0, upper=1, cost=-1),
        lambda: Mixture(("a",)),
        lambda: Mixture(("a", "b"), total=0),
        lambda: Mixture(("a", "b"), max_parts=3),
        lambda: KnobSpace([]),
        lambda: KnobSpace([Knob("a", lower=0, upper=1)] * 2),
        lambda: KnobSpace([Knob("a", lower=0, upper=1)], [Mixture(("a", "b"))]),
        lambda: KnobSpace([Knob(n, lower=0, upper=0.4) for n in "ab"], [Mixture(("a", "b"))]),
        lambda: KnobSpace([Knob(n, lower=-1, upper=1) for n in "ab"], [Mixture(("a", "b"))]),
        lambda: KnobSpace(
            [Knob("a", lower=0, upper=1), Knob("b", kind="integer", lower=0, upper=1)],
            [Mixture(("a", "b"))],
        ),
        lambda: KnobSpace(
            [Knob(n, kind="grid", lower=0, upper=1, step=0.3) for n in "ab"], [Mixture(("a", "b"))]
        ),
        lambda: KnobSpace.from_dict({"knobs": [{"name": "a", "colour": 1}], "mixtures": []}),
        lambda: KnobSpace.from_dict({"knobs": []}),
        lambda: KnobSpace([Knob("a", lower=0, upper=1)]).positions(["b"]),
    ],
)
def test_descriptions_that_cannot_be_meant_are_refused(make):
    with pytest.raises(SettingsError):
        make()


@pytest.mark.parametrize("values", [[0.5, 0.5], 3.0, [np.nan], [np.inf]])
def test_settings_of_a_wrong_shape_or_not_finite_are_refused(values):
    with pytest.raises(DataError):
        KnobSpace([Knob("a", lower=0, upper=1)]).project(values)


def test_data_region_knows_a_grid_and_not_the_corner_outside_of_it():
    space = KnobSpace([Knob("a", lower=0, upper=10), Knob("b", kind="categorical", levels="xy")])
    known = [[a, 0] for a in range(6)]
    region = DataRegion(space, known)
    np.testing.assert_array_equal(
        region.inside([[0, 0], [3.4, 0], [5.9, 0], [7, 0], [3, 1]]),
        [True, True, True, False, False],
    )
    np.testing.assert_allclose(region.distance([[9, 0], [3, 1]]), [0.4, 1.0])


def test_few_of_many_parts_with_different_limits_stay_feasible_and_near() -> None:
    rng = np.random.default_rng(5)
    upper = rng.uniform(0.15, 0.9, 40)
    names = tuple(f"e{j}" for j in range(40))
    space = KnobSpace(
        [Knob(name, lower=0, upper=high) for name, high in zip(names, upper, strict=True)],
        [Mixture(names, max_parts=4)],
    )
    asked = rng.dirichlet(np.full(40, 0.1), 200)
    found = space.project(asked)
    assert space.is_feasible(found).all()
    np.testing.assert_allclose(space.project(found), found)
    assert space.is_feasible(space.sample(100, random_state=1)).all()
    # Against the best of all choices of four among the ten largest parts of each row.
    for row, near in zip(asked[:20], found[:20], strict=True):
        top = np.argsort(-row)[:10]
        best = min(
            float(((_box_simplex(row[list(some)], upper[list(some)]) - row[list(some)]) ** 2).sum())
            + float((np.delete(row, list(some)) ** 2).sum())
            for some in itertools.combinations(top.tolist(), 4)
            if upper[list(some)].sum() >= 1
        )
        assert ((near - row) ** 2).sum() <= 1.5 * best + 1e-9


def _box_simplex(v: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Nearest point of the box with sum 1, by bisection of the shift."""
    low, high = -2.0, 2.0
    for _ in range(80):
        shift = (low + high) / 2
        low, high = (shift, high) if np.clip(v + shift, 0, upper).sum() < 1 else (low, shift)
    return np.clip(v + high, 0, upper)
