"""Different answers to the same question: other knobs, or the same ones the other way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from matlever.explanation.changes.descent import States, join, states_at
from matlever.explanation.changes.ground import Ground, Problems
from matlever.explanation.changes.moves import returned
from matlever.explanation.changes.polish import polish
from matlever.explanation.changes.question import Question
from matlever.explanation.changes.search import Effort, search
from matlever.explanation.changes.starts import known_states
from matlever.knobs import Knob

__all__ = ["different", "with_alternatives"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Bound = tuple[int, int, float]  # knob, -1 for down or 1 for up, and how far it may go that way
Bounds = frozenset[Bound]
Task = tuple[int, Bounds, Array]  # problem, bounds, and where to begin

# How far a knob of an answer may go its way in another, in shares of its change there: first not at
# all, in more and more knobs, at last half as far.
_SHARES = (0.0, 0.0, 0.5)
# Answers are different where at least this share of their changes is not common to them; where too
# few are, the smaller share is enough.
_DIFFERENT, _AT_LEAST = 0.1, 0.02


def with_alternatives(
    ground: Ground,
    question: Question,
    problems: Problems,
    own: States,
    states: States,
    effort: Effort,
    n_answers: int,
) -> States:
    """Return the states together with answers of which each does without some change of another.

    For every change of an answer the search is repeated with that knob forbidden to move that way,
    or so far. Whatever is found is polished in the same manner.
    """
    pool = [states, *_polished_hits(ground, question, problems, states, effort, n_answers)]
    tried: list[dict[Bounds, None]] = [{frozenset(): None} for _ in range(len(problems))]
    for share in _SHARES:
        every = join(pool)
        tasks: list[Task] = []
        for i in range(len(problems)):
            rows = np.flatnonzero((every.problem == i) & (every.miss == 0))
            chosen = different(ground, problems.start[i], every, rows, n_answers, _DIFFERENT)
            if 0 < len(chosen) < n_answers:
                one = problems.take(np.array([i]))
                new = _tasks(ground, one, every.values[chosen], share, tried[i], n_answers)
                tasks += [(i, bounds, begin) for bounds, begin in new]
        if question.clock.expired:
            break
        if tasks:
            pool.append(_search_within(ground, question, problems, own, tasks, effort))
    return join(pool)


def _polished_hits(
    ground: Ground,
    question: Question,
    problems: Problems,
    states: States,
    effort: Effort,
    n_answers: int,
) -> list[States]:
    """Polish known samples that reach the goal and lie apart: the other sides of the goal's region.

    Only for problems that have an answer and need a change.
    """
    if effort.known is None or question.clock.expired:
        return []
    wanted = np.zeros(len(problems), dtype=bool)
    wanted[states.problem[(states.miss == 0) & (states.spend > 0)]] = True
    rows = np.flatnonzero(wanted)
    known = known_states(
        ground, question, problems.take(rows), effort.known, n_answers, effort.look
    )
    if known is None:
        return []
    known = known.take(np.flatnonzero(known.miss == 0))
    known.problem = rows[known.problem]
    return [polish(ground, question, problems, known, effort.look)]


def different(
    ground: Ground, start: Array, states: States, rows: Index, most: int, least: float = _AT_LEAST
) -> list[int]:
    """Choose states of one problem: the cheapest, then those that differ most from the chosen.

    The difference of two answers is the distance between them as a share of the way from one to the
    other by the start, both in shares of the knobs' ranges: 1 where no change is common to them.
    """
    rows = rows[np.argsort(states.spend[rows], kind="stable")]
    if not len(rows):
        return []
    change = (states.values[rows] - start) / ground.width
    levels = ground.is_categorical
    way = np.abs(change)
    way[:, levels] = way[:, levels] > 0
    length = way.sum(axis=1)
    smallest = np.full(len(rows), np.inf)
    chosen: list[int] = []
    pick = 0
    while len(chosen) < most:
        chosen.append(int(rows[pick]))
        apart = np.abs(change - change[pick])
        apart[:, levels] = apart[:, levels] > 0
        share = apart.sum(axis=1) / np.maximum(length + length[pick], 1e-12)
        smallest = np.minimum(smallest, share)
        pick = int(np.argmax(np.round(smallest, 6)))
        if smallest[pick] < least:
            break
    return chosen


def _tasks(
    ground: Ground,
    one: Problems,
    answers: Array,
    share: float,
    tried: dict[Bounds, None],
    n_answers: int,
) -> list[tuple[Bounds, Array]]:
    """Return what to try next in one problem: new bounds, and where to begin.

    Each set of bounds keeps one answer out; together with those tried before that it keeps to.
    """
    start = one.start[0]
    tasks: list[tuple[Bounds, Array]] = []
    before = list(tried)
    for values in answers:
        change = values - start
        back, exists = returned(ground, one, values[None])
        columns = np.flatnonzero(exists[0] & ((share == 0) | ~ground.is_categorical))
        kept = [bounds for bounds in before if all(_keeps(change, bound) for bound in bounds)]
        for j in columns[np.argsort(-np.abs(change[columns]) * ground.weight[columns])].tolist():
            bound = (
                j,
                int(np.sign(change[j])),
                _reach(ground.space.knobs[j], start[j], share * change[j]),
            )
            for bounds in kept:
                both = bounds | {bound}
                if both not in tried and len(tasks) < n_answers:
                    tried[both] = None
                    tasks.append((both, values + (1 - share) * (back[0, j] - values)))
    return tasks


def _keeps(change: Array, bound: Bound) -> bool:
    j, side, reach = bound
    return bool(side * change[j] <= reach + 1e-12)


def _reach(knob: Knob, start: float, change: float) -> float:
    """How far a knob may go: a share of its change, down to an allowed value."""
    if knob.allowed is None:
        return abs(change)
    steps = (knob.allowed - start) * np.sign(change)
    return float(steps[(steps >= 0) & (steps <= abs(change))].max(initial=0.0))


def _search_within(
    ground: Ground,
    question: Question,
    problems: Problems,
    own: States,
    tasks: list[Task],
    effort: Effort,
) -> States:
    owner = np.array([i for i, _, _ in tasks], dtype=np.intp)
    narrow = problems.take(owner)
    for t, (_, bounds, _) in enumerate(tasks):
        for j, side, reach in bounds:
            if ground.is_categorical[j] or side > 0:
                narrow.upper[t, j] = narrow.start[t, j] + reach
            if ground.is_categorical[j] or side < 0:
                narrow.lower[t, j] = narrow.start[t, j] - reach
    values, allowed = ground.settle(narrow, np.stack([begin for _, _, begin in tasks]))
    begin = states_at(ground, question, narrow, np.flatnonzero(allowed), values[allowed])
    share = replace(
        effort.fresh(question.n_calls), drawn=effort.drawn[:0], n_answers=1, is_short=True
    )
    starts = own.take(owner)
    starts.problem = np.arange(len(owner))
    found = search(ground, question, narrow, starts, share, begin)
    found.problem = owner[found.problem]
    return found.take(np.flatnonzero(found.miss == 0))
