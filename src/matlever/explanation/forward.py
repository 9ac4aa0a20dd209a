"""What happens when a knob is turned: the prediction along it, sample by sample and on average.

The individual curves are individual conditional expectations (A. Goldstein et al., J. Comput.
Graph. Stat. 24 (2015) 44-65), their mean the partial dependence (J. H. Friedman, Ann. Stat. 29
(2001) 1189-1232). A part of a mixture moves along Cox's direction: the other parts keep their
ratios (D. R. Cox, Biometrika 58 (1971) 155-159).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import DataError, SettingsError
from matlever.explanation.sweeps import Sweep, Sweeps
from matlever.knobs import (
    DataRegion,
    Editor,
    Knob,
    KnobSpace,
    Predictor,
    as_editor,
    as_predictor,
    evaluate_settings,
    predict_settings,
)

__all__ = ["sweep"]

Array = NDArray[np.float64]


def sweep(
    predictor: Predictor,
    editor: Editor,
    samples: Any,
    knobs: Sequence[str] | None = None,
    n_values: int = 11,
    *,
    interval: Callable[[Any], tuple[Any, Any]] | None = None,
    reference: Any = None,
    targets: Sequence[str] | None = None,
    batch_rows: int = 200_000,
) -> Sweeps:
    """Turn one knob at a time and predict, every sample at every value.

    Parameters
    ----------
    predictor : Predictor
        Any fitted regressor, for one target or several.
    editor : Editor
        Turns settings into samples the predictor takes.
    samples : n samples
        The samples that are turned.
    knobs : sequence of str or None, default=None
        Which knobs; by default all that are not fixed and have more than one value.
    n_values : int, default=11
        Values between the limits; a knob with fewer values shows each, a categorical one all.
    interval : callable or None, default=None
        Takes m samples, returns their lower and upper prediction limits, each of shape (m,) or
        (m, t). They may be infinite (too few rows for the level asked for); the mean limit is NaN
        there.
    reference : samples or None, default=None
        Known samples; by default `samples`. They say which values are inside the data.
    targets : sequence of str or None, default=None
        Names of the predictor's targets; only for labels.
    batch_rows : int, default=200_000
        At most so many rendered samples at a time.

    Returns
    -------
    sweeps : Sweeps
        One `Sweep` per knob.

    Raises
    ------
    DataError
        If there is no sample, or the predictor fails to return one finite number per sample.
    SettingsError
        If a knob is unknown, or there is nothing to turn.

    Notes
    -----
    Where a mixture's other parts cannot make room within their limits, that point of that sample's
    curve does not exist and is NaN; the mean is over the curves that do.
    """
    predictor, editor = as_predictor(predictor), as_editor(editor)
    space = editor.space
    if n_values < 2:
        raise SettingsError(f"n_values={n_values} must be 2 or more.")
    names = _turnable(space) if knobs is None else tuple(knobs)
    space.positions(names)
    if not names:
        raise SettingsError("There is no knob to turn: all are fixed or have one value.")
    own = editor.values(samples)
    if not len(own):
        raise DataError("There is no sample to turn.")
    known = own if reference is None else editor.values(reference)
    work = _Work(
        predictor,
        editor,
        samples,
        space.project(own),
        DataRegion(space, known),
        interval,
        batch_rows,
    )
    return Sweeps(
        tuple(_one(work, space[name], _values_of(space, name, n_values), known) for name in names),
        None if targets is None else tuple(targets),
    )


@dataclass(frozen=True)
class _Work:
    """What all knobs of one call share."""

    predictor: Predictor
    editor: Editor
    samples: Any
    own: Array
    region: DataRegion
    interval: Callable[[Any], tuple[Any, Any]] | None
    batch_rows: int


def _turnable(space: KnobSpace) -> tuple[str, ...]:
    turnable = []
    for knob in space:
        low, high = space.reachable_range(knob.name)
        if not knob.fixed and high > low:
            turnable.append(knob.name)
    return tuple(turnable)


def _values_of(space: KnobSpace, name: str, n_values: int) -> Array:
    """Values a knob is turned to, ascending and all allowed."""
    knob = space[name]
    low, high = space.reachable_range(name)
    allowed = knob.allowed
    if allowed is None:
        return np.linspace(low, high, n_values)
    allowed = allowed[(allowed >= low - 1e-9) & (allowed <= high + 1e-9)]
    if knob.kind == "categorical" or len(allowed) <= n_values:
        return allowed
    return np.unique(allowed[np.rint(np.linspace(0, len(allowed) - 1, n_values)).astype(int)])


def _turned(space: KnobSpace, own: Array, name: str, values: Array) -> Array:
    """Return settings (n, v, k) of n samples with one knob at v values; NaN where none exists."""
    j = int(space.positions([name])[0])
    settings = np.repeat(own[:, None], len(values), axis=1)
    settings[:, :, j] = values
    mixture = space.mixture_of(name)
    if mixture is None:
        return settings
    others = [part for part in space.positions(mixture.names).tolist() if part != j]
    free = [part for part in others if not space.knobs[part].fixed]
    rest = own[:, free].sum(axis=1)
    room = rest + own[:, j]
    # Cox's direction; where nothing else is left to scale, the others share what is freed equally.
    ratio = np.where(
        rest[:, None] > 1e-12 * mixture.total,
        own[:, free] / np.where(rest > 0, rest, 1.0)[:, None],
        1.0 / max(len(free), 1),
    )
    settings[:, :, free] = ratio[:, None] * (room[:, None] - values)[:, :, None]
    return space.project(settings, hold=[name], unreachable="nan")


def _one(work: _Work, knob: Knob, values: Array, known: Array) -> Sweep:
    space = work.editor.space
    settings = _turned(space, work.own, knob.name, values)
    exists = np.all(np.isfinite(settings), axis=2)
    # A point that does not exist is asked at the sample itself and struck out afterwards.
    asked = np.where(exists[:, :, None], settings, work.own[:, None])
    individual = predict_settings(
        work.predictor, work.editor, work.samples, asked, batch_rows=work.batch_rows
    )
    lower = upper = None
    if work.interval is not None:
        limits = work.interval
        both = evaluate_settings(
            lambda X: np.stack([np.asarray(side, dtype=float) for side in limits(X)], axis=-1),
            work.editor,
            work.samples,
            asked,
            batch_rows=work.batch_rows,
            allow_infinite=True,
        )
        both = np.where(np.isfinite(both), both, np.nan)
        lower, upper = (_mean(both[..., side], exists) for side in (0, 1))
    inside = work.region.inside(asked) & exists
    j = int(space.positions([knob.name])[0])
    missing = ~exists.reshape(exists.shape + (1,) * (individual.ndim - 2))
    return Sweep(
        knob=knob,
        values=values,
        individual=np.where(missing, np.nan, individual),
        mean=_mean(individual, exists),
        lower=lower,
        upper=upper,
        inside=inside.sum(axis=0) / np.maximum(exists.sum(axis=0), 1),
        reached=exists.mean(axis=0),
        data=known[:, j],
        n_calls=int(asked.shape[0] * asked.shape[1]),
    )


def _mean(curves: Array, exists: NDArray[np.bool_]) -> Array:
    """Mean over the samples (n, v[, t]) whose point exists; NaN where none does or one is NaN."""
    weight = exists.reshape(exists.shape + (1,) * (curves.ndim - 2)).astype(float)
    count = weight.sum(axis=0)
    total = (np.where(weight > 0, curves, 0.0)).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
