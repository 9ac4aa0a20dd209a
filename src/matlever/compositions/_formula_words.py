"""What is said of a formula that cannot be read, and what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from matlever.compositions.elements import ELEMENTS
from matlever.exceptions import shorten

__all__ = ["FormulaError", "refuse_characters", "too_small", "unknown_symbol"]

_BEYOND = re.findall("..", "RfDbSgBhHsMtDsRgCnNhFlMcLvTsOg")
_ALLOWED = re.compile(r"[A-Za-z0-9.*()\[\]{}/]|(?<=\de)[+-]")
_CHARGE = re.compile(r"(?:\^?\(?\{?\d*[+\-−⁺⁻]\}?\)?|[⁰¹²³⁴-⁹]+[⁺⁻]?)$")
_VARIABLE = re.compile(r"[-+−]\s*\d*\.?\d*[xyzδnu]|[xδ]|(?<=[\d)\]}])[yznu](?![a-z])|1-[a-z]")


class FormulaError(ValueError):
    """A formula that cannot be read, with what to do about it."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}. {remedy}")
        self.reason, self.remedy = reason, remedy


def refuse_characters(formula: str, text: str) -> None:
    """Raise if the formula is empty or has something that no formula has."""
    if not text or text.lower() in ("nan", "none", "null", "n/a", "-"):
        raise FormulaError(
            f"{formula!r} is no formula" if text else "the formula is empty",
            "Write a formula such as Fe2O3, or leave the row out"
            + ("; write Na1N1 if sodium and nitrogen are meant" if text == "NaN" else ""),
        )
    # Sb-D style letters are judged as symbols; here are signs that stand for something else.
    position = next((i for i, c in enumerate(text) if not _ALLOWED.match(text, i)), None)
    if _VARIABLE.search(text) and (position is not None or _has_variable(text)):
        raise FormulaError(
            f"{formula!r} has a variable such as x instead of an amount",
            "Write the number it stands for, such as La0.7Sr0.3MnO3",
        )
    if position is None:
        return
    is_charged = _CHARGE.search(text) is not None
    if text[position] in "-−" and not is_charged:
        raise FormulaError(
            f"{formula!r} has a negative amount or a hyphen at character {position + 1}",
            "Amounts must be at least 0; write alloys such as Ti-6Al-4V as atom fractions, "
            "Ti0.862Al0.102V0.036, or with a column for each element and unit='wt'",
        )
    if is_charged:
        raise FormulaError(
            f"{formula!r} seems to be an ion with a charge",
            "Write the neutral formula, without + and -",
        )
    if text[position] == ",":
        raise FormulaError(f"{formula!r} has a comma", "Use a decimal point")
    raise FormulaError(
        f"{formula!r} has {shorten(repr(text[position]))} at character {position + 1}",
        "Use symbols of elements, amounts, brackets, and · before water",
    )


def _has_variable(text: str) -> bool:
    """Return whether a small x or similar stands where a symbol or an amount should."""
    for match in _VARIABLE.finditer(text):
        before = text[match.start() - 1 : match.start()] if match.start() else ""
        if before + match.group() not in ELEMENTS and (not before.isupper() or before in ELEMENTS):
            return True
    return False


def too_small(formula: str) -> FormulaError:
    """Return the error of a formula whose amounts are all zero."""
    meant = re.sub(r"(?<=[A-Za-z])0(?![\d.])", "O", formula)
    hint = f"Did you mean {meant}, with the letter O?" if meant != formula else "Check the amounts"
    return FormulaError(f"{formula!r} has amounts that add up to 0", hint.rstrip("."))


def unknown_symbol(formula: str, text: str, place: int) -> FormulaError:
    """Return the error of what stands at `place` instead of a symbol, with a suggestion."""
    found = re.match(r"[A-Z][a-z]*|[a-z]+|.", text[place:])
    token = found.group() if found else text[place:]
    if token[:1].isdigit() or token == ".":
        return FormulaError(
            f"{formula!r} has a number at character {place + 1} that belongs to no element",
            "Write each amount directly behind its element or bracket",
        )
    if token in ("D", "T"):
        name = {"D": "deuterium", "T": "tritium"}[token]
        return FormulaError(
            f"{formula!r} has {token} ({name}) at character {place + 1}",
            "Isotopes are not told apart: write H",
        )
    if token in _BEYOND:
        return FormulaError(
            f"{formula!r} has the element {token} at character {place + 1}",
            "Only elements from H to Lr (Z = 103) can be used",
        )
    respelt = _respelt(text)
    near = difflib.get_close_matches(token[:2].capitalize(), ELEMENTS, n=3, cutoff=0.5)
    if respelt is not None and respelt != text:
        remedy = f"Did you mean {respelt}?"
    elif near:
        remedy = f"Similar symbols: {', '.join(near)}"
    else:
        remedy = "Use the symbols of the periodic table, such as Fe2O3"
    return FormulaError(
        f"{formula!r}: {shorten(token, 20)!r} at character {place + 1} is not an element", remedy
    )


def _respelt(text: str) -> str | None:
    """Return the formula with symbols in their proper case, if its letters allow it."""
    pieces: list[str] = []
    for word in re.findall(r"[A-Za-z]+|[^A-Za-z]+", text):
        spelt = [word] if not word.isalpha() else _spell(word.lower())
        if spelt is None:
            return None
        pieces += spelt
    return "".join(pieces)


def _spell(letters: str) -> Sequence[str] | None:
    """Return symbols that spell `letters`, two-letter symbols first; None if there are none."""
    if not letters:
        return []
    for length in (2, 1):
        symbol = letters[:length].capitalize()
        if len(letters) >= length and symbol in ELEMENTS:
            rest = _spell(letters[length:])
            if rest is not None:
                return [symbol, *rest]
    return None
