"""CIF files that list every atom of the cell, read directly; others are left to pymatgen."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from matlever.crystals._structures import Cell, atomic_number

__all__ = ["lattice_of_parameters", "plain_cell"]

_CELL = tuple(f"_cell_length_{x}" for x in "abc") + tuple(
    f"_cell_angle_{x}" for x in ("alpha", "beta", "gamma")
)
_SITE = tuple(f"_atom_site_fract_{x}" for x in "xyz")
_SPACE_GROUPS = {
    "_symmetry_space_group_name_h-m": ("P1", "p1"),
    "_space_group_name_h-m_alt": ("P1", "p1"),
    "_symmetry_int_tables_number": ("1",),
    "_space_group_it_number": ("1",),
}
_OPERATIONS = ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz")
_ONLY_LABELS = ("_symmetry_equiv_pos_site_id", "_space_group_symop_id")
# Columns whose presence means more than one atom on each site that is listed.
_NOT_PLAIN = ("_atom_site_disorder_group", "_atom_site_disorder_assembly", "_atom_site_attached")
_ELEMENT = re.compile(r"([A-Z][a-z]?)(?:\d*[+-]?|[+-]\d*)$")


class _NotPlainError(Exception):
    """The file is none that is read here."""


def plain_cell(text: str) -> Cell | None:
    """Return the crystal of a CIF with every atom of its cell; None if it is no such file.

    Parameters
    ----------
    text : str
        One data block in space group P1 (by name, number or operations), whole numbers of atoms on
        sites, and no text over several lines.

    Returns
    -------
    cell : Cell or None
        Atoms in the order of the file, coordinates as they are written, within the cell.
    """
    try:
        tags, loops = _taken_apart(text)
        _check_symmetry(tags, loops)
        lattice = lattice_of_parameters(*(_number(tags[name]) for name in _CELL))
        numbers, fractional = _atoms(loops)
    except (_NotPlainError, KeyError, ValueError):
        return None
    if not (np.isfinite(lattice).all() and np.isfinite(fractional).all() and len(numbers)):
        return None
    return lattice, numbers, fractional - np.floor(fractional)


def lattice_of_parameters(
    a: float, b: float, c: float, alpha: float, beta: float, gamma: float
) -> NDArray[np.float64]:
    """Return lattice vectors as rows, c along z and a in the plane of x and z.

    Parameters
    ----------
    a, b, c : float
        Lengths in Angstrom.
    alpha, beta, gamma : float
        Angles in degrees.
    """
    angles = np.radians([alpha, beta, gamma])
    (cos_a, cos_b, cos_g), (sin_a, sin_b, _) = np.cos(angles), np.sin(angles)
    if min(abs(sin_a), abs(sin_b)) < 1e-9:
        raise _NotPlainError
    cosine = np.clip((cos_a * cos_b - cos_g) / (sin_a * sin_b), -1.0, 1.0)  # of gamma*
    return np.array(
        [
            [a * sin_b, 0.0, a * cos_b],
            [-b * sin_a * cosine, b * sin_a * np.sqrt(1 - cosine**2), b * cos_a],
            [0.0, 0.0, c],
        ]
    )


def _taken_apart(text: str) -> tuple[dict[str, str], list[tuple[list[str], list[str]]]]:
    """Return single values by tag, and loops as headers and lines."""
    tags: dict[str, str] = {}
    loops: list[tuple[list[str], list[str]]] = []
    headers: list[str] | None = None
    n_blocks = 0
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith("#"):
            continue
        lower = line.lower()
        if lower.startswith("data_"):
            n_blocks, headers = n_blocks + 1, None
        elif line.startswith(";") or lower.startswith(("save_", "global_")):
            raise _NotPlainError
        elif lower == "loop_":
            headers = []
            loops.append((headers, []))
        elif line.startswith("_"):
            parts = line.split(None, 1)
            if headers is not None and not loops[-1][1] and len(parts) == 1:
                headers.append(lower)
                continue
            headers = None
            if len(parts) < 2:
                raise _NotPlainError
            tags[parts[0].lower()] = parts[1].strip("'\" ")
        elif headers is None:
            raise _NotPlainError
        else:
            loops[-1][1].append(line)
    if n_blocks != 1:
        raise _NotPlainError
    return tags, loops


def _check_symmetry(tags: dict[str, str], loops: list[tuple[list[str], list[str]]]) -> None:
    """Raise unless all that is said of symmetry says P1, and something does."""
    said = False
    for name, allowed in _SPACE_GROUPS.items():
        if name in tags:
            said = True
            if tags[name].replace(" ", "") not in allowed:
                raise _NotPlainError
    for headers, lines in loops:
        if not any(name in headers for name in _OPERATIONS):
            continue
        said = True
        if any(name not in (*_OPERATIONS, *_ONLY_LABELS) for name in headers) or len(lines) != 1:
            raise _NotPlainError
        operation = lines[0].replace("'", "").replace('"', "").replace(" ", "").lower()
        if operation.removeprefix("1" if len(headers) > 1 else "") != "x,y,z":
            raise _NotPlainError
    if not said:
        raise _NotPlainError


def _atoms(
    loops: list[tuple[list[str], list[str]]],
) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Return atomic numbers and coordinates of the one loop of atoms."""
    found = [loop for loop in loops if _SITE[0] in loop[0]]
    if len(found) != 1:
        raise _NotPlainError
    headers, lines = found[0]
    if any(name.startswith(_NOT_PLAIN) for name in headers):
        raise _NotPlainError
    rows = [line.split() for line in lines]
    if any(len(row) != len(headers) for row in rows):
        raise _NotPlainError
    columns = dict(zip(headers, zip(*rows, strict=True), strict=True))
    if any(abs(_number(cell) - 1) > 1e-6 for cell in columns.get("_atom_site_occupancy", ())):
        raise _NotPlainError
    symbols = columns.get("_atom_site_type_symbol") or columns["_atom_site_label"]
    known = {symbol: _element(symbol) for symbol in set(symbols)}
    numbers = np.array([known[symbol] for symbol in symbols], dtype=np.int16)
    places = np.array([[_number(cell) for cell in columns[name]] for name in _SITE])
    return numbers, places.T.reshape(-1, 3)


def _element(symbol: str) -> int:
    match = _ELEMENT.match(symbol)
    number = atomic_number(match.group(1)) if match else 0
    if not number:
        raise _NotPlainError
    return number


def _number(cell: str) -> float:
    """Return a number without the uncertainty of its last digits: 5.431(2)."""
    return float(cell.split("(", 1)[0])
