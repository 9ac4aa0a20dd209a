"""Models and exact references of `benchmarks/explain.py`.

Each problem is a model of standardised inputs' raw units, the table it was fitted to, instances to
explain, and the slopes an ideal explanation of it would have: for Gaussian weights of width tau per
standardised axis around an instance z0, the weighted least-squares slopes are
E[f(z) (z_j - z0_j)] / tau^2 under N(z0, tau^2 I). These integrals have closed forms for a forest
(a sum over the leaves) and for Friedman's function (Stein's lemma); for the network they are
computed by scrambled Sobol points in antithetic pairs, with their own standard error.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import ndtr, ndtri
from scipy.stats import qmc
from sklearn.datasets import make_friedman1
from sklearn.ensemble import RandomForestRegressor
from sklearn.neural_network import MLPRegressor

from matlever.tables import simulate_nanorods

N_BATCH = 1000  # instances that we explain in one call


@dataclass
class Problem:
    """A model to explain, with the slopes an ideal explanation has.

    `reference(instances, tau)` returns slopes per standard deviation, of shape (n, m), and the
    standard error of their norm relative to the norm (0 where exact).
    """

    name: str
    described: str
    model: object
    training: np.ndarray
    instances: np.ndarray
    n_background: int
    reference: Callable[[np.ndarray, float], tuple[np.ndarray, float]]
    exactness: str
    module: torch.nn.Module | None = None

    @property
    def m(self) -> int:
        return self.training.shape[1]

    @property
    def kernel_width(self) -> float:
        """LIME's default in standard deviations."""
        return 0.75 * float(np.sqrt(self.m))

    @property
    def lime_width(self) -> float:
        """Width of LIME's draws times its kernel: its own limit, narrower than the kernel."""
        k = self.kernel_width
        return k / float(np.sqrt(1 + k * k))


class Counted:
    """A model that counts the rows it is asked about and the seconds it takes."""

    def __init__(self, model):
        self.model = model
        self.reset()

    def reset(self):
        self.rows, self.calls, self.seconds = 0, 0, 0.0

    def predict(self, X):
        start = time.process_time()
        found = self.model.predict(X)
        self.seconds += time.process_time() - start
        self.rows += len(X)
        self.calls += 1
        return found


class InBatches:
    """A model that predicts a few thousand rows at a time, as much as fits into the cache."""

    def __init__(self, model, rows):
        self.model = model
        self.rows = rows

    def predict(self, X):
        parts = [self.model.predict(X[a : a + self.rows]) for a in range(0, len(X), self.rows)]
        return np.concatenate(parts)


class CountedModule(torch.nn.Module):
    """A torch module that counts the rows it is asked about."""

    def __init__(self, module):
        super().__init__()
        self.module = module
        self.rows = 0

    def forward(self, X):
        self.rows += len(X)
        return self.module(X)


class Friedman1:
    """Friedman's first function itself, without noise; five of its ten inputs do nothing."""

    def predict(self, X):
        X = np.asarray(X)
        return (
            10 * np.sin(np.pi * X[:, 0] * X[:, 1])
            + 20 * (X[:, 2] - 0.5) ** 2
            + 10 * X[:, 3]
            + 5 * X[:, 4]
        )


def network_problem() -> Problem:
    """Return a 3-64-64-1 network of the simulated nanorods' length, on standardised columns."""
    table = simulate_nanorods(500, random_state=0).to_numpy(dtype=float)
    table = (table - table.mean(axis=0)) / table.std(axis=0)
    X, y = table[:, :3], table[:, 3]
    model = MLPRegressor(
        hidden_layer_sizes=(64, 64), max_iter=400, random_state=0, n_iter_no_change=400, tol=0.0
    )
    with np.errstate(all="ignore"):
        model.fit(X, y)
    fresh = _resample(X, N_BATCH)
    return Problem(
        "network",
        "3-64-64-1 dense network (scikit-learn's MLPRegressor) of 500 simulated nanorods' length",
        model,
        X,
        fresh,
        28,
        lambda instances, tau: sobol_slopes(model.predict, X, instances, tau),
        "scrambled Sobol, antithetic",
        _as_module(model),
    )


def forest_problem() -> Problem:
    """Return a forest of 100 trees on 20 inputs."""
    X, y = make_friedman1(n_samples=500, n_features=20, noise=1.0, random_state=0)
    model = RandomForestRegressor(100, random_state=0, n_jobs=1).fit(X, y)
    fresh = np.random.default_rng(1).random((N_BATCH, 20))
    return Problem(
        "forest",
        "random forest of 100 trees on 20 inputs (500 rows of Friedman's first function, noise 1)",
        model,
        X,
        fresh,
        50,
        lambda instances, tau: (forest_slopes(model, X, instances, tau), 0.0),
        "exact sum over the leaves",
    )


def friedman_problem() -> Problem:
    """Return Friedman's first function itself."""
    X = make_friedman1(n_samples=500, n_features=10, random_state=0)[0]
    fresh = np.random.default_rng(1).random((N_BATCH, 10))
    return Problem(
        "friedman",
        "Friedman's first function itself (not a fit of it), 10 inputs, 500 uniform rows",
        Friedman1(),
        X,
        fresh,
        50,
        lambda instances, tau: (friedman_slopes(X, instances, tau), 0.0),
        "Stein's lemma, Gauss-Hermite",
    )


# -- references -----------------------------------------------------------------------------------


def sobol_slopes(predict, training, instances, tau, n_points=2**13, n_scrambles=8):
    """Slopes per standard deviation under N(z0, tau^2 I), and their relative standard error.

    Least squares on the points instead of the plain moment: the limit is the same and the linear
    part of the model adds no noise. Pairs z0 + g, z0 - g cancel the even part.
    """
    m, sd = training.shape[1], training.std(axis=0)
    found = np.empty((n_scrambles, len(instances), m))
    for s in range(n_scrambles):
        uniform = qmc.Sobol(m, scramble=True, rng=s).random(n_points)
        half = tau * ndtri(np.clip(uniform, 1e-12, 1 - 1e-12))
        solve = np.linalg.solve(half.T @ half, half.T)
        for i, x in enumerate(instances):
            rows = np.concatenate([x + sd * half, x - sd * half])
            y = predict(rows)
            found[s, i] = solve @ (0.5 * (y[:n_points] - y[n_points:]))
    slopes = found.mean(axis=0)
    error = found.std(axis=0, ddof=1) / np.sqrt(n_scrambles)
    return slopes, float(np.sqrt((error**2).sum() / (slopes**2).sum()))


def forest_slopes(model, training, instances, tau):
    """Exact slopes of a forest: Gaussian moments of the boxes that its leaves are."""
    sd = training.std(axis=0)
    slopes = np.zeros((len(instances), training.shape[1]))
    for estimator in model.estimators_:
        lower, upper, value = _leaves(estimator.tree_, training.shape[1])
        for i, x in enumerate(instances):
            a, b = (lower - x) / (tau * sd), (upper - x) / (tau * sd)
            inside = ndtr(b) - ndtr(a)  # (leaves, m)
            moment = (np.exp(-a * a / 2) - np.exp(-b * b / 2)) / np.sqrt(2 * np.pi)
            one = np.ones((len(inside), 1))
            before = np.cumprod(np.hstack([one, inside[:, :-1]]), axis=1)
            after = np.cumprod(np.hstack([one, inside[:, :0:-1]]), axis=1)[:, ::-1]
            slopes[i] += value @ (moment * before * after)
    return slopes / (tau * len(model.estimators_))


def friedman_slopes(training, instances, tau):
    """Exact slopes of Friedman's function: its mean gradient (Stein), integrals by quadrature."""
    sd = training.std(axis=0)
    node, weight = np.polynomial.hermite_e.hermegauss(80)
    weight = weight / weight.sum()
    u, v = np.meshgrid(node, node, indexing="ij")
    w = np.outer(weight, weight)
    slopes = np.zeros_like(instances)
    for i, x in enumerate(instances):
        a, b = x[0] + tau * sd[0] * u, x[1] + tau * sd[1] * v
        common = 10 * np.pi * np.cos(np.pi * a * b)
        slopes[i, 0] = sd[0] * (w * common * b).sum()
        slopes[i, 1] = sd[1] * (w * common * a).sum()
        slopes[i, 2] = sd[2] * 40 * (x[2] - 0.5)
    slopes[:, 3], slopes[:, 4] = 10 * sd[3], 5 * sd[4]
    return slopes


# -- parts ----------------------------------------------------------------------------------------


def _leaves(tree, m):
    """Boxes (leaves, m) and values (leaves,) of a tree's leaves."""
    lower = np.full((tree.node_count, m), -np.inf)
    upper = np.full((tree.node_count, m), np.inf)
    for node in range(tree.node_count):  # parents come before their children
        left, right = tree.children_left[node], tree.children_right[node]
        if left < 0:
            continue
        j, threshold = tree.feature[node], tree.threshold[node]
        for child in (left, right):
            lower[child], upper[child] = lower[node], upper[node]
        upper[left, j] = threshold
        lower[right, j] = threshold
    is_leaf = tree.children_left < 0
    return lower[is_leaf], upper[is_leaf], tree.value[is_leaf, 0, 0]


def _as_module(model):
    """Return a fitted MLPRegressor as a torch module with the same weights, in float64."""
    layers = []
    for weight, bias in zip(model.coefs_, model.intercepts_, strict=True):
        linear = torch.nn.Linear(*weight.shape, dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight.T.copy()))
            linear.bias.copy_(torch.from_numpy(bias.copy()))
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def _resample(X, n):
    """Rows between pairs of rows of a table: as many as wanted, inside the data."""
    rng = np.random.default_rng(1)
    one, two = rng.integers(0, len(X), (2, n))
    share = rng.random((n, 1))
    return share * X[one] + (1 - share) * X[two]
