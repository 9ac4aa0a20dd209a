"""Crystals described by rows of knobs: which crystal, and what was changed in it."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from matlever.crystals.crystals import Crystals
from matlever.crystals.editor import CrystalEditor
from matlever.crystals.graphs import CrystalGraphs, crystal_graphs
from matlever.exceptions import DataError, ModelFileError, SettingsError
from matlever.knobs import TableEditor
from matlever.storage import State

__all__ = ["STRUCTURE", "CrystalLibrary"]

STRUCTURE = "structure"
_KIND = "CrystalLibrary"


class CrystalLibrary:
    """Known crystals by name, and the knobs that change them.

    A crystal that is known or hypothetical is a row of a frame: the name of a known crystal under
    ``"structure"``, and a setting for each knob. What explains, sweeps and optimises tables then
    does so for crystals.

    Parameters
    ----------
    crystals : Crystals
        Their ids must differ.
    editor : CrystalEditor or None, default=None
        The knobs; by default what :meth:`CrystalEditor.from_crystals` finds.
    radius, n_neighbours
        Of the graphs, see :func:`crystal_graphs`.
    """

    def __init__(
        self,
        crystals: Crystals,
        editor: CrystalEditor | None = None,
        *,
        radius: float = 8.0,
        n_neighbours: int = 12,
    ) -> None:
        self.crystals = crystals
        self.radius = float(radius)
        self.n_neighbours = int(n_neighbours)
        self.editor = CrystalEditor.from_crystals(crystals) if editor is None else editor
        self._places = {name: i for i, name in enumerate(crystals.ids)}
        if len(self._places) < len(crystals):
            raise DataError("Two crystals of a library have the same name.")
        self._known = crystals  # and those added later
        self._values = self.editor.values(crystals)
        self._graphs: CrystalGraphs | None = None
        self._last: tuple[bytes, Any] | None = None

    def __repr__(self) -> str:
        return f"CrystalLibrary({len(self.crystals):,} crystals, {self.editor.space!r})"

    def __deepcopy__(self, memo: Any) -> Self:
        """Return itself: a clone of an estimator shares its library."""
        return self

    @property
    def knobs(self) -> TableEditor:
        """The knobs as an editor of rows; the name of the crystal is taken over."""
        space = self.editor.space
        return TableEditor(space, (STRUCTURE, *space.names))

    def frame(self) -> pd.DataFrame:
        """Return a row for each crystal of the library as it is."""
        return self._frame(self.crystals.ids, self._values[: len(self.crystals)])

    def _frame(self, names: tuple[str, ...], values: NDArray[np.float64]) -> pd.DataFrame:
        columns: dict[str, Any] = {STRUCTURE: pd.Series(names, dtype="str")}
        for j, knob in enumerate(self.editor.space):
            if knob.kind == "categorical":
                levels = [str(knob.levels[int(place)]) for place in values[:, j]]
                columns[knob.name] = pd.Series(levels, dtype="str")
            else:
                columns[knob.name] = values[:, j]
        return pd.DataFrame(columns)

    def crystals_of(self, rows: pd.DataFrame) -> Crystals:
        """Return the crystals that rows describe.

        Raises
        ------
        DataError
            If a name is unknown, or a setting is.
        """
        places = self._places_of(rows)
        values = self.knobs.values(rows)
        return self.editor.render(self._known[places], values[:, None, :])

    def graphs_of(self, rows: pd.DataFrame) -> CrystalGraphs:
        """Return the graphs of the crystals that rows describe; those of known ones are kept."""
        places = self._places_of(rows)
        values = np.ascontiguousarray(self.knobs.values(rows))
        # Models of several folds are asked about the same rows one after another.
        key = places.tobytes() + values.tobytes()
        if self._last is not None and self._last[0] == key:
            found: CrystalGraphs = self._last[1]
            return found
        if self._graphs is None:
            self._graphs = self._built(self._known)
        changed = np.flatnonzero((values != self._values[places]).any(axis=1))
        if not len(changed):
            graphs = self._graphs[places]
        else:
            edited = self.editor.render(self._known[places[changed]], values[changed, None, :])
            if len(changed) == len(places):
                graphs = self._built(edited)
            else:
                order = places.copy()
                order[changed] = len(self._known) + np.arange(len(changed))
                graphs = _joined(self._graphs, self._built(edited))[order]
        self._last = (key, graphs)
        return graphs

    def add(self, crystals: Crystals) -> pd.DataFrame:
        """Let rows name further crystals too, and return a row for each of these as it is.

        The knobs stay those of the first crystals. Names that are known already get an ending.

        Raises
        ------
        DataError
            If a crystal has an element on a site where no crystal of the library has it.
        """
        names = []
        for name in crystals.ids:
            while name in self._places:
                name += " (new)"
            self._places[name] = len(self._places)
            names.append(name)
        values = self.editor.values(crystals)
        known = self._known
        self._known = Crystals(
            np.concatenate([known.lattices, crystals.lattices]),
            np.concatenate([known.offsets, known.offsets[-1] + crystals.offsets[1:]]),
            np.concatenate([known.numbers, crystals.numbers]),
            np.concatenate([known.fractional, crystals.fractional]),
            (*known.ids, *names),
        )
        self._values = np.concatenate([self._values, values])
        self._graphs = self._last = None
        return self._frame(tuple(names), values)

    def _built(self, crystals: Crystals) -> CrystalGraphs:
        return crystal_graphs(crystals, radius=self.radius, n_neighbours=self.n_neighbours)

    def _places_of(self, rows: pd.DataFrame) -> NDArray[np.intp]:
        names = rows[STRUCTURE].astype(str)
        places = np.array([self._places.get(name, -1) for name in names], dtype=np.intp)
        if (places < 0).any():
            unknown = sorted(set(names[places < 0]))
            raise DataError(
                f"There is no crystal {unknown[0]!r} among the {len(self._known):,} known ones "
                f"({len(unknown)} unknown in all)."
            )
        return places

    def to_state(self) -> State:
        """Return the crystals as plain arrays."""
        crystals = self.crystals
        return State(
            _KIND,
            {
                "ids": list(crystals.ids),
                "editor": self.editor.to_dict(),
                "radius": self.radius,
                "n_neighbours": self.n_neighbours,
            },
            {
                "lattices": crystals.lattices,
                "n_atoms": np.diff(crystals.offsets).astype(np.int64),
                "numbers": crystals.numbers,
                "fractional": crystals.fractional,
            },
        )

    @classmethod
    def from_state(cls, state: State) -> CrystalLibrary:
        """Rebuild a library.

        Raises
        ------
        ModelFileError
            If its arrays contradict each other.
        """
        if state.kind != _KIND:
            raise ModelFileError(f"Expected a {_KIND}, found {state.kind!r}.")
        ids, described = state.get("ids"), state.get("editor")
        if not isinstance(ids, list) or not all(isinstance(name, str) for name in ids):
            raise ModelFileError(f"{_KIND}: the names of the crystals are no list of text.")
        radius, n_neighbours = state.get("radius"), state.get("n_neighbours")
        if (
            not isinstance(described, dict)
            or not isinstance(radius, float)
            or not 0 < radius <= 50
            or not isinstance(n_neighbours, int)
            or not 1 <= n_neighbours <= 1000
        ):
            raise ModelFileError(f"{_KIND}: the knobs or the settings of the graphs are not known.")
        n = len(ids)
        counts = state.array("n_atoms", (n,), np.int64)
        numbers = state.array("numbers", (None,), np.int16)
        try:
            crystals = Crystals.from_arrays(
                state.array("lattices", (n, 3, 3), np.float64),
                counts,
                numbers,
                state.array("fractional", (len(numbers), 3), np.float64),
                ids,
            )
            editor = CrystalEditor.from_dict(described)
            return cls(crystals, editor, radius=radius, n_neighbours=n_neighbours)
        except (DataError, SettingsError) as error:
            raise ModelFileError(f"{_KIND}: {error}") from error


def _joined(first: CrystalGraphs, second: CrystalGraphs) -> CrystalGraphs:
    """Return the graphs of both, one after another."""
    shift = len(first.numbers)
    return CrystalGraphs(
        numbers=np.concatenate([first.numbers, second.numbers]),
        neighbours=np.concatenate([first.neighbours, second.neighbours + shift]),
        distances=np.concatenate([first.distances, second.distances]),
        offsets=np.concatenate([first.offsets, second.offsets[1:] + shift]),
    )
