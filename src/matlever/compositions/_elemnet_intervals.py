r"""Intervals of ElemNet from rows that no network has seen: split conformal prediction.

The score of a held-out row is its error divided by :math:`s(x) = \sigma(x) + \bar\sigma`, the
spread of the ensemble there plus its median over the held-out rows, so that the intervals widen
where the members disagree. The ``ceil(level (n + 1))``-th smallest score, times
:math:`s(x)`, bounds the error of a new row that comes from where the held-out ones came from.

References
----------
J. Lei, M. G'Sell, A. Rinaldo, R. J. Tibshirani, L. Wasserman, "Distribution-free predictive
inference for regression", J. Am. Stat. Assoc. 113 (2018) 1094-1111, section 5.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import ModelFileError
from matlever.storage import State
from matlever.validation.intervals import order_statistic

__all__ = ["HeldOutScores"]

Float = NDArray[np.float64]


@dataclass(frozen=True)
class HeldOutScores:
    """Sorted scores of the held-out rows, and the spread added to each.

    Parameters
    ----------
    scores : ndarray of shape (n, t)
        Ascending in each column.
    floor : ndarray of shape (t,)
        Median spread in the targets' units; 1 where there is none.
    """

    scores: Float
    floor: Float

    @classmethod
    def of(cls, y: Float, mean: Float, std: Float) -> Self:
        """Score held-out rows; all arrays of shape (n, t)."""
        floor = np.median(std, axis=0)
        floor = np.where(floor > 0, floor, 1.0)
        return cls(np.sort(np.abs(y - mean) / (std + floor), axis=0), floor)

    def half_width(self, std: Float, level: float) -> Float:
        """Return half the width of the intervals, shape (n_new, t); infinite with too few rows."""
        rank = order_statistic(len(self.scores), level)
        if rank > len(self.scores):
            return np.full(std.shape, np.inf)
        width: Float = self.scores[rank - 1] * (std + self.floor)
        return width

    def to_state(self) -> State:
        """Return the scores as plain data."""
        return State("HeldOutScores", arrays={"scores": self.scores, "floor": self.floor})

    @classmethod
    def from_state(cls, state: State, n_targets: int) -> Self:
        """Rebuild the scores.

        Raises
        ------
        ModelFileError
            If they are not sorted, negative, or of another number of targets.
        """
        scores = state.array("scores", (None, n_targets), np.float64)
        floor = state.array("floor", (n_targets,), np.float64)
        if (scores < 0).any() or (np.diff(scores, axis=0) < 0).any() or (floor <= 0).any():
            raise ModelFileError(f"{state.kind}: the scores are not sorted or not positive.")
        return cls(scores, floor)
