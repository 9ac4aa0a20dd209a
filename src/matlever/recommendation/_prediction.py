"""What is expected of a target: a normal distribution, of its values or of their logarithms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

__all__ = ["Prediction"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """Normal distributions of q values of one target.

    Parameters
    ----------
    centre, spread : ndarray of shape (q,)
        Mean and standard deviation of y, or of ln y when `log`; the spread is above 0.
    log : bool, default=False
        Whether ln y is normal.
    """

    centre: Array
    spread: Array
    log: bool = False

    def __len__(self) -> int:
        return len(self.centre)

    @property
    def median(self) -> Array:
        """Median, in the target's unit."""
        return np.asarray(np.exp(self.centre)) if self.log else self.centre

    @property
    def std(self) -> Array:
        """Standard deviation, in the target's unit."""
        wide = self._mean * np.sqrt(np.expm1(self.spread**2)) if self.log else self.spread
        return np.asarray(wide)

    def quantile(self, share: float) -> Array:
        """Value that a share of outcomes stays below, in the target's unit."""
        value: Array = self.centre + self.spread * ndtri(share)
        return np.asarray(np.exp(value)) if self.log else value

    def cdf(self, y: float) -> Array:
        """Chance of an outcome up to y."""
        if self.log and y <= 0:
            return np.zeros(len(self))
        share: Array = ndtr(((np.log(y) if self.log else y) - self.centre) / self.spread)
        return share

    def above(self, a: float) -> Array:
        r""":math:`E[(y - a)_+]`, in the target's unit."""
        if not self.log:
            return np.asarray(_gain((self.centre - a) / self.spread) * self.spread)
        if a <= 0:
            return np.asarray(self._mean - a)
        d = (self.centre - np.log(a)) / self.spread
        return np.asarray(np.maximum(self._mean * ndtr(d + self.spread) - a * ndtr(d), 0.0))

    def below(self, a: float) -> Array:
        r""":math:`E[(a - y)_+]`, in the target's unit."""
        if not self.log:
            return np.asarray(_gain((a - self.centre) / self.spread) * self.spread)
        if a <= 0:
            return np.zeros(len(self))
        d = (self.centre - np.log(a)) / self.spread
        return np.asarray(np.maximum(a * ndtr(-d) - self._mean * ndtr(-d - self.spread), 0.0))

    @property
    def _mean(self) -> Array:
        return np.asarray(np.exp(self.centre + self.spread**2 / 2))


def _gain(u: ArrayLike) -> Array:
    """Return the expectation of (e + u)+ for a standard normal e."""
    u = np.asarray(u, dtype=float)
    gain = np.exp(-0.5 * u**2) / np.sqrt(2 * np.pi) + u * ndtr(u)
    return np.asarray(np.maximum(gain, 0.0))
