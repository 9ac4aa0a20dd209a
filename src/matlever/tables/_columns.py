"""What one column holds: numbers, words or dates, judged by all of its cells together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from matlever.exceptions import Fault, shorten
from matlever.tables._cell_units import CellUnits, Place, unit_of_cells
from matlever.tables._cells import (
    DATE_FORMATS,
    SLASH_FORMATS,
    Reading,
    explain_text,
    is_missing,
    is_missing_word,
    looks_like_ambiguous_date,
    looks_like_number,
    parse_date,
    read_number,
)
from matlever.tables._decimals import MOSTLY, Decimal, choose_decimal, plain_numbers
from matlever.tables._raw import Cell, cell_text
from matlever.tables.table import Change

__all__ = ["Draft", "understand_column"]

_LARGEST = 1e150  # its square is still a number
_SMALLEST = 1e-150


@dataclass(eq=False)
class Draft:
    """One column as far as its own cells tell.

    Parameters
    ----------
    kind : {"numeric", "categorical", "date", "empty"}
        What it holds.
    numbers : ndarray of shape (n_rows,)
        float64; NaN where nothing or no number stands. For dates, days since 1970-01-01.
    words : list of str or None
        The cells of a categorical column.
    unit : str or None
        The unit carried by every cell.
    faults, changes, warnings : list
        What was found on the way.
    """

    kind: Literal["numeric", "categorical", "date", "empty"]
    numbers: npt.NDArray[np.float64]
    words: list[str | None]
    unit: str | None = None
    faults: list[Fault] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def missing(self) -> npt.NDArray[np.bool_]:
        """Rows in which the column says nothing, of shape (n_rows,)."""
        if self.kind == "categorical":
            return np.asarray([word is None for word in self.words], dtype=bool)
        return np.isnan(self.numbers)


def understand_column(
    cells: Sequence[Cell],
    rows: Sequence[int],
    *,
    header: str,
    name: str,
    unit: str | None,
    file: str,
    kind: str | None = None,
    decimal: Decimal | None = None,
    file_decimal: Decimal | None = None,
) -> Draft:
    """Return what a column holds, with every faulty cell named.

    Parameters
    ----------
    cells : sequence of Cell, of length n_rows
        The column.
    rows : sequence of int, of length n_rows
        Line numbers in the file.
    header, name, unit, file : str
        For messages; `unit` is the one in the header, or None.
    kind : {"numeric", "categorical", "date", "formula"} or None
        What the user says it holds; None finds out.
    decimal : {".", ","} or None
        The decimal mark the user gave; None finds out.
    file_decimal : {".", ","} or None
        What the other columns tell about it.
    """
    if kind == "formula":
        return _as_formulas(cells)
    counts: Counter[str] = Counter(cell for cell in cells if isinstance(cell, str))
    place = Place(rows, header, name, file)
    if kind in (None, "numeric") and decimal != ",":
        values = plain_numbers(counts)
        if values is not None:
            return _filled(cells, values, place, ".")
    n_native = len(cells) - sum(counts.values())
    texts = {text: n for text, n in counts.items() if not is_missing(text)}
    readings = {text: r for text in texts if (r := read_number(text)) is not None}
    n_numbers = n_native + sum(texts[text] for text in readings)
    n_infinite = sum(
        n for text, n in texts.items() if text not in readings and looks_like_number(text)
    )
    n_filled = n_native + sum(texts.values())
    if kind == "categorical":
        return _as_words(cells, place)
    if n_filled == 0:
        words = sum(n for text, n in counts.items() if not is_missing_word(text))
        if words and kind is None:  # the only word is "None"
            return _as_words(cells, place)
        return Draft("empty", np.full(len(cells), np.nan), [None] * len(cells))
    if kind in (None, "date"):
        draft = _as_dates(cells, texts, n_filled, place, forced=kind == "date")
        if draft is not None:
            return draft
    if kind == "numeric" or n_numbers + n_infinite >= MOSTLY * n_filled:
        units = CellUnits.of(readings, texts, n_native)
        if kind == "numeric" or units.are_plausible(n_numbers):
            return _as_numbers(cells, readings, units, place, unit, decimal, file_decimal, counts)
    draft = _as_words(cells, place)
    if n_numbers + n_infinite > 0.3 * n_filled:
        draft.warnings.append(
            f"{name!r} holds {n_numbers + n_infinite} numbers and "
            f"{n_filled - n_numbers - n_infinite} words; it is read as words."
        )
    if sum(n for text, n in texts.items() if looks_like_ambiguous_date(text)) >= MOSTLY * n_filled:
        draft.warnings.append(
            f"{name!r} holds dates whose day and month cannot be told apart; it is read as words. "
            "Write dates as yyyy-mm-dd."
        )
    return draft


def _as_formulas(cells: Sequence[Cell]) -> Draft:
    """Return a column of formulas: "Na" and "No" are elements there, not words for nothing."""
    words: list[str | None] = []
    for cell in cells:
        text = cell_text(cell)
        is_element = re.fullmatch("[A-Z][a-z]", text) is not None
        missing = text == "" or (is_missing_word(text) and not is_element)
        words.append(None if missing else text)
    draft = Draft("categorical", np.full(len(cells), np.nan), words)
    if all(word is None for word in words):
        draft.kind = "empty"
    return draft


def _as_words(cells: Sequence[Cell], place: Place) -> Draft:
    """Return a column of words; levels that differ in case or blanks only get a warning."""
    words = [
        None if (text := cell_text(cell)) == "" or is_missing_word(text) else text for cell in cells
    ]
    draft = Draft("categorical", np.full(len(cells), np.nan), words)
    spellings: dict[str, set[str]] = {}
    for word in set(words) - {None}:
        spellings.setdefault(" ".join(str(word).casefold().split()), set()).add(str(word))
    for variants in sorted(map(sorted, spellings.values())):
        if len(variants) > 1:
            shown = " and ".join(repr(shorten(v, 40)) for v in variants[:3])
            draft.warnings.append(
                f"{place.name!r}: {shown} differ in capitals or blanks only and count as "
                "different. Write them alike if they mean the same."
            )
    if all(word is None for word in words):
        draft.kind = "empty"
    return draft


def _as_dates(
    cells: Sequence[Cell], texts: dict[str, int], n_filled: int, place: Place, *, forced: bool
) -> Draft | None:
    """Return a column of dates, or None where the cells are none."""
    best, best_days, best_share = "", {}, 0.0
    for style in DATE_FORMATS:
        days = {text: d for text in texts if (d := parse_date(text, style)) is not None}
        share = sum(texts[text] for text in days) / n_filled
        if share > best_share:
            best, best_days, best_share = style, days, share
    slashed = {
        style: {text: d for text in texts if (d := parse_date(text, style)) is not None}
        for style in SLASH_FORMATS
    }
    decided = [style for style, days in slashed.items() if days and len(days) == len(texts)]
    if len(decided) == 1:
        best, best_days, best_share = decided[0], slashed[decided[0]], 1.0
    if best_share < MOSTLY and not forced:
        return None
    numbers = np.full(len(cells), np.nan)
    draft = Draft("date", numbers, [None] * len(cells))
    for position, cell in enumerate(cells):
        if isinstance(cell, str) and is_missing(cell):
            continue
        if isinstance(cell, str) and cell in best_days:
            numbers[position] = best_days[cell]
            continue
        draft.faults.append(
            place.fault(
                f"{shorten(cell_text(cell), 40)!r} is not a date"
                + (f" like the others ({best})" if best else ""),
                "Write dates as yyyy-mm-dd",
                position,
            )
        )
    return draft


def _as_numbers(
    cells: Sequence[Cell],
    readings: dict[str, Reading],
    units: CellUnits,
    place: Place,
    unit: str | None,
    decimal: Decimal | None,
    file_decimal: Decimal | None,
    counts: Counter[str],
) -> Draft:
    """Return a column of numbers, each cell that is none being a fault."""
    used, attested = choose_decimal(readings, decimal, file_decimal)
    if used is None:
        draft = Draft("numeric", np.full(len(cells), np.nan), [None] * len(cells))
        example = next(text for text, reading in readings.items() if reading.is_ambiguous)
        reading = readings[example]
        draft.faults.append(
            place.fault(
                f"{example!r} can be {reading.point!r} or {reading.comma!r}",
                "Pass decimal='.' or decimal=','",
            )
        )
        return draft
    values: dict[str, float] = {}
    n_grouped = n_comma = 0
    for text, reading in readings.items():
        value = reading.point if used == "." else reading.comma
        grouped = reading.point_grouped if used == "." else reading.comma_grouped
        if value is None or (reading.is_ambiguous and grouped and not attested):
            continue
        values[text] = value
        n_grouped += grouped * counts[text]
        n_comma += (used == "," and "," in text) * counts[text]
    draft = _filled(cells, values, place, used)
    if n_comma:
        draft.changes.append(Change(f"{place.name!r}: decimal commas were read", n_comma))
    if n_grouped:
        draft.changes.append(
            Change(f"{place.name!r}: separators of thousands were taken out", n_grouped)
        )
    draft.unit, outcome = unit_of_cells(cells, readings, units, place, unit)
    if isinstance(outcome, Fault):
        draft.faults.append(outcome)
    elif outcome is not None:
        draft.changes.append(outcome)
    return draft


def _filled(
    cells: Sequence[Cell], values: dict[str, float], place: Place, decimal: Decimal
) -> Draft:
    """Return a column of numbers; a filled cell without a sensible value is a fault."""
    numbers = np.asarray(
        [values.get(cell, np.nan) if isinstance(cell, str) else cell for cell in cells],
        dtype=np.float64,
    )
    draft = Draft("numeric", numbers, [None] * len(cells))
    size = np.abs(numbers)
    strange = ~((size <= _LARGEST) & (size >= _SMALLEST) | (size == 0.0))
    for position in map(int, np.flatnonzero(strange)):
        cell = cells[position]
        if isinstance(cell, str) and is_missing(cell):
            continue
        if isinstance(cell, str) and cell not in values:
            reason, remedy = explain_text(cell, place.name, decimal)
        else:
            reason, remedy = _explain_size(numbers[position], cell)
        draft.faults.append(place.fault(reason, remedy, position))
        numbers[position] = np.nan
    return draft


def _explain_size(value: float, cell: Cell) -> tuple[str, str]:
    """Return reason and remedy for a number that no calculation survives."""
    if not np.isfinite(value) and not isinstance(cell, str):
        return (
            f"{str(cell)!r} is infinite",
            "Write the measured value, or leave the cell empty if there is none",
        )
    shown = repr(shorten(cell_text(cell), 40))
    if abs(value) > 1.0:
        return f"{shown} is too large to calculate with", "Correct it, or use a larger unit"
    return f"{shown} is too small to calculate with", "Correct it, or use a smaller unit"
