"""From raw cells to a checked table: every fault named, every change counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from matlever.exceptions import DataError, Fault, NotEnoughDataError, shorten
from matlever.tables._columns import Draft
from matlever.tables._mixtures import find_mixtures
from matlever.tables._names import ColumnNames, check_headers
from matlever.tables._plausible import impossible_values, suspicious_values
from matlever.tables._raw import RawTable, cell_text
from matlever.tables._redundant import affine_pairs, copies_of, is_constant, is_identifier_name
from matlever.tables._roles import Request, Roles, assign_roles
from matlever.tables._targets import check_target
from matlever.tables._understand import understand_table
from matlever.tables.missing import FEWEST_ROWS, drop_incomplete_rows
from matlever.tables.table import Change, Column, Mixture, Table

__all__ = ["Origin", "check_table"]

_MANY_INPUTS = 500
_SUMMARY_WORDS = frozenset(
    {"mean", "average", "avg", "sum", "total", "sd", "std", "stdev", "min", "max", "median", "sem"}
)


@dataclass(frozen=True)
class Origin:
    """Where a table comes from, as far as its cells do not tell."""

    source: str
    sha256: str
    simulated: bool = False
    citation: str | None = None
    licence: str | None = None


def check_table(raw: RawTable, request: Request, origin: Origin) -> Table:
    """Return the checked table.

    Parameters
    ----------
    raw : RawTable
        Headers and cells as a reader found them.
    request : Request
        What the user asked for.
    origin : Origin
        File name, hash and what is known about the source.

    Raises
    ------
    DataError
        With every fault found; see its ``faults``.
    NotEnoughDataError
        If nothing is wrong but that there are too few rows.
    """
    check_headers(raw)
    names = ColumnNames(raw.headers, raw.file)
    check = _Check(raw, names, assign_roles(names, request, raw.file), request)
    check.set_aside_identifiers()
    check.build_frame()
    check.set_aside_constants()
    check.drop_rows()
    check.set_aside_redundant()
    mixtures = check.find_mixtures()
    check.check_values(mixtures)
    return check.table(origin, mixtures)


class _Check:
    """The steps of a check, in the order in which they must happen.

    A step raises its faults at its end, so that they do not cause others in the next.
    """

    def __init__(self, raw: RawTable, names: ColumnNames, roles: Roles, request: Request) -> None:
        self.raw, self.names, self.roles, self.request = raw, names, roles, request
        self.headers = {
            name: header or name for name, header in zip(names.names, names.headers, strict=True)
        }
        self._require_rows(len(raw.rows))
        understanding = understand_table(raw, names, roles, request)
        self.drafts = understanding.drafts
        self.changes = understanding.changes
        self.warnings = understanding.warnings
        self.frame = pd.DataFrame()
        self.constants: dict[str, pd.Series[float]] = {}

    def _names(self, positions: Sequence[int]) -> list[str]:
        return [self.names.names[k] for k in positions]

    def _set_aside(self, k: int, why: str) -> None:
        """Make a column one that is not used, and say why."""
        self.roles.roles[k] = "ignored"
        header = self.names.headers[k]
        which = repr(shorten(header)) if header else f"number {k + 1}"
        self.changes.append(Change(f"column set aside: {which} {why}", 1))
        name = self.names.names[k]
        if name in self.frame.columns:
            self.frame = self.frame.drop(columns=name)

    def set_aside_identifiers(self) -> None:
        """Set aside inputs that are empty or only name or number the rows."""
        for k in self.roles.inputs:
            draft, header = self.drafts[k], self.names.headers[k]
            if draft.kind == "empty":
                if header:
                    self._set_aside(k, "is empty")
                else:
                    self.roles.roles[k] = "ignored"
            elif not header:
                self._set_aside(k, "has no name and counts the rows")
            elif k not in self.roles.kinds and self._names_rows(k, draft):
                what = "names" if draft.kind == "categorical" else "numbers"
                self._set_aside(k, f"only {what} the rows")
                self._warn_of_summary_rows(draft)
                if self.request.inputs is not None:
                    self.warnings.append(
                        f"The input {header!r} was set aside: each row has a word of its own, "
                        "and nothing can be learnt from that."
                    )

    def _names_rows(self, k: int, draft: Draft) -> bool:
        """Return whether every row has another word, or another number under a telling name."""
        n_rows = len(self.raw.rows)
        if draft.kind == "categorical":
            words = [word for word in draft.words if word is not None]
            return len(words) > max(2, n_rows // 2) and len(set(words)) == len(words)
        if draft.kind != "numeric" or self.request.inputs is not None:
            return False
        numbers = draft.numbers[~np.isnan(draft.numbers)]
        return bool(
            is_identifier_name(self.names.names[k])
            and len(np.unique(numbers)) == n_rows
            and (numbers == np.round(numbers)).all()
        )

    def _warn_of_summary_rows(self, draft: Draft) -> None:
        """Warn where one of the last rows calls itself a mean or a sum."""
        for word, row in list(zip(draft.words, self.raw.rows, strict=True))[-4:]:
            if word is not None and word.casefold().strip(" :.") in _SUMMARY_WORDS:
                self.warnings.append(
                    f"Row {row} is called {word!r}: remove it if it sums up the other rows."
                )

    def build_frame(self) -> None:
        """Put inputs, targets and group into one data frame."""
        group = self.roles.group
        index = pd.Index(self.raw.rows, dtype="int64", name="row")
        data: dict[str, pd.Series[float] | pd.Series[str]] = {}
        for k in (*self.roles.inputs, *self.roles.targets, *(() if group is None else (group,))):
            draft, name = self.drafts[k], self.names.names[k]
            if draft.kind == "categorical":
                data[name] = pd.Series(draft.words, index=index, dtype="str")
            else:
                data[name] = pd.Series(draft.numbers, index=index, dtype="float64")
        self.frame = pd.DataFrame(data, index=index)

    def set_aside_constants(self) -> None:
        """Set aside inputs that hold a single value."""
        for k in self.roles.inputs:
            name = self.names.names[k]
            values = self.frame[name]
            if not is_constant(values):
                continue
            if self.drafts[k].kind == "numeric" and values.notna().all():
                self.constants[name] = values
            filled = values.dropna()
            shown = shorten(cell_text(filled.iloc[0]), 40) if len(filled) else "nothing"
            self._set_aside(k, f"holds {shown} in every row")

    def drop_rows(self) -> None:
        """Leave out rows that are incomplete or there twice."""
        self._require_inputs()
        self.frame, changes = drop_incomplete_rows(
            self.frame,
            self._names(self.roles.inputs),
            self._names(self.roles.targets),
            self.headers,
            self.raw.file,
            missing=self.request.missing,
        )
        self.changes.extend(changes)
        twice = self.frame.duplicated().to_numpy()
        if twice.any():
            rows = tuple(int(row) for row in self.frame.index[twice])
            what = "row left out: an earlier row has the same inputs and targets"
            self.changes.append(Change(what, len(rows), rows))
            self.frame = self.frame[~twice]
        self._require_rows(len(self.frame))

    def _require_rows(self, n_rows: int) -> None:
        """Raise NotEnoughDataError if fewer than five rows are left."""
        if n_rows >= FEWEST_ROWS:
            return
        n_read = len(self.raw.rows)
        read = "1 row" if n_read == 1 else f"{n_read} rows"
        found = f"the table has {read}" if n_rows == n_read else f"{n_rows} of {read} can be used"
        raise NotEnoughDataError(
            Fault(
                f"{found}, at least {FEWEST_ROWS} are needed",
                "Add runs; each needs its inputs, a measured target and no twin",
                file=self.raw.file,
            )
        )

    def _require_inputs(self) -> None:
        """Raise DataError if no input is left."""
        if self.roles.inputs:
            return
        aside = [c.what.partition(": ")[2] for c in self.changes if "set aside" in c.what]
        why = f" ({'; '.join(aside[:3])})" if aside else ""
        raise DataError(
            Fault(
                f"no column is left as an input{why}",
                "Give at least one column that was varied between the runs",
                file=self.raw.file,
            )
        )

    def set_aside_redundant(self) -> None:
        """Set aside inputs that are constant, copies, or words that hardly ever repeat."""
        self.set_aside_constants()
        n_rows = len(self.frame)
        inputs = dict(zip(self._names(self.roles.inputs), self.roles.inputs, strict=True))
        for name, original in copies_of(self.frame[list(inputs)]).items():
            self._set_aside(inputs[name], f"is a copy of {self.headers[original]!r}")
        for k in self.roles.inputs:
            if self.drafts[k].kind != "categorical" or self.roles.kinds.get(k) == "formula":
                continue
            n_levels = int(self.frame[self.names.names[k]].nunique())
            if n_levels > n_rows / 2:
                self._set_aside(k, f"holds {n_levels} different words in {n_rows} rows")
                self.warnings.append(
                    f"{self.names.headers[k]!r} was set aside: {n_levels} different words in "
                    f"{n_rows} rows repeat too seldom to learn from."
                )
        self._require_inputs()
        n_inputs = len(self.roles.inputs)
        if n_inputs >= _MANY_INPUTS and n_inputs > 10 * n_rows:
            raise DataError(
                Fault(
                    f"there are {n_inputs:,} inputs for {n_rows} rows",
                    "Choose the inputs that were varied, or reduce spectra to a few numbers first",
                    file=self.raw.file,
                )
            )

    def _numeric_inputs(self) -> list[int]:
        return [k for k in self.roles.inputs if self.drafts[k].kind == "numeric"]

    def find_mixtures(self) -> tuple[Mixture, ...]:
        """Return inputs that are parts of a whole; parts that never change count towards it."""
        fixed = set(self.constants)
        parts = [
            k
            for k in range(len(self.names.names))
            if k in self._numeric_inputs() or self.names.names[k] in fixed
        ]
        names = self._names(parts)
        values = np.column_stack(
            [
                (self.constants if name in fixed else self.frame)[name]
                .reindex(self.frame.index)
                .to_numpy(dtype=np.float64)
                for name in names
            ]
            or [np.empty((len(self.frame), 0))]
        )
        rows = np.asarray(self.frame.index, dtype=np.int64)
        units = [self.names.units[k] or self.drafts[k].unit for k in parts]
        mixtures, warnings = find_mixtures(values, names, units, rows)
        self.warnings.extend(warnings)
        return mixtures

    def check_values(self, mixtures: Sequence[Mixture]) -> None:
        """Raise faults of targets, leaks and impossible values; collect warnings."""
        faults: list[Fault] = []
        numbers = [k for k in self.roles.inputs if self.drafts[k].kind != "categorical"]
        names = self._names(numbers)
        for target in self._names(self.roles.targets):
            found, warnings = check_target(self.frame, target, names, self.headers, self.raw.file)
            faults.extend(found)
            self.warnings.extend(warnings)
        for k in (*numbers, *self.roles.targets):
            values = self.frame[self.names.names[k]]
            faults.extend(impossible_values(self._column(k), values, self.raw.file))
            self.warnings.extend(suspicious_values(self._column(k), values))
        if faults:
            raise DataError(faults)
        for first, second in affine_pairs(self.frame[names], [m.names for m in mixtures]):
            self.warnings.append(
                f"{self.headers[second]!r} is a linear function of {self.headers[first]!r}, so "
                "their weights cannot be told apart. Consider leaving one out."
            )

    def _column(self, k: int) -> Column:
        """Return what is known about one column, from the rows in use."""
        name, draft, role = self.names.names[k], self.drafts[k], self.roles.roles[k]
        numeric = draft.kind in ("numeric", "date", "empty") and role != "group"
        values: pd.Series[float] | pd.Series[str]
        if name in self.frame.columns:
            values = self.frame[name].dropna()
        elif numeric:
            values = pd.Series(draft.numbers).dropna()
        else:
            values = pd.Series([w for w in draft.words if w is not None], dtype="str")
        column = Column(
            name=name,
            header=self.names.headers[k],
            unit=self.names.units[k] or draft.unit,
            kind="group" if role == "group" else "numeric" if draft.kind == "empty" else draft.kind,
            role=role,
            n_missing=int(draft.missing.sum()),
            n_distinct=int(values.nunique()),
        )
        if numeric and len(values):
            return replace(column, lower=float(values.min()), upper=float(values.max()))
        if not numeric and role != "ignored":
            return replace(column, levels=tuple(sorted(map(str, values.unique()))))
        return column

    def table(self, origin: Origin, mixtures: tuple[Mixture, ...]) -> Table:
        """Return the table with everything that was found."""
        named = [k for k, header in enumerate(self.names.headers) if header]
        return Table(
            columns=tuple(self._column(k) for k in named),
            frame=self.frame,
            source=origin.source,
            sha256=origin.sha256,
            rows_read=len(self.raw.rows),
            changes=tuple(self.changes),
            warnings=tuple(dict.fromkeys(self.warnings)),
            simulated=origin.simulated,
            citation=origin.citation,
            licence=origin.licence,
            mixtures=mixtures,
        )
