"""Pairs of moves that would reach the goal cheaply if their effects added up.

The effect of every simple move is known. A pair is cheap to think of: the second move is cut, by
linear interpolation between neighbouring points of its line, exactly where the pair would meet the
goal. For a linear model these are the pivots of the simplex method, so that the search ends at the
least cost; for any other model the best of them are tried.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matlever.explanation.changes.goal import Goal
from matlever.explanation.changes.moves import Moves
from matlever.explanation.changes.question import Reply
from matlever.explanation.changes.thoroughness import THOROUGH

__all__ = ["Effects", "Points", "from_end", "promising_steps"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Index = NDArray[np.intp]

# Points of a line up to this one, counted from its end, may be the first of a pair.
_LAST_FIRST = 3
# Pairs among which the best for each two lines are looked for.
_LOOKED_AT = 1500
_GAIN = 1e-9


class Effects(NamedTuple):
    """Predictions of b states, from which effects are measured."""

    low: Array  # (b, w)
    high: Array  # (b, w)
    reached: Flags  # (b,)


class Points(NamedTuple):
    """Moves of one state, with the state itself first."""

    step: Array  # (m, k)
    low: Array  # (m, w), effects
    high: Array
    spend: Array  # (m,), change of the cost
    line: Index  # (m,)
    group: Index  # (m,)


def promising_steps(
    goal: Goal,
    sample: Index,
    states: Effects,
    moves: Moves,
    number: Index,
    reply: Reply,
    spend: Array,
    values: Array,
    more: Callable[[int, Points, Array, Array], list[Array]] | None = None,
    most: int = THOROUGH.pairs,
) -> tuple[Array, Flags]:
    """Return steps from each of b states that are sums of two moves on different lines.

    Parameters
    ----------
    goal : Goal
        What is wanted.
    sample : ndarray of shape (b,)
        Sample of each state.
    states : Effects
        What is predicted at the states.
    moves : Moves
        What was tried.
    number : ndarray of shape (b, r)
        Place of each move in the reply, -1 where nothing was asked.
    reply : Reply
        What is predicted there.
    spend : ndarray of shape (b, r)
        By how much each move changes the cost.
    values : ndarray of shape (b, k)
        Settings of the states.
    more : callable or None, default=None
        Further steps from a state: takes its position, its moves, and the effects that are needed
        at the lower and allowed at the upper end of what is predicted.
    most : int
        At most so many pairs of each state.

    Returns
    -------
    steps : ndarray of shape (b, q, k)
        Most promising first; 0 where there are fewer.
    wanted : ndarray of shape (b, q)
        Which of them there are.
    """
    b, _, k = moves.settings.shape
    every: list[Array] = []
    inner = goal.inner()
    known = (number >= 0) & np.isfinite(np.append(reply.miss, np.inf)[number])
    for i in range(b):
        chosen = np.flatnonzero(known[i])
        place = number[i, chosen]
        points = Points(
            _after_zero(moves.settings[i, chosen] - values[i]),
            _after_zero(reply.low[place] - states.low[i]),
            _after_zero(reply.high[place] - states.high[i]),
            _after_zero(spend[i, chosen]),
            np.append(-1, moves.line[chosen]),
            np.append(-1, moves.group[chosen]),
        )
        below = inner.lower[sample[i]] - states.low[i]
        above = inner.upper[sample[i]] - states.high[i]
        found = _pairs_of(points, below, above, goal.scale[sample[i]], bool(states.reached[i]))
        found = found[:most]
        further = more(i, points, below, above) if more and len(chosen) else []
        every.append(np.concatenate([found, *(step[None] for step in further)]))
    count = np.array([len(found) for found in every])
    wanted = np.arange(count.max(initial=0)) < count[:, None]
    steps = np.zeros((*wanted.shape, k))
    steps[wanted] = np.concatenate(every) if every else np.empty((0, k))
    return steps, wanted


def _after_zero(rows: Array) -> Array:
    return np.concatenate([np.zeros((1, *rows.shape[1:])), rows])


def _pairs_of(points: Points, below: Array, above: Array, scale: Array, reached: bool) -> Array:
    """Return the steps (q, k) of the most promising pairs of one state.

    The goal holds where the effect on the lower end is at least `below` and that on the upper end
    at most `above`, each of shape (w,).
    """
    m = len(points.line)
    # A segment goes from a point to the following one on its line; the last ends at the state.
    inner = np.arange(1, m)
    is_last = np.append(points.line[2:], -2) != points.line[1:]
    outer = np.where(is_last, 0, inner + 1)
    first = _first_points(points, reached)
    total, share = _meeting(points, first, inner, outer, below, above)
    total[points.group[first][:, None] == points.group[inner]] = np.inf
    if reached:
        total[total >= -_GAIN] = np.inf
    elif not np.isfinite(total).any():
        return _nearest_pairs(points, first, below, above, scale)
    a, c = _best_of_lines(total, points.line[first], points.line[inner])
    cut = share[a, c][:, None]
    second = (1 - cut) * points.step[inner[c]] + cut * points.step[outer[c]]
    steps: Array = points.step[first[a]] + second
    return steps


def from_end(points: Points) -> Index:
    """Place of each point on its line, counted from the end."""
    places = np.arange(len(points.line))
    begins = np.diff(points.line, prepend=-2) != 0
    return places - np.maximum.accumulate(np.where(begins, places, 0))


def _first_points(points: Points, reached: bool) -> Index:
    place = from_end(points)
    first = np.flatnonzero(place <= _LAST_FIRST)
    if reached:
        # Only a pair that saves helps: something put back with anything, or the end of a line that
        # is paid for by putting something back.
        first = first[(points.spend[first] < 0) | (place[first] == 0)]
    return first


def _meeting(
    points: Points, first: Index, inner: Index, outer: Index, below: Array, above: Array
) -> tuple[Array, Array]:
    """Cost (f, s) of first points with the cheapest place of segments that meets the goal.

    Infinite where the goal is met nowhere; with the place, from 0 at the inner end to 1.
    """
    least, most = np.zeros((len(first), len(inner))), np.ones((len(first), len(inner)))
    sides = ((below, points.low), (-above, -points.high))
    for bound, effect in sides:
        need = bound - effect[first]
        start, slope = effect[inner], effect[outer] - effect[inner]
        for w in range(len(bound)):
            _narrow(least, most, need[:, w : w + 1], start[:, w], slope[:, w])
    rise = points.spend[outer] - points.spend[inner]
    share = np.where(rise < 0, most, least)
    total = points.spend[first][:, None] + points.spend[inner] + share * rise
    total[least > most] = np.inf
    return total, share


def _narrow(least: Array, most: Array, need: Array, start: Array, slope: Array) -> None:
    """Narrow the range of s, in place, to where ``start + s * slope >= need``."""
    with np.errstate(divide="ignore", invalid="ignore"):
        cross = np.clip((need - start) / slope, -1.0, 2.0)
    flat = np.where(start >= need, 0.0, 2.0)
    np.maximum(least, np.where(slope > 0, cross, np.where(slope < 0, 0.0, flat)), out=least)
    np.minimum(most, np.where(slope < 0, cross, 1.0), out=most)


def _nearest_pairs(points: Points, first: Index, below: Array, above: Array, scale: Array) -> Array:
    """Return steps of the pairs that would come nearest to the goal."""
    low = points.low[first][:, None] + points.low[None, 1:]
    high = points.high[first][:, None] + points.high[None, 1:]
    beyond = np.maximum(below - low, high - above)
    rest = (np.maximum(beyond, 0) / scale).sum(axis=2)
    rest += 1e-6 * (points.spend[first][:, None] + points.spend[None, 1:])
    rest[points.group[first][:, None] == points.group[None, 1:]] = np.inf
    a, c = _best_of_lines(rest, points.line[first], points.line[1:])
    steps: Array = points.step[first[a]] + points.step[c + 1]
    return steps


def _best_of_lines(key: Array, first: Index, second: Index) -> tuple[Index, Index]:
    """Places of the smallest finite keys, one for each two lines."""
    flat = key.ravel()
    finite = np.flatnonzero(np.isfinite(flat))
    if len(finite) > _LOOKED_AT:
        finite = finite[np.argpartition(flat[finite], _LOOKED_AT)[:_LOOKED_AT]]
    order = finite[np.lexsort((finite, flat[finite]))]
    a, c = np.divmod(order, key.shape[1])
    two = (first[a] + 1) * (second.max(initial=0) + 2) + second[c]
    _, once = np.unique(two, return_index=True)
    best = np.sort(once)[: THOROUGH.pairs]
    return a[best], c[best]
