"""What a checked table is: its columns, its rows, and everything that was done to them."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from matlever.exceptions import shorten
from matlever.tables.column import Change, Column, ColumnKind, ColumnRole, Mixture

__all__ = ["Change", "Column", "ColumnKind", "ColumnRole", "Mixture", "Table"]

_ROWS_SHOWN = 10


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
