"""One experiment after the other, each knowing those that are chosen already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import SettingsError
from matlever.recommendation._search import Search, evaluate, is_new

__all__ = ["choose_from_pool", "choose_settings"]

Array = NDArray[np.float64]
Acquisition = Callable[[Array], Any]


def choose_settings(
    acquisition: Acquisition,
    search: Search,
    n_experiments: int,
    pending: Array,
    taken: Array,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Return settings (q, k) and their values (q,), from all feasible ones.

    Parameters
    ----------
    acquisition : callable
        Takes pending points (m, p), returns the acquisition function.
    search : Search
        Finds the best setting.
    n_experiments : int
        Number q.
    pending : ndarray of shape (m, p)
        Runs under way.
    taken : ndarray of shape (l, p)
        Points that must not be chosen, beside those that are pending.
    rng : Generator
        Of the candidates.
    """
    settings, values = [], []
    for _ in range(n_experiments):
        row, value = search.best(acquisition(pending), np.concatenate([taken, pending]), rng)
        settings.append(row)
        values.append(value)
        pending = np.concatenate([pending, search.coordinates.encode(row)[None]])
    return np.stack(settings), np.array(values)


def choose_from_pool(
    acquisition: Acquisition, points: Array, n_experiments: int, pending: Array, taken: Array
) -> tuple[NDArray[np.intp], Array]:
    """Return rows of the pool (q,) and their values (q,); every row is looked at.

    Parameters
    ----------
    acquisition, n_experiments, pending, taken
        As in `choose_settings`.
    points : ndarray of shape (m, p)
        The pool. Of equal rows only the first can be chosen.

    Raises
    ------
    SettingsError
        If fewer rows than wanted can be chosen.
    """
    first = np.sort(np.unique(points, axis=0, return_index=True)[1])
    open_rows = first[is_new(points[first], np.concatenate([taken, pending]))]
    if len(open_rows) < n_experiments:
        raise SettingsError(
            f"n_experiments={n_experiments}, but {len(open_rows)} of the {len(first)} different "
            "settings of the pool are neither measured nor pending. Give a larger pool, or "
            "allow_repeats=True."
        )
    rows, values = [], []
    for _ in range(n_experiments):
        worth = evaluate(acquisition(pending), points[open_rows])
        best = int(worth.argmax())
        rows.append(open_rows[best])
        values.append(worth[best])
        pending = np.concatenate([pending, points[open_rows[best]][None]])
        open_rows = np.delete(open_rows, best)
    return np.array(rows, dtype=np.intp), np.array(values)
