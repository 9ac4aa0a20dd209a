"""Read a results document that may miss anything: what is not there is ``None`` or empty.

A report is written from plain JSON, possibly somebody else's, possibly cut short by an
interrupted study. These accessors never raise; the page shows a dash for what they do not find.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["flag", "items", "mapping", "number", "numbers", "pick", "records", "string"]


def mapping(value: object) -> Mapping[str, Any]:
    """Return `value` if it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def items(value: object) -> Sequence[Any]:
    """Return `value` if it is a JSON array, else an empty one."""
    return value if isinstance(value, (list, tuple)) else ()


def records(value: object) -> list[Mapping[str, Any]]:
    """Return the JSON objects of an array; anything else in it is left out."""
    return [entry for entry in items(value) if isinstance(entry, Mapping)]


def number(value: object) -> float | None:
    """Return `value` as a finite float, or None where there is no such number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if math.isfinite(result) and abs(result) < 1e200 else None


def numbers(value: object) -> list[float | None]:
    """Return an array's entries as finite floats, None standing for what is not a number."""
    return [number(entry) for entry in items(value)]


def string(value: object) -> str:
    """Return `value` as text: numbers are written out, null and containers become ``""``."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, (int, float)) else ""


def flag(value: object) -> bool:
    """Return whether `value` is JSON's ``true``."""
    return value is True


def pick(value: object, *keys: str) -> Any:
    """Return ``value[key0][key1]...``, or None as soon as a key is missing."""
    for key in keys:
        value = mapping(value).get(key)
    return value
