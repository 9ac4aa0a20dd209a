"""One crystal of one file: CIF, POSCAR, or the JSON of a pymatgen Structure."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from matlever.crystals._cif_plain import plain_cell
from matlever.crystals._pymatgen import import_pymatgen
from matlever.crystals._structures import Cell, arrays_of_structure, atomic_number, disorder
from matlever.exceptions import DataError, Fault, shorten

__all__ = ["Parsed", "cell_of_text", "format_of", "parse_file", "parse_text"]

_LARGEST_BYTES = 100_000_000
_ORDERED = "Give an ordered structure: one element on each site, fully occupied"


@dataclass(frozen=True)
class Parsed:
    """What came out of one file.

    Attributes
    ----------
    cell : Cell or None
        The crystal; None after a fault.
    faults : tuple of Fault
    rounded : int
        Coordinates that pymatgen moved to the ideal value near them: 0.3333 to 1/3.
    """

    cell: Cell | None
    faults: tuple[Fault, ...] = ()
    rounded: int = 0


def format_of(path: Path) -> str | None:
    """Return "cif", "poscar" or "json" by the name of a file; None if it is of no known format."""
    suffix, name = path.suffix.lower(), path.name.upper()
    if suffix in (".cif", ".mcif"):
        return "cif"
    if suffix in (".vasp", ".poscar", ".contcar") or name.startswith(("POSCAR", "CONTCAR")):
        return "poscar"
    return "json" if suffix == ".json" else None


def parse_file(path: Path, shown: str) -> Parsed:
    """Return the crystal of a file, or what is wrong with it.

    Parameters
    ----------
    path : Path
        The file.
    shown : str
        Its name in messages.
    """
    kind = format_of(path)
    if kind is None:
        return _refused(shown, "this is no known format", "Use .cif, POSCAR, .vasp or .json")
    try:
        size = path.stat().st_size
        if size > _LARGEST_BYTES:
            return _refused(
                shown, f"the file has {size / 1e6:,.0f} MB", "One crystal has 100 MB at most"
            )
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return _refused(
            shown,
            f"the file cannot be read ({error.strerror or error})",
            "Check its name and whether it may be read",
        )
    return parse_text(text, kind, shown)


def parse_text(text: str, kind: str, shown: str) -> Parsed:
    """Return the crystal that a text of format "cif", "poscar" or "json" describes."""
    if not text.strip():
        return _refused(shown, "the file is empty", "Write the structure again, or leave it out")
    if kind == "cif" and (plain := plain_cell(text)) is not None:
        return Parsed(plain)
    if kind != "json":
        import_pymatgen("Reading crystals")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            cell = cell_of_text(text, kind)
        except DataError as error:
            faults = [Fault(f.reason, f.remedy, file=shown) for f in error.faults]
            return Parsed(None, tuple(faults))
        # pymatgen raises whatever the damaged part leads to: ValueError, IndexError, KeyError,
        # ZeroDivisionError, RecursionError ...
        except Exception as error:
            reason = _why(error, [str(item.message) for item in caught])
            return _refused(shown, reason, "Open it in a structure viewer and write it again")
    said = [str(item.message) for item in caught]
    if any("cannot be determined" in words for words in said):
        return _refused(
            shown,
            "the POSCAR does not name its elements",
            "Add a line with their symbols above the numbers of atoms (VASP 5)",
        )
    return Parsed(cell, (), sum(_n_rounded(words) for words in said[-1:]))


def cell_of_text(text: str, kind: str) -> Cell:
    """Return lattice, numbers and coordinates; raises DataError, or whatever pymatgen raises."""
    if kind == "json":
        return cell_of_dict(json.loads(text))
    if kind == "poscar":
        from pymatgen.io.vasp import Poscar

        structures = [Poscar.from_str(text).structure]
    else:
        from pymatgen.io.cif import CifParser

        structures = CifParser.from_str(text).parse_structures(primitive=False)
    if len(structures) > 1:
        raise _fault(
            f"the file holds {len(structures)} structures", "Write each into a file of its own"
        )
    reason = disorder(structures[0])
    if reason:
        raise _fault(reason, _ORDERED)
    cell = arrays_of_structure(structures[0])
    if (cell[1] == 0).any():
        first = structures[0][int(np.flatnonzero(cell[1] == 0)[0])]
        raise _fault(
            f"{first.species_string!r} is no element that is known here",
            "Use the symbols of the elements H to Lr",
        )
    return cell


def cell_of_dict(values: Any) -> Cell:
    """Lattice, numbers and coordinates of the dictionary of a Structure.

    Nothing is imported or made by a name in it.
    """
    if not isinstance(values, Mapping) or "lattice" not in values or "sites" not in values:
        raise _fault(
            "the JSON is no structure: it has no 'lattice' and 'sites'",
            "Write it with Structure.to_json() of pymatgen",
        )
    lattice = np.array(values["lattice"]["matrix"], dtype=np.float64)
    numbers, places = [], []
    for site in values["sites"]:
        place = np.round(np.array(site["abc"], dtype=float), 4).tolist()
        species = [(str(part["element"]), float(part["occu"])) for part in site["species"]]
        if len(species) != 1 or abs(species[0][1] - 1) > 1e-3:
            words = ", ".join(f"{symbol}:{share:g}" for symbol, share in species)
            raise _fault(f"a site is partly occupied or mixed ({words} at {place})", _ORDERED)
        symbol = species[0][0].rstrip("0123456789+-.")
        if not (number := atomic_number(symbol)):
            raise _fault(
                f"{species[0][0]!r} is no element that is known here",
                "Use the symbols of the elements H to Lr",
            )
        numbers.append(number)
        places.append(site["abc"])
    return (
        lattice.reshape(3, 3),
        np.array(numbers, dtype=np.int16),
        np.array(places, dtype=np.float64).reshape(-1, 3),
    )


def _fault(reason: str, remedy: str) -> DataError:
    return DataError(Fault(reason, remedy))


def _refused(shown: str, reason: str, remedy: str) -> Parsed:
    return Parsed(None, (Fault(reason, remedy, file=shown),))


def _why(error: Exception, said: list[str]) -> str:
    """Return the reason pymatgen gave, in an error or in a warning before it."""
    told = [words.split("\n")[-1] for words in said if words.startswith("No structure parsed")]
    words = told[-1] if told else (str(error) or type(error).__name__)
    if "exceeded tolerance" in words:
        return f"two atoms are on one site ({words})"
    if words == "Singular matrix":
        return "the cell has no volume"
    if isinstance(error, ZeroDivisionError):
        return "there are no atoms in the cell"
    return f"the structure cannot be read ({shorten(' '.join(words.split()), 160)})"


def _n_rounded(words: str) -> int:
    """Return how many coordinates a warning says were moved to an ideal value."""
    found = 0
    for line in words.split("\n"):
        head, _, rest = line.partition(" fractional coordinates rounded")
        if rest and head.split()[-1].isdigit():
            found += int(head.split()[-1])
    return found
