"""Explanations from known samples alone: nothing is invented that a model could recognise.

A model can tell LIME's perturbed samples from real ones and answer them innocently (D. Slack et
al., AIES 2020). Here it is asked about the reference only; each surrogate is fitted to those
answers, weighted by the kernel around its sample.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.explanation.weights.in_knobs import in_knobs
from matlever.explanation.weights.neighbourhood import N_GROUPS, KnobScale
from matlever.explanation.weights.surrogate import differences, fit_least_squares
from matlever.knobs import Editor, Predictor, predict_settings

__all__ = ["explain_from_known_rows"]

Array = NDArray[np.float64]

# Effective number of rows per coefficient below which the kernel is widened.
_ROWS_PER_COEFFICIENT = 2.0
_WIDENINGS = 1.15 ** np.arange(0, 60)
# Numbers in the largest array; more samples are explained in batches.
_MOST_NUMBERS = 4_000_000


def explain_from_known_rows(
    predictor: Predictor,
    editor: Editor,
    samples: Any,
    centres: Array,
    reference: Any,
    scale: KnobScale,
    kappa: Array,
    batch_rows: int,
) -> dict[str, Any]:
    """Explain samples by the predictions for the reference.

    Parameters
    ----------
    predictor, editor, samples, reference, batch_rows
        As in `matlever.explain`.
    centres : ndarray of shape (n, k)
        Where the samples stand.
    scale : KnobScale
        Units, and the settings of the reference.
    kappa : ndarray of shape (n,)
        Kernel widths; widened where fewer than two effective rows per coefficient are near.

    Returns
    -------
    found : dict
        Fields of `matlever.explanation.Explanations`, and ``warnings``.
    """
    known = scale.space.project(scale.reference)
    options: dict[str, Any] = {"batch_rows": batch_rows}
    y0 = predict_settings(predictor, editor, samples, centres[:, None], **options)[:, 0]
    y = predict_settings(predictor, editor, reference, known[:, None], **options)[:, 0]
    one_target = y0.ndim == 1
    if one_target:
        y0, y = y0[:, None], y[:, None]
    needed = _ROWS_PER_COEFFICIENT * (scale.n_features + scale.n_held + 1)
    # Groups must not follow the order of the file; the reference is spread by its place in it.
    groups = np.arange(len(known)) % min(N_GROUPS, len(known))
    penalty = 0.0 if len(known) >= needed else 1.0
    size = max(1, _MOST_NUMBERS // (known.size + len(known)))
    chunks, widths = [], []
    for start in range(0, len(centres), size):
        rows = slice(start, start + size)
        at = centres[rows]
        spread = np.repeat(known[None], len(at), axis=0)
        features = np.concatenate(
            [scale.features(at, spread), scale.held_features(at, spread)], axis=2
        )
        distance2 = (features**2).sum(axis=2)
        width = _wide_enough(distance2, kappa[rows], needed)
        weights = np.exp(-distance2 / (2.0 * width[:, None] ** 2))
        outcomes = differences(y[None], y0[rows, None])
        fit = fit_least_squares(features, weights, 1.0, groups, outcomes, penalty)
        fit = fit.of_first(scale.n_features)
        chunks.append(in_knobs(scale, at, fit, fit.fidelity, y0[rows]))
        widths.append(width)
    width = np.concatenate(widths)
    found: dict[str, Any] = {
        key: np.concatenate([chunk[key] for chunk in chunks]) for key in chunks[0]
    }
    if one_target:
        found = {key: value[..., 0] for key, value in found.items()}
    warnings = []
    widened = int((width > kappa * 1.001).sum())
    if widened:
        warnings.append(
            f"Around {widened} of {len(kappa)} samples there are too few known rows for their "
            f"kernel width; it was widened to {np.median(width[width > kappa * 1.001]):.3g} "
            "(median)."
        )
    if penalty:
        warnings.append(
            f"{len(known)} known rows for {scale.n_features + scale.n_held} coefficients: "
            "slopes are shrunk by a ridge penalty of 1."
        )
    return {
        **found,
        "one_sided": np.zeros(centres.shape, dtype=bool),
        "outside": np.zeros(len(centres)),
        "kernel_width_used": width,
        "design": "known-rows",
        "radius": "known rows",
        "spread_over": "tenths of the known rows",
        "fidelity_at": "tenths of the known rows",
        "n_calls": len(centres) + len(known),
        "warnings": warnings,
        "unseen_share": lambda: np.zeros(len(centres)),
    }


def _wide_enough(distance2: Array, kappa: Array, needed: float) -> Array:
    """Widen kernels (n,) until the effective number of rows suffices, or no more can be had."""
    width = kappa.copy()
    missing = np.ones(len(kappa), dtype=bool)
    for factor in _WIDENINGS:
        width[missing] = kappa[missing] * factor
        w = np.exp(-distance2[missing] / (2.0 * width[missing, None] ** 2))
        total = w.sum(axis=1)
        effective = total**2 / np.maximum((w**2).sum(axis=1), np.finfo(float).tiny)
        # Rows far away underflow to no weight at all: then their number says nothing.
        done = (effective >= min(needed, 0.9 * distance2.shape[1])) & (total > 1e-6)
        missing[np.flatnonzero(missing)[done]] = False
        if not missing.any():
            break
    return width
