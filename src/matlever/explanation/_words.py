"""Numbers and lists of explanations as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["joined", "number", "plain", "shortened"]


def joined(parts: Sequence[str]) -> str:
    """Return "a", "a and b" or "a, b and c"."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def number(value: float) -> str:
    """Return a number with three significant digits and thousands separators."""
    if not np.isfinite(value):
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return "−" + text[1:] if text.startswith("-") else text


def plain(values: NDArray[np.float64]) -> Any:
    """Return nested lists, with None in place of the numbers that JSON does not have."""
    found = values.astype(object)
    found[~np.isfinite(values)] = None
    return found.tolist()


def shortened(name: str, most: int) -> str:
    """Return a name of at most so many characters: its beginning and its end."""
    if len(name) <= most:
        return name
    end = most // 3
    return f"{name[: most - end - 1]}…{name[-end:]}"
