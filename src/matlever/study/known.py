"""The rows a study learned from and the knobs they came with, kept with its model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from matlever.exceptions import ModelFileError, SettingsError
from matlever.knobs import TableEditor
from matlever.storage import State
from matlever.tables import Column

__all__ = ["KnownRows"]

_KIND = "KnownRows"


@dataclass(frozen=True, eq=False)
class KnownRows:
    """Known settings, their measured outcomes, and what can be turned.

    Parameters
    ----------
    editor : TableEditor
        The knobs with the limits, steps and costs its user set.
    observed : TableEditor
        The knobs with the limits of the data.
    samples : DataFrame of shape (n, n_inputs)
        Inputs by name; the index holds line numbers of the file.
    outcomes : DataFrame of shape (n, n_targets)
        Measured targets on the same index; NaN where one was not measured.
    """

    editor: TableEditor
    observed: TableEditor
    samples: pd.DataFrame
    outcomes: pd.DataFrame

    def __repr__(self) -> str:
        return f"KnownRows({len(self.samples)} rows of {', '.join(self.samples.columns)})"

    def measured(self, target: str) -> tuple[pd.DataFrame, pd.Series[float]]:
        """Return the inputs and the outcomes of the rows where a target was measured."""
        outcomes = self.outcomes[target]
        there = outcomes.notna()
        return self.samples.loc[there], outcomes.loc[there]

    def to_state(self) -> State:
        """Return the rows bit by bit: numbers as arrays, words as positions in their levels."""
        arrays: dict[str, Any] = {"rows": self.samples.index.to_numpy(dtype=np.int64)}
        levels: list[list[str] | None] = []
        for position, name in enumerate(self.samples.columns):
            cells = self.samples[name]
            if pd.api.types.is_numeric_dtype(cells):
                _put(arrays, f"input_{position}", cells.to_numpy(dtype=np.float64))
                levels.append(None)
            else:
                codes, words = pd.factorize(cells, sort=True)
                arrays[f"input_{position}"] = codes.astype(np.int64)  # -1 where missing
                levels.append([str(word) for word in words])
        for position, name in enumerate(self.outcomes.columns):
            _put(arrays, f"target_{position}", self.outcomes[name].to_numpy(dtype=np.float64))
        config = {
            "editor": self.editor.to_dict(),
            "observed": self.observed.to_dict(),
            "levels": levels,
        }
        return State(_KIND, config, arrays)

    @classmethod
    def from_state(
        cls, state: State, inputs: Sequence[Column], targets: Sequence[Column]
    ) -> KnownRows:
        """Rebuild the rows and check that they fit the columns of the model.

        Raises
        ------
        ModelFileError
            If anything is missing or contradicts the columns.
        """
        if state.kind != _KIND:
            raise ModelFileError(f"The known rows of the model are a {state.kind!r}.")
        names = [column.name for column in inputs]
        editors = [_editor(state, key, names) for key in ("editor", "observed")]
        rows = state.array("rows", (None,), np.int64)
        if not len(rows) or len(np.unique(rows)) < len(rows):
            raise ModelFileError("The known rows of the model are none, or one twice.")
        index = pd.Index(rows, name="row")
        levels = state.get("levels")
        if not isinstance(levels, list) or len(levels) != len(inputs):
            raise ModelFileError("The levels of the known rows do not fit the inputs.")
        cells: Mapping[str, Any] = {
            name: _words(state, position, words, len(rows))
            if words is not None
            else _take(state, f"input_{position}", len(rows))
            for position, (name, words) in enumerate(zip(names, levels, strict=True))
        }
        outcomes = {
            column.name: _take(state, f"target_{position}", len(rows))
            for position, column in enumerate(targets)
        }
        return cls(
            editors[0],
            editors[1],
            pd.DataFrame(
                {
                    name: pd.Series(values, index, dtype="str" if words is not None else "float64")
                    for (name, values), words in zip(cells.items(), levels, strict=True)
                }
            ),
            pd.DataFrame(outcomes, index=index),
        )


def _put(arrays: dict[str, Any], name: str, values: np.ndarray[Any, Any]) -> None:
    """Store numbers; which of them are missing is stored beside them."""
    missing = np.isnan(values)
    arrays[name] = np.where(missing, 0.0, values)
    arrays[f"{name}_missing"] = missing


def _take(state: State, name: str, n: int) -> np.ndarray[Any, Any]:
    values = state.array(name, (n,), np.float64)
    return np.where(state.array(f"{name}_missing", (n,), np.bool_), np.nan, values)


def _words(state: State, position: int, words: Any, n: int) -> list[str | None]:
    codes = state.array(f"input_{position}", (n,), np.int64)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ModelFileError("The levels of the known rows are not all text.")
    if len(codes) and (codes.min() < -1 or codes.max() >= len(words)):
        raise ModelFileError("A known row has a level that does not exist.")
    return [None if code < 0 else words[code] for code in codes.tolist()]


def _editor(state: State, key: str, names: Sequence[str]) -> TableEditor:
    described = state.get(key)
    if not isinstance(described, dict):
        raise ModelFileError("The knobs of the model are not described by an object.")
    try:
        editor = TableEditor.from_dict(described)
    except SettingsError as error:
        raise ModelFileError(f"The knobs of the model are broken: {error}") from error
    if list(editor.columns) != list(names) or not set(editor.space.names) <= set(names):
        raise ModelFileError(f"The knobs of the model are not its inputs {list(names)}.")
    return editor
