"""Which models the perovskite study compares, on which descriptors, and how they are scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

from matlever.compositions import (
    ELEMENTS,
    PerovskiteRegressor,
    element_properties,
    magpie_features,
    parse_formulas,
    site_descriptors,
)
from matlever.study.perovskites_data import Perovskites
from matlever.tables import GaussianProcessMAP
from matlever.validation import FoldPlan, fit_many, mae, r2

__all__ = [
    "ENSEMBLE",
    "FULL",
    "MEAN",
    "ONE",
    "Scored",
    "candidates",
    "score",
    "whole_site_descriptors",
]

Float = NDArray[np.float64]
Candidate = tuple[Float, BaseEstimator]

MEAN = "mean of the training rows"
FOREST = "forest, Magpie features of the formula"
TREES = "extra-trees, 4 site descriptors"
PROCESS = "Gaussian process, 4 site descriptors"
ONE = "network 4-12-1, one"
ENSEMBLE = "network 4-12-1, ten averaged"
FULL = "Gaussian process, all properties of both ions"


@dataclass(frozen=True)
class Scored:
    """Errors of one model on rows that its folds held out.

    Attributes
    ----------
    model : str
        Name.
    mae, mae_sd : float
        Mean and standard deviation over folds (and repeats) of the mean absolute error, eV/atom.
    mae_pooled, r2 : float
        Of all held-out rows together, the mean over repeats.
    n, n_folds, n_repeats : int
        Rows, folds of a repeat, repeats.
    held_out : ndarray of shape (n,)
        Mean over repeats of the held-out predictions.
    """

    model: str
    mae: float
    mae_sd: float
    mae_pooled: float
    r2: float
    n: int
    n_folds: int
    n_repeats: int
    held_out: Float

    def to_dict(self) -> dict[str, Any]:
        """Return the figures without the predictions."""
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        del found["held_out"]
        return found


def whole_site_descriptors(perovskites: Perovskites) -> Float:
    """Return everything known of the ions: site descriptors, charge, and Magpie's 22 properties.

    Parameters
    ----------
    perovskites : Perovskites
        n rows.

    Returns
    -------
    descriptors : ndarray of shape (n, 49)
        Four site descriptors, the charge of A (that of B is 6 less it), 22 properties of A and 22
        of B. No single property was picked, but this set was kept among several that were
        compared on the folds it is scored on.
    """
    properties = np.column_stack(list(element_properties(fill=True).values()))
    of = [
        properties[[ELEMENTS.index(ion.rstrip("+0123456789")) for ion in site]]
        for site in (perovskites.a, perovskites.b)
    ]
    charge = [[float("".join(filter(str.isdigit, ion)) or 1)] for ion in perovskites.a]
    return np.hstack([site_descriptors(perovskites.a, perovskites.b), charge, *of])


def candidates(perovskites: Perovskites, seed: int) -> dict[str, Candidate]:
    """Return each model by its name, with the descriptors that it sees."""
    sites = site_descriptors(perovskites.a, perovskites.b)
    magpie = magpie_features(parse_formulas(perovskites.formulas).fractions)
    forest = RandomForestRegressor(100, max_features=0.33, random_state=seed)
    return {
        MEAN: (sites, DummyRegressor()),
        FOREST: (magpie, forest),
        TREES: (sites, ExtraTreesRegressor(100, random_state=seed)),
        PROCESS: (sites, GaussianProcessMAP(random_state=seed)),
        ONE: (sites, PerovskiteRegressor(n_members=1, random_state=seed)),
        ENSEMBLE: (sites, PerovskiteRegressor(random_state=seed)),
        FULL: (whole_site_descriptors(perovskites), GaussianProcessMAP(random_state=seed)),
    }


def score(
    models: Mapping[str, Candidate],
    energy: Float,
    plan: FoldPlan,
    names: Sequence[str] | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[Scored]:
    """Predict every row from folds without it; standardising happens inside the models."""
    found = []
    for name in models if names is None else names:
        if progress is not None:
            progress(name)
        X, estimator = models[name]
        masks = [row == k for row in plan.fold_of_row for k in range(plan.n_folds)]
        fitted = fit_many(estimator, [(X[~mask], energy[~mask]) for mask in masks])
        predictions = np.empty(plan.fold_of_row.shape)
        of_folds = []
        for place, (mask, model) in enumerate(zip(masks, fitted, strict=True)):
            values = np.asarray(model.predict(X[mask]), dtype=float)
            predictions[place // plan.n_folds, mask] = values
            of_folds.append(mae(energy[mask], values))
        found.append(
            Scored(
                name,
                float(np.mean(of_folds)),
                float(np.std(of_folds, ddof=1)),
                float(np.mean([mae(energy, row) for row in predictions])),
                float(np.mean([r2(energy, row) for row in predictions])),
                len(energy),
                plan.n_folds,
                plan.n_repeats,
                predictions.mean(axis=0),
            )
        )
    return found
