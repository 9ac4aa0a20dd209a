"""Linear surrogates of many instances at once, with their spread and their honest fidelity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matlever.explanation.plan import Plan

__all__ = ["Fidelity", "SurrogateFit", "fidelity_of", "fit_balanced", "fit_least_squares"]

Array = NDArray[np.float64]

# Added to the diagonal of the scaled normal equations, so that a direction no point explores gets
# a slope of zero instead of an error; it moves the slopes of explored directions by 1e-12 of them.
_RIDGE = 1e-12


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
    """

    slopes: Array
    offset: Array
    deviations: Array
    fidelity: Fidelity


def fidelity_of(predicted: Array, actual: Array, weights: Array) -> Fidelity:
    """Compare predictions (n, N, t) with actual ones at N points of weights (n, N) or (N,)."""
    w = np.broadcast_to(weights, actual.shape[:2])[:, :, None]
    total = np.maximum(w.sum(axis=1), np.finfo(float).tiny)
    error = (w * (actual - predicted) ** 2).sum(axis=1) / total
    a = actual - ((w * actual).sum(axis=1) / total)[:, None]
    b = predicted - ((w * predicted).sum(axis=1) / total)[:, None]
    var_a, var_b = ((w * x * x).sum(axis=1) / total for x in (a, b))
    both = (w * a * b).sum(axis=1) / total
    # Rounding of a prediction that does not vary is no variance.
    floor = 1e-24 * (1.0 + (w * actual * actual).sum(axis=1) / total)
    varies = var_a > floor
    r2 = np.where(varies, 1.0 - error / np.where(varies, var_a, 1.0), np.nan)
    scale = np.sqrt(np.maximum(var_a, floor) * np.maximum(var_b, floor))
    correlation = np.where(varies & (var_b > floor), both / scale, np.nan)
    return Fidelity(r2, correlation, error)


# -- designs whose points stay balanced -----------------------------------------------------------


def fit_balanced(plan: Plan, offset: Array, extent: Array, y: Array) -> SurrogateFit:
    r"""Slopes from a balanced design, without solving anything.

    With :math:`\sum w P = 0` and :math:`\sum w P P^T = q I` the slope of a feature is
    :math:`\sum w P f / (q\,e)` for the extent e of its pairs; the sample itself decides about the
    intercept only.

    Parameters
    ----------
    plan : Plan
        Its N points P, weights and groups.
    offset, extent : ndarray of shape (n, p)
        The features of point P are ``offset + extent * P``.
    y : ndarray of shape (n, N + 1, t)
        Predictions: the sample itself first.
    """
    work = _balanced_maps(plan)
    f = np.ascontiguousarray((y - y[:, :1]).swapaxes(1, 2))[:, :, 1:]  # (n, t, N), less the sample
    shifted = np.any(offset != 0, axis=1)
    at = (-offset / extent)[:, None, :]  # the sample, in the design's own coordinates
    slope = f @ work.slope  # (n, t, p), in the design's coordinates
    mean = (f * work.share).sum(axis=2) - (slope * at).sum(axis=2) * work.centre_share
    held_out = np.empty_like(f)
    without = np.empty((*f.shape[:2], work.n_groups, slope.shape[2]))
    for g in range(work.n_groups):
        own = work.groups == g
        rest = f[:, :, ~own]
        pair = work.leave_out[g]
        if pair is not None:
            # One copy of the design: the other points and the sample, or without it if it is
            # not in their middle.
            inside, apart = pair
            b = rest @ inside
            if shifted.any():
                b[shifted] = rest[shifted] @ apart
            level, b = b[:, :, 0], b[:, :, 1:]
        else:
            b = rest @ work.slope_without[g]
            w = work.weights[~own]
            total = w.sum() + plan.centre
            level = (rest * w).sum(axis=2) / total - (b * at).sum(axis=2) * plan.centre / total
        without[:, :, g] = b
        held_out[:, :, own] = level[:, :, None] + b @ work.points[own].T
    if plan.halves:
        # A half takes curvature for slope, the whole cancels it: its errors are half as large.
        held_out = (held_out + f) / 2
    deviations = without - without.mean(axis=2, keepdims=True)
    local = mean + (slope * at).sum(axis=2)
    e = extent[:, None, :]
    return SurrogateFit(
        (slope / e).swapaxes(1, 2),
        local,
        (deviations / e[:, None]).transpose(0, 2, 3, 1),
        fidelity_of(held_out.swapaxes(1, 2), f.swapaxes(1, 2), work.weights),
    )


@dataclass(frozen=True)
class _BalancedMaps:
    points: Array
    weights: Array
    groups: NDArray[np.intp]
    n_groups: int
    slope: Array  # (N, p)
    share: Array  # (N,)
    centre_share: float
    slope_without: list[Array]
    leave_out: list[tuple[Array, Array] | None]


def _balanced_maps(plan: Plan) -> _BalancedMaps:
    """Everything about a balanced design that does not depend on the instance."""
    p, w = plan.points, plan.weights
    moment = (w[:, None] * p * p).sum(axis=0)
    total = w.sum() + plan.centre
    n_groups = int(plan.groups.max()) + 1
    copies = plan.groups_are.startswith("random")
    slope_without: list[Array] = []
    leave_out: list[tuple[Array, Array] | None] = []
    for g in range(n_groups):
        kept = plan.groups != g
        if copies:
            q = (w[kept, None] * p[kept] ** 2).sum(axis=0)
            slope_without.append(w[kept, None] * p[kept] / q)
            leave_out.append(None)
        else:
            slope_without.append(np.empty((0, 0)))
            h = np.concatenate([np.ones((kept.sum(), 1)), p[kept]], axis=1)
            weighted = h * w[kept, None]
            apart = np.linalg.pinv(h.T @ weighted, hermitian=True) @ weighted.T
            gram = h.T @ weighted
            gram[0, 0] += plan.centre
            inside = np.linalg.pinv(gram, hermitian=True) @ weighted.T
            leave_out.append((inside.T.copy(), apart.T.copy()))
    return _BalancedMaps(
        points=p,
        weights=w,
        groups=plan.groups,
        n_groups=n_groups,
        slope=w[:, None] * p / moment,
        share=w / total,
        centre_share=plan.centre / total,
        slope_without=slope_without,
        leave_out=leave_out,
    )


# -- any points -----------------------------------------------------------------------------------


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
        left = weighted[:, own].swapaxes(1, 2)
        gram[:, g] = left @ design[:, own]
        cross[:, g] = left @ outcomes[:, own]
    all_gram, all_cross = gram.sum(axis=1), cross.sum(axis=1)
    scale = np.sqrt(np.einsum("nii->ni", all_gram))
    scale = np.where(scale > 0, scale, 1.0)
    solution = _solve(all_gram, all_cross, scale, centre, penalty)
    left_out = _solve(
        all_gram[:, None] - gram, all_cross[:, None] - cross, scale[:, None], centre, penalty
    )
    held_out = np.empty_like(outcomes)
    for g in range(n_groups):
        own = groups == g
        held_out[:, own] = design[:, own] @ left_out[:, g]
    deviations = (left_out - left_out.mean(axis=1, keepdims=True))[:, :, 1:]
    return SurrogateFit(
        solution[:, 1:],
        solution[:, 0],
        deviations,
        fidelity_of(held_out, outcomes, weights),
    )


def _solve(gram: Array, cross: Array, scale: Array, centre: float, penalty: float) -> Array:
    """Solve the normal equations (..., q, q) with the instance added, scaled to unit diagonal."""
    a = gram / (scale[..., :, None] * scale[..., None, :])
    a[..., 0, 0] += centre / scale[..., 0] ** 2
    slopes = np.arange(1, a.shape[-1])
    a[..., slopes, slopes] += _RIDGE + penalty / scale[..., 1:] ** 2
    a[..., 0, 0] += _RIDGE
    solution: Array = np.linalg.solve(a, cross / scale[..., None]) / scale[..., None]
    return solution
