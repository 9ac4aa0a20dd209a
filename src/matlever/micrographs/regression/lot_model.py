"""Regression of a lot from all its tiles at once: what a single tile cannot tell.

The micrograph study predicts a lot from one tile and averages; its authors name that as the
weakness of their regressor. Here the texture of a lot's tiles is pooled first, so that the chance
of what one tile happens to show is gone before anything is fitted, and thirty lots are thirty rows
for a kernel ridge regression.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils.validation import check_is_fitted

from matlever.exceptions import DataError, ModelFileError, NotEnoughDataError, SettingsError
from matlever.micrographs.measuring.lot_texture import lot_texture
from matlever.micrographs.regression._kernel_ridge import KernelRidge
from matlever.micrographs.regression._lot_scores import SplitResult, split_result
from matlever.micrographs.regression.lot_validation import LotValidation
from matlever.micrographs.tiles import Tiles
from matlever.storage import State

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LotRegressor", "pool_lots"]

Array = NDArray[np.float64]
Progress = Callable[[int, int, str], None]

_FEWEST_LOTS = 3


class LotRegressor(RegressorMixin, BaseEstimator):
    """Predict a property of a lot from the pooled texture of its tiles, and a network if there is.

    Parameters
    ----------
    network : TileRegressor or None, default=None
        Fitted to the same lots; the mean of its predictions over a lot's tiles is averaged with
        what the pooled texture says. None uses the texture alone, which takes seconds.
    network_weight : float, default=0.5
        Weight of the network in that average.

    Attributes
    ----------
    texture_ : KernelRidge
        From the mean of :func:`texture_features` over a lot's tiles to the property.
    network_ : TileRegressor or None

    Notes
    -----
    The network enters by its prediction and not by its features: features of the lots it was
    trained on fit those lots far better than any other, so a second model that learned from them
    would trust them too much.

    See Also
    --------
    validate_lots : Scores it on lots held out; the network is then trained in each fold anew.
    """

    def __init__(self, network: Any = None, *, network_weight: float = 0.5) -> None:
        self.network = network
        self.network_weight = network_weight

    def fit(
        self,
        tiles: Tiles,
        y: ArrayLike,
        *,
        checkpoint: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Fit to tiles and the property of each tile's lot, of shape (n,).

        Raises
        ------
        NotEnoughDataError
            If there are fewer than three lots.
        DataError
            If a value is missing, or the tiles of a lot bear several.
        """
        values = np.asarray(y, dtype=np.float64)
        if not 0 <= self.network_weight <= 1:
            raise SettingsError(f"network_weight={self.network_weight} must be from 0 to 1.")
        if values.shape != (len(tiles),):
            raise DataError(f"{len(tiles)} tiles need one value each, got {values.shape}.")
        present, first, at = np.unique(tiles.lot, return_index=True, return_inverse=True)
        if len(present) < _FEWEST_LOTS:
            raise NotEnoughDataError(
                f"{len(present)} lots are too few to learn from; at least {_FEWEST_LOTS} are "
                "needed."
            )
        wrong = np.flatnonzero(~(values == values[first][at]))
        if len(wrong):
            name = tiles.lot_names[tiles.lot[wrong[0]]]
            raise DataError(f"Lot {name!r} has no value, or several: give each of its tiles one.")
        self.texture_ = KernelRidge().fit(lot_texture(tiles).to_numpy(), values[first])
        self.network_ = None
        if self.network is not None:
            self.network_ = clone(self.network).fit(
                tiles, values, checkpoint=checkpoint, progress=progress
            )
        return self

    @classmethod
    def around(
        cls, network: Any, tiles: Tiles, y: ArrayLike, *, network_weight: float = 0.5
    ) -> Self:
        """Return a fitted regressor around a network that was fitted to the same lots already."""
        model = cls(network_weight=network_weight).fit(tiles, y)
        model.network, model.network_ = clone(network), network
        return model

    def predict(self, tiles: Tiles) -> Array:
        """Return the prediction for the lot of each tile, from all of its tiles that are given.

        Returns
        -------
        prediction : ndarray of shape (n,)
            The same for all tiles of a lot.
        """
        found = self.predict_lots(tiles)
        position = {name: i for i, name in enumerate(found.index)}
        rows = [position.get(name, -1) for name in tiles.lot_names]
        return np.asarray(found["prediction"].to_numpy()[np.asarray(rows)[tiles.lot]])

    def predict_lots(self, tiles: Tiles) -> pd.DataFrame:
        """Return one row for each lot: ``prediction``, and ``n_tiles`` it rests on."""
        import pandas as pd

        check_is_fitted(self)
        if not len(tiles):
            raise NotEnoughDataError("There are no tiles to predict.")
        texture = lot_texture(tiles)
        found = self.texture_.predict(texture.to_numpy())
        _, at = np.unique(tiles.lot, return_inverse=True)
        size = np.bincount(at)
        if self.network_ is not None:
            mean = np.bincount(at, self.network_.predict(tiles)) / size
            found = (1 - self.network_weight) * found + self.network_weight * mean
        return pd.DataFrame({"prediction": found, "n_tiles": size}, index=texture.index)

    def fingerprint(self, tiles: Tiles, y: ArrayLike) -> str:
        """Return a digest of the settings, the targets and a sample of the tiles."""
        if self.network is not None:
            inner = self.network.fingerprint(tiles, y)
        else:
            some = np.unique(np.linspace(0, len(tiles) - 1, 64).astype(np.intp))
            digest = hashlib.sha256(np.ascontiguousarray(tiles.images[some]).tobytes())
            digest.update(np.asarray(y, dtype=np.float64).tobytes())
            inner = digest.hexdigest()
        text = json.dumps(["LotRegressor", self.network_weight, inner])
        return hashlib.sha256(text.encode()).hexdigest()

    def to_state(self) -> State:
        """Return everything needed to rebuild the fitted regressor; see `matlever.storage`."""
        check_is_fitted(self)
        parts = {"texture": self.texture_.to_state()}
        if self.network_ is not None:
            parts["network"] = self.network_.to_state()
        return State(
            kind=type(self).__name__,
            config={"network_weight": float(self.network_weight)},
            parts=parts,
        )

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Rebuild a fitted regressor; predictions are bitwise those of the original.

        Raises
        ------
        ModelFileError
            If a value is missing or does not fit the others.
        """
        from matlever.micrographs.regression.estimator import TileRegressor

        weight = state.get("network_weight")
        if not isinstance(weight, float) or not 0 <= weight <= 1:
            raise ModelFileError(f"{state.kind}: network_weight is {weight!r}, not from 0 to 1.")
        network = None
        if "network" in state.parts:
            network = TileRegressor.from_state(state.part("network"))
        model = cls(None if network is None else clone(network), network_weight=weight)
        model.texture_ = KernelRidge.from_state(state.part("texture"))
        model.network_ = network
        return model


def pool_lots(
    validation: LotValidation, tiles: Tiles, *, network_weight: float = 0.5, random_state: int = 0
) -> LotValidation:
    """Return what a `LotRegressor` around the validated networks scores on the same lots held out.

    No network is fitted again: in each fold the texture of the lots outside it is regressed anew,
    and averaged with what the fold's network predicted.

    Parameters
    ----------
    validation : LotValidation
        Of a `TileRegressor`.
    tiles : Tiles
        The tiles it was made of.
    network_weight : float, default=0.5
        Weight of the network.
    random_state : int, default=0
        Seed of the bootstrap.

    Returns
    -------
    validation : LotValidation
        With other results for held-out lots, measured and shuffled, and `LotRegressor` as models
        of the folds; the split of tiles is that of the network.
    """
    held, told = validation.lots_held_out, validation.shuffled_lots_held_out
    texture = lot_texture(tiles).to_numpy()
    settings = (validation, texture, network_weight, random_state)
    models = []
    present, first = np.unique(tiles.lot, return_index=True)
    for k, network in enumerate(validation.fold_models):
        rows = validation.fold_of_lot[present] != k
        model = LotRegressor(clone(network), network_weight=network_weight)
        model.texture_ = KernelRidge().fit(texture[rows], held.measured[first][rows])
        model.network_ = network
        models.append(model)
    return replace(
        validation,
        lots_held_out=_pooled(held, *settings),
        shuffled_lots_held_out=None if told is None else _pooled(told, *settings),
        fold_models=tuple(models),
    )


def _pooled(
    result: SplitResult,
    validation: LotValidation,
    texture: Array,
    network_weight: float,
    random_state: int,
) -> SplitResult:
    """Return a result in which each lot is predicted from pooled texture and the network."""
    present, first, at = np.unique(result.lot, return_index=True, return_inverse=True)
    fold = validation.fold_of_lot[present]
    y = result.measured[first]
    found = np.empty(len(present))
    for k in range(int(fold.max()) + 1):
        model = KernelRidge().fit(texture[fold != k], y[fold != k])
        found[fold == k] = model.predict(texture[fold == k])
    mean = np.bincount(at, result.prediction) / np.bincount(at)
    lots = (1 - network_weight) * found + network_weight * mean
    return split_result(lots[at], result.measured, result.lot, result.lot_names, random_state)
