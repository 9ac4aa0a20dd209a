"""What keeps arrays from being crystals: a fault for each that is none."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import Fault

__all__ = ["HEAVIEST", "faults_of_arrays"]

HEAVIEST = 103  # lawrencium, the last of matlever.compositions.ELEMENTS
_FLATTEST = 1e-6  # A^3 for each atom: below this a cell has no volume


def faults_of_arrays(
    cells: NDArray[np.float64],
    offsets: NDArray[np.int64],
    numbers: NDArray[Any],
    fractional: NDArray[np.float64],
    names: tuple[str, ...],
    file: str | None,
) -> list[Fault]:
    """Return a fault for each crystal that is none, the first reason found."""
    n = len(names)
    counts = np.diff(offsets)
    crystal = np.repeat(np.arange(n), counts.clip(0))
    finite = np.asarray(np.isfinite(cells).all(axis=(1, 2)))
    with np.errstate(all="ignore"):
        volumes = np.abs(np.linalg.det(np.where(finite[:, None, None], cells, 0.0)))
    reasons = (
        (counts <= 0, "there are no atoms in the cell", "Leave it out or give its atoms"),
        (~finite, "the lattice is not finite", "Give three finite lattice vectors"),
        (
            volumes <= _FLATTEST * np.maximum(counts, 1),
            "the cell has no volume",
            "Give three lattice vectors that do not lie in one plane, in Angstrom",
        ),
        (
            _any_of(crystal, ~np.asarray(np.isfinite(fractional).all(axis=1)), n),
            "a coordinate is not finite",
            "Give three finite fractional coordinates for each atom",
        ),
        (
            _any_of(crystal, ~((numbers >= 1) & (numbers <= HEAVIEST)), n),
            "an atom is of no known element",
            f"Use atomic numbers from 1 to {HEAVIEST}",
        ),
    )
    bad = np.zeros(n, dtype=bool)
    faults = []
    for flags, reason, remedy in reasons:
        for i in np.flatnonzero(flags & ~bad):
            faults.append((int(i), Fault(f"{names[i]}: {reason}", remedy, file=file)))
        bad |= flags
    return [fault for _, fault in sorted(faults, key=lambda pair: pair[0])]


def _any_of(crystal: NDArray[Any], flags: NDArray[np.bool_], n: int) -> NDArray[np.bool_]:
    """Whether a flag is set for any atom of each of n crystals."""
    return np.bincount(crystal[flags], minlength=n)[:n] > 0
