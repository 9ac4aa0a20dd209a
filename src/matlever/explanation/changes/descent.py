"""Local search in many problems at once: simple moves, and pairs of them that seem to add up."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from matlever.explanation.changes.ground import Ground, Problems
from matlever.explanation.changes.moves import moves_at
from matlever.explanation.changes.pairs import Effects, Points, from_end, promising_steps
from matlever.explanation.changes.program import FROM_END, mixed_step
from matlever.explanation.changes.question import Question, Reply
from matlever.explanation.changes.thoroughness import THOROUGH, Thoroughness

__all__ = ["States", "best_of_each", "descend", "is_better", "join", "states_at"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Index = NDArray[np.intp]

# A gain below this is rounding.
_GAIN = 1e-9


@dataclass
class States:
    """Where the search stands: b settings with what is predicted there.

    Attributes
    ----------
    problem : ndarray of shape (b,)
        Position of the problem each state belongs to.
    values : ndarray of shape (b, k)
        Settings.
    prediction, low, high, miss : ndarray of length b
        As in `Reply`.
    spend : ndarray of shape (b,)
        Cost of the change.
    """

    problem: Index
    values: Array
    prediction: Array
    low: Array
    high: Array
    miss: Array
    spend: Array

    def take(self, rows: Index | Flags) -> States:
        """Return some of the states, as copies."""
        return States(*(getattr(self, f.name)[rows] for f in fields(self)))

    def put(self, rows: Index | Flags, other: States) -> None:
        """Replace some of the states."""
        for f in fields(self):
            getattr(self, f.name)[rows] = getattr(other, f.name)

    def copy(self) -> States:
        """Return all states."""
        return self.take(np.arange(len(self)))

    def __len__(self) -> int:
        return len(self.problem)


def join(several: list[States]) -> States:
    """Return the states of several in one."""
    return States(*(np.concatenate([getattr(s, f.name) for s in several]) for f in fields(States)))


def states_at(
    ground: Ground, question: Question, problems: Problems, problem: Index, values: Array
) -> States:
    """Ask at allowed settings (m, k) of the problems at positions (m,)."""
    own = problems.take(problem)
    reply = question.ask(own.sample, values)
    return States(problem, values, *reply, ground.spend(own.start, values))


def is_better(miss: Array, spend: Array, than_miss: Array, than_spend: Array) -> Flags:
    """Whether the goal is missed by less, or by as much at lower cost."""
    less = miss < than_miss - _GAIN * np.where(than_miss > 1, 1.0, than_miss)
    better: Flags = less | ((miss <= than_miss) & (spend < than_spend - _GAIN))
    return better


def best_of_each(states: States, most: int = 1) -> Index:
    """Positions of the best states of each problem, best first, by problem."""
    order = np.lexsort((np.arange(len(states)), states.spend, states.miss, states.problem))
    problem = states.problem[order]
    first = np.flatnonzero(np.diff(problem, prepend=-1))
    rank = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order))))
    return order[rank < most]


def descend(
    ground: Ground,
    question: Question,
    problems: Problems,
    states: States,
    rounds: int,
    limit: NDArray[np.int64],
    seed: int,
    *,
    mix: bool = False,
    look: Thoroughness = THOROUGH,
) -> States:
    """Improve states until no simple move and no promising pair helps.

    Parameters
    ----------
    ground, question, problems
        What is asked, and where.
    states : States
        Where to begin.
    rounds : int
        Most moves of each.
    limit : ndarray of shape (n,)
        Number of predictions for each sample after which no new round begins.
    seed : int
        Of the choice of exchanges in large mixtures.
    mix : bool, default=False
        Whether to try mixes of many moves where there are several targets or relations.
    look : Thoroughness
        How closely each round looks.
    """
    states = states.copy()
    active = np.arange(len(states))
    for turn in range(rounds):
        sample = problems.sample[states.problem[active]]
        active = active[question.n_calls[sample] < limit[sample]]
        if not len(active) or question.clock.expired:
            break
        some = states.take(active)
        rng = np.random.default_rng([seed, turn])
        found = _round(ground, question, problems.take(some.problem), some, rng, mix, look)
        improved = is_better(found.miss, found.spend, some.miss, some.spend)
        active = active[improved]
        states.put(active, found.take(improved))
    return states


def _round(
    ground: Ground,
    question: Question,
    own: Problems,
    states: States,
    rng: np.random.Generator,
    mix: bool,
    look: Thoroughness,
) -> States:
    """Return the best of each state, its moves and promising sums of moves."""
    moves = moves_at(ground, own, states.values, rng, look)
    number, reply = _ask_where(question, own, moves.settings, moves.exists)
    spend = ground.spend(own.start[:, None], moves.settings)
    best = _best_move(states, moves.settings, spend, number, reply)

    def mixed(i: int, points: Points, below: Array, above: Array) -> list[Array]:
        return _mixed_steps(ground, question, own, states.values, i, points, below, above)

    steps, wanted = promising_steps(
        question.goal,
        own.sample,
        Effects(states.low, states.high, states.miss == 0),
        moves,
        number,
        reply,
        spend - states.spend[:, None],
        states.values,
        mixed if mix and (len(question.goal.wishes) > 1 or len(ground.relations)) else None,
        look.pairs,
    )
    settings, allowed = ground.settle(own, states.values[:, None] + steps)
    number, reply = _ask_where(question, own, settings, allowed & wanted)
    return _best_move(best, settings, ground.spend(own.start[:, None], settings), number, reply)


def _mixed_steps(
    ground: Ground,
    question: Question,
    own: Problems,
    values: Array,
    i: int,
    points: Points,
    below: Array,
    above: Array,
) -> list[Array]:
    """Return the cheapest mixes of long, middle and short moves of one state."""
    start, scale = own.start[i], question.goal.scale[own.sample[i]]
    sums = ground.relations @ values[i]
    tied = ground.relations, sums - ground.sums[:, 0], ground.sums[:, 1] - sums
    room = start - own.lower[i], own.upper[i] - start
    place = from_end(points)
    jumps = (points.step[:, ground.is_categorical] != 0).any(axis=1)
    found = []
    for number in FROM_END:
        use = np.flatnonzero((place == number) & (points.line >= 0) & ~jumps)
        if len(use):
            step = mixed_step(
                values[i] - start,
                ground.weight,
                below / scale,
                above / scale,
                room,
                points.step[use],
                points.low[use] / scale,
                points.high[use] / scale,
                tied,
            )
            found += [] if step is None else [step]
    return found


def _ask_where(
    question: Question, own: Problems, settings: Array, exists: Flags
) -> tuple[Index, Reply]:
    """Ask where settings (b, r, k) exist; place of each (b, r) in the reply, -1 where not."""
    rows, columns = np.nonzero(exists)
    number = np.full(exists.shape, -1)
    number[rows, columns] = np.arange(len(rows))
    return number, question.ask(own.sample[rows], settings[rows, columns])


def _best_move(
    states: States, settings: Array, spend: Array, number: Index, reply: Reply
) -> States:
    """Return each state, or the best of its moves where that is better."""
    best = states.copy()
    if not len(reply.miss):
        return best
    miss = np.where(number >= 0, reply.miss[number], np.inf)
    first = np.lexsort((spend, miss), axis=1)[:, 0]
    rows = np.arange(len(states))
    better = is_better(miss[rows, first], spend[rows, first], best.miss, best.spend)
    rows, first = rows[better], first[better]
    there = Reply(*(values[number[rows, first]] for values in reply))
    best.put(rows, States(best.problem[rows], settings[rows, first], *there, spend[rows, first]))
    return best
