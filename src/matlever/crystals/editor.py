"""Hypothetical crystals: the volume of a cell and the elements on its sites as knobs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.crystals._editor_exchange import (
    exchanged,
    kinds_of_sites,
    n_kinds,
    unknown_content,
)
from matlever.crystals._editor_levels import SiteLevels
from matlever.crystals._editor_making import (
    contents_of,
    levels_of,
    make_sites,
    sites_from_dict,
    usual_settings,
)
from matlever.crystals._editor_notes import notes_on
from matlever.crystals._editor_sites import PrototypeSites, Sites
from matlever.crystals._editor_volumes import AtomicVolumes
from matlever.crystals.crystals import Crystals, atoms_of_rows
from matlever.exceptions import DataError, SettingsError
from matlever.knobs import Knob, KnobSpace

__all__ = ["VOLUME", "CrystalEditor"]

Array = NDArray[np.float64]

VOLUME = "volume strain"


class CrystalEditor:
    """Editor of crystals: the strain of the volume, and the element on each group of sites.

    Every crystal stands at a volume strain of 0 %; at 3 % its lattice vectors are longer by the
    cube root of 1.03 and fractional coordinates stay. An element put on a group of sites replaces
    all atoms there; where `volumes` are given the cell grows or shrinks with them before it is
    strained. Atoms are not relaxed.

    Samples are `Crystals`. Made by `CrystalEditor.from_crystals`.

    Parameters
    ----------
    sites : Sites
        How atoms are put together to groups.
    levels : sequence of SiteLevels
        For each group, what may be there. One with a single level is no knob.
    volume_limits : tuple of 2 float, default=(-10.0, 10.0)
        Limits of the volume strain in per cent.
    volumes : AtomicVolumes or None, default=None
        How the volume follows the elements; None: it does not.
    fixed : collection of str, default=()
        Knobs that stay as they are in each crystal.
    costs : mapping of str to float or None, default=None
        Costs of turning a knob from one limit to the other; 1 where nothing is said.

    Attributes
    ----------
    space : KnobSpace
        The knobs "volume strain", then one for each group of sites.

    Notes
    -----
    A crystal with fewer elements than others stands at the level "-" of a group it does not have,
    and one with a rare element at "other". These say where crystals stand and cannot be set: where
    a setting asks for "-" or "other", or for an element where there is no site, the group stays as
    it is.

    Examples
    --------
    >>> salts = Crystals.from_arrays(
    ...     [3.5 * np.eye(3), 4.1 * np.eye(3)], [2, 2], [11, 9, 55, 17],
    ...     [[0, 0, 0], [0.5, 0.5, 0.5]] * 2, ["NaF", "CsCl"],
    ... )
    >>> editor = CrystalEditor.from_crystals(salts, sites={"cation": [0], "anion": [1]})
    >>> editor
    CrystalEditor of 2 sites of a prototype
    KnobSpace of 3 knobs
      volume strain: continuous, -10 to 10 %
      cation: categorical, Na, Cs
      anion: categorical, F, Cl
    >>> editor.render(salts[:1], [[[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]]).formulas
    ('NaCl', 'CsF')
    """

    is_differentiable = False

    def __init__(
        self,
        sites: Sites,
        levels: Sequence[SiteLevels],
        *,
        volume_limits: tuple[float, float] = (-10.0, 10.0),
        volumes: AtomicVolumes | None = None,
        fixed: Collection[str] = (),
        costs: Mapping[str, float] | None = None,
    ) -> None:
        self.sites = sites
        self.levels = tuple(levels)
        self.volumes = volumes
        low, high = (float(limit) for limit in volume_limits)
        if not -90.0 <= low <= 0.0 <= high <= 1000.0:
            raise SettingsError(
                f"volume_limits={volume_limits} must hold 0 and lie between -90 and 1000 per cent."
            )
        if len(self.levels) != len(sites.names):
            raise SettingsError(
                f"There are {len(sites.names)} groups of sites and levels for {len(self.levels)}."
            )
        self._turned = [g for g, group in enumerate(self.levels) if len(group.labels) > 1]
        names = [VOLUME, *(sites.names[g] for g in self._turned)]
        for what, said in (("fixed", fixed), ("costs", costs or {})):
            unknown = [name for name in said if name not in names]
            if unknown:
                raise SettingsError(f"{what} names {unknown}, but the knobs are {names}.")
        cost = dict(costs or {})
        knobs = [
            Knob(
                VOLUME, "%", lower=low, upper=high, fixed=VOLUME in fixed or low == high,
                cost=cost.get(VOLUME, 1.0),
            )
        ]  # fmt: skip
        for g in self._turned:
            name = sites.names[g]
            knobs.append(
                Knob(
                    name,
                    kind="categorical",
                    levels=self.levels[g].labels,
                    fixed=name in fixed,
                    cost=cost.get(name, 1.0),
                )
            )
        self.space = KnobSpace(knobs)
        self.usual_settings: Array = np.empty((0, len(knobs)))

    @classmethod
    def from_crystals(
        cls,
        crystals: Crystals,
        *,
        sites: Literal["auto", "prototype", "species"] | Mapping[str, Sequence[int]] = "auto",
        elements: Mapping[str, Sequence[str]] | None = None,
        least: int = 1,
        volume_limits: tuple[float, float] = (-10.0, 10.0),
        rescale: bool = True,
        fixed: Collection[str] = (),
        costs: Mapping[str, float] | None = None,
    ) -> Self:
        """Make an editor with the elements that known crystals have on their sites.

        Parameters
        ----------
        crystals : Crystals
            Known crystals.
        sites : {"auto", "prototype", "species"} or mapping, default="auto"
            "species": a knob for each element of a crystal, "element 1" being the most
            electropositive. "prototype": all crystals have the same sites, and there is a knob for
            each, "site 1", "site 2", ...; a mapping names groups of their positions, such as
            ``{"A": [0], "B": [1], "X": [2, 3, 4]}``, and sites that are in none stay as they are.
            "auto": "prototype", if there are two crystals or more with the same number of atoms
            and at least 95 % of them have their atoms near the same sites, else "species".
        elements : mapping of str to sequence of str or None, default=None
            Elements that may be on a group of sites besides those found there.
        least : int, default=1
            Only what is on a group in so many crystals may be put there; else it is "other".
        volume_limits : tuple of 2 float, default=(-10.0, 10.0)
            Limits of the volume strain in per cent.
        rescale : bool, default=True
            Whether the volume follows the elements, as learned from the crystals (`AtomicVolumes`).
        fixed, costs
            As in the constructor.

        Raises
        ------
        DataError
            If there are no crystals, or they differ in their number of atoms in one prototype.
        SettingsError
            If what is said does not fit to them.
        """
        if not len(crystals):
            raise DataError("Knobs need at least one crystal; none was given.")
        found = make_sites(crystals, sites)
        group, slot = found.assign(crystals)
        levels = levels_of(found, crystals, group, slot, elements or {}, least)
        volumes = None
        if rescale:
            kinds = kinds_of_sites(found, crystals, group)
            volumes = AtomicVolumes.fit(crystals, kinds, n_kinds(found))
        editor = cls(
            found, levels, volume_limits=volume_limits, volumes=volumes, fixed=fixed, costs=costs
        )
        editor.usual_settings = usual_settings(editor.space, editor.values(crystals))
        return editor

    @property
    def kind(self) -> Literal["prototype", "species"]:
        """How sites are told apart: by their place in a prototype, or by the element on them."""
        return "prototype" if isinstance(self.sites, PrototypeSites) else "species"

    # -- the editor's two verbs -------------------------------------------------------------------

    def values(self, samples: Crystals) -> Array:
        """Return where each of n crystals stands, of shape (n, k).

        Raises
        ------
        DataError
            If a crystal is of another prototype, or has something on a site that no level is.
        """
        group, slot = self.sites.assign(samples)
        values = np.zeros((len(samples), len(self.space)))
        faults = []
        knob = {g: j for j, g in enumerate(self._turned, 1)}
        for g, levels in enumerate(self.levels):
            there = contents_of(samples, group, slot, g, self.sites.widths[g])
            place = levels.places(there)
            for i in np.flatnonzero(place < 0).tolist():
                faults.append(unknown_content(samples.ids[i], levels, there[i]))
            if g in knob:
                values[:, knob[g]] = place
        if faults:
            raise DataError(faults)
        return values

    def render(self, samples: Crystals, values: ArrayLike) -> Crystals:
        """Return n * r crystals: crystal i with its knobs at ``values[i, 0]``, ...

        Parameters
        ----------
        samples : Crystals
            The n crystals that are edited.
        values : array_like of shape (n, r, k)
            Settings; they are rendered as they are (`matlever.knobs.predict_settings` checks them).

        Returns
        -------
        crystals : Crystals
            Each has the name of the crystal it was made of; atoms stay in order.
        """
        v = np.asarray(values, dtype=float)
        n, k = len(samples), len(self.space)
        if v.ndim != 3 or v.shape[0] != n or v.shape[2] != k:
            raise DataError(f"Settings to render must have shape ({n}, r, {k}), got {v.shape}.")
        r = v.shape[1]
        flat = v.reshape(n * r, k)
        rows = np.repeat(np.arange(n), r)
        atoms, offsets = atoms_of_rows(samples.offsets, rows)
        before = samples.numbers[atoms]
        after = before
        if self._turned:
            group, slot = self.sites.assign(samples)
            owner = np.repeat(np.arange(n * r), np.diff(offsets))
            turned = [flat[:, j] for j in range(1, k)]
            after = exchanged(
                self.levels, turned, self._turned, before, group[atoms], slot[atoms], owner
            )
        factor = 1.0 + flat[:, 0] / 100.0
        if self.volumes is not None and self._turned:
            kinds = kinds_of_sites(self.sites, samples, group)[atoms]
            factor *= np.exp(self.volumes.log_ratio(kinds, before, after, owner, n * r))
        return Crystals(
            samples.lattices[rows] * np.cbrt(factor)[:, None, None],
            offsets,
            after,
            samples.fractional[atoms],
            tuple([name for name in samples.ids for _ in range(r)]),
        )

    # -- what a reader of results should know -----------------------------------------------------

    def notes(self, samples: Crystals) -> list[str]:
        """Return sentences on what the knobs mean for these crystals, and what they leave out."""
        return notes_on(self, samples)

    # -- storing ----------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the editor as plain JSON values."""
        volume = self.space[VOLUME]
        return {
            "sites": self.sites.to_dict(),
            "levels": [levels.to_dict() for levels in self.levels],
            "volume_limits": [volume.low, volume.high],
            "volumes": None if self.volumes is None else self.volumes.to_dict(),
            "fixed": [knob.name for knob in self.space.knobs if knob.fixed],
            "costs": {knob.name: knob.cost for knob in self.space.knobs},
            "usual_settings": self.usual_settings.tolist(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild an editor from `to_dict`.

        Raises
        ------
        SettingsError
            If an entry is missing or has a value that cannot be used.
        """
        try:
            sites = sites_from_dict(values["sites"])
            levels = [
                SiteLevels.from_dict(name, entry)
                for name, entry in zip(sites.names, values["levels"], strict=True)
            ]
            volumes = values["volumes"]
            low, high = values["volume_limits"]
            editor = cls(
                sites,
                levels,
                volume_limits=(low, high),
                volumes=None if volumes is None else AtomicVolumes.from_dict(volumes),
                fixed=list(values["fixed"]),
                costs=dict(values["costs"]),
            )
            usual = np.array(values["usual_settings"], dtype=float)
            editor.usual_settings = usual.reshape(-1, len(editor.space))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise SettingsError(f"This is not the description of an editor: {error}.") from error
        return editor

    def __repr__(self) -> str:
        kind = "sites of a prototype" if isinstance(self.sites, PrototypeSites) else "elements"
        return f"CrystalEditor of {len(self.sites.names)} {kind}\n{self.space!r}"
