"""Meter of attributes by classical texture measures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import ModelFileError
from matlever.micrographs.measuring._meter_parts import (
    check_kind,
    check_side,
    checked_truth,
    held_out_lots,
    r2_of,
    restore_meter,
    shown_meter,
)
from matlever.micrographs.measuring.texture import TEXTURE_NAMES, texture_features
from matlever.micrographs.tiles import Tiles
from matlever.storage import State, read_model, write_model

if TYPE_CHECKING:
    from matlever.micrographs.measuring._texture_network import Progress

__all__ = ["TextureMeter"]

Array = NDArray[np.float64]

_N_AXES = 24  # main axes of the texture measures whose products are learnt from


class TextureMeter:
    """Meter of attributes by classical texture measures: ridge regression on their quadratic form.

    Parameters
    ----------
    held_out : float, default=0.15
        Share of the lots on which it is judged, and which it never learns from.
    random_state : int, default=0
        Of the held-out lots.

    Attributes
    ----------
    names_ : tuple of k str
        Attributes.
    r2_ : dict of str to float
        On tiles of the held-out lots.
    side_ : tuple of int
        Height and width of tiles in px.
    channels_ : int
        1 for grey tiles, 3 for colour.
    alpha_ : ndarray of shape (k,)
        Penalty of each attribute, chosen by leaving fifths of the lots out.

    Notes
    -----
    Features are standardised and clipped at four standard deviations, so that a picture unlike
    all those learnt from cannot be read as anything far outside of them.
    """

    def __init__(self, *, held_out: float = 0.15, random_state: int = 0) -> None:
        self.held_out = held_out
        self.random_state = random_state

    def fit(
        self, tiles: Tiles, truth: ArrayLike | None = None, *, progress: Progress | None = None
    ) -> Self:
        """Learn to read attributes; parameters and errors as of `NetworkMeter.fit`."""
        wanted = checked_truth(tiles, truth)
        features = texture_features(tiles)
        if progress is not None:
            progress(1, 2, "texture measures")
        aside = held_out_lots(tiles, self.held_out, self.random_state)
        self.names_, self.side_ = tiles.names, tiles.shape[1:]
        self.channels_ = tiles.channels
        self.center_ = features[~aside].mean(axis=0)
        spread = features[~aside].std(axis=0)
        self.spread_ = np.where(spread > 1e-6, spread, np.inf)
        z = np.clip((features[~aside] - self.center_) / self.spread_, -4, 4)
        variances, axes = np.linalg.eigh(z.T @ z / len(z))
        self.axes_ = axes[:, : -_N_AXES - 1 : -1] / np.sqrt(variances[: -_N_AXES - 1 : -1] + 1e-6)
        design = self._design(features)
        self._fit_ridge(design[~aside], wanted[~aside], tiles.lot[~aside])
        self.r2_ = r2_of(wanted[aside], design[aside] @ self.weights_ + self.mean_, self.names_)
        if progress is not None:
            progress(2, 2, "texture meter")
        return self

    def _design(self, features: Array) -> Array:
        """Return standardised features and the products of their main axes, of shape (n, columns).

        There are f features, then q (q + 1) / 2 products of q axes.
        """
        z = np.clip((features - self.center_) / self.spread_, -4, 4)
        axes = z @ self.axes_
        first, second = np.triu_indices(axes.shape[1])
        design: Array = np.hstack([z, axes[:, first] * axes[:, second] / 2])
        return design

    def _fit_ridge(self, design: Array, wanted: Array, lot: NDArray[np.intp]) -> None:
        """Fit ridge regressions, the penalty of each by leaving fifths of the lots out."""
        penalties = np.geomspace(1, 1e5, 16) * np.sqrt(len(design) / 1000)
        lots = np.random.default_rng([self.random_state, 3]).permutation(np.unique(lot))
        folds = [np.isin(lot, part) for part in np.array_split(lots, min(5, len(lots)))]
        errors = np.zeros((len(penalties), wanted.shape[1]))
        for fold in folds:
            weights, mean = _ridge(design[~fold], wanted[~fold], penalties)
            residual = design[fold] @ weights + mean[:, None] - wanted[fold]
            errors += (residual**2).sum(axis=1)
        self.alpha_ = penalties[errors.argmin(axis=0)]
        weights, mean = _ridge(design, wanted, self.alpha_)
        each = np.arange(wanted.shape[1])
        self.weights_, self.mean_ = weights[each, :, each].T, mean[each, each]

    def predict(self, tiles: Tiles) -> Array:
        """Return measured attributes of shape (n, k).

        Raises
        ------
        DataError
            If tiles have another size or number of channels than those it learnt from.
        """
        check_side(self, tiles)
        found: Array = self._design(texture_features(tiles)) @ self.weights_ + self.mean_
        return found

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the meter as a model folder; it appears whole or not at all."""
        used = np.isfinite(self.spread_)
        state = State(
            "texture meter",
            {
                "settings": {"held_out": self.held_out, "random_state": self.random_state},
                "names": list(self.names_),
                "side": list(self.side_),
                "channels": self.channels_,
                "r2": self.r2_,
                "features": list(TEXTURE_NAMES),
            },
            {
                "center": self.center_,
                "spread": np.where(used, self.spread_, 0.0),
                "axes": self.axes_,
                "alpha": self.alpha_,
                "mean": self.mean_,
                "weights": self.weights_,
            },
        )
        return write_model(folder, state, {"r2": self.r2_})

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read a meter that `save` wrote.

        Raises
        ------
        ModelFileError
            If the folder is broken, holds something else, or other features than are measured now.
        """
        state, _ = read_model(folder)
        check_kind(state, "texture meter", folder)
        if state.get("features") != list(TEXTURE_NAMES):
            raise ModelFileError(
                f"{folder} reads other texture measures than this version makes: fit it again."
            )
        meter = restore_meter(cls, state)
        k, f = len(meter.names_), len(TEXTURE_NAMES)
        meter.center_ = state.array("center", (f,), np.float64)
        spread = state.array("spread", (f,), np.float64)
        meter.spread_ = np.where(spread > 0, spread, np.inf)
        meter.alpha_ = state.array("alpha", (k,), np.float64)
        meter.mean_ = state.array("mean", (k,), np.float64)
        meter.axes_ = state.array("axes", (f, _N_AXES), np.float64)
        columns = f + _N_AXES * (_N_AXES + 1) // 2
        meter.weights_ = state.array("weights", (columns, k), np.float64)
        return meter

    def __repr__(self) -> str:
        return shown_meter(self, "TextureMeter")


def _ridge(design: Array, wanted: Array, penalties: Array) -> tuple[Array, Array]:
    """Return weights (p, columns, k) and intercepts (p, k) of ridge regressions, p penalties."""
    mean = wanted.mean(axis=0)
    columns = design.mean(axis=0)
    centred = design - columns
    values, vectors = np.linalg.eigh(centred.T @ centred)
    turned = vectors.T @ (centred.T @ (wanted - mean))
    weights = np.stack(
        [vectors @ (turned / (np.maximum(values, 0) + a)[:, None]) for a in penalties]
    )
    return weights, mean - columns @ weights
