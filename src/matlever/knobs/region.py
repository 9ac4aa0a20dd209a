"""Where the data are: a first, plain answer to whether a setting is known territory."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from matlever.exceptions import NotEnoughDataError
from matlever.knobs.space import KnobSpace

__all__ = ["DataRegion"]


class DataRegion:
    """Settings near known samples.

    A setting is inside when its nearest known sample is not farther than known samples are from
    each other: than the 95th percentile of the distance from a known sample to the nearest other
    one. Distances are Euclidean with each knob in units of the distance between its limits; two
    different levels of a categorical knob are 1 apart.

    Parameters
    ----------
    space : KnobSpace
        The k knobs.
    known : array_like of shape (n, k)
        Settings of the known samples; settings that repeat count once.
    percentile : float, default=95
        Percentile of the nearest-neighbour distances that is the radius.

    Attributes
    ----------
    radius : float
        The largest distance that is still inside, in scaled units.

    Raises
    ------
    NotEnoughDataError
        If there is no known sample.
    """

    def __init__(self, space: KnobSpace, known: ArrayLike, *, percentile: float = 95.0) -> None:
        self._space = space
        points = np.unique(self.coordinates(known), axis=0)
        if not len(points):
            raise NotEnoughDataError("There is no known sample to measure distances to.")
        self._tree = cKDTree(points)
        nearest = self._tree.query(points, k=2)[0][:, 1] if len(points) > 1 else np.zeros(1)
        # A hair more, so that rounding does not put a point of a regular grid outside.
        self.radius = float(np.percentile(nearest, percentile)) * (1 + 1e-9) + 1e-9

    def distance(self, values: ArrayLike) -> NDArray[np.float64]:
        """Distance of settings (..., k) to the nearest known sample, of shape (...), scaled."""
        v = np.asarray(values, dtype=float)
        distance: NDArray[np.float64] = self._tree.query(
            self.coordinates(v.reshape(-1, v.shape[-1]))
        )[0].reshape(v.shape[:-1])
        return distance

    def inside(self, values: ArrayLike) -> NDArray[np.bool_]:
        """Whether settings (..., k) are in known territory, of shape (...)."""
        inside: NDArray[np.bool_] = self.distance(values) <= self.radius
        return inside

    def coordinates(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return settings (..., k) as points (..., p) between which distances are Euclidean."""
        scaled = self._space.scale(values)
        columns = []
        for j, knob in enumerate(self._space.knobs):
            if knob.kind == "categorical":
                index = np.rint(np.asarray(values, dtype=float)[..., j]).astype(int)
                one_hot = np.eye(len(knob.levels))[index.clip(0, len(knob.levels) - 1)]
                columns.append(one_hot / np.sqrt(2.0))
            else:
                columns.append(scaled[..., j : j + 1])
        return np.concatenate(columns, axis=-1)
