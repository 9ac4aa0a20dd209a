"""From surrogates of features to slopes, spread and contributions of knobs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matlever.explanation.weights.neighbourhood import KnobScale
from matlever.explanation.weights.surrogate import (
    Fidelity,
    SurrogateFit,
    summed,
)

__all__ = ["in_knobs"]

Array = NDArray[np.float64]


def in_knobs(
    scale: KnobScale, centres: Array, fit: SurrogateFit, fidelity: Fidelity, y0: Array
) -> dict[str, Array]:
    """Return slopes, spread and contributions per knob, from those per feature."""
    n, k, t = len(centres), len(scale.space), fit.slopes.shape[2]
    n_groups = fit.deviations.shape[1]
    if (scale.mixture_of < 0).all():
        slope, variance = np.zeros((n, k, t)), np.zeros((n, k, t))
        j = scale.knob_of
        slope[:, j] = fit.slopes / scale.sd[j][:, None]
        variance[:, j] = summed(fit.deviations**2, 1) / (scale.sd[j] ** 2)[:, None]
    else:
        slope = scale.basis @ fit.slopes
        variance = summed((scale.basis @ fit.deviations) ** 2, 1)
    unit = np.where(scale.moves, scale.sd, 0.0)[:, None]
    standardised = slope * unit
    error = {}
    if fit.standard_error is not None:
        # Squares add up over the coordinates of a mixture, whose errors are nearly independent.
        squares = (scale.basis**2) @ fit.standard_error**2
        error = {"standard_error": np.sqrt(squares) * unit}
    contribution = scale.standard(centres)[:, :, None] * standardised
    local = y0 + fit.offset
    return {
        "slope": slope,
        "slope_standardised": standardised,
        "spread": np.sqrt(variance * ((n_groups - 1) / n_groups)) * unit,
        "contribution": contribution,
        "intercept": local - summed(contribution, 1),
        "local_prediction": local,
        "prediction": y0,
        "r2": fidelity.r2,
        "correlation": fidelity.correlation,
        "nwise": fidelity.nwise,
        **error,
    }
