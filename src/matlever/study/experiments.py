"""Which experiments to run next: towards the goals, or where least is known."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from matlever.exceptions import DataError, MissingExtraError, SettingsError
from matlever.knobs import TableEditor
from matlever.recommendation import suggest
from matlever.study.known import KnownRows
from matlever.study.words import listed
from matlever.tables import SmallTableRegressor

if TYPE_CHECKING:
    from matlever.recommendation import Suggestions
    from matlever.study.model import StudyModel
    from matlever.study.wishes import Goal
    from matlever.validation import CrossConformalRegressor

__all__ = ["can_propose", "described", "propose", "proposed_part"]

_EXPERIMENTS = 3
_MOST_ROWS = 1000
_OWN = "the study's own model; its standard deviation is scaled to hold on rows not seen"


def can_propose() -> bool:
    """Return whether the library that suggests experiments is installed."""
    return find_spec("botorch") is not None


def propose(
    model: StudyModel,
    known: KnownRows,
    goals: Mapping[str, Goal],
    *,
    n_experiments: int = _EXPERIMENTS,
    explore: bool = False,
    predict_with: Literal["auto", "study", "gp"] = "auto",
    editor: TableEditor | None = None,
    pool: pd.DataFrame | None = None,
    pending: pd.DataFrame | None = None,
    context: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Suggestions:
    """Suggest the next experiments of a study.

    Parameters
    ----------
    model : StudyModel
    known : KnownRows
    goals : mapping of str to goal
        By target; empty, or `explore`: experiments where least is known.
    n_experiments : int, default=3
        To run together.
    explore : bool, default=False
        Look where least is known although there are goals.
    predict_with : {"auto", "study", "gp"}, default="auto"
        The study's own validated model with its calibrated standard deviation, or a Gaussian
        process fitted for this. "auto" is the study's model where it is mostly a Gaussian process
        itself and learned the targets as they are: the spread between trees or networks says
        little about what is not known, and that of a logarithm is not symmetric.
    editor : TableEditor, optional
        The knobs; default with the limits the study's user set.
    pool, pending : DataFrame, optional
        Settings to choose among; runs under way.
    context : mapping of str to float or str, optional
        Inputs that are held at a setting.
    seed : int, default=0
    """
    aims = {} if explore else dict(goals)
    own = predict_with == "study" or (
        predict_with == "auto" and all(map(_is_process, _asked(model, aims)))
    )
    rows = _guiding_rows(known, aims)
    found = suggest(
        known.editor if editor is None else editor,
        known.samples.iloc[rows],
        known.outcomes.iloc[rows],
        aims or None,
        n_experiments=n_experiments,
        method="expected improvement" if aims else "explore",
        predictor=model if own else None,
        pool=pool,
        pending=pending,
        context=context,
        level=model.level,
        random_state=seed,
    )
    # Arguments of a function mean nothing to a reader of a page.
    warnings = [w.replace("; context= sets them otherwise", "") for w in found.warnings]
    if len(rows) < len(known.samples):
        warnings.append(
            f"The search is guided by {len(rows):,} of {len(known.samples):,} known rows, the "
            "best among them; look whether a suggestion was run already."
        )
    return replace(
        found,
        settings=_settable(found),
        model=_OWN if own else found.model,
        warnings=tuple(warnings),
    )


def _settable(found: Suggestions) -> NDArray[np.float64]:
    """Return settings rounded to a millionth of each knob's range: nobody sets 1e-9 of 1."""
    settings = found.settings.copy()
    for j, knob in enumerate(found.space):
        if knob.kind == "continuous" and knob.width > 0:
            step = 10.0 ** np.floor(np.log10(knob.width * 1e-6))
            settings[:, j] = np.clip(np.round(settings[:, j] / step) * step, knob.low, knob.high)
    return settings


def _asked(model: StudyModel, goals: Mapping[str, Goal]) -> list[CrossConformalRegressor]:
    """Return the models of the targets that have a goal, or of all."""
    return [p for name, p in model.predictors.items() if not goals or name in goals]


def _is_process(predictor: CrossConformalRegressor) -> bool:
    """Return whether a model is the blend of Gaussian processes, without a logarithm."""
    regressor = getattr(predictor.estimator_, "regressor_", None)
    return isinstance(regressor, SmallTableRegressor) and not predictor.log_scale


def _guiding_rows(known: KnownRows, goals: Mapping[str, Goal]) -> NDArray[np.intp]:
    """Return the positions of the rows a Gaussian process can be fitted to in reasonable time.

    Of a large table: for each goal the best rows, and others evenly over the file.
    """
    n = len(known.samples)
    if n <= _MOST_ROWS:
        return np.arange(n)
    kept = [np.linspace(0, n - 1, _MOST_ROWS // 2).round().astype(int)]
    for name, goal in goals.items():
        values = known.outcomes[name].to_numpy(dtype=float)
        low, high = goal if isinstance(goal, tuple) else (goal, goal)
        if isinstance(goal, str):
            miss = -values if goal == "maximise" else values
        else:
            ends = (-np.inf if low is None else low, np.inf if high is None else high)
            miss = np.maximum(ends[0] - values, values - ends[1])
        order = np.argsort(np.where(np.isnan(miss), np.inf, miss), kind="stable")
        kept.append(order[: _MOST_ROWS // (2 * len(goals))])
    return np.unique(np.concatenate(kept))


def proposed_part(
    model: StudyModel,
    known: KnownRows,
    goals: Mapping[str, Goal],
    targets: Sequence[Mapping[str, Any]],
    seed: int,
) -> dict[str, Any]:
    """Return the ``next`` entry of the results.

    Parameters
    ----------
    model, known, seed
        As for :func:`propose`.
    goals : mapping of str to goal
        What the user wants; those for targets without skill are set aside, and said.
    targets : sequence of mapping
        The ``targets`` entry of the results.
    """
    hopeless = [t["name"] for t in targets if t["verdict"]["skill"] == "none"]
    kept = {name: goal for name, goal in goals.items() if name not in hopeless}
    try:
        found = propose(model, known, kept, seed=seed)
    except MissingExtraError as error:
        return {"sentence": f"{error}.", "experiments": [], "missing": "design"}
    except (DataError, SettingsError) as error:
        return {"sentence": f"No experiment is suggested: {error}", "experiments": []}
    plain = described(found, kept)
    _add_doubts(plain, model, known)
    return {"sentence": _sentence(goals, kept, hopeless, plain), **plain}


def _add_doubts(found: dict[str, Any], model: StudyModel, known: KnownRows) -> None:
    """Say of each experiment why it can hardly exist, with all but the knobs as in the nearest."""
    space = known.editor.space
    for one in found["experiments"]:
        base = known.samples.loc[one["nearest"][:1]]
        values = [
            space[name].levels.index(value) if isinstance(value, str) else value
            for name, value in one["settings"].items()
        ]
        rendered = pd.DataFrame(known.editor.render(base, [[values]]))
        one["doubts"] = model.kind.doubts(rendered)[0]


def described(found: Suggestions, goals: Mapping[str, Goal]) -> dict[str, Any]:
    """Return suggestions as plain JSON values, with the range that is wanted of each target."""
    plain: dict[str, Any] = found.to_dict()
    for target in plain["targets"]:
        goal = goals.get(target["target"]) if target["goal"] else None
        target["range"] = (
            None
            if goal is None or isinstance(goal, str)
            else list(goal)
            if isinstance(goal, tuple)
            else [goal, goal]
        )
    return plain


def _sentence(
    goals: Mapping[str, Goal],
    kept: Mapping[str, Goal],
    hopeless: Sequence[str],
    found: Mapping[str, Any],
) -> str:
    """Say what was looked for, and why it was not the goal where it was not."""
    n = len(found["experiments"])
    together = f"{n} experiments to run together" if n > 1 else "One experiment"
    blind = [name for name in goals if name in hopeless]
    if kept:
        wanted = listed([f"{t['target']}: {t['goal']}" for t in found["targets"] if t["goal"]])
        text = f"{together}, each chosen for the improvement to be expected of it ({wanted})."
        if blind:
            text += f" The goal for {listed(blind)} is left out: the model shows no skill there."
        return text
    text = f"{together} where the model knows least."
    if blind:
        return (
            f"{text} The goal for {listed(blind)} is left out: the model shows no skill there, so "
            "experiments chosen to reach it would follow the model and not the material."
        )
    first = found["targets"][0]["target"] if found["targets"] else "TARGET"
    example = f"--goal {shlex.quote(f'{first}=max')}"
    return f"{text} With a goal (such as {example}) they are chosen to reach it."
