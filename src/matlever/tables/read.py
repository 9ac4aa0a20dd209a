"""Files with one run in each row, read into checked tables."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from matlever.exceptions import SettingsError
from matlever.tables._parquet import read_parquet
from matlever.tables._raw import LIMITS, RawTable, cell_text, native_cell, refuse
from matlever.tables._roles import Request
from matlever.tables._text_file import read_text_file
from matlever.tables._workbook import read_workbook
from matlever.tables.check import Origin, check_table
from matlever.tables.table import Table

__all__ = ["origin_of", "raw_from_frame", "read_raw", "read_table", "table_from_frame"]

_TEXT = frozenset({".csv", ".tsv", ".txt", ".tab", ".dat"})
_WORKBOOKS = frozenset({".xlsx", ".xlsm"})
_PARQUET = frozenset({".parquet", ".pq"})
_READABLE = ".csv, .tsv, .txt (also with .gz), .xlsx and .parquet"
_SAVE_AS = {
    ".xls": "Open it and save it as .xlsx",
    ".ods": "Open it and save it as .xlsx or .csv",
    ".numbers": "Export it as .csv",
    ".pdf": "Copy the table into a spreadsheet and save it as .csv",
    ".json": "Write the rows as .csv",
    ".pkl": "Write the rows as .csv; pickled files are never opened, as they can run programs",
    ".pickle": "Write the rows as .csv; pickled files are never opened, as they can run programs",
    ".zip": "Unpack it first",
    ".opju": "Export the worksheet as .csv",
}


def read_table(
    path: str | os.PathLike[str],
    targets: str | Sequence[str] = (),
    *,
    group: str | None = None,
    inputs: str | Sequence[str] | None = None,
    ignore: str | Sequence[str] = (),
    kinds: Mapping[str, str] | None = None,
    decimal: Literal[".", ","] | None = None,
    delimiter: str | None = None,
    sheet: str | int | None = None,
    encoding: str | None = None,
    missing: Literal["drop", "impute"] = "drop",
) -> Table:
    """Return a file with one run in each row as a checked table.

    Columns are named by their header, by the header without its unit, or as ``length_nm`` for
    ``length (nm)``; capitals do not matter.

    Parameters
    ----------
    path : str or path
        A CSV, TSV or TXT file (also ``.gz``), an ``.xlsx`` workbook or a Parquet file, or
        ``"example:NAME"`` for a packaged example.
    targets : str or sequence of str
        The measured outcomes to predict. A packaged example brings its own.
    group : str, optional
        Column that tells papers, batches or campaigns apart; whole groups are held out later.
    inputs : str or sequence of str, optional
        The columns that were varied; by default every column that is nothing else.
    ignore : str or sequence of str
        Columns to leave out, for instance other outcomes of the same run.
    kinds : mapping of str to {"numeric", "categorical", "date", "formula"}, optional
        What a column holds, where its cells mislead: reactor numbers are categories; formulas are
        words that may differ in every row.
    decimal : {".", ","}, optional
        Decimal mark; by default each column's own cells tell.
    delimiter : str, optional
        One character, ``"tab"`` or ``" "`` (runs of blanks); by default found out.
    sheet : str or int, optional
        Sheet of a workbook, by default the first with content.
    encoding : str, optional
        Encoding of a text file, by default UTF-8 or what its byte-order mark says.
    missing : {"drop", "impute"}, default="drop"
        Whether rows with an empty input are left out (and counted), or kept with NaN to be filled
        in inside each training fold.

    Returns
    -------
    table : Table
        Rows in use, what each column holds, and every change made on the way.

    Raises
    ------
    DataError
        With all faults found, each with file, row, column, reason and remedy.
    SettingsError
        If an option has a value that is not known.
    MissingExtraError
        If the file needs openpyxl or pyarrow and it is not installed.

    Examples
    --------
    >>> table = read_table("example:fullerenes")
    >>> table.n_rows, [column.label for column in table.target_columns]
    (246, ['product (mole fraction)'])
    """
    request = Request.of(
        targets,
        group=group,
        inputs=inputs,
        ignore=ignore,
        kinds=kinds,
        decimal=decimal,
        missing=missing,
    )
    if isinstance(path, str) and path.startswith("example:"):
        from matlever.tables.examples import read_example

        return read_example(path.removeprefix("example:"), request)
    file = os.fspath(path)
    raw = read_raw(file, delimiter=delimiter, sheet=sheet, encoding=encoding)
    return check_table(raw, request, origin_of(raw, Path(file)))


def table_from_frame(
    frame: pd.DataFrame,
    targets: str | Sequence[str],
    *,
    group: str | None = None,
    inputs: str | Sequence[str] | None = None,
    ignore: str | Sequence[str] = (),
    kinds: Mapping[str, str] | None = None,
    missing: Literal["drop", "impute"] = "drop",
    source: str = "data frame",
) -> Table:
    """Return a DataFrame with one run in each row as a checked table.

    Parameters
    ----------
    frame : DataFrame
        Rows are numbered from 2, as if they stood under a header in a file.
    targets, group, inputs, ignore, kinds, missing
        As for :func:`read_table`.
    source : str, default="data frame"
        Name in messages and reports.

    Returns
    -------
    table : Table
        ``simulated``, ``citation`` and ``licence`` are taken from ``frame.attrs``.

    Raises
    ------
    DataError
        With all faults found.
    """
    request = Request.of(
        targets,
        group=group,
        inputs=inputs,
        ignore=ignore,
        kinds=kinds,
        decimal=".",
        missing=missing,
    )
    raw = raw_from_frame(frame, source)
    digest = hashlib.sha256(repr(raw.headers).encode("utf-8", "surrogatepass"))
    for cells in raw.columns:
        digest.update("\x1f".join(map(cell_text, cells)).encode("utf-8", "surrogatepass"))
    attrs = frame.attrs
    origin = Origin(
        source,
        digest.hexdigest(),
        simulated=bool(attrs.get("simulated", False)),
        citation=_text_or_none(attrs.get("citation")),
        licence=_text_or_none(attrs.get("licence")),
    )
    return check_table(raw, request, origin)


def read_raw(
    path: str | os.PathLike[str],
    *,
    delimiter: str | None = None,
    sheet: str | int | None = None,
    encoding: str | None = None,
) -> RawTable:
    """Return headers and cells of a file by its ending, whatever they mean.

    Parameters
    ----------
    path, delimiter, sheet, encoding
        As for :func:`read_table`.

    Raises
    ------
    DataError
        If there is no such file, or it cannot be taken apart.
    """
    file = os.fspath(path)
    if file.startswith(("http://", "https://", "ftp://", "s3://")):
        raise refuse(file, "this is an address, not a file", "Download the file first")
    location = Path(file)
    _check_file(location, file)
    suffixes = [suffix.lower() for suffix in location.suffixes]
    ending = suffixes[-1] if suffixes else ""
    inner = suffixes[-2] if ending == ".gz" and len(suffixes) > 1 else ending
    if inner in _TEXT:
        raw = read_text_file(location, file, delimiter=delimiter, encoding=encoding)
    elif ending in _WORKBOOKS:
        raw = read_workbook(location, file, sheet=sheet)
    elif ending in _PARQUET:
        raw = read_parquet(location, file)
    else:
        what = f"the ending {ending!r} is not known" if ending else "the file name has no ending"
        raise refuse(file, what, _SAVE_AS.get(ending, f"Give one of {_READABLE}"))
    return _with_tidy_headers(raw)


def _check_file(location: Path, file: str) -> None:
    """Raise DataError unless there is a file of a sensible size."""
    try:
        status = location.stat()
    except FileNotFoundError as error:
        folder = location.parent
        reason = "there is no such file"
        if not folder.is_dir():
            reason = f"there is no folder {os.fspath(folder)!r}"
        raise refuse(file, reason, "Check the name and the folder") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise refuse(file, f"the file cannot be read ({reason})", "Check its name") from error
    if stat.S_ISDIR(status.st_mode):
        raise refuse(file, "this is a folder", "Give the file with the table")
    if not stat.S_ISREG(status.st_mode):
        raise refuse(file, "this is no ordinary file", "Give a file on a disk")
    if status.st_size == 0:
        raise refuse(
            file, "the file is empty", "Give a file with a header row and one run in each row"
        )
    if status.st_size > LIMITS.file_bytes:
        raise refuse(
            file,
            f"the file has {status.st_size / 1e9:.1f} GB, more than {LIMITS.file_bytes / 1e9:g} GB",
            "Keep the rows and columns of the study",
        )


def _with_tidy_headers(raw: RawTable) -> RawTable:
    """Return the table with line breaks and double blanks in headers made single blanks."""
    headers = tuple(" ".join(header.split()) for header in raw.headers)
    return RawTable(raw.file, headers, raw.columns, raw.rows, raw.changes, raw.notes)


def raw_from_frame(frame: pd.DataFrame, source: str) -> RawTable:
    """Return headers and cells of a DataFrame; rows are numbered from 2.

    Raises
    ------
    DataError
        If it is empty or too large.
    SettingsError
        If it is no DataFrame.
    """
    if not isinstance(frame, pd.DataFrame):
        raise SettingsError(f"A DataFrame is expected, not {type(frame).__name__}.")
    n_rows, n_columns = frame.shape
    if n_rows == 0 or n_columns == 0:
        reason = f"the table has {n_rows} rows and {n_columns} columns"
        raise refuse(source, reason, "Give one row for each run")
    if n_columns > LIMITS.columns or n_rows > LIMITS.rows or n_rows * n_columns > LIMITS.cells:
        raise refuse(
            source,
            f"the table has {n_rows:,} rows and {n_columns:,} columns; at most "
            f"{LIMITS.rows:,} rows, {LIMITS.columns:,} columns and {LIMITS.cells:,} cells are read",
            "Keep the rows and columns of the study",
        )
    columns = tuple(
        [native_cell(value) for value in frame.iloc[:, k].tolist()] for k in range(n_columns)
    )
    headers = tuple(" ".join(str(name).split()) for name in frame.columns)
    return RawTable(source, headers, columns, list(range(2, n_rows + 2)))


def origin_of(raw: RawTable, location: Path) -> Origin:
    """Return where a file comes from: its name, its hash and the comments on top of it."""
    try:
        with location.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise refuse(
            raw.file, f"the file cannot be read ({error.strerror})", "Try again"
        ) from error
    notes = raw.notes
    return Origin(
        location.name,
        digest,
        simulated=notes.get("simulated", "no").lower() not in ("", "no", "false", "0"),
        citation=notes.get("citation"),
        licence=notes.get("licence") or notes.get("license"),
    )


def _text_or_none(value: Any) -> str | None:
    return None if value is None else str(value)
