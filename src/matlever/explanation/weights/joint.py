r"""One design for several samples: points that inform the neighbourhoods of many at once.

For several reference points Fedorov, Montepiedra and Nachtsheim [1]_ optimise one criterion over
all of them; here :math:`\sum_i \log |M_i(\xi)|` with the information matrix :math:`M_i` of sample
i, whose points are weighted by the kernel around it. The design is built greedily from the points
that the samples' own designs would ask about.

References
----------
.. [1] V. V. Fedorov, G. Montepiedra, C. J. Nachtsheim, "Design of experiments for locally weighted
   regression", J. Stat. Plan. Inference 81 (1999) 363-382.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import SettingsError
from matlever.explanation.weights.designs import fold_over, random_rotations
from matlever.explanation.weights.in_knobs import in_knobs
from matlever.explanation.weights.neighbourhood import N_GROUPS, KnobScale
from matlever.explanation.weights.placement import place
from matlever.explanation.weights.radius import shells
from matlever.explanation.weights.surrogate import differences, fit_least_squares
from matlever.knobs import DataRegion, Editor, Predictor, predict_settings
from matlever.knobs.samples import take_rows

__all__ = ["explain_jointly"]

Array = NDArray[np.float64]

# Information every sample has from the start, so that the first points can be compared.
_PRIOR = 1e-3
# Numbers in the largest array (a quarter of a gigabyte), and multiplications (a minute).
_MOST_NUMBERS = 30_000_000
_MOST_WORK = 30_000_000_000


def explain_jointly(
    predictor: Predictor,
    editor: Editor,
    samples: Any,
    centres: Array,
    scale: KnobScale,
    sigma: Array,
    n_calls: int | None,
    rng: np.random.Generator,
    batch_rows: int,
) -> dict[str, Any]:
    """Explain samples by one set of points that all of them share.

    Parameters
    ----------
    predictor, editor, samples, batch_rows
        As in `matlever.explain`.
    centres : ndarray of shape (n, k)
        Where the samples stand.
    scale : KnobScale
        Units and directions.
    sigma : ndarray of shape (n,)
        Standard deviations of the neighbourhoods.
    n_calls : int or None
        Calls per sample on average, the samples themselves included; None is a third of an axial
        design.
    rng : Generator
        Source of the rotations among the candidates.

    Returns
    -------
    found : dict
        Fields of `matlever.explanation.Explanations`, and ``warnings``.
    """
    n, p = len(centres), scale.n_features
    budget = max(3, -(-(2 * p + 1) // 3)) if n_calls is None else n_calls
    if budget < 2:
        raise SettingsError(f"n_calls={budget}: a joint design needs 2 calls per sample or more.")
    points, owner = _candidates(scale, centres, sigma, rng)
    wanted = min(n * (budget - 1), len(points))
    numbers = n * len(points) * (len(scale.space) + 1)
    if numbers > _MOST_NUMBERS or numbers * wanted > _MOST_WORK:
        raise SettingsError(
            f"A joint design of {n} samples and {p} knobs would compare {n * len(points):,} pairs; "
            "explain fewer samples at once, or each with its own design."
        )
    spread = np.repeat(points[None], n, axis=0)
    features = np.concatenate(
        [scale.features(centres, spread), scale.held_features(centres, spread)], axis=2
    )
    features /= sigma[:, None, None]
    weights = np.exp(-(features**2).sum(axis=2) / 2)
    chosen = _greedy(features, weights, wanted)
    # Each point is made from the sample whose design it comes from.
    y0 = predict_settings(predictor, editor, samples, centres[:, None], batch_rows=batch_rows)[:, 0]
    y = _predicted(predictor, editor, samples, points[chosen], owner[chosen], batch_rows)
    one_target = y0.ndim == 1
    if one_target:
        y0, y = y0[:, None], y[:, None]
    groups = np.arange(len(chosen)) % min(N_GROUPS, len(chosen))
    near = weights[:, chosen]
    fit = fit_least_squares(
        features[:, chosen] * sigma[:, None, None],
        near,
        1.0,
        groups,
        differences(y[None], y0[:, None]),
    )
    fit = fit.of_first(p)
    found: dict[str, Any] = in_knobs(scale, centres, fit, fit.fidelity, y0)
    if one_target:
        found = {key: value[..., 0] for key, value in found.items()}
    effective = near.sum(axis=1) ** 2 / np.maximum((near**2).sum(axis=1), np.finfo(float).tiny)
    thin = int((effective < p + 1).sum())
    warnings = [
        f"{thin} of {n} samples have few shared points near them; raise n_calls, or explain them "
        "with their own designs."
    ]

    def unseen() -> Array:
        far = ~DataRegion(scale.space, scale.reference).inside(points[chosen])
        share: Array = (near * far).sum(axis=1) / np.maximum(near.sum(axis=1), 1e-300)
        return share

    return {
        **found,
        "one_sided": np.zeros(centres.shape, dtype=bool),
        "outside": np.zeros(n),
        "design": "joint",
        "radius": "one shell around each sample",
        "spread_over": "tenths of the shared points",
        "fidelity_at": "tenths of the shared points",
        "n_calls": n + len(chosen),
        "warnings": warnings if thin else [],
        "unseen_share": unseen,
    }


def _candidates(
    scale: KnobScale, centres: Array, sigma: Array, rng: np.random.Generator
) -> tuple[Array, NDArray[np.intp]]:
    """Points of each sample's own design and of one rotation of it, and whose they are."""
    design = fold_over(scale.n_features)
    turned = random_rotations(design, 1, scale.can_rotate, rng)[0]
    step = shells(scale.n_features, 1).steps[0]
    both = np.concatenate([design.points, turned]) * step
    points = place(scale, centres, sigma, both, True).points
    owner = np.repeat(np.arange(len(centres)), len(both))
    flat = points.reshape(-1, points.shape[2])
    _, first = np.unique(flat, axis=0, return_index=True)
    kept = np.sort(first)
    return flat[kept], owner[kept]


def _greedy(features: Array, weights: Array, n_points: int) -> NDArray[np.intp]:
    """Choose points one by one that add most to the sum of the log determinants."""
    n, n_candidates, p = features.shape
    h = np.concatenate([np.ones((n, n_candidates, 1)), features], axis=2)
    inverse = np.repeat(np.eye(p + 1)[None] / _PRIOR, n, axis=0)
    # Each sample is in its own design from the start.
    inverse[:, 0, 0] = 1.0 / (1.0 + _PRIOR)
    variance = np.einsum("ncp,npq,ncq->nc", h, inverse, h, optimize=True)
    free = np.ones(n_candidates, dtype=bool)
    chosen = []
    for _ in range(n_points):
        gain = np.log1p(weights * variance).sum(axis=0)
        c = int(np.argmax(np.where(free, gain, -np.inf)))
        chosen.append(c)
        free[c] = False
        w, at = weights[:, c], h[:, c]
        along = np.einsum("npq,nq->np", inverse, at)  # M^-1 h
        shrink = w / (1.0 + w * variance[:, c])
        inverse -= shrink[:, None, None] * along[:, :, None] * along[:, None, :]
        variance -= shrink[:, None] * (h @ along[:, :, None])[:, :, 0] ** 2
    return np.sort(np.array(chosen, dtype=np.intp))


def _predicted(
    predictor: Predictor,
    editor: Editor,
    samples: Any,
    points: Array,
    owner: NDArray[np.intp],
    batch_rows: int,
) -> Array:
    """Predictions at m points (m, k), each made from its owner; of shape (m,) or (m, t)."""
    made_from = take_rows(samples, owner)
    found: Array = predict_settings(
        predictor, editor, made_from, points[:, None], batch_rows=batch_rows
    )[:, 0]
    return found
