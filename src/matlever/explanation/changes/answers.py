"""From problems to answers: block by block, near the data first, as many as were asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matlever.explanation.changes.alternatives import different, with_alternatives
from matlever.explanation.changes.blocking import blocking_limits
from matlever.explanation.changes.descent import States, join
from matlever.explanation.changes.ground import Ground, Problems
from matlever.explanation.changes.question import Question
from matlever.explanation.changes.search import Effort, search
from matlever.knobs import ActiveLimit

__all__ = ["Answers", "Progress", "find_answers"]

Progress = Callable[[int, int, str], None]

# Numbers held at a time, for the settings drawn for all samples of a block.
_CELLS = 4_000_000


@dataclass(frozen=True)
class Answers:
    """m answers, those of one problem together, the cheapest first.

    Attributes
    ----------
    states : States of length m
        The answers.
    blocking : list of m tuples of ActiveLimit
        Limits in the way of those that miss the goal.
    left_data : int
        Number of problems whose goal was reached only away from the data.
    """

    states: States
    blocking: list[tuple[ActiveLimit, ...]]
    left_data: int


def find_answers(
    ground: Ground,
    question: Question,
    problems: Problems,
    own: States,
    effort: Effort,
    n_answers: int,
    progress: Progress | None,
) -> Answers:
    """Return one answer or several for each problem.

    Parameters
    ----------
    ground, question, problems
        What is asked, and where.
    own : States of length b
        The start of each problem.
    effort : Effort
        How hard to try.
    n_answers : int
        Answers for each problem, at most.
    progress : callable or None
        Told how many problems are done.
    """
    n = len(problems)
    size = max(1, _CELLS // max(len(effort.drawn) * ground.k, 1))
    parts: list[Answers] = []
    for begin in range(0, n, size):
        if progress is not None:
            progress(begin, n, "sample")
        rows = np.arange(begin, min(begin + size, n))
        question.clock.give(len(rows) / (n - begin))
        block = own.take(rows)
        block.problem = np.arange(len(rows))
        found = _block(ground, question, problems.take(rows), block, effort, n_answers)
        found.states.problem = rows[found.states.problem]
        parts.append(found)
    if progress is not None:
        progress(n, n, "sample")
    return Answers(
        join([part.states for part in parts]),
        [limits for part in parts for limits in part.blocking],
        sum(part.left_data for part in parts),
    )


def _block(
    ground: Ground,
    question: Question,
    problems: Problems,
    own: States,
    effort: Effort,
    n_answers: int,
) -> Answers:
    found = search(ground, question, problems, own, effort.fresh(question.n_calls))
    reached = np.zeros(len(problems), dtype=bool)
    reached[found.problem[found.miss == 0]] = True
    if n_answers > 1:
        found = with_alternatives(ground, question, problems, own, found, effort, n_answers)
    left = np.flatnonzero(~reached)
    anywhere = question.anywhere()
    n_left = 0
    if question.region is not None and len(left):
        again = _block(
            ground,
            anywhere,
            problems.take(left),
            _as_seen(anywhere, problems.take(left), own.take(left)),
            effort,
            n_answers,
        )
        again.states.problem = left[again.states.problem]
        n_left = len(np.unique(again.states.problem[again.states.miss == 0]))
        found = join([found.take(reached[found.problem]), again.states])
    chosen = _chosen(ground, problems, found, n_answers)
    states = found.take(chosen)
    missed = np.flatnonzero(states.miss > 0)
    blocking: list[tuple[ActiveLimit, ...]] = [() for _ in chosen]
    limits = blocking_limits(ground, anywhere, problems, states.take(missed))
    for entry, found_limits in zip(missed.tolist(), limits, strict=True):
        blocking[entry] = found_limits
    return Answers(states, blocking, n_left)


def _as_seen(question: Question, problems: Problems, own: States) -> States:
    """Return starts with the miss that the question sees in them."""
    own.problem = np.arange(len(own))
    own.miss = question.goal.miss(own.low, own.high, problems.sample)
    return own


def _chosen(ground: Ground, problems: Problems, states: States, n_answers: int) -> NDArray[np.intp]:
    """Positions of the answers: different ones that reach the goal, or the nearest one."""
    chosen: list[int] = []
    for i in range(len(problems)):
        rows = np.flatnonzero(states.problem == i)
        hits = rows[states.miss[rows] == 0]
        if len(hits):
            picked = np.array(different(ground, problems.start[i], states, hits, n_answers))
            chosen += picked[np.argsort(states.spend[picked], kind="stable")].tolist()
        else:
            chosen.append(int(rows[np.lexsort((states.spend[rows], states.miss[rows]))[0]]))
    return np.array(chosen, dtype=np.intp)
