"""What an element is to the network: its tabulated properties, each in bins.

The paper's table (``atom_init.json`` in the authors' code) holds nine properties in 92 bins: group,
period, electronegativity, covalent radius, valence electrons, first ionisation energy, electron
affinity, block and atomic volume. The properties that matlever packages are Magpie's, which have no
ionisation energy and no electron affinity; the melting temperature and the numbers of s, p, d and f
electrons outside closed shells are here instead.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from matlever.compositions import element_properties

__all__ = ["N_NUMBERS", "element_features"]

N_NUMBERS = 104  # atomic numbers 0 (no element) to 103

_BINS = 10
_COUNTED = {"NsValence": 2, "NpValence": 6, "NdValence": 10, "NfValence": 14}


@cache
def _table() -> NDArray[np.float32]:
    properties = element_properties()
    parts = [
        _one_hot(properties["Column"] - 1, 18),
        _one_hot(properties["Row"] - 1, 7),
        _one_hot(_equal_steps(properties["Electronegativity"]), _BINS),
        _one_hot(_equal_steps(properties["CovalentRadius"]), _BINS),
        _one_hot(_equal_steps(np.log(properties["GSvolume_pa"])), _BINS),
        _one_hot(_equal_steps(np.log(properties["MeltingT"])), _BINS),
        *(_one_hot(properties[name], most + 1) for name, most in _COUNTED.items()),
    ]
    table = np.zeros((N_NUMBERS, sum(part.shape[1] for part in parts)), dtype=np.float32)
    table[1:] = np.hstack(parts)
    return table


def element_features() -> NDArray[np.float32]:
    """Return the features of the elements, 0 and 1, of shape (104, 101).

    Row Z is the element of atomic number Z; a property that is not known is in no bin.

    Examples
    --------
    >>> element_features().shape, int(element_features()[8].sum())  # oxygen
    ((104, 101), 10)
    """
    return _table().copy()


def _equal_steps(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the bin of each value among bins of equal width over the range of all."""
    low, high = np.nanmin(values), np.nanmax(values)
    found: NDArray[np.float64] = np.floor((values - low) / (high - low) * _BINS)
    return np.minimum(found, _BINS - 1)


def _one_hot(bins: NDArray[np.float64], n_bins: int) -> NDArray[np.float32]:
    """Return a row with one 1 for each bin; all zero where it is not a number."""
    inside: NDArray[np.bool_] = bins[:, None] == np.arange(n_bins)
    return inside.astype(np.float32)
