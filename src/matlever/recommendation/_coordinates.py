"""Settings as points for a Gaussian process: shares of the way between limits, levels one-hot."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.knobs import KnobSpace

__all__ = ["Coordinates"]

Array = NDArray[np.float64]


class Coordinates:
    """Map between settings of k knobs and points with p coordinates.

    A number is its share of the way from the lower (0) to the upper limit (1). A categorical knob
    has one coordinate per level, so that two different levels are 1 apart. A knob that can not move
    and never did has none.

    Parameters
    ----------
    space : KnobSpace
        The knobs.
    known : ndarray of shape (n, k)
        Settings of the known runs; they show which knobs ever moved.

    Attributes
    ----------
    knob : ndarray of int of shape (p,)
        Knob of each coordinate.
    number : dict of int to int
        Coordinate of each knob that is a number.
    levels : dict of int to list of int
        Coordinates of each categorical knob, by level.
    """

    def __init__(self, space: KnobSpace, known: Array) -> None:
        self.space = space
        knob: list[int] = []
        self.number: dict[int, int] = {}
        self.levels: dict[int, list[int]] = {}
        moves = (space.upper > space.lower) & ~space.is_fixed | (np.ptp(known, axis=0) > 0)
        for j in np.flatnonzero(moves).tolist():
            if space.knobs[j].kind == "categorical":
                n_levels = len(space.knobs[j].levels)
                self.levels[j] = list(range(len(knob), len(knob) + n_levels))
                knob += [j] * n_levels
            else:
                self.number[j] = len(knob)
                knob.append(j)
        self.knob = np.array(knob, dtype=np.intp)
        # Fixed knobs may stand outside of their limits, and limits may coincide where data differ.
        low, high = space.lower, space.upper
        narrow = (high <= low) | space.is_fixed
        low = np.where(narrow, np.minimum(low, known.min(axis=0)), low)
        high = np.where(narrow, np.maximum(high, known.max(axis=0)), high)
        self.low, self.width = low, np.where(high > low, high - low, 1.0)

    @property
    def n_coordinates(self) -> int:
        """Number p of coordinates."""
        return len(self.knob)

    def encode(self, values: ArrayLike) -> Array:
        """Return settings (..., k) as points (..., p)."""
        v = np.asarray(values, dtype=float)
        points = np.zeros((*v.shape[:-1], self.n_coordinates))
        for j, column in self.number.items():
            points[..., column] = (v[..., j] - self.low[j]) / self.width[j]
        for j, columns in self.levels.items():
            level = np.rint(v[..., j]).astype(int)[..., None]
            points[..., columns] = (level == np.arange(len(columns))) / np.sqrt(2.0)
        return points

    def decode(self, points: ArrayLike, base: Array) -> Array:
        """Return points (..., p) as settings (..., k); knobs without coordinate stand as in `base`.

        Parameters
        ----------
        points : array_like of shape (..., p)
            From `encode`.
        base : ndarray of shape (k,)
            One setting.
        """
        x = np.asarray(points, dtype=float)
        values = np.broadcast_to(base, (*x.shape[:-1], len(base))).copy()
        for j, column in self.number.items():
            values[..., j] = x[..., column] * self.width[j] + self.low[j]
        for j, columns in self.levels.items():
            values[..., j] = x[..., columns].argmax(axis=-1)
        return values
