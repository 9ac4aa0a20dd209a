"""One formula at a time: every notation that is understood, and what is wrong with the others."""

from __future__ import annotations

import math
import re

from matlever.compositions._formula_words import (
    FormulaError,
    refuse_characters,
    too_small,
    unknown_symbol,
)
from matlever.compositions.elements import ELEMENTS

__all__ = ["FormulaError", "read_formula"]

_COLUMN = {symbol: column for column, symbol in enumerate(ELEMENTS)}
_PARTNER = {"(": ")", "[": "]", "{": "}"}
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_DOTS = str.maketrans(dict.fromkeys("·•⋅∙・‧∗⋆*", "*"))
_MARKUP = re.compile(r"</?sub>|(?<=[A-Za-z)\]}])_(?=[\d.])")
_BRACED_NUMBER = re.compile(r"_\{([\d./]+)\}")
# A point, a count and H2O at the end: a hydrate, unless the point follows a single zero.
_HYDRATE = re.compile(r"(?<!(?<![\d.])0)\.(?=(?:\d+(?:\.\d+)?)?H2O$)")
_MIXTURE = re.compile(r"(?<=[A-Za-z\d)\]}])[-+](?=\d*\.?\d+[A-Z(\[{])")
_NUMBER = re.compile(r"\d+/\d+(?![\d.])|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?")
_SYMBOL = re.compile(r"[A-Z][a-z]?")


def read_formula(formula: str) -> dict[int, float]:
    """Return the amount of each element by its column, in one formula.

    Raises
    ------
    FormulaError
        If it cannot be read.
    """
    text = _plain(formula)
    refuse_characters(formula, text)
    total: dict[int, float] = {}
    for part in text.split("*"):
        if not part:
            raise FormulaError(
                f"{formula!r} has a dot with nothing before or after it",
                "Write hydrates as CuSO4·5H2O",
            )
        number = _NUMBER.match(part)
        factor = _value(number.group(), formula) if number else 1.0
        amounts, _ = _Reader(formula, part).group(number.end() if number else 0, None)
        for column, amount in amounts.items():
            total[column] = total.get(column, 0.0) + factor * amount
    if not math.isfinite(sum(total.values())):
        raise FormulaError(f"{formula!r} has an amount too large for a number", "Check the amounts")
    if sum(total.values()) <= 0:
        raise too_small(formula)
    return total


def _plain(formula: str) -> str:
    """Return a formula without mark-up and spaces, subscripts as digits and every dot as ``*``."""
    text = formula.strip().replace("$", "").replace("\\cdot", "*").translate(_SUBSCRIPTS)
    text = _MARKUP.sub("", _BRACED_NUMBER.sub(r"\1", text)).translate(_DOTS)
    if re.search(r"[\d.]\s+[\d.]", text):
        raise FormulaError(
            f"{formula!r} has a space within a number or between two numbers",
            "Write each amount directly behind its element",
        )
    text = _HYDRATE.sub("*", "".join(text.split()), count=1)
    if re.match(r"\d*\.?\d+[A-Z(\[{]", text) and "*" not in text:
        text = _MIXTURE.sub("*", text)
    return text


def _value(number: str, formula: str) -> float:
    above, _, below = number.partition("/")
    if below and float(below) == 0:
        raise FormulaError(f"{formula!r} divides by zero in {number}", "Write a decimal number")
    return float(above) / float(below) if below else float(above)


class _Reader:
    """Reads the groups of one part of a formula."""

    def __init__(self, formula: str, text: str) -> None:
        self.formula, self.text = formula, text

    def group(self, start: int, opened: int | None) -> tuple[dict[int, float], int]:
        """Read from `start` to the closing bracket, or to the end; return amounts and position."""
        text, place = self.text, start
        amounts: dict[int, float] = {}
        while place < len(text):
            if text[place] in ")]}":
                break
            inside, place = self._piece(place)
            number = _NUMBER.match(text, place)
            factor = 1.0
            if number:
                factor, place = _value(number.group(), self.formula), number.end()
            for column, amount in inside.items():
                amounts[column] = amounts.get(column, 0.0) + factor * amount
        self._check_end(place, opened)
        if not amounts:
            where = "at the end" if place >= len(text) else f"at character {place + 1}"
            raise FormulaError(
                f"{self.formula!r} has no element {where}", "Write a formula such as Ca(OH)2"
            )
        return amounts, place + (opened is not None)

    def _piece(self, place: int) -> tuple[dict[int, float], int]:
        """Read one symbol, or one bracket."""
        if self.text[place] in _PARTNER:
            return self.group(place + 1, place)
        symbol = _SYMBOL.match(self.text, place)
        if symbol is None or symbol.group() not in _COLUMN:
            raise unknown_symbol(self.formula, self.text, place)
        return {_COLUMN[symbol.group()]: 1.0}, symbol.end()

    def _check_end(self, place: int, opened: int | None) -> None:
        found = self.text[place] if place < len(self.text) else ""
        if opened is None and found:
            raise FormulaError(
                f"{self.formula!r} closes a bracket {found!r} at character {place + 1} that was "
                "never opened",
                "Balance the brackets",
            )
        if opened is not None and found != _PARTNER[self.text[opened]]:
            said = (
                f"is closed by {found!r} at character {place + 1}" if found else "is never closed"
            )
            raise FormulaError(
                f"{self.formula!r}: the bracket {self.text[opened]!r} at character {opened + 1} "
                f"{said}",
                "Balance the brackets",
            )
