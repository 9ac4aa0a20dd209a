"""SMOTE-REG: synthetic rows on the chords between measured ones, targets interpolated alike."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from matlever.exceptions import SettingsError
from matlever.tables._combinations import row_combinations
from matlever.tables._duplicates import first_of_duplicates

__all__ = ["SmoteReg"]


class SmoteReg(BaseEstimator):
    r"""Over-sampling for regression: SMOTE inside every combination of rows [1]_.

    Every combination of `n_combination` rows in turn plays the minority class. For each of its
    rows x, `amount` / 100 times, one of the `k_neighbors` nearest rows x~ of the same combination
    and one number :math:`\lambda \sim U(0, 1)` are drawn, which give

    .. math:: x_{new} = x + \lambda (\tilde x - x), \qquad
              y_{new} = y + \lambda (\tilde y - y).

    The new rows of all combinations follow the original rows; exact duplicates are dropped. 28
    rows in pairs at 1,200 % give 378 x 2 x 12 + 28 = 9,100 rows, the count of the nanorod study.

    Parameters
    ----------
    n_combination : int, default=2
        T, rows per combination, at most the number of rows.
    amount : int, default=1200
        N in percent: each row of a combination gives ``int(N / 100)`` new rows. Below 100 a random
        share ``int(N / 100 * T)`` of the combination's rows is kept, with one new row each.
    k_neighbors : int, default=1
        k, nearest rows to choose from; clipped to T - 1.
    max_combinations : int, default=100_000
        With more combinations than this, so many different ones are drawn at random.
    scale_distances : bool, default=True
        Measure distances in units of each input's standard deviation; False measures them in the
        inputs' own units. Has no influence with pairs.
    random_state : int, RandomState instance or None, default=None
        Source of all draws.

    Attributes
    ----------
    parents_ : ndarray of shape (n_synthetic, 2), int
        Row of x and row of x~ in the data given, for each synthetic row.
    lambda_ : ndarray of shape (n_synthetic,)
        Its interpolation weight.
    original_rows_ : ndarray of shape (n_original,), int
        Rows of the data given that stand at the top of the result (without duplicates).
    n_combinations_ : int
        Combinations used.
    sampled_ : bool
        Whether `max_combinations` was hit.

    Notes
    -----
    A sampler in the sense of imbalanced-learn, for its ``Pipeline``: synthetic rows are then made
    from the training part of each fold alone. (Its ``BaseSampler`` refuses continuous targets,
    hence this is a plain estimator.) Augmenting before cross-validation leaks test rows into
    training: see :func:`matlever.validation.three_number_check`.

    SMOTE-REG adds no information: with pairs the covariance of the rows shrinks to
    2/3 - 1/(3(n-1)) of itself, no extreme is extended, and curved responses are flattened.

    Memory: about (d + t + 3) x 8 bytes per synthetic row at rest (d inputs, t targets) and twice
    that while it works; 300 rows in pairs, 1,076,700 rows with 5 inputs, take 0.15 GB at most.
    With T > 2 the distances between all rows, n x n x 8 bytes, come on top.

    References
    ----------
    .. [1] SMOTE-REG of the CdSe/CdS nanorod study (Algorithm 2), after N. V. Chawla et al., "SMOTE:
       synthetic minority over-sampling technique", J. Artif. Intell. Res. 16 (2002) 321-357.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).random((28, 3))
    >>> X_new, y_new = SmoteReg(random_state=0).fit_resample(X, X.sum(axis=1))
    >>> X_new.shape
    (9100, 3)
    """

    def __init__(
        self,
        n_combination: int = 2,
        amount: int = 1200,
        k_neighbors: int = 1,
        max_combinations: int = 100_000,
        scale_distances: bool = True,
        random_state: Any = None,
    ) -> None:
        self.n_combination = n_combination
        self.amount = amount
        self.k_neighbors = k_neighbors
        self.max_combinations = max_combinations
        self.scale_distances = scale_distances
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Check parameters and data; nothing is learnt.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.

        Returns
        -------
        self : SmoteReg
            Itself.

        Raises
        ------
        SettingsError
            If a parameter is out of range or there are fewer rows than a combination has.
        """
        self._validate(X, y)
        return self

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Return the original rows followed by the synthetic ones.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Inputs, numeric.
        y : array-like, Series or DataFrame of shape (n_samples,) or (n_samples, n_targets)
            Targets.

        Returns
        -------
        X_resampled : ndarray or DataFrame of shape (n_new, n_features)
            Original rows in their order, then synthetic ones; of the type of `X`.
        y_resampled : ndarray, Series or DataFrame of shape (n_new,) or (n_new, n_targets)
            Their targets; of the type of `y`.

        Raises
        ------
        SettingsError
            If a parameter is out of range or there are fewer rows than a combination has.
        """
        x, targets = self._validate(X, y)
        generator = numpy_generator(self.random_state)
        first, second = self._draw_parents(x, generator)
        weight = generator.random(len(first))
        n_original, n_inputs = x.shape
        rows = np.concatenate([x, targets.reshape(n_original, -1)], axis=1)
        rows += 0.0  # -0.0 becomes 0.0: equal numbers get equal bits
        merged = np.empty((n_original + len(first), rows.shape[1]))
        merged[:n_original] = rows
        synthetic = merged[n_original:]
        np.take(rows, second, axis=0, out=synthetic)
        start = rows[first]
        synthetic -= start
        synthetic *= weight[:, None]
        synthetic += start
        kept = first_of_duplicates(merged)
        if kept is not None:
            merged = merged[kept]
            self.original_rows_ = kept[kept < n_original]
            new = kept[kept >= n_original] - n_original
            first, second, weight = first[new], second[new], weight[new]
        else:
            self.original_rows_ = np.arange(n_original)
        self.parents_ = np.column_stack([first, second])
        self.lambda_ = weight
        return like(merged[:, :n_inputs], X), like(
            merged[:, n_inputs] if targets.ndim == 1 else merged[:, n_inputs:], y
        )

    def _validate(self, X: Any, y: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        for name, least in (
            ("n_combination", 1),
            ("amount", 1),
            ("k_neighbors", 1),
            ("max_combinations", 1),
        ):
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)) or value < least:
                raise SettingsError(f"{name}={value!r} must be a whole number of at least {least}.")
        x, targets = validate_data(
            self,
            X,
            y,
            dtype=np.float64,
            multi_output=True,
            y_numeric=True,
            ensure_min_samples=min(self.n_combination, 2),
        )
        if self.n_combination > len(x):
            raise SettingsError(
                f"n_combination={self.n_combination} rows cannot be chosen from n_samples={len(x)} "
                "rows. "
                "Give more rows or choose a smaller n_combination."
            )
        return x, np.asarray(targets, dtype=np.float64)

    def _draw_parents(
        self, x: NDArray[np.float64], generator: np.random.Generator
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the rows x and x~ of every synthetic row."""
        combinations, n_possible = row_combinations(
            len(x), self.n_combination, self.max_combinations, generator
        )
        self.n_combinations_, self.sampled_ = len(combinations), len(combinations) < n_possible
        size, copies = self.n_combination, self.amount // 100
        if self.amount < 100:
            size, copies = self.amount * size // 100, 1
            share = generator.permuted(combinations, axis=1)[:, :size]
            combinations = np.sort(share, axis=1)
        if size < 2:  # a single row has no neighbour
            none = np.empty(0, dtype=np.intp)
            return none, none
        if size == 2:
            first, second = combinations, combinations[:, ::-1]
            return first.ravel().repeat(copies), second.ravel().repeat(copies)
        scale = x.std(axis=0) if self.scale_distances else np.ones(x.shape[1])
        near = _nearest(x / np.where(scale > 0, scale, 1.0), combinations, self.k_neighbors)
        first = combinations.ravel().repeat(copies)
        choice = generator.integers(near.shape[2], size=len(first))
        row = np.arange(combinations.size).repeat(copies)
        return first, near.reshape(combinations.size, -1)[row, choice]


def _nearest(z: NDArray[np.float64], combinations: NDArray[np.intp], k: int) -> NDArray[np.intp]:
    """Return the k nearest rows (n_combinations, size, k) of each row within its combination."""
    n_combinations, size = combinations.shape
    k = min(k, size - 1)
    distance = cdist(z, z, "sqeuclidean")
    same = np.eye(size, dtype=bool)
    near = np.empty((n_combinations, size, k), dtype=np.intp)
    chunk = max(1, 4_000_000 // size**2)
    for start in range(0, n_combinations, chunk):
        rows = combinations[start : start + chunk]
        within = distance[rows[:, :, None], rows[:, None, :]]
        within[:, same] = np.inf
        if k == 1:
            order = within.argmin(axis=2)[:, :, None]
        else:
            order = np.argpartition(within, k - 1, axis=2)[:, :, :k]
        near[start : start + chunk] = np.take_along_axis(rows[:, None, :], order, axis=2)
    return near


def numpy_generator(random_state: Any) -> np.random.Generator:
    """Return a Generator seeded from scikit-learn's kinds of `random_state`."""
    if isinstance(random_state, (int, np.integer)):
        return np.random.default_rng(int(random_state))
    return np.random.default_rng(check_random_state(random_state).randint(2**31, size=4))


def like(values: NDArray[np.float64], template: Any) -> Any:
    """Return `values` as DataFrame or Series if `template` is one, with its names."""
    if isinstance(template, pd.DataFrame):
        return pd.DataFrame(values, columns=template.columns)
    if isinstance(template, pd.Series):
        return pd.Series(values, name=template.name)
    return values
