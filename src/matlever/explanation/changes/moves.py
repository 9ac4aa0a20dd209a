"""Simple changes of a setting: a knob turned or put back, mass moved within a mixture."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matlever.explanation.changes.ground import Ground, Problems
from matlever.explanation.changes.thoroughness import THOROUGH, Thoroughness

__all__ = ["Moves", "moves_at", "returned"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Index = NDArray[np.intp]

# Ordered pairs of parts of one mixture that are looked at in one round.
_MOST_PAIRS = 42


class Moves(NamedTuple):
    """r settings that each of b states can move to, on straight lines from it.

    Attributes
    ----------
    settings : ndarray of shape (b, r, k)
        Feasible; allowed where `exists`.
    exists : ndarray of shape (b, r)
        Whether the setting is allowed and differs from the state.
    line : ndarray of shape (r,)
        Number of the line; along each the settings come nearer to the state.
    group : ndarray of shape (r,)
        Lines of one group turn the same knob.
    """

    settings: Array
    exists: Flags
    line: Index
    group: Index


def moves_at(
    ground: Ground,
    problems: Problems,
    values: Array,
    rng: np.random.Generator,
    look: Thoroughness = THOROUGH,
) -> Moves:
    """Return simple moves from the settings `values` (b, k) of b problems."""
    on, back_on = look.step_array(), look.back_step_array()
    lines: list[tuple[int, Array, Array]] = []  # group, end (b, k), steps on the way
    for j in np.flatnonzero(ground.alone).tolist():
        turns = _turns(ground, problems, values, j, on, back_on)
        lines += [(j, end, steps) for end, steps in turns]
    for columns in ground.mixtures:
        for giver, taker in _pairs(columns, rng):
            end = _exchange(problems, values, giver, taker)
            lines.append((ground.k + len(lines), end, on))
    lines.append((ground.k + len(lines), problems.start, back_on))
    back, is_back = returned(ground, problems, values)
    points = [values[:, None] + steps[:, None] * (end - values)[:, None] for _, end, steps in lines]
    settings = np.concatenate([*points, back], axis=1)
    n_steps = [len(steps) for _, _, steps in lines]
    columns = np.arange(ground.k)
    line = np.concatenate([np.repeat(np.arange(len(lines)), n_steps), len(lines) + columns])
    group = np.concatenate([np.repeat([g for g, _, _ in lines], n_steps), columns])
    settings, exists = ground.settle(problems, settings)
    exists[:, -ground.k :] &= is_back
    exists &= (np.abs(settings - values[:, None]) > 1e-12 * ground.width).any(axis=2)
    # Steps that end on the same value of a grid count once.
    same = (settings[:, 1:] == settings[:, :-1]).all(axis=2) & (line[1:] == line[:-1])
    exists[:, 1:] &= ~same
    return Moves(settings, exists, line, group)


def _turns(
    ground: Ground, problems: Problems, values: Array, j: int, on: Array, back_on: Array
) -> list[tuple[Array, Array]]:
    """Return the ends of the lines along one knob, and the steps on them."""
    knob = ground.space.knobs[j]
    if knob.kind == "categorical":
        whole = np.ones(1)
        return [(_with(values, j, level), whole) for level in range(len(knob.levels))]
    lower, upper, start = problems.lower[:, j], problems.upper[:, j], problems.start[:, j]
    return [
        (_with(values, j, lower), on),
        (_with(values, j, upper), on),
        (_with(values, j, start), back_on),
    ]


def _with(values: Array, j: int, setting: Array | float) -> Array:
    turned = values.copy()
    turned[:, j] = setting
    return turned


def _pairs(columns: Index, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Ordered pairs of parts; some of them, at random, where there are many."""
    pairs = [(a, b) for a in columns.tolist() for b in columns.tolist() if a != b]
    if len(pairs) <= _MOST_PAIRS:
        return pairs
    chosen = np.sort(rng.permutation(len(pairs))[:_MOST_PAIRS])
    return [pairs[i] for i in chosen.tolist()]


def _exchange(problems: Problems, values: Array, giver: int, taker: int) -> Array:
    """All that one part of a mixture can give to another."""
    amount = np.minimum(
        values[:, giver] - problems.lower[:, giver], problems.upper[:, taker] - values[:, taker]
    ).clip(0)
    return _with(_with(values, giver, values[:, giver] - amount), taker, values[:, taker] + amount)


def returned(ground: Ground, problems: Problems, values: Array) -> tuple[Array, Flags]:
    """Each knob alone put back to its start.

    In a mixture the parts that changed the other way go back in proportion, so that the sum stays.
    Where that is not feasible, and with relations, the nearest feasible setting that has the knob
    at its start is taken.

    Parameters
    ----------
    ground : Ground
        The knobs.
    problems : Problems of length b
        Where each started.
    values : ndarray of shape (b, k)
        Settings.

    Returns
    -------
    settings : ndarray of shape (b, k, k)
        ``settings[:, j]`` is the return of knob j.
    exists : ndarray of shape (b, k)
        False where the knob has not changed, or cannot go back alone.
    """
    k = values.shape[1]
    change = values - problems.start
    settings = np.repeat(values[:, None], k, axis=1)
    settings[:, np.arange(k), np.arange(k)] = problems.start
    for columns in ground.mixtures:
        parts = change[:, columns]
        for position, j in enumerate(columns.tolist()):
            own = parts[:, position : position + 1]
            opposite = np.where(parts * own < 0, parts, 0.0)
            total = np.abs(opposite).sum(axis=1, keepdims=True)
            share = (np.abs(own) / np.where(total > 0, total, 1.0)).clip(0, 1)
            settings[:, j, columns] -= share * opposite
    exists = ground.changed(problems.start, values)
    if not ground.is_box:
        for j in np.flatnonzero(ground.free).tolist():
            name = ground.space.names[j]
            found = ground.space.project(settings[:, j], hold=[name], unreachable="nan")
            reached: Flags = np.asarray(np.isfinite(found).all(axis=1))
            settings[:, j] = np.where(reached[:, None], found, problems.start)
            exists[:, j] &= reached
    return settings, exists
