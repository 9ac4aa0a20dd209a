"""The limits of all knobs at once: one comparison per value decides, and what is off is set right.

Arrays of settings are compared as a few long rows instead of many short ones (the limits are
repeated to match), which is what makes checking cheaper than rendering.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matlever.knobs.knob import Knob

__all__ = ["Box"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_BIGGEST = np.finfo(float).max
# Values in a row that is compared at once: long enough to be fast, short enough to stay in cache.
_ROW_VALUES = 1024


class Box:
    """Lower and upper limits of k knobs, and the steps and levels between them.

    Parameters
    ----------
    knobs : sequence of Knob
        The knobs. Fixed ones have no limits here: any finite value is inside.

    Attributes
    ----------
    lower, upper : ndarray of shape (k,)
        Lowest and highest allowed value; the largest floats where a knob is fixed.
    """

    def __init__(self, knobs: tuple[Knob, ...]) -> None:
        k = len(knobs)
        self.lower, self.upper = np.full(k, -_BIGGEST), np.full(k, _BIGGEST)
        self._knobs = knobs
        stepped: list[int] = []
        steps: list[float] = []
        self._uneven: list[int] = []
        for j, knob in enumerate(knobs):
            if knob.fixed:
                continue
            allowed = knob.allowed
            self.lower[j] = knob.low if allowed is None else allowed[0]
            self.upper[j] = knob.high if allowed is None else allowed[-1]
            if knob.kind == "grid" and knob.levels:
                self._uneven.append(j)
            elif knob.kind != "continuous":
                stepped.append(j)
                steps.append(1.0 if knob.step is None else float(knob.step))
        self._stepped, self._steps = np.array(stepped, dtype=np.intp), np.array(steps)
        self.is_continuous = not stepped and not self._uneven

    def holds(self, v: Array, slack: Array | float = 0.0) -> bool:
        """Whether all values of `v` (..., k) are finite and within the limits widened by `slack`.

        Steps and levels are not looked at.
        """
        lower, upper = self._widened(slack)
        return all(
            _within(rows, np.tile(lower, n), np.tile(upper, n)) for rows, n in self._long_rows(v)
        )

    def inside(self, v: Array, slack: Array) -> Flags:
        """Which settings (..., k) have allowed values within `slack` (k,), of shape (...)."""
        if self.holds(v, slack):
            good: Flags = np.ones(v.shape[:-1], dtype=bool)
        else:
            lower, upper = self._widened(slack)
            good = np.asarray(((v >= lower) & (v <= upper)).all(axis=-1))
        if not self.is_continuous:
            columns = np.array([*self._stepped, *self._uneven], dtype=np.intp)
            with np.errstate(invalid="ignore", over="ignore"):
                off = np.abs(v[..., columns] - self._nearest(v))
            good &= (off <= slack[columns]).all(axis=-1)
        return good

    def snap(self, v: Array) -> Array:
        """Return settings (..., k) at allowed values; `v` itself where nothing changes."""
        exact = v
        if not self.holds(v):
            exact = np.array(v, order="C")
            for rows, n in self._long_rows(exact):
                np.clip(rows, np.tile(self.lower, n), np.tile(self.upper, n), out=rows)
        if self.is_continuous:
            return exact
        columns = np.array([*self._stepped, *self._uneven], dtype=np.intp)
        nearest = self._nearest(exact)
        if np.array_equal(nearest, exact[..., columns]):
            return exact
        exact = exact.copy() if exact is v else exact
        exact[..., columns] = nearest
        return exact

    def _nearest(self, v: Array) -> Array:
        """Nearest allowed values of the knobs with steps, then of those with uneven grids."""
        out = np.empty((*v.shape[:-1], len(self._stepped) + len(self._uneven)))
        some = self._stepped
        low, high = self.lower[some], self.upper[some]
        position = np.rint((np.clip(v[..., some], low, high) - low) / self._steps)
        out[..., : len(some)] = np.minimum(low + self._steps * position, high)
        for c, j in enumerate(self._uneven, start=len(some)):
            out[..., c] = self._knobs[j].nearest(v[..., j])
        return out

    def _long_rows(self, v: Array) -> list[tuple[Array, int]]:
        """Return settings (..., k) as rows of n settings, and n; what is left over with n = 1."""
        k = len(self.lower)
        n = max(1, _ROW_VALUES // k)
        flat = np.ascontiguousarray(v).reshape(-1)
        whole = flat.size // (n * k) * n * k
        return [(flat[:whole].reshape(-1, n * k), n), (flat[whole:].reshape(-1, k), 1)]

    def _widened(self, slack: Array | float) -> tuple[Array, Array]:
        with np.errstate(over="ignore"):
            lower, upper = self.lower - slack, self.upper + slack
        return np.maximum(lower, -_BIGGEST), np.minimum(upper, _BIGGEST)


def _within(v: Array, lower: Array, upper: Array) -> bool:
    # NaN is neither above nor below anything, so that it fails both comparisons.
    return bool((v >= lower).all()) and bool((v <= upper).all())
