"""Units as scientists write them: in headers (``length (nm)``) and in cells (``5 nm``).

Nothing is converted here. A unit is recognised, so that it can be shown on an axis, taken off a
number, and compared with another one: ``nm`` and ``µm`` measure the same quantity, which makes a
column that holds both a fault rather than a column of words.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

__all__ = ["canonical_unit", "quantity_of", "same_unit", "split_header"]

_PREFIXES = ("da", "Y", "Z", "E", "P", "T", "G", "M", "k", "h", "d", "c", "m", "u", "n", "p", "f")

# Symbol -> quantity; those in the first table take SI prefixes.
_PREFIXED = {
    "m": "length", "g": "mass", "s": "time", "A": "current", "K": "temperature", "mol": "amount",
    "cd": "luminous intensity", "L": "volume", "l": "volume", "J": "energy", "eV": "energy",
    "cal": "energy", "Wh": "energy", "N": "force", "Pa": "pressure", "bar": "pressure",
    "W": "power", "V": "voltage", "C": "charge", "Ah": "charge", "F": "capacitance",
    "Ω": "resistance", "ohm": "resistance", "Ohm": "resistance", "S": "conductance",
    "T": "flux density", "H": "inductance", "Hz": "frequency", "M": "concentration",
    "rad": "angle", "lm": "luminous flux", "lx": "illuminance", "Bq": "activity", "Gy": "dose",
    "Da": "molar mass", "D": "dipole moment", "px": "pixels",
}  # fmt: skip
_PLAIN = {
    "min": "time", "h": "time", "hr": "time", "hrs": "time", "sec": "time", "d": "time",
    "day": "time", "days": "time", "hours": "time", "hour": "time", "minutes": "time",
    "seconds": "time", "week": "time", "weeks": "time", "yr": "time", "year": "time",
    "years": "time", "°C": "temperature", "degC": "temperature", "°F": "temperature",
    "degF": "temperature", "℃": "temperature", "Å": "length", "in": "length", "inch": "length",
    "ft": "length", "mil": "length", "micron": "length", "microns": "length", "psi": "pressure",
    "ksi": "pressure", "atm": "pressure", "torr": "pressure", "Torr": "pressure",
    "mTorr": "pressure", "mmHg": "pressure", "°": "angle", "deg": "angle", "%": "fraction",
    "‰": "fraction", "wt%": "mass fraction", "at%": "amount fraction", "mol%": "amount fraction",
    "vol%": "volume fraction", "ppm": "fraction", "ppb": "fraction", "eq": "equivalents",
    "eq.": "equivalents", "equiv": "equivalents", "equiv.": "equivalents",
    "equivalents": "equivalents", "a.u.": "arbitrary", "arb.u.": "arbitrary", "u": "mass",
    "rpm": "rotation", "sccm": "gas flow", "slm": "gas flow", "slpm": "gas flow",
    "cps": "count rate", "counts": "counts", "count": "counts", "cycles": "counts",
    "HV": "hardness", "HB": "hardness", "HBW": "hardness", "HRC": "hardness", "HRB": "hardness",
    "pixel": "pixels", "pixels": "pixels", "dB": "level", "ppi": "density", "drops": "counts",
    "sun": "irradiance", "suns": "irradiance", "Oe": "magnetic field", "kOe": "magnetic field",
    "emu": "magnetic moment", "muB": "magnetic moment", "µB": "magnetic moment",
    "kcps": "count rate", "mil.": "length", "lb": "mass", "oz": "mass", "sq": "square",
    "f.u.": "formula units", "atom": "atoms", "atoms": "atoms", "cell": "cells",
}  # fmt: skip
_PHRASES = {
    "mole fraction": "fraction", "mass fraction": "mass fraction", "fraction": "fraction",
    "weight fraction": "mass fraction", "volume fraction": "volume fraction",
    "atomic fraction": "amount fraction", "atom fraction": "amount fraction", "ratio": "ratio",
    "dimensionless": "ratio", "unitless": "ratio", "-": "ratio", "–": "ratio", "1": "ratio",
    "room temperature": "temperature",
}  # fmt: skip
_SPELLINGS = {
    "wt %": "wt%", "wt.%": "wt%", "wt. %": "wt%", "wt-%": "wt%", "w%": "wt%", "%wt": "wt%",
    "at %": "at%", "at.%": "at%", "at. %": "at%", "at-%": "at%", "mol %": "mol%", "mol.%": "mol%",
    "mol-%": "mol%", "vol %": "vol%", "vol.%": "vol%", "vol. %": "vol%", "v%": "vol%",
    "deg C": "°C", "degC": "°C", "℃": "°C", "° C": "°C", "oC": "°C", "deg F": "°F",
    "degF": "°F", "ºC": "°C", "percent": "%", "Ohm": "Ω", "ohm": "Ω",
}  # fmt: skip
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_FACTOR = re.compile(r"(?P<symbol>[^\s0-9^+\-]+)(?:\^?\(?(?P<power>[+-]?[0-9])\)?)?$")
_TRAILING_BRACKET = re.compile(
    r"^(?P<name>.*?\S)(?P<space>\s*)(?:\((?P<round>[^()]+)\)|\[(?P<square>[^\[\]]+)\])\s*$", re.S
)
_AFTER_COMMA_OR_SLASH = re.compile(r"^(?P<name>[^/,]*[^/,\s])\s*(?:/|,)\s+(?P<unit>\S.*)$")
# Endings of snake_case names that can hardly mean anything but a unit ("min" could be a minimum).
_SUFFIX = re.compile(r"^(?P<name>.*[^\W_])_(?P<unit>[A-Za-z]+)$")
_SUFFIXES = {
    "nm": "nm", "um": "µm", "mm": "mm", "cm": "cm", "mg": "mg", "ug": "µg", "kg": "kg",
    "mmol": "mmol", "umol": "µmol", "nmol": "nmol", "ml": "mL", "ul": "µL", "mpa": "MPa",
    "gpa": "GPa", "kpa": "kPa", "ev": "eV", "mev": "meV", "rpm": "rpm", "sccm": "sccm",
    "ppm": "ppm", "hv": "HV", "khz": "kHz", "mhz": "MHz", "degc": "°C",
}  # fmt: skip
# Oxidation states and numbers of a series, "Cu(II)", are part of a name.
_ROMAN = re.compile(r"[IVX]+$")
_LONGEST = 40


def _tidy(text: str) -> str:
    """Return `text` with one spelling of micro, ohm, degree, angstrom and powers."""
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    # Greek mu is written for the micro sign; NFC has made one ohm and one angstrom of two each.
    for old, new in (("\u03bc", "\u00b5"), ("\u00ba", "\u00b0"), ("\u2212", "-"), ("\u2219", "·")):
        text = text.replace(old, new)
    return _SPELLINGS.get(text, text)


@lru_cache(maxsize=4096)
def canonical_unit(text: str) -> str | None:
    """Return the unit in one spelling, or None where `text` is no unit.

    Parameters
    ----------
    text : str
        For instance ``"um"``, ``"mg mL-1"``, ``"wt. %"``.

    Examples
    --------
    >>> canonical_unit("wt. %"), canonical_unit("μm"), canonical_unit("first try")
    ('wt%', 'µm', None)
    """
    tidy = _tidy(text)
    return tidy if quantity_of(tidy) is not None else None


@lru_cache(maxsize=4096)
def quantity_of(text: str) -> tuple[tuple[str, int], ...] | None:
    """Return what a unit measures, as sorted (quantity, power) pairs, or None for no unit.

    Two units with the same answer can stand for each other after a conversion.

    Examples
    --------
    >>> quantity_of("nm") == quantity_of("µm"), quantity_of("g/cm3") == quantity_of("kg m-3")
    (True, True)
    """
    text = _tidy(text)
    if not text or len(text) > _LONGEST:
        return None
    if text in _PHRASES:
        return ((_PHRASES[text], 1),)
    text = text.translate(_SUPERSCRIPTS)
    powers: dict[str, int] = {}
    for position, side in enumerate(text.split("/")):
        side = side.strip().removeprefix("(").removesuffix(")")
        factors = [f for f in re.split(r"[\s·*×⋅]+", side) if f]
        if not factors:
            return None
        if factors == ["1"] and position == 0 and "/" in text:
            continue
        for factor in factors:
            match = _FACTOR.match(factor)
            quantity = _symbol_quantity(match["symbol"]) if match else None
            if match is None or quantity is None:
                return None
            power = int(match["power"] or 1) * (1 if position == 0 else -1)
            # Litres are lengths cubed, molar is amount per volume: compare like with like.
            for base, exponent in _IN_BASE.get(quantity, ((quantity, 1),)):
                powers[base] = powers.get(base, 0) + exponent * power
    return tuple(sorted((base, power) for base, power in powers.items() if power))


_IN_BASE = {
    "volume": (("length", 3),),
    "concentration": (("amount", 1), ("length", -3)),
}


def _symbol_quantity(symbol: str) -> str | None:
    """Return the quantity of one symbol, with or without an SI prefix."""
    symbol = _SPELLINGS.get(symbol, symbol)
    if symbol in _PLAIN:
        return _PLAIN[symbol]
    if symbol in _PREFIXED:
        return _PREFIXED[symbol]
    for prefix in (*_PREFIXES, "µ"):
        rest = symbol.removeprefix(prefix)
        if rest != symbol and rest in _PREFIXED:
            return _PREFIXED[rest]
    return None


def same_unit(first: str, second: str) -> bool:
    """Return whether two texts are the same unit up to spelling (``um`` and ``μm``)."""

    def plain(text: str) -> str:
        text = _tidy(text).translate(_SUPERSCRIPTS).replace("^", "").replace("µ", "u")
        return re.sub(r"[\s·*×⋅]+", " ", text).replace("l", "L")

    return plain(first) == plain(second)


def split_header(header: str) -> tuple[str, str | None]:
    """Return name and unit of a header.

    A bracket at the end is a unit if it reads like one; square brackets always hold a unit.

    Parameters
    ----------
    header : str
        A column's header as it stands in the file.

    Returns
    -------
    name : str
        The header without the unit.
    unit : str or None
        The unit as written, None where there is none.

    Examples
    --------
    >>> split_header("length (nm)"), split_header("rate [counts per frame]")
    (('length', 'nm'), ('rate', 'counts per frame'))
    >>> split_header("Cu(II)"), split_header("time (second run)")
    (('Cu(II)', None), ('time (second run)', None))
    >>> split_header("diameter_nm"), split_header("temperature_min")
    (('diameter', 'nm'), ('temperature_min', None))
    """
    header = " ".join(header.split())
    # The way of ISO 80000, "length / nm", and of many spreadsheets, "length, nm".
    match = _AFTER_COMMA_OR_SLASH.match(header)
    if match is not None and canonical_unit(match["unit"]) is not None:
        return match["name"].strip(), match["unit"]
    match = _TRAILING_BRACKET.match(header)
    if match is None:
        match = _SUFFIX.match(header)
        unit = _SUFFIXES.get(match["unit"].lower()) if match else None
        return (match["name"], unit) if match and unit else (header, None)
    if match["square"] is not None:
        unit = match["square"].strip()
        return (match["name"], unit) if unit and len(unit) <= _LONGEST else (header, None)
    unit = match["round"].strip()
    glued_number = not match["space"] and _ROMAN.match(unit) is not None
    if glued_number or canonical_unit(unit) is None:
        return header, None
    return match["name"], unit
