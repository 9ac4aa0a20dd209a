"""Many compositions at once: amounts of the elements per formula unit, and what they tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.compositions._formula_names import chemical_systems, reduced_formulas
from matlever.compositions._rows import Rows, rows_from_dense
from matlever.compositions.elements import ELEMENTS
from matlever.exceptions import DataError, Fault

__all__ = ["Compositions", "checked_amounts"]

Float = NDArray[np.float64]
_SHOWN = 5


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Compositions:
    """Compositions of n materials, as they were written.

    Only the amounts that are not zero are kept, about 12 bytes for each: two million ternaries
    take some 80 MB, while the dense matrix would take 1.6 GB. :attr:`amounts` and
    :attr:`fractions` build the dense matrix when asked; :meth:`blocks` walks through a long list
    without it.

    Parameters
    ----------
    amounts : array-like of shape (n, 103)
        Atoms of each element per formula unit, columns in order of :data:`ELEMENTS`.
    sources : sequence of str, optional
        What each was read from; by default the reduced formulas.

    Raises
    ------
    DataError
        If an amount is negative or not finite, or a row is empty.

    Examples
    --------
    >>> from matlever.compositions import parse_formulas
    >>> rust = parse_formulas(["Fe2O3", "FeO(OH)", "NaCl"])
    >>> rust.formulas, rust.systems
    (('Fe2O3', 'FeHO2', 'NaCl'), ('Fe-O', 'Fe-H-O', 'Cl-Na'))
    >>> rust.n_atoms
    array([5., 4., 2.])
    >>> rust[0].fractions.max()
    np.float64(0.6)
    """

    rows: Rows
    _sources: tuple[str, ...] | None

    def __init__(self, amounts: ArrayLike | Rows, sources: Sequence[str] | None = None) -> None:
        rows = amounts if isinstance(amounts, Rows) else rows_from_dense(checked_amounts(amounts))
        if sources is not None and len(sources) != len(rows):
            raise DataError(f"{len(rows)} compositions, but {len(sources)} sources were given.")
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "_sources", None if sources is None else tuple(sources))

    @classmethod
    def from_amounts(
        cls, amounts: ArrayLike, elements: Sequence[str] = ELEMENTS, sources: Sequence[str] = ()
    ) -> Compositions:
        """Return compositions from amounts of some elements.

        Parameters
        ----------
        amounts : array-like of shape (n, e)
            Atoms of each element, in any unit that is proportional to their number.
        elements : sequence of str of length e, default=ELEMENTS
            Symbols of the columns.
        sources : sequence of str, optional
            What each row was read from.

        Raises
        ------
        DataError
            If a symbol is unknown or stands twice, or an amount cannot be used.
        """
        array = np.asarray(amounts, dtype=float)
        if array.ndim != 2 or array.shape[1] != len(elements):
            raise DataError(
                f"The amounts have shape {array.shape}; expected (n, {len(elements)}), a "
                "column for each element."
            )
        if tuple(elements) != ELEMENTS:
            unknown = [name for name in elements if name not in ELEMENTS]
            if unknown or len(set(elements)) < len(elements):
                raise DataError(
                    f"The columns {', '.join(unknown) or ', '.join(elements)} must be symbols of "
                    "elements from H to Lr, each once."
                )
            whole = np.zeros((len(array), len(ELEMENTS)))
            whole[:, [ELEMENTS.index(name) for name in elements]] = array
            array = whole
        return cls(array, sources or None)

    @classmethod
    def from_fractions(
        cls, fractions: ArrayLike, elements: Sequence[str] = ELEMENTS
    ) -> Compositions:
        """Return compositions from atom fractions; rows need not sum to one exactly.

        See :meth:`from_amounts` for the parameters.
        """
        return cls.from_amounts(fractions, elements)

    @property
    def amounts(self) -> Float:
        """Atoms per formula unit as written, shape (n, 103); built anew at each call."""
        return self.rows.dense()

    @property
    def fractions(self) -> Float:
        """Atom fractions, shape (n, 103); rows sum to one. Built anew at each call."""
        return self.rows.scaled().dense()

    @property
    def n_atoms(self) -> Float:
        """Atoms per formula unit as written, shape (n,)."""
        return self.rows.sums()

    @property
    def sources(self) -> tuple[str, ...]:
        """What each composition was read from."""
        return self.formulas if self._sources is None else self._sources

    @property
    def formulas(self) -> tuple[str, ...]:
        """Reduced formulas, equal for equal compositions.

        Integers where the smallest amount of an element is at most 100 atoms of the reduced
        formula, atom fractions with six decimals otherwise; the least electronegative first.
        """
        return reduced_formulas(self.rows)

    @property
    def systems(self) -> tuple[str, ...]:
        """Chemical systems such as ``"Fe-Na-O"``, symbols in alphabetical order."""
        return chemical_systems(self.rows)

    def blocks(self, size: int = 8192) -> Iterator[Compositions]:
        """Yield the compositions in blocks of at most `size`."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Compositions: ...
    @overload
    def __getitem__(self, index: slice | NDArray[Any] | list[int]) -> Compositions: ...
    def __getitem__(self, index: Any) -> Compositions:
        """Return some of the compositions: an integer gives one, a slice, mask or index several."""
        places = np.arange(len(self))[index].reshape(-1)
        if self._sources is None:
            return Compositions(self.rows.take(places))
        return Compositions(self.rows.take(places), [self._sources[i] for i in places])

    def __iter__(self) -> Iterator[Compositions]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        shown = ", ".join(self[:_SHOWN].formulas) + (", ..." if len(self) > _SHOWN else "")
        used = int((self.rows.elements_used() > 0).sum())
        return f"Compositions({len(self)} of {used} elements: {shown})"


def checked_amounts(amounts: ArrayLike) -> Float:
    """Return the amounts as an array after naming every row that is no composition."""
    array = np.asarray(amounts, dtype=float)
    if array.ndim != 2 or array.shape[1] != len(ELEMENTS):
        raise DataError(
            f"The amounts have shape {array.shape}; expected (n, {len(ELEMENTS)}), one column for "
            "each element from H to Lr."
        )
    sums = array.sum(axis=1)
    if np.isfinite(sums).all() and array.min(initial=0.0) >= 0 and (sums > 0).all():
        return array
    wrong = ~np.isfinite(array) | (array < 0)
    faults = [
        Fault(
            f"Composition {i}: the amount of {ELEMENTS[j]} is {array[i, j]}",
            "Amounts must be numbers of at least 0",
        )
        for i, j in zip(*np.nonzero(wrong), strict=True)
    ]
    faults += [
        Fault(f"Composition {i}: the amounts add up to {sums[i]}", "Give an element an amount")
        for i in np.flatnonzero(~wrong.any(axis=1) & ~((sums > 0) & np.isfinite(sums)))
    ]
    raise DataError(faults)
