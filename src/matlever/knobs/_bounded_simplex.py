"""Nearest and random points of a set of fractions: box limits, a fixed sum, steps, few parts.

All functions work on many rows at once: ``v`` has shape (n, p) for p parts, ``lower`` and ``upper``
are broadcast to it, ``total`` has shape (n,). They expect that each row has a solution.
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

__all__ = ["choose_support", "draw", "project_continuous", "project_steps", "supports"]

Array = NDArray[np.float64]

# A uniform draw is tried so often by rejection before the walk takes over.
_REJECTION_ROUNDS = 64
# Pair moves of the walk, per part: the lag-one correlation of a part is below 0.05 long before.
_WALK_SWEEPS = 60


def project_continuous(v: Array, lower: Array, upper: Array, total: Array) -> Array:
    r"""Euclidean projection on :math:`\{x : l \le x \le u, \sum x = T\}`, exact.

    The solution is :math:`x = \mathrm{clip}(v - \tau, l, u)`. The sum of the right-hand side is
    piecewise linear in :math:`\tau` with corners at ``v - upper`` and ``v - lower``; sorting the
    corners finds the piece that holds the root, and :math:`\tau` follows in closed form [1]_.

    References
    ----------
    .. [1] N. Maculan, C. P. Santiago, E. M. Macambira, M. H. C. Jardim, J. Optim. Theory Appl. 117
       (2003) 553-574.
    """
    n, p = v.shape
    v = np.ascontiguousarray(v)
    lower, upper = np.broadcast_to(lower, v.shape), np.broadcast_to(upper, v.shape)
    corners = np.concatenate([v - upper, v - lower], axis=1)
    order = np.argsort(corners, axis=1, kind="stable")
    corners = np.take_along_axis(corners, order, axis=1)
    # Passing v - upper a part starts to fall with tau, passing v - lower it stops.
    slope = np.cumsum(np.where(order < p, -1.0, 1.0), axis=1)
    falls = np.zeros((n, 2 * p))
    falls[:, 1:] = np.cumsum(slope[:, :-1] * np.diff(corners, axis=1), axis=1)
    sums = upper.sum(axis=1, keepdims=True) + falls
    piece = (sums >= total[:, None]).sum(axis=1).clip(1, 2 * p - 1)
    rows = np.arange(n)
    middle = 0.5 * (corners[rows, piece - 1] + corners[rows, piece])[:, None]
    # Twice, because rounding can put the root just outside the piece that was found.
    for _ in range(2):
        shifted = v - middle
        low, high = shifted <= lower, shifted >= upper
        free = ~(low | high)
        held = np.where(low, lower, np.where(high, upper, 0.0)).sum(axis=1)
        n_free = free.sum(axis=1)
        tau = (np.where(free, v, 0.0).sum(axis=1) + held - total) / np.maximum(n_free, 1)
        middle = np.where(n_free > 0, tau, middle[:, 0])[:, None]
    x: Array = np.clip(v - middle, lower, upper)
    return x


def project_steps(v: Array, lower: Array, upper: Array, total: Array, step: float) -> Array:
    """Nearest point whose parts lie on ``lower + i * step``, exact.

    The cost is separable with one curvature, so rounding down the continuous solution and giving
    the steps that are left to the largest remainders is optimal.
    """
    lower = np.broadcast_to(lower, v.shape)
    n_steps = np.floor((np.broadcast_to(upper, v.shape) - lower) / step + 1e-9)
    to_give = np.rint((total - lower.sum(axis=1)) / step)
    position = project_continuous((v - lower) / step, np.zeros_like(v), n_steps, to_give)
    base = np.floor(position + 1e-9)
    left = to_give - base.sum(axis=1)
    rest = np.where(base < n_steps, position - base, -np.inf)
    rank = np.argsort(np.argsort(-rest, axis=1, kind="stable"), axis=1, kind="stable")
    x: Array = lower + step * (base + (rank < left[:, None]))
    return x


def supports(lower: Array, upper: Array, total: float, max_parts: int) -> NDArray[np.bool_] | None:
    """Choices of parts that may be above zero, of shape (n_choices, p), or None.

    None means that no list is needed: the optional parts are alike (equal limits, or limits that
    cannot bind), so the best choice is always the one with the largest values.
    """
    required = lower > 0
    optional = np.flatnonzero(~required)
    slots = min(max_parts - int(required.sum()), len(optional))
    ceiling = np.minimum(upper[optional], total - lower.sum())
    if len(optional) <= slots or np.ptp(ceiling) == 0:
        return None
    choices = np.zeros((math.comb(len(optional), slots), len(lower)), dtype=bool)
    choices[:, required] = True
    for row, chosen in enumerate(combinations(optional, slots)):
        choices[row, list(chosen)] = True
    return choices


def choose_support(v: Array, lower: Array, n_parts: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Parts that stay above zero when only the `n_parts` (n,) largest may, of shape (n, p)."""
    required = np.broadcast_to(lower > 0, v.shape)
    order = np.argsort(np.where(required, -np.inf, -v), axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    chosen: NDArray[np.bool_] = rank < n_parts[:, None]
    return chosen


def choose_support_with_room(
    v: Array, lower: Array, upper: Array, n_parts: NDArray[np.intp], total: Array
) -> NDArray[np.bool_]:
    """Parts (n, p) that stay above zero, with upper limits that can make the `total` (n,).

    The `n_parts` (n,) largest, where these have room enough; else as many of the largest as
    possible, with the parts of the highest limits in place of the others.
    """
    chosen = choose_support(v, lower, n_parts)
    upper = np.broadcast_to(upper, v.shape)
    slack = 1e-12 * np.abs(total)
    for n_swapped in range(1, int(n_parts.max(initial=0)) + 1):
        short = np.flatnonzero(np.where(chosen, upper, 0.0).sum(axis=1) < total - slack)
        if not len(short):
            break
        kept = choose_support(v[short], lower, np.maximum(n_parts[short] - n_swapped, 0))
        # Those kept come first whatever their limit, then the highest limits.
        order = np.where(kept, np.inf, upper[short])
        chosen[short] = choose_support(order, lower, n_parts[short])
    return chosen


def draw(
    lower: Array, upper: Array, total: Array, step: float | None, rng: np.random.Generator
) -> Array:
    """Points drawn uniformly from box and sum, of shape (n, p); `lower`, `upper` of that shape.

    Exact by rejection (from the whole simplex above the lower limits, or below the upper ones,
    whichever is smaller); rows that are still missing after 64 rounds come from a random walk of
    pair exchanges, which leaves the uniform distribution unchanged.
    """
    if step is not None:
        n_steps = np.floor((upper - lower) / step + 1e-9)
        to_give = np.rint((total - lower.sum(axis=1)) / step)
        return lower + step * _draw_offsets(n_steps, to_give, True, rng)
    return np.clip(
        lower + _draw_offsets(upper - lower, total - lower.sum(1), False, rng), lower, upper
    )


def _draw_offsets(room: Array, total: Array, whole: bool, rng: np.random.Generator) -> Array:
    """Uniform points of ``0 <= x <= room`` with the sum `total`."""
    mirrored = room.sum(axis=1) - total < total
    amount = np.where(mirrored, room.sum(axis=1) - total, total)
    x = np.zeros_like(room)
    missing = np.arange(len(room))
    for _ in range(_REJECTION_ROUNDS):
        usable = room[missing] > 0
        if whole:
            found = _compositions(usable, amount[missing], rng)
        else:
            shares = rng.standard_exponential(usable.shape) * usable
            sums = np.maximum(shares.sum(axis=1, keepdims=True), np.finfo(float).tiny)
            found = shares / sums * amount[missing, None]
        good = (found <= room[missing]).all(axis=1)
        x[missing[good]] = found[good]
        missing = missing[~good]
        if not len(missing):
            break
    else:
        x[missing] = _walk(room[missing], amount[missing], whole, rng)
    return np.where(mirrored[:, None], room - x, x)


def _compositions(usable: NDArray[np.bool_], amount: Array, rng: np.random.Generator) -> Array:
    """Whole numbers with a given sum, uniform over all of them (stars and bars)."""
    out = np.zeros(usable.shape)
    for row, (parts, n) in enumerate(zip(usable, amount.astype(int), strict=True)):
        p = int(parts.sum())
        if p:
            bars = np.sort(rng.choice(n + p - 1, size=p - 1, replace=False))
            out[row, parts] = np.diff(np.concatenate([[-1], bars, [n + p - 1]])) - 1
    return out


def _walk(room: Array, total: Array, whole: bool, rng: np.random.Generator) -> Array:
    """Random walk from a corner-free start: two parts at a time share their sum anew."""
    n, p = room.shape
    start = room * (total / np.maximum(room.sum(axis=1), np.finfo(float).tiny))[:, None]
    x = (
        project_steps(start, np.zeros_like(room), room, total, 1.0)
        if whole
        else project_continuous(start, np.zeros_like(room), room, total)
    )
    rows = np.arange(n)
    for _ in range(_WALK_SWEEPS * p):
        first = rng.integers(p, size=n)
        second = (first + rng.integers(1, p, size=n)) % p if p > 1 else first
        both = x[rows, first] + x[rows, second]
        least = np.maximum(0.0, both - room[rows, second])
        most = np.minimum(room[rows, first], both)
        u = rng.random(n)
        value = least + (np.floor(u * (most - least + 1)) if whole else u * (most - least))
        if p > 1:
            x[rows, first] = np.minimum(value, most)
            x[rows, second] = both - x[rows, first]
    return np.clip(x, 0.0, room)
