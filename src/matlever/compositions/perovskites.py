"""Formation energy of perovskites and garnets from two descriptors for each site.

A structure whose sites are known, :math:`ABO_3` or :math:`C_3A_2D_3O_{12}`, is described by the
Pauling electronegativity and the Shannon radius of the ion on each cation site; a small dense
network maps these 4 or 6 numbers to the formation energy from the binary oxides.

References
----------
W. Ye, C. Chen, Z. Wang, I.-H. Chu, S. P. Ong, "Deep neural networks for accurate predictions of
crystal stability", Nat. Commun. 9 (2018) 3800, doi:10.1038/s41467-018-06322-x; code and weights in
the repository materialsvirtuallab/garnetdnn.

Notes
-----
- The paper's extension to ordered mixed sites appends a binary code of the ordering to the
  descriptors: :func:`ordering_code`. Disordered mixed sites average the descriptors.
- The weights the authors published for mixed garnets are a 13-22-8-1 network whose first hidden
  layer is ReLU and whose second is linear; it is ``PerovskiteNetwork(n_inputs=13, hidden=(22, 8),
  activations=("relu", "linear"))``. The default, one hidden ReLU layer of 12 units on 4 inputs, is
  our choice of the same size for sites that are not mixed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from matlever.compositions._ions import ionic_radius, pauling, read_site
from matlever.exceptions import DataError, Fault, SettingsError

if TYPE_CHECKING:
    from matlever.compositions._perovskite_network import PerovskiteNetwork

__all__ = ["PerovskiteNetwork", "ordering_code", "site_descriptors", "site_names"]

Site = str | Mapping[str, float]
Structure = Literal["perovskite", "garnet"]

# Coordination numbers of the cation sites.
SITES: dict[str, dict[str, int]] = {
    "perovskite": {"A": 12, "B": 6},
    "garnet": {"C": 8, "A": 6, "D": 4},
}


def __getattr__(name: str) -> object:
    """Load torch only where the network is asked for."""
    if name == "PerovskiteNetwork":
        from matlever.compositions._perovskite_network import PerovskiteNetwork

        return PerovskiteNetwork
    raise AttributeError(name)


def site_descriptors(
    *sites: Sequence[Site],
    structure: Structure = "perovskite",
    radius: Literal["site", "six"] = "site",
) -> NDArray[np.float64]:
    """Return electronegativity and radius of each site, averaged where it is mixed.

    Parameters
    ----------
    *sites : sequences of str or mapping, each of length n
        Ions of each cation site: A and B of a perovskite, C, A and D of a garnet. An element of a
        sequence is ``"La3+"``, ``"La3+ 0.7 Sr2+ 0.3"`` or ``{"La3+": 0.7, "Sr2+": 0.3}``.
    structure : {"perovskite", "garnet"}, default="perovskite"
        Which sites there are.
    radius : {"site", "six"}, default="site"
        Radius at the coordination of the site (12 and 6 in a perovskite; 8, 6 and 4 in a garnet),
        or at 6 on every site, as the scalers published with the paper show for garnets.

    Returns
    -------
    descriptors : ndarray of shape (n, 2 * n_sites)
        For each site Pauling's electronegativity and the radius in Angstrom, see
        :func:`site_names`.

    Raises
    ------
    DataError
        If an ion cannot be read or has no radius; all faults together, with the row.
    SettingsError
        If the number of sites does not fit the structure.

    Notes
    -----
    Shannon gives no radius at coordination 12 for many ions, and none of Al3+ above 6. Then the
    value at the nearest tabulated coordination is moved by the mean difference between the two
    coordinations over all ions that have both.

    Examples
    --------
    >>> site_descriptors(["La3+"], ["Mn3+"])
    array([[1.1  , 1.36 , 1.55 , 0.645]])
    >>> site_descriptors(["La3+ 0.5 Sr2+ 0.5"], ["Al3+"]).round(4)
    array([[1.025, 1.4  , 1.61 , 0.535]])
    """
    numbers = _coordination(structure, radius)
    if len(sites) != len(numbers):
        raise SettingsError(
            f"A {structure} has {len(numbers)} cation sites ({', '.join(numbers)}), but "
            f"{len(sites)} were given."
        )
    if len({len(site) for site in sites}) > 1:
        lengths = ", ".join(str(len(site)) for site in sites)
        raise SettingsError(f"The sites have {lengths} rows; they must have as many.")
    faults: list[Fault] = []
    found = np.full((len(sites[0]), 2 * len(sites)), np.nan)
    for place, (name, site) in enumerate(zip(numbers, sites, strict=True)):
        for row, written in enumerate(site):
            try:
                ions = read_site(written, row)
            except DataError as error:
                faults += [
                    Fault(fault.reason, fault.remedy, None, row, name) for fault in error.faults
                ]
                continue
            for ion, share in ions.items():
                values = (pauling(ion), ionic_radius(ion, numbers[name])[0])
                pair = found[row, 2 * place : 2 * place + 2]
                pair[:] = np.nan_to_num(pair) + share * np.array(values)
    if faults:
        raise DataError(faults)
    return found


def site_names(structure: Structure = "perovskite") -> tuple[str, ...]:
    """Return the names of the columns of :func:`site_descriptors`.

    Examples
    --------
    >>> site_names("perovskite")
    ('A_electronegativity', 'A_radius_angstrom', 'B_electronegativity', 'B_radius_angstrom')
    """
    return tuple(
        f"{site}_{what}"
        for site in _coordination(structure, "site")
        for what in ("electronegativity", "radius_angstrom")
    )


def ordering_code(ordering: int, n_orderings: int) -> NDArray[np.float64]:
    """Return the binary code of an ordering on a mixed site, most significant digit first.

    Parameters
    ----------
    ordering : int
        Number of the ordering, from 0.
    n_orderings : int
        How many there are: in the paper 20, 7 and 18 for the C, A and D sites of garnets and 10 for
        either site of perovskites.

    Returns
    -------
    code : ndarray of shape (n_digits,)
        Zeros and ones, as many digits as `n_orderings` has in binary.

    Examples
    --------
    >>> ordering_code(5, 20)
    array([0., 0., 1., 0., 1.])
    """
    if not 0 <= ordering < n_orderings:
        raise SettingsError(f"ordering={ordering} must lie between 0 and {n_orderings - 1}.")
    digits = np.array([int(digit) for digit in f"{ordering:b}"], dtype=float)
    return np.pad(digits, (n_orderings.bit_length() - len(digits), 0))


def _coordination(structure: str, radius: str) -> dict[str, int]:
    if structure not in SITES or radius not in ("site", "six"):
        raise SettingsError(
            f"structure={structure!r} must be 'perovskite' or 'garnet', and radius={radius!r} "
            "'site' or 'six'."
        )
    numbers = SITES[structure]
    return dict.fromkeys(numbers, 6) if radius == "six" else numbers
