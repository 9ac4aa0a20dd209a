"""Parquet files, through pyarrow (extra ``files``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matlever.exceptions import DataError, Fault, MissingExtraError
from matlever.tables._raw import LIMITS, RawTable, native_cell, refuse

__all__ = ["read_parquet"]


def read_parquet(path: Path, file: str) -> RawTable:
    """Return headers and cells of a Parquet file.

    Parameters
    ----------
    path : Path
        The file.
    file : str
        Its name in messages.

    Raises
    ------
    DataError
        If the file is damaged, too large, or holds lists.
    MissingExtraError
        If pyarrow is not installed.
    """
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("Reading Parquet files", "pyarrow", "files") from error
    try:
        with pq.ParquetFile(path) as parquet:
            _check_size(parquet, file)
            return _take_apart(parquet.read(use_threads=False), file)
    except DataError:
        raise
    # pyarrow raises errors of its own, OSError, or UnicodeDecodeError by the part that is damaged.
    except Exception as error:
        raise refuse(
            file,
            f"the Parquet file cannot be read ({type(error).__name__})",
            "Write it again, or export it as .csv",
        ) from error


def _take_apart(arrow: Any, file: str) -> RawTable:
    """Return headers and cells of an Arrow table."""
    import pyarrow as pa

    faults = [
        Fault(
            f"the column holds {column.type}, not one number or word in each row",
            "Write one column for each number",
            file=file,
            column=name,
        )
        for name, column in zip(arrow.column_names, arrow.columns, strict=True)
        if pa.types.is_nested(column.type) or pa.types.is_binary(column.type)
    ]
    if faults:
        raise DataError(faults)
    columns = tuple([native_cell(value) for value in c.to_pylist()] for c in arrow.columns)
    rows = list(range(2, arrow.num_rows + 2))
    return RawTable(file, tuple(arrow.column_names), columns, rows)


def _check_size(parquet: Any, file: str) -> None:
    """Raise DataError if the file is too large; nothing but its footer has been read."""
    n_rows, n_columns = parquet.metadata.num_rows, parquet.metadata.num_columns
    if n_columns > LIMITS.columns:
        raise refuse(
            file,
            f"the table has {n_columns:,} columns, more than {LIMITS.columns:,}",
            "Keep the columns you mean to use, or reduce spectra to a few numbers first",
        )
    if n_rows > LIMITS.rows or n_rows * n_columns > LIMITS.cells:
        raise refuse(
            file,
            f"the table has {n_rows:,} rows; more than {LIMITS.rows:,} rows or "
            f"{LIMITS.cells:,} cells are refused",
            "matlever is made for expensive runs: give a sample of the rows",
        )
