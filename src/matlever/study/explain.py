"""Which knob matters for one target, and what happens when it is turned."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.explanation import explain, sweep
from matlever.knobs import TableEditor
from matlever.study.target import TargetRows
from matlever.study.words import NO_SKILL
from matlever.validation import CrossConformalRegressor

__all__ = ["swept", "weighed"]

_ROWS_WEIGHED = 300
_CALLS = 120_000
_ROWS_SWEPT = 20
_SWEEP_VALUES = 21
_KEPT = (
    "method",
    "knobs",
    "units",
    "rows",
    "slope_standardised",
    "slope",
    "spread",
    "r2",
    "overall",
    "sentence",
    "warnings",
)


def weighed(
    predictor: CrossConformalRegressor, editor: TableEditor, rows: TargetRows, seed: int, skill: str
) -> dict[str, Any]:
    """Return the local weights of every knob at every row, and their overall importance."""
    chosen = _spread_rows(rows.y, _ROWS_WEIGHED)
    samples = rows.X.iloc[chosen]
    n_calls = int(np.clip(_CALLS // len(samples), 100, 1_000))
    found = explain(
        predictor,
        editor,
        samples,
        reference=rows.X,
        design="gaussian-mirrored",
        n_calls=n_calls,
        random_state=seed,
        targets=[rows.column.label],
        target_units=[rows.column.unit],
    )
    weights = found.to_dict()
    if skill == "none":
        weights["sentence"] += " " + NO_SKILL
    return {key: weights[key] for key in _KEPT}


def swept(
    predictor: CrossConformalRegressor, editor: TableEditor, rows: TargetRows, intervals: bool
) -> list[dict[str, Any]]:
    """Return, for every knob, the predictions while it alone moves through its range.

    With `intervals` their mean limits are returned as well.
    """
    samples = rows.X.iloc[_spread_rows(rows.y, _ROWS_SWEPT)]
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


def _spread_rows(y: NDArray[np.float64], n: int) -> NDArray[np.intp]:
    """Return at most `n` row positions spread evenly over the ranks of the target."""
    if len(y) <= n:
        return np.arange(len(y))
    ranks = np.argsort(y, kind="stable")
    return np.sort(ranks[np.linspace(0, len(y) - 1, n).round().astype(int)])
