"""Elements on sites: exchanged by settings, and told where they are not known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matlever.crystals._editor_levels import ABSENT, SiteLevels
from matlever.crystals._editor_sites import PrototypeSites, Sites
from matlever.crystals.crystals import Crystals
from matlever.exceptions import Fault

__all__ = ["exchanged", "kinds_of_sites", "n_kinds", "unknown_content"]


def exchanged(
    levels: Sequence[SiteLevels],
    settings: Sequence[NDArray[np.float64]],
    groups: Sequence[int],
    before: NDArray[np.int16],
    group: NDArray[np.int64],
    slot: NDArray[np.int64],
    owner: NDArray[np.int64],
) -> NDArray[np.int16]:
    """Return atomic numbers after an exchange; levels that cannot be set change nothing.

    Parameters
    ----------
    levels : sequence of SiteLevels
        What may be on each group of sites.
    settings : sequence of ndarray of shape (n,)
        Level of each crystal, for the groups that are turned.
    groups : sequence of int
        Which groups these are.
    before, group, slot, owner : ndarray of shape (N,), int
        Atomic number, group of sites, place in the group and crystal of each atom.
    """
    after = before.copy()
    for setting, g in zip(settings, groups, strict=True):
        possible = levels[g]
        table = np.zeros((len(possible.labels), possible.contents.shape[1]), dtype=np.int16)
        table[: possible.n_real] = possible.contents
        here = np.flatnonzero(group == g)
        place = np.rint(setting[owner[here]]).astype(np.int64)
        number = table[place, slot[here]]
        after[here] = np.where(number > 0, number, before[here])
    return after


def n_kinds(sites: Sites) -> int:
    """Kinds of sites that have volumes of their own: those of a prototype, else one."""
    return sites.n_sites if isinstance(sites, PrototypeSites) else 1


def kinds_of_sites(sites: Sites, crystals: Crystals, group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the kind of site of each atom."""
    if isinstance(sites, PrototypeSites):
        return sites.site_of_atom(crystals)
    return np.zeros_like(group)


def unknown_content(name: str, levels: SiteLevels, there: NDArray[np.int64]) -> Fault:
    from matlever.compositions.elements import ELEMENTS

    found = "-".join(ELEMENTS[z - 1] for z in there if z > 0) or "nothing"
    known = ", ".join(label for label in levels.labels[:12] if label != ABSENT)
    more = ", ..." if len(levels.labels) > 12 else ""
    return Fault(
        f"{name} has {found} as {levels.name}, where the known crystals have {known}{more}",
        "Make the editor of crystals that have it, or allow it with elements=",
    )
