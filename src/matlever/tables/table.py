"""What a checked table is: its columns, its rows, and everything that was done to them."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from matlever.exceptions import ModelFileError, shorten

__all__ = ["Change", "Column", "ColumnKind", "ColumnRole", "Mixture", "Table"]

ColumnKind = Literal["numeric", "categorical", "date", "group"]
ColumnRole = Literal["input", "target", "group", "ignored"]

_ROWS_SHOWN = 10


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name : str
        Header without the bracketed unit; the header where two columns would share a name.
    header : str
        Header as it stands in the file.
    unit : str or None
        Unit from the header, or from the cells where each of them carries it.
    kind : {"numeric", "categorical", "date", "group"}
        Dates are days since 1970-01-01.
    role : {"input", "target", "group", "ignored"}
        What the study does with it.
    n_missing : int
        Empty cells among the rows that were read.
    n_distinct : int
        Different values among the rows in use.
    lower, upper : float or None
        Limits among the rows in use; None for words.
    levels : tuple of str
        The words of a categorical or group column, sorted.
    """

    name: str
    header: str
    unit: str | None = None
    kind: ColumnKind = "numeric"
    role: ColumnRole = "input"
    n_missing: int = 0
    n_distinct: int = 0
    lower: float | None = None
    upper: float | None = None
    levels: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Name and unit as they belong on an axis: ``length (nm)``."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    def to_dict(self) -> dict[str, Any]:
        """Return the column as plain JSON values."""
        return {
            "name": self.name,
            "header": self.header,
            "unit": self.unit,
            "kind": self.kind,
            "role": self.role,
            "n_missing": self.n_missing,
            "n_distinct": self.n_distinct,
            "lower": self.lower,
            "upper": self.upper,
            "levels": list(self.levels),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Column:
        """Return the column that :meth:`to_dict` described.

        Raises
        ------
        ModelFileError
            If a value is missing or of the wrong type.
        """
        if not isinstance(values, Mapping):
            raise ModelFileError("A column is not described by an object. Save the model again.")

        def take(key: str, types: tuple[type, ...], default: Any = None) -> Any:
            value = values.get(key, default)
            if not isinstance(value, types) or isinstance(value, bool):
                raise ModelFileError(
                    f"The description of a column has {key!r} = {shorten(repr(value))}, which is "
                    f"not {' or '.join(t.__name__ for t in types)}. Save the model again."
                )
            return value

        kind, role = take("kind", (str,)), take("role", (str,))
        if kind not in get_args(ColumnKind) or role not in get_args(ColumnRole):
            raise ModelFileError(
                f"The description of a column has kind {shorten(kind)!r} and role "
                f"{shorten(role)!r}, which this version does not know. Save the model again."
            )
        levels = take("levels", (list, tuple), ())
        if not all(isinstance(level, str) for level in levels):
            raise ModelFileError("The levels of a column are not all text. Save the model again.")
        limits = [take(key, (int, float, type(None))) for key in ("lower", "upper")]
        if any(limit is not None and not np.isfinite(limit) for limit in limits):
            raise ModelFileError("A limit of a column is not finite. Save the model again.")
        return cls(
            name=take("name", (str,)),
            header=take("header", (str,)),
            unit=take("unit", (str, type(None))),
            kind=cast(ColumnKind, kind),
            role=cast(ColumnRole, role),
            n_missing=take("n_missing", (int,), 0),
            n_distinct=take("n_distinct", (int,), 0),
            lower=None if limits[0] is None else float(limits[0]),
            upper=None if limits[1] is None else float(limits[1]),
            levels=tuple(levels),
        )


@dataclass(frozen=True)
class Change:
    """Something that was done to the data on the way in, counted.

    Parameters
    ----------
    what : str
        In words: ``"row left out: 'time (min)' is empty"``.
    count : int
        How many rows, cells or columns it concerned.
    rows : tuple of int
        Line numbers in the file (the header is 1); empty where a whole column is meant.
    """

    what: str
    count: int
    rows: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the change as plain JSON values, with the first ten rows."""
        return {"what": self.what, "count": self.count, "rows": list(self.rows[:_ROWS_SHOWN])}


@dataclass(frozen=True)
class Mixture:
    """Input columns that are shares of one whole in every row.

    Parameters
    ----------
    names : tuple of str
        Column names, in the order of the file.
    total : float
        What they add up to: 1 or 100, less the share of parts that never change.
    """

    names: tuple[str, ...]
    total: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """Return the mixture as plain JSON values."""
        return {"names": list(self.names), "total": self.total}


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """A checked table of expensive runs.

    Parameters
    ----------
    columns : tuple of Column
        Every column of the file, in its order.
    frame : DataFrame of shape (n_rows, n_columns_in_use)
        Inputs, targets and group by column name; numbers and dates as float64, words as str.
        The index holds the line numbers of the file (the header is 1), so what a spreadsheet shows.
    source : str
        File name.
    sha256 : str
        Hash of the file as it was read.
    rows_read : int
        Rows under the header that were not blank.
    changes : tuple of Change
        What was dropped, set aside or read in a special way.
    warnings : tuple of str
        What deserves a look although it could be used.
    simulated : bool
        Whether the rows come from a model instead of a laboratory.
    citation, licence : str or None
        Where the data come from and how they may be used.
    mixtures : tuple of Mixture
        Groups of inputs that add up to a whole.
    """

    columns: tuple[Column, ...]
    frame: pd.DataFrame
    source: str
    sha256: str
    rows_read: int
    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()
    simulated: bool = False
    citation: str | None = None
    licence: str | None = None
    mixtures: tuple[Mixture, ...] = ()

    @property
    def n_rows(self) -> int:
        """Rows in use."""
        return len(self.frame)

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Line numbers in the file, of shape (n_rows,)."""
        return np.asarray(self.frame.index, dtype=np.int64)

    @property
    def input_columns(self) -> tuple[Column, ...]:
        """The inputs, in the order of the file."""
        return tuple(column for column in self.columns if column.role == "input")

    @property
    def target_columns(self) -> tuple[Column, ...]:
        """The targets, in the order in which they were asked for."""
        by_name = {column.name: column for column in self.columns if column.role == "target"}
        return tuple(by_name[str(name)] for name in self.frame.columns if str(name) in by_name)

    @property
    def group_column(self) -> Column | None:
        """The column whose groups are held out whole, or None."""
        return next((column for column in self.columns if column.role == "group"), None)

    @property
    def inputs(self) -> pd.DataFrame:
        """Inputs of shape (n_rows, n_inputs); float64 and str columns."""
        return self.frame[[column.name for column in self.input_columns]].copy()

    @property
    def targets(self) -> pd.DataFrame:
        """Targets of shape (n_rows, n_targets), float64; NaN where one was not measured."""
        return self.frame[[column.name for column in self.target_columns]].copy()

    @property
    def groups(self) -> pd.Series[str] | None:
        """The group of each row as str of shape (n_rows,), or None."""
        column = self.group_column
        return None if column is None else self.frame[column.name].copy()

    @property
    def n_groups(self) -> int | None:
        """Number of different groups, or None."""
        groups = self.groups
        return None if groups is None else int(groups.nunique())

    @property
    def n_replicates(self) -> int:
        """Rows that repeat the inputs of an earlier row (with another measured value)."""
        names = [column.name for column in self.input_columns]
        return int(self.frame.duplicated(subset=names).sum()) if names else 0

    def column(self, name: str) -> Column:
        """Return the column called `name`.

        Raises
        ------
        KeyError
            If there is none; the message lists the names.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"no column {name!r}; there are {[c.name for c in self.columns]}")

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the rows in use, with names and units (labels) as headers."""
        labels = {column.name: column.label for column in self.columns}
        return self.frame.rename(columns=labels)

    def to_dict(self) -> dict[str, Any]:
        """Return what is known about the table as plain JSON values (not its rows)."""
        return {
            "file": self.source,
            "sha256": self.sha256,
            "rows_read": self.rows_read,
            "rows_used": self.n_rows,
            "simulated": self.simulated,
            "citation": self.citation,
            "licence": self.licence,
            "group": None if self.group_column is None else self.group_column.name,
            "n_groups": self.n_groups,
            "n_replicates": self.n_replicates,
            "columns": [column.to_dict() for column in self.columns],
            "mixtures": [mixture.to_dict() for mixture in self.mixtures],
            "changes": [change.to_dict() for change in self.changes],
            "warnings": list(self.warnings),
        }

    def __repr__(self) -> str:
        inputs = ", ".join(column.label for column in self.input_columns)
        targets = ", ".join(column.label for column in self.target_columns)
        lines = [
            f"Table {shorten(self.source)!r}: {self.n_rows:,} of {self.rows_read:,} rows"
            + (" (simulated)" if self.simulated else ""),
            f"  targets  {shorten(targets, 100)}",
            f"  inputs   {shorten(inputs, 100)} ({len(self.input_columns)})",
        ]
        if self.group_column is not None:
            lines.append(f"  group    {self.group_column.label} ({self.n_groups} groups)")
        lines.extend(
            f"  mixture  {shorten(' + '.join(m.names), 80)} = {m.total:g}" for m in self.mixtures
        )
        if self.changes or self.warnings:
            lines.append(
                f"  notes    {len(self.changes)} changes, {len(self.warnings)} warnings"
                " (see .changes, .warnings)"
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>"
            + "".join(
                f"<td>{html.escape(str(cell))}</td>"
                for cell in (
                    column.label,
                    column.role,
                    column.kind,
                    column.n_distinct,
                    column.n_missing,
                    _span(column),
                )
            )
            + "</tr>"
            for column in self.columns
        )
        head = "".join(
            f'<th scope="col">{title}</th>'
            for title in ("column", "role", "kind", "distinct", "missing", "range or levels")
        )
        notes = "".join(
            f"<li>{html.escape(text)}</li>"
            for text in (
                *(f"{c.what} ({c.count})" for c in self.changes[:_ROWS_SHOWN]),
                *self.warnings[:_ROWS_SHOWN],
            )
        )
        return (
            f"<p><b>{html.escape(self.source)}</b>: {self.n_rows:,} of {self.rows_read:,} rows"
            f"{' (simulated)' if self.simulated else ''}</p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
            + (f"<ul>{notes}</ul>" if notes else "")
        )


def _span(column: Column) -> str:
    """Return limits or levels of a column in a few characters."""
    if column.kind == "date" and column.lower is not None and column.upper is not None:
        days = np.asarray([column.lower, column.upper]).astype("datetime64[D]")
        return f"{days[0]} to {days[1]}"
    if column.lower is not None and column.upper is not None:
        return f"{column.lower:g} to {column.upper:g}"
    return shorten(", ".join(column.levels))
