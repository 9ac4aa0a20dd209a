"""Which decimal mark a column or a file uses, told by cells that can be read in one way only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from matlever.tables._cells import Reading, is_missing, read_number
from matlever.tables._raw import Cell

__all__ = ["MOSTLY", "Decimal", "choose_decimal", "decimal_evidence", "plain_numbers"]

Decimal = Literal[".", ","]
MOSTLY = 0.8
"""A column with this share of numbers is meant as numbers, and the rest of it are faults."""


_SEARCHED = 2_000
_PLAIN = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?")
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+(?:[eE].*)?")


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

    Only columns that are mostly numbers have a say; their first 2,000 different cells are heard.
    """
    marks: set[Decimal] = set()
    for cells in columns:
        texts: dict[str, None] = {}
        for cell in cells:
            if isinstance(cell, str) and cell not in texts and not is_missing(cell):
                texts[cell] = None
                if len(texts) == _SEARCHED:
                    break
        readings = [(text, r) for text in texts if (r := read_number(text)) is not None]
        if len(readings) < MOSTLY * len(texts):
            continue
        evidence = _gather(readings)
        if evidence.comma > evidence.point:
            marks.add(",")
        elif evidence.point:
            marks.add(".")
    return marks.pop() if len(marks) == 1 else None


def plain_numbers(texts: Iterable[str]) -> dict[str, float] | None:
    """Return the values of cells that are plain numbers with a decimal point, or say nothing.

    This is the short way for what most columns are; None sends the others the long way. At least
    one cell must rule out that the points separate thousands, unless there are no points.
    """
    values: dict[str, float] = {}
    has_point = is_sure = False
    for text in texts:
        if _PLAIN.fullmatch(text) is None:
            if is_missing(text):
                continue
            return None
        values[text] = float(text)
        if not is_sure and "." in text:
            has_point = True
            is_sure = _THOUSANDS.fullmatch(text) is None
    return values if values and (is_sure or not has_point) else None


def choose_decimal(
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
