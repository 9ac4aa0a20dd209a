"""Prediction intervals for an unseen lot: from all its tiles, or from a single one.

Tiles of one lot are not exchangeable with those of another; lots are. So residuals count by lot:
CV+ with whole lots held out [1]_ for the mean over a lot's tiles, and for a single tile CV+ in
which every lot weighs the same, its tiles sharing that weight (the pooled distribution of
two-layer hierarchical conformal prediction [2]_).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils.validation import check_is_fitted

from matlever.exceptions import ModelFileError, SettingsError
from matlever.micrographs.regression._lot_scores import lot_means
from matlever.micrographs.regression.lot_validation import LotValidation, validate_lots
from matlever.micrographs.tiles import Tiles
from matlever.storage import State
from matlever.validation.intervals import cv_plus

if TYPE_CHECKING:
    import pandas as pd
    import torch

__all__ = ["ConformalTileRegressor"]

Array = NDArray[np.float64]
Integers = NDArray[np.intp]

_CHUNK = 4_000_000  # numbers held at once


class ConformalTileRegressor(RegressorMixin, BaseEstimator):
    """Predict with one regressor of all lots, and give intervals from those without each fold.

    Parameters
    ----------
    estimator : TileRegressor or LotRegressor
        Cloned for each fit.
    n_folds : int, default=5
        Folds of lots.
    level : float, default=0.9
        Share of unseen lots an interval is to cover.
    random_state : int, default=0
        Seed of the folds.

    Attributes
    ----------
    estimator_ : estimator
        Fitted to all lots.
    fold_estimators_ : list of estimator
        Fitted without one fold of lots each.
    residual_ : ndarray of shape (n_tiles,)
        Out-of-fold residual of each training tile.
    lot_of_residual_ : ndarray of shape (n_tiles,), int
    fold_of_lot_ : ndarray of shape (n_lots,), int
        Of the lots that have tiles, numbered without a gap.

    Notes
    -----
    Coverage is a promise over lots drawn like the training lots, not for a lot far from them. The
    interval for a lot is calibrated on means over as many tiles as the training lots have; from
    much fewer tiles the mean is less certain than it says.

    References
    ----------
    .. [1] R. F. Barber, E. J. Candes, A. Ramdas, R. J. Tibshirani, Ann. Statist. 49 (2021) 486-507.
    .. [2] R. Dunn, L. Wasserman, A. Ramdas, J. Am. Stat. Assoc. 118 (2023) 2491-2502.
    """

    def __init__(
        self, estimator: Any = None, *, n_folds: int = 5, level: float = 0.9, random_state: int = 0
    ) -> None:
        self.estimator = estimator
        self.n_folds = n_folds
        self.level = level
        self.random_state = random_state

    def fit(
        self,
        tiles: Tiles,
        y: ArrayLike,
        *,
        n_jobs: int = 1,
        checkpoint: str | os.PathLike[str] | None = None,
        progress: Callable[[int, int, str], None] | None = None,
    ) -> Self:
        """Fit one regressor to all lots and one without each fold; see :func:`validate_lots`."""
        from matlever.micrographs.regression.estimator import TileRegressor

        base = TileRegressor() if self.estimator is None else self.estimator
        validation = validate_lots(
            base,
            tiles,
            y,
            n_folds=self.n_folds,
            shuffled=False,
            random_state=self.random_state,
            n_jobs=n_jobs,
            checkpoint=checkpoint,
            progress=progress,
        )
        return self._take(clone(base).fit(tiles, y), validation)

    @classmethod
    def from_validation(
        cls, full_model: Any, validation: LotValidation, *, level: float = 0.9
    ) -> Self:
        """Put together what a validation has fitted already; nothing is fitted again.

        Parameters
        ----------
        full_model : estimator
            Fitted to all lots.
        validation : LotValidation
            With its fold models.
        level : float, default=0.9
        """
        folds = len(validation.fold_models)
        if folds < 2:
            raise SettingsError("This validation did not keep its fold models.")
        return cls(clone(full_model), n_folds=folds, level=level)._take(full_model, validation)

    def _take(self, full_model: Any, validation: LotValidation) -> Self:
        held = validation.lots_held_out
        present, at = np.unique(held.lot, return_inverse=True)
        self.estimator_ = full_model
        self.fold_estimators_ = list(validation.fold_models)
        self.residual_ = held.measured - held.prediction
        self.lot_of_residual_ = at.astype(np.intp)
        self.fold_of_lot_ = validation.fold_of_lot[present]
        return self

    # -- predicting -------------------------------------------------------------------------------

    def predict(self, tiles: Tiles) -> Any:
        """Return the prediction of the regressor of all lots."""
        check_is_fitted(self)
        return self.estimator_.predict(tiles)

    def predict_tensor(self, X: torch.Tensor) -> torch.Tensor:
        """Return the prediction of the regressor of all lots, with its gradient."""
        check_is_fitted(self)
        found: torch.Tensor = self.estimator_.predict_tensor(X)
        return found

    def predict_interval(self, tiles: Tiles, level: float | None = None) -> tuple[Array, Array]:
        """Return where the property of each tile's lot lies, judged by that tile alone.

        Parameters
        ----------
        tiles : Tiles
            n tiles.
        level : float, optional
            Share of lots to cover; default the parameter of that name.

        Returns
        -------
        lower, upper : ndarray of shape (n,)
            Infinite when there are too few lots for the level (9 at 0.9).
        """
        fold = self.fold_of_lot_[self.lot_of_residual_]
        size = np.bincount(self.lot_of_residual_).astype(np.float64)
        weight = 1 / ((len(size) + 1) * size[self.lot_of_residual_])
        return _weighted_cv_plus(
            np.abs(self.residual_), fold, weight, self._of_folds(tiles), self._level(level)
        )

    def predict_lots(self, tiles: Tiles, level: float | None = None) -> pd.DataFrame:
        """Return one row for each lot, judged by all of its tiles.

        Returns
        -------
        lots : DataFrame indexed by lot
            ``mean`` and ``sd`` of the predictions for its tiles, ``lower`` and ``upper`` end of the
            interval for the lot, and ``n_tiles``.
        """
        import pandas as pd

        found = np.asarray(self.predict(tiles), dtype=np.float64)
        present, at = np.unique(tiles.lot, return_inverse=True)
        mean = lot_means(found, at)
        of_folds = np.stack([lot_means(row, at) for row in self._of_folds(tiles)])
        lower, upper = cv_plus(
            lot_means(self.residual_, self.lot_of_residual_),
            self.fold_of_lot_,
            of_folds,
            self._level(level),
        )
        return pd.DataFrame(
            {
                "mean": mean,
                "sd": np.sqrt(lot_means((found - mean[at]) ** 2, at)),
                "lower": lower,
                "upper": upper,
                "n_tiles": np.bincount(at),
            },
            index=pd.Index([tiles.lot_names[i] for i in present], name="lot"),
        )

    def _of_folds(self, tiles: Tiles) -> Array:
        check_is_fitted(self)
        return np.stack(
            [
                np.asarray(model.predict(tiles), dtype=np.float64).reshape(len(tiles))
                for model in self.fold_estimators_
            ]
        )

    def _level(self, level: float | None) -> float:
        found = self.level if level is None else level
        if not 0 < found < 1:
            raise SettingsError(f"level={found}: the share to cover is between 0 and 1, like 0.9.")
        return found

    # -- to a model folder and back ---------------------------------------------------------------

    def to_state(self) -> State:
        """Return everything needed to rebuild the fitted object; see `matlever.storage`."""
        check_is_fitted(self)
        return State(
            kind=type(self).__name__,
            config={
                "n_folds": len(self.fold_estimators_),
                "level": float(self.level),
                "random_state": int(self.random_state),
            },
            arrays={
                "residual": self.residual_,
                "lot_of_residual": self.lot_of_residual_.astype(np.int64),
                "fold_of_lot": self.fold_of_lot_.astype(np.int64),
            },
            parts={
                "full": self.estimator_.to_state(),
                **{f"fold_{k}": model.to_state() for k, model in enumerate(self.fold_estimators_)},
            },
        )

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Rebuild a fitted object; predictions and intervals are bitwise those of the original.

        Raises
        ------
        ModelFileError
            If a value is missing or does not fit the others.
        """
        n_folds, level = state.get("n_folds"), state.get("level")
        if type(n_folds) is not int or n_folds < 2:
            raise ModelFileError(f"{state.kind}: n_folds is {n_folds!r}, expected 2 or more.")
        if not isinstance(level, float) or not 0 < level < 1:
            raise ModelFileError(f"{state.kind}: level is {level!r}, expected a share like 0.9.")
        full = _restored(state.part("full"))
        folds = [_restored(state.part(f"fold_{k}")) for k in range(n_folds)]
        seed = int(state.get("random_state"))
        model = cls(clone(full), n_folds=n_folds, level=level, random_state=seed)
        model.estimator_, model.fold_estimators_ = full, folds
        model.residual_ = state.array("residual", (None,), np.float64)
        lot = state.array("lot_of_residual", model.residual_.shape, np.int64).astype(np.intp)
        fold = state.array("fold_of_lot", (None,), np.int64).astype(np.intp)
        n = len(fold)
        if set(lot.tolist()) != set(range(n)) or not set(fold.tolist()) <= set(range(n_folds)):
            raise ModelFileError(f"{state.kind}: lots and folds of the residuals do not fit.")
        model.lot_of_residual_, model.fold_of_lot_ = lot, fold
        return model


def _restored(state: State) -> Any:
    from matlever.micrographs.regression.estimator import TileRegressor
    from matlever.micrographs.regression.lot_model import LotRegressor

    known: Sequence[Any] = (TileRegressor, LotRegressor)
    for kind in known:
        if state.kind == kind.__name__:
            return kind.from_state(state)
    raise ModelFileError(f"A {state.kind!r} is no regressor of tiles.")


def _weighted_cv_plus(
    size: Array, fold: Integers, weight: Array, fold_predictions: Array, level: float
) -> tuple[Array, Array]:
    """Return CV+ intervals in which row i weighs ``weight[i]``; the rest to 1 lies at infinity.

    The upper end is the smallest value below or at which `level` of the weight lies among
    ``mu_{-k(i)}(x) + size_i``; the lower end likewise from above.
    """
    n_new = fold_predictions.shape[1]
    lower, upper = np.full(n_new, -np.inf), np.full(n_new, np.inf)
    step = max(1, _CHUNK // len(size))
    enough = level * (1 - 1e-9)
    for start in range(0, n_new, step):
        here = slice(start, start + step)
        centre = fold_predictions[:, here][fold].T  # (chunk, n_rows)
        upper[here] = _quantile(centre + size, weight, enough)
        lower[here] = -_quantile(size - centre, weight, enough)
    return lower, upper


def _quantile(values: Array, weight: Array, share: float) -> Array:
    """Return the smallest of each row's values at which the weight reaches `share`, or infinity."""
    order = np.argsort(values, axis=1)
    reached = np.cumsum(weight[order], axis=1) >= share
    first = np.take_along_axis(order, reached.argmax(axis=1)[:, None], axis=1)
    found = np.take_along_axis(values, first, axis=1)[:, 0]
    return np.where(reached[:, -1], found, np.inf)
