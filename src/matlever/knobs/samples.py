"""Samples of any kind that come in a frame, an array or a sequence: some of them, their labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["row_labels", "take", "take_rows"]


def take(samples: Any, start: int, stop: int) -> Any:
    """Take samples ``start:stop`` of a frame (by position), an array or a sequence."""
    return samples.iloc[start:stop] if hasattr(samples, "iloc") else samples[start:stop]


def take_rows(samples: Any, positions: NDArray[np.intp]) -> Any:
    """Take the samples at some positions, in the kind they came in."""
    if hasattr(samples, "iloc"):
        return samples.iloc[positions]
    if hasattr(samples, "shape"):
        return samples[positions]
    return [samples[int(i)] for i in positions]


def row_labels(samples: Any, n: int) -> tuple[Any, ...]:
    """Labels of n samples: a frame's index or their own ``labels``, else their positions."""
    own = samples.index.tolist() if hasattr(samples, "iloc") else getattr(samples, "labels", None)
    labels = range(n) if own is None else own
    return tuple(label if isinstance(label, int | str) else str(label) for label in labels)
