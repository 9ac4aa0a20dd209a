"""Expectations of normal and lognormal outcomes, against numerical integration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from matlever.recommendation._prediction import Prediction


def _distribution(centre, spread, log):
    return stats.lognorm(s=spread, scale=np.exp(centre)) if log else stats.norm(centre, spread)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(("centre", "spread"), [(0.3, 0.5), (-1.0, 0.2), (1.2, 1.1)])
@pytest.mark.parametrize("a", [-0.4, 0.2, 1.7])
def test_partial_expectations_agree_with_integration(log, centre, spread, a):
    found = Prediction(np.array([centre]), np.array([spread]), log)
    truth = _distribution(centre, spread, log)
    # Integrals of the tails of the distribution: E(y - a)+ = int_a^inf P(y > s) ds.
    above = integrate.quad(truth.sf, a, np.inf, limit=500)[0]
    below = (
        integrate.quad(truth.cdf, 0.0 if log else -np.inf, a, limit=500)[0]
        if a > 0 or not log
        else 0.0
    )
    np.testing.assert_allclose(found.above(a), above, rtol=1e-7)
    np.testing.assert_allclose(found.below(a), below, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(found.cdf(a), truth.cdf(a), atol=1e-14)
    np.testing.assert_allclose(found.quantile(0.07), truth.ppf(0.07))
    np.testing.assert_allclose(found.median, truth.median())
    np.testing.assert_allclose(found.std, truth.std())


def test_far_tails_are_zero_and_not_negative():
    found = Prediction(np.array([0.0, 0.0]), np.array([1e-6, 1e-6]), log=True)
    assert (found.above(5.0) == 0).all()
    assert (found.below(0.5) == 0).all()
