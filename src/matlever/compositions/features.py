"""Statistics of element properties over a composition: matminer's "magpie" preset, and a few more.

References
----------
L. Ward, A. Agrawal, A. Choudhary, C. Wolverton, "A general-purpose machine learning framework for
predicting properties of inorganic materials", npj Comput. Mater. 2 (2016) 16028.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.compositions._magpie import element_statistics
from matlever.compositions.elements import ELEMENTS, PROPERTIES
from matlever.exceptions import DataError

__all__ = ["magpie_features", "magpie_names"]

_STATISTICS = ("minimum", "maximum", "range", "mean", "avg_dev", "mode")


def magpie_features(fractions: ArrayLike) -> NDArray[np.float64]:
    """Return the Magpie features of compositions.

    Parameters
    ----------
    fractions : array-like of shape (n, 103)
        Atom fractions or amounts, columns in order of :data:`ELEMENTS`; rows are divided by their
        sums.

    Returns
    -------
    features : ndarray of shape (n, 132)
        Columns as in :func:`magpie_names`.

    Raises
    ------
    DataError
        If the shape is another, a value is negative or not finite, or a row is all zero.

    Examples
    --------
    >>> from matlever.compositions import parse_formulas
    >>> features = magpie_features(parse_formulas(["NaCl"]).fractions)
    >>> round(float(features[0, magpie_names().index("MagpieData range Electronegativity")]), 2)
    2.23
    """
    x = np.asarray(fractions, dtype=float)
    if x.ndim != 2 or x.shape[1] != len(ELEMENTS):
        raise DataError(f"The fractions have shape {x.shape}; expected (n, {len(ELEMENTS)}).")
    return element_statistics(x)


def magpie_names() -> tuple[str, ...]:
    """Return the names of the columns of :func:`magpie_features`, as matminer writes them."""
    return tuple(f"MagpieData {s} {p}" for p in PROPERTIES for s in _STATISTICS)
