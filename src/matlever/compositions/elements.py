"""The chemical elements H to Lr, and the 22 properties of each that Magpie uses.

References
----------
L. Ward, A. Agrawal, A. Choudhary, C. Wolverton, "A general-purpose machine learning framework for
predicting properties of inorganic materials", npj Comput. Mater. 2 (2016) 16028. The values are
those that matminer ships (``data/magpie_elements.csv`` tells their licence).
"""

from __future__ import annotations

import csv
import re
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

__all__ = ["ELEMENTS", "PROPERTIES", "element_properties"]

ELEMENTS: tuple[str, ...] = tuple(
    re.findall(
        "[A-Z][a-z]?",
        "HHeLiBeBCNOFNeNaMgAlSiPSClArKCaScTiVCrMnFeCoNiCuZnGaGeAsSeBrKrRbSrYZrNbMoTcRuRhPdAgCdInSn"
        "SbTeIXeCsBaLaCePrNdPmSmEuGdTbDyHoErTmYbLuHfTaWReOsIrPtAuHgTlPbBiPoAtRnFrRaAcThPaUNpPuAmCm"
        "BkCfEsFmMdNoLr",
    )
)
"""Symbols in order of the atomic number; column j of every fraction matrix is Z = j + 1."""

PROPERTIES: tuple[str, ...] = (
    "Number",
    "MendeleevNumber",
    "AtomicWeight",
    "MeltingT",
    "Column",
    "Row",
    "CovalentRadius",
    "Electronegativity",
    "NsValence",
    "NpValence",
    "NdValence",
    "NfValence",
    "NValence",
    "NsUnfilled",
    "NpUnfilled",
    "NdUnfilled",
    "NfUnfilled",
    "NUnfilled",
    "GSvolume_pa",
    "GSbandgap",
    "GSmagmom",
    "SpaceGroupNumber",
)
"""Magpie's names of its 22 properties, in matminer's order."""


def element_properties(*, fill: bool = False) -> dict[str, NDArray[np.float64]]:
    """Return Magpie's 22 properties of the 103 elements.

    Units: atomic weight in g/mol, melting temperature in K, covalent radius in pm, volume of the
    ground state in cubic Angstrom per atom, its band gap in eV and its moment in Bohr magnetons
    per atom; electronegativity is Pauling's.

    Parameters
    ----------
    fill : bool, default=False
        Put the mean over Magpie's 112 elements where it has no value, as matminer does (He, Ne,
        Ar and Rn have no electronegativity, for instance).

    Returns
    -------
    properties : dict of str to ndarray of shape (103,)
        Read-only; NaN where Magpie has no value, unless `fill`.

    Examples
    --------
    >>> electronegativity = element_properties()["Electronegativity"]
    >>> float(electronegativity[ELEMENTS.index("O")]), float(electronegativity[1])
    (3.44, nan)
    """
    table = property_table(fill=fill)
    return {name: table[:, place] for place, name in enumerate(PROPERTIES)}


@cache
def property_table(*, fill: bool) -> NDArray[np.float64]:
    """Return the properties as one read-only array of shape (103, 22)."""
    lines = (
        (files("matlever.compositions") / "data" / "magpie_elements.csv")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    table = np.array(
        [[float(row[name] or "nan") for name in PROPERTIES] for row in rows[: len(ELEMENTS)]]
    )
    if fill:
        means = np.array([float(rows[len(ELEMENTS)][name]) for name in PROPERTIES])
        table = np.where(np.isnan(table), means, table)
    table.flags.writeable = False
    return table
