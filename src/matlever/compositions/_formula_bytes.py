"""Formulas in plain notation, read all at once from their joined bytes.

Plain are symbols, amounts such as ``2`` or ``0.25``, and balanced brackets with amounts. What is
written otherwise is not judged here but left to the reader of single formulas, which also finds
the words for what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matlever.compositions._rows import Rows, rows_from_entries
from matlever.compositions.elements import ELEMENTS

__all__ = ["read_plain"]

Ints = NDArray[np.int64]
Float = NDArray[np.float64]

_OTHER, _UPPER, _LOWER, _DIGIT, _POINT, _OPEN, _CLOSE, _END = range(8)
_MISSING = "NaN"  # a missing value far more often than Na and N
_MOST_DIGITS = 15  # an integer of so many digits is exact in double precision


def _classes() -> NDArray[np.uint8]:
    table = np.full(256, _OTHER, dtype=np.uint8)
    for kind, characters in (
        (_UPPER, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        (_LOWER, b"abcdefghijklmnopqrstuvwxyz"),
        (_DIGIT, b"0123456789"),
        (_POINT, b"."),
        (_OPEN, b"([{"),
        (_CLOSE, b")]}"),
        (_END, b"\n"),
    ):
        table[list(characters)] = kind
    return table


def _symbols() -> NDArray[np.int64]:
    """Return the column of each pair of letters (26 x 27, no second letter = 0), or -1."""
    table = np.full(26 * 27, -1, dtype=np.int64)
    for column, symbol in enumerate(ELEMENTS):
        second = ord(symbol[1]) - 96 if len(symbol) == 2 else 0
        table[(ord(symbol[0]) - 65) * 27 + second] = column
    return table


def _followers() -> NDArray[np.bool_]:
    """Return which kind of character may follow which in plain notation."""
    may = np.zeros((8, 8), dtype=bool)
    for before in (_UPPER, _LOWER, _DIGIT, _CLOSE):
        may[before, [_UPPER, _DIGIT, _OPEN, _CLOSE, _END]] = True
    may[_UPPER, _LOWER] = True
    may[_DIGIT, _POINT] = may[_POINT, _DIGIT] = True
    may[[_OPEN, _END], _UPPER] = may[[_OPEN, _END], _OPEN] = True
    return may


_CLASS, _SYMBOL, _MAY_FOLLOW = _classes(), _symbols(), _followers()
_PARTNER = np.zeros(256, dtype=np.uint8)
_PARTNER[list(b"([{")] = list(b")]}")


@dataclass(frozen=True)
class _Numbers:
    """Runs of digits: where each begins, and its value."""

    starts: Ints
    values: Float
    wrong: Ints

    def at(self, positions: Ints) -> Float:
        """Return the number that begins at each position, 1 where none does."""
        if not len(self.starts):
            return np.ones(len(positions))
        place = np.minimum(np.searchsorted(self.starts, positions), len(self.starts) - 1)
        return np.where(self.starts[place] == positions, self.values[place], 1.0)


def read_plain(formulas: Sequence[str]) -> tuple[Rows, NDArray[np.bool_]]:
    """Read formulas that are in plain notation.

    Parameters
    ----------
    formulas : sequence of str of length n
        Formulas.

    Returns
    -------
    rows : Rows of length n
        Amounts; rows that were not read are empty.
    plain : ndarray of shape (n,), bool
        Which were read.
    """
    n = len(formulas)
    joined = "\n".join(formulas)
    if joined.count("\n") != n - 1:
        joined = "\n".join([f.replace("\n", "?") for f in formulas])
    text = np.frombuffer((joined + "\n").encode("ascii", "replace"), dtype=np.uint8)
    kind = _CLASS[text]
    ends = np.flatnonzero(kind == _END)
    before = np.empty_like(kind)
    before[0], before[1:] = _END, kind[:-1]
    plain = np.ones(n, dtype=bool)

    def refuse(positions: Ints) -> None:
        plain[np.searchsorted(ends, positions)] = False

    refuse(np.flatnonzero(~_MAY_FOLLOW[before, kind]))
    if f"\n{_MISSING}\n" in f"\n{joined}\n":
        plain[[i for i, formula in enumerate(formulas) if formula == _MISSING]] = False
    numbers = _read_numbers(text, kind)
    refuse(numbers.wrong)
    _leave_hydrates(text, formulas, ends, plain)

    begins = np.flatnonzero(kind == _UPPER)
    two = kind[begins + 1] == _LOWER
    second = np.where(two, text[begins + 1].astype(np.int64) - 96, 0)
    column = _SYMBOL[(text[begins].astype(np.int64) - 65) * 27 + second]
    refuse(begins[column < 0])
    amount = numbers.at(begins + 1 + two)
    brackets = np.flatnonzero((kind == _OPEN) | (kind == _CLOSE))
    if len(brackets):
        _multiply_brackets(text, kind, brackets, ends, plain, numbers, begins, amount)

    row = np.searchsorted(ends, begins)
    kept = plain[row]
    return rows_from_entries(n, row[kept], column[kept], amount[kept]), plain


def _read_numbers(text: NDArray[np.uint8], kind: NDArray[np.uint8]) -> _Numbers:
    """Return the value of every run of digits and points, as exact as float() makes it."""
    places = np.flatnonzero((kind == _DIGIT) | (kind == _POINT))
    if not len(places):
        none = np.empty(0, dtype=np.int64)
        return _Numbers(none, np.empty(0), none)
    first = np.flatnonzero(np.diff(places, prepend=-2) != 1)
    is_digit = kind[places] == _DIGIT
    seen = np.cumsum(is_digit)
    last = np.append(first[1:], len(places)) - 1
    length = last - first + 1
    after = np.repeat(seen[last], length) - seen  # digits of the run to the right of each character
    n_digits = np.add.reduceat(is_digit, first, dtype=np.int64)
    n_points = length - n_digits
    too_long = (n_digits > _MOST_DIGITS) | (n_points > 1)
    power = 10.0 ** np.minimum(after, _MOST_DIGITS)
    digits = np.where(is_digit, text[places].astype(np.int64) - 48, 0)
    mantissa = np.add.reduceat(digits * power, first)
    decimals = np.add.reduceat(np.where(is_digit, 0, after), first)
    values = mantissa / 10.0 ** np.minimum(decimals, _MOST_DIGITS)
    return _Numbers(places[first], values, places[first[too_long]])


def _leave_hydrates(
    text: NDArray[np.uint8], formulas: Sequence[str], ends: Ints, plain: NDArray[np.bool_]
) -> None:
    """Leave formulas with a point that end in H2O: the point may stand for a middle dot."""
    tail = text[np.maximum(ends[:, None] - np.array([3, 2, 1]), 0)]
    water = (tail == np.frombuffer(b"H2O", dtype=np.uint8)).all(axis=1)
    for row in np.flatnonzero(water).tolist():
        if "." in formulas[row]:
            plain[row] = False


def _multiply_brackets(
    text: NDArray[np.uint8],
    kind: NDArray[np.uint8],
    brackets: Ints,
    ends: Ints,
    plain: NDArray[np.bool_],
    numbers: _Numbers,
    begins: Ints,
    amount: Float,
) -> None:
    """Multiply what stands in brackets; formulas whose brackets do not match are left."""
    row = np.searchsorted(ends, brackets)
    kept = plain[row]
    brackets, row = brackets[kept], row[kept]
    opens = kind[brackets] == _OPEN
    step = np.where(opens, 1, -1)
    depth = np.cumsum(step)
    first = np.flatnonzero(np.diff(row, prepend=-1))
    if not len(first):
        return
    length = np.diff(np.append(first, len(row)))
    depth -= np.repeat(depth[first] - step[first], length)
    last = first + length - 1
    unbalanced = (depth[last] != 0) | (np.minimum.reduceat(depth, first) < 0)
    plain[row[first[unbalanced]]] = False
    kept = plain[row]
    brackets, opens, depth = brackets[kept], opens[kept], depth[kept]
    # At one depth an opening bracket is followed by the closing one that belongs to it.
    level = np.where(opens, depth, depth + 1)
    order = np.lexsort((brackets, level))
    opening, closing = brackets[order[::2]], brackets[order[1::2]]
    mixed = _PARTNER[text[opening]] != text[closing]
    plain[np.searchsorted(ends, opening[mixed])] = False
    factor = numbers.at(closing + 1)
    low, high = np.searchsorted(begins, opening), np.searchsorted(begins, closing)
    levels = level[order[::2]]
    for depth_now in np.unique(levels):
        some = np.flatnonzero((levels == depth_now) & (factor != 1.0))
        inside = high[some] - low[some]
        starts = np.cumsum(inside) - inside
        entry = np.arange(inside.sum()) + np.repeat(low[some] - starts, inside)
        amount[entry] *= np.repeat(factor[some], inside)
