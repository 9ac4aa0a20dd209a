"""Answers about a finished study on a terminal."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from matlever.cli.console import standard_output
from matlever.cli.errors import printable
from matlever.cli.tables import text_grid
from matlever.exceptions import shorten
from matlever.study.words import day, number, with_unit

if TYPE_CHECKING:
    from matlever.recommendation import Suggestions
    from matlever.study import Answered, Changes

__all__ = ["print_changes", "print_explained", "print_suggested", "print_swept"]

_MOST_KNOBS = 8
_MOST_ROWS = 20
_MOST_LINES = 60


def print_explained(found: Answered, names: Mapping[str, str] | None = None) -> None:
    """Print, row by row, the weights of the knobs with their spread and fidelity.

    Rows are called by their `names`, where they have some.
    """
    out = standard_output()
    for column, answer in zip(found.targets, found.answers, strict=True):
        plain = answer.to_dict()
        out.print(f"\n{printable(column.label)}: change per standard deviation of the knob")
        for place, row in enumerate(plain["rows"][:_MOST_ROWS]):
            predicted = with_unit(plain["prediction"][place], column.unit)
            which = printable(named_row(row, names))
            out.print(f"\n{which}, predicted {printable(predicted)}{_fidelity(plain, place)}")
            grid = text_grid("knob", "setting", "weight", "± spread", "per unit of the knob")
            weights = np.array(plain["slope_standardised"][place], dtype=float)
            order = np.argsort(-np.abs(weights), kind="stable")
            for j in order[:_MOST_KNOBS].tolist():
                grid.add_row(
                    shorten(printable(plain["knobs"][j]), 40),
                    printable(_setting(answer, place, j)),
                    number(plain["slope_standardised"][place][j]),
                    number(plain["spread"][place][j], 2),
                    number(plain["slope"][place][j]),
                )
            out.print(grid)
            if len(order) > _MOST_KNOBS:
                out.print(f"... and {len(order) - _MOST_KNOBS} weaker knobs.")
            if found.nearest is not None:
                out.print(printable(found.nearest.sentence_of(place)))
        if len(plain["rows"]) > _MOST_ROWS:
            left = len(plain["rows"]) - _MOST_ROWS
            out.print(f"... and {left} more rows; --out FILE.csv writes all of them.")
        out.print(f"\n{printable(plain['sentence'])}")


def _fidelity(plain: dict[str, Any], place: int) -> str:
    """Return how well a straight line describes the model around a row."""
    r2 = plain["r2"][place]
    if r2 is None:
        return "; the model is flat there"
    poor = ": look at a sweep too" if r2 < 0.5 else ""
    return f"; a straight line explains {100 * max(r2, 0):.0f} % of it nearby{poor}"


def _setting(answer: Any, place: int, j: int) -> str:
    value = float(answer.settings[place, j])
    if answer.is_categorical[j]:
        levels = getattr(answer, "levels", ())
        return shorten(str(levels[j][int(value)]), 24) if levels and levels[j] else "–"
    return with_unit(value, answer.units[j])


def print_swept(found: Answered) -> None:
    """Print the mean prediction, with its interval, at every value of a knob or of two."""
    out = standard_output()
    for column, answer in zip(found.targets, found.answers, strict=True):
        out.print(f"\n{printable(column.label)}: mean over {len(found.frame)} rows")
        if found.kind == "pairs":
            _print_pair(answer)
            continue
        for one in answer:
            grid = text_grid(one.knob.label, "mean", "lower", "upper", "rows near data")
            for i in range(min(len(one.values), _MOST_LINES)):
                grid.add_row(
                    printable(one.show(i)),
                    number(float(one.mean[i])),
                    number(None if one.lower is None else float(one.lower[i])),
                    number(None if one.upper is None else float(one.upper[i])),
                    f"{100 * one.inside[i]:.0f} %",
                )
            out.print(grid)
            out.print("")


def _print_pair(answer: Any) -> None:
    out = standard_output()
    a, b = answer.knobs
    shown = [np.unique(np.linspace(0, len(v) - 1, m).round().astype(int)) for v, m in
             ((answer.values[0], 6), (answer.values[1], 14))]  # fmt: skip
    grid = text_grid(
        f"{b.name} \\ {a.name}", *(printable(a.show(float(answer.values[0][i]))) for i in shown[0])
    )
    for j in shown[1].tolist():
        cells = [
            number(float(answer.mean[i, j])) + ("" if answer.is_near[i, j] else " *")
            for i in shown[0].tolist()
        ]
        grid.add_row(printable(b.show(float(answer.values[1][j]))), *cells)
    out.print(grid)
    if not answer.is_near.all():
        out.print("* far from all data")
    out.print(printable(answer.sentence))


def print_suggested(found: Suggestions, dates: Collection[str] = ()) -> None:
    """Print the suggested experiments: what to set, what to expect, and why."""
    out = standard_output()
    wanted = "; ".join(f"{goal.target}: {goal.text}" for goal in found.goals)
    many = f"{len(found)} experiments" if len(found) > 1 else "One experiment"
    out.print(printable(f"{many} ({found.method}{f', {wanted}' if wanted else ''})"))
    for place in range(len(found)):
        where = "" if found.pool_rows is None else f", row {found.pool_rows[place]} of the pool"
        out.print(f"\nexperiment {place + 1}{where}")
        grid = text_grid("knob", "set to")
        for knob, value in zip(found.space, found.settings[place], strict=True):
            shown = day(float(value)) if knob.name in dates else knob.show(float(value))
            said = f"{shown}{' (as it is)' if knob.fixed else ''}"
            grid.add_row(shorten(printable(knob.name), 40), printable(said))
        out.print(grid)
        out.print(printable(found.reasons[place]))
        for limit in found.at_limits[place]:
            out.print(printable(f"At a limit: {limit}."))


def named_row(row: object, names: Mapping[str, str] | None) -> str:
    """Return what a row is called: its number, and the name that the data give it."""
    name = (names or {}).get(str(row))
    return f"row {row} ({name})" if name else f"row {row}"


def print_changes(changes: Changes, names: Mapping[str, str] | None = None) -> None:
    """Print, row by row, what to change and what that leads to, also for the other targets."""
    out = standard_output()
    plain = changes.to_dict()
    for row in plain["rows"][:_MOST_ROWS]:
        for place, answer in enumerate(row["answers"]):
            which = f", answer {place + 1}" if len(row["answers"]) > 1 else ""
            called = named_row(row["row"], names)
            out.print(printable(f"\n{called}{which}: {answer['sentence']}"))
            beside = [
                f"{other['target']} {number(other['before'])} -> {number(other['after'])}"
                for other in answer["others"]
            ]
            if beside:
                out.print(printable(f"  beside: {', '.join(beside)}"))
            out.print(printable(f"  nearest known row: {named_row(answer['nearest'], names)[4:]}"))
    if len(plain["rows"]) > _MOST_ROWS:
        left = len(plain["rows"]) - _MOST_ROWS
        out.print(f"... and {left} more rows; --out FILE.csv writes all of them.")
