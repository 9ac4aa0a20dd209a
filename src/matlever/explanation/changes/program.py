"""The cheapest mix of all simple moves where effects add up: a linear program for each state.

Two moves are enough to slide along one limit of one target. Where several targets must hold at
once, or knobs are tied by relations, more knobs have to move together; their shares come from a
linear program (HiGHS) in the effects of the moves, solved for long, middle and short steps. For a
linear model the longest is the answer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

__all__ = ["FROM_END", "mixed_step"]

Array = NDArray[np.float64]

# Points of a line, counted from its end, whose effects a program takes for straight.
FROM_END = (0, 3, 5)
# What a miss of the whole range of the predictions costs, in changes of one knob over its range.
_PENALTY = 1e3


def mixed_step(
    change: Array,
    weight: Array,
    below: Array,
    above: Array,
    room: tuple[Array, Array],
    steps: Array,
    low: Array,
    high: Array,
    tied: tuple[Array, Array, Array],
) -> Array | None:
    r"""Return the sum of shares of moves that reaches the goal at the least cost, or None.

    With shares :math:`0 \le t_i \le 1` of the moves :math:`d_i`,

    .. math:: \min_t \sum_j w_j \left| \delta_j + \sum_i t_i d_{ij} \right| + M \sum_w s_w
        \quad\text{with}\quad \sum_i t_i a_i + s \ge b, \; \sum_i t_i h_i - s \le u.

    Parameters
    ----------
    change : ndarray of shape (k,)
        Change from the start so far, :math:`\delta`.
    weight : ndarray of shape (k,)
        Cost of a unit of change.
    below, above : ndarray of shape (w,)
        What the effects must reach and must not exceed, in shares of the range of the predictions.
    room : tuple of two ndarrays of shape (k,)
        Largest changes from the start, down and up.
    steps : ndarray of shape (m, k)
        The moves.
    low, high : ndarray of shape (m, w)
        Their effects on the lower and the upper end of what is predicted, in the same shares.
    tied : tuple of ndarrays of shape (r, k), (r,) and (r,)
        Coefficients of relations, and how far each sum may fall and rise.
    """
    (m, k), w = steps.shape, len(below)
    eye, zero = np.eye(k), np.zeros((w, 2 * k))
    # Unknowns: shares t, changes up p and down q with change + t @ steps = p - q, misses s.
    cost = np.concatenate([np.zeros(m), weight, weight, np.full(w, _PENALTY)])
    sums = np.hstack([steps.T, -eye, eye, np.zeros((k, w))])
    limits = np.vstack(
        [
            np.hstack([-low.T, zero, -np.eye(w)]),
            np.hstack([high.T, zero, -np.eye(w)]),
        ]
    )
    rows, fall, rise = tied
    sums_of = np.hstack([rows @ steps.T, np.zeros((len(rows), 2 * k + w))])
    limits = np.vstack([limits, -sums_of, sums_of])
    bound = np.concatenate([-below, above, fall, rise])
    real = np.isfinite(bound)
    most = np.concatenate([np.ones(m), room[1], room[0], np.full(w, np.inf)])
    found = linprog(
        cost,
        A_ub=limits[real],
        b_ub=bound[real],
        A_eq=sums,
        b_eq=-change,
        bounds=np.stack([np.zeros_like(most), np.maximum(most, 0.0)], axis=1),
        method="highs",
    )
    if found.status != 0:
        return None
    step: Array = found.x[:m] @ steps
    return step
