"""Where the search begins: the sample itself, known samples, drawn settings, other levels."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from matlever.explanation.changes.descent import States, best_of_each, states_at
from matlever.explanation.changes.goal import Goal
from matlever.explanation.changes.ground import Ground, Problems
from matlever.explanation.changes.question import Question
from matlever.explanation.changes.thoroughness import THOROUGH, Thoroughness

__all__ = ["Known", "drawn_states", "known_states", "level_states", "spread_out"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]

# Combinations of levels up to which each is a start of its own.
_MOST_LEVELS = 16


class Known:
    """Known samples: where they stand, and what is predicted for them.

    Parameters
    ----------
    settings : ndarray of shape (m, k)
        Feasible settings.
    prediction : ndarray of shape (m, t)
        Predictions there.
    """

    def __init__(self, settings: Array, prediction: Array) -> None:
        self.settings, self.prediction = settings, prediction

    def hits(self, goal: Goal, sample: int) -> Array:
        """Return the settings of those that reach the goal of one sample."""
        wanted = self.prediction[:, goal.positions]
        reached = goal.miss(wanted, wanted, np.full(len(wanted), sample)) == 0
        hits: Array = self.settings[reached]
        return hits


def known_states(
    ground: Ground,
    question: Question,
    problems: Problems,
    known: Known | None,
    most: int,
    look: Thoroughness = THOROUGH,
) -> States | None:
    """Ask about the settings of the nearest known samples that reach the goal."""
    if known is None or not most:
        return None
    chosen: list[Array] = []
    owner: list[int] = []
    for i in range(len(problems)):
        hits = known.hits(question.goal, int(problems.sample[i]))
        if not len(hits):
            continue
        one = problems.take(np.array([i]))
        values, allowed = ground.settle(one, ground.thin(one, hits[None]))
        values = np.unique(values[0, allowed[0]], axis=0)
        near = np.argsort(ground.spend(one.start, values), kind="stable")[: look.nearest_known]
        chosen.append(values[near])
        owner += [i] * len(near)
    if not owner:
        return None
    states = states_at(ground, question, problems, np.array(owner), np.concatenate(chosen))
    return states.take(spread_out(ground, states, most))


def drawn_states(
    ground: Ground, question: Question, problems: Problems, drawn: Array, most: int, seed: int
) -> States | None:
    """Ask about settings drawn from the whole space, and keep the most useful.

    Parameters
    ----------
    ground, question, problems
        What is asked, and where.
    drawn : ndarray of shape (m, k)
        The same settings for all problems.
    most : int
        Kept for each problem.
    seed : int
        Of the choice of knobs where only some may change.
    """
    if not len(drawn) or not most:
        return None
    values = np.repeat(drawn[None], len(problems), axis=0)
    if ground.max_changes is not None:
        columns = np.tile(np.arange(ground.k), (len(drawn), 1))
        rank = np.random.default_rng(seed).permuted(columns, axis=1)
        values = np.where(rank < ground.max_changes, values, problems.start[:, None])
    values, allowed = ground.settle(problems, values)
    owner, column = np.nonzero(allowed)
    if not len(owner):
        return None
    states = states_at(ground, question, problems, owner, values[owner, column])
    return states.take(spread_out(ground, states, most))


def level_states(ground: Ground, question: Question, problems: Problems) -> States | None:
    """Ask about every combination of the levels of the categorical knobs, where there are few."""
    columns = np.flatnonzero(ground.free & ground.is_categorical)
    levels = [range(len(ground.space.knobs[j].levels)) for j in columns]
    if not len(columns) or np.prod([len(one) for one in levels]) > _MOST_LEVELS:
        return None
    combinations = np.array(list(product(*levels)), dtype=float)
    values = np.repeat(problems.start[:, None], len(combinations), axis=1)
    values[:, :, columns] = combinations
    values, allowed = ground.settle(problems, values)
    allowed &= (values != problems.start[:, None]).any(axis=2)
    owner, column = np.nonzero(allowed)
    return states_at(ground, question, problems, owner, values[owner, column])


def spread_out(ground: Ground, states: States, most: int) -> Index:
    """Choose states for each problem: the best, then cheap ones far from those chosen.

    Among the better half of those that reach the goal, each next one has the largest distance to
    the chosen ones for what it costs; where none reaches it, the nearest to it are chosen.
    """
    order = best_of_each(states, len(states))
    chosen: list[int] = []
    for rows in np.split(order, np.flatnonzero(np.diff(states.problem[order])) + 1):
        hits = rows[states.miss[rows] == 0]
        hits = hits[: max(most, len(hits) // 2)]
        if not len(hits):
            chosen += rows[:most].tolist()
            continue
        scaled = states.values[hits] / ground.width
        spend = states.spend[hits] + 1e-9
        distance = np.full(len(hits), np.inf)
        pick = 0
        for _ in range(min(most, len(hits))):
            chosen.append(int(hits[pick]))
            distance = np.minimum(distance, np.abs(scaled - scaled[pick]).sum(axis=1))
            distance[pick] = -np.inf
            pick = int(np.argmax(distance / spend))
    return np.array(chosen, dtype=np.intp)
