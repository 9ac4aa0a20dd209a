"""What stands in the way of a goal: limits beyond which it would be missed by less."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matlever.explanation.changes.descent import States, states_at
from matlever.explanation.changes.ground import Ground, Problems
from matlever.explanation.changes.question import Question
from matlever.knobs import ActiveLimit

__all__ = ["active_limits", "blocking_limits"]

Array = NDArray[np.float64]

# Shares of the range by which a knob is pulled away from its limit.
_INWARD = (0.01, 0.05, 0.2)
# A change of the miss below this share of the range of the predictions says nothing.
_GAIN = 1e-9


def active_limits(ground: Ground, values: Array) -> list[tuple[ActiveLimit, ...]]:
    """Limits at which each of n settings (n, k) stands; held and fixed knobs have none."""
    return [tuple(limits) for limits in ground.space.active_limits(values)]


def blocking_limits(
    ground: Ground, question: Question, problems: Problems, states: States
) -> list[tuple[ActiveLimit, ...]]:
    """Of the limits at which each state stands, those whose relaxation would help.

    Nobody can be asked beyond a limit. A limit blocks where the goal is missed by more when the
    knob is pulled a little inward from it (the first of 1, 5 and 20 % of its range that makes a
    difference), the other knobs as they are; parts of a mixture make room.
    """
    limits = active_limits(ground, states.values)
    asked: list[tuple[int, int, int]] = []  # state, number of the limit, number of the step
    owner: list[int] = []
    points: list[Array] = []
    for i, found in enumerate(limits):
        for number, limit in enumerate(found):
            for step, setting in enumerate(_pulled(ground, states.values[i], limit)):
                asked.append((i, number, step))
                owner.append(i)
                points.append(setting)
    if not asked or question.clock.expired:
        return [() for _ in limits]
    problem = states.problem[np.array(owner)]
    reply = states_at(ground, question, problems, problem, np.stack(points))
    first: dict[tuple[int, int], bool] = {}
    for (i, number, _), miss in zip(asked, reply.miss, strict=True):
        if not np.isfinite(miss + states.miss[i]):
            continue
        difference = miss - states.miss[i]
        if abs(difference) > _GAIN and (i, number) not in first:
            first[i, number] = bool(difference > 0)
    return [
        tuple(limit for number, limit in enumerate(found) if first.get((i, number), False))
        for i, found in enumerate(limits)
    ]


def _pulled(ground: Ground, values: Array, limit: ActiveLimit) -> list[Array]:
    """Feasible settings with one knob away from its limit."""
    if limit.knob not in ground.space.names:
        return _pulled_from_relation(ground, values, limit)
    j = int(ground.space.positions([limit.knob])[0])
    knob = ground.space.knobs[j]
    if not knob.width:
        return []
    inward = 1.0 if limit.side == "lower" else -1.0
    found: list[Array] = []
    for share in _INWARD:
        moved = values.copy()
        moved[j] = limit.value + inward * share * ground.width[j]
        if knob.allowed is not None:
            moved[j] = _next_allowed(knob.allowed, limit.value, moved[j], inward)
        settled = ground.space.project(moved, hold=[limit.knob], unreachable="nan")
        if np.isfinite(settled).all() and settled[j] != values[j]:
            found.append(settled)
    return found


def _pulled_from_relation(ground: Ground, values: Array, limit: ActiveLimit) -> list[Array]:
    """Feasible settings with the sum of a relation away from its limit, by all its knobs."""
    inward = 1.0 if limit.side == "lower" else -1.0
    labels = [relation.label for relation in ground.space.relations]
    row = ground.relations[labels.index(limit.knob)] * ground.width
    way = inward * row / np.abs(row).max() * ground.width * ground.free
    found: list[Array] = []
    for share in _INWARD:
        settled = ground.space.project(values + share * way, unreachable="nan")
        pulled = inward * (ground.relations[labels.index(limit.knob)] @ settled - limit.value)
        if np.isfinite(settled).all() and pulled > 0:
            found.append(settled)
    return found


def _next_allowed(allowed: Array, limit: float, wanted: float, inward: float) -> float:
    """Nearest allowed value, at least one step away from the limit."""
    inside = allowed[(allowed - limit) * inward > 0]
    return float(inside[np.argmin(np.abs(inside - wanted))]) if len(inside) else limit
