"""Rows for ElemNet: from compositions or columns to fractions, and which rows are kept apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.compositions.compositions import Compositions
from matlever.compositions.elements import ELEMENTS
from matlever.exceptions import DataError, Fault, NotEnoughDataError, SettingsError

__all__ = [
    "BLOCK",
    "composition_groups",
    "dense",
    "joined_groups",
    "positions",
    "refuse_other_sums",
    "selected",
    "split_groups",
    "sums_to_one",
]

Rows = NDArray[np.intp]
Float = NDArray[np.float64]

BLOCK = 8192  # compositions whose fractions are held at once
_ALIKE = 6  # decimals of a fraction
_SUM = 1e-3  # how far from 1 the fractions of a row may sum to
_SHOWN = 10


def selected(X: Compositions, elements: Sequence[str], *, first: int = 0) -> Float:
    """Return the fractions of some elements, after refusing rows that hold any other.

    Parameters
    ----------
    X : Compositions of n
    elements : sequence of str
        Columns of the result.
    first : int
        Number of the first composition, for messages.
    """
    fractions = X.fractions
    if tuple(elements) == ELEMENTS:
        return fractions
    unknown = [name for name in elements if name not in ELEMENTS]
    if unknown:
        raise SettingsError(f"elements: {', '.join(unknown[:5])} are no elements from H to Lr.")
    columns = [ELEMENTS.index(name) for name in elements]
    others = np.delete(np.arange(len(ELEMENTS)), columns)
    foreign = fractions[:, others] > 0
    rows = np.flatnonzero(foreign.any(axis=1))
    if len(rows):
        raise DataError(
            Fault(
                f"{X[int(i)].sources[0]!r} (composition {first + int(i)}) holds "
                f"{', '.join(ELEMENTS[others[j]] for j in np.flatnonzero(foreign[i]))}, which is "
                "not among the elements of this network",
                "Leave it out, or fit with more elements",
            )
            for i in rows
        )
    return fractions[:, columns]


def dense(X: Compositions, elements: Sequence[str]) -> NDArray[np.float32]:
    """Return :func:`selected` of all rows as float32, with a block of them in float64 at a time."""
    found = np.empty((len(X), len(elements)), dtype=np.float32)
    for start in range(0, len(X), BLOCK):
        found[start : start + BLOCK] = selected(X[start : start + BLOCK], elements, first=start)
    return found


def refuse_other_sums(x: NDArray[Any], *, first: int = 0) -> None:
    """Refuse rows that do not sum to one, for a network that was fitted to rows that do.

    Raises
    ------
    DataError
        Names the first ten and counts the rest.
    """
    sums = x.sum(axis=1)
    rows = np.flatnonzero(~(np.abs(sums - 1.0) <= _SUM) | (x < 0).any(axis=1))
    if len(rows):
        raise DataError(
            Fault(
                f"Row {first + int(i)} holds fractions from {x[i].min():.4g} to {x[i].max():.4g} "
                f"that sum to {sums[i]:.6g}",
                "The network was fitted to element fractions: at least 0, with the sum 1",
            )
            for i in rows
        )


def sums_to_one(x: NDArray[Any]) -> bool:
    """Say whether all rows are fractions."""
    return bool((x >= 0).all() and (np.abs(x.sum(axis=1) - 1.0) <= _SUM).all())


def composition_groups(x: NDArray[Any]) -> NDArray[np.intp]:
    """Return a number for each row, the same for rows that agree to six decimals."""
    rounded = np.ascontiguousarray(np.round(np.asarray(x, dtype=np.float64), _ALIKE) + 0.0)
    whole = rounded.view(np.dtype((np.void, rounded.itemsize * rounded.shape[1]))).reshape(-1)
    return np.asarray(np.unique(whole, return_inverse=True)[1], dtype=np.intp).reshape(-1)


def joined_groups(x: NDArray[Any], groups: ArrayLike | None) -> NDArray[np.intp]:
    """Return the units that stay together: equal compositions, and the user's groups if given."""
    alike = composition_groups(x)
    if groups is None:
        return alike
    given = np.asarray(groups)
    if given.shape != (len(x),):
        raise SettingsError(f"groups has shape {given.shape}, expected ({len(x)},).")
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    named = np.unique(given, return_inverse=True)[1]
    n_alike, n_named = int(alike.max()) + 1, int(named.max()) + 1
    links = coo_matrix((np.ones(len(x)), (alike, n_alike + named)), shape=(n_alike + n_named,) * 2)
    return np.asarray(connected_components(links, directed=False)[1][alike], dtype=np.intp)


def split_groups(
    groups: NDArray[np.intp], rows: Rows, share: float, random: np.random.Generator, what: str
) -> tuple[Rows, Rows]:
    """Hold whole groups out of `rows` until a share of them is reached.

    Returns
    -------
    kept, held_out : ndarray of int
        At least one row each.
    """
    if not 0 < share < 1:
        raise SettingsError(f"{what}={share} must lie between 0 and 1.")
    names, inverse, counts = np.unique(groups[rows], return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise NotEnoughDataError(
            f"{what}={share}: all {len(rows)} rows have one composition or group, so none can be "
            f"held out. Give more compositions, or {what}=0."
        )
    order = random.permutation(len(names))
    n = int(np.searchsorted(np.cumsum(counts[order]), share * len(rows))) + 1
    out = np.isin(inverse, order[: min(n, len(names) - 1)])
    return rows[~out], rows[out]


def positions(rows: ArrayLike, n: int, what: str) -> Rows:
    """Return positions of rows, given as such or as one flag for each row."""
    found = np.asarray(rows)
    if found.dtype == bool:
        if found.shape != (n,):
            raise SettingsError(f"{what} has shape {found.shape}, expected ({n},) flags.")
        found = np.flatnonzero(found)
    found = np.unique(found.astype(np.intp))
    if len(found) and (found[0] < 0 or found[-1] >= n):
        raise SettingsError(f"{what}={found[:5]}... are not positions of the {n} rows.")
    return found
