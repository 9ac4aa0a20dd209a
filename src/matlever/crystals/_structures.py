"""pymatgen Structures as arrays."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Cell", "arrays_of_structure", "atomic_number", "disorder"]

#: Lattice (3, 3), atomic numbers (m,) and fractional coordinates (m, 3) of one crystal.
Cell = tuple[NDArray[np.float64], NDArray[np.int16], NDArray[np.float64]]


@cache
def _numbers() -> dict[str, int]:
    from matlever.compositions.elements import ELEMENTS

    return {**{symbol: z for z, symbol in enumerate(ELEMENTS, 1)}, "D": 1, "T": 1}


def atomic_number(symbol: str) -> int:
    """Return the atomic number of an element; 0 where there is no such element."""
    return _numbers().get(symbol, 0)


def disorder(structure: Any) -> str | None:
    """Return what keeps a Structure from being one of whole atoms; None if nothing does."""
    mixed = [
        f"{site.species_string} at {np.round(site.frac_coords, 4).tolist()}"
        for site in structure
        if not site.is_ordered
    ]
    if not mixed:
        return None
    more = f" and {len(mixed) - 1} more" if len(mixed) > 1 else ""
    return f"a site is partly occupied or mixed ({mixed[0]}{more})"


def arrays_of_structure(structure: Any) -> Cell:
    """Lattice, atomic numbers and fractional coordinates of an ordered Structure.

    A species that is no element, such as a dummy species, gets the number 0.
    """
    numbers = [atomic_number(getattr(site.specie, "symbol", "")) for site in structure]
    return (
        np.array(structure.lattice.matrix, dtype=np.float64),
        np.array(numbers, dtype=np.int16),
        np.array(structure.frac_coords, dtype=np.float64).reshape(-1, 3),
    )
