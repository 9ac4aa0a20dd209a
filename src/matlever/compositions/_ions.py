"""Ions on the sites of a crystal: what is written, their radii and electronegativities."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import numpy as np

from matlever.exceptions import DataError, Fault, shorten

__all__ = ["Ion", "ion_text", "ionic_radius", "pauling", "read_site", "tabulated_charges"]

Ion = tuple[str, int]

_ION = re.compile(r"([A-Z][a-z]?)(\d*)\+")
_TERM = re.compile(r"([A-Z][a-z]?\d*\+)[:\s]*(\d+(?:\.\d+)?|\.\d+)?[\s,]*")


def read_site(written: str | Mapping[str, float], row: int | None = None) -> dict[Ion, float]:
    """Return the share of each ion on a site.

    Parameters
    ----------
    written : str or mapping of str to float
        ``"La3+"``, ``"La3+ 0.7 Sr2+ 0.3"``, ``"La3+:0.7, Sr2+:0.3"`` or ``{"La3+": 0.7, ...}``;
        shares are divided by their sum.
    row : int, optional
        Named in the message.

    Raises
    ------
    DataError
        If it cannot be read, an ion has no radius, or a share is not positive.
    """
    remedy = "Write ions such as La3+, and mixed sites as 'La3+ 0.7 Sr2+ 0.3'"
    if isinstance(written, Mapping):
        shares = {str(name): float(share) for name, share in written.items()}
    else:
        text = str(written).strip()
        terms = list(_TERM.finditer(text))
        if not terms or "".join(match.group() for match in terms) != text:
            raise DataError(
                Fault(f"the site {shorten(repr(text))} cannot be read", remedy, row=row)
            )
        if len(terms) > 1 and any(match[2] is None for match in terms):
            raise DataError(
                Fault(f"the site {text!r} has an ion without its share", remedy, row=row)
            )
        shares = {}
        for match in terms:
            shares[match[1]] = shares.get(match[1], 0.0) + float(match[2] or 1)
    found: dict[Ion, float] = {}
    for name, share in shares.items():
        parts = _ION.fullmatch(name)
        ion = (parts[1], int(parts[2] or 1)) if parts else ("", 0)
        if ion not in _radii():
            near = ", ".join(f"{ion[0]}{charge}+" for charge in tabulated_charges(ion[0]))
            known = f"Known: {near}" if near else remedy
            raise DataError(Fault(f"{shorten(repr(name))} has no Shannon radius", known, row=row))
        if not share > 0 or not np.isfinite(share):
            raise DataError(
                Fault(f"the share of {name} is {share}", "Give positive shares", row=row)
            )
        found[ion] = share
    total = sum(found.values())
    if not total > 0:
        raise DataError(Fault("the site is empty", remedy, row=row))
    return {ion: share / total for ion, share in found.items()}


def ion_text(ion: Ion) -> str:
    """Return an ion as it is written, ``"La3+"``."""
    return f"{ion[0]}{ion[1] if ion[1] > 1 else ''}+"


def pauling(ion: Ion) -> float:
    """Return Pauling's electronegativity of the element."""
    return _table()[1][ion[0]]


def tabulated_charges(element: str) -> tuple[int, ...]:
    """Return the positive charges for which Shannon gives a radius of the element."""
    return tuple(sorted(charge for symbol, charge in _radii() if symbol == element))


def ionic_radius(ion: Ion, coordination: int) -> tuple[float, bool]:
    """Return the effective ionic radius in Angstrom, and whether it is tabulated.

    Where Shannon has no value at this coordination, the value at the nearest coordination he gives
    is moved by the mean difference between the two coordinations over all ions that have both.
    """
    known = _radii()[ion]
    if coordination in known:
        return known[coordination], True
    for other in sorted(known, key=lambda c: (abs(c - coordination), c)):
        step = _step(other, coordination)
        if step is not None:
            return known[other] + step, False
    nearest = min(known, key=lambda c: abs(c - coordination))
    return known[nearest], False


@cache
def _step(one: int, other: int) -> float | None:
    """Return the mean difference of radii between two coordinations; None if no ion has both."""
    steps = [r[other] - r[one] for r in _radii().values() if one in r and other in r]
    return float(np.mean(steps)) if steps else None


def _radii() -> dict[Ion, dict[int, float]]:
    return _table()[0]


@cache
def _table() -> tuple[dict[Ion, dict[int, float]], dict[str, float]]:
    """Return radii by ion and coordination, and electronegativities by element."""
    source = files("matlever.compositions") / "data" / "shannon_radii.csv"
    lines = source.read_text(encoding="utf-8").splitlines()
    radii: dict[Ion, dict[int, float]] = {}
    chi: dict[str, float] = {}
    for row in csv.DictReader(line for line in lines if not line.startswith("#")):
        if int(row["charge"]) < 1:
            continue
        ion = (row["element"], int(row["charge"]))
        radii.setdefault(ion, {})[int(row["coordination"])] = float(row["radius"])
        chi[row["element"]] = float(row["electronegativity"])
    return radii, chi
