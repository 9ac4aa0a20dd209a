"""Tables: the columns of a file are the knobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from matlever.knobs import TableEditor
from matlever.storage import State
from matlever.study.settings import StudySettings
from matlever.study.target import DEFAULT_FOLDS
from matlever.tables import (
    Column,
    SmallTableRegressor,
    Table,
    TableRegressor,
    TreeEnsemble,
    read_rows,
    read_table,
    restore,
)
from matlever.tables.models import candidate_regressors
from matlever.tables.small_table import MEMBER_NAMES
from matlever.validation import BestOf

__all__ = ["DEFAULT", "MEAN", "RIDGE", "TableKind", "best_of", "ridge", "settled"]

DEFAULT = "matlever default"
RIDGE = "ridge regression"
MEAN = "mean of the training rows"

# Folds of the choice between models of larger tables, inside each training set.
_CHOICE_FOLDS = 3
_ALPHAS = tuple(np.logspace(-3, 4, 15))


_READING = (
    "group",
    "inputs",
    "ignore",
    "kinds",
    "decimal",
    "delimiter",
    "sheet",
    "encoding",
    "missing",
)


class TableKind:
    """A file with one run in each row."""

    name = "table"
    has_three_numbers = True
    encoder: BaseEstimator | None = None

    def settled(self, settings: StudySettings) -> StudySettings:
        """Return the settings with ten folds where nothing was said."""
        return settings if settings.folds else replace(settings, folds=DEFAULT_FOLDS)

    def read(self, settings: StudySettings) -> Table:
        """Return the checked table."""
        return self.table(settings)

    @staticmethod
    def table(settings: StudySettings, **others: Any) -> Table:
        """Return the table that settings describe, with some of them given otherwise."""
        return read_table(
            settings.file,
            settings.targets,
            **{name: getattr(settings, name) for name in _READING} | others,
        )

    def editor(self, table: Table) -> TableEditor:
        """Return the inputs as knobs."""
        return TableEditor.from_table(table)

    def regressors(self, n_rows: int, settings: StudySettings) -> dict[str, BaseEstimator]:
        """Return the regressors worth comparing, the default first."""
        return candidate_regressors(n_rows, settings.seed)

    def candidates(self, n_rows: int, settings: StudySettings) -> dict[str, TableRegressor]:
        """Return the models that are scored: the default and the two every score is beside."""
        regressor = best_of(settled(self.regressors(n_rows, settings), settings), settings)
        return {
            DEFAULT: TableRegressor(regressor, self.encoder, log_targets=settings.log_targets),
            RIDGE: TableRegressor(ridge(), self.encoder, log_targets="never"),
            MEAN: TableRegressor(DummyRegressor(), log_targets="never"),
        }

    def described(self, fitted: TableRegressor, asked: TableRegressor) -> str:
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

    def restore(self, state: State) -> Any:
        """Rebuild a fitted model."""
        return restore(state)

    def read_rows(self, source: Any, columns: Sequence[Column], **reading: Any) -> pd.DataFrame:
        """Return the inputs of new rows."""
        return read_rows(source, columns, **reading)

    def reference(self, inputs: pd.DataFrame) -> pd.DataFrame:
        """Return the known rows themselves."""
        return inputs

    def doubts(self, rows: pd.DataFrame) -> list[list[str]]:
        """Return nothing: what is within the limits can be set."""
        return [[] for _ in range(len(rows))]

    def to_state(self) -> State:
        """Return that this is a table."""
        return State("TableKind")

    def facts(self) -> Mapping[str, Any]:
        """Return nothing: the columns say it all."""
        return {}


def ridge() -> BaseEstimator:
    """Return ridge regression on standardised inputs, with a penalty chosen by leaving rows out."""
    return make_pipeline(StandardScaler(), RidgeCV(_ALPHAS))


def settled(
    regressors: Mapping[str, BaseEstimator], settings: StudySettings
) -> dict[str, BaseEstimator]:
    """Return the regressors with the threads and the device of a study, where they know them."""
    wanted = {"n_jobs": -1 if settings.jobs is None else settings.jobs, "device": settings.device}
    for regressor in regressors.values():
        known = regressor.get_params()
        regressor.set_params(**{name: value for name, value in wanted.items() if name in known})
    return dict(regressors)


def best_of(regressors: Mapping[str, BaseEstimator], settings: StudySettings) -> BaseEstimator:
    """Return the only regressor, or the choice among several inside each training set."""
    if len(regressors) == 1:
        return next(iter(regressors.values()))
    return BestOf(list(regressors.items()), n_folds=_CHOICE_FOLDS, random_state=settings.seed)
