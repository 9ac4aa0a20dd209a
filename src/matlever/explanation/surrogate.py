"""Linear surrogates of many instances at once, with their spread and their honest fidelity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matlever.explanation.plan import Plan

__all__ = ["Fidelity", "SurrogateFit", "fidelity_of", "fit_balanced", "fit_least_squares", "summed"]

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
    standard_error : ndarray of shape (n, p, t) or None
        Of the slopes, by the formula of weighted regression; None where it was not asked for.
    """

    slopes: Array
    offset: Array
    deviations: Array
    fidelity: Fidelity
    standard_error: Array | None = None

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
    floor = 1e-24 * (1.0 + mean(actual * actual))
    varies = var_a > floor
    r2 = np.where(varies, 1.0 - error / np.where(varies, var_a, 1.0), np.nan)
    scale = np.sqrt(np.maximum(var_a, floor) * np.maximum(var_b, floor))
    correlation = np.where(varies & (var_b > floor), both / scale, np.nan)
    return Fidelity(r2, correlation, error)


# -- designs whose points stay balanced -----------------------------------------------------------


def fit_balanced(plan: Plan, offset: Array, extent: Array, y: Array) -> SurrogateFit:
    r"""Slopes from balanced designs, without solving anything.

    With :math:`\sum w P = 0` and :math:`\sum w P P^T` diagonal in each copy c of the design, whose
    points have the features :math:`o_c + e_c P`, least squares within the copies gives the slope
    :math:`\sum_c e_c \sum w P f / \sum_c e_c^2 \sum w P^2` of each feature; the sample itself
    decides about the intercept only.

    Parameters
    ----------
    plan : Plan
        Its N points P, weights and groups.
    offset, extent : ndarray of shape (n, C, p)
        Of the C copies of the design.
    y : ndarray of shape (n, N + 1, t)
        Predictions: the sample itself first.
    """
    # Less the sample's own prediction, which every surrogate is measured from; (n, t, N).
    f = np.ascontiguousarray((y - y[:, :1]).swapaxes(1, 2))[:, :, 1:]
    if extent.shape[1] == 1:
        return _fit_one_copy(plan, offset[:, 0], extent[:, 0], f)
    return _fit_copies(plan, offset, extent, f)


def _fit_one_copy(plan: Plan, offset: Array, extent: Array, f: Array) -> SurrogateFit:
    """Fit one design; its halves (or single points) are left out in turn."""
    p, w = plan.points, plan.weights
    total = w.sum() + plan.centre
    at = (-offset / extent)[:, None]  # the sample, in the design's own coordinates; (n, 1, p)
    shifted = np.any(offset != 0, axis=1)
    b = f @ _slope_map(plan)  # (n, t, p)
    local = ((f * w).sum(axis=2) + w.sum() * (b * at).sum(axis=2)) / total
    n_groups = int(plan.groups.max()) + 1
    held_out = np.empty_like(f)
    without = np.empty((*f.shape[:2], n_groups, p.shape[1]))
    for g in range(n_groups):
        own = plan.groups == g
        inside, slopes = _left_out_maps(p[~own], w[~own], plan.centre, plan.cubic)
        rest = np.take(f, np.flatnonzero(~own), axis=2)
        solution = rest @ inside
        if shifted.any():
            # The sample is not in the middle of its pairs, so that their mean stands in for it.
            level = f[shifted].mean(axis=2, keepdims=True)
            solution[shifted, :, :1] = level
            solution[shifted, :, 1:] = (rest[shifted] - level) @ slopes
        slope = np.ascontiguousarray(solution[:, :, 1:])
        without[:, :, g] = slope
        held_out[:, :, own] = solution[:, :, :1] + slope @ p[own].T
    if plan.halves:
        held_out = f - _errors_of_the_whole(f - held_out, p.shape[1])
    deviations = _less_mean(without, 2) / extent[:, None, None]
    return SurrogateFit(
        (b / extent[:, None]).swapaxes(1, 2),
        local,
        deviations.transpose(0, 2, 3, 1),
        fidelity_of(held_out, f, w),
    )


def _less_mean(values: Array, axis: int) -> Array:
    mean = summed(values, axis) / values.shape[axis]
    found: Array = values - np.expand_dims(mean, axis)
    return found


def _errors_of_the_whole(error: Array, m: int) -> Array:
    """Turn the errors (n, t, 2r) of two mirrored halves into those of their whole.

    A half takes curvature for slope and the whole cancels it: what mirror images miss alike is half
    as large for the whole. What they miss with opposite signs has r - m degrees of freedom left of
    r, and is raised to what a new pair would show.
    """
    pairs = error.reshape(*error.shape[:2], -1, 2)
    r = pairs.shape[2]
    alike = pairs.mean(axis=3, keepdims=True)
    opposite = pairs - alike
    raised = np.sqrt(r / (r - m)) if r > m else 1.0
    found: Array = (alike / 2 + raised * opposite).reshape(error.shape)
    return found


def _slope_map(plan: Plan) -> Array:
    """Return the map (N, p) from predictions to slopes."""
    p, w = plan.points, plan.weights
    if not plan.cubic:
        found: Array = w[:, None] * p / (w[:, None] * p * p).sum(axis=0)
        # Points of low discrepancy are balanced only nearly: solve.
        return found if not plan.is_clipped else _solved(p, w, p)
    return _solved(np.concatenate([p, _cubic(p)], axis=1), w, p)


def _solved(columns: Array, w: Array, p: Array) -> Array:
    """Return the map (N, p) from predictions to the first coefficients of a weighted fit."""
    weighted = columns * w[:, None]
    solution = np.linalg.pinv(columns.T @ weighted, hermitian=True) @ weighted.T
    return np.ascontiguousarray(solution[: p.shape[1]].T)


def _cubic(p: Array) -> Array:
    """Hermite's cubic of each coordinate, of mean square one under a standard normal."""
    found: Array = (p**3 - 3 * p) / np.sqrt(6)
    return found


def _left_out_maps(p: Array, w: Array, centre: float, cubic: bool) -> tuple[Array, Array]:
    """Return maps (N, 1 + p) from predictions to coefficients, and (N, p) to slopes alone.

    The first is with the sample, which is at the origin and whose prediction is zero; the second
    is for predictions from which the level has been taken away.
    """
    m = p.shape[1]
    columns = np.concatenate([p, _cubic(p)], axis=1) if cubic else p
    h = np.concatenate([np.ones((len(p), 1)), columns], axis=1)
    weighted = h * w[:, None]
    gram = h.T @ weighted
    gram[0, 0] += centre
    inside = np.linalg.pinv(gram, hermitian=True)[: m + 1] @ weighted.T
    slopes = np.linalg.pinv(gram[1:, 1:], hermitian=True)[:m] @ weighted[:, 1:].T
    return np.ascontiguousarray(inside.T), np.ascontiguousarray(slopes.T)


def _fit_copies(plan: Plan, offset: Array, extent: Array, f: Array) -> SurrogateFit:
    """Fit rotated copies of a design; groups of copies are left out in turn."""
    n, n_copies, m = extent.shape
    t = f.shape[1]
    p = plan.points.reshape(n_copies, -1, m)
    w = plan.weights.reshape(n_copies, -1)
    f = f.reshape(n, t, n_copies, -1)
    group = plan.groups.reshape(n_copies, -1)[:, 0]
    n_groups = int(group.max()) + 1
    own = np.eye(n_groups)[group].T  # (G, C)
    # Sums over the points of each copy, then over the copies of each group.
    wp = w[:, :, None] * p
    cross = np.stack([f[:, :, c] @ wp[c] for c in range(n_copies)], axis=2)  # (n, t, C, p)
    cross = own @ (cross * extent[:, None])  # (n, t, G, p)
    power = own @ (extent**2 * (wp * p).sum(axis=1))  # (n, G, p)
    weight = own @ w.sum(axis=1)  # (G,)
    level = (f * w).sum(axis=3) @ own.T  # (n, t, G)
    middle = own @ (w.sum(axis=1)[:, None] * offset)  # (n, G, p)

    b = summed(cross, 2) / summed(power, 1)[:, None]
    total = weight.sum() + plan.centre
    local = (summed(level, 2) - summed(b * summed(middle, 1)[:, None], 2)) / total
    rest = summed(cross, 2)[:, :, None] - cross
    without = rest / (summed(power, 1)[:, None] - power)[:, None]  # (n, t, G, p)
    away = summed(middle, 1)[:, None] - middle
    at = summed(level, 2)[:, :, None] - level - summed(without * away[:, None], 3)
    at = at / (total - weight)  # (n, t, G)
    held_out = np.empty_like(f)
    for c in range(n_copies):
        slope = without[:, :, group[c]]
        start = at[:, :, group[c]] + summed(slope * offset[:, None, c], 2)
        held_out[:, :, c] = start[:, :, None] + (slope * extent[:, None, c]) @ p[c].T
    deviations = _less_mean(without, 2)
    return SurrogateFit(
        b.swapaxes(1, 2),
        local,
        deviations.transpose(0, 2, 3, 1),
        fidelity_of(held_out.reshape(n, t, -1), f.reshape(n, t, -1), plan.weights),
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
        held_out[:, own] = design[:, own] @ left_out[:, g]
    deviations = _less_mean(left_out, 1)[:, :, 1:]
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
