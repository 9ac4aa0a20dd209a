"""Numbers of suggestions as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["listed", "number", "plain", "plain_label"]


def number(value: float) -> str:
    """Return a number with three significant digits and thousands separators."""
    if not np.isfinite(value):
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return "−" + text[1:] if text.startswith("-") else text


def plain(value: float) -> float | None:
    """Return a float, with None in place of the numbers that JSON does not have."""
    return float(value) if np.isfinite(value) else None


def plain_label(label: Any) -> Any:
    """Return the label of a row as a value that JSON has."""
    if isinstance(label, np.generic):
        label = label.item()
    return label if isinstance(label, str | int | float | bool) or label is None else str(label)


def listed(words: Sequence[str] | NDArray[Any]) -> str:
    """Return words as an enumeration: "a, b and c"."""
    said = [str(word) for word in words]
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"
