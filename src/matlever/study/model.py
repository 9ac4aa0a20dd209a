"""The fitted models of a study, one per target, with their intervals, as one thing to keep."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from matlever.exceptions import ModelFileError, SettingsError
from matlever.storage import State, read_model, write_model
from matlever.study.kinds import DataKind, TableKind, kind_from_state
from matlever.study.known import KnownRows
from matlever.study.one_target import TargetModel
from matlever.tables import Column
from matlever.validation import CrossConformalRegressor

__all__ = ["StudyModel"]

Array = NDArray[np.float64]

_KIND = "StudyModel"


class StudyModel:
    """Predicts every target of a study, with intervals, from the inputs of its table.

    Parameters
    ----------
    inputs : sequence of Column
        The inputs, with the limits and levels seen in the data.
    targets : sequence of Column
        The targets, in the order of `predictors`.
    predictors : mapping of str to CrossConformalRegressor
        Fitted predictor of each target.
    level : float
        Nominal coverage of the intervals unless another is asked for.
    n_units : mapping of str to int, optional
        By target, how many rows (groups, different settings) stand for themselves: where there
        are too few for a level no interval is given. Default: the number of rows.
    factors : mapping of str to float, optional
        By target, what the model's own standard deviation is multiplied by; default 1.
    known : KnownRows, optional
        The rows it was fitted to, and the knobs; a model may be without them.
    kind : DataKind, optional
        What its rows describe; default the rows of a table.
    """

    def __init__(
        self,
        inputs: Sequence[Column],
        targets: Sequence[Column],
        predictors: Mapping[str, CrossConformalRegressor],
        level: float = 0.9,
        n_units: Mapping[str, int] | None = None,
        factors: Mapping[str, float] | None = None,
        known: KnownRows | None = None,
        kind: DataKind | None = None,
    ) -> None:
        self.inputs = tuple(inputs)
        self.targets = tuple(targets)
        self.predictors = dict(predictors)
        self.level = level
        self.n_units = {name: len(p.y_) for name, p in self.predictors.items()} | dict(
            n_units or {}
        )
        self.factors = dict.fromkeys(self.predictors, 1.0) | dict(factors or {})
        self.known = known
        self.kind: DataKind = TableKind() if kind is None else kind

    def __repr__(self) -> str:
        names = ", ".join(column.name for column in self.inputs)
        return f"StudyModel({names} -> {', '.join(self.predictors)})"

    @overload
    def predict(self, X: pd.DataFrame, return_std: Literal[False] = False) -> Array: ...
    @overload
    def predict(self, X: pd.DataFrame, return_std: Literal[True]) -> tuple[Array, Array]: ...
    def predict(self, X: pd.DataFrame, return_std: bool = False) -> Array | tuple[Array, Array]:
        """Return predictions of all targets, each in its own unit.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_inputs)
            Columns named as the study's inputs; further columns are ignored.
        return_std : bool, default=False
            Also return standard deviations, see :meth:`TargetModel.predict`.

        Returns
        -------
        mean : ndarray of shape (n_rows, n_targets)
        std : ndarray of the same shape, only with `return_std`

        Raises
        ------
        SettingsError
            If an input is missing from `X`.
        """
        chosen = self._chosen(X)
        if not return_std:
            return np.column_stack([p.predict(chosen) for p in self.predictors.values()])
        both = [self.for_target(name).predict(chosen, return_std=True) for name in self.predictors]
        return np.column_stack([mean for mean, _ in both]), np.column_stack([s for _, s in both])

    def predict_interval(self, X: pd.DataFrame, level: float | None = None) -> tuple[Array, Array]:
        """Return the limits of the predictions of all targets.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_inputs)
        level : float, optional
            Nominal coverage; default that of the study.

        Returns
        -------
        lower, upper : ndarray of shape (n_rows, n_targets)
            Minus and plus infinity where there were too few rows for an interval.
        """
        chosen = self._chosen(X)
        both = [self.for_target(name).predict_interval(chosen, level) for name in self.predictors]
        return np.column_stack([low for low, _ in both]), np.column_stack(
            [high for _, high in both]
        )

    def for_target(self, name: str) -> TargetModel:
        """Return one target, by its name or header, as a predictor of its own.

        Raises
        ------
        SettingsError
            If there is no such target.
        """
        for column in self.targets:
            if name in (column.name, column.header, column.label):
                return TargetModel(
                    column,
                    self.predictors[column.name],
                    self._chosen,
                    self.level,
                    self.n_units[column.name],
                    self.factors[column.name],
                )
        raise SettingsError(f"There is no target {name!r}; there are {list(self.predictors)}.")

    def predict_table(self, X: pd.DataFrame, level: float | None = None) -> pd.DataFrame:
        """Return predictions, intervals and warnings, a row for each row of `X`.

        Columns are, for each target, its name, ``NAME lower`` and ``NAME upper`` (NaN where there
        were too few rows for an interval), and ``outside``: the inputs whose value lies beyond all
        data the model has seen, so that the prediction is that of the nearest seen value.
        """
        chosen = self._chosen(X)
        limits = [
            np.where(np.isfinite(side), side, np.nan)
            for side in self.predict_interval(chosen, level)
        ]
        columns: dict[str, Any] = {}
        for position, (name, predictor) in enumerate(self.predictors.items()):
            columns[name] = predictor.predict(chosen)
            columns[f"{name} lower"], columns[f"{name} upper"] = (
                side[:, position] for side in limits
            )
        columns["outside"] = self.outside(chosen)
        return pd.DataFrame(columns, index=X.index)

    def outside(self, X: pd.DataFrame) -> list[str]:
        """Return, for each row, the names of the inputs that lie outside the data, joined by ;."""
        flags = np.zeros((len(X), len(self.inputs)), dtype=bool)
        for position, column in enumerate(self.inputs):
            values = X[column.name]
            if column.kind == "categorical":
                flags[:, position] = ~values.isin(list(column.levels))
            elif column.lower is not None and column.upper is not None:
                numbers = values.to_numpy(dtype=float)
                flags[:, position] = (numbers < column.lower) | (numbers > column.upper)
        names = np.array([column.name for column in self.inputs], dtype=object)
        return ["; ".join(names[row]) for row in flags]

    def _chosen(self, X: pd.DataFrame) -> pd.DataFrame:
        names = [column.name for column in self.inputs]
        X = X.rename(columns={c.header: c.name for c in self.inputs if c.name not in X.columns})
        absent = [name for name in names if name not in X.columns]
        if absent:
            raise SettingsError(
                f"The model needs the inputs {names}; these are missing: {absent}. "
                f"Given: {list(X.columns)}."
            )
        return X[names]

    def save(self, folder: str | os.PathLike[str], card: Mapping[str, Any] | None = None) -> None:
        """Write a model folder (JSON and safetensors, no pickle)."""
        described = {
            "inputs": [column.to_dict() for column in self.inputs],
            "targets": [column.to_dict() for column in self.targets],
            **(card or {}),
        }
        write_model(folder, self.to_state(), described)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> StudyModel:
        """Read a model folder written by :meth:`save`.

        Raises
        ------
        ModelFileError
            If the folder is damaged, was changed, or holds something else.
        """
        return cls.from_state(read_model(folder)[0])

    def to_state(self) -> State:
        """Return everything needed to rebuild the model."""
        return State(
            _KIND,
            {
                "level": self.level,
                "n_units": [self.n_units[name] for name in self.predictors],
                "factors": [self.factors[name] for name in self.predictors],
                "inputs": [column.to_dict() for column in self.inputs],
                "targets": [column.to_dict() for column in self.targets],
            },
            parts={
                f"target_{position}": predictor.to_state()
                for position, predictor in enumerate(self.predictors.values())
            }
            | ({} if self.known is None else {"known": self.known.to_state()})
            | {"kind": self.kind.to_state()},
        )

    @classmethod
    def from_state(cls, state: State) -> StudyModel:
        """Rebuild the model; predictions are bitwise those of the original."""
        if state.kind != _KIND:
            raise ModelFileError(f"The folder holds a {state.kind!r}, not the model of a study.")
        inputs = _columns(state, "inputs")
        targets = _columns(state, "targets")
        level = state.get("level")
        if not isinstance(level, float) or not 0 < level < 1:
            raise ModelFileError(f"The level of the intervals is {level!r}.")
        # Model folders written before 0.2 are all of tables.
        kind = kind_from_state(state.part("kind")) if "kind" in state.parts else TableKind()
        predictors = {
            column.name: CrossConformalRegressor.from_state(
                state.part(f"target_{position}"), kind.restore
            )
            for position, column in enumerate(targets)
        }
        n_units = state.get("n_units")
        if not isinstance(n_units, list) or [type(n) for n in n_units] != [int] * len(targets):
            raise ModelFileError(f"The numbers of independent rows are {n_units!r}.")
        # Model folders written before 0.2 hold neither factors nor known rows.
        factors = state.config.get("factors", [1.0] * len(targets))
        if not isinstance(factors, list) or not all(
            isinstance(f, float) and f > 0 for f in factors
        ):
            raise ModelFileError(f"The factors of the standard deviations are {factors!r}.")
        names = [column.name for column in inputs]
        for predictor in predictors.values():
            if list(getattr(predictor, "feature_names_in_", [])) != names:
                raise ModelFileError(f"The predictors were not fitted to the inputs {names}.")
        known = None
        if "known" in state.parts:
            known = KnownRows.from_state(state.part("known"), inputs, targets)
        return cls(
            inputs,
            targets,
            predictors,
            level,
            dict(zip(predictors, n_units, strict=True)),
            dict(zip(predictors, factors, strict=False)),
            known,
            kind,
        )


def _columns(state: State, name: str) -> tuple[Column, ...]:
    """Rebuild the columns stored as `name`."""
    values = state.get(name)
    if not isinstance(values, list) or not values:
        raise ModelFileError(f"The model file lists no {name}.")
    columns = tuple(Column.from_dict(value) for value in values)
    if len({column.name for column in columns}) < len(columns):
        raise ModelFileError(f"The model file lists one of its {name} twice.")
    return columns
