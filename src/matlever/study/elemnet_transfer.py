"""From computed formation energies to a small measured table, and whether pretraining helps there.

Folds hold whole compositions out. Whatever is fitted to band gaps is fitted inside the training
folds; the pretrained network has seen other properties only, some of them of the same compounds
(counted), as anybody who starts from it would.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from matlever.compositions import Compositions, ElemNetRegressor
from matlever.study.elemnet_data import Labelled
from matlever.study.elemnet_models import Sizes, features, forest

__all__ = ["METHODS", "fold_difference", "transfer_scores"]

Array = NDArray[np.float64]

METHODS: tuple[tuple[str, str], ...] = (
    ("mean", "Mean of the training rows"),
    ("forest_fractions", "Random forest, fractions"),
    ("forest_magpie", "Random forest, Magpie"),
    ("scratch", "ElemNet from scratch"),
    ("tuned", "ElemNet pretrained, all layers fine-tuned"),
    ("tuned_frozen", "ElemNet pretrained, first 4 layers frozen"),
    ("tuned_redrawn", "ElemNet pretrained, first 4 layers frozen, the others drawn anew"),
    ("svr_fractions", "Support vectors on fractions"),
    ("svr_activations", "Support vectors on layer 4 of the pretrained network"),
    ("ridge_activations", "Ridge on layer 4 of the pretrained network"),
    ("forest_activations", "Random forest on layer 4 and Magpie"),
)
_FOLDS = 5
_LAYER = 4  # ends the widest layers; deeper ones hold little but the energy
_N_LAYERS = 17
_STEPS = 600


def transfer_scores(
    model: ElemNetRegressor, gaps: Labelled, known: Compositions, sizes: Sizes, seed: int
) -> dict[str, Any]:
    """Return errors on held-out folds of a small part of the measured band gaps.

    Parameters
    ----------
    model : ElemNetRegressor
        Fitted to formation energies.
    gaps : Labelled
        Measured band gaps in eV.
    known : Compositions
        What the network was trained on, to count the compounds in both tables.
    sizes : Sizes
    seed : int

    Returns
    -------
    found : dict
        ``rows``, ``n_folds``, ``n_repeats``, ``shared`` (share of the rows whose compound was in
        pretraining) and ``methods``: ``name``, ``mae`` of each fold, and ``difference``: the mean
        difference to the better forest with its standard error over folds.
    """
    rows = np.random.default_rng((seed, 11)).permutation(len(gaps))[: sizes.gap_rows]
    table = gaps.take(np.sort(rows))
    names = np.array(table.compositions.formulas)
    single = copy.copy(model)
    single.networks_, single.n_members = model.networks_[:1], 1
    errors: dict[str, list[float]] = {name: [] for name, _ in METHODS}
    for repeat in range(sizes.gap_repeats):
        folds = GroupKFold(_FOLDS, shuffle=True, random_state=seed + repeat)
        for train, test in folds.split(names, groups=names):
            found = _predictions(single, table.take(train), table.take(test), sizes, seed)
            for name, predicted in found.items():
                errors[name].append(float(np.abs(predicted - table.y[test]).mean()))
    best = min(("forest_fractions", "forest_magpie"), key=lambda name: np.mean(errors[name]))
    return {
        "rows": len(table),
        "n_folds": _FOLDS,
        "n_repeats": sizes.gap_repeats,
        "layer": _LAYER,
        "shared": float(np.isin(names, np.array(known.formulas)).mean()),
        "reference": best,
        "methods": [
            {
                "key": name,
                "name": words,
                "mae": float(np.mean(errors[name])),
                "folds": errors[name],
                "difference": fold_difference(errors[name], errors[best]),
            }
            for name, words in METHODS
        ],
    }


def _predictions(
    model: ElemNetRegressor, train: Labelled, test: Labelled, sizes: Sizes, seed: int
) -> dict[str, Array]:
    """Return what each method predicts for the test rows after seeing the training rows."""
    c, new, y = train.compositions, test.compositions, train.y
    steps: dict[str, Any] = {"epochs": 1, "least_steps": min(_STEPS, sizes.least_steps)}
    scratch = ElemNetRegressor(**(model.get_params() | steps | {"random_state": seed}))
    ways: dict[str, dict[str, Any]] = {
        "tuned": {"learning_rate": 1e-3},
        "tuned_frozen": {"learning_rate": 1e-3, "freeze": _LAYER},
        "tuned_redrawn": {
            "learning_rate": model.learning_rate,
            "freeze": _LAYER,
            "redraw": _N_LAYERS - _LAYER,
        },
    }
    tuned = {name: model.fine_tune(c, y, **steps, **way) for name, way in ways.items()}
    h, h_new = (model.activations(one, _LAYER) for one in (c, new))
    fractions, fractions_new = (features(one, "fractions") for one in (c, new))
    magpie, magpie_new = (features(one, "magpie") for one in (c, new))
    ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 5, 16)))
    both, both_new = np.hstack([magpie, h]), np.hstack([magpie_new, h_new])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return {
            "mean": np.full(len(test), y.mean()),
            "forest_fractions": _forest("fractions", fractions, fractions_new, y, sizes, seed),
            "forest_magpie": _forest("magpie", magpie, magpie_new, y, sizes, seed),
            "scratch": scratch.fit(c, y).predict(new),
            **{name: one.predict(new) for name, one in tuned.items()},
            "svr_fractions": _support_vectors().fit(fractions, y).predict(fractions_new),
            "svr_activations": _support_vectors().fit(h, y).predict(h_new),
            "ridge_activations": ridge.fit(h, y).predict(h_new),
            "forest_activations": _forest("magpie", both, both_new, y, sizes, seed),
        }


def _forest(kind: Any, x: Any, new: Any, y: Array, sizes: Sizes, seed: int) -> Array:
    found: Array = forest(kind, x, y, sizes, seed).predict(new)
    return found


def _support_vectors() -> Any:
    return make_pipeline(StandardScaler(), SVR(C=10.0, epsilon=0.05))


def fold_difference(
    ours: list[float], other: list[float], n_folds: int = _FOLDS
) -> dict[str, float]:
    """Return the mean difference over folds and its standard error.

    Folds share training rows; the variance is corrected for that: Nadeau and Bengio, Mach. Learn.
    52 (2003) 239-281.
    """
    gaps = np.array(ours) - np.array(other)
    if len(gaps) < 2:
        return {"mean": float(gaps.mean()), "se": 0.0}
    corrected = gaps.var(ddof=1) * (1 / len(gaps) + 1 / (n_folds - 1))
    return {"mean": float(gaps.mean()), "se": float(np.sqrt(corrected))}
