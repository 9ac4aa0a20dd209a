"""Linear surrogates of many instances at once, with their spread and their honest fidelity."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Fidelity",
    "SurrogateFit",
    "differences",
    "fidelity_of",
    "fit_least_squares",
    "less_mean",
    "summed",
]

Array = NDArray[np.float64]

# Added to the diagonal of the scaled normal equations, so that a direction no point explores gets
# a slope of zero (but for rounding, 1e-6 of the others) instead of an error; it moves the slopes of
# explored directions by 1e-10 of them.
_RIDGE = 1e-10
# Share of a prediction that is rounding: of a model that sums many terms in some order.
_ROUNDING = 16 * np.finfo(float).eps


@dataclass(frozen=True)
class Fidelity:
    """How well surrogates follow the predictor at points that were not used in their fit.

    Attributes
    ----------
    r2, correlation, nwise : ndarray of shape (n, t)
        Weighted share of the variance explained, weighted correlation, and normalised weighted
        squared error; the first two are NaN where the predictor does not vary.
    """

    r2: Array
    correlation: Array
    nwise: Array


@dataclass(frozen=True)
class SurrogateFit:
    """Surrogates of n instances with p features and t targets.

    Attributes
    ----------
    slopes : ndarray of shape (n, p, t)
    offset : ndarray of shape (n, t)
        Surrogate minus predictor at the instance.
    deviations : ndarray of shape (n, G, p, t)
        Slopes without each of the G groups of points, less their mean.
    fidelity : Fidelity
        At the points of each group, by the surrogate fitted without it.
    standard_error : ndarray of shape (n, p, t) or None
        Of the slopes, by the formula of weighted regression; None where it was not asked for.
    """

    slopes: Array
    offset: Array
    deviations: Array
    fidelity: Fidelity
    standard_error: Array | None = None

    def of_first(self, p: int) -> SurrogateFit:
        """Return the fits with the first p slopes only."""
        error = self.standard_error
        return replace(
            self,
            slopes=self.slopes[:, :p],
            deviations=self.deviations[:, :, :p],
            standard_error=None if error is None else error[:, :p],
        )

    def replaced(self, rows: NDArray[np.intp], other: SurrogateFit) -> SurrogateFit:
        """Return the fits with those of some instances taken from another; both have G groups."""

        def put(mine: Array, theirs: Array) -> Array:
            found = mine.copy()
            found[rows] = theirs
            return found

        return SurrogateFit(
            put(self.slopes, other.slopes),
            put(self.offset, other.offset),
            put(self.deviations, other.deviations),
            Fidelity(
                put(self.fidelity.r2, other.fidelity.r2),
                put(self.fidelity.correlation, other.fidelity.correlation),
                put(self.fidelity.nwise, other.fidelity.nwise),
            ),
        )


def summed(values: Array, axis: int) -> Array:
    """Sum along an axis in an order that does not depend on how many instances there are."""
    last: Array = np.ascontiguousarray(np.moveaxis(values, axis, -1))
    total: Array = last.sum(axis=-1)
    return total


def fidelity_of(predicted: Array, actual: Array, weights: Array) -> Fidelity:
    """Compare predictions (n, t, N) with actual ones at N points of weights (n, N) or (N,)."""
    w = weights if weights.ndim == 1 else weights[:, None]
    total = np.maximum(w.sum(axis=-1), np.finfo(float).tiny)

    def mean(values: Array) -> Array:
        found: Array = np.ascontiguousarray(w * values).sum(axis=-1) / total
        return found

    error = mean((actual - predicted) ** 2)
    a = actual - mean(actual)[:, :, None]
    b = predicted - mean(predicted)[:, :, None]
    var_a, var_b, both = mean(a * a), mean(b * b), mean(a * b)
    # Rounding of a prediction that does not vary is no variance.
    floor = 1e-24 * mean(actual * actual)
    varies = var_a > floor
    r2 = np.where(varies, 1.0 - error / np.where(varies, var_a, 1.0), np.nan)
    both_vary = varies & (var_b > floor)
    scale = np.where(both_vary, np.sqrt(var_a) * np.sqrt(var_b), 1.0)
    correlation = np.where(both_vary, both / scale, np.nan)
    return Fidelity(r2, correlation, error)


def differences(y: Array, y0: Array) -> Array:
    """Return predictions less those at the samples; zero where they differ by rounding only."""
    found: Array = y - y0
    found[np.abs(found) <= _ROUNDING * np.abs(y0)] = 0.0
    return found


def less_mean(values: Array, axis: int) -> Array:
    """Return values less their mean along an axis."""
    mean = summed(values, axis) / values.shape[axis]
    found: Array = values - np.expand_dims(mean, axis)
    return found


def fit_least_squares(
    features: Array,
    weights: Array,
    centre: float,
    groups: NDArray[np.intp],
    outcomes: Array,
    penalty: float = 0.0,
) -> SurrogateFit:
    r"""Weighted least squares, batched over instances.

    Parameters
    ----------
    features : ndarray of shape (n, N, p)
        Position of each point relative to its instance.
    weights : ndarray of shape (n, N)
        Weights of the points.
    centre : float
        Weight of the instance itself, which is part of every fit.
    groups : ndarray of shape (N,), int
        Points that are left out together.
    outcomes : ndarray of shape (n, N, t)
        Prediction minus the prediction at the instance.
    penalty : float, default=0.0
        Ridge penalty on the slopes, in units of the sum of weighted squares.

    Notes
    -----
    The spread is the jackknife over the G groups,
    :math:`s^2 = \frac{G-1}{G}\sum_g (b_{-g} - \bar b)^2`.
    """
    n, n_points, p = features.shape
    t = outcomes.shape[2]
    n_groups = int(groups.max()) + 1
    design = np.concatenate([np.ones((n, n_points, 1)), features], axis=2)
    weighted = design * weights[:, :, None]
    gram = np.empty((n, n_groups, p + 1, p + 1))
    cross = np.empty((n, n_groups, p + 1, t))
    for g in range(n_groups):
        own = groups == g
        # Contiguous: one instance alone must take the same way through a product as many.
        left = np.ascontiguousarray(weighted[:, own].swapaxes(1, 2))
        gram[:, g] = left @ np.ascontiguousarray(design[:, own])
        cross[:, g] = left @ np.ascontiguousarray(outcomes[:, own])
    all_gram, all_cross = summed(gram, 1), summed(cross, 1)
    scale = np.sqrt(np.einsum("nii->ni", all_gram))
    scale = np.where(scale > 0, scale, 1.0)
    solution = _solve(all_gram, all_cross, scale, centre, penalty)
    left_out = _solve(
        all_gram[:, None] - gram, all_cross[:, None] - cross, scale[:, None], centre, penalty
    )
    held_out = np.empty_like(outcomes)
    for g in range(n_groups):
        own = groups == g
        held_out[:, own] = np.ascontiguousarray(design[:, own]) @ np.ascontiguousarray(
            left_out[:, g]
        )
    deviations = less_mean(left_out, 1)[:, :, 1:]
    return SurrogateFit(
        solution[:, 1:],
        solution[:, 0],
        deviations,
        fidelity_of(held_out.swapaxes(1, 2), outcomes.swapaxes(1, 2), weights),
        _standard_error(all_gram, design, weights, centre, outcomes, solution, penalty),
    )


def _standard_error(
    gram: Array,
    design: Array,
    weights: Array,
    centre: float,
    outcomes: Array,
    solution: Array,
    penalty: float,
) -> Array:
    r"""Compute standard errors (n, p, t) of the slopes as Visani et al. (2022) do.

    :math:`s^2 = \hat\sigma^2 A^{-1} X^T W X A^{-1}` with :math:`A = X^T W X + \alpha I` and
    :math:`\hat\sigma^2 = \sum w e^2 / (N - p)`.
    """
    n_points, q = design.shape[1:]
    whole = gram.copy()
    whole[:, 0, 0] += centre
    penalised = whole.copy()
    slopes = np.arange(1, q)
    penalised[:, slopes, slopes] += penalty
    inverse = np.linalg.pinv(penalised, hermitian=True)
    diagonal = np.einsum("nij,njk,nki->ni", inverse, whole, inverse)[:, 1:]
    error = outcomes - design @ solution
    left = max(n_points + 1 - q, 1)
    variance = summed(weights[:, :, None] * error**2, 1) + centre * solution[:, 0] ** 2
    found: Array = np.sqrt(np.maximum(diagonal, 0.0)[:, :, None] * variance[:, None] / left)
    return found


def _solve(gram: Array, cross: Array, scale: Array, centre: float, penalty: float) -> Array:
    """Solve the normal equations (..., q, q) with the instance added, scaled to unit diagonal."""
    a = gram / (scale[..., :, None] * scale[..., None, :])
    a[..., 0, 0] += centre / scale[..., 0] ** 2
    slopes = np.arange(1, a.shape[-1])
    a[..., slopes, slopes] += _RIDGE + penalty / scale[..., 1:] ** 2
    a[..., 0, 0] += _RIDGE
    solution: Array = np.linalg.solve(a, cross / scale[..., None]) / scale[..., None]
    return solution
