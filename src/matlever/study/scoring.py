"""Figures and sentences of one target's part of the results."""

from __future__ import annotations

from typing import Any

import numpy as np

from matlever.study.kinds.tables import DEFAULT, MEAN, RIDGE
from matlever.study.target import TargetRows
from matlever.study.words import gap_sentence, interval_sentence
from matlever.validation import (
    CrossConformalRegressor,
    CrossValidation,
    FoldPlan,
    minimum_rows,
)

__all__ = [
    "described_plan",
    "has_intervals",
    "held_out_part",
    "interval_part",
    "protocol_gap",
    "score_table",
]


def score_table(scored: dict[str, CrossValidation]) -> list[dict[str, Any]]:
    """Return the scores of all models, the default first, the baselines last."""
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


def described_plan(plan: FoldPlan) -> dict[str, Any]:
    """Return the protocol in words and numbers."""
    return {"text": plan.describe(), "n_folds": plan.n_folds, "n_repeats": plan.n_repeats}


def protocol_gap(scored: dict[str, CrossValidation], rows: TargetRows) -> dict[str, str] | None:
    """Return what random folds flatter, in words, where they do."""
    if "random" not in scored or rows.honest.n_groups is None:
        return None
    sentence = gap_sentence(
        scored["random"].scores(DEFAULT)["r2"].mean,
        scored["honest"].scores(DEFAULT)["r2"].mean,
        rows.honest.group_name or "group",
        rows.honest.n_groups,
    )
    return None if sentence is None else {"sentence": sentence}


def interval_part(
    predictor: CrossConformalRegressor,
    rows: TargetRows,
    level: float,
    measured: dict[str, list[float] | None],
    n_parts: int,
) -> dict[str, Any]:
    """Return width and measured coverage of the intervals.

    Coverage is that of intervals made without the part of the rows they are held against; the
    width is that of the intervals the predictor gives.
    """
    n, unit = len(rows.y), rows.column.unit
    coverage = mean_width = factor = None
    if has_intervals(rows, level):
        lower, upper = predictor.predict_interval(rows.X, level)
        mean_width = float(np.mean(upper - lower))
        if predictor.log_scale:
            factor = float(np.exp(np.mean(np.log(upper) - np.log(lower)) / 2))
        if measured["lower"] is not None and measured["upper"] is not None:
            inside = (rows.y >= measured["lower"]) & (rows.y <= measured["upper"])
            coverage = float(np.mean(inside))
    return {
        "level": level,
        "method": "CV+" if rows.honest.n_folds < n else "jackknife+",
        "coverage": coverage,
        "n_rows": n,
        "mean_width": mean_width,
        "factor": factor,
        "width_in_sd": None if mean_width is None else mean_width / float(rows.y.std(ddof=1)),
        "too_few_rows": mean_width is None,
        "sentence": interval_sentence(
            level, coverage, mean_width, factor, unit, n_parts, minimum_rows(level), _counted(rows)
        ),
    }


def has_intervals(rows: TargetRows, level: float) -> bool:
    """Return whether there are enough things that were held out apart for an interval."""
    return rows.honest.n_units >= minimum_rows(level)


def _counted(rows: TargetRows) -> tuple[int, str]:
    """Return how many things stand for themselves, and what they are called."""
    n_units = rows.honest.n_units
    if rows.honest.kind == "groups":
        return n_units, "groups"
    return n_units, "rows" if n_units == len(rows.y) else "different settings"


def held_out_part(
    measured: dict[str, list[float] | None], honest: CrossValidation, rows: TargetRows
) -> dict[str, Any]:
    """Return measured and predicted values of rows held out, with their intervals."""
    return {
        "rows": [int(row) for row in rows.X.index],
        "measured": rows.y.tolist(),
        "predicted": honest.predictions[DEFAULT].mean(axis=0).tolist(),
        **measured,
    }
