"""Linear surrogates of many instances at once, with their spread and their honest fidelity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["N_GROUPS", "SurrogateFit", "fit_surrogates"]

Array = NDArray[np.float64]

# Disjoint groups of the perturbed points; the spread leaves out one of them at a time.
N_GROUPS = 10
# Added to the diagonal of the scaled normal equations, so that a direction no point explores gets
# a slope of zero instead of an error; it moves the slopes of explored directions by 1e-12 of them.
_RIDGE = 1e-12


@dataclass(frozen=True)
class SurrogateFit:
    """Surrogates of n instances with p features and t targets.

    Attributes
    ----------
    slopes : ndarray of shape (n, p, t)
    offset : ndarray of shape (n, t)
        Surrogate minus predictor at the instance.
    covariance : ndarray of shape (n, t, p, p)
        Of the slopes over draws, by the delete-a-group jackknife.
    r2 : ndarray of shape (n, t)
        Weighted share of the variance explained at points not used in the fit; NaN where the
        predictor does not vary.
    """

    slopes: Array
    offset: Array
    covariance: Array
    r2: Array


def fit_surrogates(features: Array, weights: Array, outcomes: Array) -> SurrogateFit:
    r"""Weighted least squares without penalty, batched over instances.

    Parameters
    ----------
    features : ndarray of shape (n, N, p)
        Position of each perturbed point relative to its instance. N is a multiple of `N_GROUPS`,
        and consecutive blocks of ``N / N_GROUPS`` points are the groups.
    weights : ndarray of shape (n, N)
        Kernel weights; the instance itself, which is part of every fit, has the weight 1.
    outcomes : ndarray of shape (n, N, t)
        Prediction minus the prediction at the instance.

    Notes
    -----
    The spread is the jackknife over G groups,
    :math:`s^2 = \frac{G-1}{G}\sum_g (b_{-g} - \bar b)^2`. For the fidelity each half of the points
    (every other group) is predicted by the surrogate fitted to the other half.
    """
    n, n_points, p = features.shape
    t = outcomes.shape[2]
    design = np.concatenate([np.ones((n, n_points, 1)), features], axis=2)
    shape = (n, N_GROUPS, n_points // N_GROUPS)
    design = design.reshape(*shape, p + 1)
    y = outcomes.reshape(*shape, t)
    weighted = (design * weights.reshape(*shape, 1)).swapaxes(2, 3)
    gram = weighted @ design  # (n, G, p+1, p+1)
    cross = weighted @ y  # (n, G, p+1, t)
    power = (weights.reshape(*shape, 1) * y * y).sum(axis=2)  # (n, G, t)

    all_gram, all_cross = gram.sum(axis=1), cross.sum(axis=1)
    scale = np.sqrt(np.einsum("nii->ni", all_gram))
    scale = np.where(scale > 0, scale, 1.0)
    solution = _solve(all_gram, all_cross, scale)

    left_out = _solve(all_gram[:, None] - gram, all_cross[:, None] - cross, scale[:, None])
    deviation = (left_out - left_out.mean(axis=1, keepdims=True))[:, :, 1:]  # (n, G, p, t)
    covariance = np.einsum("ngpt,ngqt->ntpq", deviation, deviation) * (N_GROUPS - 1) / N_GROUPS

    error, variation = np.zeros((n, t)), np.zeros((n, t))
    for fitted in (slice(0, None, 2), slice(1, None, 2)):
        other = slice(1 - (fitted.start or 0), None, 2)
        b = _solve(gram[:, fitted].sum(axis=1), cross[:, fitted].sum(axis=1), scale)
        a, c, s = (moment[:, other].sum(axis=1) for moment in (gram, cross, power))
        error += s - 2 * (b * c).sum(axis=1) + (b * (a @ b)).sum(axis=1)
        total = np.maximum(a[:, 0, 0], np.finfo(float).tiny)[:, None]
        variation += s - c[:, 0] ** 2 / total
    noise = 1e-24 * (1.0 + power.sum(axis=1))
    r2 = np.where(variation > noise, 1.0 - error / np.maximum(variation, noise), np.nan)
    return SurrogateFit(solution[:, 1:], solution[:, 0], covariance, r2)


def _solve(gram: Array, cross: Array, scale: Array) -> Array:
    """Solve the normal equations (..., q, q) with the instance added, scaled to unit diagonal."""
    a = gram / (scale[..., :, None] * scale[..., None, :])
    a[..., 0, 0] += 1.0 / scale[..., 0] ** 2
    q = a.shape[-1]
    a[..., np.arange(q), np.arange(q)] += _RIDGE
    solution: Array = np.linalg.solve(a, cross / scale[..., None]) / scale[..., None]
    return solution
