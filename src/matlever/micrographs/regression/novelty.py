"""A warning for tiles unlike those a regressor was trained on.

The regressor answers for any picture. Whether it may be asked is judged by classical texture
(:func:`texture_features`), which no training has bent: how far a tile lies from the training tiles,
in their own spread (Mahalanobis distance). The limit comes from lots held out, so that a new lot of
the same material is no news.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from matlever.exceptions import NotEnoughDataError, SettingsError
from matlever.micrographs.measuring.texture import TEXTURE_NAMES, texture_features
from matlever.micrographs.tiles import Tiles
from matlever.storage import State

__all__ = ["LotNovelty", "TileNovelty"]

Array = NDArray[np.float64]

_FEWEST_LOTS = 4
_FOLDS = 10


@dataclass(frozen=True)
class LotNovelty:
    """How unlike the training tiles the tiles of a lot are.

    Attributes
    ----------
    lot : str
    share : float
        Of its tiles that lie beyond the limit.
    distance : float
        Median of their distances over the limit: 1 is at the limit.
    feature : str
        The measure of texture in which they are most unlike.
    deviations : float
        By how many standard deviations of the training tiles, signed.
    """

    lot: str
    share: float
    distance: float
    feature: str
    deviations: float

    @property
    def is_novel(self) -> bool:
        """Whether most of its tiles lie beyond the limit."""
        return self.share > 0.5

    @property
    def sentence(self) -> str:
        """A warning, or that there is none."""
        if not self.is_novel:
            return f"Lot {self.lot} looks like the lots in training."
        away = f"{self.deviations:+.1f}".replace("-", "−")
        return (
            f"Lot {self.lot} looks unlike every lot in training: {self.share:.0%} of its tiles lie "
            f"beyond the limit, most of all in {self.feature} ({away} standard deviations). "
            "Predictions for it are guesses."
        )


class TileNovelty(BaseEstimator):
    """Detector of tiles that do not belong to what was trained on.

    Parameters
    ----------
    false_alarms : float, default=0.02
        Share of tiles of unseen lots of the same kind that may be called novel.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (f,)
        Of the texture of the training tiles.
    turn_ : ndarray of shape (f, f)
        Turns standardised texture into independent columns of unit spread.
    limit_ : float
        Distance from which a tile is novel.

    Notes
    -----
    The covariance is shrunk after O. Ledoit and M. Wolf, J. Multivar. Anal. 88 (2004) 365-411. For
    the limit the lots are held out a tenth at a time; every lot weighs the same.
    """

    def __init__(self, *, false_alarms: float = 0.02) -> None:
        self.false_alarms = false_alarms

    def fit(self, tiles: Tiles, y: Any = None) -> Self:
        """Learn what the training tiles look like.

        Raises
        ------
        NotEnoughDataError
            If there are fewer than four lots: some have to be held out.
        """
        if not 0 < self.false_alarms < 1:
            raise SettingsError(f"false_alarms={self.false_alarms} must lie between 0 and 1.")
        texture = texture_features(tiles)
        lots, at = np.unique(tiles.lot, return_inverse=True)
        if len(lots) < _FEWEST_LOTS:
            raise NotEnoughDataError(
                f"{len(lots)} lots are too few to say what a new one may look like; at least "
                f"{_FEWEST_LOTS} are needed."
            )
        n_folds = min(_FOLDS, len(lots))
        fold = (np.random.default_rng(0).permutation(len(lots)) % n_folds)[at]
        held_out = np.empty(len(tiles))
        for k in range(n_folds):
            spread = _Spread.of(texture[fold != k])
            held_out[fold == k] = spread.distance(texture[fold == k])
        weight = 1 / (len(lots) * np.bincount(at)[at])
        order = np.argsort(held_out)
        reached = np.cumsum(weight[order]) >= 1 - self.false_alarms - 1e-12
        spread = _Spread.of(texture)
        self.mean_, self.scale_, self.turn_ = spread.mean, spread.scale, spread.turn
        self.limit_ = float(held_out[order[int(reached.argmax())]])
        return self

    def score(self, tiles: Tiles) -> Array:
        """Return the distance of each tile over the limit, of shape (n,): novel above 1."""
        check_is_fitted(self)
        spread = _Spread(self.mean_, self.scale_, self.turn_)
        return spread.distance(texture_features(tiles)) / self.limit_

    def is_novel(self, tiles: Tiles) -> NDArray[np.bool_]:
        """Return whether each tile lies beyond the limit, of shape (n,)."""
        return np.asarray(self.score(tiles) > 1)

    def judge(self, tiles: Tiles) -> list[LotNovelty]:
        """Return how novel each lot is, in the order of the lots."""
        check_is_fitted(self)
        texture = texture_features(tiles)
        spread = _Spread(self.mean_, self.scale_, self.turn_)
        distance = spread.distance(texture) / self.limit_
        away = (texture - self.mean_) / self.scale_
        found = []
        for lot in np.unique(tiles.lot):
            own = tiles.lot == lot
            middle = np.median(away[own], axis=0)
            most = int(np.abs(middle).argmax())
            found.append(
                LotNovelty(
                    lot=tiles.lot_names[lot],
                    share=float((distance[own] > 1).mean()),
                    distance=float(np.median(distance[own])),
                    feature=TEXTURE_NAMES[most],
                    deviations=float(middle[most]),
                )
            )
        return found

    def to_state(self) -> State:
        """Return everything needed to rebuild the fitted detector; see `matlever.storage`."""
        check_is_fitted(self)
        return State(
            kind=type(self).__name__,
            config={"false_alarms": float(self.false_alarms), "limit": self.limit_},
            arrays={"mean": self.mean_, "scale": self.scale_, "turn": self.turn_},
        )

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Rebuild a fitted detector."""
        model = cls(false_alarms=float(state.get("false_alarms")))
        f = len(TEXTURE_NAMES)
        model.mean_ = state.array("mean", (f,), np.float64)
        model.scale_ = state.array("scale", (f,), np.float64)
        model.turn_ = state.array("turn", (f, f), np.float64)
        model.limit_ = float(state.get("limit"))
        return model


@dataclass(frozen=True)
class _Spread:
    """Mean, scale and whitening of texture."""

    mean: Array
    scale: Array
    turn: Array

    @classmethod
    def of(cls, texture: Array) -> _Spread:
        from sklearn.covariance import ledoit_wolf

        mean, sd = texture.mean(axis=0), texture.std(axis=0)
        scale = np.where(sd > 1e-9, sd, 1.0)
        covariance, _ = ledoit_wolf((texture - mean) / scale, assume_centered=True)
        values, vectors = np.linalg.eigh(covariance)
        return cls(mean, scale, vectors / np.sqrt(np.maximum(values, 1e-9)))

    def distance(self, texture: Array) -> Array:
        """Return Mahalanobis distances (n,)."""
        return np.asarray(np.linalg.norm((texture - self.mean) / self.scale @ self.turn, axis=1))
