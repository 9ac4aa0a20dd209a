"""What one cell says: a number (with which decimal mark, in which unit), a date, or nothing.

The reading of a number never guesses by a factor of a thousand: ``1.234`` and ``1,234`` have two
readings, and a :class:`Reading` keeps both until the rest of the column (or the file) decides.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass
from functools import lru_cache

from matlever.exceptions import shorten
from matlever.tables.units import canonical_unit, quantity_of

__all__ = [
    "DATE_FORMATS",
    "Reading",
    "explain_text",
    "is_missing",
    "is_missing_word",
    "looks_like_ambiguous_date",
    "looks_like_number",
    "parse_date",
    "read_number",
]

# Spreadsheets and instruments write nothing in many ways. Case matters for words: "Na" is sodium.
_NOTHING = frozenset(
    {"", "NA", "N/A", "n/a", "n.a.", "N.A.", "#N/A", "<NA>", "NaN", "nan", "NAN", "NaT", "null",
     "NULL", "Null", "?", "-", "--", "\u2013", "\u2014"}
)  # fmt: skip
_NOTHING_AMONG_NUMBERS = frozenset({"na", "none", "missing", "nil", "..", "..."})

_EXPONENT = r"(?:[eE][+-]?[0-9]{1,5})?"
_SIGN = r"[+-]?"
_GAP = "[ \u00a0\u2009\u202f'\u2019]"  # blanks and apostrophes between groups of three digits
_POINT = re.compile(rf"{_SIGN}(?:[0-9]+\.?[0-9]*|\.[0-9]+){_EXPONENT}")
_COMMA = re.compile(rf"{_SIGN}(?:[0-9]+,?[0-9]*|,[0-9]+){_EXPONENT}")
_POINT_GROUPS = re.compile(rf"{_SIGN}[1-9][0-9]{{0,2}}(?:,[0-9]{{3}})+(?:\.[0-9]*)?{_EXPONENT}")
_COMMA_GROUPS = re.compile(rf"{_SIGN}[1-9][0-9]{{0,2}}(?:\.[0-9]{{3}})+(?:,[0-9]*)?{_EXPONENT}")
_GAP_GROUPS = re.compile(
    rf"{_SIGN}[1-9][0-9]{{0,2}}(?:{_GAP}[0-9]{{3}})+(?:[.,][0-9]*)?{_EXPONENT}"
)
_POWER_OF_TEN = re.compile(r"\s?[x×·*]\s?10\s?\^?\s?\(?([+-]?[0-9]{1,3})\)?$")
_WITH_UNIT = re.compile(rf"(?P<number>{_SIGN}[0-9.,][0-9.,]*{_EXPONENT})(?P<gap>\s*)(?P<unit>\D.*)")
# A letter that touches a number is a unit for these only: "2H" and "6H" are polytypes, "316L" is
# a steel, "304A" a grade.
_GLUED_LETTERS = frozenset("gsmhKVWNJµ%°Å‰")

DATE_FORMATS = ("yyyy-mm-dd", "dd.mm.yyyy", "yyyy/mm/dd")
# Only a whole column can tell these two apart: by a day above 12.
SLASH_FORMATS = ("mm/dd/yyyy", "dd/mm/yyyy")
_TIME = (
    r"(?:[T ](?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,][0-9]+)?)?Z?)?"
)
_DATES = {
    "yyyy-mm-dd": re.compile(
        rf"(?P<year>[0-9]{{4}})-(?P<month>[0-9]{{2}})-(?P<day>[0-9]{{2}}){_TIME}"
    ),
    "dd.mm.yyyy": re.compile(
        rf"(?P<day>[0-9]{{1,2}})\.(?P<month>[0-9]{{1,2}})\.(?P<year>[0-9]{{4}}){_TIME}"
    ),
    "yyyy/mm/dd": re.compile(
        rf"(?P<year>[0-9]{{4}})/(?P<month>[0-9]{{1,2}})/(?P<day>[0-9]{{1,2}}){_TIME}"
    ),
    "mm/dd/yyyy": re.compile(
        rf"(?P<month>[0-9]{{1,2}})/(?P<day>[0-9]{{1,2}})/(?P<year>[0-9]{{4}}){_TIME}"
    ),
    "dd/mm/yyyy": re.compile(
        rf"(?P<day>[0-9]{{1,2}})/(?P<month>[0-9]{{1,2}})/(?P<year>[0-9]{{4}}){_TIME}"
    ),
}
_EPOCH = dt.datetime(1970, 1, 1)
_SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Reading:
    """The readings of a cell that holds a number.

    Parameters
    ----------
    point : float or None
        The value where ``.`` is the decimal mark; None where it cannot be read so.
    comma : float or None
        The value where ``,`` is the decimal mark.
    point_grouped, comma_grouped : bool
        Whether that reading takes some marks as separators of thousands.
    unit : str or None
        The unit behind the number.
    """

    point: float | None
    comma: float | None
    point_grouped: bool = False
    comma_grouped: bool = False
    unit: str | None = None

    @property
    def is_ambiguous(self) -> bool:
        """Whether the two decimal marks give two different values."""
        return self.point is not None and self.comma is not None and self.point != self.comma


def is_missing_word(text: str) -> bool:
    """Return whether a cell of a column of words says nothing (``None`` is a word)."""
    return text in _NOTHING


def is_missing(text: str) -> bool:
    """Return whether a cell of a column of numbers says nothing."""
    return text in _NOTHING or text.lower() in _NOTHING_AMONG_NUMBERS


@lru_cache(maxsize=65_536)
def read_number(text: str) -> Reading | None:
    """Return the readings of a cell as a number, or None where it is none.

    Parameters
    ----------
    text : str
        A cell without blanks at its ends.

    Examples
    --------
    >>> read_number("2,5").comma, read_number("2,5").point
    (2.5, None)
    >>> read_number("1,234").is_ambiguous, read_number("12 %").unit, read_number("5*") is None
    (True, '%', True)
    """
    if len(text) > 100:
        return None
    text = text.replace("\u2212", "-").replace("\u00a0", " ")
    bare = _read_bare(text)
    if bare is not None:
        return bare
    match = _WITH_UNIT.fullmatch(text)
    if match is None:
        return None
    unit = match["unit"].strip()
    if not _can_be_cell_unit(match["number"], match["gap"], unit):
        return None
    number = _read_bare(match["number"])
    if number is None:
        return None
    return Reading(
        number.point, number.comma, number.point_grouped, number.comma_grouped, canonical_unit(unit)
    )


def _read_bare(text: str) -> Reading | None:
    """Return the readings of a number without a unit."""
    if _GAP_GROUPS.fullmatch(text):
        value = _value(re.sub(_GAP, "", text).replace(",", "."))
        return Reading(value, value, point_grouped=True, comma_grouped=True)
    power = _POWER_OF_TEN.search(text)
    if power is not None:
        text = f"{text[: power.start()]}e{power[1]}"
    point = comma = None
    point_grouped = comma_grouped = False
    if _POINT.fullmatch(text):
        point = _value(text)
    elif _POINT_GROUPS.fullmatch(text):
        point, point_grouped = _value(text.replace(",", "")), True
    if _COMMA.fullmatch(text):
        comma = _value(text.replace(",", "."))
    elif _COMMA_GROUPS.fullmatch(text):
        comma, comma_grouped = _value(text.replace(".", "").replace(",", ".")), True
    if point is None and comma is None:
        return None
    return Reading(point, comma, point_grouped, comma_grouped)


def _value(text: str) -> float:
    """Return the float, with a vanished number marked by the smallest one there is."""
    value = float(text)
    if value == 0.0 and re.search(r"[1-9]", re.split("[eE]", text)[0]):
        return math.copysign(5e-324, value)  # underflow: keep it distinguishable from zero
    return value


def _can_be_cell_unit(number: str, gap: str, unit: str) -> bool:
    """Return whether what stands behind a number in a cell is its unit."""
    if quantity_of(unit) is None or unit.startswith(("-", "\u2013", "1")):
        return False
    if gap or len(unit) > 1 or unit in _GLUED_LETTERS:
        return True
    # "300C" is a temperature, "3C" a polytype of silicon carbide.
    return unit == "C" and len(number.lstrip("+-")) >= 2


def looks_like_number(text: str) -> bool:
    """Return whether a cell is a plain number, infinite ones included."""
    return read_number(text) is not None or _INFINITE.fullmatch(text) is not None


_INFINITE = re.compile(r"[+-]?(?:inf(?:inity)?|\u221e)", re.IGNORECASE)
_BOUND = re.compile(
    r"(?:[<>\u2264\u2265~\u2248]|ca\.?|approx\.?|about)\s*=?\s*[+-]?[0-9.,]+.*", re.IGNORECASE
)
_UNCERTAIN = re.compile(r"[+-]?[0-9.,]+\s*(?:\u00b1|\+/-|\+-)\s*[0-9.,]+.*")
_BRACKET_UNCERTAIN = re.compile(r"[+-]?[0-9]*[.,]?[0-9]+\([0-9.,]+\)")
_RANGE = re.compile(r"[0-9.,]+\s*(?:-|\u2013|to|\.\.\.?)\s*[0-9.,]+(?:\s*\D*)")
_FORMULA_ERROR = re.compile(r"#(?:DIV/0!|REF!|VALUE!|NAME\?|NUM!|NULL!|SPILL!|CALC!)|Err:[0-9]+")


def explain_text(text: str, column: str, decimal: str | None) -> tuple[str, str]:
    """Return reason and remedy for a cell that should be a number and is none.

    Parameters
    ----------
    text : str
        The cell.
    column : str
        Name of the column, for the remedy.
    decimal : {".", ","} or None
        The decimal mark with which the column is read.
    """
    shown = repr(shorten(text, 40))
    reading = read_number(text)
    if reading is not None:
        if reading.is_ambiguous:
            return (
                f"{shown} can be {reading.point!r} or {reading.comma!r}",
                "Write it without separators, or pass decimal='.' or decimal=','",
            )
        if decimal == "." and reading.comma is not None:
            return f"{shown} is not a number", "Use a decimal point or pass decimal=','"
        if decimal == "," and reading.point is not None:
            return (
                f"{shown} is not a number with a decimal comma",
                "Use a decimal comma or pass decimal='.'",
            )
    if _INFINITE.fullmatch(text):
        return (
            f"{shown} is infinite",
            "Write the measured value, or leave the cell empty if there is none",
        )
    if _FORMULA_ERROR.fullmatch(text):
        return f"{shown} is the error of a formula", "Mend the formula in the spreadsheet"
    if set(text) == {"#"}:
        return (
            f"{shown} is a number the spreadsheet had no room to show",
            "Widen the column in the spreadsheet and save again",
        )
    if _BOUND.fullmatch(text):
        return (
            f"{shown} is a bound, not a measured value",
            "Write the value you want to be used, or leave the cell empty",
        )
    if _UNCERTAIN.fullmatch(text) or _BRACKET_UNCERTAIN.fullmatch(text):
        return (
            f"{shown} carries its uncertainty",
            "Write the value alone and keep the uncertainty in a column of its own",
        )
    if _RANGE.fullmatch(text):
        return f"{shown} is a range", "Write one value, for instance the middle of the range"
    return (
        f"{shown} is not a number",
        "Correct the cell, leave it empty if it was not measured, or pass "
        f"kinds={{{shorten(column)!r}: 'categorical'}} if the column holds words",
    )


def parse_date(text: str, style: str) -> float | None:
    """Return days since 1970-01-01, or None where `text` is no date of that style.

    Parameters
    ----------
    text : str
        The cell.
    style : {"yyyy-mm-dd", "dd.mm.yyyy", "yyyy/mm/dd", "mm/dd/yyyy", "dd/mm/yyyy"}
        How dates are written; a time of day may follow.

    Examples
    --------
    >>> parse_date("2024-02-29", "yyyy-mm-dd"), parse_date("30.02.2024", "dd.mm.yyyy")
    (19782.0, None)
    """
    match = _DATES[style].fullmatch(text)
    if match is None:
        return None
    try:
        moment = dt.datetime(
            int(match["year"]), int(match["month"]), int(match["day"]),
            int(match["hour"] or 0), int(match["minute"] or 0), int(match["second"] or 0),
        )  # fmt: skip
    except ValueError:
        return None
    return (moment - _EPOCH).total_seconds() / _SECONDS_PER_DAY


def looks_like_ambiguous_date(text: str) -> bool:
    """Return whether a cell is a date such as 03/04/2021, in March or in April."""
    return re.fullmatch(r"[0-9]{1,2}[/-][0-9]{1,2}[/-](?:[0-9]{4}|[0-9]{2})", text) is not None
