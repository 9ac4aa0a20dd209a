"""Kernel ridge regression for a few dozen lots, its smoothness chosen by leaving lots out."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from matlever.storage import State

__all__ = ["KernelRidge"]

Array = NDArray[np.float64]

# Lengths in roots of the number of columns (standardised, so 1 is a typical half distance of two
# lots); at the largest the kernel is a linear one but for its scale.
_LENGTHS = np.array([0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 8.0, 16.0])
_PENALTIES = np.logspace(-6, 1, 22)


class KernelRidge:
    """Ridge regression with a Gaussian kernel on standardised columns.

    Length of the kernel and penalty are those with the smallest error of lots left out one at a
    time, which has a closed form [1]_: the residual of row i is ``c_i / (G^-1)_ii`` with
    ``G = K + penalty I`` and coefficients ``c = G^-1 y``.

    References
    ----------
    .. [1] C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, 2006,
       equation 5.12.
    """

    def fit(self, X: Array, y: Array) -> Self:
        """Fit to features (n, f) and targets (n,)."""
        self.mean_ = X.mean(axis=0)
        sd = X.std(axis=0)
        self.scale_ = np.where(sd > 1e-12 * np.maximum(np.abs(self.mean_), 1.0), sd, np.inf)
        self.rows_ = (X - self.mean_) / self.scale_
        self.centre_ = float(y.mean())
        best = np.inf
        squares = self._squares(self.rows_)
        for length in _LENGTHS:
            values, vectors = np.linalg.eigh(np.exp(-squares / (2 * length**2)))
            turned = vectors.T @ (y - self.centre_)
            for penalty in _PENALTIES:
                inverse = 1 / (np.maximum(values, 0.0) + penalty)
                coefficients = vectors @ (inverse * turned)
                residual = coefficients / ((vectors**2) @ inverse)
                error = float(residual @ residual)
                if error < best:
                    best = error
                    self.length_, self.penalty_ = float(length), float(penalty)
                    self.coefficients_ = coefficients
                    self.left_out_ = y - residual  # (n,) what is predicted of each without it
        return self

    def predict(self, X: Array) -> Array:
        """Return predictions (m,) for features (m, f)."""
        kernel = np.exp(-self._squares((X - self.mean_) / self.scale_) / (2 * self.length_**2))
        return np.asarray(kernel @ self.coefficients_ + self.centre_)

    def _squares(self, rows: Array) -> Array:
        """Return squared distances (m, n) to the training rows, per column."""
        apart = rows[:, None, :] - self.rows_[None, :, :]
        return np.asarray((apart**2).mean(axis=2))

    def to_state(self) -> State:
        """Return everything needed to rebuild the fitted object."""
        return State(
            kind="KernelRidge",
            config={
                "centre": self.centre_,
                "length": self.length_,
                "penalty": self.penalty_,
                "constant": np.flatnonzero(np.isinf(self.scale_)).tolist(),
            },
            arrays={
                "mean": self.mean_,
                "scale": np.where(np.isinf(self.scale_), 1.0, self.scale_),
                "rows": self.rows_,
                "coefficients": self.coefficients_,
                "left_out": self.left_out_,
            },
        )

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Rebuild the fitted object."""
        model = cls()
        model.rows_ = state.array("rows", (None, None), np.float64)
        n, f = model.rows_.shape
        model.mean_ = state.array("mean", (f,), np.float64)
        model.scale_ = state.array("scale", (f,), np.float64).copy()
        constant: Any = state.get("constant")
        model.scale_[np.asarray(constant, dtype=np.intp)] = np.inf
        model.coefficients_ = state.array("coefficients", (n,), np.float64)
        model.left_out_ = state.array("left_out", (n,), np.float64)
        model.centre_ = float(state.get("centre"))
        model.length_, model.penalty_ = float(state.get("length")), float(state.get("penalty"))
        return model
