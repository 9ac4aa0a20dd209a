"""New rows for a model: the same inputs as in the table it was fitted to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from matlever.exceptions import DataError, Fault, SettingsError, shorten
from matlever.tables._columns import Draft, understand_column
from matlever.tables._decimals import Decimal, decimal_evidence
from matlever.tables._names import ColumnNames, check_headers
from matlever.tables._raw import RawTable
from matlever.tables.read import raw_from_frame, read_raw
from matlever.tables.table import Column
from matlever.tables.units import same_unit

__all__ = ["read_rows"]


def read_rows(
    path: str | os.PathLike[str] | pd.DataFrame,
    columns: Sequence[Column],
    *,
    decimal: Literal[".", ","] | None = None,
    delimiter: str | None = None,
    sheet: str | int | None = None,
    encoding: str | None = None,
    missing: Literal["refuse", "drop", "impute"] = "refuse",
) -> pd.DataFrame:
    """Return the inputs of new rows, ready for a model's ``predict``.

    Parameters
    ----------
    path : str, path or DataFrame
        A file as for :func:`~matlever.tables.read_table`, or the rows themselves.
    columns : sequence of Column
        The columns of the table the model was fitted to; those with the role "input" are read.
    decimal, delimiter, sheet, encoding
        As for :func:`~matlever.tables.read_table`.
    missing : {"refuse", "drop", "impute"}, default="refuse"
        Whether an empty input is a fault, drops its row, or becomes NaN.

    Returns
    -------
    frame : DataFrame of shape (n_rows, n_inputs)
        Inputs by name in the order of `columns`; the index holds line numbers of the file.
        ``frame.attrs`` says what is worth knowing: ``"ignored"`` (list of further headers),
        ``"unseen"`` (words that the model never met, by column), ``"outside"`` (line numbers
        outside the range the model was fitted to, by column), ``"dropped"`` (line numbers).

    Raises
    ------
    DataError
        If an input is missing, in another unit, or holds faulty cells; all faults together.
    SettingsError
        If an option has a value that is not known.
    """
    if decimal not in (None, ".", ","):
        raise SettingsError(f"decimal={decimal!r} is not known. Use '.' or ','.")
    if missing not in ("refuse", "drop", "impute"):
        raise SettingsError(f"missing={missing!r} is not known. Use 'refuse', 'drop' or 'impute'.")
    inputs = [column for column in columns if column.role == "input"]
    if isinstance(path, pd.DataFrame):
        raw = raw_from_frame(path, "data frame")
        decimal = "."
    else:
        raw = read_raw(path, delimiter=delimiter, sheet=sheet, encoding=encoding)
    check_headers(raw, fewest_columns=1)
    names = ColumnNames(raw.headers, raw.file)
    positions = _find_inputs(inputs, names, raw.file)
    file_decimal = decimal or decimal_evidence(raw.columns[k] for k in positions)
    drafts = [
        _understand(raw, names, k, column, decimal, file_decimal)
        for k, column in zip(positions, inputs, strict=True)
    ]
    faults = [fault for draft in drafts for fault in draft.faults]
    empty = np.zeros(len(raw.rows), dtype=bool)
    for draft, column in zip(drafts, inputs, strict=True):
        empty |= draft.missing
        if missing == "refuse" and not draft.faults:
            faults.extend(_empty_cells(draft, column, raw))
    if faults:
        raise DataError(faults)
    return _frame(raw, names, positions, inputs, drafts, empty if missing == "drop" else None)


def _find_inputs(inputs: Sequence[Column], names: ColumnNames, file: str) -> list[int]:
    """Return the position of each input in the file."""
    faults: list[Fault] = []
    positions: list[int] = []
    for column in inputs:
        found = names.find(column.header, "input")
        if isinstance(found, Fault):
            found = names.find(column.name, "input")
        if isinstance(found, Fault):
            faults.append(found)
            continue
        unit = names.units[found]
        if unit is not None and column.unit is not None and not same_unit(unit, column.unit):
            faults.append(
                Fault(
                    f"the unit is {unit!r}, but the model was fitted in {column.unit!r}",
                    f"Convert the column to {column.unit!r}",
                    file=file,
                    column=names.headers[found],
                )
            )
        positions.append(found)
    if faults:
        raise DataError(faults)
    return positions


def _understand(
    raw: RawTable,
    names: ColumnNames,
    position: int,
    column: Column,
    decimal: Decimal | None,
    file_decimal: Decimal | None,
) -> Draft:
    return understand_column(
        raw.columns[position],
        raw.rows,
        header=names.headers[position],
        name=column.name,
        unit=names.units[position] or column.unit,
        file=raw.file,
        kind=column.kind,
        decimal=decimal,
        file_decimal=file_decimal,
    )


def _empty_cells(draft: Draft, column: Column, raw: RawTable) -> list[Fault]:
    return [
        Fault(
            "the cell is empty, but the model needs this input",
            "Fill it in, or pass missing='drop' or missing='impute'",
            file=raw.file,
            row=raw.rows[position],
            column=column.header,
        )
        for position in np.flatnonzero(draft.missing)
    ]


def _frame(
    raw: RawTable,
    names: ColumnNames,
    positions: Sequence[int],
    inputs: Sequence[Column],
    drafts: Sequence[Draft],
    dropped: np.ndarray[tuple[int], np.dtype[np.bool_]] | None,
) -> pd.DataFrame:
    """Return the rows with what is worth knowing about them."""
    index = pd.Index(raw.rows, dtype="int64", name="row")
    data: dict[str, pd.Series[float] | pd.Series[str]] = {}
    unseen: dict[str, list[str]] = {}
    outside: dict[str, list[int]] = {}
    for column, draft in zip(inputs, drafts, strict=True):
        if column.kind == "categorical":
            data[column.name] = pd.Series(draft.words, index=index, dtype="str")
            new = {word for word in draft.words if word is not None} - set(column.levels)
            if new:
                unseen[column.name] = sorted(new)
            continue
        data[column.name] = pd.Series(draft.numbers, index=index, dtype="float64")
        if column.lower is not None and column.upper is not None:
            beyond = (draft.numbers < column.lower) | (draft.numbers > column.upper)
            if beyond.any():
                outside[column.name] = [int(row) for row in index[beyond]]
    frame = pd.DataFrame(data, index=index)
    if dropped is not None:
        frame = frame[~dropped]
    used = set(positions)
    frame.attrs["ignored"] = [
        shorten(header, 300) for k, header in enumerate(names.headers) if k not in used and header
    ]
    frame.attrs["unseen"] = unseen
    frame.attrs["outside"] = outside
    frame.attrs["dropped"] = [] if dropped is None else [int(row) for row in index[dropped]]
    return frame
