"""How well one target is predicted: models, folds, scores, intervals, the three-number check."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from matlever.storage import State
from matlever.study.settings import StudySettings
from matlever.study.stages import Stages
from matlever.study.words import gap_sentence, interval_sentence
from matlever.tables import (
    Column,
    DenseRegressor,
    SmallTableRegressor,
    SmoteReg,
    Table,
    TableEncoder,
    TableRegressor,
    TreeEnsemble,
)
from matlever.tables.models import candidate_regressors, restore
from matlever.tables.small_table import MEMBER_NAMES
from matlever.validation import (
    BestOf,
    CrossConformalRegressor,
    CrossValidation,
    FoldPlan,
    ThreeNumbers,
    cross_validate,
    held_out_cv_plus,
    input_blocks,
    minimum_rows,
    plan_folds,
    three_number_check,
    verdict,
)

__all__ = ["DEFAULT", "MEAN", "RIDGE", "TargetRows", "Validated", "target_rows", "validate"]

DEFAULT = "matlever default"
RIDGE = "ridge regression"
MEAN = "mean of the training rows"

# Rows of the augmented pool of the paper's protocol: as many as the paper had.
_PAPER_ROWS = 9_100
# Folds of the choice between models of larger tables, inside each training set.
_CHOICE_FOLDS = 3
# Coverage is measured by setting aside a fifth of the rows at a time: ten fits.
_COVERAGE_FOLDS = 5
_ALPHAS = tuple(np.logspace(-3, 4, 15))


@dataclass(frozen=True)
class TargetRows:
    """The rows on which one target was measured, and how they are held out."""

    column: Column
    X: pd.DataFrame
    y: NDArray[np.float64]
    honest: FoldPlan
    random: FoldPlan | None

    @property
    def plans(self) -> dict[str, FoldPlan]:
        """The protocols by name, the one that counts first."""
        plans = {"honest": self.honest}
        return plans if self.random is None else {**plans, "random": self.random}


@dataclass(frozen=True)
class Validated:
    """What validation of one target gives: its part of the results, and the predictor."""

    results: dict[str, Any]
    predictor: CrossConformalRegressor


def target_rows(table: Table, column: Column, settings: StudySettings) -> TargetRows:
    """Return the rows where `column` was measured, with the plans of the folds."""
    y = table.targets[column.name].to_numpy(dtype=float)
    measured = np.isfinite(y)
    X = table.inputs.loc[measured]
    blocks = input_blocks(X)
    groups = None if table.groups is None else table.groups.loc[measured]
    options: dict[str, Any] = {
        "blocks": blocks,
        "n_folds": settings.folds,
        "n_repeats": settings.repeats,
        "random_state": settings.seed,
    }
    random = plan_folds(len(X), **options)
    honest = random if groups is None else plan_folds(len(X), groups=groups, **options)
    return TargetRows(column, X, y[measured], honest, None if groups is None else random)


def candidates(n_rows: int, settings: StudySettings) -> dict[str, TableRegressor]:
    """Return the models that are scored: the default and the two every score is seen against."""
    found = candidate_regressors(n_rows, settings.seed)
    jobs = -1 if settings.jobs is None else settings.jobs
    for regressor in found.values():
        if "n_jobs" in regressor.get_params():
            regressor.set_params(n_jobs=jobs)
    regressor = (
        next(iter(found.values()))
        if len(found) == 1
        else BestOf(list(found.items()), n_folds=_CHOICE_FOLDS, random_state=settings.seed)
    )
    ridge = make_pipeline(StandardScaler(), RidgeCV(_ALPHAS))
    return {
        DEFAULT: TableRegressor(regressor, log_targets=settings.log_targets),
        RIDGE: TableRegressor(ridge, log_targets="never"),
        MEAN: TableRegressor(DummyRegressor(), log_targets="never"),
    }


def count_fits(rows: TargetRows, settings: StudySettings) -> int:
    """Return how many models :func:`validate` fits, for the display of progress."""
    per_plan = sum(plan.n_repeats * plan.n_folds for plan in rows.plans.values())
    return 3 * per_plan + 1 + settings.three_numbers * 20 + 10


def validate(
    rows: TargetRows,
    settings: StudySettings,
    stages: Stages,
    tick: Callable[[int, str], None],
) -> Validated:
    """Validate the candidates for one target and fit the default to all its rows.

    Parameters
    ----------
    rows : TargetRows
    settings : StudySettings
    stages : Stages
        Finished parts; what is there is not computed again.
    tick : callable
        Called with (number of fits finished, what) after each part.
    """
    name, unit = rows.column.name, rows.column.unit
    models = candidates(len(rows.y), settings)
    scored: dict[str, CrossValidation] = {}
    fold_states = None
    for protocol, plan in rows.plans.items():
        parts = []
        for label, model in models.items():
            keep = protocol == "honest" and label == DEFAULT
            stage = f"{_slug(rows.column)}-{protocol}-{list(models).index(label)}"
            fits = plan.n_repeats * plan.n_folds
            tick(0, f"{name}: {label}, {_spoken(protocol)}")
            value, states = _cross_validated(
                stages, stage, {label: model}, rows, plan, keep, settings.jobs
            )
            fold_states = states or fold_states
            parts.append(value)
            tick(fits, f"{name}: {label}, {_spoken(protocol)}")
        scored[protocol] = _merged(parts)
    honest = scored["honest"]

    tick(0, f"{name}: fit to all rows")
    state = stages.state(
        f"{_slug(rows.column)}-full",
        lambda: _fitted(models[DEFAULT], rows).to_state(),
    )
    assert fold_states is not None
    predictor = CrossConformalRegressor.from_cross_validation(
        restore(state),
        [restore(fold_states.part(part)) for part in fold_states.parts],
        rows.honest.fold_of_row[0],
        rows.y,
        honest.predictions[DEFAULT][0],
        level=settings.level,
    )
    tick(1, f"{name}: fit to all rows")

    check = None
    honest_r2 = honest.scores(DEFAULT)["r2"]
    if settings.three_numbers:
        tick(0, f"{name}: the published protocol, also on shuffled targets")
        check = stages.value(
            f"{_slug(rows.column)}-three",
            lambda: _three_numbers(rows, settings, honest_r2.mean).to_dict(),
        )
        tick(20, f"{name}: the published protocol, also on shuffled targets")

    tick(0, f"{name}: coverage of the intervals")
    measured = stages.value(
        f"{_slug(rows.column)}-intervals",
        lambda: _held_out_intervals(models[DEFAULT], rows, settings),
    )
    tick(10, f"{name}: coverage of the intervals")

    judged = verdict(honest, DEFAULT, MEAN, unit=unit)
    results = {
        "name": name,
        "unit": unit,
        "n_rows": len(rows.y),
        "model": _described_model(predictor.estimator_, models[DEFAULT]),
        "log_scale": bool(np.any(predictor.estimator_.log_targets_)),
        "mean": float(rows.y.mean()),
        "sd": float(rows.y.std(ddof=1)),
        "protocols": {
            key: None if key not in rows.plans else _described(rows.plans[key])
            for key in ("honest", "random")
        },
        "scores": _score_table(scored),
        "verdict": {"skill": judged.skill, "sentence": judged.sentence},
        "protocol_gap": _gap(scored, rows),
        "three_numbers": check,
        "interval": _interval(predictor, rows, settings.level, measured),
        "held_out": _held_out(measured, honest, rows),
    }
    return Validated(results, predictor)


def _cross_validated(
    stages: Stages,
    stage: str,
    models: dict[str, TableRegressor],
    rows: TargetRows,
    plan: FoldPlan,
    keep: bool,
    jobs: int | None,
) -> tuple[CrossValidation, State | None]:
    """Return held-out predictions and, where they are kept, the states of the fold models."""
    kept: dict[str, State] = {}

    def compute() -> Any:
        found = cross_validate(
            models, rows.X, rows.y, plan, keep_models_of=tuple(models) if keep else (), n_jobs=jobs
        )
        if keep:
            fold_models = found.models[next(iter(models))]
            kept.update({f"fold_{i}": model.to_state() for i, model in enumerate(fold_models)})
        return found.to_dict()

    if keep:
        # The fold models are written first: predictions without them would look finished.
        def compute_states() -> State:
            kept["values"] = State("Values", {"json": compute()})
            return State("FoldModels", parts=kept)

        whole = stages.state(stage, compute_states)
        value = whole.part("values").get("json")
        parts = {key: part for key, part in whole.parts.items() if key != "values"}
        return CrossValidation.from_dict(value), State("FoldModels", parts=parts)
    return CrossValidation.from_dict(stages.value(stage, compute)), None


def _fitted(model: TableRegressor, rows: TargetRows) -> TableRegressor:
    fitted: TableRegressor = clone(model).fit(rows.X, rows.y)
    return fitted


def _three_numbers(rows: TargetRows, settings: StudySettings, honest_r2: float) -> ThreeNumbers:
    n = len(rows.y)
    amount = max(100, _PAPER_ROWS // (n * (n - 1)) * 100)
    per_pair = 2 * amount // 100
    sampler = SmoteReg(
        n_combination=2,
        amount=amount,
        k_neighbors=1,
        max_combinations=max(1, _PAPER_ROWS // per_pair),
        random_state=settings.seed,
    )
    network = DenseRegressor(
        n_members=1,
        n_steps=2_000,
        weight_decay=0.0,
        device=settings.device,
        random_state=settings.seed,
    )
    X = np.asarray(TableEncoder().fit_transform(rows.X), dtype=float)
    return three_number_check(
        X,
        rows.y,
        sampler=sampler,
        network=network,
        honest_r2=honest_r2,
        random_state=settings.seed,
    )


def _score_table(scored: dict[str, CrossValidation]) -> list[dict[str, Any]]:
    honest = scored["honest"]
    order = [
        DEFAULT,
        *(n for n in honest.predictions if n not in (DEFAULT, RIDGE, MEAN)),
        RIDGE,
        MEAN,
    ]
    return [
        {
            "model": label,
            "is_default": label == DEFAULT,
            "is_baseline": label in (RIDGE, MEAN),
            "honest": _scores(honest, label),
            "random": _scores(scored["random"], label) if "random" in scored else None,
        }
        for label in order
    ]


def _scores(found: CrossValidation, label: str) -> dict[str, Any]:
    return {name: score.to_dict() for name, score in found.scores(label).items()}


def _described_model(fitted: TableRegressor, asked: TableRegressor) -> str:
    """Return what the default model is after fitting, in words."""
    regressor = fitted.regressor_
    if isinstance(regressor, SmallTableRegressor):
        weights = zip(MEMBER_NAMES, regressor.weights_[0], strict=True)
        shares = ", ".join(f"{name} {weight:.2f}" for name, weight in weights)
        what = f"an average weighted by leave-out error ({shares})"
    elif isinstance(regressor, TreeEnsemble):
        what = f"{regressor.n_trees} trees ({regressor.method.replace('_', ' ')})"
    else:
        what = f"the average of {regressor.n_members} dense networks"
    if isinstance(asked.regressor, BestOf):
        names = ", ".join(name for name, _ in asked.regressor.candidates or ())
        what += f", chosen inside each training set among {names}"
    return what


def _described(plan: FoldPlan) -> dict[str, Any]:
    return {"text": plan.describe(), "n_folds": plan.n_folds, "n_repeats": plan.n_repeats}


def _gap(scored: dict[str, CrossValidation], rows: TargetRows) -> dict[str, str] | None:
    if "random" not in scored or rows.honest.n_groups is None:
        return None
    sentence = gap_sentence(
        scored["random"].scores(DEFAULT)["r2"].mean,
        scored["honest"].scores(DEFAULT)["r2"].mean,
        rows.honest.group_name or "group",
        rows.honest.n_groups,
    )
    return None if sentence is None else {"sentence": sentence}


def _held_out_intervals(
    model: TableRegressor, rows: TargetRows, settings: StudySettings
) -> dict[str, list[float] | None]:
    """Return an interval for each row from models and residuals that never saw its fifth."""
    fold = rows.honest.fold_of_row[0]
    fold = fold * min(_COVERAGE_FOLDS, rows.honest.n_folds) // rows.honest.n_folds
    if len(np.unique(fold)) >= 3:
        lower, upper = held_out_cv_plus(
            model, rows.X, rows.y, fold, settings.level, n_jobs=settings.jobs
        )
        if np.isfinite(lower).all() and np.isfinite(upper).all():
            return {"lower": lower.tolist(), "upper": upper.tolist()}
    return {"lower": None, "upper": None}


def _interval(
    predictor: CrossConformalRegressor,
    rows: TargetRows,
    level: float,
    measured: dict[str, list[float] | None],
) -> dict[str, Any]:
    """Return width and measured coverage of the intervals.

    Where there are too few rows to measure coverage, the width is that of the intervals the
    predictor gives at its own rows.
    """
    n, unit = len(rows.y), rows.column.unit
    coverage = mean_width = None
    too_few = n < minimum_rows(level)
    if measured["lower"] is not None and measured["upper"] is not None:
        lower, upper = np.array(measured["lower"]), np.array(measured["upper"])
        coverage = float(np.mean((rows.y >= lower) & (rows.y <= upper)))
        mean_width = float(np.mean(upper - lower))
    elif not too_few:
        lower, upper = predictor.predict_interval(rows.X, level)
        mean_width = float(np.mean(upper - lower))
    grouped = rows.honest.kind == "groups"
    return {
        "level": level,
        "method": "CV+" if rows.honest.n_folds < n else "jackknife+",
        "coverage": coverage,
        "n_rows": n,
        "mean_width": mean_width,
        "width_in_sd": None if mean_width is None else mean_width / float(rows.y.std(ddof=1)),
        "too_few_rows": too_few,
        "sentence": interval_sentence(
            level, coverage, n, mean_width, unit, too_few, minimum_rows(level), grouped
        ),
    }


def _held_out(
    measured: dict[str, list[float] | None], honest: CrossValidation, rows: TargetRows
) -> dict[str, Any]:
    return {
        "rows": [int(row) for row in rows.X.index],
        "measured": rows.y.tolist(),
        "predicted": honest.predictions[DEFAULT].mean(axis=0).tolist(),
        **measured,
    }


def _merged(parts: list[CrossValidation]) -> CrossValidation:
    """Return the predictions of several candidates under one plan as one result."""
    return CrossValidation(
        y=parts[0].y,
        plan=parts[0].plan,
        predictions={name: rows for part in parts for name, rows in part.predictions.items()},
        members={name: names for part in parts for name, names in part.members.items()},
    )


def _slug(column: Column) -> str:
    """Return a file name that is safe whatever the column is called."""
    return hashlib.sha256(column.name.encode()).hexdigest()[:12]


def _spoken(protocol: str) -> str:
    return "held-out folds" if protocol == "honest" else "random folds, for comparison"
