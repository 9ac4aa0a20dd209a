"""What a reader of answers should know."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matlever.explanation._words import joined
from matlever.explanation.changes.answers import Answers
from matlever.explanation.changes.ground import Ground, Problems

__all__ = ["warnings_of"]


def warnings_of(
    found: Answers,
    ground: Ground,
    own: NDArray[np.float64],
    problems: Problems,
    inside: NDArray[np.bool_] | None,
    n_answers: int,
    timed_out: bool,
) -> tuple[str, ...]:
    """Say what was moved, missed, left or not finished.

    Parameters
    ----------
    found : Answers
        m answers.
    ground : Ground
        The knobs.
    own : ndarray of shape (n, k)
        Where the samples stood.
    problems : Problems of length n
        Where they started.
    inside : ndarray of shape (m,) or None
        Whether the answers are in known territory.
    n_answers : int
        Answers that were wanted for each.
    timed_out : bool
        Whether the time limit ended the search.
    """
    n, m = len(own), len(found.states)
    off = np.abs(own - problems.start) > 1e-6 * ground.width
    moved = int(off.any(axis=1).sum())
    missed = int((found.states.miss > 0).sum())
    changed = found.states.problem[(found.states.miss == 0) & (found.states.spend > 0)]
    few = int((np.unique(changed, return_counts=True)[1] < n_answers).sum())
    far = 0 if inside is None else int((~inside).sum())
    said = {
        f"{moved} of {n} samples stand outside the limits; they start at the nearest allowed "
        f"setting{_where(own, off, problems, ground)}.": moved,
        "The time limit ended the search: there may be smaller changes, and goals that were missed "
        "may be within reach.": timed_out,
        f"The goal is not reached for {missed} of {n} samples.": missed,
        f"Fewer than {n_answers} different answers were found for {few} of {n} samples.": few,
        f"For {found.left_data} of {n} samples the goal is reached only away from known "
        "samples.": found.left_data,
        f"{far} of {m} answers are far from all known samples.": far,
    }
    return tuple(text for text, holds in said.items() if holds)


def _where(
    own: NDArray[np.float64], off: NDArray[np.bool_], problems: Problems, ground: Ground
) -> str:
    """Name the knobs that were moved, with both settings where it is one sample alone."""
    knobs = ground.space.knobs
    named = np.flatnonzero(off.any(axis=0)).tolist()
    if off.any(axis=1).sum() != 1:
        return f" of {joined([knobs[j].name for j in named])}"
    i = int(off.any(axis=1).argmax())
    start = problems.start[i]
    told = [
        f"{knobs[j].name} at {knobs[j].show(start[j])}, not {knobs[j].show(own[i, j])}"
        for j in named
    ]
    return f" ({'; '.join(told)})"
