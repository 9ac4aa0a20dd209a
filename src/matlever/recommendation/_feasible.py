"""Feasible settings with some knobs held: drawn anywhere, near known ones, one step away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matlever.knobs import KnobSpace

__all__ = ["FeasibleSettings"]

Array = NDArray[np.float64]

_SPREADS = (0.02, 0.05, 0.1, 0.2)  # of draws near a setting, in distances between the limits


@dataclass(frozen=True)
class FeasibleSettings:
    """The feasible settings in which some knobs stay where they are.

    Attributes
    ----------
    space : KnobSpace
        The k knobs.
    held : dict of int to float
        Knobs that do not move, with their settings; all fixed knobs are among them.
    """

    space: KnobSpace
    held: dict[int, float]

    @property
    def names(self) -> list[str]:
        """Names of the held knobs."""
        return [self.space.names[j] for j in self.held]

    @property
    def free(self) -> list[int]:
        """Knobs that can move."""
        wide = self.space.upper > self.space.lower
        return [j for j in range(len(self.space)) if j not in self.held and wide[j]]

    def put(self, values: Array) -> Array:
        """Nearest feasible settings of (m, k); those that the held knobs rule out are left out."""
        held = values.copy()
        for j, value in self.held.items():
            held[:, j] = value
        found = self.space.project(held, hold=self.names, unreachable="nan")
        found = found[np.isfinite(found).all(axis=1)]
        return found[self.space.is_feasible(found)]

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Draw about n settings from all of them."""
        return self.put(self.space.sample(n, rng))

    def near(self, rows: Array, n: int, rng: np.random.Generator) -> Array:
        """Draw about n settings near rows (m, k): some knobs moved a little, or to other levels."""
        free = self.free
        values = rows[rng.integers(len(rows), size=n)].copy()
        moved = rng.random((n, len(free))) < max(0.5, 1.0 / max(1, len(free)))
        moved[np.arange(n), rng.integers(max(1, len(free)), size=n)] = True
        spread = rng.choice(_SPREADS, size=n)
        other = self.space.sample(n, rng)
        for column, j in enumerate(free):
            who = moved[:, column]
            if self.space.knobs[j].kind == "categorical":
                values[who, j] = other[who, j]
            else:
                step = spread * rng.standard_normal(n) * self.space.knobs[j].width
                values[who, j] += step[who]
        return self.put(values)

    def neighbours(self, row: Array) -> Array:
        """Return settings (m, k) one step away: next allowed value or another level of a knob.

        Parts of a mixture of which only some may be present also change places.
        """
        found = []
        for j in self.free:
            knob = self.space.knobs[j]
            if knob.allowed is None:
                continue
            if knob.kind == "categorical":
                values = [level for level in knob.allowed if level != row[j]]
            else:
                at = int(np.abs(knob.allowed - row[j]).argmin())
                values = [knob.allowed[i] for i in (at - 1, at + 1) if 0 <= i < len(knob.allowed)]
            found.append(self._with(row, knob.name, values))
        for swapped in self._swapped(row):
            found.append(self.put(swapped[None]))
        return np.concatenate(found) if found else np.empty((0, len(self.space)))

    def _with(self, row: Array, name: str, values: list[float]) -> Array:
        """Return a setting with one knob elsewhere, the parts of its mixture making room."""
        j = self.space.names.index(name)
        moved = np.tile(row, (len(values), 1))
        moved[:, j] = values
        found = self.space.project(moved, hold=[*self.names, name], unreachable="nan")
        found = found[np.isfinite(found).all(axis=1)]
        return found[self.space.is_feasible(found)]

    def _swapped(self, row: Array) -> list[Array]:
        found = []
        for mixture in self.space.mixtures:
            if mixture.max_parts is None:
                continue
            parts = [j for j in self.space.positions(mixture.names).tolist() if j not in self.held]
            for a in parts:
                for b in parts:
                    if row[a] > 0 and row[b] <= 0:
                        swapped = row.copy()
                        swapped[[a, b]] = row[[b, a]]
                        found.append(swapped)
        return found
