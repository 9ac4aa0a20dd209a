"""Group names that may mean the same group, so that rows of one paper end up on both sides."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

__all__ = ["similar_groups"]

_TOKENS = re.compile(r"[^\W\d_]+|[0-9]+")
_MOST_GROUPS = 500


def similar_groups(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return pairs of group names of which one abbreviates the other.

    All numbers of the shorter name, at least three, and all its words, perhaps cut short, stand
    in the longer one in the same order: ``Chem. Mater. 2009 21 1743`` in ``Chem. Mater. 2009 21 8
    1743``.

    Examples
    --------
    >>> similar_groups(["Adv. Mater. 2009 21 174", "Advanced Materials 2009, 21 (8), 174", "B 1"])
    [('Adv. Mater. 2009 21 174', 'Advanced Materials 2009, 21 (8), 174')]
    """
    tokens = {name: _TOKENS.findall(name.casefold()) for name in names[:_MOST_GROUPS]}
    pairs = []
    for first, second in itertools.combinations(tokens, 2):
        short, long = sorted((tokens[first], tokens[second]), key=len)
        if sum(token.isdigit() for token in short) >= 3 and _stands_in(short, long):
            pairs.append((first, second))
    return pairs


def _stands_in(short: Sequence[str], long: Sequence[str]) -> bool:
    """Return whether the tokens of `short` are found in `long` in their order."""
    rest = iter(long)
    return all(any(_matches(token, other) for other in rest) for token in short)


def _matches(token: str, other: str) -> bool:
    if token.isdigit() or other.isdigit():
        return token == other
    return token.startswith(other) or other.startswith(token)
