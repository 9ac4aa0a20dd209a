"""Samples of compositions in the forms people have them, and back in the form they came in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.compositions.compositions import Compositions
from matlever.compositions.elements import ELEMENTS
from matlever.exceptions import DataError, Fault, SettingsError

__all__ = ["ABSENT", "columns_of", "fractions_of", "like", "refuse_rows", "settings_for"]

Array = NDArray[np.float64]

ABSENT = 1e-10  # a fraction below it is none


def fractions_of(samples: Any) -> Array:
    """Element fractions (n, 103) of samples.

    Parameters
    ----------
    samples : Compositions, sequence of Compositions, or array_like of shape (n, 103)

    Raises
    ------
    DataError
        If a row is no composition; all such rows are named.
    """
    if isinstance(samples, Compositions):
        return samples.fractions
    if isinstance(samples, list | tuple) and any(isinstance(one, Compositions) for one in samples):
        return np.concatenate([one.fractions for one in samples])
    f = np.asarray(samples, dtype=np.float64)
    if f.ndim != 2 or f.shape[1] != len(ELEMENTS):
        raise DataError(
            f"Compositions are fractions of shape (n, {len(ELEMENTS)}), a column for each element "
            f"from H to Lr, not of shape {f.shape}."
        )
    good = np.isfinite(f).all(axis=1) & (f >= -ABSENT).all(axis=1)
    good &= np.abs(f.sum(axis=1) - 1.0) < 1e-6
    if not good.all():
        raise refuse_rows(
            ~good,
            "the fractions are no numbers, negative or do not sum to 1",
            "Divide the amounts of each composition by their sum",
        )
    return f


def like(samples: Any, fractions: Array) -> Any:
    """Return fractions in the form of the samples they were made from."""
    is_array = isinstance(samples, np.ndarray) or not any(
        isinstance(one, Compositions) for one in (samples, *_first(samples))
    )
    return fractions if is_array else Compositions.from_fractions(fractions)


def _first(samples: Any) -> Sequence[Any]:
    return samples[:1] if isinstance(samples, list | tuple) else ()


def refuse_rows(wrong: NDArray[np.bool_], reason: str, remedy: str) -> DataError:
    """Return the error that names samples by their position, from 0."""
    return DataError(
        [Fault(f"composition {i}: {reason}", remedy) for i in np.flatnonzero(wrong).tolist()]
    )


def columns_of(symbols: Sequence[str]) -> NDArray[np.intp]:
    """Columns of elements, in the order given.

    Raises
    ------
    SettingsError
        If one is unknown or stands twice.
    """
    unknown = [name for name in symbols if name not in ELEMENTS]
    if unknown:
        raise SettingsError(f"There is no element {', '.join(map(repr, unknown))}.")
    if len(set(symbols)) < len(symbols):
        raise SettingsError(f"An element stands twice in {list(symbols)}.")
    return np.array([ELEMENTS.index(name) for name in symbols], dtype=np.intp)


def settings_for(n: int, k: int, values: Any) -> Array:
    """Return settings (n, r, k) as an array, after a look at their shape."""
    v = np.asarray(values, dtype=np.float64)
    if v.ndim != 3 or v.shape[0] != n or v.shape[2] != k:
        raise DataError(f"Settings to render must have shape ({n}, r, {k}), got {v.shape}.")
    return v
