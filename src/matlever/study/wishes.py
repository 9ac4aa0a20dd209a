"""What a user says about knobs and goals, in a file or in words, as plain values.

The forms are the same in ``study.toml``, in Python and as options of the command line:
``length=10..20``, ``{"length": (10, 20)}``, ``length = [10, 20]``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from matlever.exceptions import SettingsError

__all__ = [
    "READERS",
    "Goal",
    "Range",
    "goals_said",
    "limits_said",
    "names_said",
    "numbers_said",
    "relations_said",
]

Range = tuple[float | None, float | None]
Goal = str | float | Range
_DIRECTIONS = {
    "max": "maximise",
    "maximise": "maximise",
    "maximize": "maximise",
    "min": "minimise",
    "minimise": "minimise",
    "minimize": "minimise",
}
_GOAL_FORMS = "a number, LOW..HIGH, LOW.. (at least), ..HIGH (at most), max or min"


def goals_said(said: object) -> dict[str, Goal]:
    """Return the goals by column: "maximise", "minimise", a number or a range.

    Parameters
    ----------
    said : mapping, or iterable of str such as "length=max"

    Raises
    ------
    SettingsError
        If one cannot be understood; all faults together.
    """
    return _each(said, "goals", _goal)


def limits_said(said: object) -> dict[str, Range]:
    """Return limits by column; None stands for the limit of the data."""
    return _each(said, "limits", lambda value: _range(value, "LOW..HIGH, LOW.. or ..HIGH"))


def numbers_said(said: object, name: str) -> dict[str, float]:
    """Return one number by column: the ``costs`` (0 or more) or the ``steps`` (above 0)."""

    def read(value: object) -> float:
        found = _number(value, "a number")
        if found < 0 or (found == 0 and name == "steps"):
            raise SettingsError(
                f"{found:g} must be {'above 0' if name == 'steps' else '0 or more'}"
            )
        return found

    return _each(said, name, read)


def names_said(said: object) -> tuple[str, ...]:
    """Return the columns that stay as they are."""
    names = (said,) if isinstance(said, str) else said
    if not isinstance(names, list | tuple | set | frozenset) or not all(
        isinstance(name, str) for name in names
    ):
        raise SettingsError(f"fixed must be a list of column names, not {said!r}.")
    return tuple(dict.fromkeys(names))


def relations_said(said: object) -> tuple[dict[str, Any], ...]:
    """Return linear relations, ``{"coefficients": {column: a}, "lower": ..., "upper": ...}``."""
    found, problems = [], []
    for entry in said if isinstance(said, list | tuple) else [said]:
        try:
            found.append(_relation(entry))
        except SettingsError as error:
            problems.append(f"relations: {error}.")
    if problems:
        raise SettingsError("\n".join(problems))
    return tuple(found)


def _relation(entry: object) -> dict[str, Any]:
    known = {"coefficients", "lower", "upper"}
    if not isinstance(entry, Mapping) or not set(entry) <= known or "coefficients" not in entry:
        raise SettingsError(
            f"{entry!r} is not of the form {{ coefficients = {{ a = 1, b = 2 }}, upper = 10 }}"
        )
    weights = entry["coefficients"]
    if not isinstance(weights, Mapping) or not weights:
        raise SettingsError(f"coefficients must give columns their numbers, not {weights!r}")
    limits = _range(
        (entry.get("lower"), entry.get("upper")), "a lower limit, an upper limit or both"
    )
    return {
        "coefficients": {str(name): _number(a, "a number") for name, a in weights.items()},
        "lower": limits[0],
        "upper": limits[1],
    }


def _each(said: object, what: str, read: Callable[[object], Any]) -> dict[str, Any]:
    """Read every ``column=value``; all faults are raised together."""
    if isinstance(said, str):
        said = (said,)
    pairs: Iterable[Any] = said.items() if isinstance(said, Mapping) else ()
    if not isinstance(said, Mapping):
        if not isinstance(said, list | tuple) or not all(isinstance(one, str) for one in said):
            raise SettingsError(f"{what} must be given by column, like 'time=1', not {said!r}.")
        pairs = [one.rpartition("=")[::2] for one in said]
    found: dict[str, Any] = {}
    problems = []
    for name, value in pairs:
        column = str(name).strip()
        if not column:
            problems.append(f"{what}: {value!r} names no column; write COLUMN=VALUE.")
            continue
        if column in found:
            problems.append(f"{what}: {column!r} is given twice.")
            continue
        try:
            found[column] = read(value)
        except SettingsError as error:
            problems.append(f"{what}: {column!r}: {error}.")
    if problems:
        raise SettingsError("\n".join(problems))
    return found


def _goal(value: object) -> Goal:
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _DIRECTIONS:
            return _DIRECTIONS[word]
        if ".." not in word:
            return _number(word, _GOAL_FORMS)
    elif not isinstance(value, list | tuple):
        return _number(value, _GOAL_FORMS)
    return _range(value, _GOAL_FORMS)


def _range(value: object, forms: str) -> Range:
    """Return lower and upper limit; None where there is none on that side."""
    ends: Any = value
    if isinstance(value, str) and value.count("..") == 1:
        ends = [part.strip() or None for part in value.split("..")]
    if not isinstance(ends, list | tuple) or len(ends) != 2:
        raise SettingsError(f"{value!r} is not {forms}")
    low, high = (_end(end, sign, forms) for end, sign in zip(ends, (-1, 1), strict=True))
    if low is None and high is None:
        raise SettingsError(f"{value!r} is not {forms}")
    if low is not None and high is not None and low > high:
        raise SettingsError(f"the lower limit {low:g} is above the upper limit {high:g}")
    return low, high


def _end(value: object, sign: int, forms: str) -> float | None:
    if value is None or (isinstance(value, float) and value == sign * math.inf):
        return None
    return _number(value, forms)


def _number(value: object, forms: str) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError
        found = float(value)
    except (ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise SettingsError(f"{value!r} is not {forms}")
    return found


READERS: dict[str, Callable[[object], Any]] = {
    "limits": limits_said,
    "fixed": names_said,
    "costs": lambda said: numbers_said(said, "costs"),
    "steps": lambda said: numbers_said(said, "steps"),
    "relations": relations_said,
    "goals": goals_said,
}
"""Setting -> what turns any of its forms into plain values."""
