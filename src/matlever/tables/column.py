"""What is known about a column, a change and a mixture of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np

from matlever.exceptions import ModelFileError, shorten

__all__ = ["Change", "Column", "ColumnKind", "ColumnRole", "Mixture"]

ColumnKind = Literal["numeric", "categorical", "date", "group"]
ColumnRole = Literal["input", "target", "group", "ignored"]

_ROWS_SHOWN = 10


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name : str
        Header without the bracketed unit; the header where two columns would share a name.
    header : str
        Header as it stands in the file.
    unit : str or None
        Unit from the header, or from the cells where each of them carries it.
    kind : {"numeric", "categorical", "date", "group"}
        Dates are days since 1970-01-01.
    role : {"input", "target", "group", "ignored"}
        What the study does with it.
    n_missing : int
        Empty cells among the rows that were read.
    n_distinct : int
        Different values among the rows in use.
    lower, upper : float or None
        Limits among the rows in use; None for words.
    levels : tuple of str
        The words of a categorical or group column, sorted.
    """

    name: str
    header: str
    unit: str | None = None
    kind: ColumnKind = "numeric"
    role: ColumnRole = "input"
    n_missing: int = 0
    n_distinct: int = 0
    lower: float | None = None
    upper: float | None = None
    levels: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Name and unit as they belong on an axis: ``length (nm)``."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    def to_dict(self) -> dict[str, Any]:
        """Return the column as plain JSON values."""
        return {
            "name": self.name,
            "header": self.header,
            "unit": self.unit,
            "kind": self.kind,
            "role": self.role,
            "n_missing": self.n_missing,
            "n_distinct": self.n_distinct,
            "lower": self.lower,
            "upper": self.upper,
            "levels": list(self.levels),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Column:
        """Return the column that :meth:`to_dict` described.

        Raises
        ------
        ModelFileError
            If a value is missing or of the wrong type.
        """
        if not isinstance(values, Mapping):
            raise ModelFileError("A column is not described by an object. Save the model again.")

        def take(key: str, types: tuple[type, ...], default: Any = None) -> Any:
            value = values.get(key, default)
            if not isinstance(value, types) or isinstance(value, bool):
                raise ModelFileError(
                    f"The description of a column has {key!r} = {shorten(repr(value))}, which is "
                    f"not {' or '.join(t.__name__ for t in types)}. Save the model again."
                )
            return value

        kind, role = take("kind", (str,)), take("role", (str,))
        if kind not in get_args(ColumnKind) or role not in get_args(ColumnRole):
            raise ModelFileError(
                f"The description of a column has kind {shorten(kind)!r} and role "
                f"{shorten(role)!r}, which this version does not know. Save the model again."
            )
        levels = take("levels", (list, tuple), ())
        if not all(isinstance(level, str) for level in levels):
            raise ModelFileError("The levels of a column are not all text. Save the model again.")
        limits = [take(key, (int, float, type(None))) for key in ("lower", "upper")]
        if any(limit is not None and not np.isfinite(limit) for limit in limits):
            raise ModelFileError("A limit of a column is not finite. Save the model again.")
        return cls(
            name=take("name", (str,)),
            header=take("header", (str,)),
            unit=take("unit", (str, type(None))),
            kind=cast(ColumnKind, kind),
            role=cast(ColumnRole, role),
            n_missing=take("n_missing", (int,), 0),
            n_distinct=take("n_distinct", (int,), 0),
            lower=None if limits[0] is None else float(limits[0]),
            upper=None if limits[1] is None else float(limits[1]),
            levels=tuple(levels),
        )


@dataclass(frozen=True)
class Change:
    """Something that was done to the data on the way in, counted.

    Parameters
    ----------
    what : str
        In words: ``"row left out: 'time (min)' is empty"``.
    count : int
        How many rows, cells or columns it concerned.
    rows : tuple of int
        Line numbers in the file (the header is 1); empty where a whole column is meant.
    """

    what: str
    count: int
    rows: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the change as plain JSON values, with the first ten rows."""
        return {"what": self.what, "count": self.count, "rows": list(self.rows[:_ROWS_SHOWN])}


@dataclass(frozen=True)
class Mixture:
    """Input columns that are shares of one whole in every row.

    Parameters
    ----------
    names : tuple of str
        Column names, in the order of the file.
    total : float
        What they add up to: 1 or 100, less the share of parts that never change.
    """

    names: tuple[str, ...]
    total: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """Return the mixture as plain JSON values."""
        return {"names": list(self.names), "total": self.total}
