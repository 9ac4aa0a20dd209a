"""How a fitted ElemNet regressor predicts: members, dropout, intervals, activations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted, validate_data

from matlever.compositions._elemnet_intervals import HeldOutScores
from matlever.compositions._elemnet_rows import BLOCK, refuse_other_sums, selected
from matlever.compositions.compositions import Compositions
from matlever.compositions.elements import ELEMENTS
from matlever.exceptions import DataError, NotEnoughDataError, SettingsError

if TYPE_CHECKING:
    from matlever.compositions._elemnet_inference import Precision
    from matlever.compositions.elemnet import ElemNet

__all__ = ["N_LAYERS", "PredictingElemNet"]

Float = NDArray[np.float64]
Array32 = NDArray[np.float32]

N_LAYERS = 17


class PredictingElemNet:
    """What a fitted regressor does with new rows."""

    networks_: list[ElemNet]
    target_mean_: Float
    target_scale_: Float
    seen_: NDArray[np.bool_]
    calibration_: HeldOutScores | None
    fractions_: bool
    single_target_: bool
    n_features_in_: int
    elements: tuple[str, ...] | None
    mc_samples: int
    n_members: int
    precision: Precision
    _fit_seed: int

    @property
    def has_std(self) -> bool:
        """Whether standard deviations say anything: one network without dropout has no spread."""
        return self.n_members > 1 or self.mc_samples > 0

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict the targets as the mean over the members.

        Parameters
        ----------
        X : Compositions, DataFrame or array_like of shape (n, n_features)
            Element fractions. Compositions go through in blocks, whatever their number.
        return_std : bool, default=False
            Also return the standard deviation over the members and, with `mc_samples`, over
            passes with dropout. It orders predictions by how sure they are and is no interval.

        Returns
        -------
        y : ndarray of shape (n,) or (n, t)
            In the targets' units, shaped as the targets in :meth:`fit`.
        std : ndarray of the same shape
            Only with `return_std`.

        Raises
        ------
        DataError
            If the network was fitted to fractions and a row is none.
        """
        check_is_fitted(self)
        mean, std = self._moments(self._blocks(X), with_std=return_std)
        return (self._shaped(mean), self._shaped(std)) if return_std else self._shaped(mean)

    def predict_members(self, X: Any) -> Float:
        """Return what each member predicts, shape (n_members, n) or (n_members, n, t)."""
        from matlever.compositions._elemnet_inference import outputs_of

        check_is_fitted(self)
        parts = [
            np.stack(outputs_of(self.networks_, x, precision=self.precision))
            for x in self._blocks(X)
        ]
        found = np.concatenate(parts, axis=1) * self.target_scale_ + self.target_mean_
        return found[:, :, 0] if self.single_target_ else found

    def predict_interval(self, X: Any, level: float = 0.9) -> tuple[Float, Float]:
        """Return intervals that cover so large a share of new rows like the calibration rows.

        Parameters
        ----------
        X : Compositions, DataFrame or array_like of shape (n, n_features)
            Element fractions.
        level : float, default=0.9
            Share to cover.

        Returns
        -------
        lower, upper : ndarray of shape (n,) or (n, t)
            Infinite with too few calibration rows for the level.

        Raises
        ------
        NotEnoughDataError
            Without calibration rows.
        """
        check_is_fitted(self)
        if self.calibration_ is None:
            raise NotEnoughDataError(
                "There are no calibration rows: fit with calibration_share=0.1, or call "
                "calibrate(X, y) with rows that no network has seen."
            )
        mean, std = self._moments(self._blocks(X), with_std=True)
        half = self.calibration_.half_width(std, level)
        return self._shaped(mean - half), self._shaped(mean + half)

    def activations(self, X: Any, layer: int, member: int = 0) -> Float:
        """Return what a layer of one member gives out.

        Parameters
        ----------
        X : Compositions, DataFrame or array_like of shape (n, n_features)
            Element fractions.
        layer : int
            1 to 16 for the rectified layers; 0 gives the fractions.
        member : int, default=0
            Which network.

        Returns
        -------
        h : ndarray of shape (n, units of the layer)
        """
        from matlever.compositions._elemnet_inference import outputs_of

        check_is_fitted(self)
        if not 0 <= layer < N_LAYERS:
            raise SettingsError(f"layer={layer} must be from 0 to {N_LAYERS - 1}.")
        network = self.networks_[member]
        parts = [outputs_of([network], x, layer=layer)[0] for x in self._blocks(X)]
        return np.concatenate(parts).astype(np.float64)

    def unseen(self, X: Any) -> NDArray[np.bool_]:
        """Say of each row whether it holds an element that no training row held."""
        check_is_fitted(self)
        return np.concatenate([(x[:, ~self.seen_] != 0).any(axis=1) for x in self._blocks(X)])

    def _moments(self, blocks: Iterable[Array32], *, with_std: bool) -> tuple[Float, Float]:
        """Return mean and standard deviation (n, t) in the targets' units."""
        from matlever.compositions._elemnet_inference import dropout_outputs, outputs_of

        means, spreads = [], []
        for x in blocks:
            outputs = np.stack(outputs_of(self.networks_, x, precision=self.precision))
            means.append(outputs.mean(axis=0, dtype=np.float64))
            if with_std and self.mc_samples:
                outputs = dropout_outputs(self.networks_, x, self.mc_samples, self._fit_seed)
            if with_std:
                ddof = 1 if len(outputs) > 1 else 0
                spreads.append(outputs.std(axis=0, ddof=ddof, dtype=np.float64))
        mean = np.concatenate(means) * self.target_scale_ + self.target_mean_
        std = np.concatenate(spreads) * self.target_scale_ if with_std else mean
        return mean, std

    def _blocks(self, X: Any) -> Iterator[Array32]:
        """Yield checked rows, float32, compositions a block at a time."""
        if not isinstance(X, Compositions):
            yield self._new_rows(X)
            return
        if not len(X):
            raise NotEnoughDataError("There are no compositions to predict.")
        for start in range(0, len(X), BLOCK):
            yield self._new_rows(X[start : start + BLOCK], start)

    def _new_rows(self, X: Any, first: int = 0) -> Array32:
        if isinstance(X, Compositions):
            return np.asarray(selected(X, self._columns(), first=first), dtype=np.float32)
        x = validate_data(self, X, reset=False, dtype=np.float32)
        if self.fractions_:
            refuse_other_sums(x, first=first)
        return np.ascontiguousarray(x)

    def _columns(self) -> tuple[str, ...]:
        """Return the elements of the columns."""
        names = getattr(self, "feature_names_in_", None)
        if names is not None and set(names) <= set(ELEMENTS):
            return tuple(str(name) for name in names)
        columns = ELEMENTS if self.elements is None else tuple(self.elements)
        if len(columns) != self.n_features_in_:
            raise DataError(
                f"The network has {self.n_features_in_} inputs, compositions give {len(columns)} "
                "fractions. Fit it to Compositions, or to columns named by element."
            )
        return columns

    def _shaped(self, values: Float) -> Float:
        return values[:, 0] if self.single_target_ else values

    def calibrate(self, X: Any, y: ArrayLike) -> Self:
        """Learn the width of intervals from rows that no network has seen.

        Parameters
        ----------
        X : Compositions, DataFrame or array_like of shape (n, n_features)
            Other compositions than those trained on, drawn as the rows to predict will be.
        y : array_like of shape (n,) or (n, t)
            Their targets.
        """
        check_is_fitted(self)
        x = self._new_rows(X)
        targets = np.asarray(y, dtype=np.float64).reshape(len(x), -1)
        if targets.shape[1] != len(self.target_scale_) or not np.isfinite(targets).all():
            raise DataError(
                f"y of shape {targets.shape} must hold {len(self.target_scale_)} finite targets "
                f"for each of {len(x)} rows."
            )
        self._calibrate(x, targets)
        return self

    def _calibrate(self, x: Array32, targets: Float) -> None:
        self.calibration_ = None
        mean, std = self._moments([x], with_std=True)
        self.calibration_ = HeldOutScores.of(targets, mean, std)
