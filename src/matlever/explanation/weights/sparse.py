"""Sparse surrogates: the few knobs that enter a lasso path first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matlever.explanation.weights.neighbourhood import KnobScale
from matlever.explanation.weights.surrogate import SurrogateFit, fit_least_squares

__all__ = ["fit_sparse"]

Array = NDArray[np.float64]


def fit_sparse(
    scale: KnobScale,
    centres: Array,
    points: Array,
    weights: Array,
    centre: float,
    groups: NDArray[np.intp],
    outcomes: Array,
    n_features: int,
) -> SurrogateFit:
    """Keep the knobs that enter the lasso path first and fit these without penalty.

    Each target of each instance has its own knobs. The path runs over the knobs' displacements in
    standard deviations, so the parts of a mixture enter one by one.

    Parameters
    ----------
    scale : KnobScale
        Units of the k knobs.
    centres : ndarray of shape (n, k)
    points : ndarray of shape (n, N, k)
    weights : ndarray of shape (n, N)
    centre : float
        Weight of the instance itself.
    groups : ndarray of shape (N,), int
    outcomes : ndarray of shape (n, N, t)
    n_features : int
        Knobs to keep.

    Returns
    -------
    fit : SurrogateFit
        With one slope per feature of `scale`; of a mixture, those of its moving parts in the plane
        of constant sum are folded into its coordinates.
    """
    from sklearn.linear_model import lars_path_gram

    moving = np.flatnonzero(scale.moves)
    moved = scale.displacements(centres, points)[:, :, moving] / scale.sd[moving]
    n, _, t = outcomes.shape
    # From slopes per standard deviation of a knob to slopes per feature.
    back = scale.directions[:, moving] / scale.sd[moving]
    parts = []
    for target in range(t):
        rows = []
        for i in range(n):
            x, w, y = moved[i], weights[i], outcomes[i, :, target]
            total = w.sum() + centre
            xc = x - (w @ x) / total
            yc = y - (w @ y) / total
            gram, cross = (xc.T * w) @ xc, (xc.T * w) @ yc
            _, order, _ = lars_path_gram(
                cross, gram, n_samples=len(x), method="lasso", max_iter=4 * len(moving)
            )
            chosen = list(dict.fromkeys(order))[:n_features]
            if not chosen:
                chosen = [int(np.argmax(np.abs(cross)))]
            fit = fit_least_squares(
                x[None][:, :, chosen], w[None], centre, groups, outcomes[i : i + 1, :, [target]]
            )
            rows.append(_widened(fit, chosen, back))
        parts.append(_stacked(rows, 0))
    return _stacked(parts, -1)


def _widened(fit: SurrogateFit, chosen: list[int], back: Array) -> SurrogateFit:
    """Return the fit with a slope for every feature."""
    some = back[:, chosen]
    return SurrogateFit(some @ fit.slopes, fit.offset, some @ fit.deviations, fit.fidelity)


def _stacked(fits: list[SurrogateFit], axis: int) -> SurrogateFit:
    def joined(arrays: list[Array]) -> Array:
        return np.concatenate(arrays, axis=axis)

    first = fits[0].fidelity
    return SurrogateFit(
        joined([fit.slopes for fit in fits]),
        joined([fit.offset for fit in fits]),
        joined([fit.deviations for fit in fits]),
        type(first)(
            joined([fit.fidelity.r2 for fit in fits]),
            joined([fit.fidelity.correlation for fit in fits]),
            joined([fit.fidelity.nwise for fit in fits]),
        ),
    )
