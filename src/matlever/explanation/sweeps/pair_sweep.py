"""What happens when two knobs are turned together: the mean prediction over both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import DataError, SettingsError
from matlever.explanation.sweeps.curves import Interval, Progress, Turner, ticker
from matlever.explanation.sweeps.pair_surface import PairSweep
from matlever.explanation.sweeps.turning import (
    axis_scale,
    check_knobs,
    values_of,
    wanted_values,
)
from matlever.knobs import DataRegion, Editor, KnobSpace, Predictor, as_editor, as_predictor

__all__ = ["check_pair", "combinations", "sweep_pair"]

Array = NDArray[np.float64]


def sweep_pair(
    predictor: Predictor,
    editor: Editor,
    samples: Any,
    knobs: tuple[str, str],
    n_values: int = 11,
    *,
    values: Mapping[str, Sequence[Any]] | None = None,
    interval: Interval | None = None,
    reference: Any = None,
    targets: Sequence[str] | None = None,
    batch_rows: int = 200_000,
    progress: Progress | None = None,
) -> PairSweep:
    """Turn two knobs together and predict, every sample at every pair of values.

    The mean over the samples is the two-knob partial dependence (J. H. Friedman, Ann. Stat. 29
    (2001) 1189-1232).

    Parameters
    ----------
    predictor : Predictor
        Any fitted regressor, for one target or several.
    editor : Editor
        Turns settings into samples the predictor takes.
    samples : n samples
        The samples that are turned.
    knobs : tuple of two str
        The knob of the horizontal axis and that of the vertical one.
    n_values : int, default=11
        Values of each between its limits; a knob with fewer values shows each, a categorical one
        all.
    values : mapping of str to sequence or None, default=None
        Values of one of them or both, instead of those that are chosen; names of levels for a
        categorical knob.
    interval, reference, targets, batch_rows, progress
        As in `sweep`.

    Returns
    -------
    surface : PairSweep
        The mean prediction, where the pair can be set and where data are near, and the strength of
        the knobs' interaction.

    Raises
    ------
    DataError
        If there is no sample, or the predictor fails to return one finite number per sample.
    SettingsError
        If the knobs are not two that can be turned independently, or `values` are none of theirs.

    Notes
    -----
    Values are spaced as in `sweep`. Both knobs are held at theirs; the other parts of a mixture
    keep their ratios, and what a relation ties to them makes room. A cell that no sample can reach
    is NaN; one that some can reach is their mean, and `PairSweep.reached` says how many they are.
    """
    predictor, editor = as_predictor(predictor), as_editor(editor)
    space = editor.space
    if n_values < 2 or batch_rows < 1:
        raise SettingsError(f"n_values={n_values} must be 2 or more, batch_rows={batch_rows} 1.")
    a, b = check_pair(space, knobs)
    wanted = wanted_values(space, (a, b), values)
    own = editor.values(samples)
    if not len(own):
        raise DataError("There is no sample to turn.")
    known = own if reference is None else editor.values(reference)
    data = known[:, space.positions((a, b))]
    scales = (axis_scale(space, a, data[:, 0]), axis_scale(space, b, data[:, 1]))
    grid = tuple(
        values_of(space, name, n_values, scale, wanted.get(name))
        for name, scale in zip((a, b), scales, strict=True)
    )
    turner = Turner(
        predictor,
        editor,
        samples,
        space.project(own),
        DataRegion(space, known),
        interval,
        batch_rows,
    )
    tick = ticker(progress, 0, len(own), f"{a}, {b}")
    found = turner.curves([a, b], combinations(*grid), tick)
    shape = (len(grid[0]), len(grid[1]))
    cells = found.exists.any(axis=0).reshape(shape)
    is_line = min(shape) > 1 and max(cells.sum(axis=0).max(), cells.sum(axis=1).max()) <= 1
    if is_line or not cells.any():
        raise SettingsError(
            f"{a!r} and {b!r} cannot be set independently: for each value of one there is at most "
            "one of the other. Turn one of them with sweep()."
        )
    return PairSweep(
        knobs=(space[a], space[b]),
        values=(grid[0], grid[1]),
        scales=scales,
        mean=found.mean.reshape(*shape, *found.mean.shape[1:]),
        lower=None if found.lower is None else found.lower.reshape(*shape, *found.mean.shape[1:]),
        upper=None if found.upper is None else found.upper.reshape(*shape, *found.mean.shape[1:]),
        inside=found.inside.reshape(shape),
        reached=found.exists.mean(axis=0).reshape(shape),
        data=data,
        n_samples=len(own),
        n_calls=found.exists.size,
        targets=None if targets is None else tuple(targets),
    )


def combinations(first: Array, second: Array) -> Array:
    """Every pair of the values of two knobs, (a * b, 2), the second changing fastest."""
    return np.stack([np.repeat(first, len(second)), np.tile(second, len(first))], axis=1)


def check_pair(space: KnobSpace, knobs: Sequence[str]) -> tuple[str, str]:
    """Return the names of two knobs that can be turned together.

    Raises
    ------
    SettingsError
        If they are not two, cannot be turned, or are all that can move of a mixture.
    """
    if isinstance(knobs, str) or len(knobs) != 2:
        raise SettingsError(f"knobs={knobs!r} must be the names of two knobs.")
    a, b = knobs
    check_knobs(space, (a, b))
    mixture = space.mixture_of(a)
    if mixture is not None and b in mixture.names:
        others = [name for name in mixture.names if name not in (a, b)]
        if not any(not space[name].fixed and space[name].high > 0 for name in others):
            raise SettingsError(
                f"{a!r} and {b!r} are all that can move of a mixture: one follows from the other. "
                "Turn one of them with sweep()."
            )
    return a, b
