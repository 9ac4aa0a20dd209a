"""How well one target is predicted: cross-validation, the final fit, intervals, the check."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from matlever.storage import State
from matlever.study.kinds import DataKind
from matlever.study.kinds.tables import DEFAULT, MEAN
from matlever.study.published import published_network, published_sampler
from matlever.study.scoring import (
    described_plan,
    has_intervals,
    held_out_part,
    interval_part,
    protocol_gap,
    score_table,
)
from matlever.study.settings import StudySettings
from matlever.study.stages import Stages
from matlever.study.target import TargetRows
from matlever.tables import AugmentedRegressor, Column, TableEncoder, TableRegressor
from matlever.validation import (
    CrossConformalRegressor,
    CrossValidation,
    FoldPlan,
    ThreeNumbers,
    cross_validate,
    held_out_cv_plus,
    three_number_check,
    verdict,
)

__all__ = ["Validated", "count_fits", "validate"]

# Coverage is measured by setting aside a fifth of the rows at a time: ten fits.
_COVERAGE_FOLDS = 5


@dataclass(frozen=True)
class Validated:
    """What validation of one target gives: its part of the results, and the predictor."""

    results: dict[str, Any]
    predictor: CrossConformalRegressor
    has_intervals: bool


def count_fits(rows: TargetRows, settings: StudySettings, kind: DataKind) -> int:
    """Return how many models :func:`validate` fits, for the display of progress."""
    per_plan = sum(plan.n_repeats * plan.n_folds for plan in rows.plans.values())
    return 3 * per_plan + 1 + (settings.three_numbers and kind.has_three_numbers) * 30 + 10


def validate(
    rows: TargetRows,
    settings: StudySettings,
    kind: DataKind,
    stages: Stages,
    tick: Callable[[int, str], None],
) -> Validated:
    """Validate the candidates for one target and fit the default to all its rows.

    Parameters
    ----------
    rows : TargetRows
    settings : StudySettings
    kind : DataKind
        What the rows describe, and which models are tried on them.
    stages : Stages
        Finished parts; what is there is not computed again.
    tick : callable
        Called with (number of fits finished, what) after each part.
    """
    name, unit = rows.column.name, rows.column.unit
    models = kind.candidates(len(rows.y), settings)
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
    full = kind.restore(state)
    log_scale = bool(np.any(full.log_targets_))
    predictor = CrossConformalRegressor.from_cross_validation(
        full,
        [kind.restore(fold_states.part(f"fold_{k}")) for k in range(rows.honest.n_folds)],
        rows.honest.fold_of_row[0],
        rows.y,
        honest.predictions[DEFAULT][0],
        level=settings.level,
        log_scale=log_scale,
    )
    tick(1, f"{name}: fit to all rows")

    check = None
    if settings.three_numbers and kind.has_three_numbers:
        tick(0, f"{name}: the published protocol, also on shuffled targets")
        check = stages.value(
            f"{_slug(rows.column)}-three",
            lambda: _three_numbers(rows, settings).to_dict(),
        )
        tick(30, f"{name}: the published protocol, also on shuffled targets")

    tick(0, f"{name}: coverage of the intervals")
    measured = stages.value(
        f"{_slug(rows.column)}-intervals",
        lambda: _held_out_intervals(models[DEFAULT], rows, settings, log_scale),
    )
    tick(10, f"{name}: coverage of the intervals")

    judged = verdict(honest, DEFAULT, MEAN, unit=unit)
    results = {
        "name": name,
        "unit": unit,
        "n_rows": len(rows.y),
        "model": kind.described(predictor.estimator_, models[DEFAULT]),
        "log_scale": log_scale,
        "mean": float(rows.y.mean()),
        "sd": float(rows.y.std(ddof=1)),
        "protocols": {
            key: None if key not in rows.plans else described_plan(rows.plans[key])
            for key in ("honest", "random")
        },
        "scores": score_table(scored),
        "verdict": {"skill": judged.skill, "sentence": judged.sentence},
        "protocol_gap": protocol_gap(scored, rows),
        "three_numbers": check,
        "interval": interval_part(predictor, rows, settings.level, measured, _n_parts(rows)),
        "held_out": held_out_part(measured, honest, rows),
    }
    return Validated(results, predictor, has_intervals(rows, settings.level))


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


def _three_numbers(rows: TargetRows, settings: StudySettings) -> ThreeNumbers:
    """Return the published protocol's claims beside the honest score of the same network."""
    X = np.asarray(TableEncoder().fit_transform(rows.X), dtype=float)
    sampler = published_sampler(len(rows.y), settings.seed)
    network = published_network(settings.seed, device=settings.device)
    inside_the_fold = TableRegressor(AugmentedRegressor(sampler, network), log_targets="never")
    honest = cross_validate(
        {"network": inside_the_fold}, rows.X, rows.y, rows.honest.first_repeat()
    )
    return three_number_check(
        X,
        rows.y,
        sampler=sampler,
        network=network,
        honest_r2=honest.scores("network")["r2"].mean,
        random_state=settings.seed,
    )


def _held_out_intervals(
    model: TableRegressor, rows: TargetRows, settings: StudySettings, log_scale: bool
) -> dict[str, list[float] | None]:
    """Return an interval for each row from models and residuals that never saw its fifth."""
    n_parts = _n_parts(rows)
    fold = rows.honest.fold_of_row[0] * n_parts // rows.honest.n_folds
    if n_parts >= 3 and has_intervals(rows, settings.level):
        lower, upper = held_out_cv_plus(
            model,
            rows.X,
            rows.y,
            fold,
            settings.level,
            log_scale=log_scale,
            n_jobs=settings.jobs,
        )
        if np.isfinite(lower).all() and np.isfinite(upper).all():
            return {"lower": lower.tolist(), "upper": upper.tolist()}
    return {"lower": None, "upper": None}


def _n_parts(rows: TargetRows) -> int:
    """Return in how many parts rows are set aside to measure coverage: whole folds make a part."""
    return min(_COVERAGE_FOLDS, rows.honest.n_folds)


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
