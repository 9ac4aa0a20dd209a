"""Which atoms of a crystal are one knob: sites of a prototype, or the elements by their role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from matlever.crystals.crystals import Crystals
from matlever.exceptions import DataError, Fault, SettingsError

__all__ = ["PrototypeSites", "Sites", "SpeciesSites", "electronegativity_rank", "find_prototype"]

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

_SAME_ORDER = 0.9  # of the crystals: then the order of atoms says which site is which
_IS_PROTOTYPE = 0.95
_MOST_SITES = 200  # of a prototype that is looked for


class Sites(Protocol):
    """How atoms are put together to groups, each of which is a knob.

    Attributes
    ----------
    names : tuple of str
        Names of the groups.
    widths : tuple of int
        Sites of each group that may hold different elements.
    """

    names: tuple[str, ...]
    widths: tuple[int, ...]

    def assign(self, crystals: Crystals) -> tuple[Indices, Indices]:
        """Return group and place in the group of each of N atoms; group -1: of none."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return the sites as plain JSON values."""
        ...


@cache
def electronegativity_rank() -> Indices:
    """Place of each of the 103 elements when ordered from electropositive to electronegative.

    By Pauling's electronegativity, then by atomic number; elements without one come last.
    """
    from matlever.compositions.elements import element_properties

    values = element_properties()["Electronegativity"]
    order = np.lexsort((np.arange(len(values)), np.where(np.isnan(values), np.inf, values)))
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(len(values))
    return rank


class SpeciesSites:
    """All atoms of an element are a group; the first is the most electropositive of the crystal.

    Parameters
    ----------
    n_roles : int
        Most elements in one crystal; further ones stay as they are.
    """

    def __init__(self, n_roles: int) -> None:
        self.names = tuple(f"element {j + 1}" for j in range(n_roles))
        self.widths = (1,) * n_roles

    @classmethod
    def of(cls, crystals: Crystals) -> Self:
        """Return the roles that crystals have."""
        return cls(int((crystals.amounts > 0).sum(axis=1).max()))

    def assign(self, crystals: Crystals) -> tuple[Indices, Indices]:
        """Return group and place in the group of each of N atoms; group -1: of none."""
        rank = electronegativity_rank()
        n, atoms = len(crystals), len(crystals.numbers)
        key = crystals.crystal_of_atom * len(rank) + rank[crystals.numbers - 1]
        there = np.zeros(n * len(rank), dtype=bool)
        there[key] = True
        role = np.cumsum(there.reshape(n, -1), axis=1).ravel()[key] - 1
        role[role >= len(self.names)] = -1
        return role, np.zeros(atoms, dtype=np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Return the sites as plain JSON values."""
        return {"kind": "species", "n_roles": len(self.names)}


class PrototypeSites:
    """The sites of one prototype, told apart by where they are in the cell.

    Parameters
    ----------
    places : array_like of shape (m, 3)
        Fractional coordinates of the m sites.
    groups : mapping of str to sequence of int
        Names of groups, and the positions of their sites.
    ordered : bool, default=False
        Whether atom j of every crystal is on site j; otherwise each is on the site near it.

    Raises
    ------
    SettingsError
        If a group names a site that is not there, or two groups name the same.
    """

    def __init__(
        self, places: ArrayLike, groups: Mapping[str, Sequence[int]], *, ordered: bool = False
    ) -> None:
        self.places = np.asarray(places, dtype=float).reshape(-1, 3)
        self.groups = {str(name): tuple(int(j) for j in sites) for name, sites in groups.items()}
        self.ordered = bool(ordered)
        self.names = tuple(self.groups)
        self.widths = tuple(len(sites) for sites in self.groups.values())
        m = len(self.places)
        self._group = np.full(m, -1, dtype=np.int64)
        self._slot = np.zeros(m, dtype=np.int64)
        for g, (name, sites) in enumerate(self.groups.items()):
            for slot, site in enumerate(sites):
                if not 0 <= site < m or self._group[site] >= 0:
                    raise SettingsError(
                        f"Group {name!r}: site {site} is not one of the sites 0 to {m - 1}, or it "
                        "is in another group already."
                    )
                self._group[site], self._slot[site] = g, slot

    @property
    def n_sites(self) -> int:
        """Number of sites in the cell."""
        return len(self.places)

    def assign(self, crystals: Crystals) -> tuple[Indices, Indices]:
        """Return group and place in the group of each of N atoms; group -1: of none."""
        site = self.site_of_atom(crystals)
        return self._group[site], self._slot[site]

    def site_of_atom(self, crystals: Crystals) -> Indices:
        """Return the site of each of N atoms.

        Raises
        ------
        DataError
            If a crystal has another number of atoms than the prototype.
        """
        m = self.n_sites
        other = np.flatnonzero(crystals.n_atoms != m)
        if len(other):
            raise DataError(
                [
                    Fault(
                        f"{crystals.ids[i]} has {crystals.n_atoms[i]} atoms, the prototype {m}",
                        "Use sites='species' for crystals of different prototypes",
                    )
                    for i in other.tolist()
                ]
            )
        if self.ordered:
            return np.tile(np.arange(m), len(crystals))
        far = _displacements(crystals.fractional.reshape(-1, m, 3), self.places)
        site = far.argmin(axis=2)
        for i in np.flatnonzero(~_is_permutation(site)):
            site[i] = linear_sum_assignment(far[i])[1]
        return np.asarray(site.ravel())

    def to_dict(self) -> dict[str, Any]:
        """Return the sites as plain JSON values."""
        return {
            "kind": "prototype",
            "places": self.places.tolist(),
            "groups": {name: list(sites) for name, sites in self.groups.items()},
            "ordered": self.ordered,
        }


def find_prototype(crystals: Crystals) -> tuple[Array, bool, float]:
    """Return the sites that crystals with the same number of atoms have in common.

    Returns
    -------
    places : ndarray of shape (m, 3)
        Fractional coordinates: the circular median over the crystals.
    ordered : bool
        Whether atom j is on site j in every crystal.
    share : float
        Share of the crystals whose atoms are each nearest to another site; 0 where numbers of atoms
        differ.
    """
    m = int(crystals.n_atoms[0])
    if (crystals.n_atoms != m).any() or m > _MOST_SITES:
        return crystals.fractional[:m], False, 0.0
    fractional = crystals.fractional.reshape(-1, m, 3)
    by_order = _circular_median(fractional)
    site = _displacements(fractional, by_order).argmin(axis=2)
    if (site == np.arange(m)).all(axis=1).mean() >= _SAME_ORDER:
        return by_order, True, float(_is_permutation(site).mean())
    places = fractional[0]
    for _ in range(2):
        site = _displacements(fractional, places).argmin(axis=2)
        good = _is_permutation(site)
        order = np.argsort(site[good], axis=1)
        places = _circular_median(np.take_along_axis(fractional[good], order[:, :, None], axis=1))
    return places, False, float(good.mean())


def is_prototype(share: float) -> bool:
    """Whether so many crystals have the sites of one prototype that they are taken to be of it."""
    return share >= _IS_PROTOTYPE


def _displacements(fractional: Array, places: Array) -> Array:
    """Distances (n, m, m) in the cell of unit edges from each atom to each site."""
    found = np.empty((*fractional.shape[:2], len(places)))
    for j, place in enumerate(places):
        away = fractional - place
        away -= np.rint(away)
        found[:, :, j] = np.sqrt((away**2).sum(axis=2))
    return found


def _is_permutation(site: Indices) -> NDArray[np.bool_]:
    return np.asarray((np.sort(site, axis=1) == np.arange(site.shape[1])).all(axis=1))


def _circular_median(fractional: Array) -> Array:
    """Median over crystals of coordinates that are the same modulo 1, of shape (m, 3)."""
    first = fractional[0]
    away = fractional - first
    away -= np.rint(away)
    middle = first + np.median(away, axis=0)
    away = fractional - middle
    away -= np.rint(away)
    return np.asarray((middle + np.median(away, axis=0)) % 1.0)
