"""The table beside crystals: names, targets and what else is known of each."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matlever.exceptions import DataError, Fault, shorten

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TextTable", "chosen_targets", "frame_of", "read_text_table", "target_faults"]

ID_NAMES = ("id", "material_id", "mp_id", "name", "cif_id", "structure_id")
_MISSING = ("", "nan", "na", "n/a", "none", "null", "-")
_CELL_LIMIT = 10_000_000  # a cell may hold a whole CIF


@dataclass(frozen=True)
class TextTable:
    """Cells of a table as text.

    Attributes
    ----------
    file : str
        Its name in messages.
    headers : tuple of str
        Headers; of a table without them "id", then "target" or "target_1", "target_2", ...
    rows : list of list of str
        Cells; every row has as many as there are headers.
    lines : list of int
        Line of each row in the file.
    has_headers : bool
        Whether the headers stand in the file.
    """

    file: str
    headers: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]
    has_headers: bool

    def column(self, name: str) -> list[str]:
        """Return the cells of a column."""
        place = self.headers.index(name)
        return [row[place] for row in self.rows]

    @property
    def id_column(self) -> str | None:
        """Header of the column with the names of the crystals."""
        if not self.has_headers:
            return self.headers[0]
        lower = {header.lower(): header for header in reversed(self.headers)}
        return next((lower[name] for name in ID_NAMES if name in lower), None)


def read_text_table(path: Path, shown: str) -> TextTable:
    """Return the cells of a CSV or TSV file, with headers or as `cgcnn` has it: id,target,...

    Raises
    ------
    DataError
        If the file is empty or cannot be read, or rows differ in length.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            Fault(f"the table cannot be read ({error})", "Save it as CSV in UTF-8", file=shown)
        ) from error
    first = text.split("\n", 1)[0]
    delimiter = max("\t;,", key=first.count)
    old = csv.field_size_limit(_CELL_LIMIT)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        found = []
        line = 1
        for row in reader:
            if any(cell.strip() for cell in row):
                found.append((line, [cell.strip() for cell in row]))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            Fault(f"the table cannot be read ({error})", "Save it as CSV again", file=shown)
        ) from error
    finally:
        csv.field_size_limit(old)
    if not found:
        raise DataError(Fault("the table is empty", "Write a row for each crystal", file=shown))
    head = found[0][1]
    has_headers = len(head) < 2 or not all(_is_number(cell) for cell in head[1:])
    headers = tuple(head) if has_headers else _without_headers(len(head))
    rows = found[1:] if has_headers else found
    faults = [
        Fault(
            f"the row has {len(row)} cells where the first has {len(head)}",
            "Give every row as many cells",
            file=shown,
            row=line,
        )
        for line, row in rows
        if len(row) != len(head)
    ]
    repeated = {name for name in headers if headers.count(name) > 1}
    faults += [
        Fault("the header stands twice", "Rename one of the columns", file=shown, column=name)
        for name in sorted(repeated)
    ]
    if not rows:
        faults.append(Fault("the table has no rows", "Write one for each crystal", file=shown))
    if faults:
        raise DataError(faults)
    return TextTable(shown, headers, [row for _, row in rows], [n for n, _ in rows], has_headers)


def chosen_targets(table: TextTable, targets: str | Sequence[str] | None) -> tuple[str, ...]:
    """Headers of the targets; without headers and without a choice every column but the first.

    Raises
    ------
    DataError
        If there is no such column.
    """
    if targets is None:
        return () if table.has_headers else table.headers[1:]
    names = (targets,) if isinstance(targets, str) else tuple(targets)
    absent = [name for name in names if name not in table.headers]
    if absent:
        raise DataError(
            [
                Fault(
                    "there is no such column",
                    f"The columns are {', '.join(table.headers)}",
                    file=table.file,
                    column=name,
                )
                for name in absent
            ]
        )
    return names


def target_faults(table: TextTable, targets: Sequence[str]) -> list[Fault]:
    """Return a fault for each cell of a target that is no finite number."""
    faults = []
    for name in targets:
        for line, cell in zip(table.lines, table.column(name), strict=True):
            if cell.lower() in _MISSING:
                reason, remedy = "the target is missing", "Give it, or leave the crystal out"
            elif not _is_number(cell) or not np.isfinite(float(cell)):
                reason = f"{shorten(cell, 30)!r} is not a finite number"
                remedy = "Write numbers with a decimal point"
            else:
                continue
            faults.append(Fault(reason, remedy, file=table.file, row=line, column=name))
    return faults


def frame_of(table: TextTable, without: Sequence[str | None], index: pd.Index[Any]) -> pd.DataFrame:
    """Return the columns as numbers where all cells are, else as words."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for name in table.headers:
        if name in without:
            continue
        cells = table.column(name)
        missing = [cell.lower() in _MISSING for cell in cells]
        if all(gone or _is_number(cell) for cell, gone in zip(cells, missing, strict=True)):
            columns[name] = [
                np.nan if gone else float(cell) for cell, gone in zip(cells, missing, strict=True)
            ]
        else:
            columns[name] = cells
    return pd.DataFrame(columns, index=index)


def _without_headers(n: int) -> tuple[str, ...]:
    if n == 1:
        return ("id",)
    return ("id", "target") if n == 2 else ("id", *(f"target_{j}" for j in range(1, n)))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell == ""
    return True
