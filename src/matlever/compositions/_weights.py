"""Weight fractions and atom fractions, one from the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.compositions.elements import ELEMENTS, element_properties
from matlever.exceptions import DataError

__all__ = ["atomic_to_weight", "weight_to_atomic"]


def weight_to_atomic(weights: ArrayLike, elements: Sequence[str] = ELEMENTS) -> NDArray[np.float64]:
    r"""Return atom fractions of weight fractions.

    .. math:: x_i = \frac{w_i / M_i}{\sum_j w_j / M_j}

    Parameters
    ----------
    weights : array-like of shape (n, e)
        Weight fractions or percent; rows need not sum to one.
    elements : sequence of str of length e, default=ELEMENTS
        Symbols of the columns.

    Returns
    -------
    fractions : ndarray of shape (n, e)
        Atom fractions; rows sum to one.

    Raises
    ------
    DataError
        If a symbol is unknown, or the shapes do not fit.

    Examples
    --------
    >>> weight_to_atomic([[90.0, 6.0, 4.0]], ["Ti", "Al", "V"]).round(3)
    array([[0.862, 0.102, 0.036]])
    """
    moles = np.asarray(weights, dtype=float) / _molar_masses(weights, elements)
    return np.asarray(moles / moles.sum(axis=-1, keepdims=True))


def atomic_to_weight(
    fractions: ArrayLike, elements: Sequence[str] = ELEMENTS
) -> NDArray[np.float64]:
    """Return weight fractions of atom fractions; see :func:`weight_to_atomic`.

    Examples
    --------
    >>> atomic_to_weight([[0.862, 0.102, 0.036]], ["Ti", "Al", "V"]).round(3)
    array([[0.9 , 0.06, 0.04]])
    """
    masses = np.asarray(fractions, dtype=float) * _molar_masses(fractions, elements)
    return np.asarray(masses / masses.sum(axis=-1, keepdims=True))


def _molar_masses(values: ArrayLike, elements: Sequence[str]) -> NDArray[np.float64]:
    """Return the molar mass of each column in g/mol."""
    unknown = [name for name in elements if name not in ELEMENTS]
    if unknown:
        raise DataError(f"{', '.join(map(repr, unknown))}: no symbols of elements from H to Lr.")
    if np.shape(values)[-1:] != (len(elements),):
        raise DataError(
            f"The values have shape {np.shape(values)}, but there are {len(elements)} elements."
        )
    mass = element_properties()["AtomicWeight"]
    return mass[[ELEMENTS.index(name) for name in elements]]
