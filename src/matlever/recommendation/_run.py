"""From a checked request to suggestions: fit, choose one after the other, describe."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from matlever.exceptions import SettingsError
from matlever.recommendation._acquisition import Interest
from matlever.recommendation._botorch import quiet
from matlever.recommendation._choose import choose_from_pool, choose_settings
from matlever.recommendation._coordinates import Coordinates
from matlever.recommendation._describe import Chosen, describe
from matlever.recommendation._given import GivenPredictions
from matlever.recommendation._request import Request
from matlever.recommendation._search import Search
from matlever.recommendation._surrogate import Surrogate, fit_surrogate
from matlever.recommendation.suggestions import Suggestions

__all__ = ["run"]

Array = NDArray[np.float64]

_REFERENCE = 128  # settings over which uncertainty is averaged
_NEAR = 50  # known runs near which candidates are drawn


def run(request: Request) -> Suggestions:
    """Return the suggestions; the global generators are as they were before."""
    rng = np.random.default_rng(request.random_state)
    seed = int(rng.integers(2**31))
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), quiet():
        torch.manual_seed(seed)
        coordinates = _coordinates(request)
        given = _given(request, coordinates)
        surrogate = fit_surrogate(
            request.known,
            request.targets,
            coordinates,
            request.scale if given is None else "linear",
            _linear_targets(request),
            None if given is None else given.on,
        )
        interest = _interest(request, coordinates, surrogate, rng, seed)
        chosen = _choose(request, coordinates, interest, rng)
        return describe(
            request, coordinates, surrogate, chosen, None if given is None else given.spread_is
        )


def _coordinates(request: Request) -> Coordinates:
    seen = [request.known.values, request.pending]
    if request.pool is not None:
        seen.append(request.pool.values)
    coordinates = Coordinates(request.editor.space, np.concatenate(seen))
    if not coordinates.n_coordinates:
        raise SettingsError("No knob differs between the runs and the pool: there is no choice.")
    return coordinates


def _given(request: Request, coordinates: Coordinates) -> GivenPredictions | None:
    if request.predictor is None:
        return None
    known = request.known
    given = GivenPredictions(
        request.predictor,
        request.editor,
        request.base_sample,
        coordinates,
        request.feasible.put(known.values[[request.base]])[0],
        columns=[known.targets.index(name) for name in request.targets],
        n_targets=len(known.targets),
    )
    if len(request.pending):
        given.ask(request.pending_samples, request.pending)
    if request.pool is not None:
        given.ask(request.pool.samples, request.pool.values)
    return given


def _linear_targets(request: Request) -> frozenset[str]:
    """Targets with a goal that has no logarithm."""
    without = frozenset(
        goal.target
        for goal in request.goals
        if (goal.kind == "reach" and goal.lower <= 0) or (goal.kind == "within" and goal.upper <= 0)
    )
    if request.scale == "log":
        measured = {name: request.known.column(name) for name in request.targets}
        bad = {name for name, column in measured.items() if (column <= 0).any()} | without
        if bad:
            raise SettingsError(
                f'scale="log" needs outcomes and goals above zero; {sorted(bad)} has others. Use '
                'scale="auto".'
            )
    return without


def _interest(
    request: Request,
    coordinates: Coordinates,
    surrogate: Surrogate,
    rng: np.random.Generator,
    seed: int,
) -> Interest:
    known = request.known
    z = np.column_stack(
        [
            scale.to_model(known.column(name))
            for name, scale in zip(request.targets, surrogate.scales, strict=True)
        ]
    )
    reference = np.empty((0, coordinates.n_coordinates))
    if request.method == "reduce uncertainty":
        if request.pool is None:
            settings = request.feasible.draw(_REFERENCE, rng)
        else:
            rows = rng.permutation(len(request.pool.values))[:_REFERENCE]
            settings = request.pool.values[rows]
        reference = coordinates.encode(settings)
    return Interest(
        surrogate,
        request.goals,
        request.method,
        coordinates.encode(known.values),
        z,
        reference,
        seed,
    )


def _choose(
    request: Request, coordinates: Coordinates, interest: Interest, rng: np.random.Generator
) -> Chosen:
    pending = coordinates.encode(request.pending)
    taken = np.empty((0, coordinates.n_coordinates))
    if not request.allow_repeats:
        taken = coordinates.encode(request.known.values)
    if request.pool is not None:
        rows, values = choose_from_pool(
            interest.acquisition,
            coordinates.encode(request.pool.values),
            request.n_experiments,
            pending,
            taken,
        )
        return Chosen(request.pool.values[rows], values, rows)
    search = Search(
        request.feasible,
        coordinates,
        near=request.feasible.put(request.known.values[_best_first(request, interest)[:_NEAR]]),
        has_gradient=request.predictor is None,
    )
    settings, values = choose_settings(
        interest.acquisition, search, request.n_experiments, pending, taken, rng
    )
    return Chosen(settings, values, None)


def _best_first(request: Request, interest: Interest) -> NDArray[np.intp]:
    """Known runs, those with the best sum of scores first."""
    total: Any = np.zeros(len(request.known.outcomes))
    for goal, scale in zip(request.goals, interest.surrogate.scales, strict=False):
        score = goal.score(request.known.column(goal.target)) / _unit(scale.width)
        total = total + np.nan_to_num(score, nan=-1.0)
    return np.argsort(-total, kind="stable")


def _unit(width: float) -> float:
    return width if math.isfinite(width) and width > 0 else 1.0
