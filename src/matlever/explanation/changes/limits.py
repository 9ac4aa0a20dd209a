"""Intervals around predictions, from whatever a predictor offers."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from scipy.special import ndtri

from matlever.explanation.changes.question import Interval
from matlever.knobs import Predictor, gives_std

__all__ = ["interval_of"]

# Of intervals from standard deviations, where no level is asked for.
_LEVEL = 0.9


def interval_of(
    predictor: Predictor, interval: Interval | None, level: float | None
) -> tuple[Interval | None, float | None]:
    """Return what gives the limits of a prediction, and their level where it is known.

    Parameters
    ----------
    predictor : Predictor
        Asked for ``predict_interval(X)``, else for ``predict(X, return_std=True)``, where it has
        them; from a standard deviation follows the interval of a normal distribution.
    interval : callable or None
        Used as it is, where given.
    level : float or None
        Coverage that is wanted, or that of `interval`.
    """
    if interval is not None:
        return interval, level
    own = getattr(predictor, "predict_interval", None)
    if callable(own):
        if level is not None and "level" in inspect.signature(own).parameters:
            return lambda X: own(X, level=level), level
        stated = getattr(predictor, "level", None)
        return own, stated if isinstance(stated, float) else None
    predict: Any = predictor.predict
    if not gives_std(predictor):
        return None, None
    wide = ndtri(0.5 * (1 + (level or _LEVEL)))

    def normal(X: Any) -> tuple[Any, Any]:
        mean, std = (np.asarray(part, dtype=float) for part in predict(X, return_std=True))
        return mean - wide * std, mean + wide * std

    return normal, level or _LEVEL
