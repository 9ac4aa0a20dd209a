"""Exploration picks what linear algebra says, with the covariance of another library."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern

from matlever.recommendation import suggest
from matlever.recommendation._gaussian_process import fit_gp, left_out_r2
from matlever.recommendation._surrogate import Surrogate
from matlever.recommendation._uncertainty import LocalUncertainty, OverallUncertainty

NO_POINT = torch.empty((0, 2), dtype=torch.float64)


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    x = rng.random((12, 2))
    y = np.sin(5 * x[:, 0]) + x[:, 1]
    gp = fit_gp(x, (y - y.mean()) / y.std(ddof=1))
    lengths = gp.covar_module.lengthscale.detach().numpy()[0]
    noise = gp.likelihood.noise.item()
    other = GaussianProcessRegressor(Matern(lengths, nu=2.5), alpha=noise, optimizer=None)
    return Surrogate(gp, (gp,), (), np.zeros(1)), other.fit(x, np.zeros(12)), noise, rng


def _conditional(covariance, wanted, given, noise):
    """Covariance of some given noisy measurements of others."""
    across = covariance[np.ix_(wanted, given)]
    inner = covariance[np.ix_(given, given)] + noise * np.eye(len(given))
    return covariance[np.ix_(wanted, wanted)] - across @ np.linalg.solve(inner, across.T)


def test_local_uncertainty_is_the_conditional_variance(fitted):
    surrogate, other, noise, rng = fitted
    x, pending = rng.random((6, 2)), rng.random((3, 2))
    alone = LocalUncertainty(surrogate, NO_POINT)(torch.as_tensor(x)[:, None]).detach()
    np.testing.assert_allclose(alone.exp().numpy(), other.predict(x, return_std=True)[1], rtol=1e-5)
    both = LocalUncertainty(surrogate, torch.as_tensor(pending))(torch.as_tensor(x)[:, None])
    for i, row in enumerate(x):
        covariance = other.predict(np.vstack([row, pending]), return_cov=True)[1]
        expected = _conditional(covariance, [0], [1, 2, 3], noise)[0, 0]
        np.testing.assert_allclose(np.exp(2 * both[i].item()), expected, rtol=1e-4)


def test_overall_uncertainty_is_the_fall_of_the_mean_variance(fitted):
    surrogate, other, noise, rng = fitted
    x, pending, reference = rng.random((4, 2)), rng.random((2, 2)), rng.random((9, 2))
    found = OverallUncertainty(surrogate, torch.as_tensor(pending), torch.as_tensor(reference))(
        torch.as_tensor(x)[:, None]
    )
    for i, row in enumerate(x):
        covariance = other.predict(np.vstack([row, pending, reference]), return_cov=True)[1]
        wanted = list(range(3, 12))
        before = np.trace(_conditional(covariance, wanted, [1, 2], noise)) / 9
        after = np.trace(_conditional(covariance, wanted, [0, 1, 2], noise)) / 9
        np.testing.assert_allclose(np.exp(found[i].item()), before - after, rtol=1e-3)


def test_left_out_r2_is_that_of_leaving_out(fitted):
    surrogate, other, noise, _ = fitted
    gp = surrogate.gps[0]
    x, y = gp.train_inputs[0].numpy(), gp.train_targets.numpy()
    mean = gp.mean_module.constant.item()
    missed = []
    for i in range(len(x)):
        rest = np.arange(len(x)) != i
        refit = GaussianProcessRegressor(other.kernel, alpha=noise, optimizer=None)
        missed.append(y[i] - mean - refit.fit(x[rest], y[rest] - mean).predict(x[[i]])[0])
    expected = 1 - np.sum(np.square(missed)) / np.sum((y - y.mean()) ** 2)
    np.testing.assert_allclose(left_out_r2(gp), expected, rtol=1e-6)


def test_exploring_a_pool_takes_the_row_with_the_largest_variance():
    rng = np.random.default_rng(3)
    runs = pd.DataFrame(rng.random((8, 2)), columns=["a", "b"])
    pool = pd.DataFrame(rng.random((30, 2)), columns=["a", "b"])
    question = (pd.concat([runs, pool]), runs, runs["a"] ** 2)
    ways = {"method": "explore", "pool": pool, "scale": "linear"}
    found = suggest(*question, **ways, n_experiments=2)
    every = suggest(*question, **ways, n_experiments=30)
    assert found.pool_rows[0] == every.pool_rows[int(every.std[:, 0].argmax())]
    assert found.pool_rows == every.pool_rows[:2]
    assert np.isnan(found.probability).all()
