"""Excel workbooks, through openpyxl (extra ``files``)."""

from __future__ import annotations

import itertools
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matlever.exceptions import DataError, MissingExtraError
from matlever.tables._raw import LIMITS, Cell, RawTable, cell_text, native_cell, refuse
from matlever.tables.table import Change

__all__ = ["read_workbook"]

_UNPACKED_BYTES = 1_000_000_000


def read_workbook(path: Path, file: str, *, sheet: str | int | None = None) -> RawTable:
    """Return headers and cells of one sheet.

    Parameters
    ----------
    path : Path
        An ``.xlsx`` or ``.xlsm`` file; formulas are read as the values stored with them.
    file : str
        Its name in messages.
    sheet : str, int or None
        Name or position (from 0); None takes the first one that is not empty.

    Raises
    ------
    DataError
        If the workbook is damaged, too large, or has no such sheet.
    MissingExtraError
        If openpyxl is not installed.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise MissingExtraError("Reading .xlsx files", "openpyxl", "files") from error
    _check_archive(path, file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl tells about styles it cannot keep
            book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
            try:
                return _read_sheet(book, file, sheet)
            finally:
                book.close()
    except DataError:
        raise
    # openpyxl has no error class of its own: a damaged part raises whatever the parser met.
    except Exception as error:
        raise refuse(
            file,
            f"the workbook cannot be read ({type(error).__name__})",
            "Open it, save it again as .xlsx, or export the sheet as .csv",
        ) from error


def _check_archive(path: Path, file: str) -> None:
    """Raise DataError unless the file is a sound zip archive of a sensible size."""
    with path.open("rb") as stream:
        start = stream.read(8)
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        raise refuse(
            file,
            "the file is an old .xls or a password-protected workbook",
            "Open it and save it as .xlsx without a password",
        )
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise refuse(
            file,
            "the file is not a workbook, or it is damaged",
            "Open it, save it again as .xlsx, or export the sheet as .csv",
        ) from error
    if size > _UNPACKED_BYTES:
        raise refuse(
            file,
            f"the workbook unpacks to {size / 1e9:.1f} GB",
            "Export the sheet with the runs as .csv",
        )


def _read_sheet(book: Any, file: str, sheet: str | int | None) -> RawTable:
    """Return the rows of one sheet."""
    names = [worksheet.title for worksheet in book.worksheets]
    changes: list[Change] = []
    if sheet is None:
        chosen = 0
        for position, worksheet in enumerate(book.worksheets):
            worksheet.reset_dimensions()
            if any(any(c is not None for c in row) for row in _values(worksheet, 100)):
                chosen = position
                break
        if len(names) > 1:
            what = f"sheet {names[chosen]!r} was read, the first of {len(names)} with content"
            changes.append(Change(what, 1))
    elif isinstance(sheet, int) and 0 <= sheet < len(names):
        chosen = sheet
    elif sheet in names:
        chosen = names.index(sheet)
    else:
        raise refuse(
            file, f"there is no sheet {sheet!r}", f"Use one of {', '.join(map(repr, names[:20]))}"
        )
    worksheet = book.worksheets[chosen]
    worksheet.reset_dimensions()  # stored dimensions may be wrong by a million empty rows
    table: list[tuple[int, list[Cell]]] = []
    width = n_cells = 0
    for number, values in enumerate(_values(worksheet, None), start=1):
        cells = [native_cell(value) for value in values]
        while cells and cells[-1] == "":
            cells.pop()
        if not cells:
            continue
        if not table:
            width = len(cells)
        n_cells += max(width, len(cells))
        _check_size(file, len(cells), len(table), n_cells)
        table.append((number, cells))
    if not table:
        raise refuse(
            file, f"the sheet {names[chosen]!r} is empty", "Give a sheet with a header row and runs"
        )
    width = max(len(cells) for _, cells in table)
    for _, cells in table:
        cells.extend([""] * (width - len(cells)))
    headers = tuple(cell_text(cell) for cell in table[0][1])
    columns = tuple([cells[position] for _, cells in table[1:]] for position in range(width))
    return RawTable(file, headers, columns, [number for number, _ in table[1:]], tuple(changes))


def _values(worksheet: Any, n_rows: int | None) -> Iterator[tuple[Any, ...]]:
    return itertools.islice(worksheet.iter_rows(values_only=True), n_rows)


def _check_size(file: str, width: int, n_rows: int, n_cells: int) -> None:
    if width > LIMITS.columns:
        raise refuse(
            file,
            f"the table has {width:,} columns, more than {LIMITS.columns:,}",
            "Keep the columns you mean to use, or reduce spectra to a few numbers first",
        )
    if n_rows > LIMITS.rows or n_cells > LIMITS.cells:
        raise refuse(
            file,
            f"the table has more than {LIMITS.rows:,} rows or {LIMITS.cells:,} cells",
            "matlever is made for expensive runs: give a sample of the rows",
        )
