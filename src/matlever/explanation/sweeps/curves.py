"""Predictions of samples whose knobs are turned, and their averages over the samples that can be.

The curve of one sample is an individual conditional expectation (A. Goldstein et al., J. Comput.
Graph. Stat. 24 (2015) 44-65), the mean over samples the partial dependence (J. H. Friedman, Ann.
Stat. 29 (2001) 1189-1232).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matlever.explanation.sweeps.turning import turned
from matlever.knobs import DataRegion, Editor, Predictor, evaluate_settings, predict_settings
from matlever.knobs.samples import take

__all__ = ["Curves", "Interval", "Progress", "Turner", "mean_of_existing", "ticker"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Interval = Callable[[Any], tuple[Any, Any]]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class Curves:
    """Predictions of n samples at v combinations of values.

    Attributes
    ----------
    exists : ndarray of shape (n, v), bool
        Whether the sample can be turned there.
    individual : ndarray of shape (n, v[, t])
        Predictions; NaN where it cannot.
    mean : ndarray of shape (v[, t])
        Their mean over the samples that can.
    lower, upper : ndarray of shape (v[, t]) or None
        Means of the samples' prediction limits; NaN where one of them is infinite.
    inside : ndarray of shape (v,)
        Share of the samples that can whose setting is near known ones.
    """

    exists: Flags
    individual: Array
    mean: Array
    lower: Array | None
    upper: Array | None
    inside: Array


class _Chunk(NamedTuple):
    """What was found for some of the samples; `limits` (m, v[, t], 2) is empty when not asked."""

    exists: Flags
    inside: Flags
    individual: Array
    limits: Array


@dataclass(frozen=True, eq=False)
class Turner:
    """Samples, and what predicts them when they are turned.

    Attributes
    ----------
    own : ndarray of shape (n, k)
        Where the samples stand; feasible.
    region : DataRegion
        Where known samples are.
    interval : callable or None
        Takes m samples, returns their lower and upper prediction limits.
    batch_rows : int
        At most so many rendered samples at a time.
    """

    predictor: Predictor
    editor: Editor
    samples: Any
    own: Array
    region: DataRegion
    interval: Interval | None
    batch_rows: int

    def curves(
        self, names: Sequence[str], values: Array, tick: Callable[[int], None] | None = None
    ) -> Curves:
        """Predict every sample with the named h knobs at values (v, h).

        Parameters
        ----------
        tick : callable or None, default=None
            Called with the number of samples done since the last call.
        """
        n, v = len(self.own), len(values)
        rows = max(1, self.batch_rows // v)
        chunks = []
        for start in range(0, n, rows):
            stop = min(start + rows, n)
            chunks.append(self._some(start, stop, names, values))
            if tick is not None:
                tick(stop - start)
        exists = np.concatenate([chunk.exists for chunk in chunks])
        inside = np.concatenate([chunk.inside for chunk in chunks])
        individual = np.concatenate([chunk.individual for chunk in chunks])
        lower = upper = None
        if self.interval is not None:
            both = np.concatenate([chunk.limits for chunk in chunks])
            both = np.where(np.isfinite(both), both, np.nan)
            lower, upper = (mean_of_existing(both[..., side], exists) for side in (0, 1))
        missing = ~exists.reshape(exists.shape + (1,) * (individual.ndim - 2))
        return Curves(
            exists=exists,
            individual=np.where(missing, np.nan, individual),
            mean=mean_of_existing(individual, exists),
            lower=lower,
            upper=upper,
            inside=(inside & exists).sum(axis=0) / np.maximum(exists.sum(axis=0), 1),
        )

    def _some(self, start: int, stop: int, names: Sequence[str], values: Array) -> _Chunk:
        own, samples = self.own[start:stop], take(self.samples, start, stop)
        settings = turned(self.editor.space, own, names, values)
        exists: Flags = np.asarray(np.isfinite(settings).all(axis=2))
        # A point that does not exist is asked at the sample itself and struck out afterwards.
        asked = np.where(exists[:, :, None], settings, own[:, None])
        individual = predict_settings(
            self.predictor, self.editor, samples, asked, batch_rows=self.batch_rows
        )
        both = np.empty(0)
        if self.interval is not None:
            limits = self.interval
            both = evaluate_settings(
                lambda X: np.stack([np.asarray(side, dtype=float) for side in limits(X)], axis=-1),
                self.editor,
                samples,
                asked,
                batch_rows=self.batch_rows,
                allow_infinite=True,
            )
        return _Chunk(exists, self.region.inside(asked), individual, both)


def mean_of_existing(curves: Array, exists: Flags) -> Array:
    """Mean over the samples (n, v[, t]) whose point exists; NaN where none does or one is NaN."""
    weight = exists.reshape(exists.shape + (1,) * (curves.ndim - 2)).astype(float)
    count = weight.sum(axis=0)
    total = np.where(weight > 0, curves, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def ticker(
    progress: Progress | None, done: int, total: int, what: str
) -> Callable[[int], None] | None:
    """Return a call that counts on from `done` and reports, or None where nobody listens."""
    if progress is None:
        return None
    progress(done, total, what)

    def tick(more: int) -> None:
        nonlocal done
        done += more
        progress(done, total, what)

    return tick
