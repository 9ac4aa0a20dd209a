"""A file before anything in it is understood: headers, cells, and where they stood."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import os
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from matlever.exceptions import DataError, Fault
from matlever.tables.table import Change

__all__ = ["LIMITS", "Cell", "Limits", "RawTable", "cell_text", "native_cell", "refuse"]

Cell = str | float
"""Text as it stood in the file, or a number from a file that knows numbers; ``""`` is nothing."""


@dataclass(frozen=True)
class Limits:
    """Sizes beyond which a file is refused before it can fill the memory."""

    file_bytes: int = 2_000_000_000
    line_characters: int = 1_000_000
    columns: int = 2_000
    rows: int = 1_000_000
    cells: int = 20_000_000
    name_characters: int = 300


LIMITS = Limits()


@dataclass(frozen=True, eq=False)
class RawTable:
    """Headers and cells of a file.

    Parameters
    ----------
    file : str
        File name as the user gave it.
    headers : tuple of str
        One name for each column, blank where there is none.
    columns : tuple of list of Cell
        The cells of each column, of equal length; text without blanks at its ends.
    rows : list of int
        Line number of each row; the header is usually line 1.
    changes : tuple of Change
        What was done while the file was taken apart.
    notes : dict of str to str
        Comments ``# key: value`` above the header.
    """

    file: str
    headers: tuple[str, ...]
    columns: tuple[list[Cell], ...]
    rows: list[int]
    changes: tuple[Change, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)


def cell_text(cell: Cell) -> str:
    """Return a cell as a word: 12.0 from a spreadsheet is ``"12"``."""
    if isinstance(cell, str):
        return cell
    return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)


def native_cell(value: Any) -> Cell:
    """Return a value of a file that knows types: text, a number, or a date as ISO text."""
    if isinstance(value, str):
        return value.strip()
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float | decimal.Decimal):
        try:
            number = float(value)
        except (OverflowError, ValueError):  # an int of a thousand digits, a signalling NaN
            return math.inf
        return "" if math.isnan(number) else number
    if isinstance(value, dt.datetime):
        midnight = value.time() == dt.time(0)
        return value.date().isoformat() if midnight else value.replace(tzinfo=None).isoformat(" ")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds() / 3600.0
    return str(value).strip()


def refuse(
    file: str | os.PathLike[str],
    reason: str,
    remedy: str,
    *,
    row: int | None = None,
    column: str | None = None,
) -> DataError:
    """Return the error for a file with one fault that hides all others."""
    return DataError(Fault(reason, remedy, file=os.fspath(file), row=row, column=column))
