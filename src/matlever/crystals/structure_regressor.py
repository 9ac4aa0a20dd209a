"""A regressor of crystals that are described by rows: which crystal, and how it is changed."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self, overload

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils.validation import check_is_fitted, validate_data

from matlever.crystals.library import CrystalLibrary
from matlever.crystals.restore import restore
from matlever.exceptions import ModelFileError, SettingsError
from matlever.storage import State

__all__ = ["StructureRegressor"]

Float = NDArray[np.float64]


class StructureRegressor(RegressorMixin, BaseEstimator):
    """Predict from rows of a :class:`CrystalLibrary` with a model of crystal graphs.

    Parameters
    ----------
    network : estimator or None, default=None
        Takes :class:`CrystalGraphs`; None means :class:`CGCNNRegressor`.
    library : CrystalLibrary or None, default=None
        Where the crystals are; needed to fit and to predict.

    Attributes
    ----------
    network_ : fitted estimator
    log_targets_ : ndarray of shape (1,), bool
        Always False: energies and moduli are learned as they are.
    feature_names_in_ : ndarray of str
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "network": "no_validation",  # type: ignore[dict-item]
        "library": [CrystalLibrary, None],
    }

    def __init__(self, network: Any = None, library: CrystalLibrary | None = None) -> None:
        self.network = network
        self.library = library

    def fit(self, X: pd.DataFrame, y: ArrayLike) -> Self:
        """Fit the network to the graphs of the rows.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, 1 + n_knobs)
        y : array_like of shape (n_samples,)
        """
        self._validate_params()
        validate_data(self, X, skip_check_array=True)
        if self.network is None:
            from matlever.crystals.cgcnn_regressor import CGCNNRegressor

            network: Any = CGCNNRegressor()
        else:
            network = clone(self.network)
        target = np.asarray(y, dtype=np.float64)
        self.network_ = network.fit(self._library().graphs_of(X), target)
        self.log_targets_ = np.zeros(1, dtype=bool)
        return self

    @overload
    def predict(self, X: pd.DataFrame, return_std: Literal[False] = False) -> Float: ...
    @overload
    def predict(self, X: pd.DataFrame, return_std: Literal[True]) -> tuple[Float, Float]: ...
    def predict(self, X: pd.DataFrame, return_std: bool = False) -> Float | tuple[Float, Float]:
        """Predict in the target's unit.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, 1 + n_knobs)
        return_std : bool, default=False
            Also return the spread of the networks.
        """
        check_is_fitted(self)
        validate_data(self, X, reset=False, skip_check_array=True)
        graphs = self._library().graphs_of(X)
        if not return_std:
            return np.asarray(self.network_.predict(graphs), dtype=np.float64)
        mean, std = self.network_.predict(graphs, return_std=True)
        return np.asarray(mean, dtype=np.float64), np.asarray(std, dtype=np.float64)

    def bind(self, library: CrystalLibrary) -> Self:
        """Look crystals up in `library` from now on; return itself."""
        self.library = library
        return self

    def _library(self) -> CrystalLibrary:
        if self.library is None:
            raise SettingsError("A StructureRegressor needs the library of its crystals: bind it.")
        return self.library

    def to_state(self) -> State:
        """Return the network as plain data; the library is stored once, by whoever owns it."""
        check_is_fitted(self)
        return State(
            "StructureRegressor",
            {"features": [str(name) for name in self.feature_names_in_]},
            parts={"network": self.network_.to_state()},
        )

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Rebuild a fitted regressor that is not bound to a library yet."""
        if state.kind != "StructureRegressor":
            raise ModelFileError(f"Expected a StructureRegressor, found {state.kind!r}.")
        features = state.get("features")
        if not isinstance(features, list) or not all(isinstance(name, str) for name in features):
            raise ModelFileError("StructureRegressor: 'features' must be a list of names.")
        network = restore(state.part("network"))
        if not hasattr(network, "predict"):
            raise ModelFileError(f"StructureRegressor: a {network!r} cannot predict.")
        model = cls(clone(network))
        model.network_ = network
        model.log_targets_ = np.zeros(1, dtype=bool)
        model.n_features_in_ = len(features)
        model.feature_names_in_ = np.array(features, dtype=object)
        return model
