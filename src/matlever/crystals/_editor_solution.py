"""Hypothetical solid solutions: the share of one of two end members as a knob."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.crystals._editor_mixing import mix_crystals
from matlever.crystals.crystals import Crystals
from matlever.exceptions import DataError, Fault
from matlever.knobs import Knob, KnobSpace

__all__ = ["SolidSolutionEditor"]

Array = NDArray[np.float64]

_CLOSE = 1e-3  # of a composition to the line between the end members, in atom fractions


class SolidSolutionEditor:
    """Editor of the share of the second of two end members of one prototype.

    Samples are `Crystals` between the end members, such as the end members; each stands at the
    share that its composition has, and at a volume strain of 0 %. What is rendered are the
    supercells of `mix_crystals`, strained: it does not depend on the sample.

    Parameters
    ----------
    first, second : Crystals of one crystal each
        End members with the same number of atoms and different compositions.
    supercell : sequence of 3 int, default=(2, 2, 2)
        Copies along a, b and c; the share comes in steps of one over their product.
    volume_limits : tuple of 2 float, default=(-10.0, 10.0)
        Limits of the volume strain in per cent.

    Attributes
    ----------
    space : KnobSpace
        The knobs "share of" the second and "volume strain".
    members : Crystals
        The supercells, from the first end member to the second.
    usual_settings : ndarray of shape (m + 1, 2)
        All shares, strains of any size.

    Raises
    ------
    DataError
        If the end members cannot be mixed, or have one composition.

    Examples
    --------
    >>> cell = np.array([[0, 2.8, 2.8], [2.8, 0, 2.8], [2.8, 2.8, 0]])
    >>> salts = Crystals.from_arrays(
    ...     [cell, 1.1 * cell], [2, 2], [11, 17, 19, 17], [[0, 0, 0], [0.5, 0.5, 0.5]] * 2,
    ...     ["NaCl", "KCl"],
    ... )
    >>> editor = SolidSolutionEditor(salts[0], salts[1])
    >>> editor
    SolidSolutionEditor of 9 supercells of 16 atoms
    KnobSpace of 2 knobs
      share of KCl: grid, 0 to 1
      volume strain: continuous, -10 to 10 %
    >>> editor.render(salts[:1], [[[0.25, 0.0], [0.5, 2.0]]]).formulas
    ('KNa3Cl4', 'KNaCl2')
    """

    is_differentiable = False

    def __init__(
        self,
        first: Crystals,
        second: Crystals,
        *,
        supercell: Sequence[int] = (2, 2, 2),
        volume_limits: tuple[float, float] = (-10.0, 10.0),
    ) -> None:
        m = int(np.prod(supercell))
        self.members, self._shares = mix_crystals(
            first, second, np.arange(m + 1) / max(m, 1), supercell=supercell
        )
        self._ends = _fractions(self.members[[0, m]])
        if np.abs(self._ends[1] - self._ends[0]).max() < _CLOSE:
            raise DataError(
                f"{first.ids[0]} and {second.ids[0]} have the same composition: there is nothing "
                "to mix."
            )
        low, high = volume_limits
        self.space = KnobSpace(
            [
                Knob(f"share of {second.ids[0]}", kind="grid", lower=0.0, upper=1.0, step=1.0 / m),
                Knob("volume strain", "%", lower=low, upper=high),
            ]
        )
        strains = low + (high - low) * ((0.5 + np.arange(m + 1) * 0.6180339887498949) % 1.0)
        self.usual_settings = np.column_stack([self._shares, strains])

    def values(self, samples: Crystals) -> Array:
        """Return where each of n crystals stands, of shape (n, 2).

        Raises
        ------
        DataError
            If the composition of a crystal does not lie between those of the end members.
        """
        start, end = self._ends
        own = _fractions(samples)
        way = end - start
        share = ((own - start) @ way / (way @ way)).clip(0.0, 1.0)
        away = np.abs(own - start - share[:, None] * way).max(axis=1)
        if (away > _CLOSE).any():
            formulas = self.members[[0, len(self.members) - 1]].formulas
            raise DataError(
                [
                    Fault(
                        f"{samples.ids[i]} ({samples[i].formulas[0]}) does not lie between "
                        f"{formulas[0]} and {formulas[1]}",
                        "Give crystals of their solid solution",
                    )
                    for i in np.flatnonzero(away > _CLOSE).tolist()
                ]
            )
        return self.space.project(np.column_stack([share, np.zeros(len(samples))]))

    def render(self, samples: Crystals, values: ArrayLike) -> Crystals:
        """Return n * r supercells, at ``values[i, 0]``, ``values[i, 1]``, ... for crystal i.

        Parameters
        ----------
        samples : Crystals
            n crystals, whose names are taken over.
        values : array_like of shape (n, r, 2)
            Settings.
        """
        v = np.asarray(values, dtype=float)
        if v.ndim != 3 or v.shape[0] != len(samples) or v.shape[2] != 2:
            raise DataError(
                f"Settings to render must have shape ({len(samples)}, r, 2), got {v.shape}."
            )
        flat = v.reshape(-1, 2)
        chosen = self.members[np.rint(flat[:, 0] * (len(self.members) - 1)).astype(np.intp)]
        return Crystals(
            chosen.lattices * np.cbrt(1.0 + flat[:, 1] / 100.0)[:, None, None],
            chosen.offsets,
            chosen.numbers,
            chosen.fractional,
            tuple([name for name in samples.ids for _ in range(v.shape[1])]),
        )

    def notes(self, samples: Crystals) -> list[str]:
        """Return sentences on what the knobs mean."""
        return [
            f"Each share stands for one ordered supercell of {self.members.n_atoms[0]} atoms; "
            "lattice and coordinates follow Vegard's law and are not relaxed."
        ]

    def __repr__(self) -> str:
        return (
            f"SolidSolutionEditor of {len(self.members)} supercells of "
            f"{self.members.n_atoms[0]} atoms\n{self.space!r}"
        )


def _fractions(crystals: Crystals) -> Array:
    """Atom fractions of the 103 elements, of shape (n, 103)."""
    return np.asarray(crystals.amounts / crystals.n_atoms[:, None])
