"""Last touches: nothing is changed that need not be, and nothing further than it must be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matlever.explanation.changes.descent import States, states_at
from matlever.explanation.changes.ground import Ground, Problems
from matlever.explanation.changes.moves import returned
from matlever.explanation.changes.question import Question
from matlever.explanation.changes.thoroughness import THOROUGH, Thoroughness

__all__ = ["polish"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Index = NDArray[np.intp]

_GAIN = 1e-9


def polish(
    ground: Ground,
    question: Question,
    problems: Problems,
    states: States,
    look: Thoroughness = THOROUGH,
) -> States:
    """Put back and shorten changes, while the goal still holds or is missed by no more.

    Knobs go back to their start one by one, the largest saving first; then each change is
    shortened as far as it can be, one knob after the other, and what has become free goes back. At
    the end no changed knob can go back alone (see `returned`) for no more than it costs now.
    """
    states = states.copy()
    # A goal out of reach may be missed by a hair more where a knob goes all the way back; what is
    # only shortened stays on the limit it has come to.
    ceiling = np.where(states.miss > 0, states.miss + _GAIN, 0.0)
    for _ in range(look.polish_rounds):
        before = states.spend.copy()
        _put_back(ground, question, problems, states, ceiling)
        _shorten_all(ground, question, problems, states, states.miss.copy(), look)
        if question.clock.expired or not (states.spend < before - _GAIN).any():
            break
    _put_back(ground, question, problems, states, ceiling)
    return states


def _put_back(
    ground: Ground, question: Question, problems: Problems, states: States, ceiling: Array
) -> None:
    """Put knobs back, one per round and state, until none can go back alone."""
    active = np.arange(len(states))
    while len(active) and not question.clock.expired:
        own, values = problems.take(states.problem[active]), states.values[active]
        settings, exists = returned(ground, own, values)
        settings, allowed = ground.settle(own, settings)
        exists &= allowed
        spend = ground.spend(own.start[:, None], settings)
        now = states.spend[active, None]
        fewer = (
            ground.changed(own.start[:, None], settings).sum(axis=2)
            < (ground.changed(own.start, values).sum(axis=1)[:, None])
        )
        exists &= (spend < now - _GAIN) | ((spend <= now) & fewer)
        rows, columns = np.nonzero(exists)
        found = states_at(
            ground, question, problems, states.problem[active[rows]], settings[rows, columns]
        )
        good = found.miss <= ceiling[active[rows]]
        rows, found = rows[good], found.take(good)
        order = np.lexsort((found.spend, rows))
        rows, first = np.unique(rows[order], return_index=True)
        active = active[rows]
        states.put(active, found.take(order[first]))


def _shorten_all(
    ground: Ground,
    question: Question,
    problems: Problems,
    states: States,
    ceiling: Array,
    look: Thoroughness,
) -> None:
    """Shorten the change of each knob in turn, the dearest first."""
    start = problems.start[states.problem]
    change = np.abs(states.values - start) * ground.weight
    order = np.argsort(-change, axis=1, kind="stable")
    most = int(ground.changed(start, states.values).sum(axis=1).max(initial=0))
    for position in range(most):
        if question.clock.expired:
            return
        _shorten(ground, question, problems, states, ceiling, order[:, position], look)


def _shorten(
    ground: Ground,
    question: Question,
    problems: Problems,
    states: States,
    ceiling: Array,
    knob: Index,
    look: Thoroughness,
) -> None:
    """Shorten the change of one knob of each state (b,) as far as the goal allows."""
    own = problems.take(states.problem)
    back, exists = returned(ground, own, states.values)
    origin, rows = states.values.copy(), np.arange(len(states))
    way = back[rows, knob] - origin
    live = exists[rows, knob] & ~ground.is_categorical[knob]
    near, far = np.zeros(len(states)), np.ones(len(states))  # shares of the way back
    for _ in range(look.divisions):
        active = np.flatnonzero(live)
        if not len(active) or question.clock.expired:
            return
        shares = np.linspace(near[active], far[active], look.sections + 2, axis=1)
        points = origin[active, None] + shares[:, 1:-1, None] * way[active, None]
        settings, allowed = ground.settle(own.take(active), points)
        spend = ground.spend(own.start[active, None], settings)
        allowed &= spend < states.spend[active, None]
        allowed[:, 1:] &= (settings[:, 1:] != settings[:, :-1]).any(axis=2)
        r, c = np.nonzero(allowed)
        found = states_at(ground, question, problems, states.problem[active[r]], settings[r, c])
        place = np.full(allowed.shape, -1)
        holds = _holds(question, problems, states.take(active[r]), found, ceiling[active[r]])
        place[r[holds], c[holds]] = np.flatnonzero(holds)
        # The furthest point that holds: beyond it nothing does, as far as was looked.
        furthest = np.where(place >= 0, np.arange(look.sections), -1).max(axis=1)
        took = np.flatnonzero(furthest >= 0)
        states.put(active[took], found.take(place[took, furthest[took]]))
        n = np.arange(len(active))
        near[active], far[active] = shares[n, furthest + 1], shares[n, furthest + 2]
        live[active] &= allowed.any(axis=1)


def _holds(
    question: Question, problems: Problems, before: States, found: States, ceiling: Array
) -> Flags:
    """Whether the goal holds with a hair to spare, or nothing but the setting has changed."""
    inner = question.goal.inner().miss(found.low, found.high, problems.sample[found.problem])
    same = (found.low == before.low).all(axis=1) & (found.high == before.high).all(axis=1)
    holds: Flags = (found.miss <= ceiling) & ((ceiling > 0) | (inner == 0) | same)
    return holds
