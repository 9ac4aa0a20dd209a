"""Uniform random settings by hit-and-run, where rejection finds too few."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["centre", "hit_and_run"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_STEPS = 40  # per dimension


def hit_and_run(
    start: Array,
    moves: Flags,
    lower: Array,
    upper: Array,
    equations: Array,
    matrix: Array,
    least: Array,
    most: Array,
    rng: np.random.Generator,
) -> Array:
    r"""Walk in random straight lines, to a uniform place on each line.

    All walkers go at once. The uniform distribution on what a walker's moving coordinates can reach
    stays what it is [1]_ for any direction that does not depend on where the walker stands: every
    other one is the difference between two walkers of the other half, which takes the shape of the
    set and mixes as fast in a narrow set as in a round one [2]_; the rest are Gaussian.

    Parameters
    ----------
    start : ndarray of shape (n, p)
        Where the walkers begin, inside.
    moves : ndarray of shape (n, p)
        Which coordinates move.
    lower, upper : ndarray of shape (p,)
        Limits of the coordinates that move.
    equations : ndarray of shape (e, p)
        Weighted sums that stay what they are.
    matrix, least, most : ndarray of shape (q, p), (q,), (q,)
        Weighted sums with limits.
    rng : Generator
        Source of the walk.

    Returns
    -------
    end : ndarray of shape (n, p)

    References
    ----------
    .. [1] R. L. Smith, Oper. Res. 32 (1984) 1296-1308.
    .. [2] J. Goodman, J. Weare, Commun. Appl. Math. Comput. Sci. 5 (2010) 65-80.
    """
    x, (n, p) = start.copy(), start.shape
    masked = moves[:, None, :] * equations
    inverse = np.linalg.pinv(masked @ np.swapaxes(masked, 1, 2), hermitian=True)
    for step in range(_STEPS * p):
        who = rng.permutation(n)
        for some, others in ((who[: n // 2], who[n // 2 :]), (who[n // 2 :], who[: n // 2])):
            if step % 2 and len(others) > 2:
                first, second = rng.integers(len(others), size=(2, len(some)))
                d = x[others[first]] - x[others[second]]
            else:
                d = rng.standard_normal((len(some), p))
            if len(equations):
                pull = np.einsum("nij,njp,np->ni", inverse[some], masked[some], d)
                d = d - np.einsum("ni,ip->np", pull, equations)
            d = np.where(moves[some], d, 0.0)
            low, high = _ends(x[some], d, lower, upper, matrix, least, most)
            t = low + (high - low) * rng.random(len(some))
            x[some] += np.where(high > low, t, 0.0)[:, None] * d
    return x


def _ends(
    x: Array, d: Array, lower: Array, upper: Array, matrix: Array, least: Array, most: Array
) -> tuple[Array, Array]:
    """Return the ends of the lines x + t d within all limits; 0, 0 where a line has no length."""
    low, high = np.zeros(len(x)), np.zeros(len(x))
    size = np.abs(d).max(axis=1)
    way = np.concatenate([d, d @ matrix.T], axis=1)
    place = np.concatenate([x, x @ matrix.T], axis=1)
    steep = np.abs(way) > 1e-12 * size[:, None]
    safe = np.where(steep, way, 1.0)
    with np.errstate(over="ignore"):
        one = np.where(steep, (np.concatenate([lower, least]) - place) / safe, -np.inf)
        two = np.where(steep, (np.concatenate([upper, most]) - place) / safe, np.inf)
    low, high = np.minimum(one, two).max(axis=1), np.maximum(one, two).min(axis=1)
    ends = (high > low) & np.isfinite(low) & np.isfinite(high)
    return np.where(ends, low, 0.0), np.where(ends, high, 0.0)


def centre(
    start: Array,
    moves: Flags,
    lower: Array,
    upper: Array,
    equations: Array,
    matrix: Array,
    least: Array,
    most: Array,
) -> Array:
    """Point as far as possible from all limits, for one point (p,) whose other coordinates stay.

    The centre of the largest ball inside, by a linear program; arguments as in `hit_and_run`.
    """
    from scipy.optimize import linprog

    q, stays = int(moves.sum()), np.where(moves, 0.0, start)
    inside = matrix[:, moves]
    norm = np.linalg.norm(inside, axis=1)
    eye, one = np.eye(q), np.ones((q, 1))
    rest = matrix @ stays
    rows = np.vstack(
        [
            np.hstack([eye, one]),
            np.hstack([-eye, one]),
            np.hstack([inside, norm[:, None]])[np.isfinite(most)],
            np.hstack([-inside, norm[:, None]])[np.isfinite(least)],
        ]
    )
    limits = np.concatenate(
        [
            upper[moves],
            -lower[moves],
            (most - rest)[np.isfinite(most)],
            (rest - least)[np.isfinite(least)],
        ]
    )
    found = linprog(
        np.append(np.zeros(q), -1.0),
        rows,
        limits,
        np.hstack([equations[:, moves], np.zeros((len(equations), 1))]),
        equations @ (start - stays),
        bounds=[(None, None)] * q + [(0, None)],
    )
    middle = start.copy()
    if found.x is not None:
        middle[moves] = found.x[:-1]
    return middle
