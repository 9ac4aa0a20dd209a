"""Friedman's H: how much of what two knobs do at the data is not the sum of what each does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import DataError
from matlever.explanation.sweeps.curves import Turner
from matlever.explanation.sweeps.pair_sweep import check_pair
from matlever.knobs import DataRegion, Editor, Predictor, as_editor, as_predictor

__all__ = ["friedman_h"]

Array = NDArray[np.float64]


def friedman_h(
    predictor: Predictor,
    editor: Editor,
    samples: Any,
    knobs: tuple[str, str],
    *,
    batch_rows: int = 200_000,
) -> Array:
    r"""Friedman's H-statistic of two knobs [1]_, equation 44.

    .. math:: H^2 = \sum_i [F_{ab}(x_i) - F_a(x_i) - F_b(x_i)]^2 / \sum_i F_{ab}(x_i)^2

    with the partial dependences F over the samples, each centred to mean zero over them.

    Parameters
    ----------
    predictor, editor
        As in `sweep`.
    samples : n samples
        The data; the predictor is asked about 3 n² rendered samples.
    knobs : tuple of two str
        The knobs.
    batch_rows : int, default=200_000
        At most so many rendered samples at a time.

    Returns
    -------
    h : ndarray of shape () or (t,)
        0 for an additive model; 1 where all of it is interaction. NaN where the surface is flat, or
        fewer than two samples can lend others their settings (parts of a mixture).

    See Also
    --------
    sweep_pair : The same question on an even grid, where rare combinations count as much as others.

    Notes
    -----
    H compares with the variation of the two knobs' own surface: it can be large for two knobs that
    hardly matter. Rank pairs by `strongest_pairs`.

    References
    ----------
    .. [1] J. H. Friedman, B. E. Popescu, "Predictive learning via rule ensembles", Ann. Appl. Stat.
       2 (2008) 916-954.
    """
    predictor, editor = as_predictor(predictor), as_editor(editor)
    space = editor.space
    a, b = check_pair(space, knobs)
    own = editor.values(samples)
    if not len(own):
        raise DataError("There is no sample to turn.")
    feasible = space.project(own)
    region = DataRegion(space, own)
    turner = Turner(predictor, editor, samples, feasible, region, None, batch_rows)
    both, first, second = (
        turner.curves(names, feasible[:, space.positions(names)]) for names in ([a, b], [a], [b])
    )
    every = np.all(both.exists & first.exists & second.exists, axis=0)
    surface, one, other = (_centred(found.mean[every]) for found in (both, first, second))
    shape = both.mean.shape[1:]
    scale = 1e-12 * np.abs(both.mean[every]).max(axis=0, initial=0.0)
    total = (surface**2).sum(axis=0)
    rest = ((surface - one - other) ** 2).sum(axis=0)
    known = total > every.sum() * scale**2
    h2 = np.where(known, rest / np.where(known, total, 1.0), np.nan)
    return np.asarray(np.sqrt(h2)).reshape(shape)


def _centred(values: Array) -> Array:
    return values - values.mean(axis=0) if len(values) else values
