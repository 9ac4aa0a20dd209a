"""The rows of one target, how they are held out, and the models that are tried on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from matlever.exceptions import NotEnoughDataError
from matlever.study.settings import StudySettings
from matlever.tables import Column, SmallTableRegressor, Table, TableRegressor, TreeEnsemble
from matlever.tables.models import candidate_regressors
from matlever.tables.small_table import MEMBER_NAMES
from matlever.validation import BestOf, FoldPlan, input_blocks, plan_folds

__all__ = [
    "DEFAULT",
    "MEAN",
    "RIDGE",
    "TargetRows",
    "candidates",
    "described_model",
    "target_rows",
]

DEFAULT = "matlever default"
RIDGE = "ridge regression"
MEAN = "mean of the training rows"

# Folds of the choice between models of larger tables, inside each training set.
_CHOICE_FOLDS = 3
_LEAST_TRAINING_ROWS = 3
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


def target_rows(table: Table, column: Column, settings: StudySettings) -> TargetRows:
    """Return the rows where `column` was measured, with the plans of the folds."""
    y = table.targets[column.name].to_numpy(dtype=float)
    measured = np.isfinite(y)
    X = table.inputs.loc[measured]
    blocks = input_blocks(X)
    groups = None if table.groups is None else table.groups.loc[measured]
    options: dict[str, Any] = {
        "n_folds": settings.folds,
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


def candidates(n_rows: int, settings: StudySettings) -> dict[str, TableRegressor]:
    """Return the models that are scored: the default and the two every score is seen against."""
    found = candidate_regressors(n_rows, settings.seed)
    wanted = {"n_jobs": -1 if settings.jobs is None else settings.jobs, "device": settings.device}
    for regressor in found.values():
        known = regressor.get_params()
        regressor.set_params(**{name: value for name, value in wanted.items() if name in known})
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


def described_model(fitted: TableRegressor, asked: TableRegressor) -> str:
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
