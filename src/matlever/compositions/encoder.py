"""From columns of element fractions to a matrix of numbers: fractions, physical attributes."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted, validate_data

from matlever.compositions.elements import ELEMENTS
from matlever.compositions.features import magpie_features, magpie_names
from matlever.exceptions import DataError, Fault, ModelFileError
from matlever.storage import State, restore

__all__ = ["FRACTION", "CompositionEncoder", "element_of"]

FRACTION = " fraction"
_TRACE = 0.01
_Z = {symbol: j for j, symbol in enumerate(ELEMENTS)}


def element_of(column: str) -> str | None:
    """Return the element whose fraction a column of this name holds, or None.

    Examples
    --------
    >>> element_of("Fe"), element_of("In fraction"), element_of("T")
    ('Fe', 'In', None)
    """
    symbol = column.removesuffix(FRACTION)
    return symbol if symbol in _Z else None


class CompositionEncoder(TransformerMixin, BaseEstimator):
    """Fractions stay; with them come physical attributes of the composition; the rest is encoded.

    A row's fractions are divided by their sum, so that per cent will do as well. Rows where all
    fractions are zero are refused. Physical attributes such as the largest electronegativity jump
    when a trace of an element appears: elements below half of what 99 % of the shares in the
    training rows exceed are left out of them.

    Parameters
    ----------
    elements : tuple of str or None, default=None
        Columns that hold fractions: the symbol, or the symbol and ``" fraction"``. By default all
        columns of such a name.
    physical : bool, default=True
        Add the attributes of :func:`matlever.compositions.magpie_features`.
    fractions : bool, default=True
        Keep the fractions themselves.
    rest : transformer or None, default=None
        For the other columns, which must be numbers where it is None.

    Attributes
    ----------
    columns_ : list of str
        Columns of fractions.
    others_ : list of str
        Other columns, in their order.
    rest_ : fitted transformer or None
    trace_ : float
        Share below which an element is left out of the attributes.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Examples
    --------
    >>> import pandas as pd
    >>> oxides = pd.DataFrame({"Ti": [1 / 3, 0.5], "O": [2 / 3, 0.5]})
    >>> CompositionEncoder(physical=False).fit_transform(oxides).round(2).tolist()
    [[0.33, 0.67], [0.5, 0.5]]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "elements": [tuple, list, None],
        "physical": ["boolean"],
        "fractions": ["boolean"],
        "rest": "no_validation",  # type: ignore[dict-item] # scikit-learn's word for anything
    }

    def __init__(
        self,
        elements: tuple[str, ...] | None = None,
        physical: bool = True,
        fractions: bool = True,
        rest: Any = None,
    ) -> None:
        self.elements = elements
        self.physical = physical
        self.fractions = fractions
        self.rest = rest

    def fit(self, X: pd.DataFrame, y: object = None) -> Self:
        """Note which columns hold fractions, and fit the encoder of the others.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_features)
        y : ignored

        Raises
        ------
        DataError
            If no column holds fractions, or an element that was named is none.
        """
        self._validate_params()
        if not isinstance(X, pd.DataFrame):
            raise DataError("A CompositionEncoder needs a data frame: names say which element.")
        validate_data(self, X, skip_check_array=True)
        names = [str(name) for name in X.columns]
        self.columns_ = (
            [name for name in names if element_of(name)]
            if self.elements is None
            else list(self.elements)
        )
        wrong = [name for name in self.columns_ if not element_of(name) or name not in names]
        if wrong or not self.columns_:
            raise DataError(
                f"No fractions of elements: {wrong[0]!r} is no column of that kind."
                if wrong
                else "No column holds the fractions of an element; they are called H, He, Li, ..."
            )
        self.others_ = [name for name in names if name not in self.columns_]
        shares = self._shares(X)
        self.trace_ = float(np.quantile(shares[shares > 0], _TRACE)) / 2
        self.rest_ = None
        if self.others_ and self.rest is not None:
            self.rest_ = clone(self.rest).fit(X[self.others_])
        return self

    def transform(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return the matrix of numbers, shape (n_samples, n_columns_out), float64.

        Raises
        ------
        DataError
            If the fractions of a row are negative, not finite, or all zero.
        """
        check_is_fitted(self)
        validate_data(self, X, reset=False, skip_check_array=True)
        shares = self._shares(X)
        parts = [shares] if self.fractions else []
        if self.physical:
            whole = np.zeros((len(shares), len(ELEMENTS)))
            seen = np.where(shares < self.trace_, 0.0, shares)
            seen = np.where(seen.any(axis=1, keepdims=True), seen, shares)
            whole[:, [_Z[str(element_of(name))] for name in self.columns_]] = seen / seen.sum(
                axis=1, keepdims=True
            )
            parts.append(magpie_features(whole))
        if self.others_:
            rest = X[self.others_]
            parts.append(
                rest.to_numpy(dtype=np.float64)
                if self.rest_ is None
                else np.asarray(self.rest_.transform(rest), dtype=np.float64)
            )
        return np.hstack(parts)

    def _shares(self, X: pd.DataFrame) -> NDArray[np.float64]:
        given = X[self.columns_].to_numpy(dtype=np.float64)
        total = given.sum(axis=1)
        wrong = ~np.isfinite(total) | (given < -1e-9).any(axis=1) | (total <= 0)
        if wrong.any():
            raise DataError(
                [
                    Fault(
                        "the fractions of the elements are negative, missing or all zero",
                        "They must be numbers of at least 0 with a positive sum.",
                        row=int(row) if isinstance(row := X.index[i], (int, np.integer)) else None,
                    )
                    for i in np.flatnonzero(wrong).tolist()
                ]
            )
        shares: NDArray[np.float64] = np.maximum(given, 0.0) / total[:, None]
        return shares

    def outside(self, X: pd.DataFrame) -> NDArray[np.bool_]:
        """Return which fractions are of elements the training rows lacked; (n, n_features).

        Columns that hold no fraction are as their own encoder says.
        """
        check_is_fitted(self)
        flags = np.zeros((len(X), X.shape[1]), dtype=bool)
        if self.rest_ is not None and hasattr(self.rest_, "outside"):
            places = [list(X.columns).index(name) for name in self.others_]
            flags[:, places] = self.rest_.outside(X[self.others_])
        return flags

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Return the names of the columns of :meth:`transform`."""
        check_is_fitted(self)
        names = list(self.columns_) if self.fractions else []
        names += magpie_names() if self.physical else ()
        if self.others_:
            names += (
                self.others_ if self.rest_ is None else list(self.rest_.get_feature_names_out())
            )
        return np.array(names, dtype=object)

    def to_state(self) -> State:
        """Return the fitted encoder as plain data."""
        check_is_fitted(self)
        return State(
            "CompositionEncoder",
            {
                "columns": list(self.columns_),
                "features": [str(name) for name in self.feature_names_in_],
                "physical": bool(self.physical),
                "fractions": bool(self.fractions),
                "trace": self.trace_,
            },
            parts={} if self.rest_ is None else {"rest": self.rest_.to_state()},
        )

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Rebuild a fitted encoder.

        Raises
        ------
        ModelFileError
            If the state is of another class, or its columns are none of elements.
        """
        if state.kind != "CompositionEncoder":
            raise ModelFileError(f"Expected a CompositionEncoder, found {state.kind!r}.")
        lists = {name: state.get(name) for name in ("columns", "features")}
        for name, values in lists.items():
            if (
                not isinstance(values, list)
                or not all(isinstance(value, str) for value in values)
                or len(set(values)) < len(values)
            ):
                raise ModelFileError(f"CompositionEncoder: {name!r} must list different names.")
        flags = [state.get(name) for name in ("physical", "fractions")]
        trace = state.get("trace")
        if not isinstance(trace, float) or not 0 <= trace < 1:
            raise ModelFileError(f"CompositionEncoder: 'trace' is {trace!r}, no share below 1.")
        columns, features = lists["columns"], lists["features"]
        if (
            not columns
            or not set(columns) <= set(features)
            or not all(element_of(name) for name in columns)
            or not all(isinstance(flag, bool) for flag in flags)
        ):
            raise ModelFileError("CompositionEncoder: its columns hold no fractions of elements.")
        rest = restore(state.part("rest")) if "rest" in state.parts else None
        model = cls(tuple(columns), flags[0], flags[1], None if rest is None else clone(rest))
        model.columns_, model.trace_ = list(columns), trace
        model.others_ = [name for name in features if name not in columns]
        model.rest_ = rest
        if rest is not None and rest.n_features_in_ != len(model.others_):
            raise ModelFileError("CompositionEncoder: the encoder of other columns does not fit.")
        model.n_features_in_ = len(features)
        model.feature_names_in_ = np.array(features, dtype=object)
        return model
