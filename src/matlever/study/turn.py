"""What can be turned: the knobs of the data, with the limits, steps and costs a user set."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from matlever.exceptions import SettingsError
from matlever.knobs import Knob, KnobSpace, LinearRelation, TableEditor
from matlever.study.wishes import READERS, Goal, Range
from matlever.tables import Column

__all__ = ["Wishes", "find_column", "turned_editor", "widened_editor"]


@dataclass(frozen=True)
class Wishes:
    """Limits, fixed inputs, costs, steps, relations and goals, by column name.

    Each may be given in any form that ``study.toml``, Python or the command line knows.
    """

    limits: Mapping[str, Range] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()
    costs: Mapping[str, float] = field(default_factory=dict)
    steps: Mapping[str, float] = field(default_factory=dict)
    relations: tuple[Mapping[str, Any], ...] = ()
    goals: Mapping[str, Goal] = field(default_factory=dict)

    @classmethod
    def of(cls, said: Any, inputs: Sequence[Column], targets: Sequence[Column]) -> Wishes:
        """Read what was said (settings, or a mapping) and find the columns it is about.

        Raises
        ------
        SettingsError
            If a column does not exist, or is no input (for knobs) or no target (for goals); all
            faults together.
        """
        given = dict(said) if isinstance(said, Mapping) else vars(said)
        found: dict[str, Any] = {}
        problems: list[str] = []
        for name, read in READERS.items():
            value = given.get(name)
            if not value:
                continue
            try:
                found[name] = _renamed(name, read(value), inputs, targets, problems)
            except SettingsError as error:
                problems.append(str(error))
        if problems:
            raise SettingsError("\n".join(problems))
        return cls(**found)


def turned_editor(observed: TableEditor, wishes: Wishes) -> TableEditor:
    """Return an editor whose knobs can be turned as far and in the steps the user says.

    Parameters
    ----------
    observed : TableEditor
        Knobs with the limits they have so far.
    wishes : Wishes
        A step makes a knob a grid of multiples of the step inside its limits, or, where the lower
        limit was given, of values counted from there.

    Raises
    ------
    SettingsError
        If limits are asked of a knob with words, or no setting is left.
    """
    knobs, problems = [], []
    for knob in observed.space:
        try:
            knobs.append(_turned(knob, wishes))
        except SettingsError as error:
            problems.append(str(error))
    if problems:
        raise SettingsError("\n".join(problems))
    return _with_knobs(observed, knobs, wishes.relations)


def _with_knobs(
    editor: TableEditor, knobs: Sequence[Knob], relations: Sequence[Mapping[str, Any]] = ()
) -> TableEditor:
    """Return an editor of the same columns with other knobs, and further relations."""
    more = [
        LinearRelation(dict(one["coefficients"]), one["lower"], one["upper"]) for one in relations
    ]
    space = KnobSpace(knobs, editor.space.mixtures, [*editor.space.relations, *more])
    return TableEditor(space, editor.columns, editor.fill)


def _turned(knob: Knob, wishes: Wishes) -> Knob:
    changes: dict[str, Any] = {}
    if knob.name in wishes.fixed:
        changes["fixed"] = True
    if knob.name in wishes.costs:
        changes["cost"] = wishes.costs[knob.name]
    limits, step = wishes.limits.get(knob.name), wishes.steps.get(knob.name)
    if (limits or step) and knob.kind == "categorical":
        raise SettingsError(
            f"{knob.name!r} has levels ({', '.join(map(str, knob.levels[:5]))}): these have "
            "neither limits nor steps. To keep it as it is, use --fix (fixed in study.toml)."
        )
    if limits:
        low, high = limits
        changes |= {
            "lower": knob.low if low is None else low,
            "upper": knob.high if high is None else high,
        }
    if step:
        low, high = changes.get("lower", knob.low), changes.get("upper", knob.high)
        if limits is None or limits[0] is None:
            low = step * math.ceil(low / step - 1e-9)
        if low > high:
            raise SettingsError(f"{knob.name!r}: no multiple of {step:g} lies within its limits.")
        changes |= {"kind": "grid", "step": step, "levels": (), "lower": low, "upper": high}
    return dataclasses.replace(knob, **changes) if changes else knob


def widened_editor(editor: TableEditor, rows: pd.DataFrame, keep: Collection[str]) -> TableEditor:
    """Return an editor whose limits also hold the rows given, but for the knobs in `keep`.

    Knobs with words, fixed knobs, grids and parts of mixtures stay as they are.
    """
    parts = {name for mixture in editor.space.mixtures for name in mixture.names}
    knobs = []
    for knob in editor.space:
        if knob.kind in ("continuous", "integer") and not knob.fixed:
            cells = rows[knob.name].astype(float)
            if knob.name not in keep and knob.name not in parts and cells.notna().any():
                low, high = min(knob.low, float(cells.min())), max(knob.high, float(cells.max()))
                whole = knob.kind == "integer" and bool((cells.dropna() % 1 == 0).all())
                kind = knob.kind if whole else "continuous"
                knob = dataclasses.replace(knob, lower=low, upper=high, kind=kind)
        knobs.append(knob)
    return _with_knobs(editor, knobs)


def find_column(said: str, columns: Sequence[Column], what: str) -> Column:
    """Return the column with this name, header or label.

    Raises
    ------
    SettingsError
        If there is none; the message names a similar one, or all.
    """
    for column in columns:
        if said in (column.name, column.header, column.label):
            return column
    names = [column.name for column in columns]
    close = difflib.get_close_matches(said, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(map(repr, names))}."
    raise SettingsError(f"There is no {what} {said!r}: {hint}")


def _renamed(
    name: str,
    value: Any,
    inputs: Sequence[Column],
    targets: Sequence[Column],
    problems: list[str],
) -> Any:
    """Return a wish with the names that the columns have; unknown ones are added to `problems`."""
    columns, others = (targets, inputs) if name == "goals" else (inputs, targets)
    what, other = ("target", "input") if name == "goals" else ("input", "target")

    def renamed(said: Iterable[str]) -> dict[str, str]:
        found = {}
        for one in said:
            try:
                found[one] = find_column(one, columns, what).name
            except SettingsError as error:
                known = {label for c in others for label in (c.name, c.header, c.label)}
                problems.append(
                    f"{name}: {one!r} is an {other}, not a {what}."
                    if one in known and other == "input"
                    else f"{name}: {one!r} is a {other}, not an {what}."
                    if one in known
                    else f"{name}: {error}"
                )
                found[one] = one
        return found

    if name == "relations":
        return tuple(
            {
                **one,
                "coefficients": {
                    new: one["coefficients"][old]
                    for old, new in renamed(one["coefficients"]).items()
                },
            }
            for one in value
        )
    names = renamed(value)
    if len(set(names.values())) < len(names):
        problems.append(f"{name}: one column is given under two of its names, {sorted(names)}.")
    if isinstance(value, tuple):
        return tuple(names.values())
    return {names[old]: one for old, one in value.items()}
