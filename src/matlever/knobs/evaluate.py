"""The one gate between settings and a predictor: feasible, rendered in batches, counted.

Every explanation and recommendation asks its questions through this module, so that no sample that
violates a limit is ever shown to a predictor, whatever the method.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import DataError, SettingsError
from matlever.knobs.protocols import Editor, Predictor
from matlever.knobs.samples import take

__all__ = ["admit_settings", "evaluate_settings", "predict_settings"]

_SHOWN = 8  # knobs named in a message


def evaluate_settings(
    function: Callable[[Any], Any],
    editor: Editor,
    samples: Any,
    values: NDArray[np.float64],
    *,
    batch_rows: int = 200_000,
    allow_infinite: bool = False,
) -> NDArray[np.float64]:
    """Value of a function of samples at r settings of each of n samples.

    Parameters
    ----------
    function : callable
        Takes m rendered samples, returns an array of shape (m, ...).
    editor : Editor
        Renders the settings.
    samples : n samples
        What the editor takes.
    values : ndarray of shape (n, r, k)
        Feasible settings.
    batch_rows : int, default=200_000
        At most so many rendered samples go into one call; fewer where the editor says so by an
        attribute ``most_rows``.
    allow_infinite : bool, default=False
        Whether values may be infinite, as the limits of a prediction may be.

    Returns
    -------
    result : ndarray of shape (n, r, ...)

    Raises
    ------
    DataError
        If a setting is not feasible or moves a fixed knob (nothing is rendered then), or the
        function returns values of another length, NaN, or infinities unless `allow_infinite`.
    """
    if batch_rows < 1:
        raise SettingsError(f"batch_rows={batch_rows} must be 1 or more.")
    batch_rows = min(batch_rows, getattr(editor, "most_rows", batch_rows))
    n, r, _ = values.shape
    values = admit_settings(editor, samples, values)
    rows, columns = max(1, batch_rows // max(r, 1)), min(r, batch_rows)
    found = []
    for start in range(0, n, rows):
        some = take(samples, start, min(start + rows, n))
        chunk = [
            _call(
                function,
                editor,
                some,
                values[start : start + rows, a : a + columns],
                allow_infinite,
            )
            for a in range(0, r, columns)
        ]
        found.append(chunk[0] if len(chunk) == 1 else np.concatenate(chunk, axis=1))
    return np.concatenate(found, axis=0)


def admit_settings(
    editor: Editor, samples: Any, values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return settings as they may be rendered: feasible, exact at limits, nothing fixed moved.

    For what cannot go through `evaluate_settings`, such as a gradient.

    Parameters
    ----------
    editor, samples, values
        As in `evaluate_settings`.

    Returns
    -------
    values : ndarray of shape (n, r, k)
        The array that was given, not a copy, where nothing changes.

    Raises
    ------
    DataError
        If a setting is not feasible or moves a fixed knob, or there are not as many as samples.
    """
    if hasattr(samples, "__len__") and len(samples) != len(values):
        raise DataError(
            f"There are settings for {len(values)} samples, but {len(samples)} samples."
        )
    values = editor.space.admit(values)
    _check_fixed(editor, samples, values)
    return values


def _check_fixed(editor: Editor, samples: Any, values: NDArray[np.float64]) -> None:
    """Refuse settings whose fixed knobs are not where their sample stands."""
    fixed = np.flatnonzero(editor.space.is_fixed)
    if not len(fixed) or not values.size:
        return
    own = np.asarray(editor.values(samples), dtype=float)[:, None, fixed]
    moved = np.abs(values[..., fixed] - own) > 1e-6 * np.maximum(1.0, np.abs(own))
    if moved.any():
        i, r, j = (int(place) for place in np.argwhere(moved)[0])
        knob = editor.space.knobs[fixed[j]]
        raise DataError(
            f"{int(moved.any(axis=2).sum())} settings move a fixed knob and were not rendered; the "
            f"first: {knob.name} = {knob.show(values[i, r, fixed[j]])} where its sample stands at "
            f"{knob.show(own[i, 0, j])}."
        )


def _call(
    function: Callable[[Any], Any],
    editor: Editor,
    samples: Any,
    values: NDArray[np.float64],
    allow_infinite: bool,
) -> NDArray[np.float64]:
    n, r, _ = values.shape
    result = _as_numbers(function(editor.render(samples, values)))
    if result.shape[:1] != (n * r,):
        raise DataError(f"The predictor returned shape {result.shape} for {n * r} samples.")
    bad = np.isnan(result) if allow_infinite else ~np.isfinite(result)
    if bad.any():
        place = tuple(np.argwhere(bad)[0])
        what = "NaN" if np.isnan(result[place]) else "an infinite value"
        row, column = divmod(int(place[0]), r)
        text = ", ".join(
            f"{knob.name} = {knob.show(float(value))}"
            for knob, value in zip(editor.space.knobs[:_SHOWN], values[row, column], strict=False)
        )
        text += ", ..." if len(editor.space) > _SHOWN else ""
        raise DataError(f"The predictor returned {what} for the feasible sample {text}.")
    return result.reshape(n, r, *result.shape[1:])


def _as_numbers(result: Any) -> NDArray[np.float64]:
    """Return predictions as an array; tensors are taken off their graph and their device."""
    if hasattr(result, "detach"):
        result = result.detach().cpu().numpy()
    try:
        return np.asarray(result, dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"The predictor must return numbers, one or more for each sample; it returned a "
            f"{type(result).__name__} ({error})."
        ) from error


def predict_settings(
    predictor: Predictor,
    editor: Editor,
    samples: Any,
    values: NDArray[np.float64],
    *,
    batch_rows: int = 200_000,
) -> NDArray[np.float64]:
    """Predictions at r settings of each of n samples, of shape (n, r) or (n, r, t).

    Parameters
    ----------
    predictor : Predictor
        Anything with ``predict``.
    editor, samples, values, batch_rows
        As in `evaluate_settings`.

    Raises
    ------
    DataError
        As in `evaluate_settings`.
    """
    return evaluate_settings(predictor.predict, editor, samples, values, batch_rows=batch_rows)
