"""Solid solutions of two end members of one prototype, as ordered supercells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.crystals._editor_sites import PrototypeSites
from matlever.crystals.crystals import Crystals
from matlever.exceptions import DataError, SettingsError

__all__ = ["mix_crystals"]

Array = NDArray[np.float64]


def mix_crystals(
    first: Crystals,
    second: Crystals,
    shares: ArrayLike,
    *,
    supercell: Sequence[int] = (2, 2, 2),
) -> tuple[Crystals, Array]:
    r"""Mix two end members of one prototype.

    The cell is repeated, and in k of its m copies the elements of the second end member take the
    place of those of the first: the nearest share :math:`k / m` to each that is wanted. Lattice
    vectors and coordinates are those of the mean, :math:`(1 - k/m) \, a + (k/m) \, b` (Vegard's
    law). The copies are chosen far from each other, always in the same order.

    Parameters
    ----------
    first, second : Crystals of one crystal each
        End members with the same number of atoms; each atom of the second belongs to the atom of
        the first near it.
    shares : array_like of shape (s,)
        Shares of the second, 0 to 1.
    supercell : sequence of 3 int, default=(2, 2, 2)
        Copies along a, b and c; m is their product.

    Returns
    -------
    crystals : Crystals
        s supercells, "first + share second".
    reached : ndarray of shape (s,)
        Their shares of the second.

    Raises
    ------
    DataError
        If they are not one crystal each, or differ in their number of atoms.
    SettingsError
        If a share is not within 0 to 1, or the supercell is none.

    Notes
    -----
    One arrangement stands for a disordered solution. Use a larger supercell to see how much it
    matters.

    References
    ----------
    .. [1] L. Vegard, Die Konstitution der Mischkristalle und die Raumfüllung der Atome, Z. Phys. 5
       (1921) 17-26, doi:10.1007/BF01349680.

    Examples
    --------
    >>> def rock_salt(cation):
    ...     cell = np.array([[0, 2.8, 2.8], [2.8, 0, 2.8], [2.8, 2.8, 0]])
    ...     return Crystals.from_arrays([cell], [2], [cation, 17], [[0, 0, 0], [0.5, 0.5, 0.5]])
    >>> crystals, reached = mix_crystals(rock_salt(11), rock_salt(19), [0.0, 0.3, 1.0])
    >>> reached
    array([0.  , 0.25, 1.  ])
    >>> crystals.formulas
    ('NaCl', 'KNa3Cl4', 'KCl')
    """
    if len(first) != 1 or len(second) != 1:
        raise DataError(f"Two crystals are mixed; given are {len(first)} and {len(second)}.")
    wanted = np.atleast_1d(np.asarray(shares, dtype=float))
    if wanted.ndim != 1 or not ((wanted >= 0) & (wanted <= 1)).all():
        raise SettingsError("Shares must be between 0 and 1.")
    copies = tuple(int(c) for c in supercell)
    if len(copies) != 3 or min(copies) < 1:
        raise SettingsError(f"supercell={supercell!r} must be three whole numbers above 0.")
    numbers, fractional = _matched(first, second)
    m = int(np.prod(copies))
    count = np.rint(wanted * m).astype(int)
    reached = count / m
    cells = np.stack(np.meshgrid(*(np.arange(c) for c in copies), indexing="ij"), -1).reshape(-1, 3)
    mean = 0.5 * (first.lattices[0] + second.lattices[0])
    order = _spread_order(cells, np.array(copies), mean)
    rank = np.empty(m, dtype=int)
    rank[order] = np.arange(m)
    exchanged = rank[None, :] < count[:, None]  # s x m
    x = reached[:, None, None]
    places = (1 - x) * first.fractional + x * fractional  # s x atoms x 3
    everywhere = (places[:, None] + cells[:, None, :]) / np.array(copies)  # s x m x atoms x 3
    kinds = np.where(exchanged[:, :, None], numbers, first.numbers)
    lattices = (1 - x) * first.lattices + x * second.lattices
    names = [f"{first.ids[0]} + {share:.4g} {second.ids[0]}" for share in reached]
    crystals = Crystals.from_arrays(
        lattices * np.array(copies)[:, None],
        np.full(len(wanted), m * len(numbers)),
        kinds.ravel(),
        everywhere.reshape(-1, 3),
        names,
    )
    return crystals, reached


def _matched(first: Crystals, second: Crystals) -> tuple[NDArray[np.int16], Array]:
    """Elements and coordinates of the second in the order of the first and next to them."""
    sites = PrototypeSites(first.fractional, {})
    site = sites.site_of_atom(second)
    order = np.argsort(site)
    away = second.fractional[order] - first.fractional
    return second.numbers[order], first.fractional + away - np.rint(away)


def _spread_order(cells: NDArray[np.int64], copies: NDArray[np.int64], lattice: Array) -> list[int]:
    """Return copies of a cell in an order in which each is far from those before it."""
    away = (cells[:, None] - cells[None]) / copies
    away -= np.rint(away)
    distance = np.linalg.norm((away * copies) @ lattice, axis=2)
    order = [0]
    nearest = distance[0].copy()
    sums = distance[0].copy()
    while len(order) < len(cells):
        nearest[order] = -1.0
        # The farthest from its nearest; of equal ones the farthest from all; then the first.
        candidates = np.flatnonzero(nearest > nearest.max() - 1e-6)
        chosen = int(candidates[sums[candidates].argmax()])
        order.append(chosen)
        nearest = np.minimum(nearest, distance[chosen])
        sums = sums + distance[chosen]
    return order
