"""The cells of a lot table, as text, from a CSV, TSV or XLSX file."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from matlever.exceptions import DataError, Fault, MissingExtraError

__all__ = ["TABLE_ENDINGS", "LotCells", "cells_of_frame", "is_missing", "number", "read_cells"]

TABLE_ENDINGS = frozenset({".csv", ".tsv", ".txt", ".xlsx"})
_DELIMITERS = ("\t", ";", ",", "|")
_MISSING = frozenset({"", "-", "–", "na", "n/a", "nan", "none", "null", "missing", "?"})
_DECIMAL_COMMA = re.compile(r"^[-+]?\d+,\d+$")
_MOST_BYTES = 50_000_000


@dataclass(frozen=True, eq=False)
class LotCells:
    """Headers and cells of a lot table; an empty text where there is nothing.

    Attributes
    ----------
    file : str
        Its name in messages.
    headers : tuple of str
    columns : list of list of str
    rows : list of int
        Line of each row in the file, the header being line 1 where nothing stands above it.
    decimal_comma : bool
        Whether a comma may be a decimal mark: where it does not part the columns.
    remarks : dict of str to str
        Lines ``# key: value`` above the header: simulated, citation, licence.
    sha256 : str
        Of the file.
    """

    file: str
    headers: tuple[str, ...]
    columns: list[list[str]]
    rows: list[int]
    decimal_comma: bool
    remarks: dict[str, str]
    sha256: str


def read_cells(path: Path, name: str) -> LotCells:
    """Return the cells of a lot table.

    Parameters
    ----------
    path : Path
        A .csv, .tsv, .txt or .xlsx file (its first sheet).
    name : str
        Its name in messages.

    Raises
    ------
    DataError
        If there is no such file, or it cannot be taken apart.
    MissingExtraError
        If an .xlsx file needs openpyxl and it is not installed.
    """
    if path.suffix.lower() not in TABLE_ENDINGS:
        raise _refused(name, "this is no table that can be read", "Save it as .csv or .xlsx")
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else "unreadable"
        raise _refused(name, reason, "Check the name of the lot table") from error
    if len(data) > _MOST_BYTES:
        raise _refused(name, "the table is larger than 50 MB", "Keep one row for each lot")
    digest = hashlib.sha256(data).hexdigest()
    if path.suffix.lower() == ".xlsx":
        lines, comma = _workbook(data, name), True
        remarks: dict[str, str] = {}
    else:
        lines, remarks, comma = _text(data, name)
    return _cells(lines, name, remarks, comma, digest)


def cells_of_frame(frame: pd.DataFrame, name: str = "lot table") -> LotCells:
    """Return the cells of a DataFrame; rows are numbered from 2, as under a header in a file.

    Parameters
    ----------
    frame : DataFrame
        One row for each lot; an index with a name is a column.
    name : str
        Its name in messages.
    """
    if frame.index.name is not None:
        frame = frame.reset_index()
    body = frame.astype(object).where(frame.notna(), None).to_numpy(dtype=object).tolist()
    lines = [[str(header) for header in frame.columns], *([_cell_text(c) for c in r] for r in body)]
    digest = hashlib.sha256(repr(lines).encode("utf-8", "surrogatepass")).hexdigest()
    return _cells(list(enumerate(lines, start=1)), name, {}, False, digest)


def _cells(
    lines: list[tuple[int, list[str]]],
    name: str,
    remarks: dict[str, str],
    comma: bool,
    digest: str,
) -> LotCells:
    """Return rows of text as columns, after checking that they fit their header."""
    lines = [(row, [" ".join(cell.split()) for cell in line]) for row, line in lines]
    lines = [(row, line) for row, line in lines if any(line)]
    if len(lines) < 2:
        raise _refused(name, "the table has no rows", "Give a header and one row for each lot")
    headers = lines[0][1]
    while headers and not headers[-1]:
        headers.pop()
    repeated = sorted({header for header in headers if header and headers.count(header) > 1})
    faults = [
        Fault(f"the header {header!r} stands there twice", "Rename one of them", name, lines[0][0])
        for header in repeated
    ]
    width = len(headers)
    for row, line in lines[1:]:
        if any(line[width:]):
            reason = f"{len(line)} cells stand under {width} headers"
            faults.append(Fault(reason, "Mend the row or the header", name, row))
    if faults:
        raise DataError(faults)
    filled = [(line + [""] * width)[:width] for _, line in lines[1:]]
    columns = [[line[k] for line in filled] for k in range(width)]
    return LotCells(
        name, tuple(headers), columns, [row for row, _ in lines[1:]], comma, remarks, digest
    )


def is_missing(cell: str) -> bool:
    """Return whether a cell of a column of numbers says that there is none."""
    return cell.casefold() in _MISSING


def number(cell: str, cells: LotCells) -> float | None:
    """Return a cell as a finite number, or None."""
    text = cell.replace("\N{MINUS SIGN}", "-")
    if cells.decimal_comma and _DECIMAL_COMMA.match(text):
        text = text.replace(",", ".")
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _text(data: bytes, name: str) -> tuple[list[tuple[int, list[str]]], dict[str, str], bool]:
    """Return rows of a delimited file with their line, remarks, and whether a comma is free."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "cp1252")
        except UnicodeDecodeError as error:
            raise _refused(name, "the file is no text", "Save it as .csv in UTF-8") from error
    remarks: dict[str, str] = {}
    lines = text.splitlines(keepends=True)
    skipped = 0
    for line in lines:
        if line.strip() and not line.startswith("#"):
            break
        key, colon, value = line.lstrip("# ").partition(":")
        if colon:
            remarks[key.strip().lower()] = value.strip()
        skipped += 1
    header = lines[skipped] if skipped < len(lines) else ""
    counts = [header.count(mark) for mark in _DELIMITERS]
    delimiter = _DELIMITERS[counts.index(max(counts))]
    reader = csv.reader(io.StringIO("".join(lines[skipped:]), newline=""), delimiter=delimiter)
    try:
        rows = [(skipped + reader.line_num, line) for line in reader]
    except csv.Error as error:
        raise _refused(name, f"the rows cannot be read ({error})", "Save it again") from error
    return rows, remarks, delimiter == ";"


def _workbook(data: bytes, name: str) -> list[tuple[int, list[str]]]:
    """Return the rows of the first sheet of a workbook."""
    try:
        import openpyxl  # noqa: F401 -- asked for here, so that the message names the extra
    except ImportError as error:
        raise MissingExtraError("Reading .xlsx files", "openpyxl", "files") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl tells about styles it cannot keep
            frame = pd.read_excel(io.BytesIO(data), header=None, dtype=object, na_filter=False)
    # openpyxl has no error class of its own: a damaged part raises whatever the parser met.
    except Exception as error:
        raise _refused(
            name,
            f"the workbook cannot be read ({type(error).__name__})",
            "Open it and save it again as .xlsx, or export the sheet as .csv",
        ) from error
    return [
        (row, [_cell_text(cell) for cell in line])
        for row, line in enumerate(frame.to_numpy(dtype=object).tolist(), start=1)
    ]


def _cell_text(cell: object) -> str:
    """Return a cell of a workbook as a spreadsheet shows it."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return repr(cell) if isinstance(cell, float) else str(cell)


def _refused(name: str, reason: str, remedy: str) -> DataError:
    return DataError(Fault(reason, remedy, file=name))
