"""Compositions and targets from a table: a column of formulas, or a column for each element."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from matlever.compositions._blocks import BlockSource, open_source
from matlever.compositions._rows import Rows, joined_rows, rows_from_dense
from matlever.compositions._shares import element_columns, numbers_of, total_faults
from matlever.compositions.compositions import Compositions
from matlever.compositions.elements import ELEMENTS, element_properties
from matlever.compositions.formula import read_formulas
from matlever.exceptions import DataError, Fault, SettingsError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_compositions"]

Float = NDArray[np.float64]
Lines = NDArray[np.int64]
_MOST_FAULTS = 1000


def read_compositions(
    source: str | os.PathLike[str] | pd.DataFrame,
    *,
    formula: str | None = "formula",
    elements: str | Sequence[str] | Mapping[str, str] | None = None,
    unit: Literal["at", "wt"] = "at",
    targets: str | Sequence[str] = (),
    balance: str | None = None,
    missing_amounts: Literal["refuse", "zero"] = "refuse",
    delimiter: str | None = None,
    decimal: str = ".",
) -> tuple[Compositions, pd.DataFrame]:
    """Return the compositions and the targets in a table.

    Parameters
    ----------
    source : path or pandas.DataFrame
        CSV, TSV or text (also ``.gz``), ``.xlsx`` or ``.parquet``. Text is read in blocks, so that
        millions of rows need little more memory than their compositions.
    formula : str, default="formula"
        Column with formulas; not used where `elements` is given.
    elements : "auto", sequence of str, or mapping, optional
        Columns with the amounts of the elements. ``"auto"`` takes every column whose header begins
        with a symbol (``Fe``, ``Fe (wt%)``); a mapping names them, ``{"iron": "Fe"}``.
    unit : {"at", "wt"}, default="at"
        Unit of element columns: atom fractions, percent or atoms per formula unit; or weight
        fractions or percent. Fractions and percent are told apart by the totals.
    targets : str or sequence of str, default=()
        Columns to return as numbers.
    balance : str, optional
        Element that makes up the rest to 1 or 100 in every row; its column may be missing or empty.
    missing_amounts : {"refuse", "zero"}, default="refuse"
        Whether an empty cell of an element column is a fault, or means 0.
    delimiter, decimal : str, optional
        Of a text file.

    Returns
    -------
    compositions : Compositions of length n
        In the order of the file.
    targets : pandas.DataFrame of shape (n, n_targets)
        NaN where a cell is empty. Its index, ``row``, is the line in the file (the header being
        line 1; in Parquet, the first record being 1), or the index of the given DataFrame.

    Raises
    ------
    DataError
        All faults together, with file, row and column: formulas that cannot be read, cells that
        are no numbers, negative amounts, totals that are neither 1 nor 100, fractions and percent
        in one table, missing columns.
    SettingsError
        If the options contradict each other or the headers.

    Notes
    -----
    Lines of a text file or a sheet with nothing in any column are passed over. Reading stops after
    the block with the thousandth fault.

    Examples
    --------
    >>> import pandas as pd
    >>> steel = pd.DataFrame({"Fe (wt%)": [98.0, 70.0], "Cr (wt%)": [2.0, 30.0], "HV": [180, 210]})
    >>> alloys, hardness = read_compositions(steel, elements="auto", unit="wt", targets="HV")
    >>> alloys.fractions[:, 23].round(4), hardness["HV"].tolist()
    (array([0.0214, 0.3152]), [180.0, 210.0])
    """
    if unit not in ("at", "wt"):
        raise SettingsError(f"unit={unit!r} must be 'at' or 'wt'.")
    if missing_amounts not in ("refuse", "zero"):
        raise SettingsError(f"missing_amounts={missing_amounts!r} must be 'refuse' or 'zero'.")
    if balance is not None and (elements is None or balance not in ELEMENTS):
        raise SettingsError(
            f"balance={balance!r} must be the symbol of an element, and needs elements=."
        )
    table = open_source(source, delimiter)
    wanted = [targets] if isinstance(targets, str) else list(targets)
    if elements is None:
        if formula is None:
            raise SettingsError("Name the column with formula=, or the columns with elements=.")
        part: _Formulas | _Amounts = _Formulas(formula)
    else:
        shares = element_columns(table.headers, elements, unit)
        part = _Amounts(shares, unit, balance, missing_amounts == "zero")
    _check_headers(table, [*part.columns, *wanted])
    return _read(table, part, wanted, decimal)


def _check_headers(table: BlockSource, wanted: Sequence[str]) -> None:
    faults = []
    for name in wanted:
        found = table.headers.count(name)
        if found == 1:
            continue
        near = difflib.get_close_matches(name, table.headers, n=3)
        shown = near or table.headers[:8]
        faults.append(
            Fault(
                f"there is no column {name!r}" if not found else f"{found} columns are {name!r}",
                f"{'Similar' if near else 'The'} columns: {', '.join(map(repr, shown))}"
                if not found
                else "Give each column its own header",
                table.file,
            )
        )
    if faults:
        raise DataError(faults)


def _read(
    table: BlockSource, part: _Formulas | _Amounts, wanted: Sequence[str], decimal: str
) -> tuple[Compositions, pd.DataFrame]:
    import pandas as pd

    faults: list[Fault] = []
    lines_of: list[Lines] = []
    values_of: list[Float] = []
    columns = list(dict.fromkeys([*part.columns, *wanted]))
    with closing(table.blocks(columns)) as blocks:
        for lines, frame in blocks:
            faults += part.add(table.file, lines, frame, decimal)
            values = np.empty((len(frame), len(wanted)))
            for place, name in enumerate(wanted):
                values[:, place], wrong = numbers_of(frame[name], lines, table.file, name, decimal)
                faults += wrong
            lines_of.append(lines)
            values_of.append(values)
            if len(faults) >= _MOST_FAULTS:
                break
    whole_lines = np.concatenate([np.empty(0, dtype=np.int64), *lines_of])
    faults += part.end(table.file, whole_lines)
    if not len(whole_lines):
        faults.append(Fault("there are no rows", "Give rows below the header", table.file))
    if faults:
        raise DataError(sorted(faults, key=lambda fault: fault.row or 0))
    rows, sources = part.result()
    return Compositions(rows, sources), pd.DataFrame(
        np.concatenate(values_of),
        columns=pd.Index(wanted),
        index=pd.Index(whole_lines, name="row"),
    )


class _Formulas:
    """Compositions from a column of formulas."""

    def __init__(self, column: str) -> None:
        self.columns = (column,)
        self.rows: list[Rows] = []
        self.sources: list[str] = []

    def add(self, file: str | None, lines: Lines, frame: pd.DataFrame, decimal: str) -> list[Fault]:
        texts = frame[self.columns[0]].tolist()
        rows, faults = read_formulas(texts, file=file, column=self.columns[0], rows=lines.tolist())
        self.rows.append(rows)
        if not faults:
            self.sources += texts
        return faults

    def end(self, file: str | None, lines: Lines) -> list[Fault]:
        return []

    def result(self) -> tuple[Rows, list[str] | None]:
        return joined_rows(self.rows), self.sources


class _Amounts:
    """Compositions from a column for each element."""

    def __init__(
        self, shares: Mapping[str, int], unit: Literal["at", "wt"], balance: str | None, fill: bool
    ) -> None:
        self.unit, self.fill, self.balance = unit, fill, balance
        self.shares = {h: j for h, j in shares.items() if balance != ELEMENTS[j]}
        self.columns = tuple(self.shares)
        self.used = sorted(
            {*self.shares.values(), *map(ELEMENTS.index, [balance] if balance else [])}
        )
        self.values: list[Rows] = []
        self.totals: list[Float] = []

    def add(self, file: str | None, lines: Lines, frame: pd.DataFrame, decimal: str) -> list[Fault]:
        faults: list[Fault] = []
        whole = np.zeros((len(frame), len(self.used)))
        for header, column in self.shares.items():
            amounts, wrong = numbers_of(frame[header], lines, file, header, decimal)
            faults += wrong
            told = {fault.row for fault in wrong}
            for i in np.flatnonzero(np.isnan(amounts)).tolist() if not self.fill else ():
                if int(lines[i]) not in told:
                    remedy = "Write 0, or pass missing_amounts='zero'"
                    faults.append(Fault("the amount is empty", remedy, file, int(lines[i]), header))
            for i in np.flatnonzero(amounts < 0).tolist():
                reason = f"the amount {amounts[i]:.6g} is negative"
                remedy = "Amounts must be at least 0"
                faults.append(Fault(reason, remedy, file, int(lines[i]), header))
            whole[:, self.used.index(column)] = np.nan_to_num(np.maximum(amounts, 0.0))
        self.totals.append(whole.sum(axis=1))
        self.values.append(rows_from_dense(whole, self.used))
        return faults

    def end(self, file: str | None, lines: Lines) -> list[Fault]:
        totals = np.concatenate([np.empty(0), *self.totals])
        if self.balance is not None:
            return self._add_balance(self.balance, totals, file, lines)
        empty = np.flatnonzero(totals <= 0).tolist()
        faults = [Fault("all amounts are 0", "Check the row", file, int(lines[i])) for i in empty]
        kept = totals > 0
        return faults + total_faults(totals[kept], lines[kept], file, self.unit)

    def _add_balance(
        self, balance: str, totals: Float, file: str | None, lines: Lines
    ) -> list[Fault]:
        """Give the rest to 1 or 100 to one element."""
        whole = 100.0 if np.max(totals, initial=0.0) > 1 + 1e-9 else 1.0
        rest = whole - totals
        start = 0
        for place, block in enumerate(self.values):
            dense = block.dense()[:, self.used]
            more = np.maximum(rest[start : start + len(dense)], 0.0)
            dense[:, self.used.index(ELEMENTS.index(balance))] = more
            self.values[place] = rows_from_dense(dense, self.used)
            start += len(dense)
        return [
            Fault(
                f"the amounts without {balance} add up to {totals[i]:.6g}, more than {whole:g}",
                "Check the row, or leave balance= away",
                file,
                int(lines[i]),
            )
            for i in np.flatnonzero(rest < -1e-9 * whole).tolist()
        ]

    def result(self) -> tuple[Rows, list[str] | None]:
        rows = joined_rows(self.values)
        if self.unit == "wt":
            mass = element_properties()["AtomicWeight"][rows.columns]
            rows = Rows(rows.starts, rows.columns, rows.values / mass)  # noqa: PD011 - not pandas
        return rows, None
