"""What happens when a knob is turned: the prediction along it, sample by sample and on average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matlever.exceptions import DataError, SettingsError
from matlever.explanation.sweeps.curves import Interval, Progress, Turner, ticker
from matlever.explanation.sweeps.sweeps import Sweep, Sweeps
from matlever.explanation.sweeps.turning import (
    axis_scale,
    check_knobs,
    turnable,
    values_of,
    wanted_values,
)
from matlever.knobs import DataRegion, Editor, Predictor, as_editor, as_predictor

__all__ = ["sweep"]


def sweep(
    predictor: Predictor,
    editor: Editor,
    samples: Any,
    knobs: Sequence[str] | None = None,
    n_values: int = 11,
    *,
    values: Mapping[str, Sequence[Any]] | None = None,
    interval: Interval | None = None,
    reference: Any = None,
    targets: Sequence[str] | None = None,
    batch_rows: int = 200_000,
    progress: Progress | None = None,
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
    values : mapping of str to sequence or None, default=None
        Values of single knobs, instead of those that are chosen; names of levels for a categorical
        knob.
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
    progress : callable or None, default=None
        Called with (done, total, what) as samples are turned.

    Returns
    -------
    sweeps : Sweeps
        One `Sweep` per knob.

    Raises
    ------
    DataError
        If there is no sample, or the predictor fails to return one finite number per sample.
    SettingsError
        If a knob is unknown, fixed or has one value, or `values` are none of a knob's.

    Notes
    -----
    Values are evenly spaced, on a logarithmic axis for a knob whose data ask for one (all above
    zero, over a factor of 30 or more, and less skewed on that axis).

    The other parts of a mixture keep their ratios. Where they cannot make room within their limits,
    that point of that sample's curve does not exist and is NaN; the mean is over the curves that
    do.
    """
    predictor, editor = as_predictor(predictor), as_editor(editor)
    space = editor.space
    if n_values < 2 or batch_rows < 1:
        raise SettingsError(f"n_values={n_values} must be 2 or more, batch_rows={batch_rows} 1.")
    names = turnable(space) if knobs is None else tuple(knobs)
    check_knobs(space, names)
    wanted = wanted_values(space, names, values)
    own = editor.values(samples)
    if not len(own):
        raise DataError("There is no sample to turn.")
    known = own if reference is None else editor.values(reference)
    turner = Turner(
        predictor,
        editor,
        samples,
        space.project(own),
        DataRegion(space, known),
        interval,
        batch_rows,
    )
    found = []
    for place, name in enumerate(names):
        data = known[:, int(space.positions([name])[0])]
        scale = axis_scale(space, name, data)
        grid = values_of(space, name, n_values, scale, wanted.get(name))
        tick = ticker(progress, place * len(own), len(names) * len(own), name)
        curves = turner.curves([name], grid[:, None], tick)
        found.append(
            Sweep(
                knob=space[name],
                values=grid,
                individual=curves.individual,
                mean=curves.mean,
                lower=curves.lower,
                upper=curves.upper,
                inside=curves.inside,
                reached=curves.exists.mean(axis=0),
                data=data,
                n_calls=len(own) * len(grid),
                scale=scale,
                target=targets[0] if targets and curves.mean.ndim == 1 else None,
            )
        )
    return Sweeps(tuple(found), None if targets is None else tuple(targets))
