"""What to expect of chosen experiments, how far they are from the data, and why they stand here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.special import ndtri
from scipy.stats import qmc

from matlever.knobs import DataRegion
from matlever.recommendation._coordinates import Coordinates
from matlever.recommendation._known import Known
from matlever.recommendation._prediction import Prediction
from matlever.recommendation._reasons import Expected, limits_in_words, reached, reason
from matlever.recommendation._request import Request
from matlever.recommendation._surrogate import Surrogate
from matlever.recommendation._words import listed, number
from matlever.recommendation.goals import Goal
from matlever.recommendation.suggestions import Suggestions

__all__ = ["Chosen", "describe", "success"]

Array = NDArray[np.float64]

_NEAREST = 3  # known runs that are named
_MOST_LIMITS = 5  # limits that are named in a warning
_LOG2_DRAWS = 11  # for the chance of success with several aims


@dataclass(frozen=True)
class Chosen:
    """Settings (q, k), the values they were chosen for (q,), and their rows in the pool."""

    settings: Array
    values: Array
    rows: NDArray[np.intp] | None


def describe(
    request: Request,
    coordinates: Coordinates,
    surrogate: Surrogate,
    chosen: Chosen,
    spread_is: str | None,
) -> Suggestions:
    """Return the chosen experiments with all that is known about them.

    Parameters
    ----------
    request : Request
        What was asked for.
    coordinates : Coordinates
        Of the points.
    surrogate : Surrogate
        What is believed.
    chosen : Chosen
        The experiments.
    spread_is : str or None
        What the spread of a given predictor is; None when it has none.
    """
    known, goals, space = request.known, request.goals, request.editor.space
    points = coordinates.encode(chosen.settings)
    values, runs = surrogate.at(points), surrogate.measured_at(points)
    tail = (1 - request.level) / 2
    lower = np.column_stack([run.quantile(tail) for run in runs])
    upper = np.column_stack([run.quantile(1 - tail) for run in runs])
    predicted = np.column_stack([value.median for value in values])
    best_runs = known.best(goals) if goals else [None] * len(request.targets)
    best = np.array(
        [
            np.nan if row is None else known.column(name)[row]
            for row, name in zip(best_runs, request.targets, strict=True)
        ]
    )
    chance = improvement = np.full(predicted.shape, np.nan)
    probability = np.full(len(points), np.nan)
    if goals:
        chance = np.column_stack(
            [g.probability(p, b) for g, p, b in zip(goals, values, best, strict=True)]
        )
        improvement = np.column_stack(
            [g.expected_improvement(p, b) for g, p, b in zip(goals, values, best, strict=True)]
        )
        probability = success(goals, values, known, best)
    region = DataRegion(space, known.values)
    away = cdist(region.coordinates(chosen.settings), region.coordinates(known.values))
    distance, inside = region.distance(chosen.settings), region.inside(chosen.settings)
    limits, reasons = [], []
    for i, setting in enumerate(chosen.settings):
        at, beyond = limits_in_words(space, setting, known.values)
        limits.append(tuple(at))
        expected = [
            Expected(
                name,
                goals[t] if goals else None,
                predicted[i, t],
                lower[i, t],
                upper[i, t],
                request.level,
                chance[i, t],
                best[t],
            )
            for t, name in enumerate(request.targets)
        ]
        reasons.append(
            reason(
                expected,
                request.method,
                beyond,
                bool(inside[i]),
                float(distance[i] / region.radius),
                float(probability[i]),
            )
        )
    nearest = np.argsort(away, axis=1, kind="stable")[:, :_NEAREST]
    return Suggestions(
        space=space,
        targets=request.targets,
        goals=goals,
        method=request.method,
        model=_model(request, surrogate, spread_is),
        settings=chosen.settings,
        pool_rows=None
        if chosen.rows is None or request.pool is None
        else tuple(request.pool.labels[row] for row in chosen.rows),
        predicted=predicted,
        std=np.column_stack([value.std for value in values]),
        lower=lower,
        upper=upper,
        level=request.level,
        best_so_far=best,
        best_rows=tuple(None if row is None else known.labels[row] for row in best_runs),
        chance=chance,
        improvement=improvement,
        probability=probability,
        acquisition=chosen.values,
        distance=distance,
        inside=inside,
        nearest=tuple(tuple(known.labels[n] for n in row) for row in nearest),
        at_limits=tuple(limits),
        reasons=tuple(reasons),
        left_out_r2=surrogate.r2,
        known=np.column_stack([known.column(name) for name in request.targets]),
        warnings=_warnings(request, surrogate, chosen, best, spread_is),
    )


def success(goals: tuple[Goal, ...], values: list[Prediction], known: Known, best: Array) -> Array:
    """Chance of q runs to succeed with all goals at once, the targets taken as independent.

    To be inside all ranges, and: with one aim to beat the best run so far that is inside; with
    several not to be beaten in all of them by such a run.

    Parameters
    ----------
    goals : tuple of Goal of length t
        What is wanted.
    values : list of Prediction of length t
        What is expected of q runs.
    known : Known
        The runs so far.
    best : ndarray of shape (t,)
        Best values so far; NaN where no run counts.
    """
    inside = np.ones(len(values[0]))
    aims = []
    for t, (goal, value) in enumerate(zip(goals, values, strict=True)):
        if goal.kind == "within":
            inside = inside * goal.probability(value, np.nan)
        else:
            aims.append(t)
    if not aims or np.isnan(best[aims]).any():
        return inside  # nothing to beat: to be inside is all that is wanted
    if len(aims) == 1:
        return inside * goals[aims[0]].probability(values[aims[0]], float(best[aims[0]]))
    counts = np.ones(len(known.outcomes), dtype=bool)
    for goal in goals:
        if goal.kind == "within":
            counts &= goal.score(known.column(goal.target)) >= 0
    front = np.column_stack([goals[t].score(known.column(goals[t].target)) for t in aims])[counts]
    front = front[np.isfinite(front).all(axis=1)]
    draws = ndtri(qmc.Sobol(len(aims), rng=0).random_base2(_LOG2_DRAWS).clip(1e-6, 1 - 1e-6))
    found = np.empty(len(inside))
    for i in range(len(inside)):
        scores = np.column_stack(
            [
                goals[t].score(_drawn(values[t], i, draws[:, column]))
                for column, t in enumerate(aims)
            ]
        )
        beaten = np.all(front[None] >= scores[:, None], axis=2).any(axis=1)
        found[i] = 1.0 - float(beaten.mean())
    chance: Array = inside * found
    return chance


def _drawn(value: Prediction, i: int, normal: Array) -> Array:
    y: Array = value.centre[i] + value.spread[i] * normal
    return np.asarray(np.exp(y)) if value.log else y


def _model(request: Request, surrogate: Surrogate, spread_is: str | None) -> str:
    if not surrogate.is_given:
        return "Gaussian process"
    spread = spread_is or "the spread of a Gaussian process"
    return f"{type(request.predictor).__name__} with {spread}"


def _warnings(
    request: Request,
    surrogate: Surrogate,
    chosen: Chosen,
    best: Array,
    spread_is: str | None,
) -> tuple[str, ...]:
    known, space = request.known, request.editor.space
    found = list(request.pool.notes) if request.pool is not None else []
    if known.n_without:
        found.append(
            f"Left out {known.n_without} of {known.n_without + len(known.labels)} rows, which have "
            "no outcome; runs that are under way belong into pending=."
        )
    n_different = len(np.unique(known.values, axis=0))
    n_moving = len(request.feasible.free)
    if n_different < max(5, n_moving + 1):
        found.append(
            f"Only {n_different} different runs for {n_moving} knob{'s' if n_moving > 1 else ''}: "
            "the expected values say little yet, the suggestions mostly explore."
        )
    found += [
        f"{name}: a Gaussian process predicts the known runs from each other no better than their "
        f"mean does (R2 {number(r2)}); expect surprises."
        for name, r2 in zip(request.targets, surrogate.r2, strict=True)
        if r2 < 0.05 and n_different >= 5
    ]
    found += [
        f"{name} is modelled on a logarithmic scale."
        for name, scale in zip(request.targets, surrogate.scales, strict=True)
        if scale.log
    ]
    if surrogate.is_given and spread_is is None:
        found.append(
            "The predictor gives no spread of its own; that of a Gaussian process of the same "
            "runs stands in for it."
        )
    if request.goals and np.isnan(best).any():
        found.append("No run so far was measured to be inside all ranges.")
    if request.kept and request.pool is None:
        held = request.feasible.held
        said = listed([f"{space.names[j]} at {space.knobs[j].show(held[j])}" for j in request.kept])
        found.append(
            f"Fixed as in run {known.labels[request.base]}: {said}; context= sets them otherwise."
        )
    return (*found, *_limits_reached(request, chosen))


def _limits_reached(request: Request, chosen: Chosen) -> list[str]:
    """Limits at which half of the suggestions or more stand, unless they are levels of a pool."""
    if request.pool is not None or request.method in ("explore", "reduce uncertainty"):
        return []
    space = request.editor.space
    kept = {space.names[j] for j in range(len(space)) if j not in request.feasible.free}
    absent = {(name, "lower") for mixture in space.mixtures for name in mixture.names}
    counts = Counter(
        limit
        for setting in chosen.settings
        for limit in reached(space, setting)
        if limit[0] not in kept and (limit[:2] not in absent or space[limit[0]].low != 0)
    )
    n = len(chosen.settings)
    at = [
        f"{name} ({side}, {value})" + (f" {count} times" if 1 < count < n else "")
        for (name, side, value), count in counts.most_common()
        if 2 * count >= n
    ]
    if not at:
        return []
    more = [f"{len(at) - _MOST_LIMITS} more"] if len(at) > _MOST_LIMITS else []
    who = "The suggestion stands" if n == 1 else f"Of {n} suggestions half or more stand"
    return [
        f"{who} at the limits of {listed([*at[:_MOST_LIMITS], *more])}: where a limit is not a "
        "hard one, widen it."
    ]
