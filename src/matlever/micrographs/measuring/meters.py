"""Meters: what attributes a tile shows, read by a network and by classical texture measures.

Neither has anything to do with an editor, and each is trained on lots that are not scored with it.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from matlever.micrographs.tiles import Tiles

__all__ = ["Meter"]

Array = NDArray[np.float64]


@runtime_checkable
class Meter(Protocol):
    """Reads attributes from tiles.

    Attributes
    ----------
    names_ : tuple of k str
        The attributes.
    r2_ : dict of str to float
        Share of the variance of each attribute explained on tiles of lots that were held out.
    """

    names_: tuple[str, ...]
    r2_: dict[str, float]

    def predict(self, tiles: Tiles) -> Array:
        """Return measured attributes of shape (n, k)."""
        ...
