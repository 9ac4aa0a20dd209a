"""Atoms that are closer than any two atoms can be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matlever.crystals._graph_nearest import nearest_neighbours
from matlever.crystals.crystals import Crystals
from matlever.exceptions import Fault

__all__ = ["CLOSEST_A", "closest_distances", "overlap_faults"]

CLOSEST_A = 0.5  # the shortest bond there is, of H2, has 0.74 A


def closest_distances(crystals: Crystals) -> NDArray[np.float64]:
    """Shortest distance between two atoms of each crystal, of shape (n,), in Angstrom.

    Parameters
    ----------
    crystals : Crystals
        n crystals; images of an atom in other cells count.
    """
    if not len(crystals):
        return np.empty(0)
    _, distances = nearest_neighbours(crystals, 1)
    return np.minimum.reduceat(distances[:, 0], crystals.offsets[:-1])


def overlap_faults(crystals: Crystals, files: Sequence[str | None]) -> list[Fault]:
    """Return a fault for each crystal with two atoms closer than `CLOSEST_A`."""
    from matlever.compositions.elements import ELEMENTS

    if not len(crystals):
        return []
    neighbours, distances = nearest_neighbours(crystals, 1)
    shortest = np.minimum.reduceat(distances[:, 0], crystals.offsets[:-1])
    faults = []
    for i in np.flatnonzero(shortest < CLOSEST_A).tolist():
        start, stop = crystals.offsets[i], crystals.offsets[i + 1]
        a = int(start + distances[start:stop, 0].argmin())
        b = int(neighbours[a, 0])
        pair = [f"{ELEMENTS[crystals.numbers[j] - 1]} (atom {j - start + 1})" for j in (a, b)]
        faults.append(
            Fault(
                f"{crystals.ids[i]}: {pair[0]} and {pair[1]} overlap, they are "
                f"{shortest[i]:.3f} Angstrom apart",
                "Remove one of them, or correct the coordinates",
                file=files[i],
            )
        )
    return faults
