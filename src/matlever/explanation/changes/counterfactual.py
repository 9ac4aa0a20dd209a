"""The backward question: the least change that brings a prediction to a goal.

Reference: S. Wachter, B. Mittelstadt, C. Russell, Harv. J. Law Technol. 31 (2018) 841-887, with the
objective of the micrograph paper's backward explanation (see `_change.gradient`): the goal must
hold, and the cost-weighted L1 change is to be small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import DataError, SettingsError
from matlever.explanation.changes.answers import Progress, find_answers
from matlever.explanation.changes.blocking import active_limits
from matlever.explanation.changes.counterfactuals import Counterfactuals
from matlever.explanation.changes.descent import States
from matlever.explanation.changes.goal import goal_of, read_goal
from matlever.explanation.changes.gradient import has_gradient
from matlever.explanation.changes.ground import Ground
from matlever.explanation.changes.limits import interval_of
from matlever.explanation.changes.prepare import Asked, check_count, reach_of
from matlever.explanation.changes.question import Clock, Interval, Question
from matlever.explanation.changes.search import Effort
from matlever.explanation.changes.thoroughness import thoroughness_of
from matlever.explanation.changes.warn import warnings_of
from matlever.knobs import DataRegion, Editor, Predictor, as_editor, as_predictor
from matlever.knobs.samples import row_labels

__all__ = ["counterfactual"]

Array = NDArray[np.float64]
Confidence = Literal["prediction", "interval"]
GoalOfOne = float | tuple[float | None, float | None]

# Default number of predictions per sample: so many, and so many more for each free knob.
_BUDGET, _BUDGET_PER_KNOB = 2000, 1000
# Of it, the share that goes into settings drawn from the space, and the most of them.
_SHARE_DRAWN, _MOST_DRAWN = 12, 1000
# A miss of an interval without end.
_ENDLESS_MISS = 1e100


def counterfactual(
    predictor: Predictor | Any,
    editor: Editor | Any,
    samples: Any,
    goal: GoalOfOne | Mapping[str | int, GoalOfOne],
    *,
    tolerance: float | Mapping[str | int, float] | None = None,
    hold: Sequence[str] = (),
    max_changes: int | None = None,
    n_answers: int = 1,
    reference: Any = None,
    stay_near_data: bool = False,
    interval: Interval | None = None,
    level: float | None = None,
    confidence: Confidence = "prediction",
    targets: Sequence[str] | None = None,
    target_units: Sequence[str | None] | None = None,
    budget: int | None = None,
    time_limit: float | None = None,
    random_state: int = 0,
    batch_rows: int = 200_000,
    progress: Progress | None = None,
) -> Counterfactuals:
    """Find the least change of the knobs that brings each sample's prediction to a goal.

    Parameters
    ----------
    predictor : Predictor
        Any fitted regressor, for one target or several; a torch module or a function of samples.
    editor : Editor, Table, DataFrame or array
        Turns settings into samples the predictor takes; knows the limits and the costs.
    samples : n samples
        Where to start. Costs are measured from where each stands.
    goal : float, (low, high), or mapping of target to these
        A number, or a range of which one end may be None. With several targets
        ``{target: number or range}`` by name (see `targets`) or position; all must hold at once.
    tolerance : float, mapping of target to float, or None, default=None
        How far from a number the prediction may be. Default: 1 % of the range of the predictions,
        over `reference` or, without one, over 128 settings drawn from the space.
    hold : sequence of str, default=()
        Knobs that stay where they are, as fixed ones do.
    max_changes : int or None, default=None
        At most so many knobs change. A part of a mixture is a knob.
    n_answers : int, default=1
        Different answers for each sample, the cheapest first; fewer where there are no more.
    reference : samples or None, default=None
        Known samples. They say which answers are far from all data, and those that reach the goal
        are tried themselves: no answer costs more than the nearest of them that does.
    stay_near_data : bool, default=False
        Whether answers must be in known territory (see `DataRegion`), or as near to it as the
        sample itself. Where the goal cannot be reached there, it is tried without.
    interval : callable or None, default=None
        Takes m samples, returns their lower and upper prediction limits, each of shape (m,) or
        (m, t). Default: the predictor's ``predict_interval``, or what follows from its
        ``predict(X, return_std=True)``, if it has them.
    level : float or None, default=None
        Coverage of the intervals: of those that `interval` gives, or that the predictor is asked
        for (default 0.9 from standard deviations).
    confidence : {"prediction", "interval"}, default="prediction"
        Whether the prediction or its whole interval must be in the wanted range.
    targets, target_units : sequence of str or None, default=None
        Names and units of the predictor's targets.
    budget : int or None, default=None
        Predictions per sample after which the search ends (and per sample again for further
        answers); what is begun is finished. Default: what the editor says by an attribute
        ``usual_budget``, else 2,000, and 1,000 more for each knob. Below 1,000 the search looks
        less closely: the answer keeps its two properties, but a smaller change may exist.
    time_limit : float or None, default=None
        Seconds in all. The best found so far is returned, and flagged.
    random_state : int, default=0
        Seed. The same seed gives the same bits, unless the time limit ends the search.
    batch_rows : int, default=200_000
        At most so many rendered samples at a time.
    progress : callable or None, default=None
        Told how many samples are done, of how many, and what is being done.

    Returns
    -------
    answers : Counterfactuals

    Raises
    ------
    SettingsError
        If the goal or another argument cannot be used, or all knobs are held.
    DataError
        If there is no sample, or the predictor fails to return one finite number per sample.

    Notes
    -----
    Every setting the predictor is shown is feasible. The answer has two properties, up to rounding
    and unless the time limit ends the search: it costs no more than any setting that was seen to
    reach the goal, and *no changed knob can go back to its start alone*, the others as they are,
    while the goal holds. In a mixture the parts that changed the other way then go back in
    proportion; where that is not feasible, and with linear relations, the nearest feasible setting
    is meant that has the knob at its start and costs no more. A linear model gets the least change
    that exists; for others the least that was found.

    The search begins at the sample, at the nearest known samples that reach the goal, at settings
    drawn from the space, and at every combination of levels where these are few (16). With a torch
    module and numeric knobs it first follows the gradient of
    ``lambda * miss**2 + cost``. From there it goes on by turning one knob, or two whose effects
    seem to add up (see `_change.pairs`), or a mix of many from a linear program where there are
    several targets or relations; worse starts are given up early. At equal numbers of predictions
    the changes are rarely larger, and often smaller, than those of scipy's differential evolution
    (``benchmarks/counterfactual.py``), and all samples are asked about in the same calls. The
    answer of a sample does not depend on the others, as far as the predictor's answer about a row
    does not depend on the other rows.

    A change of less than 0.01 % of a knob's range is none. Where settings come in steps, give the
    knobs these steps (``kind="grid"``): answers of a forest stand right behind its thresholds.

    Where the goal cannot be reached, the answer is the setting that misses it by least, of these
    the cheapest, with the limits that block.

    Examples
    --------
    >>> import numpy as np
    >>> from matlever.knobs import Knob, KnobSpace, TableEditor
    >>> space = KnobSpace([Knob("T", "K", lower=300, upper=500), Knob("t", "h", lower=0, upper=8)])
    >>> counterfactual(
    ...     lambda X: X @ [0.1, 1.0], TableEditor(space), np.array([[400.0, 2.0]]), (47, None)
    ... )
    Counterfactuals: goal at least 47 reached for 1 of 1 samples
      row 0: Raise T from 400 to 450 K: predicted 47; goal at least 47 reached.
    """
    clock = Clock(time_limit)
    predictor, editor = as_predictor(predictor), as_editor(editor)
    limits, level = interval_of(predictor, interval, level)
    _check(confidence, limits, n_answers, max_changes, budget, time_limit)
    ground = Ground(editor.space, tuple(hold), max_changes)
    if not ground.free.any():
        raise SettingsError("There is no knob to turn: all are fixed or held.")
    own = np.asarray(editor.values(samples), dtype=float)
    if not len(own):
        raise DataError("There is no sample to change.")
    problems = ground.problems(editor.space.project(own))
    asked = Asked(predictor, editor, batch_rows)
    first = asked.predict(samples, problems.start[:, None])[:, 0]
    n_targets = None if first.ndim == 1 else first.shape[1]
    names = check_count(targets, n_targets or 1, "targets")
    wishes = read_goal(goal, tolerance, n_targets, names)
    budget = budget or getattr(editor, "usual_budget", None)
    budget = budget or _BUDGET + _BUDGET_PER_KNOB * int(ground.free.sum())
    known = None if reference is None else asked.known(reference)
    n_drawn = 0
    if known is None:
        n_drawn = thoroughness_of(budget).for_range
        scale = asked.scale(samples, problems, ground, wishes, n_drawn)
    else:
        scale = asked.known_scale(known, wishes, len(own))
    region = None if reference is None else DataRegion(editor.space, editor.values(reference))
    question = Question(
        predictor,
        editor,
        samples,
        goal_of(wishes, np.where(scale > 0, scale, 1.0)),
        limits if confidence == "interval" else None,
        region if stay_near_data else None,
        reach_of(region, problems.start),
        clock,
        batch_rows,
        n_targets or 1,
        np.full(len(own), n_drawn, dtype=np.int64),
    )
    reply = question.ask_all(problems.sample, problems.start)
    starts = States(problems.sample, problems.start, *reply, np.zeros(len(own)))
    drawn = editor.space.sample(min(_MOST_DRAWN, budget // _SHARE_DRAWN), random_state)
    gradient = has_gradient(predictor, editor, ground) and confidence == "prediction"
    effort = Effort(budget, question.n_calls, drawn, known, gradient, random_state, n_answers)
    found = find_answers(ground, question, problems, starts, effort, n_answers, progress)
    units = check_count(target_units, n_targets or 1, "target_units")
    states = found.states
    sample = problems.sample[states.problem]
    lower, upper = _limits_at(question, limits, sample, states.values)
    distance = None if region is None else region.distance(states.values)
    inside = None if region is None else region.inside(states.values)
    return Counterfactuals(
        space=editor.space,
        rows=row_labels(samples, len(own)),
        targets=names,
        target_units=units,
        wishes=wishes,
        goal_lower=question.goal.lower,
        goal_upper=question.goal.upper,
        start=problems.start,
        start_prediction=starts.prediction,
        row=sample,
        answer=_numbers(sample),
        settings=states.values,
        changed=ground.changed(problems.start[sample], states.values),
        cost=ground.change_cost(problems.start[sample], states.values),
        prediction=states.prediction,
        lower=lower,
        upper=upper,
        level=level if limits is not None else None,
        reached=states.miss == 0,
        miss=np.where(states.miss > _ENDLESS_MISS, np.inf, states.miss),
        at_limits=tuple(active_limits(ground, states.values)),
        blocking=tuple(found.blocking),
        held=tuple(np.array(editor.space.names, dtype=object)[~ground.free]),
        max_changes=max_changes,
        inside=inside,
        distance=distance,
        n_calls=question.n_calls,
        timed_out=clock.timed_out,
        warnings=(
            *(editor.notes(samples) if hasattr(editor, "notes") else ()),
            *warnings_of(found, ground, own, problems, inside, n_answers, clock.timed_out),
        ),
    )


def _limits_at(
    question: Question, limits: Interval | None, sample: NDArray[np.intp], values: Array
) -> tuple[Array | None, Array | None]:
    if limits is None:
        return None, None
    both = question.limits(limits, sample, values)
    return both[:, 0], both[:, 1]


def _numbers(sample: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the number of each answer within its sample, whose answers stand together."""
    first = np.flatnonzero(np.diff(sample, prepend=-1))
    length = np.diff(np.append(first, len(sample)))
    return np.arange(len(sample)) - np.repeat(first, length)


def _check(
    confidence: str,
    limits: Interval | None,
    n_answers: int,
    max_changes: int | None,
    budget: int | None,
    time_limit: float | None,
) -> None:
    if confidence not in get_args(Confidence):
        raise SettingsError(f"confidence={confidence!r} is not one of {get_args(Confidence)}.")
    if confidence == "interval" and limits is None:
        raise SettingsError(
            'confidence="interval" needs intervals: give interval=, or a predictor with '
            "predict_interval or predict(X, return_std=True)."
        )
    for name, value in (("n_answers", n_answers), ("max_changes", max_changes), ("budget", budget)):
        if value is not None and not value >= 1:
            raise SettingsError(f"{name}={value} must be 1 or more.")
    if time_limit is not None and not time_limit > 0:
        raise SettingsError(f"time_limit={time_limit} must be above 0 seconds.")
