"""Designs and radii against closed forms, definitions and published figures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from matlever.exceptions import SettingsError
from matlever.explanation import (
    Design,
    apportion,
    axial,
    d_criterion,
    d_optimal_step,
    explain,
    factorial,
    fold_over,
    plackett_burman,
    simplex,
)
from matlever.explanation.weights._hadamard import hadamard
from matlever.explanation.weights.designs import random_rotations
from matlever.explanation.weights.radius import log_d, shells

ALL = [factorial, simplex, plackett_burman, axial, fold_over]


@pytest.mark.parametrize("m", range(2, 13))
def test_all_designs_have_the_d_criterion_of_the_factorial_one_also_when_rotated(m):
    rng = np.random.default_rng(m)
    u = 1.2 if m <= 5 else 0.6
    reference = d_criterion(u * factorial(m).points, 1 / 501)
    assert abs(reference - log_d(u, m, 500)) < 1e-8
    for make in ALL:
        design = make(m)
        (rotated,) = random_rotations(design, 1, np.ones(m, dtype=bool), rng)
        for points in (design.points, rotated):
            assert abs(d_criterion(u * points, 1 / 501) - reference) < 1e-8


@pytest.mark.parametrize("make", [simplex, plackett_burman, axial, fold_over])
def test_twenty_dimensions_against_the_closed_form(make):
    assert abs(d_criterion(0.6 * make(20).points, 1 / 501) - log_d(0.6, 20, 500)) < 1e-8
    # The figure of the 2^20 design, 1,048,577 runs, which nobody needs to make.
    assert abs(log_d(0.6, 20, 500) - 21.6363032451) < 1e-9


def test_known_criteria():
    # Measured independently with 30 digits beforehand.
    for m, u, value in [(2, 1.2, -0.7050956103), (5, 1.2, -0.6499073134), (12, 0.6, 12.3914917141)]:
        assert abs(log_d(u, m, 500) - value) < 1e-9


def test_sizes_and_mirror_images():
    sizes = {make.__name__: [make(m).n_points for m in (1, 2, 3, 4, 8, 10, 20)] for make in ALL[1:]}
    assert sizes["axial"] == [2, 4, 6, 8, 16, 20, 40]
    assert sizes["fold_over"] == [2, 4, 8, 8, 16, 24, 40]
    assert sizes["simplex"] == [2, 3, 4, 5, 9, 11, 21]
    assert sizes["plackett_burman"] == [4, 4, 4, 8, 12, 12, 24]
    for m in range(1, 110):
        points = fold_over(m).points
        assert len(points) <= 2 * 4 * -(-m // 4)  # the budget that is promised
        np.testing.assert_array_equal(points[::2], -points[1::2])
        np.testing.assert_allclose(points.T @ points, len(points) * np.eye(m), atol=1e-9 * m)
    with pytest.raises(SettingsError, match="fold-over"):
        factorial(30)


def test_hadamard_matrices_are_orthogonal_with_a_column_of_ones():
    known = [n for n in (1, 2, *range(4, 201, 4)) if hadamard(n) is not None]
    assert set(range(4, 52, 4)) < set(known)
    for n in known:
        h = hadamard(n)
        assert set(np.unique(h)) <= {-1.0, 1.0}
        np.testing.assert_array_equal(h.T @ h, n * np.eye(n))
        np.testing.assert_array_equal(h[:, 0], 1)


def _mp_root(m, n):
    """First root of the derivative of log D_m, from Eq. 4 itself with 40 digits."""
    mp = pytest.importorskip("mpmath")
    with mp.workdps(40):
        delta = mp.mpf(1) / (n + 1)

        def log_criterion(u):
            weight = mp.exp(-m * u**2 / 2)
            return (
                mp.log(delta + (1 - delta) * weight**2)
                - 2 * mp.log(delta + (1 - delta) * weight)
                - m * mp.log((1 - delta) * u**2)
            )

        def slope(u):
            return mp.diff(log_criterion, u)

        grid = [mp.mpf(i) / 50 for i in range(10, 300)]
        signs = [slope(u) for u in grid]
        for a, b, left, right in zip(grid, grid[1:], signs, signs[1:], strict=False):
            if left < 0 <= right:
                return mp.findroot(slope, (a, b), solver="anderson", tol=1e-30)
    return None


@pytest.mark.parametrize(
    ("m", "n", "printed"),
    [
        (1, 10, 1.701315),
        (1, 500, 2.230468),
        (2, 50, 1.475807),
        (3, 500, 1.448928),
        (5, 1000, 1.242694),
        (10, 5000, 1.061723),
    ],
)
def test_the_d_optimal_step_is_the_first_minimum(m, n, printed):
    ours = d_optimal_step(m, n)
    assert abs(ours - float(_mp_root(m, n))) < 1e-9
    assert abs(ours - printed) < 1e-6
    # ... which is a local minimum and no global one.
    assert log_d(ours, m, n) < min(log_d(ours - 0.01, m, n), log_d(ours + 0.01, m, n))
    assert log_d(200.0, m, n) < log_d(ours, m, n)


@pytest.mark.parametrize(
    ("m", "least"), [(1, 4), (2, 11), (3, 26), (4, 54), (5, 106), (6, 201), (8, 676), (10, 2176)]
)
def test_below_a_known_number_of_runs_there_is_no_minimum(m, least):
    assert d_optimal_step(m, least) is not None
    assert d_optimal_step(m, least - 1) is None


def test_no_minimum_is_flagged_and_replaced_by_one_shell():
    X = np.random.default_rng(0).normal(size=(30, 10))

    def model(rows):
        return rows[:, 0] ** 3

    found = explain(model, X, X[:3], radius="d-optimal", n_calls=1001)
    assert "no local minimum for 10 coordinates and 984 runs" in found.warnings[0]
    assert found.radius == "one shell; no D-optimum"
    shell = explain(model, X, X[:3], radius="shell", n_calls=1001)
    np.testing.assert_array_equal(found.slope, shell.slope)
    reached = explain(model, X, X[:3], radius="d-optimal", n_calls=5001)
    assert reached.radius.startswith("D-optimal, u = 1.06")
    assert not any("minimum" in text for text in reached.warnings)


@pytest.mark.parametrize("m", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("n_shells", [1, 2])
def test_radial_rules_have_the_moments_of_a_gaussian(m, n_shells):
    rule = shells(m, n_shells)
    r2 = m * np.array(rule.steps) ** 2
    w = np.array(rule.weights)
    total = w.sum() + rule.centre
    assert rule.centre > 0
    # E[r^2] = m, E[r^4] = m (m + 2), E[r^6] = m (m + 2) (m + 4) and so on, of a standard normal.
    moment = 1.0
    for power in range(1, 2 * n_shells + 1):
        moment *= m + 2 * (power - 1)
        assert (w * r2**power).sum() / total == pytest.approx(moment, rel=1e-9)


@pytest.mark.parametrize(("shell", "degree"), [("shell", 3), ("two-shells", 7)])
def test_radial_rules_average_odd_powers_of_one_knob_exactly(shell, degree):
    # In one dimension there is nothing but the radius: E[z f(z)] / s^2 for f = z^d is E[z^(d+1)].
    X = np.array([[-1.0], [1.0]])
    sigma = 0.7
    double_factorial = {3: 3, 5: 15, 7: 105}
    for power in range(3, degree + 1, 2):
        found = explain(
            lambda rows, power=power: rows[:, 0] ** power,
            _wide(X),
            np.zeros((1, 1)),
            reference=X,
            radius=shell,
            n_calls=5,
            estimand="kernel",
            kernel_width=sigma,
        )
        expected = double_factorial[power] * sigma ** (power - 1)
        np.testing.assert_allclose(found.slope, expected, rtol=1e-9)


def _wide(X):
    from matlever.knobs import TableEditor

    return TableEditor.from_frame(X, limits={f"x{j}": (-1e4, 1e4) for j in range(X.shape[1])})


def test_apportionment_is_that_of_pukelsheim_and_rieder():
    rng = np.random.default_rng(0)
    for _ in range(200):
        q = rng.integers(1, 9)
        weights = rng.dirichlet(np.ones(q))
        n = int(rng.integers(q, 60))
        counts = apportion(weights, n)
        assert counts.sum() == n
        assert (counts >= 1).all()
        # Their criterion: no exchange of a run raises the smallest efficiency n_i / w_i.
        ratio = counts / weights
        for i in range(q):
            for j in range(q):
                if i != j:
                    moved = ratio.copy()
                    moved[i] = (counts[i] - 1) / weights[i]
                    moved[j] = (counts[j] + 1) / weights[j]
                    assert moved.min() <= ratio.min() * (1 + 1e-12)


def test_an_own_design_is_checked_and_used():
    X = np.random.default_rng(1).normal(size=(20, 2))
    corner = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
    own = Design("mine", corner, True)
    model = [[2.0], [-3.0]]
    found = explain(lambda rows: (rows @ model)[:, 0], _wide(X), X, reference=X, design=own)
    np.testing.assert_allclose(found.slope, np.tile([2.0, -3.0], (20, 1)), rtol=1e-10)
    assert found.design == "mine"
    for points in (corner[:3], 2 * corner, np.ones((4, 3))):
        with pytest.raises(SettingsError, match="design"):
            explain(len, _wide(X), X, reference=X, design=Design("bad", points, False))


def test_optimum_of_one_dimension_is_where_the_derivative_of_eq_4_vanishes():
    # The formula of the paper, differentiated by hand, for kappa = 1 and delta = 1 / 11.
    delta = 1 / 11

    def slope(u):
        weight = np.exp(-u * u / 2)
        top, bottom = (1 - delta) * weight**2 + delta, (1 - delta) * weight + delta
        d_top, d_bottom = -2 * u * (1 - delta) * weight**2, -u * (1 - delta) * weight
        return d_top / top - 2 * d_bottom / bottom - 2 / u

    assert d_optimal_step(1, 10) == pytest.approx(brentq(slope, 1.0, 2.5), abs=1e-12)
