"""Sites and levels of an editor, as known crystals show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from matlever.crystals._editor_levels import SiteLevels
from matlever.crystals._editor_sites import (
    PrototypeSites,
    Sites,
    SpeciesSites,
    find_prototype,
    is_prototype,
)
from matlever.crystals._structures import atomic_number
from matlever.crystals.crystals import Crystals
from matlever.exceptions import DataError, SettingsError
from matlever.knobs import KnobSpace

__all__ = ["contents_of", "levels_of", "make_sites", "sites_from_dict", "usual_settings"]

Indices = NDArray[np.int64]

_USUAL = 500  # settings that show how far knobs go


def make_sites(
    crystals: Crystals,
    sites: Literal["auto", "prototype", "species"] | Mapping[str, Sequence[int]],
) -> Sites:
    """Return how atoms are put together to groups, see `CrystalEditor.from_crystals`."""
    if sites == "species":
        return SpeciesSites.of(crystals)
    if not isinstance(sites, Mapping) and sites not in ("auto", "prototype"):
        raise SettingsError(
            f"sites={sites!r} is not one of 'auto', 'prototype', 'species' and a mapping of names "
            "to positions."
        )
    places, ordered, share = find_prototype(crystals)
    if sites == "auto" and (len(crystals) < 2 or not is_prototype(share)):
        return SpeciesSites.of(crystals)
    counts = np.unique(crystals.n_atoms)
    if len(counts) > 1:
        raise DataError(
            f"The crystals have {counts[0]} to {counts[-1]} atoms: they are not of one prototype. "
            "Use sites='species'."
        )
    if isinstance(sites, Mapping):
        return PrototypeSites(places, sites, ordered=ordered)
    groups = {f"site {j + 1}": [j] for j in range(len(places))}
    return PrototypeSites(places, groups, ordered=ordered)


def sites_from_dict(values: Mapping[str, Any]) -> Sites:
    """Rebuild sites from their ``to_dict``."""
    if values["kind"] == "species":
        return SpeciesSites(int(values["n_roles"]))
    if values["kind"] == "prototype":
        return PrototypeSites(values["places"], values["groups"], ordered=bool(values["ordered"]))
    raise SettingsError(f"{values['kind']!r} is no kind of sites.")


def levels_of(
    sites: Sites,
    crystals: Crystals,
    group: Indices,
    slot: Indices,
    elements: Mapping[str, Sequence[str]],
    least: int,
) -> list[SiteLevels]:
    """Return for each group what may be there: what is found, and the elements that are allowed."""
    if least < 1:
        raise SettingsError(f"least={least} must be 1 or more.")
    unknown = [name for name in elements if name not in sites.names]
    if unknown:
        raise SettingsError(f"elements names {unknown}, but the groups are {list(sites.names)}.")
    found = []
    for g, (name, width) in enumerate(zip(sites.names, sites.widths, strict=True)):
        there = contents_of(crystals, group, slot, g, width)
        levels = SiteLevels.observed(name, there, least, absent=isinstance(sites, SpeciesSites))
        if elements.get(name):
            more = _allowed(name, elements[name], width)
            contents = np.unique(np.concatenate([levels.contents, more]), axis=0)
            levels = SiteLevels(name, contents, absent=levels.absent, other=levels.other)
        found.append(levels)
    return found


def contents_of(crystals: Crystals, group: Indices, slot: Indices, g: int, width: int) -> Indices:
    """Return what is on the sites of group g in each of n crystals, (n, width); 0 for nothing."""
    found = np.zeros((len(crystals), width), dtype=np.int64)
    here = np.flatnonzero(group == g)
    found[crystals.crystal_of_atom[here], slot[here]] = crystals.numbers[here]
    return found


def usual_settings(space: KnobSpace, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return settings that show how far knobs go: elements as known, strains of any size.

    Parameters
    ----------
    space : KnobSpace
        The volume strain, then the groups of sites.
    values : ndarray of shape (n, k)
        Where known crystals stand.
    """
    chosen = np.linspace(0, len(values) - 1, min(len(values), _USUAL)).astype(int)
    usual: NDArray[np.float64] = values[chosen]
    strain = space.knobs[0]
    # In an order that has nothing to do with that of the crystals: the golden ratio's.
    shares = (0.5 + np.arange(len(usual)) * 0.6180339887498949) % 1.0
    usual[:, 0] = strain.low + strain.width * shares
    return usual


def _allowed(name: str, symbols: Sequence[str], width: int) -> Indices:
    unknown = [symbol for symbol in symbols if not atomic_number(symbol)]
    if unknown:
        raise SettingsError(f"{name}: {unknown[0]!r} is no element.")
    return np.array([[atomic_number(symbol)] * width for symbol in symbols], dtype=np.int64)
