"""The search for one answer in each of many problems: several starts, fewer and fewer of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matlever.explanation.changes.descent import States, best_of_each, descend, join
from matlever.explanation.changes.gradient import gradient_states
from matlever.explanation.changes.ground import Ground, Problems
from matlever.explanation.changes.polish import polish
from matlever.explanation.changes.question import Question
from matlever.explanation.changes.starts import Known, drawn_states, known_states, level_states
from matlever.explanation.changes.thoroughness import Thoroughness, thoroughness_of

__all__ = ["Effort", "search"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Effort:
    """How hard the search tries.

    Attributes
    ----------
    budget : int
        Predictions per sample.
    limit : ndarray of shape (n,)
        Number of predictions for each sample after which no new round begins.
    drawn : ndarray of shape (m, k)
        Settings drawn from the space.
    known : Known or None
        Known samples.
    gradient : bool
        Whether to go along the gradient.
    seed : int
        Of what is drawn.
    n_answers : int
        Answers that are wanted for each problem; with several, states that are given up although
        they reach the goal are polished too.
    is_short : bool
        Whether good states to begin with are at hand, so that few more are needed.
    """

    budget: int
    limit: NDArray[np.int64]
    drawn: Array
    known: Known | None
    gradient: bool
    seed: int
    n_answers: int = 1
    is_short: bool = False

    @property
    def look(self) -> Thoroughness:
        """How closely the search looks."""
        return thoroughness_of(self.budget)

    def fresh(self, n_calls: NDArray[np.int64]) -> Effort:
        """Return the same effort for more work, after so many predictions (n,)."""
        return replace(self, limit=n_calls + self.budget)

    def n_starts(self, ground: Ground) -> int:
        """How many starts the budget has room for, of known samples and drawn settings each."""
        a_round = (
            21 * int(ground.alone.sum())
            + 54
            + sum(7 * min(len(parts) * (len(parts) - 1), 42) for parts in ground.mixtures)
        )
        return 1 if self.is_short else int(np.clip(self.budget / (13 * a_round), 1, 4))


def search(
    ground: Ground,
    question: Question,
    problems: Problems,
    own: States,
    effort: Effort,
    extra: States | None = None,
) -> States:
    """Return polished states, at least one for each problem, the best first.

    Parameters
    ----------
    ground, question, problems
        What is asked, and where.
    own : States of length b
        The start of each problem.
    effort : Effort
        How hard to try.
    extra : States or None, default=None
        Further states to begin with.
    """
    done = own.miss == 0
    rest = np.flatnonzero(~done)
    if not len(rest) or question.clock.expired:
        return own.copy()
    begin = [own.take(rest)]
    if extra is not None:
        begin.append(extra.take(~done[extra.problem]))
    for states in begin:
        states.problem = np.searchsorted(rest, states.problem)
    found = _search_open(ground, question, problems.take(rest), begin, effort)
    found.problem = rest[found.problem]
    every = join([own.take(done), found])
    return every.take(best_of_each(every, len(every)))


def _search_open(
    ground: Ground, question: Question, problems: Problems, begin: list[States], effort: Effort
) -> States:
    n = effort.n_starts(ground)
    look = effort.look
    known = known_states(ground, question, problems, effort.known, n, look)
    n_drawn = n if known is not None else 2 * n
    drawn = drawn_states(ground, question, problems, effort.drawn, n_drawn, effort.seed)
    levels = level_states(ground, question, problems)
    states = join([*begin, *(some for some in (known, drawn, levels) if some is not None)])
    halving = look.halving_from_answers if effort.is_short else look.halving
    if effort.gradient and not question.clock.expired:
        values = _first_settings(states, len(problems), look.gradient_starts)
        states = join([states, gradient_states(ground, question, problems, values, look)])
        states = states.take(best_of_each(states, 3))
        halving = look.halving_with_gradient
    aside: list[States] = []
    for rounds, kept in halving:
        states = descend(
            ground,
            question,
            problems,
            states,
            rounds,
            effort.limit,
            effort.seed,
            mix=kept <= 2,
            look=look,
        )
        best = best_of_each(states, kept)
        if effort.n_answers > 1:
            aside.append(_given_up(states, best, effort.n_answers))
        states = states.take(best)
    return polish(ground, question, problems, join([states, *aside]), look)


def _given_up(states: States, kept: NDArray[np.intp], most: int) -> States:
    """Return the best states that reach the goal but are not kept: answers, if not the best."""
    rest = np.setdiff1d(np.flatnonzero(states.miss == 0), kept)
    left = states.take(rest)
    return left.take(best_of_each(left, most))


def _first_settings(states: States, b: int, r: int) -> Array:
    """Return the settings (b, r, k) of the first r states of each problem, repeated if fewer."""
    out = np.empty((b, r, states.values.shape[1]))
    for i in range(b):
        rows = np.flatnonzero(states.problem == i)
        out[i] = states.values[np.resize(rows[:r], r)]
    return out
