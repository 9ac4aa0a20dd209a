"""Texture of whole lots, and predictions from it for lots that are left out: no network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from matlever.micrographs.measuring.texture import TEXTURE_NAMES, texture_features
from matlever.micrographs.tiles import Tiles

__all__ = ["leave_lots_out", "lot_texture"]

Array = NDArray[np.float64]

_AT_A_TIME = 1024
_PENALTIES = np.logspace(-1, 4, 20)
_MOST_FOLDS = 30


def lot_texture(tiles: Tiles) -> pd.DataFrame:
    """Return the mean texture of each lot that has tiles.

    One row for each lot, one column for each of the names in `TEXTURE_NAMES`.
    """
    total = np.zeros((len(tiles.lot_names), len(TEXTURE_NAMES)))
    for start in range(0, len(tiles), _AT_A_TIME):
        part = tiles[start : start + _AT_A_TIME]
        np.add.at(total, part.lot, texture_features(part))
    count = np.bincount(tiles.lot, minlength=len(tiles.lot_names))
    present = np.flatnonzero(count)
    return pd.DataFrame(
        total[present] / count[present, None],
        index=pd.Index([tiles.lot_names[i] for i in present], name="lot"),
        columns=list(TEXTURE_NAMES),
    )


def ridge() -> Any:
    """Return a ridge regression of standardised columns whose penalty is chosen by leaving out."""
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), RidgeCV(_PENALTIES, alpha_per_target=True))


def leave_lots_out(features: Array, targets: Array) -> Array:
    """Return predictions of targets (n_lots, t) by ridge regressions that never saw the lot.

    One lot is left out at a time, or one thirtieth of them where there are more than thirty.
    """
    n = len(features)
    n_folds = min(n, _MOST_FOLDS)
    fold = np.random.default_rng(0).permutation(n) % n_folds
    found = np.empty_like(targets)
    for k in range(n_folds):
        model = ridge().fit(features[fold != k], targets[fold != k])
        found[fold == k] = np.reshape(model.predict(features[fold == k]), (-1, targets.shape[1]))
    return found
