"""Who is held out together: replicates, whole groups, and the plan of folds built from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.utils import check_random_state

from matlever.exceptions import NotEnoughDataError, SettingsError

__all__ = ["FoldPlan", "input_blocks", "plan_folds"]

IntArray = NDArray[np.intp]
PlanKind = Literal["groups", "k-fold", "leave-one-out"]

_ALIKE = 1e-6  # of an input's range: rounding, not a different setting
_LEAVE_ONE_OUT_BELOW = 20  # rows: below this a tenth of the table is one or two rows


@dataclass(frozen=True, eq=False)
class FoldPlan:
    """Which fold holds out which row, in each repeat.

    Parameters
    ----------
    fold_of_row : ndarray of shape (n_repeats, n_rows)
        Fold, counted from 0, in which a row is predicted; it trains in all others.
    n_folds : int
        Number of folds in each repeat.
    kind : {"groups", "k-fold", "leave-one-out"}
        How the folds were made.
    unit_of_row : ndarray of shape (n_rows,)
        Rows with the same number never stand on two sides of a split (replicates, groups).
    group_name : str or None
        What the groups are called, for :meth:`describe`.
    n_groups : int or None
        Number of different groups before replicates joined some of them.
    """

    fold_of_row: IntArray
    n_folds: int
    kind: PlanKind
    unit_of_row: IntArray
    group_name: str | None = None
    n_groups: int | None = None

    @property
    def n_repeats(self) -> int:
        """Number of times the folds were drawn."""
        return int(self.fold_of_row.shape[0])

    @property
    def n_rows(self) -> int:
        """Number of rows of the table."""
        return int(self.fold_of_row.shape[1])

    @property
    def n_units(self) -> int:
        """Number of sets of rows that are only ever held out together."""
        return int(self.unit_of_row.max()) + 1

    def splits(self, repeat: int = 0) -> Iterator[tuple[IntArray, IntArray]]:
        """Yield (training rows, held-out rows) of each fold of one repeat."""
        folds = self.fold_of_row[repeat]
        for fold in range(self.n_folds):
            yield np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)

    def first_repeat(self) -> FoldPlan:
        """Return the plan with its first repeat only."""
        return replace(self, fold_of_row=self.fold_of_row[:1])

    def __iter__(self) -> Iterator[tuple[IntArray, IntArray]]:
        for repeat in range(self.n_repeats):
            yield from self.splits(repeat)

    def __len__(self) -> int:
        return self.n_repeats * self.n_folds

    def describe(self) -> str:
        """Return the plan as one phrase for a report."""
        if self.kind == "groups":
            name = f"groups of {self.group_name!r}" if self.group_name else "groups"
            held_out = f"whole {name} held out ({self.n_groups} groups)"
            if self.n_folds == self.n_units:
                return f"leave-one-group-out cross-validation, {held_out}"
            return f"{self.n_folds}-fold cross-validation{self._repeated()}, {held_out}"
        replicates = self.n_units < self.n_rows
        if self.kind == "leave-one-out":
            what = f"{self.n_units} different settings" if replicates else f"{self.n_rows} rows"
            text = f"leave-one-out cross-validation ({what})"
        else:
            text = f"{self.n_folds}-fold cross-validation{self._repeated()}"
        return text + ", replicates held out together" * replicates

    def _repeated(self) -> str:
        return f", {self.n_repeats} repeats" if self.n_repeats > 1 else ""

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return {
            "fold_of_row": self.fold_of_row.tolist(),
            "n_folds": self.n_folds,
            "kind": self.kind,
            "unit_of_row": self.unit_of_row.tolist(),
            "group_name": self.group_name,
            "n_groups": self.n_groups,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_dict` wrote."""
        return cls(
            fold_of_row=np.asarray(values["fold_of_row"], dtype=np.intp),
            n_folds=int(values["n_folds"]),
            kind=values["kind"],
            unit_of_row=np.asarray(values["unit_of_row"], dtype=np.intp),
            group_name=values["group_name"],
            n_groups=values["n_groups"],
        )


def input_blocks(X: pd.DataFrame | ArrayLike) -> IntArray:
    """Return a number for each row, shared by rows of equal inputs (missing equals missing).

    A replicate in the training part would tell the model the answer for its twin, so replicates are
    held out together.

    Parameters
    ----------
    X : DataFrame or array_like of shape (n_rows, n_inputs)
        Numeric, text or mixed inputs.

    Returns
    -------
    blocks : ndarray of shape (n_rows,)
        Numbers from 0 in order of first appearance.
    """
    frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X))
    block = np.zeros(len(frame), dtype=np.intp)
    for position in range(frame.shape[1]):
        codes = _alike(frame.iloc[:, position])
        block = _codes(block * (int(codes.max(initial=0)) + 1) + codes)
    return block


def plan_folds(
    n_rows: int,
    *,
    groups: ArrayLike | pd.Series[Any] | None = None,
    blocks: ArrayLike | None = None,
    n_folds: int = 10,
    n_repeats: int | None = None,
    random_state: int | np.random.RandomState | None = 0,
) -> FoldPlan:
    """Plan folds of balanced size that never part a group or a set of replicates.

    Fewer than 20 different settings (and no groups) are left out one at a time; otherwise the
    folds are drawn at random, in as many repeats as a small table needs for a stable score.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    groups : array_like or Series of shape (n_rows,), optional
        Group of each row (a paper, a batch, a day); the name of a Series is kept for the report.
    blocks : array_like of int of shape (n_rows,), optional
        Rows with equal inputs, from :func:`input_blocks`.
    n_folds : int, default=10
        Number of folds, at least 2; fewer when there are fewer groups.
    n_repeats : int, optional
        Default: 5 up to 60 rows, 3 up to 200 rows, else 1; with groups 3 when there are more groups
        than folds, else 1. Leaving out one at a time has nothing to repeat.
    random_state : int, RandomState or None, default=0
        Seed of the draws.

    Returns
    -------
    plan : FoldPlan

    Raises
    ------
    NotEnoughDataError
        If there are fewer than two sets of rows to hold out.
    SettingsError
        If `n_folds` or `n_repeats` is too small, or a list has another length than `n_rows`.
    """
    if n_folds < 2:
        raise SettingsError(f"n_folds={n_folds}: cross-validation needs at least 2 folds.")
    if n_repeats is not None and n_repeats < 1:
        raise SettingsError(f"n_repeats={n_repeats}: at least 1 is needed.")
    units, n_groups = _merge(n_rows, groups, blocks)
    n_units = int(units.max(initial=-1)) + 1
    if n_units < 2:
        what = "groups" if groups is not None else "different settings"
        raise NotEnoughDataError(
            f"{n_rows} rows with {n_units} {what}: cross-validation needs at least 2. "
            + ("Choose another group column or none." if groups is not None else "Measure more.")
        )
    kind: PlanKind = "groups" if groups is not None else "k-fold"
    if groups is None and n_units < _LEAVE_ONE_OUT_BELOW:
        kind, n_folds = "leave-one-out", n_units
    n_folds = min(n_folds, n_units)
    if n_folds == n_units:
        n_repeats = 1
    elif n_repeats is None:
        n_repeats = 3 if groups is not None else _repeats(n_rows)
    random = check_random_state(random_state)
    sizes = np.bincount(units, minlength=n_units)
    folds = [_draw(sizes, n_folds, random)[units] for _ in range(n_repeats)]
    name = getattr(groups, "name", None)
    return FoldPlan(
        fold_of_row=np.stack(folds),
        n_folds=n_folds,
        kind=kind,
        unit_of_row=units,
        group_name=None if name is None else str(name),
        n_groups=n_groups,
    )


def _repeats(n_rows: int) -> int:
    if n_rows <= 60:
        return 5
    return 3 if n_rows <= 200 else 1


def _codes(values: Any) -> IntArray:
    """Return 0, 1, 2 ... by first appearance; missing values are one value."""
    codes, _ = pd.factorize(values, use_na_sentinel=False)
    return np.asarray(codes, dtype=np.intp)


def _alike(values: pd.Series[Any]) -> IntArray:
    """Return codes of one input; numbers closer than a millionth of the range share one."""
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return _codes(values)
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    order = np.argsort(numbers, kind="stable")  # missing values come last
    ordered = numbers[order]
    known = ordered[~np.isnan(ordered)]
    width = known[-1] - known[0] if len(known) else 0.0
    with np.errstate(invalid="ignore"):
        apart = np.diff(ordered) > _ALIKE * width
    apart |= np.isnan(ordered[1:]) & ~np.isnan(ordered[:-1])
    codes = np.zeros(len(numbers), dtype=np.intp)
    codes[order[1:]] = np.cumsum(apart)
    return codes


def _merge(
    n_rows: int, groups: ArrayLike | pd.Series[Any] | None, blocks: ArrayLike | None
) -> tuple[IntArray, int | None]:
    """Return the connected sets of rows that share a group or a block, and the number of groups."""
    n_groups = None
    label = np.arange(n_rows, dtype=np.intp)
    for what, values in (("groups", groups), ("blocks", blocks)):
        if values is None:
            continue
        if len(np.atleast_1d(np.asarray(values))) != n_rows:
            raise SettingsError(f"{what} has another length than the {n_rows} rows.")
        codes = _codes(np.asarray(values))
        if what == "groups":
            n_groups = int(codes.max(initial=-1)) + 1
        # Rows and codes are the two sides of a graph; what is connected stays together.
        n_nodes = int(label.max(initial=-1)) + 1
        n_codes = int(codes.max(initial=-1)) + 1
        edges = coo_matrix(
            (np.ones(n_rows, dtype=np.int8), (label, n_nodes + codes)),
            shape=(n_nodes + n_codes,) * 2,
        )
        _, component = connected_components(edges, directed=False)
        label = _codes(component[label])
    return label, n_groups


def _draw(sizes: IntArray, n_folds: int, random: np.random.RandomState) -> IntArray:
    """Return a fold for each unit: larger units first, each into the fold with the fewest rows.

    Units whose sizes lie between the same powers of two come in random order, so that repeats
    differ although sizes do.
    """
    if len(sizes) == n_folds:
        # At random: neighbours in the file may be neighbours in the settings.
        return random.permutation(n_folds).astype(np.intp)
    order = random.permutation(len(sizes))
    order = order[np.argsort(-np.floor(np.log2(sizes[order])), kind="stable")]
    rows_in = np.zeros(n_folds)
    fold_of_unit = np.empty(len(sizes), dtype=np.intp)
    ties = random.random_sample(len(sizes) * n_folds).reshape(len(sizes), n_folds)
    for unit, tie in zip(order, ties, strict=True):
        fold = int(np.argmin(rows_in + tie * 0.5))  # rows are whole numbers: 0.5 only breaks ties
        fold_of_unit[unit] = fold
        rows_in[fold] += sizes[unit]
    return fold_of_unit
