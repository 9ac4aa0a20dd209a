"""Scores on the published split: forests, single networks, the ensemble, what each step brought."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.compositions import ElemNetRegressor
from matlever.study.elemnet_data import ElemNetData, Labelled
from matlever.study.elemnet_models import (
    KINDS,
    Features,
    Sizes,
    absolute_error,
    features,
    forest,
    network,
)

__all__ = ["crossing", "curve_point", "ensemble_scores", "fit_ensemble", "forest_scores", "ladder"]

Array = NDArray[np.float64]
Progress = Callable[[int, int, str], None]

_SHOWN = 1500  # test rows in the picture of predicted against true
_LEVELS = (0.5, 0.8, 0.9, 0.95)


def forest_scores(data: ElemNetData, sizes: Sizes, seed: int) -> dict[str, Any]:
    """Return MAE of the two forests on the test rows, with standard errors over rows."""
    found: dict[str, Any] = {}
    for kind in KINDS:
        x = features(data.train.compositions, kind)
        model = forest(kind, x, data.train.y, sizes, seed)
        error = np.abs(model.predict(features(data.test.compositions, kind)) - data.test.y)
        found[kind] = {"mae": float(error.mean()), "se": _standard_error(error)}
    return found


def fit_ensemble(
    data: ElemNetData,
    sizes: Sizes,
    precision: Any,
    seed: int,
    checkpoint: Path,
    progress: Progress | None,
) -> ElemNetRegressor:
    """Train the ensemble on the training rows; its intervals come from the validation rows."""
    model = network(sizes, precision, seed, n_members=sizes.members, epochs=sizes.epochs)
    model.fit(data.train.compositions, data.train.y, checkpoint=checkpoint, progress=progress)
    return model.calibrate(data.validation.compositions, data.validation.y)


def ensemble_scores(model: ElemNetRegressor, data: ElemNetData) -> dict[str, Any]:
    """Return what the ensemble reaches on the validation and test rows.

    Returns
    -------
    found : dict
        ``members`` (MAE of each), ``by_members`` (mean MAE of ensembles of k of them), ``mae``,
        ``se``, ``median``, ``validation``, ``training``, ``coverage`` of intervals by level, and
        ``points`` for a picture.
    """
    test = data.test
    members = model.predict_members(test.compositions)
    mean, std = model.predict(test.compositions, return_std=True)
    error = np.abs(mean - test.y)
    shown = np.linspace(0, len(test) - 1, min(_SHOWN, len(test))).astype(int)
    return {
        "members": [absolute_error(test.y, one) for one in members],
        "by_members": _by_members(members, test.y),
        "mae": float(error.mean()),
        "se": _standard_error(error),
        "median": float(np.median(error)),
        "rmse": float(np.sqrt((error**2).mean())),
        "validation": absolute_error(
            data.validation.y, model.predict(data.validation.compositions)
        ),
        "training": absolute_error(data.train.y, model.predict(data.train.compositions)),
        "spread_correlation": _rank_correlation(std, error),
        "coverage": [_coverage(model, test, level) for level in _LEVELS],
        "n_weights": int(sum(p.numel() for p in model.networks_[0].parameters())),
        "history": [
            [epoch.training * float(model.target_scale_[0]) for epoch in epochs]
            for epochs in model.history_
        ],
        "points": {
            "y": test.y[shown].tolist(),
            "predicted": mean[shown].tolist(),
            "formula": [test.compositions.formulas[i] for i in shown],
        },
    }


def ladder(data: ElemNetData, sizes: Sizes, precision: Any, seed: int) -> list[dict[str, Any]]:
    """Return validation errors of single narrow networks as the training is changed step by step.

    The first has the paper's dropout, its constant step size of 1e-4 and its batches, all within
    the same number of epochs (the paper trains for days longer); each further one adds a change.
    """
    plain = {
        "width": sizes.width / 2,
        "dropout": (0.2, 0.1, 0.3, 0.2),
        "schedule": "constant",
        "learning_rate": 1e-4,
        "batch_size": 128,
        "weight_decay": 0.0,
        "average": 0.0,
    }
    steps: list[tuple[str, dict[str, Any]]] = [
        ("dropout, constant step size of 1e-4, batches of 128", {}),
        ("no dropout", {"dropout": (0.0,) * 4}),
        (
            "one cycle of the step size up to 2e-3, batches of 256",
            {
                "schedule": "one-cycle",
                "learning_rate": 2e-3,
                "batch_size": 256,
            },
        ),
        ("weight decay and averaged weights", {"weight_decay": 0.1, "average": 0.999}),
    ]
    found = []
    for name, changes in steps:
        plain |= changes
        model = network(sizes, precision, seed, **plain)
        model.fit(data.train.compositions, data.train.y)
        predicted = model.predict(data.validation.compositions)
        found.append({"step": name, "mae": absolute_error(data.validation.y, predicted)})
    return found


def curve_point(
    data: ElemNetData, sizes: Sizes, precision: Any, seed: int, n: int
) -> dict[str, Any]:
    """Return test errors of a network and two forests that saw `n` training rows.

    Returns
    -------
    found : dict
        ``n``; ``network``, ``fractions``, ``magpie``: MAE of each draw of the rows.
    """
    found: dict[str, Any] = {"n": n, "network": [], "fractions": [], "magpie": []}
    test: dict[Features, Any] = {kind: features(data.test.compositions, kind) for kind in KINDS}
    for draw in range(2 if n < sizes.repeated_below else 1):
        order = np.random.default_rng((seed, draw, 5)).permutation(len(data.train))
        some = data.train.take(np.sort(order[:n]))
        model = network(sizes, precision, seed + draw, epochs=sizes.epochs)
        model.fit(some.compositions, some.y)
        found["network"].append(absolute_error(data.test.y, model.predict(data.test.compositions)))
        for kind, x in test.items():
            seen = features(some.compositions, kind)
            grown = forest(kind, seen, some.y, sizes, seed + draw)
            found[kind].append(absolute_error(data.test.y, grown.predict(x)))
    return found


def crossing(points: list[dict[str, Any]], other: str) -> float | None:
    """Return the rows from which on the network is better, between sizes on a logarithmic scale.

    None if it never is, and the smallest size if it always is.
    """
    n = np.array([point["n"] for point in points], dtype=float)
    gap = np.array([np.log(np.mean(p["network"]) / np.mean(p[other])) for p in points])
    worse = np.flatnonzero(gap > 0)
    if not len(worse):
        return float(n[0])
    last = int(worse[-1])
    if last == len(n) - 1:
        return None
    share = gap[last] / (gap[last] - gap[last + 1])
    return float(np.exp(np.log(n[last]) + share * np.log(n[last + 1] / n[last])))


def _by_members(members: Array, y: Array) -> list[float]:
    """Return the mean MAE of the ensembles of k members that follow one another, k = 1, 2, ..."""
    n = len(members)
    return [
        float(
            np.mean(
                [
                    absolute_error(y, members[(np.arange(k) + first) % n].mean(axis=0))
                    for first in range(n if k < n else 1)
                ]
            )
        )
        for k in range(1, n + 1)
    ]


def _coverage(model: ElemNetRegressor, test: Labelled, level: float) -> dict[str, float]:
    lower, upper = model.predict_interval(test.compositions, level)
    inside = (lower <= test.y) & (test.y <= upper)
    return {
        "level": level,
        "covered": float(inside.mean()),
        "median_width": float(np.median(upper - lower)),
    }


def _standard_error(error: Array) -> float:
    """Return the standard error of a mean over rows."""
    return float(error.std(ddof=1) / np.sqrt(len(error)))


def _rank_correlation(a: Array, b: Array) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(a, b).statistic)
