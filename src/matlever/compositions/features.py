"""Statistics of element properties over a composition: matminer's "magpie" preset, and a few more.

References
----------
L. Ward, A. Agrawal, A. Choudhary, C. Wolverton, "A general-purpose machine learning framework for
predicting properties of inorganic materials", npj Comput. Mater. 2 (2016) 16028.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.compositions._magpie import (
    NORMS,
    ORBITALS,
    STATISTICS,
    element_statistics,
    shape_features,
)
from matlever.compositions._rows import rows_from_dense
from matlever.compositions.compositions import checked_amounts
from matlever.compositions.elements import PROPERTIES, property_table

__all__ = ["magpie_features", "magpie_imputed", "magpie_names"]


def magpie_features(fractions: ArrayLike) -> NDArray[np.float64]:
    r"""Return the Magpie features of compositions.

    The first 132 columns are those of matminer's ``ElementProperty.from_preset("magpie")``:
    minimum, maximum, range, mean, average deviation and mode over the elements of 22 properties.
    Then come p-norms of the fractions, the shares of s, p, d and f electrons among the valence
    electrons, and the largest and the mean ionic character of the pairs of elements,
    :math:`1 - \exp(-(\chi_i - \chi_j)^2 / 4)`.

    Parameters
    ----------
    fractions : array-like of shape (n, 103)
        Atom fractions or amounts, columns in order of :data:`ELEMENTS`; rows are divided by their
        sums.

    Returns
    -------
    features : ndarray of shape (n, 144)
        Columns as in :func:`magpie_names`.

    Raises
    ------
    DataError
        If the shape is another, a value is negative or not finite, or a row is all zero.

    See Also
    --------
    magpie_imputed : Which compositions have a value that Magpie does not know.

    Notes
    -----
    Where Magpie has no value of an element (the electronegativity of He, Ne, Ar and Rn, the melting
    temperature of He and Fr, the space group of At, Rn and Fr, ...) the mean over its 112 elements
    stands in, as in matminer (``impute_nan=True``).

    The mode is the smallest value among the most frequent elements.

    Examples
    --------
    >>> from matlever.compositions import parse_formulas
    >>> features = magpie_features(parse_formulas(["NaCl"]).fractions)
    >>> round(float(features[0, magpie_names().index("MagpieData range Electronegativity")]), 2)
    2.23
    """
    rows = rows_from_dense(checked_amounts(fractions)).scaled()
    return np.hstack([element_statistics(rows), shape_features(rows)])


def magpie_names() -> tuple[str, ...]:
    """Return the names of the columns of :func:`magpie_features`, as matminer writes them."""
    return (
        *(f"MagpieData {statistic} {name}" for name in PROPERTIES for statistic in STATISTICS),
        *(f"{p}-norm" for p in NORMS),
        *(f"frac {orbital} valence electrons" for orbital in ORBITALS),
        "max ionic char",
        "avg ionic char",
    )


def magpie_imputed(fractions: ArrayLike) -> NDArray[np.bool_]:
    """Return which compositions have an element for which a mean stands in for a missing value.

    Parameters
    ----------
    fractions : array-like of shape (n, 103)
        Atom fractions or amounts.

    Returns
    -------
    imputed : ndarray of shape (n,), bool

    Examples
    --------
    >>> from matlever.compositions import parse_formulas
    >>> magpie_imputed(parse_formulas(["XeF2", "ArF"]).fractions)
    array([False,  True])
    """
    gaps = np.isnan(property_table(fill=False)).any(axis=1)
    return np.asarray((checked_amounts(fractions)[:, gaps] > 0).any(axis=1))
