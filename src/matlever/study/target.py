"""The rows of one target, and how they are held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from matlever.exceptions import NotEnoughDataError
from matlever.study.settings import StudySettings
from matlever.tables import Column, Table
from matlever.validation import FoldPlan, input_blocks, plan_folds

__all__ = ["DEFAULT_FOLDS", "TargetRows", "target_rows"]

DEFAULT_FOLDS = 10
_LEAST_TRAINING_ROWS = 3


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


def target_rows(table: Table, column: Column, settings: StudySettings) -> TargetRows:
    """Return the rows where `column` was measured, with the plans of the folds."""
    y = table.targets[column.name].to_numpy(dtype=float)
    measured = np.isfinite(y)
    X = table.inputs.loc[measured]
    blocks = input_blocks(X)
    groups = None if table.groups is None else table.groups.loc[measured]
    options: dict[str, Any] = {
        "n_folds": settings.folds or DEFAULT_FOLDS,
        "n_repeats": settings.repeats,
        "random_state": settings.seed,
    }
    random = plan_folds(len(X), blocks=blocks, **options)
    # A setting may recur in several groups (a design run on several days): how well it is
    # predicted for a new group is the question, so groups are not tied together by settings.
    honest = random if groups is None else plan_folds(len(X), groups=groups, **options)
    least = min(len(train) for train, _ in honest)
    if least < _LEAST_TRAINING_ROWS:
        what = f"the largest group of {groups.name!r}" if groups is not None else "a fold"
        raise NotEnoughDataError(
            f"{table.source}: holding out {what} leaves {least} row(s) of {column.name!r} to learn "
            f"from; {_LEAST_TRAINING_ROWS} are needed. Use another group column or none, or add "
            "rows."
        )
    return TargetRows(column, X, y[measured], honest, None if groups is None else random)
