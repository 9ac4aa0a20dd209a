"""Rows by the name the data give them, a formula or a structure, beside their number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matlever.report._values import mapping, pick, string

__all__ = ["with_row_names"]

# Where results hold numbers of rows.
_ROWS = frozenset({"row", "rows", "nearest"})


def with_row_names(results: Mapping[str, Any], found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return `found` with ``385 PtSi`` in place of row 385, where rows have names.

    Parameters
    ----------
    results : mapping
        Of a study; names are in ``data.row_names``.
    found : mapping
        The results, or a part of them.
    """
    names = mapping(pick(results, "data", "row_names"))
    if not names:
        return found
    return {
        key: value if key in ("data", "settings") else _named(value, names, key)
        for key, value in found.items()
    }


def _named(value: Any, names: Mapping[str, Any], key: str) -> Any:
    if isinstance(value, Mapping):
        return {inner: _named(one, names, inner) for inner, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_named(one, names, key) for one in value]
    if key in _ROWS and isinstance(value, (int, str)) and not isinstance(value, bool):
        name = string(names.get(str(value)))
        return f"{value} {name}" if name else value
    return value
