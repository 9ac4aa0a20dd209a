"""Surrogates from designs whose points stay balanced: sums over points, and nothing to solve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from matlever.explanation.weights.plan import Plan
from matlever.explanation.weights.surrogate import (
    SurrogateFit,
    differences,
    fidelity_of,
    less_mean,
    summed,
)

__all__ = ["fit_balanced"]

Array = NDArray[np.float64]


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
    f = np.ascontiguousarray(differences(y, y[:, :1]).swapaxes(1, 2))[:, :, 1:]
    if extent.shape[1] == 1:
        return _fit_one_copy(plan, offset[:, 0], extent[:, 0], f)
    return _fit_copies(plan, offset, extent, f)


def _fit_one_copy(plan: Plan, offset: Array, extent: Array, f: Array) -> SurrogateFit:
    """Fit one design; its halves (or single points, or tenths) are left out in turn."""
    p, w = plan.points, plan.weights
    maps = left_out_maps(plan)
    total = w.sum() + plan.centre
    at = (-offset / extent)[:, None]  # the sample, in the design's own coordinates; (n, 1, p)
    shifted = np.any(offset != 0, axis=1)
    b = f @ maps.slope  # (n, t, p)
    local = ((f * w).sum(axis=2) + w.sum() * (b * at).sum(axis=2)) / total
    # Sums over the points of each group, so that leaving one out is a subtraction.
    cross = np.stack([np.take(f, own, axis=2) @ maps.columns[own] for own in maps.own], axis=2)
    rest = summed(cross, 2)[:, :, None] - cross  # (n, t, G, q)
    level = summed(f, 2)[shifted, :, None] / f.shape[2]
    held_out = np.empty_like(f)
    without = np.empty((*f.shape[:2], len(maps.own), p.shape[1]))
    for g, own in enumerate(maps.own):
        solution = np.ascontiguousarray(rest[:, :, g]) @ maps.inside[g]
        if shifted.any():
            # The sample is not in the middle of its pairs, so that their mean stands in for it.
            solution[shifted, :, :1] = level
            some = rest[shifted, :, g, 1:] - level * maps.sums[g]
            solution[shifted, :, 1:] = np.ascontiguousarray(some) @ maps.apart[g]
        slope = np.ascontiguousarray(solution[:, :, 1:])
        without[:, :, g] = slope
        held_out[:, :, own] = solution[:, :, :1] + slope @ p[own].T
    if plan.halves:
        held_out = f - _errors_of_the_whole(f - held_out, p.shape[1])
    deviations = less_mean(without, 2) / extent[:, None, None]
    return SurrogateFit(
        (b / extent[:, None]).swapaxes(1, 2),
        local,
        deviations.transpose(0, 2, 3, 1),
        fidelity_of(held_out, f, w),
    )


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


@dataclass(frozen=True)
class _Maps:
    """What does not depend on the predictions: from sums over points to coefficients.

    Attributes
    ----------
    slope : ndarray of shape (N, p)
        From predictions to slopes.
    columns : ndarray of shape (N, q)
        Weighted columns of the fit: ones, coordinates, and cubic terms where they are fitted.
    own : list of ndarray of int
        Points of each group.
    inside : list of ndarray of shape (q, 1 + p)
        From the sums without a group to level and slopes, with the sample at the origin.
    apart : list of ndarray of shape (q - 1, p)
        To the slopes alone, where the level is known otherwise.
    sums : list of ndarray of shape (q - 1,)
        Of the weighted columns over the points outside of the group.
    """

    slope: Array
    columns: Array
    own: list[NDArray[np.intp]]
    inside: list[Array]
    apart: list[Array]
    sums: list[Array]


def left_out_maps(plan: Plan) -> _Maps:
    """Return the maps of a plan, which all its batches share."""
    found = plan.cache.get("maps")
    if found is None:
        found = plan.cache["maps"] = _made(plan)
    return cast(_Maps, found)


def _made(plan: Plan) -> _Maps:
    p, w = plan.points, plan.weights
    m = p.shape[1]
    coordinates = np.concatenate([p, _cubic(p)], axis=1) if plan.cubic else p
    h = np.concatenate([np.ones((len(p), 1)), coordinates], axis=1)
    columns = h * w[:, None]
    if plan.is_clipped:  # nearly balanced: solve
        inverse = np.linalg.pinv(coordinates.T @ columns[:, 1:], hermitian=True)
        slope = columns[:, 1:] @ inverse[:, :m]
    else:
        slope = columns[:, 1 : m + 1] / (columns[:, 1 : m + 1] * p).sum(axis=0)
    own, inside, apart, sums = [], [], [], []
    for g in range(int(plan.groups.max()) + 1):
        kept = plan.groups != g
        gram = h[kept].T @ columns[kept]
        gram[0, 0] += plan.centre
        own.append(np.flatnonzero(~kept))
        inside.append(np.ascontiguousarray(np.linalg.pinv(gram, hermitian=True)[:, : m + 1]))
        level_free = np.linalg.pinv(gram[1:, 1:], hermitian=True)
        apart.append(np.ascontiguousarray(level_free[:, :m]))
        sums.append(columns[kept, 1:].sum(axis=0))
    return _Maps(np.ascontiguousarray(slope), columns, own, inside, apart, sums)


def _cubic(p: Array) -> Array:
    """Hermite's cubic of each coordinate, of mean square one under a standard normal."""
    found: Array = (p**3 - 3 * p) / np.sqrt(6)
    return found


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
    deviations = less_mean(without, 2)
    return SurrogateFit(
        b.swapaxes(1, 2),
        local,
        deviations.transpose(0, 2, 3, 1),
        fidelity_of(held_out.reshape(n, t, -1), f.reshape(n, t, -1), plan.weights),
    )
