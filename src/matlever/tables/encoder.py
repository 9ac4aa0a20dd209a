"""From a data frame of numbers and categories to a matrix of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pandas.api.types import is_bool_dtype, is_numeric_dtype
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from matlever.exceptions import DataError, Fault, ModelFileError
from matlever.storage import State
from matlever.tables._fitting import Float, fitted_config, rebuild

__all__ = ["TableEncoder"]


class TableEncoder(TransformerMixin, BaseEstimator):
    """Numbers stay, missing ones become the training median; categories become indicator columns.

    A category has one column per level seen in `fit`. A level not seen then, or a missing one, is
    zero in all of them. A number without a value in any training row, as some folds of a sparse
    column have it, is zero in every row, new ones included: nothing is known about its effect.
    Columns keep their order.

    Attributes
    ----------
    levels_ : dict of int to tuple of str
        Levels of each categorical column, by position, sorted.
    median_, lower_, upper_ : ndarray of shape (n_features,)
        Of the training values; zero for categorical and empty columns.
    empty_ : ndarray of shape (n_features,), bool
        Numeric columns without a value in the training rows.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Examples
    --------
    >>> import pandas as pd
    >>> from matlever.tables import TableEncoder
    >>> runs = pd.DataFrame({"T": [120.0, None, 160.0], "solvent": ["oleic", "ODE", "oleic"]})
    >>> encoder = TableEncoder().fit(runs)
    >>> encoder.get_feature_names_out().tolist()
    ['T', 'solvent=ODE', 'solvent=oleic']
    >>> encoder.transform(runs).tolist()
    [[120.0, 0.0, 1.0], [140.0, 1.0, 0.0], [160.0, 0.0, 1.0]]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}

    def fit(self, X: ArrayLike | pd.DataFrame, y: object = None) -> Self:
        """Note medians, ranges and levels.

        Parameters
        ----------
        X : DataFrame or array_like of shape (n_samples, n_features)
            Numeric columns may hold NaN. Columns of a data frame that are not numeric are
            categories.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        DataError
            If a value is not finite, or no column has a value at all.
        """
        columns = self._columns(X, reset=True)
        n = len(columns)
        self.levels_: dict[int, tuple[str, ...]] = {}
        self.median_, self.lower_, self.upper_ = np.zeros(n), np.zeros(n), np.zeros(n)
        self.empty_ = np.zeros(n, dtype=bool)
        for j, values in enumerate(columns):
            if values.dtype == object:
                self.levels_[j] = tuple(sorted({v for v in values if v is not None}))
                continue
            known = values[~np.isnan(values)]
            if not len(known):
                self.empty_[j] = True
                continue
            self.median_[j] = np.median(known)
            self.lower_[j], self.upper_[j] = known.min(), known.max()
        numeric = len(columns) - len(self.levels_)
        if not any(self.levels_.values()) and self.empty_.sum() == numeric:
            raise DataError("No input has a value or a level: there is nothing to learn from.")
        return self

    def transform(self, X: ArrayLike | pd.DataFrame) -> Float:
        """Return the matrix of numbers, shape (n_samples, n_columns_out), float64, without NaN."""
        check_is_fitted(self)
        parts = []
        for j, values in enumerate(self._columns(X, reset=False)):
            if j in self.levels_:
                levels = np.array(self.levels_[j], dtype=object)
                parts.append((values[:, None] == levels).astype(np.float64))
            elif self.empty_[j]:
                parts.append(np.zeros((len(values), 1)))
            else:
                parts.append(np.where(np.isnan(values), self.median_[j], values)[:, None])
        return np.hstack(parts)

    def outside(self, X: ArrayLike | pd.DataFrame) -> NDArray[np.bool_]:
        """Return which values lie outside the training range or are levels not seen in `fit`.

        Returns
        -------
        outside : ndarray of shape (n_samples, n_features), bool
            By input column, not by encoded column. Missing values are not outside; a value in a
            column that was empty in `fit` is.
        """
        check_is_fitted(self)
        parts = []
        for j, values in enumerate(self._columns(X, reset=False)):
            if j in self.levels_:
                known = {None, *self.levels_[j]}
                parts.append(np.array([value not in known for value in values], dtype=bool))
            else:
                beyond = (values < self.lower_[j]) | (values > self.upper_[j])
                parts.append(~np.isnan(values) if self.empty_[j] else beyond)
        return np.stack(parts, axis=1)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Return the names of the columns of :meth:`transform`, ``column=level`` for categories."""
        check_is_fitted(self)
        names = []
        for j, name in enumerate(self._names()):
            if j in self.levels_:
                names += [f"{name}={level}" for level in self.levels_[j]]
            else:
                names.append(name)
        return np.array(names, dtype=object)

    def to_state(self) -> State:
        """Return the fitted encoder as plain data."""
        check_is_fitted(self)
        levels = {str(j): list(values) for j, values in self.levels_.items()}
        return State(
            kind="TableEncoder",
            config=fitted_config(self, levels=levels),
            arrays={
                "median": self.median_,
                "lower": self.lower_,
                "upper": self.upper_,
                "empty": self.empty_,
            },
        )

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Rebuild a fitted encoder."""
        model = rebuild(cls, state)
        n = model.n_features_in_
        # Arrays first: without them a huge number of inputs would be believed.
        for name in ("median", "lower", "upper"):
            setattr(model, f"{name}_", state.array(name, (n,), np.float64))
        model.empty_ = state.array("empty", (n,), np.bool_)
        levels = state.get("levels")
        if not isinstance(levels, Mapping):
            raise ModelFileError(f"{state.kind}: 'levels' must map columns to lists of names.")
        model.levels_ = {}
        positions = {str(j): j for j in range(n)}
        for key, values in levels.items():
            position = positions.get(key)
            if (
                position is None
                or not isinstance(values, list)
                or not all(isinstance(value, str) for value in values)
                or values != sorted(set(values))
            ):
                raise ModelFileError(f"{state.kind}: the levels of column {key!r} cannot be used.")
            model.levels_[position] = tuple(values)
        if not len(model.get_feature_names_out()):
            raise ModelFileError(f"{state.kind}: the encoder has no column.")
        return model

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.requires_fit = True
        return tags

    def _names(self) -> list[str]:
        if hasattr(self, "feature_names_in_"):
            return [str(name) for name in self.feature_names_in_]
        return [f"x{j}" for j in range(self.n_features_in_)]

    def _columns(self, X: ArrayLike | pd.DataFrame, *, reset: bool) -> list[NDArray[Any]]:
        """Return each column: float64 (NaN = missing), or objects (str, None = missing)."""
        if not isinstance(X, pd.DataFrame):
            checked = validate_data(
                self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan"
            )
            if not reset and self.levels_:
                raise DataError("The encoder was fitted to a data frame with categories; give one.")
            return list(np.ascontiguousarray(checked.T))
        if not len(X) or not X.shape[1]:
            check_array(X.to_numpy(), dtype=None)  # raises, naming the shape
        validate_data(self, X, reset=reset, skip_check_array=True)
        columns: list[NDArray[Any]] = []
        faults = []
        for j in range(X.shape[1]):
            column = X.iloc[:, j]
            numeric = is_numeric_dtype(column.dtype) or is_bool_dtype(column.dtype)
            if not reset:
                as_category = j in self.levels_
                if numeric and as_category and not column.isna().all():
                    column = column.astype(object)
            else:
                as_category = not numeric
            if as_category:
                values = np.empty(len(column), dtype=object)
                values[:] = [None if pd.isna(v) else str(v) for v in column]
                columns.append(values)
                continue
            try:
                numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
            except (ValueError, TypeError):
                faults.append(self._fault(j, X, "holds text, but is a number in the training rows"))
                continue
            if np.isinf(numbers).any():
                faults.append(self._fault(j, X, "holds a value that is infinity"))
                continue
            columns.append(numbers)
        if faults:
            raise DataError(faults)
        return columns

    @staticmethod
    def _fault(j: int, X: pd.DataFrame, reason: str) -> Fault:
        return Fault(reason, "Correct the value or leave the column out.", column=str(X.columns[j]))
