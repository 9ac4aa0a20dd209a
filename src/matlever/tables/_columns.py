"""What one column holds: numbers, words or dates, judged by all of its cells together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from matlever.exceptions import Fault, shorten
from matlever.tables._cells import (
    DATE_FORMATS,
    Reading,
    explain_text,
    is_missing,
    is_missing_word,
    looks_like_ambiguous_date,
    looks_like_number,
    parse_date,
    read_number,
)
from matlever.tables._raw import Cell, cell_text
from matlever.tables.table import Change
from matlever.tables.units import quantity_of, same_unit

__all__ = ["Draft", "decimal_evidence", "understand_column"]

# A column with this share of numbers is meant as numbers, and the rest of it are faults.
_MOSTLY = 0.8
_LARGEST = 1e150  # its square is still a number
_SMALLEST = 1e-150

Decimal = Literal[".", ","]


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


@dataclass
class _Evidence:
    """How many different cells can be read with one decimal mark only, or with both."""

    point: int = 0
    comma: int = 0
    ambiguous_point: int = 0  # 1.234
    ambiguous_comma: int = 0  # 1,234
    grouped_point: int = 0  # 1,234.5
    grouped_comma: int = 0  # 1.234,5


def _gather(readings: Iterable[tuple[str, Reading]]) -> _Evidence:
    evidence = _Evidence()
    for text, reading in readings:
        if reading.point is None:
            evidence.comma += 1
            evidence.grouped_comma += reading.comma_grouped
        elif reading.comma is None:
            evidence.point += 1
            evidence.grouped_point += reading.point_grouped
        elif reading.is_ambiguous:
            if "," in text:
                evidence.ambiguous_comma += 1
            else:
                evidence.ambiguous_point += 1
    return evidence


def decimal_evidence(columns: Iterable[Sequence[Cell]]) -> Decimal | None:
    """Return the decimal mark of a file, or None where its columns disagree or do not tell.

    Only columns that are mostly numbers have a say.
    """
    marks: set[Decimal] = set()
    for cells in columns:
        texts = {cell for cell in cells if isinstance(cell, str) and not is_missing(cell)}
        readings = [(text, r) for text in texts if (r := read_number(text)) is not None]
        if len(readings) < _MOSTLY * len(texts):
            continue
        evidence = _gather(readings)
        if evidence.comma > evidence.point:
            marks.add(",")
        elif evidence.point:
            marks.add(".")
    return marks.pop() if len(marks) == 1 else None


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
    kind : {"numeric", "categorical", "date"} or None
        What the user says it holds; None finds out.
    decimal : {".", ","} or None
        The decimal mark the user gave; None finds out.
    file_decimal : {".", ","} or None
        What the other columns tell about it.
    """
    counts: Counter[str] = Counter(cell for cell in cells if isinstance(cell, str))
    n_native = len(cells) - sum(counts.values())
    texts = {text: n for text, n in counts.items() if not is_missing(text)}
    readings = {text: r for text in texts if (r := read_number(text)) is not None}
    n_numbers = n_native + sum(texts[text] for text in readings)
    n_infinite = sum(
        n for text, n in texts.items() if text not in readings and looks_like_number(text)
    )
    n_filled = n_native + sum(texts.values())
    place = _Place(rows, header, name, file)
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
    if kind == "numeric" or n_numbers + n_infinite >= _MOSTLY * n_filled:
        units = _Units.of(readings, texts, n_native)
        if kind == "numeric" or units.are_plausible(n_numbers):
            return _as_numbers(cells, readings, units, place, unit, decimal, file_decimal, counts)
    draft = _as_words(cells, place)
    if n_numbers + n_infinite > 0.3 * n_filled:
        draft.warnings.append(
            f"{name!r} holds {n_numbers + n_infinite} numbers and "
            f"{n_filled - n_numbers - n_infinite} words; it is read as words."
        )
    if sum(n for text, n in texts.items() if looks_like_ambiguous_date(text)) >= _MOSTLY * n_filled:
        draft.warnings.append(
            f"{name!r} holds dates whose day and month cannot be told apart; it is read as words. "
            "Write dates as yyyy-mm-dd."
        )
    return draft


@dataclass(frozen=True)
class _Place:
    """Where a column stands, for messages."""

    rows: Sequence[int]
    header: str
    name: str
    file: str

    def fault(self, reason: str, remedy: str, position: int | None = None) -> Fault:
        row = None if position is None else self.rows[position]
        return Fault(reason, remedy, file=self.file, row=row, column=self.header)


def _as_words(cells: Sequence[Cell], place: _Place) -> Draft:
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
    cells: Sequence[Cell], texts: dict[str, int], n_filled: int, place: _Place, *, forced: bool
) -> Draft | None:
    """Return a column of dates, or None where the cells are none."""
    best, best_days, best_share = "", {}, 0.0
    for style in DATE_FORMATS:
        days = {text: d for text in texts if (d := parse_date(text, style)) is not None}
        share = sum(texts[text] for text in days) / n_filled
        if share > best_share:
            best, best_days, best_share = style, days, share
    if best_share < _MOSTLY and not forced:
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


@dataclass(frozen=True)
class _Units:
    """The units behind the numbers of a column."""

    counts: dict[str, int]  # one spelling of each unit -> cells
    n_bare: int

    @classmethod
    def of(cls, readings: dict[str, Reading], texts: dict[str, int], n_native: int) -> _Units:
        counts: dict[str, int] = {}
        n_bare = n_native
        for text, reading in readings.items():
            if reading.unit is None:
                n_bare += texts[text]
                continue
            known = next((u for u in counts if same_unit(u, reading.unit)), reading.unit)
            counts[known] = counts.get(known, 0) + texts[text]
        return cls(counts, n_bare)

    def are_plausible(self, n_numbers: int) -> bool:
        """Return whether these are measurements, if perhaps in mixed units, and not names."""
        if not self.counts or self.n_bare >= _MOSTLY * n_numbers:
            return True
        if max(self.counts.values()) >= _MOSTLY * n_numbers:
            return True
        return len({quantity_of(unit) for unit in self.counts}) == 1


def _as_numbers(
    cells: Sequence[Cell],
    readings: dict[str, Reading],
    units: _Units,
    place: _Place,
    unit: str | None,
    decimal: Decimal | None,
    file_decimal: Decimal | None,
    counts: Counter[str],
) -> Draft:
    """Return a column of numbers, each cell that is none being a fault."""
    numbers = np.full(len(cells), np.nan)
    draft = Draft("numeric", numbers, [None] * len(cells))
    used, attested = _choose_decimal(readings, decimal, file_decimal)
    if used is None:
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
    for position, cell in enumerate(cells):
        if isinstance(cell, str):
            if is_missing(cell):
                continue
            if cell not in values:
                reason, remedy = explain_text(cell, place.name, used)
                draft.faults.append(place.fault(reason, remedy, position))
                continue
            value = values[cell]
        else:
            value = cell
        reason = _impossible(value, cell)
        if reason:
            draft.faults.append(place.fault(*reason, position))
        else:
            numbers[position] = value
    if n_comma:
        draft.changes.append(Change(f"{place.name!r}: decimal commas were read", n_comma))
    if n_grouped:
        draft.changes.append(
            Change(f"{place.name!r}: separators of thousands were taken out", n_grouped)
        )
    _settle_unit(draft, cells, readings, units, place, unit)
    return draft


def _choose_decimal(
    readings: dict[str, Reading], decimal: Decimal | None, file_decimal: Decimal | None
) -> tuple[Decimal | None, bool]:
    """Return the decimal mark and whether separators of thousands are sure; None if open."""
    if decimal is not None:
        return decimal, True
    evidence = _gather(readings.items())
    if evidence.comma > evidence.point:
        return ",", evidence.grouped_comma > 0
    if evidence.point:
        return ".", evidence.grouped_point > 0
    if evidence.ambiguous_comma:
        # "1,234" alone: thousands in a file of decimal points, a decimal in one of commas.
        return (None if evidence.ambiguous_point else file_decimal), True
    if evidence.ambiguous_point and file_decimal == ",":
        return None, False
    return ".", False


def _impossible(value: float, cell: Cell) -> tuple[str, str] | None:
    """Return reason and remedy for a number that no calculation survives."""
    shown = shorten(
        cell_text(cell) if isinstance(cell, str) or np.isfinite(cell) else str(cell), 40
    )
    if not np.isfinite(value) and not isinstance(cell, str):
        return (
            f"{shown!r} is infinite",
            "Write the measured value, or leave the cell empty if there is none",
        )
    if abs(value) > _LARGEST:
        return f"{shown!r} is too large to calculate with", "Correct it, or use a larger unit"
    if 0.0 < abs(value) < _SMALLEST:
        return f"{shown!r} is too small to calculate with", "Correct it, or use a smaller unit"
    return None


def _settle_unit(
    draft: Draft,
    cells: Sequence[Cell],
    readings: dict[str, Reading],
    units: _Units,
    place: _Place,
    unit: str | None,
) -> None:
    """Set the unit of the cells, or name those that do not agree."""
    if not units.counts:
        return
    usual = max(units.counts, key=lambda u: units.counts[u])
    others = [u for u in units.counts if u != usual]
    agrees_with_header = unit is None or same_unit(unit, usual)
    if not others and agrees_with_header and (units.n_bare == 0 or unit is not None):
        draft.unit = usual if unit is None else None
        draft.changes.append(
            Change(
                f"{place.name!r}: the unit {usual} was taken from the cells", units.counts[usual]
            )
        )
        return
    if unit is not None and not others:
        draft.faults.append(
            place.fault(
                f"the header says {shorten(unit)!r}, but {units.counts[usual]} cells say {usual!r}",
                f"Convert them to {shorten(unit)!r} and leave units to the header",
            )
        )
        return
    reading_of = [readings.get(cell) if isinstance(cell, str) else None for cell in cells]
    kinds = dict(units.counts) | ({"no unit": units.n_bare} if units.n_bare else {})
    main = max(kinds, key=lambda u: kinds[u])
    odd = [
        place.rows[position]
        for position, reading in enumerate(reading_of)
        if _unit_name(reading, cells[position], units) not in (main, None)
    ]
    found = ", ".join(f"{u!r} in {n} cells" for u, n in kinds.items())
    where = ", ".join(map(str, odd[:5])) + (", ..." if len(odd) > 5 else "")
    draft.faults.append(
        Fault(
            f"the column mixes units: {found} (rows {where} differ from most)",
            "Convert all cells to one unit and write it into the header, as in 'length (nm)'",
            file=place.file,
            row=odd[0] if odd else None,
            column=place.header,
        )
    )


def _unit_name(reading: Reading | None, cell: Cell, units: _Units) -> str | None:
    """Return the unit of a cell in the spelling of `units`, None for no number."""
    if reading is None:
        return None if isinstance(cell, str) else "no unit"
    if reading.unit is None:
        return "no unit"
    return next((u for u in units.counts if same_unit(u, reading.unit)), None)
