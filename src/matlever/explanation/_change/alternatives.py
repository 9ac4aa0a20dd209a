"""Different answers to the same question: other knobs, or the same ones the other way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from matlever.explanation._change.descent import States, join, states_at
from matlever.explanation._change.ground import Ground, Problems
from matlever.explanation._change.moves import returned
from matlever.explanation._change.question import Question
from matlever.explanation._change.search import Effort, search

__all__ = ["different", "with_alternatives"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Direction = tuple[int, int]  # knob, and -1 for down or 1 for up
Forbidden = frozenset[Direction]

# How often answers are looked for with more and more directions forbidden.
_ROUNDS = 3
# Answers are different where at least this share of their changes is not common to them.
_DIFFERENT = 0.1


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

    For every change of an answer the search is repeated with that knob forbidden to move that way.
    Whatever is found is polished in the same manner and no worse than the search can do.
    """
    pool = [states]
    tried: dict[int, set[Forbidden]] = {i: {frozenset()} for i in range(len(problems))}
    origin: dict[int, list[Forbidden]] = {i: [frozenset()] for i in range(len(problems))}
    for _ in range(_ROUNDS):
        every = join(pool)
        tasks: list[tuple[int, Forbidden, Array]] = []
        for i in range(len(problems)):
            rows = np.flatnonzero((every.problem == i) & (every.miss == 0))
            chosen = different(ground, problems.start[i], every, rows, n_answers)
            if 0 < len(chosen) < n_answers:
                tasks += _tasks(ground, problems, every, i, chosen, origin[i], tried[i], n_answers)
        if not tasks or question.clock.expired:
            break
        found = _search_without(ground, question, problems, own, tasks, effort)
        for problem, forbidden, _ in tasks:
            origin[problem].append(forbidden)
        pool.append(found)
    return join(pool)


def different(ground: Ground, start: Array, states: States, rows: Index, most: int) -> list[int]:
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
        if smallest[pick] < _DIFFERENT:
            break
    return chosen


def _tasks(
    ground: Ground,
    problems: Problems,
    states: States,
    i: int,
    chosen: list[int],
    origin: list[Forbidden],
    tried: set[Forbidden],
    n_answers: int,
) -> list[tuple[int, Forbidden, Array]]:
    """Return what to look for next: sets of forbidden directions, and where to begin."""
    start = problems.start[i]
    one = problems.take(np.array([i]))
    tasks: list[tuple[int, Forbidden, Array]] = []
    for row in chosen:
        change = states.values[row] - start
        back, exists = returned(ground, one, states.values[row][None])
        columns = np.flatnonzero(exists[0])
        dearest = columns[np.argsort(-np.abs(change[columns]) * ground.weight[columns])]
        taken = {(int(j), int(np.sign(change[j]))) for j in columns}
        for j in dearest[: n_answers + 1].tolist():
            direction = (j, int(np.sign(change[j])))
            # Together with what the answer already does without.
            for base in dict.fromkeys(forbidden - taken for forbidden in origin):
                forbidden = base | {direction}
                if forbidden not in tried and len(tasks) < 2 * n_answers:
                    tried.add(forbidden)
                    tasks.append((i, forbidden, back[0, j]))
    return tasks


def _search_without(
    ground: Ground,
    question: Question,
    problems: Problems,
    own: States,
    tasks: list[tuple[int, Forbidden, Array]],
    effort: Effort,
) -> States:
    owner = np.array([i for i, _, _ in tasks], dtype=np.intp)
    narrow = problems.take(owner)
    for t, (_, forbidden, _) in enumerate(tasks):
        for j, side in forbidden:
            if ground.is_categorical[j] or side > 0:
                narrow.upper[t, j] = narrow.start[t, j]
            if ground.is_categorical[j] or side < 0:
                narrow.lower[t, j] = narrow.start[t, j]
    values, allowed = ground.settle(narrow, np.stack([begin for _, _, begin in tasks]))
    begin = states_at(ground, question, narrow, np.flatnonzero(allowed), values[allowed])
    share = effort.fresh(question.n_calls)
    share = replace(share, drawn=effort.drawn[: len(effort.drawn) // 4])
    starts = own.take(owner)
    starts.problem = np.arange(len(owner))
    found = search(ground, question, narrow, starts, share, begin)
    found.problem = owner[found.problem]
    return found.take(np.flatnonzero(found.miss == 0))
