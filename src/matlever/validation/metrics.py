"""Figures of merit, and a score that carries its own spread."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import SettingsError

__all__ = ["Score", "mae", "median_ae", "nrmse", "r2", "rmse"]


@dataclass(frozen=True)
class Score:
    """A figure of merit with its spread.

    Parameters
    ----------
    mean : float
        Mean over the repeats of the cross-validation, in the target's unit where it has one.
    sd : float
        How far the figure could lie off for other rows like these: the spread over bootstrap
        samples of the rows (whole groups where there are groups).
    values : tuple of float
        The figure of each repeat, all held-out rows of the repeat pooled.
    """

    mean: float
    sd: float
    values: tuple[float, ...]

    @property
    def split_sd(self) -> float:
        """Standard deviation over the repeats: the luck of the split alone; NaN for one repeat."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else math.nan

    def __str__(self) -> str:
        return f"{self.mean:.3g} ± {self.sd:.2g}"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; what is not a number becomes None."""
        return {
            "mean": _plain(self.mean),
            "sd": _plain(self.sd),
            "values": [_plain(value) for value in self.values],
            "split_sd": _plain(self.split_sd),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_dict` wrote."""
        return cls(
            mean=_number(values["mean"]),
            sd=_number(values["sd"]),
            values=tuple(_number(value) for value in values["values"]),
        )


def r2(y: ArrayLike, prediction: ArrayLike) -> float:
    """Return the share of the variance explained; 0 = as good as the mean of `y`, 1 = exact.

    Parameters
    ----------
    y, prediction : array_like of shape (n_rows,)
        Measured and predicted values.

    Returns
    -------
    r2 : float
        NaN when all of `y` is one value, where a share of nothing has no meaning.
    """
    error, measured = _errors(y, prediction)
    around_mean = measured - measured.mean()
    total = float(around_mean @ around_mean)
    return 1.0 - float(error @ error) / total if total > 0 else math.nan


def rmse(y: ArrayLike, prediction: ArrayLike) -> float:
    """Return the root mean squared error, in the unit of `y`."""
    error, _ = _errors(y, prediction)
    return math.sqrt(float(error @ error) / len(error))


def mae(y: ArrayLike, prediction: ArrayLike) -> float:
    """Return the mean absolute error, in the unit of `y`."""
    return float(np.abs(_errors(y, prediction)[0]).mean())


def median_ae(y: ArrayLike, prediction: ArrayLike) -> float:
    """Return the median absolute error, in the unit of `y`."""
    return float(np.median(np.abs(_errors(y, prediction)[0])))


def nrmse(y: ArrayLike, prediction: ArrayLike) -> float:
    """Return the root mean squared error over the standard deviation of `y`; R2 = 1 - nrmse²."""
    error, measured = _errors(y, prediction)
    sd = float(measured.std())
    return math.sqrt(float(error @ error) / len(error)) / sd if sd > 0 else math.nan


def _errors(y: ArrayLike, prediction: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return (y - prediction, y) as float arrays after comparing their shapes."""
    measured = np.asarray(y, dtype=float)
    predicted = np.asarray(prediction, dtype=float)
    if measured.shape != predicted.shape or measured.ndim != 1 or not len(measured):
        raise SettingsError(
            f"Measured values have shape {measured.shape}, predictions {predicted.shape}; "
            "expected two lists of one length, not empty."
        )
    return measured - predicted, measured


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
