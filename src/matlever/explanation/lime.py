r"""LIME: which knob matters at one sample, from a linear surrogate around it.

Reference: M. T. Ribeiro, S. Singh, C. Guestrin, "Why should I trust you?", KDD 2016, with the
choices of its `lime` package for continuous tables sampled around the instance: Gaussian points in
units of the training standard deviation, kernel :math:`\exp(-d^2 / 2\kappa^2)` on the standardised
distance, :math:`\kappa = 0.75\sqrt{m}`. Departures, all documented at `explain`: no ridge penalty,
no point outside the limits, mixtures, mirrored draws that all instances share.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import DataError, SettingsError
from matlever.explanation.explanations import Explanations
from matlever.explanation.neighbourhood import KnobScale, gaussian_draws
from matlever.explanation.surrogate import N_GROUPS, fit_surrogates
from matlever.knobs import Editor, Predictor, as_editor, as_predictor, predict_settings
from matlever.knobs.evaluate import take

__all__ = ["explain"]

Array = NDArray[np.float64]

# Perturbed points per coefficient below which the halves and groups of a fit get too thin.
_POINTS_PER_FEATURE = 4
# LIME's own draws leave the range of the data in about a quarter of the coordinates.
_MANY_OUTSIDE = 0.4


def explain(
    predictor: Predictor,
    editor: Editor,
    samples: Any,
    *,
    reference: Any,
    n_samples: int = 1000,
    kernel_width: float | None = None,
    mirrored: bool = True,
    random_state: int | np.random.Generator | None = 0,
    targets: Sequence[str] | None = None,
    target_units: Sequence[str | None] | None = None,
    batch_rows: int = 200_000,
) -> Explanations:
    r"""Local weights of the knobs at each sample.

    Around a sample at :math:`z_0` (in standard deviations of the reference) points are drawn from
    :math:`N(z_0, I)`, moved to the nearest feasible setting, and predicted; a linear surrogate is
    fitted to the predictions by least squares with weights :math:`\exp(-d^2 / 2\kappa^2)`. Fixed
    and constant knobs keep their value and get the weight 0.

    Parameters
    ----------
    predictor : Predictor
        Any fitted regressor, for one target or several.
    editor : Editor
        Turns settings into samples the predictor takes.
    samples : n samples
        The samples to explain. One that is not feasible is explained at the nearest feasible
        setting, and a warning says so.
    reference : samples
        Usually the training samples: their standard deviations are the units of the knobs, their
        level frequencies those of the draws.
    n_samples : int, default=1000
        Points per sample (rounded up to a multiple of 20, and to 4 per coefficient where that is
        more); the sample itself is one more call.
    kernel_width : float or None, default=None
        Kernel width :math:`\kappa` in standard deviations; None is LIME's ``0.75 * sqrt(m)`` for m
        moving knobs.
    mirrored : bool, default=True
        Whether the draws come in pairs on both sides of the sample. Each point still has LIME's
        distribution, but the slopes of a quadratic are then exact away from limits.
    random_state : int, Generator or None, default=0
        Seed of the draws, which are the same for all samples.
    targets : sequence of str or None, default=None
        Names of the predictor's targets, or labels such as "length (nm)"; only for labels.
    target_units : sequence of (str or None) or None, default=None
        Their units; with them the sentence gives each number its unit, and leaves the unit out of
        the label.
    batch_rows : int, default=200_000
        At most so many rendered samples at a time.

    Returns
    -------
    explanations : Explanations
        Slopes, contributions, spread and fidelity, each with the shape of one row per sample.

    Raises
    ------
    DataError
        If there is no sample, or the predictor fails to return one finite number per sample.
    SettingsError
        If no knob moves, or `n_samples`, `kernel_width` or `batch_rows` is not positive.

    Notes
    -----
    The target of LIME is not the kernel-weighted slope: draws and kernel together weigh points like
    a Gaussian of width :math:`\kappa/\sqrt{1+\kappa^2}` per axis. At a limit the points that would
    lie beyond it are on it, and the slope is that of the side that exists.

    The parts of a mixture cannot move alone. Their slopes are those in the plane of constant sum
    (the minimum-norm solution: the slopes of the moving parts sum to zero, in the knobs' units):
    how the prediction changes when one part grows at the expense of all others alike.

    A categorical knob has one slope: predicted by its level against the other levels as frequent as
    they are in the reference.
    """
    if n_samples < 1 or batch_rows < 1 or not (kernel_width is None or kernel_width > 0):
        raise SettingsError(
            f"n_samples={n_samples}, batch_rows={batch_rows} and kernel_width={kernel_width} must "
            "be above 0."
        )
    predictor, editor = as_predictor(predictor), as_editor(editor)
    space = editor.space
    known = editor.values(reference)
    scale = KnobScale(space, space.project(known))
    values = np.asarray(editor.values(samples), dtype=float)
    n, p = len(values), scale.basis.shape[1]
    if not n:
        raise DataError("There is no sample to explain.")
    if not p:
        raise SettingsError("No knob moves: all are fixed, or constant in the reference.")
    width = 0.75 * float(np.sqrt(scale.n_moving)) if kernel_width is None else float(kernel_width)
    rng = np.random.default_rng(random_state)
    needed = max(n_samples, _POINTS_PER_FEATURE * (p + 1))
    draws = gaussian_draws(needed, space.n_knobs, rng, mirrored=mirrored)
    centres = space.project(values)
    per_chunk = max(1, batch_rows // (len(draws) + 1))
    chunks = []
    for start in range(0, n, per_chunk):
        stop = min(start + per_chunk, n)
        some = take(samples, start, stop)
        chunks.append(
            _explain_chunk(
                predictor, editor, some, centres[start:stop], scale, draws, width, batch_rows
            )
        )
    found = {key: np.concatenate([chunk[key] for chunk in chunks]) for key in chunks[0]}
    far = 0.01 * np.where(scale.sd > 0, scale.sd, 1.0)
    moved = np.any(np.abs(values - centres) > far, axis=1)
    return Explanations(
        knobs=space.names,
        units=tuple(knob.unit for knob in space.knobs),
        is_categorical=tuple(space.is_categorical.tolist()),
        rows=_row_labels(samples, n),
        targets=None if targets is None else tuple(targets),
        target_units=None if target_units is None else tuple(target_units),
        settings=centres,
        mean=scale.mean,
        sd=np.where(scale.moves, scale.sd, 0.0),
        kernel_width=width,
        n_calls=n * (len(draws) + 1),
        warnings=_warnings(moved, found["outside"], len(draws), n_samples),
        **found,
    )


def _explain_chunk(
    predictor: Predictor,
    editor: Editor,
    samples: Any,
    centres: Array,
    scale: KnobScale,
    draws: Array,
    width: float,
    batch_rows: int,
) -> dict[str, Array]:
    """Explain the samples of one batch; every result has one row per sample."""
    points = scale.around(centres, draws)
    y = predict_settings(
        predictor,
        editor,
        samples,
        np.concatenate([centres[:, None], points], axis=1),
        batch_rows=batch_rows,
    )
    one_target = y.ndim == 2
    y = y[:, :, None] if one_target else y
    moved = scale.displacements(centres, points)
    sd = np.where(scale.moves, scale.sd, 1.0)
    distance2 = ((moved / sd) ** 2).sum(axis=2)
    weights = np.exp(-distance2 / (2.0 * width**2))
    fit = fit_surrogates(moved @ scale.basis, weights, y[:, 1:] - y[:, :1])

    slope = scale.basis @ fit.slopes  # (n, k, t), per unit of the knob
    variance = np.einsum("kp,ntpq,kq->nkt", scale.basis, fit.covariance, scale.basis)
    unit = np.where(scale.moves, scale.sd, 0.0)[:, None]
    contribution = scale.standard(centres)[:, :, None] * slope * unit
    local = y[:, 0] + fit.offset
    found = {
        "slope": slope,
        "slope_standardised": slope * unit,
        "spread": np.sqrt(np.maximum(variance, 0.0)) * unit,
        "contribution": contribution,
        "intercept": local - contribution.sum(axis=1),
        "local_prediction": local,
        "prediction": y[:, 0],
        "r2": fit.r2,
    }
    if one_target:
        found = {key: value[..., 0] for key, value in found.items()}
    return {**found, "outside": scale.share_outside(centres, draws)}


def _row_labels(samples: Any, n: int) -> tuple[Any, ...]:
    labels = samples.index.tolist() if hasattr(samples, "iloc") else range(n)
    return tuple(label if isinstance(label, int | str) else str(label) for label in labels)


def _warnings(
    moved: NDArray[np.bool_], outside: Array, n_points: int, n_samples: int
) -> tuple[str, ...]:
    found = []
    if moved.any():
        found.append(
            f"{int(moved.sum())} of {len(moved)} samples lie outside the limits and are explained "
            "at the nearest feasible setting."
        )
    if n_points >= n_samples + 2 * N_GROUPS:
        found.append(f"{n_points} points per sample instead of {n_samples}: there are many knobs.")
    if outside.mean() > _MANY_OUTSIDE:
        found.append(
            f"{outside.mean():.0%} of the drawn values lay outside the limits and were moved to "
            "them; a smaller kernel_width stays closer to the sample."
        )
    return tuple(found)
