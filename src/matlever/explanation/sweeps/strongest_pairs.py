"""Which two knobs act together most: every pair on a coarse grid, in a few batched calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations as pairs_of
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import DataError, SettingsError
from matlever.explanation.sweeps.curves import Progress, mean_of_existing, ticker
from matlever.explanation.sweeps.interaction import interaction_of
from matlever.explanation.sweeps.pair_ranking import PairRanking
from matlever.explanation.sweeps.pair_sweep import check_pair, combinations
from matlever.explanation.sweeps.turning import axis_scale, check_knobs, turnable, turned, values_of
from matlever.knobs import (
    Editor,
    KnobSpace,
    Predictor,
    as_editor,
    as_predictor,
    predict_settings,
)
from matlever.knobs.samples import take_rows

__all__ = ["strongest_pairs"]

Array = NDArray[np.float64]


def strongest_pairs(
    predictor: Predictor,
    editor: Editor,
    samples: Any,
    n_pairs: int = 3,
    *,
    knobs: Sequence[str] | None = None,
    n_values: int = 4,
    n_samples: int = 20,
    most_knobs: int = 20,
    reference: Any = None,
    targets: Sequence[str] | None = None,
    batch_rows: int = 200_000,
    progress: Progress | None = None,
) -> PairRanking:
    """Rank pairs of knobs by how far they act together.

    Pairs are ranked by the standard deviation of their interaction (see `PairSweep.interaction`) in
    the target's unit. Its share of the pair's own variance, and so Friedman's H, would put pairs of
    knobs that hardly matter first [1]_.

    Parameters
    ----------
    predictor, editor, samples, reference, targets, batch_rows, progress
        As in `sweep`.
    n_pairs : int, default=3
        How many pairs `PairRanking.pairs` names at most.
    knobs : sequence of str or None, default=None
        Knobs that are paired; by default all that can be turned.
    n_values : int, default=4
        Values of each knob; of a categorical knob the most frequent levels.
    n_samples : int, default=20
        At most so many of the samples are turned, evenly spaced in their order.
    most_knobs : int, default=20
        Where there are more, those are paired that move the single predictions most.

    Returns
    -------
    ranking : PairRanking

    Raises
    ------
    DataError
        If there is no sample, or the predictor fails to return one finite number per sample.
    SettingsError
        If a number is too small, or there are no two knobs to turn.

    References
    ----------
    .. [1] A. Inglis, A. Parnell, C. B. Hurley, "Visualizing variable importance and variable
       interaction effects in machine learning models", J. Comput. Graph. Stat. 31 (2022) 766-778.
    """
    low = {"n_pairs": 1, "n_values": 2, "n_samples": 1, "most_knobs": 2, "batch_rows": 1}
    given = dict(zip(low, (n_pairs, n_values, n_samples, most_knobs, batch_rows), strict=True))
    for name, value in given.items():
        if value < low[name]:
            raise SettingsError(f"{name}={value} must be {low[name]} or more.")
    predictor, editor = as_predictor(predictor), as_editor(editor)
    space = editor.space
    names = turnable(space) if knobs is None else tuple(knobs)
    check_knobs(space, names)
    own = editor.values(samples)
    if not len(own):
        raise DataError("There is no sample to turn.")
    known = own if reference is None else editor.values(reference)
    some = np.unique(np.linspace(0, len(own) - 1, min(n_samples, len(own))).round().astype(int))
    grids = {name: _coarse(space, name, n_values, known) for name in names}
    asker = _Asker(
        predictor, editor, take_rows(samples, some), space.project(own[some]), batch_rows
    )
    if len(names) > most_knobs:
        names = _most_moving(asker, grids, most_knobs)
    candidates = [pair for pair in pairs_of(names, 2) if _is_free(space, pair)]
    if not candidates:
        raise SettingsError(f"There are no two knobs that can be turned together: {list(names)}.")
    asks = [(pair, combinations(grids[pair[0]], grids[pair[1]])) for pair in candidates]
    tick = ticker(progress, 0, len(asks), "pairs of knobs")
    found = []
    for (a, b), (individual, exists) in zip(candidates, asker.answers(asks, tick), strict=True):
        mean = mean_of_existing(individual, exists)
        shape = (len(grids[a]), len(grids[b]))
        surface = mean.reshape(*shape, *mean.shape[1:])
        found.append(interaction_of(surface, exists.all(axis=0).reshape(shape)))
    return PairRanking(
        candidates=tuple(candidates),
        sd=np.array([rest.sd for rest in found]),
        strength=np.array([rest.strength for rest in found]),
        n_pairs=n_pairs,
        n_calls=asker.n_calls,
        targets=None if targets is None else tuple(targets),
    )


@dataclass
class _Asker:
    """Predictions of some samples on many small grids, as many of them in one call as fit."""

    predictor: Predictor
    editor: Editor
    samples: Any
    own: Array
    batch_rows: int
    n_calls: int = 0

    def answers(
        self,
        asks: Sequence[tuple[Sequence[str], Array]],
        tick: Callable[[int], None] | None = None,
    ) -> Iterator[tuple[Array, NDArray[np.bool_]]]:
        """Yield per grid the predictions (n, v[, t]) and which of them exist (n, v)."""
        space, most = self.editor.space, max(1, self.batch_rows // len(self.own))
        start = 0
        while start < len(asks):
            ends = np.cumsum([len(values) for _, values in asks[start:]])
            stop = start + max(1, int(np.searchsorted(ends, most, side="right")))
            settings = np.concatenate(
                [turned(space, self.own, names, values) for names, values in asks[start:stop]],
                axis=1,
            )
            exists = np.asarray(np.isfinite(settings).all(axis=2))
            asked = np.where(exists[:, :, None], settings, self.own[:, None])
            individual = predict_settings(
                self.predictor, self.editor, self.samples, asked, batch_rows=self.batch_rows
            )
            self.n_calls += exists.size
            places = ends[: stop - start - 1]
            yield from zip(
                np.split(individual, places, axis=1), np.split(exists, places, axis=1), strict=True
            )
            if tick is not None:
                tick(stop - start)
            start = stop


def _coarse(space: KnobSpace, name: str, n_values: int, known: Array) -> Array:
    """Few values of a knob, all over its range; the most frequent levels of a categorical one."""
    data = known[:, int(space.positions([name])[0])]
    values = values_of(space, name, n_values, axis_scale(space, name, data))
    if len(values) <= n_values:
        return values
    counts = (data[:, None] == values).sum(axis=0)
    return np.sort(values[np.argsort(-counts, kind="stable")[:n_values]])


def _most_moving(asker: _Asker, grids: Mapping[str, Array], most: int) -> tuple[str, ...]:
    """Return the knobs along which single predictions vary most, in their order."""
    names = list(grids)
    moved = []
    for individual, exists in asker.answers([([name], grids[name][:, None]) for name in names]):
        own = np.where(
            exists.reshape(*exists.shape, *(1,) * (individual.ndim - 2)), individual, np.nan
        )
        moved.append(np.sqrt(_row_variance(own).mean(axis=0)))
    # (k[, t]); with several targets a knob counts for the one it moves most, in its own spread.
    found = np.array(moved).reshape(len(names), -1)
    largest = found.max(axis=0)
    score = (found / np.where(largest > 0, largest, 1.0)).max(axis=1)
    kept = np.sort(np.argsort(-score, kind="stable")[:most])
    return tuple(names[i] for i in kept)


def _row_variance(curves: Array) -> Array:
    """Variance along each curve (n, v[, t]) over the points that exist; 0 where there is none."""
    count = np.maximum(np.isfinite(curves).sum(axis=1), 1)
    filled = np.nan_to_num(curves)
    mean = filled.sum(axis=1) / count
    square = np.where(np.isfinite(curves), (curves - mean[:, None]) ** 2, 0.0).sum(axis=1)
    return np.asarray(square / count)


def _is_free(space: KnobSpace, pair: tuple[str, str]) -> bool:
    try:
        check_pair(space, pair)
    except SettingsError:
        return False
    return True
