"""What can be on a group of sites: the levels of a categorical knob."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import SettingsError

__all__ = ["ABSENT", "OTHER", "SiteLevels"]

ABSENT = "-"
OTHER = "other"
_AT_ONCE = 2_000_000


class SiteLevels:
    """Elements, or arrangements of elements, that may be on a group of w sites.

    Parameters
    ----------
    name : str
        Name of the group.
    contents : array_like of shape (L, w), int
        Atomic numbers of each level on each site.
    absent : bool, default=False
        Whether there is a level "-" too, of crystals that have no such group.
    other : bool, default=False
        Whether there is a level "other" too, of crystals with anything else there.
    """

    def __init__(
        self,
        name: str,
        contents: Sequence[Sequence[int]] | NDArray[np.int64],
        *,
        absent: bool = False,
        other: bool = False,
    ) -> None:
        from matlever.compositions.elements import ELEMENTS

        self.name = name
        self.contents = np.atleast_2d(np.asarray(contents, dtype=np.int64))
        self.absent, self.other = absent, other
        words = [_words([ELEMENTS[z - 1] for z in row]) for row in self.contents.tolist()]
        self.labels = (*words, *([ABSENT] if absent else []), *([OTHER] if other else []))
        if len(set(self.labels)) < len(self.labels):
            raise SettingsError(f"{name}: a level stands twice in {list(self.labels)}.")

    @property
    def n_real(self) -> int:
        """Number of levels that put something on the sites."""
        return len(self.contents)

    @classmethod
    def observed(
        cls, name: str, found: NDArray[np.int64], least: int, *, absent: bool
    ) -> SiteLevels:
        """Return the levels that are found at least so many times, lightest element first.

        Parameters
        ----------
        name : str
            Name of the group.
        found : ndarray of shape (n, w), int
            What is on the sites of each crystal; 0 for nothing.
        least : int
            Levels that are there less often become "other".
        absent : bool
            Whether there may be nothing.
        """
        there = found[(found > 0).all(axis=1)]
        levels, counts = np.unique(there, axis=0, return_counts=True)
        often = counts >= least
        if not often.any():
            raise SettingsError(
                f"{name}: nothing is there in {least} crystals or more; the most frequent "
                f"is in {counts.max() if len(counts) else 0}."
            )
        none = bool(absent and len(there) < len(found))
        return cls(name, levels[often], absent=none, other=not bool(often.all()))

    def to_dict(self) -> dict[str, Any]:
        """Return the levels as plain JSON values."""
        return {"contents": self.contents.tolist(), "absent": self.absent, "other": self.other}

    @classmethod
    def from_dict(cls, name: str, values: Mapping[str, Any]) -> SiteLevels:
        """Rebuild levels from `to_dict`."""
        absent, other = bool(values["absent"]), bool(values["other"])
        return cls(name, values["contents"], absent=absent, other=other)

    def places(self, found: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the level of each of n crystals, (n,); -1 where it is none of them."""
        place = np.full(len(found), -1, dtype=np.int64)
        step = max(1, _AT_ONCE // self.contents.size)
        for start in range(0, len(found), step):
            some = found[start : start + step]
            same = (some[:, None, :] == self.contents).all(axis=2)
            place[start : start + step] = np.where(same.any(axis=1), same.argmax(axis=1), -1)
        nothing = (found == 0).all(axis=1)
        if self.absent:
            place[nothing] = self.n_real
        if self.other:
            place[(place < 0) & ~nothing] = len(self.labels) - 1
        return place


def _words(symbols: Sequence[str]) -> str:
    return symbols[0] if len(set(symbols)) == 1 else "-".join(symbols)
