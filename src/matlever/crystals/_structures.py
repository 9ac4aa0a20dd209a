"""pymatgen Structures as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["arrays_of_structure", "disorder"]


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


def arrays_of_structure(
    structure: Any,
) -> tuple[NDArray[np.float64], NDArray[np.int16], NDArray[np.float64]]:
    """Lattice (3, 3), atomic numbers (m,) and fractional coordinates (m, 3) of a Structure.

    A species that is no element, such as a dummy species, gets the number 0.
    """
    numbers = [getattr(site.specie, "Z", 0) for site in structure]
    return (
        np.asarray(structure.lattice.matrix, dtype=np.float64),
        np.array(numbers, dtype=np.int16),
        np.asarray(structure.frac_coords, dtype=np.float64).reshape(-1, 3),
    )
