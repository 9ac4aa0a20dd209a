"""Which experiments to run next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np

from matlever.exceptions import SettingsError
from matlever.knobs import as_editor, as_predictor
from matlever.recommendation._feasible import FeasibleSettings
from matlever.recommendation._known import read_known
from matlever.recommendation._request import Method, Request, held_knobs, read_pending, read_pool
from matlever.recommendation.goals import read_goals
from matlever.recommendation.suggestions import Suggestions

__all__ = ["suggest"]


def suggest(
    editor: Any,
    samples: Any,
    outcomes: Any,
    goals: Any = None,
    *,
    n_experiments: int = 1,
    method: Method = "expected improvement",
    predictor: Any = None,
    pool: Any = None,
    pending: Any = None,
    context: Mapping[str, Any] | None = None,
    scale: Literal["auto", "linear", "log"] = "auto",
    allow_repeats: bool = False,
    level: float = 0.9,
    random_state: int = 0,
) -> Suggestions:
    """Suggest the next experiments, from the runs made so far.

    Needs BoTorch: ``pip install "matlever[design]"``.

    Parameters
    ----------
    editor : Editor, Table, DataFrame or array
        The knobs with their limits, levels, mixtures and relations; a frame or an array gives one
        knob per column, with the limits seen in it.
    samples : n samples
        The runs so far, as the editor takes them.
    outcomes : Series, DataFrame or array_like of shape (n,) or (n, t)
        What was measured; NaN where it was not. Each target is learned from its own rows.
    goals : str, float, (low, high), or mapping of target to these
        For each target "maximise", "minimise", a number to reach, or a range to be inside of (one
        end may be None). Targets without a goal play no part. Beside another goal a range is a
        condition. May be left out for the two methods that only learn.
    n_experiments : int, default=1
        Number q of experiments to run together: each is chosen given those before it.
    method : str, default="expected improvement"
        "expected improvement" on the best run so far; "explore" where least is known; "reduce
        uncertainty" about all settings, on average; "best": the best expected outcome, nothing
        for learning (with several goals: their sum in standard deviations of the known outcomes).
    predictor : predictor, default=None
        A fitted model to go by instead of the Gaussian process: anything `as_predictor` takes,
        with as many targets as there are outcomes. Its spread is its own
        (``predict(X, return_std=True)``, ``predict_interval`` or the trees of a forest); where it
        has none, that of the Gaussian process of the same runs.
    pool : samples, default=None
        Choose among these only. Every one is looked at.
    pending : samples, default=None
        Runs under way, whose outcome is not known yet. They are not suggested again, and the
        suggestions keep away from what they will teach.
    context : mapping of str to float or str, default=None
        Knobs held at a setting, by name (categorical: name of the level). Fixed knobs that are not
        named stay as in the best run so far.
    scale : {"auto", "linear", "log"}, default="auto"
        Scale on which outcomes are taken to be normally distributed; "auto" decides by
        likelihood for each target. A given `predictor` is always taken linearly.
    allow_repeats : bool, default=False
        Whether a setting that was measured may be suggested again.
    level : float, default=0.9
        Of the intervals.
    random_state : int, default=0
        Seed. The global generators are left alone.

    Returns
    -------
    suggestions : Suggestions
        Settings, what to expect of them, chance of success and reason.

    Raises
    ------
    MissingExtraError
        If BoTorch is not installed.
    SettingsError
        If a goal, method or other argument cannot be used, or nothing is left to suggest.
    DataError
        If samples and outcomes cannot be used; all faults together.
    NotEnoughDataError
        If a target has fewer than two measured rows, or all its values are equal.

    Notes
    -----
    Gaussian process: Matern-5/2, one length per knob (one-hot levels), standardised outcomes,
    fitted by maximum a posteriori likelihood. One goal: noisy expected improvement, in its
    logarithmic form [1]_; several: noisy expected hypervolume improvement [2]_ with the reference
    point at the worst score on the known Pareto front less a tenth of each range; conditions
    multiply the improvement by the chance to meet them; ranges alone: improvement towards the
    ranges, then the chance to be inside. A given predictor is treated likewise, without noise: its
    means and spreads, with the correlations that a Gaussian process of the same runs has.

    References
    ----------
    .. [1] S. Ament, S. Daulton, D. Eriksson, M. Balandat, E. Bakshy, NeurIPS 36 (2023),
       "Unexpected improvements to expected improvement for Bayesian optimization".
    .. [2] S. Daulton, M. Balandat, E. Bakshy, NeurIPS 34 (2021), "Parallel Bayesian optimization of
       multiple noisy objectives with expected hypervolume improvement".

    Examples
    --------
    >>> import pandas as pd
    >>> from matlever.knobs import Knob, KnobSpace, TableEditor
    >>> editor = TableEditor(KnobSpace([Knob("temperature", "°C", lower=20, upper=300)]))
    >>> runs = pd.DataFrame({"temperature": [40.0, 120.0, 200.0, 280.0]})
    >>> found = suggest(editor, runs, [0.2, 0.7, 0.8, 0.3], "maximise")
    >>> bool(120 < found.settings[0, 0] < 200)
    True
    """
    editor = as_editor(editor)
    _check(n_experiments, method, level, scale, predictor, pool, context, goals)
    known = read_known(editor, samples, outcomes)
    aims = () if goals is None else read_goals(goals, known.targets)
    base = known.base_row(aims)
    held, kept = held_knobs(editor.space, context or {}, known.values[base])
    request = Request(
        editor=editor,
        known=known,
        goals=aims,
        targets=tuple(goal.target for goal in aims) or known.targets,
        n_experiments=n_experiments,
        method=method,
        predictor=None if predictor is None else as_predictor(predictor),
        pool=read_pool(editor, pool),
        pending=read_pending(editor, pending, must_be_feasible=predictor is not None),
        pending_samples=pending,
        feasible=FeasibleSettings(editor.space, held),
        base=base,
        kept=kept,
        scale=scale,
        allow_repeats=allow_repeats,
        level=level,
        random_state=random_state,
    )
    if pool is None and not request.feasible.free:
        raise SettingsError("No knob can move: all of them are fixed or held by context.")
    from matlever.recommendation._run import run  # needs BoTorch, or says how to install it

    return run(request)


def _check(
    n_experiments: int,
    method: str,
    level: float,
    scale: str,
    predictor: Any,
    pool: Any,
    context: Any,
    goals: Any,
) -> None:
    faults = []
    if isinstance(n_experiments, bool) or not isinstance(n_experiments, int | np.integer):
        faults.append(f"n_experiments={n_experiments!r} must be a whole number.")
    elif n_experiments < 1:
        faults.append(f"n_experiments={n_experiments} must be 1 or more.")
    elif method == "best" and n_experiments > 1 and pool is None:
        faults.append(
            'method="best" has one answer: n_experiments must be 1, unless a pool is given. Use '
            '"expected improvement" for a batch.'
        )
    if method not in get_args(Method):
        faults.append(f"method={method!r} is not one of {get_args(Method)}.")
    elif goals is None and method in ("expected improvement", "best"):
        faults.append(
            f'method="{method}" needs goals, such as "maximise" or {{target: "minimise"}}.'
        )
    if not (isinstance(level, float) and 0 < level < 1):
        faults.append(f"level={level!r} must be a share such as 0.9.")
    if scale not in ("auto", "linear", "log"):
        faults.append(f'scale={scale!r} is not one of "auto", "linear" and "log".')
    elif scale == "log" and predictor is not None:
        faults.append('scale="log" belongs to the Gaussian process; a predictor has its own.')
    if pool is not None and context:
        faults.append("context holds knobs that could move; the rows of a pool stand as they are.")
    if faults:
        raise SettingsError("\n".join(faults))
