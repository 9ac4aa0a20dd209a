"""How the volume of a cell changes when an element takes the place of another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from matlever.crystals.crystals import Crystals
from matlever.exceptions import SettingsError

__all__ = ["AtomicVolumes"]

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

# Of a ridge on shares of elements: what one crystal with a tenth of its atoms on a site counts.
_RIDGE = 0.01


class AtomicVolumes:
    r"""Volumes of elements on sites, as a data set shows them.

    The mean volume of an atom in a crystal is taken for the geometric mean of what its atoms bring,

    .. math:: \log (V / n) = \frac{1}{n} \sum_{a=1}^{n} c_{s(a), Z(a)}

    with a coefficient for each element on each kind of site, by least squares over the data. They
    are held near the logarithm of the volume in the element's own ground state, so that elements
    that are rare in the data, or not in it, have a sound value too.

    Parameters
    ----------
    coefficients : ndarray of shape (n_groups, 103)
        Logarithms of volumes in cubic Angstrom.
    error : float
        Median of the relative difference between the volumes of the data and these.
    """

    def __init__(self, coefficients: Array, error: float) -> None:
        self.coefficients = np.asarray(coefficients, dtype=float)
        self.error = float(error)

    @classmethod
    def fit(cls, crystals: Crystals, group: Indices, n_groups: int) -> Self:
        """Learn the volumes of elements.

        Parameters
        ----------
        crystals : Crystals
            n crystals with N atoms in all.
        group : ndarray of shape (N,), int
            Kind of site of each atom, 0 to n_groups - 1; others count as the last one.
        n_groups : int
            Number of kinds of sites.
        """
        from scipy.sparse import csr_array

        start = np.tile(_ground_states(), (n_groups, 1))
        column = group % n_groups * start.shape[1] + crystals.numbers - 1
        weight = 1.0 / crystals.n_atoms[crystals.crystal_of_atom]
        seen, place = np.unique(column, return_inverse=True)
        shape = (len(crystals), len(seen))
        shares = csr_array((weight, (crystals.crystal_of_atom, place)), shape=shape)
        shares.sum_duplicates()
        target = np.log(crystals.volumes / crystals.n_atoms)
        offset = target - shares @ start.ravel()[seen]
        # Atoms of a compound are all larger or smaller than in their elements: a common shift.
        common = offset.mean()
        gram = (shares.T @ shares).toarray() + _RIDGE * np.eye(len(seen))
        change = np.linalg.solve(gram, shares.T @ (offset - common))
        found = start.ravel() + common
        found[seen] += change
        expected = shares @ found[seen]
        error = float(np.median(np.abs(np.expm1(expected - target))))
        return cls(found.reshape(start.shape), error)

    def log_ratio(
        self, group: Indices, before: NDArray[Any], after: NDArray[Any], owner: Indices, n: int
    ) -> Array:
        """Logarithm of the ratio of volumes after and before elements were exchanged.

        Parameters
        ----------
        group : ndarray of shape (N,), int
            Kind of site of each atom.
        before, after : ndarray of shape (N,), int
            Atomic numbers.
        owner : ndarray of shape (N,), int
            Crystal of each atom.
        n : int
            Number of crystals.

        Returns
        -------
        log_ratio : ndarray of shape (n,)
            0 exactly where nothing was exchanged.
        """
        changed = np.flatnonzero(before != after)
        site = group[changed] % len(self.coefficients)
        c = self.coefficients
        change = c[site, after[changed] - 1] - c[site, before[changed] - 1]
        counts = np.bincount(owner, minlength=n)
        total = np.bincount(owner[changed], weights=change, minlength=n)
        return np.asarray(total / np.maximum(counts, 1))

    def to_dict(self) -> dict[str, Any]:
        """Return the volumes as plain JSON values."""
        return {"coefficients": self.coefficients.tolist(), "error": self.error}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild volumes from `to_dict`."""
        found = cls(np.array(values["coefficients"], dtype=float), values["error"])
        if found.coefficients.ndim != 2 or not np.isfinite(found.coefficients).all():
            raise SettingsError("The volumes of elements of an editor are not finite numbers.")
        return found


def _ground_states() -> Array:
    """Logarithm of the volume of an atom in each element's ground state, (103,)."""
    from matlever.compositions.elements import element_properties

    volumes = element_properties(fill=True)["GSvolume_pa"]
    known = np.isfinite(volumes) & (volumes > 0)
    return np.log(np.where(known, volumes, np.median(volumes[known])))
