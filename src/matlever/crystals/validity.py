"""Whether a crystal can be: how close its atoms are, its volume, and its charge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matlever.crystals._graph_nearest import nearest_neighbours
from matlever.crystals.crystals import Crystals
from matlever.exceptions import SettingsError

__all__ = ["check_crystals"]

Array = NDArray[np.float64]

_SEEN = 24  # neighbours of an atom that are held against radii
# Pauling electronegativity from which an element counts as an anion: C, S, Se, N, O, halogens.
_ANION = 2.5


def check_crystals(
    crystals: Crystals,
    *,
    closest: float = 0.65,
    volume: tuple[float, float] = (0.3, 3.0),
    charge: bool = False,
) -> list[tuple[str, ...]]:
    """Return for each crystal why it can hardly exist; an empty tuple where nothing speaks so.

    Parameters
    ----------
    crystals : Crystals
        n crystals, known or hypothetical.
    closest : float, default=0.65
        Least distance of two atoms, in units of the sum of their covalent radii.
    volume : tuple of 2 float, default=(0.3, 3.0)
        Least and greatest volume of the cell, in units of what its atoms take in the ground states
        of their elements.
    charge : bool, default=False
        Whether compounds with an anion (an element of electronegativity 2.5 or more, and a lower
        one) must be neutral with usual oxidation states, one for each element.

    Returns
    -------
    reasons : list of n tuples of str

    Raises
    ------
    SettingsError
        If a limit is not above 0, or the limits of the volume are in the wrong order.

    Notes
    -----
    These are rules of thumb that find slips, not a proof of stability: metals, mixed valence and
    high pressure break them. Run them over the known crystals first, to see how many they hold
    for.

    Examples
    --------
    >>> cells = Crystals.from_arrays(
    ...     [4.0 * np.eye(3), 2.2 * np.eye(3)], [2, 2], [11, 17, 11, 17],
    ...     [[0, 0, 0], [0.5, 0.5, 0.5]] * 2,
    ... )
    >>> for reasons in check_crystals(cells, closest=0.7, volume=(0.1, 3.0)):
    ...     print(reasons)
    ()
    ('Na and Na are 2.20 Angstrom apart, 0.66 of the sum of their radii',)
    """
    low, high = volume
    if not (closest > 0 and 0 < low < high):
        raise SettingsError(
            f"closest={closest!r} must be above 0, and volume={volume!r} two rising numbers above "
            "0."
        )
    reasons: list[list[str]] = [[] for _ in range(len(crystals))]
    if not len(crystals):
        return []
    _check_distances(crystals, closest, reasons)
    _check_volumes(crystals, low, high, reasons)
    if charge:
        for i in np.flatnonzero(~_can_be_neutral(crystals)).tolist():
            reasons[i].append("no usual oxidation states make it neutral")
    return [tuple(found) for found in reasons]


def _property(name: str) -> Array:
    from matlever.compositions.elements import element_properties

    return element_properties(fill=True)[name]


def _check_distances(crystals: Crystals, closest: float, reasons: list[list[str]]) -> None:
    """Add the pair of atoms that is too close by most, for each crystal that has one."""
    from matlever.compositions.elements import ELEMENTS

    radius = _property("CovalentRadius") / 100.0  # from pm to Angstrom
    neighbours, distances = nearest_neighbours(crystals, _SEEN)
    own = crystals.numbers.astype(np.int64) - 1
    ratio = distances / (radius[own][:, None] + radius[own[neighbours]])
    worst = ratio.argmin(axis=1)
    least = ratio[np.arange(len(own)), worst]
    lowest = np.minimum.reduceat(least, crystals.offsets[:-1])
    for i in np.flatnonzero(lowest < closest).tolist():
        start, stop = crystals.offsets[i], crystals.offsets[i + 1]
        a = int(start + least[start:stop].argmin())
        b = int(neighbours[a, worst[a]])
        pair = " and ".join(ELEMENTS[own[j]] for j in (a, b))
        reasons[i].append(
            f"{pair} are {distances[a, worst[a]]:.2f} Angstrom apart, {lowest[i]:.2f} of the sum "
            "of their radii"
        )


def _check_volumes(crystals: Crystals, low: float, high: float, reasons: list[list[str]]) -> None:
    """Add volumes that are out of proportion to those of the elements."""
    usual = crystals.amounts @ _property("GSvolume_pa")
    ratio = crystals.volumes / usual
    for i in np.flatnonzero((ratio < low) | (ratio > high)).tolist():
        reasons[i].append(
            f"it has {crystals.volumes[i] / crystals.n_atoms[i]:.1f} cubic Angstrom for each atom, "
            f"{ratio[i]:.2f} times what its elements have"
        )


def _can_be_neutral(crystals: Crystals) -> NDArray[np.bool_]:
    """Whether usual oxidation states can balance each crystal; True where that is not to be asked.

    Amounts are divided by their greatest common divisor first.
    """
    from matlever.compositions._oxidation_states import balances, charge_classes
    from matlever.compositions.elements import ELEMENTS, element_properties

    amounts = crystals.amounts.astype(np.int64)
    amounts //= np.gcd.reduce(amounts, axis=1)[:, None]
    forms, form = np.unique(amounts, axis=0, return_inverse=True)
    negativity = np.nan_to_num(element_properties()["Electronegativity"])
    there = forms > 0
    most = np.where(there, negativity, -1.0).max(axis=1)
    least = np.where(there, negativity, np.inf).min(axis=1)
    classes, states = charge_classes(ELEMENTS)
    count = there.sum(axis=1)
    neutral = np.ones(len(forms), dtype=bool)
    asked = (most >= _ANION) & (least < _ANION)
    for k in np.unique(count[asked]):
        rows = np.flatnonzero(asked & (count == k))
        elements = np.nonzero(there[rows])[1].reshape(len(rows), k)
        own = np.take_along_axis(forms[rows], elements, axis=1)
        neutral[rows] = balances(classes[elements], own, states)
    return np.asarray(neutral[form.ravel()])
