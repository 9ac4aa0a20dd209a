"""Columns that say nothing, say it twice, or say too much: constants, copies, leaked targets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = [
    "affine_pairs",
    "copies_of",
    "is_constant",
    "is_identifier_name",
    "is_same_order",
    "linear_in",
]

_IDENTIFIER = re.compile(
    r"(?:.*[_ ])?(?:id|ids|idx|index|uid|uuid|key)"
    r"|(?:sample|run|row|trial|exp|experiment|entry|record|specimen|test|batch|name|label|no|nr"
    r"|number|num|#|n°|nº)\.?(?:[_ #.]*(?:id|no|nr|num|number|name|code|label|#)\.?)?"
    r"|unnamed: ?[0-9]+|__index_level_[0-9]+__|serial[_ ](?:no|number)\.?",
    re.IGNORECASE,
)


def is_identifier_name(name: str) -> bool:
    """Return whether a column of this name numbers or names the rows.

    Examples
    --------
    >>> is_identifier_name("Sample ID"), is_identifier_name("run"), is_identifier_name("acid")
    (True, True, False)
    """
    return _IDENTIFIER.fullmatch(name.strip()) is not None


def is_constant(values: pd.Series[float] | pd.Series[str]) -> bool:
    """Return whether the filled cells hold one value (numbers: up to twelve digits)."""
    filled = values.dropna()
    if filled.empty:
        return True
    if filled.dtype != np.float64:
        return bool((filled == filled.iloc[0]).all())
    low, high = float(filled.min()), float(filled.max())
    return high - low <= 1e-12 * max(abs(low), abs(high))


def copies_of(frame: pd.DataFrame) -> dict[str, str]:
    """Return, for each column that equals an earlier one cell by cell, the earlier one."""
    seen: dict[object, str] = {}
    copies: dict[str, str] = {}
    for name in map(str, frame.columns):
        values = frame[name]
        key: object
        if values.dtype == np.float64:
            key = (np.asarray(values, dtype=np.float64) + 0.0).tobytes()
        else:
            key = tuple(values.fillna("\0"))
        if key in seen:
            copies[name] = seen[key]
        else:
            seen[key] = name
    return copies


def linear_in(
    y: npt.NDArray[np.float64], x: npt.NDArray[np.float64], tolerance: float = 1e-7
) -> bool:
    """Return whether y = a + b x to within `tolerance` of the range of y, where both are known.

    At least five rows and three different values are needed to say so.

    Parameters
    ----------
    y, x : ndarray of shape (n_rows,)
        NaN where unknown.
    tolerance : float, default=1e-7
        Largest deviation in units of the range of `y`.
    """
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) < 5 or len(np.unique(y)) < 3:
        return False
    low, high = int(np.argmin(x)), int(np.argmax(x))
    spread = x[high] - x[low]
    if spread == 0.0:
        return False
    line = y[low] + (y[high] - y[low]) * ((x - x[low]) / spread)
    return bool(np.abs(y - line).max() <= tolerance * (y.max() - y.min()))


def is_same_order(y: npt.NDArray[np.float64], x: npt.NDArray[np.float64]) -> bool:
    """Return whether x, all of its values different, orders the rows as y does or backwards.

    Ten rows are needed to say so.
    """
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) < 10:
        return False
    order = np.argsort(x, kind="stable")
    dx, dy = np.diff(x[order]), np.diff(y[order])
    return bool((dx > 0).all() and ((dy > 0).all() or (dy < 0).all()))


def affine_pairs(frame: pd.DataFrame, skip: Iterable[Sequence[str]] = ()) -> list[tuple[str, str]]:
    """Return pairs of number columns of which one is a linear function of the other.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        Columns of numbers.
    skip : iterable of sequences of str
        Sets of columns that are related for another reason.
    """
    names = [str(name) for name in frame.columns if frame[name].notna().all()]
    if len(names) < 2 or len(frame) < 5:
        return []
    values = frame[names].to_numpy(dtype=np.float64)
    sample = values[:: max(1, len(values) // 1000)]
    centred = sample - sample.mean(axis=0)
    scale = np.abs(centred).max(axis=0)
    centred = centred / np.where(scale > 0, scale, 1.0)
    norms = np.sqrt((centred**2).sum(axis=0))
    centred = centred / np.where(norms > 0, norms, 1.0)
    similar = np.abs(centred.T @ centred) > 1.0 - 1e-9
    related = [set(group) for group in skip]
    pairs = []
    for i, j in zip(*np.nonzero(np.triu(similar, 1)), strict=True):
        pair = {names[i], names[j]}
        if not any(pair <= group for group in related) and linear_in(values[:, j], values[:, i]):
            pairs.append((names[i], names[j]))
    return pairs
