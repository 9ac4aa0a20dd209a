"""Arrays out of a results document; above all the out-of-fold predictions of a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.report._values import items, mapping, numbers, string

__all__ = ["HeldOut", "as_floats", "matrix"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HeldOut:
    """Measured values and what models that never saw them predicted; NaN where there is none.

    All arrays are of shape (n_rows,), in the target's unit; `rows` are row numbers of the file.
    """

    rows: list[str]
    measured: Floats
    predicted: Floats
    lower: Floats | None
    upper: Floats | None

    @classmethod
    def of(cls, target: Mapping[str, Any]) -> HeldOut:
        """Read the ``held_out`` entry of a target; arrays of unequal length are cut to match."""
        entry = mapping(target.get("held_out"))
        measured, predicted = numbers(entry.get("measured")), numbers(entry.get("predicted"))
        n = min(len(measured), len(predicted))
        rows = [string(row) for row in items(entry.get("rows"))[:n]]
        rows += [str(place + 1) for place in range(len(rows), n)]
        return cls(
            rows,
            as_floats(measured[:n]),
            as_floats(predicted[:n]),
            _bound(entry.get("lower"), n),
            _bound(entry.get("upper"), n),
        )

    @property
    def residuals(self) -> Floats:
        """Measured minus predicted."""
        return np.asarray(self.measured - self.predicted)

    @property
    def missed(self) -> NDArray[np.bool_]:
        """Whether the measured value lies outside its interval."""
        if self.lower is None or self.upper is None:
            return np.zeros(len(self.measured), dtype=bool)
        return np.asarray((self.measured < self.lower) | (self.measured > self.upper))


def as_floats(values: list[float | None]) -> Floats:
    """Return an array in which NaN stands for None."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def matrix(value: object, width: int) -> Floats:
    """Return rows of numbers as an array of shape (n_rows, width), NaN where there is none."""
    rows = [numbers(row)[:width] for row in items(value)]
    return np.array(
        [as_floats(row + [None] * (width - len(row))) for row in rows], dtype=np.float64
    ).reshape(len(rows), width)


def _bound(value: object, n: int) -> Floats | None:
    bound = numbers(value)
    return as_floats(bound[:n]) if len(bound) >= n > 0 else None
