"""Knobs in order, with their mixtures and linear relations: names, units, limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import DataError, SettingsError
from matlever.knobs.knob import Knob, Mixture
from matlever.knobs.relation import LinearRelation

__all__ = ["KnobList"]

Array = NDArray[np.float64]


class KnobList:
    """An ordered set of k knobs and their mixtures, found by name and checked for consistency.

    Parameters
    ----------
    knobs : sequence of Knob
        The knobs; their names must differ.
    mixtures : sequence of Mixture, default=()
        Groups of knobs with a fixed sum; no knob may be in two of them.
    relations : sequence of LinearRelation, default=()
        Limits of weighted sums.

    Raises
    ------
    SettingsError
        If names repeat or are unknown.
    """

    def __init__(
        self,
        knobs: Iterable[Knob],
        mixtures: Iterable[Mixture] = (),
        relations: Iterable[LinearRelation] = (),
    ) -> None:
        self.knobs: tuple[Knob, ...] = tuple(knobs)
        self.mixtures: tuple[Mixture, ...] = tuple(mixtures)
        self.relations: tuple[LinearRelation, ...] = tuple(relations)
        names = [knob.name for knob in self.knobs]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if not names or repeated:
            raise SettingsError(
                f"The knobs {repeated} appear twice." if repeated else "A space needs a knob."
            )
        self._position = {name: j for j, name in enumerate(names)}
        self._lower = np.array([knob.low for knob in self.knobs])
        self._upper = np.array([knob.high for knob in self.knobs])
        self._fixed = np.array([knob.fixed for knob in self.knobs])
        self._words = np.array([knob.kind == "categorical" for knob in self.knobs])
        parts: list[str] = [name for mixture in self.mixtures for name in mixture.names]
        unknown = [name for name in parts if name not in self._position]
        shared = sorted({name for name in parts if parts.count(name) > 1})
        if unknown or shared:
            raise SettingsError(
                f"A mixture names the knobs {unknown}, which do not exist; there are {names}."
                if unknown
                else f"The knobs {shared} are parts of two mixtures."
            )

    @property
    def n_knobs(self) -> int:
        """Number k of knobs."""
        return len(self.knobs)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the knobs, in order."""
        return tuple(self._position)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the knobs with their units, in order."""
        return tuple(knob.label for knob in self.knobs)

    @property
    def lower(self) -> Array:
        """Lower limits of shape (k,)."""
        return self._lower.copy()

    @property
    def upper(self) -> Array:
        """Upper limits of shape (k,)."""
        return self._upper.copy()

    @property
    def is_fixed(self) -> NDArray[np.bool_]:
        """Which knobs are fixed, of shape (k,)."""
        return self._fixed.copy()

    @property
    def is_categorical(self) -> NDArray[np.bool_]:
        """Which knobs are categorical, of shape (k,)."""
        return self._words.copy()

    def __getitem__(self, name: str) -> Knob:
        return self.knobs[int(self.positions([name])[0])]

    def __iter__(self) -> Iterator[Knob]:
        return iter(self.knobs)

    def __len__(self) -> int:
        return self.n_knobs

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        mine, theirs = ((one.knobs, one.mixtures, one.relations) for one in (self, other))
        return mine == theirs

    def __hash__(self) -> int:
        return hash((self.knobs, self.mixtures, self.relations))

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} of {self.n_knobs} knobs"]
        for knob in self.knobs:
            if knob.kind == "categorical":
                span = ", ".join(map(str, knob.levels[:5])) + (
                    ", ..." if len(knob.levels) > 5 else ""
                )
            else:
                span = f"{knob.low:.6g} to {knob.show(knob.high)}"
            lines.append(f"  {knob.name}: {knob.kind}, {span}" + (", fixed" if knob.fixed else ""))
        for mixture in self.mixtures:
            few = f", at most {mixture.max_parts} parts" if mixture.max_parts else ""
            lines.append(f"  {' + '.join(mixture.names)} = {mixture.total:g}{few}")
        lines += [f"  {relation}" for relation in self.relations]
        return "\n".join(lines)

    def positions(self, names: Iterable[str]) -> NDArray[np.intp]:
        """Columns of the named knobs.

        Raises
        ------
        SettingsError
            If a name is unknown.
        """
        wanted = list(names)
        unknown = [name for name in wanted if name not in self._position]
        if unknown:
            raise SettingsError(f"There is no knob {unknown[0]!r}; there are {list(self.names)}.")
        return np.array([self._position[name] for name in wanted], dtype=np.intp)

    def mixture_of(self, name: str) -> Mixture | None:
        """Mixture the named knob is a part of, if any."""
        return next((mixture for mixture in self.mixtures if name in mixture.names), None)

    # -- units ------------------------------------------------------------------------------------

    def scale(self, values: ArrayLike) -> Array:
        """Return settings (..., k) as shares of the way from lower (0) to upper limit (1)."""
        scaled: Array = (self._settings(values) - self._lower) / self._widths
        return scaled

    def unscale(self, scaled: ArrayLike) -> Array:
        """Return settings (..., k) in the knobs' own units, from `scale`."""
        values: Array = self._settings(scaled) * self._widths + self._lower
        return values

    @property
    def _widths(self) -> Array:
        widths = self._upper - self._lower
        return np.where(widths > 0, widths, 1.0)

    def to_dict(self) -> dict[str, Any]:
        """Return the space as plain JSON values."""
        return {
            "knobs": [knob.to_dict() for knob in self.knobs],
            "mixtures": [mixture.to_dict() for mixture in self.mixtures],
            "relations": [relation.to_dict() for relation in self.relations],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild a space from `to_dict`; without the entry "relations" it has none.

        Raises
        ------
        SettingsError
            If an entry is missing or has a value that cannot be used.
        """
        try:
            knobs = [Knob.from_dict(knob) for knob in values["knobs"]]
            mixtures = [Mixture.from_dict(mixture) for mixture in values["mixtures"]]
            relations = [LinearRelation.from_dict(one) for one in values.get("relations", ())]
        except (KeyError, TypeError, AttributeError) as error:
            raise SettingsError(
                f"This is not the description of a space of knobs: {error}."
            ) from error
        return cls(knobs, mixtures, relations)

    def _settings(self, values: ArrayLike) -> Array:
        v = np.asarray(values, dtype=float)
        if v.ndim == 0 or v.shape[-1] != self.n_knobs:
            raise DataError(
                f"Settings of {self.n_knobs} knobs must have shape (..., {self.n_knobs}), "
                f"got {v.shape}."
            )
        return v
