"""Means and spreads of a given model, through the gate that lets only feasible settings pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from matlever.exceptions import DataError, SettingsError
from matlever.knobs import Editor, Predictor, evaluate_settings, gives_std
from matlever.recommendation._coordinates import Coordinates
from matlever.recommendation._gaussian_process import OutcomeScale

__all__ = ["GivenPredictions", "spread_of"]

Array = NDArray[np.float64]

_LEVEL = 0.9  # of the intervals that are turned into standard deviations


def spread_of(predictor: Predictor) -> tuple[Callable[[Any], tuple[Any, Any]], str | None]:
    """Return a function of samples that gives means and spreads, and what the spread is.

    In this order: ``predict(X, return_std=True)``; half the width of ``predict_interval(X)`` over
    that of a standard normal; the standard deviation over the trees of a forest [1]_; none, which
    leaves the spread to the Gaussian process (the second value is None).

    References
    ----------
    .. [1] F. Hutter, H. H. Hoos, K. Leyton-Brown, LION 5 (2011) 507-523, Sec. 4.1.
    """
    predict: Any = predictor.predict
    if gives_std(predictor):
        return lambda X: predict(X, return_std=True), "its own standard deviation"
    interval = getattr(predictor, "predict_interval", None)
    if callable(interval):
        share = 2 * ndtri(0.5 + _LEVEL / 2)

        def with_interval(X: Any) -> tuple[Any, Any]:
            lower, upper = interval(X, level=_LEVEL)
            return predict(X), (np.asarray(upper) - np.asarray(lower)) / share

        return with_interval, f"its own {100 * _LEVEL:.0f} % intervals"
    if _is_forest(predictor):
        trees: Sequence[Any] = predictor.estimators_  # type: ignore[attr-defined]

        def over_trees(X: Any) -> tuple[Any, Any]:
            rows = np.asarray(X, dtype=np.float32)
            return predict(X), np.std([tree.predict(rows) for tree in trees], axis=0)

        return over_trees, "the standard deviation over its trees"
    return lambda X: (predict(X), np.nan), None


def _is_forest(predictor: Any) -> bool:
    from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

    return isinstance(predictor, ExtraTreesRegressor | RandomForestRegressor) and hasattr(
        predictor, "estimators_"
    )


class GivenPredictions:
    """Means and spreads of t targets at points, each asked for once.

    Parameters
    ----------
    predictor : Predictor
        The model; its columns are the targets, in order.
    editor : Editor
        Renders settings.
    base : one sample
        What is not a knob is taken over from it.
    coordinates : Coordinates
        Of the points.
    base_values : ndarray of shape (k,)
        Where knobs without coordinate stand.
    columns : sequence of int
        Columns of the predictions that have a goal.
    n_targets : int
        Number of columns the predictions must have.
    """

    def __init__(
        self,
        predictor: Predictor,
        editor: Editor,
        base: Any,
        coordinates: Coordinates,
        base_values: Array,
        columns: Sequence[int],
        n_targets: int,
    ) -> None:
        self._function, self.spread_is = spread_of(predictor)
        self._editor, self._base, self._base_values = editor, base, base_values
        self._coordinates = coordinates
        self._columns, self._n_targets = list(columns), n_targets
        self._found: dict[bytes, Array] = {}

    def ask(self, samples: Any, values: Array) -> None:
        """Predict samples (n) at settings (n, k), and remember it for their points."""
        found = evaluate_settings(
            self._both, self._editor, samples, values[:, None], allow_infinite=True
        )[:, 0]
        points = self._coordinates.encode(values)
        for point, row in zip(points, found, strict=True):
            self._found.setdefault(point.tobytes(), row)

    def in_units(self, points: Array) -> tuple[Array, Array]:
        """Means and spreads at points (q, p), each of shape (q, t), in the targets' units."""
        new = [i for i, point in enumerate(points) if point.tobytes() not in self._found]
        if new:
            values = self._coordinates.decode(points[new], self._base_values)
            found = evaluate_settings(
                self._both, self._editor, self._base, values[None], allow_infinite=True
            )[0]
            for i, row in zip(new, found, strict=True):
                self._found[points[i].tobytes()] = row
        rows = np.array([self._found[point.tobytes()] for point in points])
        return rows[:, 0], rows[:, 1]

    def on(self, scales: Sequence[OutcomeScale]) -> Callable[[Array], tuple[Array, Array]]:
        """Return means and spreads as a function of points, on the models' (linear) scales."""
        centre = np.array([scale.centre for scale in scales])
        width = np.array([scale.width for scale in scales])

        def marginals(points: Array) -> tuple[Array, Array]:
            mean, spread = self.in_units(points)
            return (mean - centre) / width, spread / width

        return marginals

    def _both(self, X: Any) -> Array:
        """Means and spreads of samples, of shape (m, 2, t); an unknown spread is infinite."""
        mean, spread = self._function(X)
        mean = np.asarray(mean, dtype=float)
        mean = mean.reshape(len(mean), -1)
        if mean.shape[1] != self._n_targets:
            raise SettingsError(
                f"The predictor predicts {mean.shape[1]} targets, but {self._n_targets} outcomes "
                "were given: give the outcomes that it predicts, in its order."
            )
        if not np.isfinite(mean).all():
            raise DataError("The predictor returned a prediction that is not a finite number.")
        spread = np.asarray(spread, dtype=float)
        spread = np.broadcast_to(
            spread if spread.ndim == 0 else spread.reshape(mean.shape), mean.shape
        )
        spread = np.where(np.isnan(spread), np.inf, spread)
        return np.stack([mean, spread], axis=1)[:, :, self._columns]
