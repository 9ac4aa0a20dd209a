"""Every composition of a chemical space, counted beforehand and made when it is asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain, combinations_with_replacement, islice, product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.compositions._oxidation_states import balances, charge_classes
from matlever.compositions._screen_blocks import (
    Block,
    all_stoichiometries,
    permuted_stoichiometries,
)
from matlever.compositions._screen_candidates import Candidates
from matlever.compositions.elements import ELEMENTS
from matlever.exceptions import SettingsError

__all__ = ["Candidates", "CompositionSpace", "enumerate_compositions"]

Int = NDArray[np.int64]

_COUNTED_AT_ONCE = 2_000_000


def enumerate_compositions(
    elements: Sequence[str] | Sequence[Sequence[str]],
    *,
    n_elements: int | Sequence[int] | None = None,
    max_atoms: int | None = None,
    stoichiometries: Sequence[Sequence[int]] | None = None,
    charge_neutral: bool = False,
) -> CompositionSpace:
    """Describe a chemical space: which elements, how many of them, in which proportions.

    Parameters
    ----------
    elements : sequence of str, or sequence of sequences of str
        Symbols to choose from; or for each site the symbols that may stand there
        (``[["Ca", "Sr"], ["Ti", "Zr"], ["O"]]``). Two sites have the same symbols or none in
        common.
    n_elements : int or sequence of int, default=None
        Number of different elements of a composition; 4 where nothing is said. With sites it is
        their number.
    max_atoms : int, default=None
        All whole-number stoichiometries with at most so many atoms per formula.
    stoichiometries : sequence of sequences of int, default=None
        These instead, such as ``[(1, 1, 3)]``: with sites in their order, otherwise in every order.
    charge_neutral : bool, default=False
        Only compositions that usual oxidation states balance, one state for each element: a
        compound of mixed valence such as Fe3O4 is left out.

    Returns
    -------
    space : CompositionSpace
        Nothing has been enumerated yet. Each composition occurs once, in one order for ever.

    Raises
    ------
    SettingsError
        If a symbol is unknown or repeated, or nothing or too much is asked for.

    Examples
    --------
    >>> space = enumerate_compositions(["Na", "Mn", "Fe", "O"], n_elements=[2, 3], max_atoms=5)
    >>> len(space)
    94
    >>> space.candidates(0, 3).formulas
    ('NaO', 'Na2O', 'NaO2')
    >>> perovskites = [["Ca", "Sr", "Ba"], ["Ti", "Zr", "Nb"], ["O"]]
    >>> len(enumerate_compositions(perovskites, stoichiometries=[(1, 1, 3)]))
    9
    >>> neutral = enumerate_compositions(
    ...     perovskites, stoichiometries=[(1, 1, 3)], charge_neutral=True
    ... )
    >>> len(neutral)
    6
    """
    if (max_atoms is None) == (stoichiometries is None):
        raise SettingsError("Give either max_atoms or stoichiometries.")
    sites = [list(one) for one in elements] if _are_sites(elements) else None
    given = _checked_stoichiometries(stoichiometries)
    numbers = _numbers_of_elements(sites, n_elements, given)
    blocks = []
    for k in numbers:
        groups = _groups(sites) if sites else ((_columns(elements), k),)
        if any(count > len(columns) for columns, count in groups):
            raise SettingsError(
                f"{k} different elements cannot be chosen from {sum(len(g[0]) for g in groups)}."
            )
        amounts = (
            all_stoichiometries(k, int(max_atoms))
            if max_atoms is not None
            else permuted_stoichiometries(
                [one for one in given if len(one) == k], [count for _, count in groups]
            )
        )
        blocks.append(Block(groups, amounts))
    return CompositionSpace(blocks, charge_neutral=charge_neutral)


class CompositionSpace:
    """A countable space of compositions.

    Made by `enumerate_compositions`. A candidate has a number below `size`; where only neutral
    compositions are asked for, most numbers have none, and any range of numbers can still be asked
    for without the ranges before it.

    Attributes
    ----------
    blocks : tuple of Block
        Systems times stoichiometries, for each number of elements.
    charge_neutral : bool
    """

    def __init__(self, blocks: Sequence[Block], *, charge_neutral: bool = False) -> None:
        self.blocks = tuple(blocks)
        self.charge_neutral = charge_neutral
        self._edges = np.cumsum([0, *(block.size for block in self.blocks)], dtype=object)
        if self._edges[-1] >= 2**62:
            raise SettingsError(
                f"The space has {self._edges[-1]:,} compositions, more than can be numbered. "
                "Give fewer elements or fewer atoms."
            )
        if not self._edges[-1]:
            raise SettingsError("There is no composition in this space.")
        self._of_element, self._states = charge_classes(ELEMENTS)

    @property
    def size(self) -> int:
        """Numbers in use, from 0: all compositions, neutral or not."""
        return int(self._edges[-1])

    @property
    def n_systems(self) -> int:
        """Number of chemical systems."""
        return sum(block.n_systems for block in self.blocks)

    @property
    def most_elements(self) -> int:
        """Largest number k of elements of a composition."""
        return max(int(block.stoichiometries.shape[1]) for block in self.blocks)

    @property
    def elements(self) -> tuple[str, ...]:
        """Symbols that occur, by atomic number."""
        columns = np.unique(np.concatenate([g for block in self.blocks for g, _ in block.groups]))
        return tuple(ELEMENTS[j] for j in columns)

    def __len__(self) -> int:
        return self.n_candidates

    def __repr__(self) -> str:
        which = "neutral " if self.charge_neutral else ""
        sizes = sorted({block.stoichiometries.shape[1] for block in self.blocks})
        return (
            f"CompositionSpace of {self.n_candidates:,} {which}compositions in {self.n_systems:,} "
            f"systems of {' or '.join(map(str, sizes))} out of {len(self.elements)} elements"
        )

    @cached_property
    def n_candidates(self) -> int:
        """Exact number of compositions."""
        if not self.charge_neutral:
            return self.size
        return sum(self._count_neutral(block) for block in self.blocks)

    # -- candidates -------------------------------------------------------------------------------

    def candidates(self, start: int, stop: int) -> Candidates:
        """Return the candidates with numbers from `start` up to, not including, `stop`."""
        start, stop = max(0, start), min(stop, self.size)
        return self.at(np.arange(start, max(start, stop), dtype=np.int64))

    def at(self, numbers: ArrayLike) -> Candidates:
        """Return the candidates with some numbers; those without a neutral one are left out.

        Raises
        ------
        SettingsError
            If a number is not from 0 to `size` - 1.
        """
        asked = np.asarray(numbers, dtype=np.int64).reshape(-1)
        if len(asked) and not (asked.min() >= 0 and asked.max() < self.size):
            raise SettingsError(f"Numbers of candidates go from 0 to {self.size - 1}.")
        width = self.most_elements
        columns = np.zeros((len(asked), width), dtype=np.int64)
        amounts = np.zeros((len(asked), width), dtype=np.int64)
        there = np.ones(len(asked), dtype=bool)
        for block, first, last in zip(self.blocks, self._edges, self._edges[1:], strict=False):
            rows = np.flatnonzero((asked >= first) & (asked < last))
            if not len(rows):
                continue
            own, many = block.candidates(asked[rows] - int(first))
            k = own.shape[1]
            columns[rows, :k], columns[rows, k:] = own, own[:, -1:]
            amounts[rows, :k] = many
            if self.charge_neutral:
                there[rows] = balances(self._of_element[own], many, self._states)
        found = Candidates(asked, columns, amounts)
        return found if there.all() else found[there]

    def n_chunks(self, size: int) -> int:
        """Return the number of chunks of `size` numbers."""
        return -(-self.size // size)

    def chunk(self, number: int, size: int) -> Candidates:
        """Return the candidates of one chunk; no other chunk is made for it."""
        return self.candidates(number * size, (number + 1) * size)

    def chunks(self, size: int = 100_000) -> Iterator[Candidates]:
        """Yield all candidates in order, chunk by chunk."""
        for number in range(self.n_chunks(size)):
            yield self.chunk(number, size)

    def __iter__(self) -> Iterator[Candidates]:
        return self.chunks()

    def to_dict(self) -> dict[str, Any]:
        """Return what defines the space, as plain JSON values."""
        return {
            "charge_neutral": self.charge_neutral,
            "blocks": [
                {
                    "groups": [
                        {"elements": [ELEMENTS[j] for j in columns], "sites": sites}
                        for columns, sites in block.groups
                    ],
                    "stoichiometries": block.stoichiometries.tolist(),
                }
                for block in self.blocks
            ],
        }

    # -- counting ---------------------------------------------------------------------------------

    def _count_neutral(self, block: Block) -> int:
        """Neutral compositions of a block: elements with the same states are counted together."""
        ways = product(*(self._class_choices(columns, sites) for columns, sites in block.groups))
        at_once = max(1, _COUNTED_AT_ONCE // len(block.stoichiometries))
        total = 0
        while some := list(islice(ways, at_once)):
            classes = np.array([list(chain(*(classes for classes, _ in way))) for way in some])
            weights = [math.prod(weight for _, weight in way) for way in some]
            repeated = np.repeat(classes, len(block.stoichiometries), axis=0)
            amounts = np.tile(block.stoichiometries, (len(some), 1))
            neutral = balances(repeated, amounts, self._states).reshape(len(some), -1)
            counts = neutral.sum(axis=1).tolist()
            total += sum(w * count for w, count in zip(weights, counts, strict=True))
        return total

    def _class_choices(self, columns: Int, sites: int) -> Iterator[tuple[tuple[int, ...], int]]:
        """Yield classes that `sites` different elements may have, and how many choices do."""
        classes, sizes = np.unique(self._of_element[columns], return_counts=True)
        many = dict(zip(classes.tolist(), sizes.tolist(), strict=True))
        for chosen in combinations_with_replacement(sorted(many), sites):
            weight = math.prod(math.comb(many[c], chosen.count(c)) for c in set(chosen))
            if weight:
                yield chosen, weight


def _are_sites(elements: Sequence[Any]) -> bool:
    if isinstance(elements, str) or not len(elements):
        raise SettingsError("elements must be a list of symbols, or a list of lists of them.")
    words = [isinstance(one, str) for one in elements]
    if any(words) and not all(words):
        raise SettingsError("elements must be symbols, or lists of symbols, not both.")
    return not words[0]


def _columns(symbols: Sequence[Any]) -> Int:
    """Columns of symbols, ascending."""
    unknown = [name for name in symbols if name not in ELEMENTS]
    if unknown:
        raise SettingsError(f"There is no element {', '.join(map(repr, unknown))}.")
    if len(set(symbols)) < len(symbols) or not len(symbols):
        raise SettingsError(f"An element stands twice, or none at all, in {list(symbols)}.")
    return np.array(sorted(ELEMENTS.index(name) for name in symbols), dtype=np.int64)


def _groups(sites: Sequence[Sequence[str]]) -> tuple[tuple[Int, int], ...]:
    """Sites with the same elements, as one group; they must stand side by side."""
    found: list[tuple[Int, int]] = []
    for site in sites:
        columns = _columns(site)
        if found and np.array_equal(found[-1][0], columns):
            found[-1] = (columns, found[-1][1] + 1)
            continue
        for other, _ in found:
            common = np.intersect1d(other, columns)
            if len(common):
                raise SettingsError(
                    f"{', '.join(ELEMENTS[j] for j in common)}: sites must have the same elements "
                    "and stand side by side, or have none in common; otherwise a composition would "
                    "occur twice."
                )
        found.append((columns, 1))
    return tuple(found)


def _checked_stoichiometries(given: Sequence[Sequence[int]] | None) -> list[tuple[int, ...]]:
    found = []
    for one in given if given is not None else ():
        whole = tuple(int(a) for a in one)
        if not whole or any(a < 1 or a != b for a, b in zip(whole, one, strict=True)):
            raise SettingsError(f"A stoichiometry has whole numbers above 0, not {one!r}.")
        found.append(whole)
    if given is not None and not found:
        raise SettingsError("stoichiometries is empty.")
    return found


def _numbers_of_elements(
    sites: Sequence[Sequence[str]] | None,
    asked: int | Sequence[int] | None,
    given: Sequence[tuple[int, ...]],
) -> list[int]:
    """Numbers of different elements, ascending."""
    lengths = sorted({len(one) for one in given})
    if sites is not None:
        wanted = [len(sites)]
    elif asked is not None:
        wanted = sorted({int(k) for k in np.atleast_1d(np.asarray(asked)).tolist()})
    else:
        wanted = lengths or [4]
    if not wanted or wanted[0] < 1:
        raise SettingsError(f"n_elements={asked!r} must be 1 or more.")
    if asked is not None and sites is not None and list(np.atleast_1d(asked)) != wanted:
        raise SettingsError(f"n_elements={asked!r}, but there are {len(sites)} sites.")
    if given and lengths != wanted:
        raise SettingsError(
            f"There are stoichiometries of {lengths} elements, but compositions of {wanted} "
            "elements are asked for."
        )
    return wanted
