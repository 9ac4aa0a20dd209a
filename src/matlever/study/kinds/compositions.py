"""Compositions: a column of formulas, whose element fractions are the knobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from matlever.compositions import ELEMENTS, CompositionEncoder, Compositions, parse_formulas
from matlever.compositions.encoder import FRACTION, element_of
from matlever.compositions.restore import restore
from matlever.exceptions import DataError, Fault, ModelFileError, SettingsError
from matlever.knobs import KnobSpace, TableEditor
from matlever.storage import State
from matlever.study.kinds.tables import DEFAULT, RIDGE, TableKind, best_of, ridge, settled
from matlever.study.settings import StudySettings
from matlever.tables import (
    Column,
    Mixture,
    SmallTableRegressor,
    Table,
    TableEncoder,
    TableRegressor,
    TreeEnsemble,
    read_rows,
)
from matlever.validation import BestOf

__all__ = ["SYSTEM", "CompositionKind"]

# Name of a group that stands for no column: all compositions of the same elements.
SYSTEM = "chemical system"
COMPOSITION = "composition"
_MOST_NAMED = 20_000
_SMALL_ROWS = 1000  # above, the Gaussian processes of the blend take too long
_DIGITS = 12  # of a fraction: equal compositions must be equal rows


class CompositionKind(TableKind):
    """A table with a column of formulas.

    The column gives way to one column for each element that occurs; together they are a mixture of
    which no more are above zero than in the data. Other inputs stay what they are.

    Parameters
    ----------
    formula : str
        Header or name of the column.
    """

    name = "compositions"
    # Rows between two rows of a table mean something; compositions between any two do not.
    has_three_numbers = False

    def __init__(self, formula: str) -> None:
        self.formula = formula
        self.encoder: BaseEstimator = CompositionEncoder(rest=TableEncoder())
        self._facts: dict[str, Any] = {}
        self._most_parts: int | None = None

    def read(self, settings: StudySettings) -> Table:
        """Return the checked table, with element fractions in place of the formulas."""
        by_system = settings.group == SYSTEM
        table = self.table(
            settings,
            group=None if by_system else settings.group,
            kinds={**settings.kinds, self.formula: "formula"},
            inputs=None
            if settings.inputs is None
            else tuple(dict.fromkeys((self.formula, *settings.inputs))),
        )
        column = self._column(table)
        found = parse_formulas(
            table.frame[column.name].tolist(),
            file=table.source,
            column=column.header,
            rows=table.rows.tolist(),
        )
        self._note(table, column, found)
        expanded = _expanded(table, column, found)
        if by_system:
            return _grouped(expanded, SYSTEM, found.systems)
        # With other inputs, equal compositions are not equal rows: they are held out together all
        # the same, unless the user names what is held out.
        alone = [one for one in table.input_columns if one is not column]
        if alone and settings.group is None:
            return _grouped(expanded, COMPOSITION, found.formulas)
        return expanded

    def _column(self, table: Table) -> Column:
        for column in table.columns:
            if self.formula in (column.name, column.header, column.label):
                if column.role == "input":
                    return column
                raise SettingsError(
                    f"{self.formula!r} cannot hold the formulas: it is set aside as "
                    f"{column.role}. See `matlever check`."
                )
        names = ", ".join(repr(column.name) for column in table.columns)
        raise SettingsError(f"There is no column {self.formula!r} of formulas; there are {names}.")

    def _note(self, table: Table, column: Column, found: Compositions) -> None:
        present = found.amounts > 0
        self._most_parts = int(present.sum(axis=1).max())
        names = dict(zip(map(str, table.rows.tolist()), found.formulas, strict=True))
        self._facts = {
            "composition": {
                "column": column.header,
                "n_formulas": len(set(found.formulas)),
                "n_systems": len(set(found.systems)),
                "elements": [ELEMENTS[j] for j in np.flatnonzero(present.any(axis=0))],
                "most_elements": self._most_parts,
            },
            "row_names": names if len(names) <= _MOST_NAMED else {},
        }

    def editor(self, table: Table) -> TableEditor:
        """Return the knobs: fractions, no more of them above zero than in the data."""
        editor = super().editor(table)
        space = editor.space
        mixtures = [
            replace(
                mixture, max_parts=min(self._most_parts or len(mixture.names), len(mixture.names))
            )
            if all(map(element_of, mixture.names))  # not another mixture of the table
            else mixture
            for mixture in space.mixtures
        ]
        return TableEditor(
            KnobSpace(space.knobs, mixtures, space.relations), editor.columns, editor.fill
        )

    def candidates(self, n_rows: int, settings: StudySettings) -> dict[str, Any]:
        """Return the models that are scored: fractions alone or with physical attributes.

        Which of them describes the data better differs from table to table (alloys of a few
        elements: fractions; compounds of many: attributes), so it is chosen inside the training
        rows. Above 1,000 rows trees on attributes are ahead, and alone.
        """
        small = n_rows <= _SMALL_ROWS
        trees = TreeEnsemble(
            "extra_trees", n_trees=200 if small else 100, random_state=settings.seed
        )
        asked: dict[str, tuple[BaseEstimator, BaseEstimator]] = {
            "extra-trees, attributes": (trees, self.encoder)
        }
        if small:
            asked["blend, fractions"] = (
                SmallTableRegressor(random_state=settings.seed),
                CompositionEncoder(physical=False, rest=TableEncoder()),
            )
        ready = settled({name: one for name, (one, _) in asked.items()}, settings)
        models = {
            name: TableRegressor(one, asked[name][1], log_targets=settings.log_targets)
            for name, one in ready.items()
        }
        # An element that only the held-out rows have is a column without spread before it comes:
        # without clipping, a straight line would lead anywhere.
        clipped = make_pipeline(MinMaxScaler(clip=True), ridge())
        return {
            **super().candidates(n_rows, settings),
            RIDGE: TableRegressor(clipped, self.encoder, log_targets="never"),
            DEFAULT: best_of(models, settings),
        }

    def described(self, fitted: TableRegressor, asked: TableRegressor | BestOf) -> str:
        """Return what the default model is after fitting, in words."""
        seen = "fractions of the elements"
        if fitted.encoder_.physical:
            seen = f"physical attributes and {seen}"
        what = f"{super().described(fitted, fitted)}, on {seen}"
        if isinstance(asked, BestOf):
            names = " and ".join(f"“{name}”" for name, _ in asked.candidates or ())
            what += f"; chosen inside each training set between {names}"
        return what

    def restore(self, state: State) -> Any:
        """Rebuild a fitted model."""
        return restore(state)

    def read_rows(self, source: Any, columns: Sequence[Column], **reading: Any) -> pd.DataFrame:
        """Return new rows, from a file with formulas or with fractions."""
        elements = [column for column in columns if FRACTION in column.header]
        others = [column for column in columns if column not in elements]
        wanted = [Column(self.formula, self.formula, kind="categorical"), *others]
        rows = read_rows(source, wanted, **reading)
        rows.attrs["unseen"] = {
            name: levels
            for name, levels in (rows.attrs.get("unseen") or {}).items()
            if name != self.formula
        }
        found = parse_formulas(
            rows[self.formula].tolist(), column=self.formula, rows=rows.index.tolist()
        )
        fractions = _rounded(found.fractions)
        names = {column.name: column.name.removesuffix(FRACTION) for column in elements}
        unknown = fractions.sum(axis=1) - fractions[:, [_Z[s] for s in names.values()]].sum(axis=1)
        if (unknown > 1e-9).any():
            raise DataError(
                [
                    Fault(
                        f"{found.sources[i]!r} holds an element that no formula of the study has",
                        "Leave the row out: the model knows nothing of this element.",
                        row=int(rows.index[i]),
                        column=self.formula,
                    )
                    for i in np.flatnonzero(unknown > 1e-9).tolist()
                ]
            )
        cells = {name: fractions[:, _Z[symbol]] for name, symbol in names.items()}
        whole = {**cells, **{column.name: rows[column.name] for column in others}}
        frame = pd.DataFrame({column.name: whole[column.name] for column in columns}, rows.index)
        frame.attrs = rows.attrs
        return frame

    def to_state(self) -> State:
        """Return the name of the column of formulas."""
        return State("CompositionKind", {"formula": self.formula})

    @classmethod
    def from_state(cls, state: State) -> CompositionKind:
        """Rebuild the kind."""
        formula = state.get("formula")
        if not isinstance(formula, str):
            raise ModelFileError("CompositionKind: the column of formulas has no name.")
        return cls(formula)

    def facts(self) -> Mapping[str, Any]:
        """Return how many formulas, systems and elements there are, and what rows are called."""
        return self._facts


_Z = {symbol: j for j, symbol in enumerate(ELEMENTS)}


def _rounded(fractions: np.ndarray[Any, np.dtype[np.float64]]) -> Any:
    return np.round(fractions, _DIGITS)


def _expanded(table: Table, formula: Column, found: Compositions) -> Table:
    """Return the table with fractions of elements in place of the formulas."""
    fractions = _rounded(found.fractions)
    varied = np.flatnonzero(np.ptp(fractions, axis=0) > 0)
    constant = [j for j in np.flatnonzero(fractions.any(axis=0)) if j not in varied]
    if not len(varied):
        raise DataError(
            f"{table.source}: all formulas are the same composition, {found.formulas[0]}: there is "
            "nothing to learn from them."
        )
    taken = {column.name for column in table.columns}
    names = {j: ELEMENTS[j] + (FRACTION if ELEMENTS[j] in taken else "") for j in varied}
    columns, cells = [], {}
    for column in table.columns:
        if column is not formula:
            columns.append(column)
            continue
        columns.append(replace(column, role="ignored"))
        for j in varied:
            values = fractions[:, j]
            cells[names[j]] = values
            columns.append(
                Column(
                    names[j],
                    f"{ELEMENTS[j]}{FRACTION} in {column.header}",
                    role="input",
                    n_distinct=len(np.unique(values)),
                    lower=float(values.min()),
                    upper=float(values.max()),
                )
            )
    frame = pd.concat(
        [
            pd.DataFrame(cells, index=table.frame.index),
            table.frame.drop(columns=formula.name),
        ],
        axis=1,
    )
    total = float(1.0 - fractions[0, constant].sum())
    mixtures = (*table.mixtures, Mixture(tuple(cells), total)) if len(cells) > 1 else table.mixtures
    return replace(table, columns=tuple(columns), frame=frame, mixtures=mixtures)


def _grouped(table: Table, name: str, values: Sequence[str]) -> Table:
    """Return the table with a group that stands for no column of the file."""
    taken = {column.name for column in table.columns}
    while name in taken:
        name += " group"
    group = pd.Series(values, index=table.frame.index, name=name, dtype="str")
    column = Column(
        name,
        name,
        kind="group",
        role="group",
        n_distinct=int(group.nunique()),
        levels=tuple(sorted(group.unique())),
    )
    return replace(
        table, columns=(*table.columns, column), frame=table.frame.assign(**{name: group})
    )
