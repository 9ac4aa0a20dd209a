"""The knobs of a table's columns: what the cells show, and what the user says instead."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from matlever.exceptions import DataError, Fault, SettingsError
from matlever.knobs.knob import Knob, Mixture

__all__ = ["ColumnWishes", "Limits", "knobs_of_columns", "mixture_of_data"]

Limits = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class ColumnWishes:
    """What the user says about columns, by name.

    Attributes
    ----------
    units : mapping of str to (str or None)
        Units.
    fixed : collection of str
        Columns that stay as they are in each row.
    limits : mapping of str to (lower, upper)
        Limits to use instead of the observed ones.
    steps : mapping of str to float
        Steps of a grid that begins at the lower limit.
    levels : mapping of str to sequence
        All values a column can take: numbers of an uneven grid, or names.
    costs : mapping of str to float
        Costs of a change from one limit to the other.
    """

    units: Mapping[str, str | None] = field(default_factory=dict)
    fixed: Collection[str] = ()
    limits: Limits = field(default_factory=dict)
    steps: Mapping[str, float] = field(default_factory=dict)
    levels: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)

    def check(self, columns: Sequence[str]) -> None:
        """Refuse names that are no column and wishes that exclude each other, all at once."""
        named: dict[str, Iterable[str]] = {
            "fixed": self.fixed,
            "limits": self.limits,
            "steps": self.steps,
            "levels": self.levels,
            "costs": self.costs,
        }
        faults = [
            f"There is no input column {name!r} ({what}); there are {list(columns)}."
            for what, names in named.items()
            for name in names
            if name not in columns
        ]
        faults += [
            f"{name!r} has {what} and levels: the levels alone say which values there are."
            for what, names in (("limits", self.limits), ("a step", self.steps))
            for name in names
            if name in self.levels
        ]
        if faults:
            raise SettingsError("\n".join(faults))


def knobs_of_columns(
    frame: pd.DataFrame, wishes: ColumnWishes, never_whole: Collection[str]
) -> tuple[list[Knob], dict[str, float]]:
    """Return one knob per column, and the setting that stands in for a missing cell.

    Parameters
    ----------
    frame : DataFrame
        Rows that show limits and levels.
    wishes : ColumnWishes
        What is said about the columns.
    never_whole : collection of str
        Columns whose whole numbers do not make them integer knobs.

    Raises
    ------
    DataError
        If a column is not named by text or holds no value.
    SettingsError
        If something said about a column does not fit to it; all columns are looked at.
    """
    unnamed = [name for name in frame.columns if not isinstance(name, str)]
    if unnamed:
        raise DataError(
            f"The column {unnamed[0]!r} is not named by text: use frame.rename(columns=str), or "
            "give the array itself."
        )
    wishes.check(list(frame.columns))
    knobs: list[Knob] = []
    fill: dict[str, float] = {}
    faults: list[str] = []
    for name in frame.columns:
        cells = frame[name].dropna()
        if cells.empty:
            raise DataError(
                Fault("the column holds no value", "Leave it out, or fill it.", column=name)
            )
        try:
            knob = _knob(name, cells, wishes, name not in never_whole)
            fill[name] = _middle(knob, cells)
        except SettingsError as error:
            faults.append(str(error))
            continue
        knobs.append(knob)
    if faults:
        raise SettingsError("\n".join(faults))
    return knobs, fill


def mixture_of_data(mixture: Mixture, frame: pd.DataFrame, wishes: ColumnWishes) -> Mixture:
    """Mixture with the total that rounded data really have, where their limits leave no other."""
    parts = frame[list(mixture.names)].astype(float)
    spans = [
        wishes.limits.get(name, (float(parts[name].min()), float(parts[name].max())))
        for name in mixture.names
    ]
    lower, upper = sum(span[0] for span in spans), sum(span[1] for span in spans)
    if lower <= mixture.total <= upper:
        return mixture
    return Mixture(mixture.names, float(parts.sum(axis=1).median()), mixture.max_parts)


def _knob(name: str, cells: pd.Series[Any], wishes: ColumnWishes, may_be_integer: bool) -> Knob:
    common: dict[str, Any] = {
        "unit": wishes.units.get(name),
        "fixed": name in wishes.fixed,
        "cost": wishes.costs.get(name, 1.0),
    }
    if not pd.api.types.is_numeric_dtype(cells):
        if name in wishes.limits or name in wishes.steps:
            raise SettingsError(
                f"{name!r} holds words, which have neither limits nor a step: use levels or fixed."
            )
        levels = wishes.levels.get(name, sorted({str(cell) for cell in cells}))
        names = tuple(str(level) for level in levels)
        absent = sorted({str(cell) for cell in cells} - set(names))
        if absent:
            raise SettingsError(f"{name!r} also holds {absent[0]!r}, which is none of its levels.")
        return Knob(name, kind="categorical", levels=names, **common)
    if name in wishes.levels:
        return Knob(name, kind="grid", levels=tuple(wishes.levels[name]), **common)
    cells = cells.astype(float)
    lower, upper = wishes.limits.get(name) or (float(cells.min()), float(cells.max()))
    if name in wishes.steps:
        return Knob(name, kind="grid", lower=lower, upper=upper, step=wishes.steps[name], **common)
    whole = common["unit"] is None and may_be_integer and bool((cells == np.rint(cells)).all())
    kind = "integer" if whole else "continuous"
    return Knob(name, kind=kind, lower=lower, upper=upper, **common)  # type: ignore[arg-type]


def _middle(knob: Knob, cells: pd.Series[Any]) -> float:
    """Most frequent level, or the median, of a column's cells."""
    if knob.kind == "categorical":
        return float(knob.levels.index(str(cells.mode()[0])))
    return float(cells.median())
