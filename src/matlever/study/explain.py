"""Which knob matters for one target, and what happens when knobs are turned, alone and in pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from matlever.exceptions import SettingsError
from matlever.explanation import explain, nearest_known, strongest_pairs, sweep, sweep_pair
from matlever.knobs import TableEditor
from matlever.study.rows import spread_rows
from matlever.study.target import TargetRows
from matlever.study.words import NO_SKILL
from matlever.validation import CrossConformalRegressor

__all__ = ["calls_around", "neighbouring", "paired", "swept", "weighed"]

_ROWS_WEIGHED = 300
_CALLS = 60_000
# Rotations of the design around each row: from four on they say something about the spread.
_FEWEST_ROTATIONS, _MOST_ROTATIONS = 4, 20
_ROWS_SWEPT = 20
_SWEEP_VALUES = 21
_PAIRS_SHOWN = 2
_PAIR_VALUES = 13
_ROWS_COMPARED = 20
_KEPT = (
    "method",
    "estimand",
    "radius",
    "knobs",
    "units",
    "rows",
    "slope_standardised",
    "slope",
    "spread",
    "spread_over",
    "r2",
    "correlation",
    "nwise",
    "fidelity_at",
    "unseen",
    "overall",
    "sentence",
    "warnings",
)


def weighed(
    predictor: CrossConformalRegressor,
    editor: TableEditor,
    rows: TargetRows,
    reference: pd.DataFrame,
    seed: int,
    skill: str,
) -> dict[str, Any]:
    """Return the local weights of every knob at every row, and their overall importance.

    The `reference` rows show how far each knob usually goes.
    """
    samples = rows.X.iloc[spread_rows(rows.y, _ROWS_WEIGHED)]
    found = explain(
        predictor,
        editor,
        samples,
        reference=reference,
        n_calls=calls_around(len(rows.X), len(editor.space)),
        random_state=seed,
        targets=[rows.column.label],
        target_units=[rows.column.unit],
    )
    weights = found.to_dict()
    if skill == "none":
        weights["sentence"] += " " + NO_SKILL
    return {key: weights[key] for key in _KEPT}


def calls_around(n_rows: int, n_knobs: int) -> int:
    """Return how often the model is asked around each row of a study with `n_rows` rows.

    Some rotations of the default design, fewer where there are many rows.
    """
    points = 2 * 4 * -(-n_knobs // 4)
    n_weighed = min(n_rows, _ROWS_WEIGHED)
    rotations = np.clip(_CALLS // (n_weighed * points), _FEWEST_ROTATIONS, _MOST_ROTATIONS)
    return int(rotations) * points + 1


def swept(
    predictor: CrossConformalRegressor, editor: TableEditor, rows: TargetRows, intervals: bool
) -> list[dict[str, Any]]:
    """Return, for every knob, the predictions while it alone moves through its range.

    With `intervals` their mean limits are returned as well.
    """
    samples = rows.X.iloc[spread_rows(rows.y, _ROWS_SWEPT)]
    found = sweep(
        predictor,
        editor,
        samples,
        n_values=_SWEEP_VALUES,
        interval=predictor.predict_interval if intervals else None,
        reference=rows.X,
        targets=[rows.column.label],
    )
    result: list[dict[str, Any]] = found.to_dict()["sweeps"]
    return result


def paired(
    predictor: CrossConformalRegressor, editor: TableEditor, rows: TargetRows
) -> list[dict[str, Any]]:
    """Return maps of the two pairs of knobs that act together most; none where there is no pair."""
    samples = rows.X.iloc[spread_rows(rows.y, _ROWS_SWEPT)]
    label = [rows.column.label]
    try:
        ranked = strongest_pairs(
            predictor, editor, samples, _PAIRS_SHOWN, reference=rows.X, targets=label
        )
    except SettingsError:  # one knob, or none that moves beside another
        return []
    return [
        sweep_pair(
            predictor, editor, samples, pair, _PAIR_VALUES, reference=rows.X, targets=label
        ).to_dict()
        for pair in ranked
    ]


def neighbouring(
    editor: TableEditor, rows: TargetRows, held_out: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return the other known row nearest to each of the rows that are predicted worst.

    Parameters
    ----------
    editor : TableEditor
    rows : TargetRows
    held_out : mapping
        Measured values and out-of-fold predictions of these rows, in their order.
    """
    if len(rows.X) < 2:
        return None
    miss = np.abs(np.subtract(held_out["measured"], held_out["predicted"]))
    worst = np.argsort(-miss, kind="stable")[:_ROWS_COMPARED]
    found = nearest_known(editor, rows.X.iloc[worst], rows.X, 1, outcomes=rows.y, exclude_self=True)
    return {
        "rows": list(found.rows),
        "nearest": [labels[0] for labels in found.labels],
        "measured": [] if found.outcomes is None else found.outcomes[:, 0, 0].tolist(),
        "distance": found.distance[:, 0].tolist(),
        "radius": found.radius,
        "sentences": [found.sentence_of(i) for i in range(len(found.rows))],
    }
