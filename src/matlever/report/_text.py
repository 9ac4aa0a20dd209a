"""Words and numbers as they stand on the page: escaped, shortened, rounded.

Everything that comes from a data set (column names, file names, levels, sentences) goes through
:func:`text` before it enters HTML, and through :func:`plain` before it enters a figure.
"""

from __future__ import annotations

import datetime
import html
import math
import unicodedata

__all__ = [
    "DASH",
    "count",
    "day",
    "decimals_for",
    "fixed",
    "label",
    "mean_sd",
    "number_text",
    "percent",
    "plain",
    "plural",
    "quantity",
    "score",
    "score_sd",
    "shorten",
    "text",
    "trimmed",
]

DASH = "–"
_MINUS = "\N{MINUS SIGN}"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LONGEST = 2_000


def plain(value: str, width: int = _LONGEST) -> str:
    """Return `value` on one line, without control, format and unpaired surrogate characters."""
    kept = "".join(
        " " if character.isspace() or unicodedata.category(character) == "Cc" else character
        for character in value[: 4 * width]
        if unicodedata.category(character) not in ("Cs", "Cf", "Cn", "Co")
    )
    return shorten(" ".join(kept.split()), width)


def shorten(value: str, width: int) -> str:
    """Return `value` cut in its middle to `width` characters; both ends of a name tell most."""
    if len(value) <= width:
        return value
    tail = max((width - 1) // 3, 0)
    return value[: width - 1 - tail].rstrip() + "…" + (value[-tail:].lstrip() if tail else "")


def text(value: str, width: int = _LONGEST) -> str:
    """Return `value` safe for HTML text and quoted attributes."""
    return html.escape(plain(value, width), quote=True)


def label(name: str, unit: str | None) -> str:
    """Return ``"length (nm)"``, or the name alone without a unit (plain text, not HTML)."""
    name = plain(name) or DASH
    unit = plain(unit or "", 24)
    return f"{name} ({unit})" if unit else name


def number_text(value: float | None, digits: int = 3) -> str:
    """Return `value` with `digits` significant digits, thousands separators and a true minus."""
    if value is None:
        return DASH
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if exponent < -4 or exponent >= 7:
        mantissa, power = f"{value:.{max(digits - 1, 0)}e}".split("e")
        if "." in mantissa:
            mantissa = mantissa.rstrip("0").rstrip(".")
        power_text = str(int(power)).translate(_SUPERSCRIPTS)
        return f"{mantissa}×10{power_text}".replace("-", _MINUS)
    return fixed(value, max(digits - 1 - exponent, 0))


def fixed(value: float, decimals: int) -> str:
    """Return `value` with `decimals` decimals; a result of nothing but zeros has no sign."""
    written = f"{value:,.{decimals}f}"
    if not written.strip("-0.,"):
        written = written.lstrip("-")
    return written.replace("-", _MINUS)


def score(value: float | None) -> str:
    """Return a coefficient of determination with two decimals; far below zero with none."""
    if value is None:
        return DASH
    if value < -1e6:
        return f"< {_MINUS}10⁶"
    return fixed(value, 2 if value > -100 else 0)


def mean_sd(mean: float | None, sd: float | None) -> str:
    """Return ``"12.3 ± 0.4"``, rounded where the spread (two significant digits) says so."""
    if mean is None:
        return DASH
    if sd is None or sd <= 0:
        return number_text(mean)
    largest = max(abs(mean), sd)
    if largest >= 1e7 or largest < 1e-4:
        return f"{number_text(mean)} ± {number_text(sd, 2)}"
    decimals = decimals_for(sd, 2)
    if sd < largest:
        decimals = min(decimals, decimals_for(largest, 3))
    return f"{fixed(mean, decimals)} ± {fixed(sd, decimals)}"


def decimals_for(value: float, digits: int) -> int:
    """Return how many decimals show `digits` significant digits of `value`."""
    return max(digits - 1 - math.floor(math.log10(abs(value))), 0)


def score_sd(mean: float | None, sd: float | None) -> str:
    """Return ``"0.83 ± 0.04"``, with a third decimal where the spread would round to zero."""
    if mean is None or sd is None or abs(mean) > 100 or sd > 100:
        return score(mean)
    decimals = 3 if 0 < sd < 0.005 else 2
    return f"{fixed(mean, decimals)} ± {fixed(sd, decimals)}"


def percent(share: float | None) -> str:
    """Return ``"90 %"`` for 0.9; the space does not break."""
    return DASH if share is None else f"{fixed(100 * share, 0)}\N{NO-BREAK SPACE}%"


def trimmed(value: float | None, digits: int = 4) -> str:
    """Return :func:`number_text` without zeros at the end of its decimals."""
    written = number_text(value, digits)
    return written.rstrip("0").rstrip(".") if "." in written and "×" not in written else written


def quantity(value: float | None, unit: str | None, digits: int = 3) -> str:
    """Return ``"12.3 nm"`` (plain text, not HTML); the space does not break."""
    unit = plain(unit or "", 24)
    written = number_text(value, digits)
    return f"{written}\N{NO-BREAK SPACE}{unit}" if unit and value is not None else written


def count(value: float | None) -> str:
    """Return a whole number with thousands separators."""
    return DASH if value is None else f"{round(value):,}".replace("-", _MINUS)


def plural(value: float | None, one: str, many: str | None = None) -> str:
    """Return ``"1 row"``, ``"9,100 rows"``."""
    word = one if value is not None and round(value) == 1 else (many or f"{one}s")
    return f"{count(value)} {word}"


def day(value: float | None) -> str:
    """Return days since 1970-01-01 as an ISO date."""
    if value is None:
        return DASH
    try:
        return (datetime.date(1970, 1, 1) + datetime.timedelta(days=value)).isoformat()
    except OverflowError:
        return number_text(value)
