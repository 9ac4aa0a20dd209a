r"""How far two knobs act together: the part of a surface that no two curves add up to.

A surface :math:`F(a, b)` on a grid is split by least squares into a constant, one curve per knob
and a rest (the two-way analysis of variance without replication; H. Scheffé, The Analysis of
Variance, Wiley 1959, chapter 4). The rest is the interaction of the two knobs [1]_.

References
----------
.. [1] J. H. Friedman, B. E. Popescu, "Predictive learning via rule ensembles", Ann. Appl. Stat. 2
   (2008) 916-954, section 8.1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Interaction", "interaction_of", "percent"]

Array = NDArray[np.float64]

# Below this share of the largest value a surface is flat: what varies is rounding.
_FLAT = 1e-12


class Interaction(NamedTuple):
    """What two knobs do together.

    Attributes
    ----------
    sd : ndarray of shape (...)
        Root mean square of the rest, in the unit of the surface.
    strength : ndarray of shape (...)
        Share of the surface's variance that is in the rest, between 0 and 1; 0 where the surface is
        flat.
    """

    sd: Array
    strength: Array


def interaction_of(surface: Array, cells: NDArray[np.bool_]) -> Interaction:
    """Split surfaces into curves and a rest.

    Parameters
    ----------
    surface : ndarray of shape (a, b, ...)
        Values on a grid; finite in the cells that count.
    cells : ndarray of shape (a, b), bool
        Cells that count, all alike.

    Returns
    -------
    interaction : Interaction
        NaN where the cells are too few for the question: where two curves pass through any values.
    """
    shape = surface.shape[2:]
    values = surface[cells].reshape(int(cells.sum()), int(np.prod(shape)))  # (c, t)
    rows, columns = np.nonzero(cells)
    design = np.concatenate(
        [rows[:, None] == np.arange(cells.shape[0]), columns[:, None] == np.arange(cells.shape[1])],
        axis=1,
    ).astype(float)
    if not len(values) or len(values) <= np.linalg.matrix_rank(design):
        missing = np.full(shape, np.nan)
        return Interaction(missing, missing.copy())
    centred = values - values.mean(axis=0)
    rest = centred - design @ np.linalg.lstsq(design, centred, rcond=None)[0]
    variance, left = (centred**2).mean(axis=0), (rest**2).mean(axis=0)
    rounding = (_FLAT * np.abs(values).max(axis=0)) ** 2
    is_flat = variance <= rounding
    left = np.where(left <= rounding, 0.0, left)
    strength = np.where(is_flat, 0.0, left / np.where(is_flat, 1.0, variance))
    return Interaction(np.sqrt(left).reshape(shape), strength.reshape(shape))


def percent(share: float) -> str:
    """Return a share as whole per cent; what is above zero does not become zero."""
    return "under 1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"
