"""The known samples nearest to a sample: what an expert would compare a prediction with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import DataError, NotEnoughDataError, SettingsError
from matlever.explanation.nearest import NearestKnown
from matlever.knobs import DataRegion, Editor, as_editor
from matlever.knobs.samples import row_labels

__all__ = ["nearest_known"]

Array = NDArray[np.float64]

_CELLS = 4_000_000  # distances held at a time


def nearest_known(
    editor: Editor,
    samples: Any,
    reference: Any,
    n: int = 3,
    *,
    outcomes: ArrayLike | None = None,
    targets: Sequence[str] | None = None,
    exclude_self: bool = False,
) -> NearestKnown:
    """Find the known samples nearest to each sample.

    Parameters
    ----------
    editor : Editor
        Says where samples stand.
    samples : samples
        For which neighbours are wanted.
    reference : samples
        The known ones.
    n : int, default=3
        How many neighbours; where fewer are known, all of them.
    outcomes : array_like, Series or DataFrame of shape (n_reference,) or (n_reference, t), or None
        What was measured at the known samples; cells may be missing.
    targets : sequence of str or None, default=None
        Names of the outcomes; by default those of a Series or DataFrame.
    exclude_self : bool, default=False
        Whether a known sample with the sample's own label (of a frame's index, else its position)
        is left out: what else is near, for samples that are known themselves.

    Returns
    -------
    nearest : NearestKnown

    Raises
    ------
    DataError
        If there is no sample, or `outcomes` are not one row of numbers per known sample.
    NotEnoughDataError
        If there is no known sample to be near to.
    SettingsError
        If `n` is below 1, or `targets` are not one name per outcome.

    Examples
    --------
    >>> import pandas as pd
    >>> from matlever.knobs import TableEditor
    >>> runs = pd.DataFrame({"amount": [10.0, 20.5, 30.0]}, index=["A", "B", "C"])
    >>> nearest_known(TableEditor.from_frame(runs), runs[:1] + 9, runs, 2, outcomes=[1.2, 1.9, 2.5])
    2 nearest known rows of 1
      Nearest to row A: rows B, A (outcome: 1.9, 1.2). Row B differs in amount (20.5, not 19).
    """
    if n < 1:
        raise SettingsError(f"n={n} must be 1 or more.")
    editor = as_editor(editor)
    own, known = (np.asarray(editor.values(some), dtype=float) for some in (samples, reference))
    if not len(own):
        raise DataError("There is no sample for which neighbours could be found.")
    rows, labels = row_labels(samples, len(own)), row_labels(reference, len(known))
    left_out = _same_label(rows, labels) if exclude_self else [np.empty(0, dtype=int)] * len(rows)
    m = min(n, len(known) - max(map(len, left_out)))
    if m < 1:
        raise NotEnoughDataError("There is no known sample to be near to.")
    measured, names = _measured(outcomes, len(known), targets)
    region = DataRegion(editor.space, known)
    positions, distance = _nearest(region.coordinates(own), region.coordinates(known), left_out, m)
    return NearestKnown(
        knobs=editor.space.knobs,
        rows=rows,
        positions=positions,
        labels=tuple(tuple(labels[i] for i in line) for line in positions.tolist()),
        distance=distance,
        radius=region.radius,
        settings=own,
        known_settings=known[positions],
        outcomes=None if measured is None else measured[positions],
        targets=names,
    )


def _nearest(
    own: Array, known: Array, left_out: Sequence[NDArray[np.intp]], m: int
) -> tuple[NDArray[np.intp], Array]:
    """Positions and distances (n, m) of the nearest of the known points, in stable order."""
    from scipy.spatial.distance import cdist

    step = max(1, _CELLS // len(known))
    positions, distances = [], []
    for start in range(0, len(own), step):
        distance = cdist(own[start : start + step], known)
        for i, line in enumerate(left_out[start : start + step]):
            distance[i, line] = np.inf
        nearest = np.argsort(distance, axis=1, kind="stable")[:, :m]
        positions.append(nearest)
        distances.append(np.take_along_axis(distance, nearest, axis=1))
    return np.concatenate(positions), np.concatenate(distances)


def _same_label(rows: tuple[Any, ...], labels: tuple[Any, ...]) -> list[NDArray[np.intp]]:
    places: dict[Any, list[int]] = {}
    for position, label in enumerate(labels):
        places.setdefault(label, []).append(position)
    return [np.array(places.get(row, []), dtype=np.intp) for row in rows]


def _measured(
    outcomes: Any, n_known: int, targets: Sequence[str] | None
) -> tuple[Array | None, tuple[str, ...] | None]:
    if outcomes is None:
        return None, None
    try:
        values = np.asarray(outcomes, dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(f"The outcomes must be numbers ({error}).") from error
    if values.ndim not in (1, 2) or len(values) != n_known:
        raise DataError(
            f"The outcomes have shape {values.shape}; {n_known} known samples need as many rows."
        )
    values = values.reshape(n_known, -1)
    if targets is None:
        columns = getattr(outcomes, "columns", None)
        own = [getattr(outcomes, "name", None)] if columns is None else list(columns)
        targets = None if own == [None] else [str(name) for name in own]
    if targets is not None and len(targets) != values.shape[1]:
        raise SettingsError(f"{len(targets)} names of targets for {values.shape[1]} outcomes.")
    return values, None if targets is None else tuple(targets)
