"""Nearest points of box limits and linear relations, many rows at once.

All functions work in units in which distances are plain Euclidean ones. The dual of the problem has
one multiplier per relation and a point in closed form for each: its equations are piecewise linear
and are solved by a semismooth Newton method for all rows together. The few rows it does not settle
go one by one through least-distance programming, which ends in finitely many steps.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["nearest_points"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_TOLERANCE = 1e-13
_RELAXED = 1e-11
_FAR = 1e3  # distances beyond which a point's place no longer matters, and rounding would
_SWEEPS = (0, 3, 10)
_NEWTON_STEPS = 12
_HALVINGS = 4


def nearest_points(
    v: Array, lower: Array, upper: Array, matrix: Array, least: Array, most: Array
) -> tuple[Array, Flags]:
    r"""Euclidean projection on :math:`\{x : l \le x \le u, b \le A x \le c\}`.

    Parameters
    ----------
    v : ndarray of shape (n, p)
        Points.
    lower, upper : ndarray of shape (n, p)
        Limits of each coordinate; equal where it may not move.
    matrix : ndarray of shape (q, p)
        One relation a row, not zero.
    least, most : ndarray of shape (q,)
        Limits of the relations; equal for an equation, infinite where there is none.

    Returns
    -------
    x : ndarray of shape (n, p)
        Nearest points, within the box to the last bit and within the relations but for rounding.
    exists : ndarray of shape (n,)
        False where no point satisfies everything; `x` means nothing there.

    References
    ----------
    .. [1] L. Qi, J. Sun, Math. Program. 58 (1993) 353-367 (semismooth Newton).
    .. [2] C. L. Lawson, R. J. Hanson, "Solving Least Squares Problems", 1974, chapter 23 (LDP).
    """
    norm = np.linalg.norm(matrix, axis=1)
    matrix, least, most = matrix / norm[:, None], least / norm, most / norm
    v = np.clip(v, lower - _FAR, upper + _FAR)
    size = _size(lower, upper, matrix)
    x, settled = np.clip(v, lower, upper), np.zeros(len(v), dtype=bool)
    # A relation that the box alone rules out needs no search.
    lowest, highest = (
        _sums(a, np.maximum(matrix, 0)) + _sums(b, np.minimum(matrix, 0))
        for a, b in ((lower, upper), (upper, lower))
    )
    slack = _RELAXED * size
    possible = np.flatnonzero(((lowest <= most + slack) & (highest >= least - slack)).all(axis=1))
    if len(possible):
        x[possible], settled[possible] = _solve_dual(
            v[possible], lower[possible], upper[possible], matrix, least, most
        )
    for i in possible[~settled[possible]].tolist():
        # Where only one point is left, rounding leaves none: then the limits give way by a hair.
        for give in (0.0, slack[i]):
            found = _least_distance(v[i], lower[i], upper[i], matrix, least - give, most + give)
            if found is not None:
                x[i], settled[i] = found, True
                break
    return x, settled


def _size(lower: Array, upper: Array, matrix: Array) -> Array:
    """Size of what each relation adds up, in which its rounding errors grow, of shape (n, q)."""
    largest = np.maximum(np.abs(lower), np.abs(upper))
    size: Array = 1.0 + _sums(largest, np.abs(matrix))
    return size


def _sums(x: Array, matrix: Array) -> Array:
    """Return A x for each row; no matrix product, whose last bits depend on the other rows."""
    sums = np.empty((len(x), len(matrix)))
    for i, a in enumerate(matrix):
        sums[:, i] = np.ascontiguousarray(x * a).sum(axis=1)
    return sums


def _pulls(mu: Array, matrix: Array) -> Array:
    """Return A^T mu for each row."""
    pulls = np.zeros((len(mu), matrix.shape[1]))
    for i, a in enumerate(matrix):
        pulls += mu[:, i : i + 1] * a
    return pulls


def _solve_dual(
    v: Array, lower: Array, upper: Array, matrix: Array, least: Array, most: Array
) -> tuple[Array, Flags]:
    """Alternate between both ways to the multipliers; the points, and which rows are settled."""
    n, q = len(v), len(matrix)
    multipliers, found = np.zeros((n, q)), np.clip(v, lower, upper)
    settled = np.zeros(n, dtype=bool)
    left = np.arange(n)
    for n_sweeps in _SWEEPS if q > 1 else _SWEEPS[:2]:
        args = (v[left], lower[left], upper[left], matrix, least, most)
        mu = _by_turns(multipliers[left], n_sweeps, *args)
        multipliers[left] = mu
        found[left], settled[left] = _newton(mu, *args)
        left = left[~settled[left]]
        if not len(left):
            break
    return found, settled


def _by_turns(
    mu: Array,
    n_sweeps: int,
    v: Array,
    lower: Array,
    upper: Array,
    matrix: Array,
    least: Array,
    most: Array,
) -> Array:
    """Solve each multiplier's own equation in turn, exactly (Hildreth's method, with a box)."""
    rows = np.arange(len(v))
    mu = mu.copy()
    for _ in range(n_sweeps):
        for i, a in enumerate(matrix):
            moves = a != 0
            weights = a[moves]
            z = (v - _pulls(mu, matrix))[:, moves] + mu[:, i : i + 1] * weights
            low, high = lower[:, moves], upper[:, moves]
            # Where a coordinate leaves one limit and reaches the other as the multiplier grows.
            first = (z - np.where(weights > 0, high, low)) / weights
            last = (z - np.where(weights > 0, low, high)) / weights
            corners = np.concatenate([first, last], axis=1)
            order = np.argsort(corners, axis=1)
            corners = np.take_along_axis(corners, order, axis=1)
            turns = np.concatenate([-(weights**2), weights**2])[order]
            slope = np.cumsum(turns, axis=1)
            values = np.zeros_like(corners)
            values[:, 1:] = np.cumsum(slope[:, :-1] * np.diff(corners, axis=1), axis=1)
            values += _sums(np.where(weights > 0, high, low), weights[None])
            now = _sums(np.clip(z, low, high), weights[None])[:, 0]
            target = np.clip(now, least[i], most[i])
            piece = (values >= target[:, None]).sum(axis=1).clip(1, values.shape[1]) - 1
            at, fall = corners[rows, piece], slope[rows, piece]
            over = values[rows, piece] - target
            mu[:, i] = np.where(now == target, 0.0, at - over / np.where(fall < 0, fall, -1.0))
    return mu


def _newton(
    mu: Array, v: Array, lower: Array, upper: Array, matrix: Array, least: Array, most: Array
) -> tuple[Array, Flags]:
    r"""Solve :math:`F(\mu) = y - \mathrm{clip}(y + \mu, b, c) = 0`, :math:`y = A x(\mu)`.

    With :math:`x(\mu) = \mathrm{clip}(v - A^T \mu, l, u)` this says that each relation holds, and
    pulls (:math:`\mu \ne 0`) only where it stops the point.
    """
    n, q = mu.shape
    mu, found, settled = mu.copy(), np.empty_like(v), np.zeros(n, dtype=bool)
    size = _size(lower, upper, matrix)
    left = np.arange(n)
    for _ in range(_NEWTON_STEPS):
        args = (v[left], lower[left], upper[left], matrix, least, most)
        x, force, binds, free = _state(mu[left], *args)
        done = (np.abs(force) <= _TOLERANCE * size[left]).all(axis=1)
        found[left], settled[left] = x, done
        left = left[~done]
        if not len(left):
            break
        force, binds, free = force[~done], binds[~done], free[~done]
        args = (v[left], lower[left], upper[left], matrix, least, most)
        products = (matrix[:, None] * matrix[None]).reshape(q * q, -1)
        hessian = _sums(free.astype(float), products).reshape(-1, q, q)
        hessian = np.where(binds[:, :, None], hessian, np.eye(q)) + 1e-14 * np.eye(q)
        step = np.linalg.solve(hessian, force[:, :, None])[:, :, 0]
        merit, length = np.abs(force).max(axis=1), np.ones(len(left))
        trial = mu[left] + step
        for _ in range(_HALVINGS):
            worse = np.abs(_state(trial, *args)[1]).max(axis=1) > (1 - 1e-4 * length) * merit
            length = np.where(worse, 0.5 * length, length)
            trial = mu[left] + length[:, None] * step
        better = ~worse
        mu[left[better]] = trial[better]
        left = left[better]
        if not len(left):
            break
    return found, settled


def _state(
    mu: Array, v: Array, lower: Array, upper: Array, matrix: Array, least: Array, most: Array
) -> tuple[Array, Array, Flags, Flags]:
    """Points, the equations' left-hand sides, which relations bind, which coordinates are free."""
    pulled = v - _pulls(mu, matrix)
    x = np.clip(pulled, lower, upper)
    y = _sums(x, matrix)
    binds = (y + mu > most) | (y + mu < least)
    return x, y - np.clip(y + mu, least, most), binds, (pulled > lower) & (pulled < upper)


def _least_distance(
    v: Array, lower: Array, upper: Array, matrix: Array, least: Array, most: Array
) -> Array | None:
    """Solve for one point by least-distance programming; None where there is no solution."""
    from scipy.optimize import nnls

    moves = upper > lower
    fixed = matrix[:, ~moves] @ lower[~moves]
    a, b, c = matrix[:, moves], least - fixed, most - fixed
    equal = c <= b
    # In the plane of the equations: x = x0 + N y, with x0 its point nearest to v.
    x0, basis = v[moves], np.eye(int(moves.sum()))
    size = 1.0 + np.abs(matrix) @ np.maximum(np.abs(lower), np.abs(upper))
    if equal.any():
        x0 = x0 + np.linalg.lstsq(a[equal], b[equal] - a[equal] @ x0, rcond=1e-12)[0]
        if (np.abs(a[equal] @ x0 - b[equal]) > _RELAXED * size[equal]).any():
            return None
        _, s, vt = np.linalg.svd(a[equal])
        basis = vt[int((s > 1e-12).sum()) :].T
    low, high = ~equal & np.isfinite(b), ~equal & np.isfinite(c)
    g = np.vstack([np.eye(len(x0)), -np.eye(len(x0)), a[low], -a[high]])
    h = np.concatenate([lower[moves], -upper[moves], b[low], -c[high]]) - g @ x0
    system = np.vstack([(g @ basis).T, h])
    target = np.zeros(len(system))
    target[-1] = 1.0
    weights, rest = nnls(system, target, maxiter=50 * system.shape[1])
    if rest <= 1e-10:
        return None
    residual = system @ weights - target
    x = lower.copy()
    x[moves] = np.clip(x0 - basis @ residual[:-1] / residual[-1], lower[moves], upper[moves])
    y = matrix @ x
    if ((y < least - 1e-10 * size) | (y > most + 1e-10 * size)).any():
        return None
    return x
