from __future__ import annotations

import numpy as np
import torch

from matlever.tables._batched_bfgs import minimize_batch


class Quadratics:
    """(x - c)' A (x - c) with a different A and c for each problem."""

    def __init__(self, A, c):
        self.A, self.c = A, c

    def select(self, which):
        A, c = self.A[which], self.c[which]

        def evaluate(x):
            away = (x - c)[:, :, None]
            return (away.mT @ A @ away)[:, 0, 0], 2 * (A @ away)[:, :, 0]

        return evaluate


class Valleys:
    """Rosenbrock's function with its wall undefined, scaled differently for each problem."""

    def __init__(self, scale):
        self.scale = scale

    def select(self, which):
        scale = self.scale[which]

        def evaluate(x):
            a, b = x[:, 0], x[:, 1]
            value = scale * ((1 - a) ** 2 + 100 * (b - a * a) ** 2)
            value = torch.where(b > 5, torch.nan, value)
            slope = torch.stack([-2 * (1 - a) - 400 * a * (b - a * a), 200 * (b - a * a)], dim=1)
            return value, scale[:, None] * slope

        return evaluate


def solve(objective, start, group, **settings):
    settings = {"trial_rounds": 10**6, "max_rounds": 500, "tolerance": 1e-12, **settings}
    return minimize_batch(objective, start, group=group, **settings)


def test_quadratics_are_solved_together():
    rng = np.random.default_rng(0)
    root = rng.standard_normal((20, 4, 4))
    A = torch.tensor(root @ root.transpose(0, 2, 1) + 0.1 * np.eye(4))
    c = torch.tensor(5 * rng.standard_normal((20, 4)))
    x, value, rounds = solve(
        Quadratics(A, c), torch.zeros(20, 4, dtype=torch.float64), torch.arange(20)
    )
    np.testing.assert_allclose(x, c, atol=1e-4)
    assert (value < 1e-9).all()
    assert (rounds > 1).all()


def test_curved_valleys_with_an_undefined_region_are_followed_to_the_end():
    scale = torch.tensor([1.0, 1e-2, 30.0], dtype=torch.float64)
    start = torch.tensor([[-1.2, 1.0], [2.0, 4.0], [0.0, -3.0]], dtype=torch.float64)
    x, _, _ = solve(Valleys(scale), start, torch.arange(3))
    np.testing.assert_allclose(x, np.ones((3, 2)), atol=1e-3)


def test_best_start_of_each_group_is_returned():
    A = torch.eye(1, dtype=torch.float64).expand(6, 1, 1)
    c = torch.zeros(6, 1, dtype=torch.float64)
    start = torch.tensor([[4.0], [0.5], [9.0], [1.0], [7.0], [8.0]], dtype=torch.float64)
    group = torch.tensor([1, 1, 0, 0, 2, 2])
    x, value, _ = solve(Quadratics(A, c), start, group, max_rounds=0)
    np.testing.assert_array_equal(x[:, 0], [1.0, 0.5, 7.0])
    np.testing.assert_array_equal(value, [1.0, 0.25, 49.0])


def test_other_problems_do_not_change_the_path():
    rng = np.random.default_rng(1)
    scale = torch.tensor(rng.uniform(0.1, 10, 5))
    start = torch.tensor(rng.uniform(-2, 2, (5, 2)))
    together, _, _ = solve(Valleys(scale), start, torch.arange(5), max_rounds=15)
    for k in range(5):
        alone, _, _ = solve(
            Valleys(scale[k : k + 1]),
            start[k : k + 1],
            torch.zeros(1, dtype=torch.int64),
            max_rounds=15,
        )
        np.testing.assert_allclose(alone[0], together[k], rtol=1e-9)
