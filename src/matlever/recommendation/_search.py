"""The feasible setting where a function of settings is largest, whatever the kinds of knobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from matlever.exceptions import SettingsError
from matlever.recommendation._botorch import quiet
from matlever.recommendation._climb import climb
from matlever.recommendation._coordinates import Coordinates
from matlever.recommendation._feasible import FeasibleSettings

__all__ = ["Search", "evaluate", "is_new"]

Array = NDArray[np.float64]

_DRAWN = 512  # settings from everywhere, and as many near known runs
_STARTS = 3  # the best of them that are improved
_CHUNK = 512  # settings in one call of the acquisition function
_PASSES = 4  # over the neighbours of a setting
_ROUNDS = 8  # of drawing near the best where there is no gradient
_SAME = 1e-7  # distance of points that are one setting


def evaluate(acquisition: Any, points: Array) -> Array:
    """Values of an acquisition function at points (m, p), of shape (m,)."""
    parts = []
    with torch.no_grad(), quiet():
        for start in range(0, len(points), _CHUNK):
            part = torch.as_tensor(points[start : start + _CHUNK])[:, None]
            parts.append(acquisition(part).numpy().reshape(-1))
    return np.concatenate(parts) if parts else np.empty(0)


def is_new(points: Array, taken: Array) -> NDArray[np.bool_]:
    """Which points (m, p) are none of those that are taken (l, p)."""
    if not len(taken) or not len(points):
        return np.ones(len(points), dtype=bool)
    new: NDArray[np.bool_] = cKDTree(taken).query(points)[0] > _SAME
    return new


@dataclass(frozen=True)
class Search:
    """Candidates from everywhere and near known runs, the best of them improved step by step.

    Numbers go uphill by the gradient (within mixtures and linear relations, exactly) where there
    is one, and are put on their grids; then levels, grids and present parts change by single
    steps as long as that helps; then the continuous ones go uphill once more. Each step ends in a
    projection, so everything that is compared is feasible.

    Attributes
    ----------
    feasible : FeasibleSettings
        What may be chosen.
    coordinates : Coordinates
        Of the points.
    near : ndarray of shape (m, k)
        Feasible settings near which candidates are drawn.
    has_gradient : bool
        Whether the function knows its gradient. If not, candidates are drawn near the best ones
        again and again.
    """

    feasible: FeasibleSettings
    coordinates: Coordinates
    near: Array
    has_gradient: bool

    def best(self, acquisition: Any, taken: Array, rng: np.random.Generator) -> tuple[Array, float]:
        """Return the best setting (k,) that is not taken, and its value.

        Parameters
        ----------
        acquisition : callable
            BoTorch acquisition function.
        taken : ndarray of shape (l, p)
            Points that must not be chosen.
        rng : Generator
            Of the candidates.

        Raises
        ------
        SettingsError
            If there is no setting left to choose.
        """
        candidates = self.feasible.draw(_DRAWN, rng)
        if len(self.near):
            candidates = np.concatenate(
                [candidates, self.near, self.feasible.near(self.near, _DRAWN, rng)]
            )
        rows, values = self._worth(acquisition, candidates, taken)
        if not len(rows):
            raise SettingsError(
                "There is no feasible setting left that is neither measured nor pending: widen the "
                "limits, or allow a run to be repeated with allow_repeats=True."
            )
        improve = self._uphill if self.has_gradient else self._around
        found = [improve(acquisition, row, taken, rng) for row in rows[:_STARTS]]
        every = np.concatenate([rows[:1], *found])
        rows, values = self._worth(acquisition, every, taken)
        return rows[0], float(values[0])

    def _worth(self, acquisition: Any, rows: Array, taken: Array) -> tuple[Array, Array]:
        """Return settings that are not taken and their values, the best first."""
        points = self.coordinates.encode(rows)
        rows = rows[is_new(points, taken)]
        values = evaluate(acquisition, self.coordinates.encode(rows))
        order = np.argsort(-values, kind="stable")
        return rows[order], values[order]

    # -- improving one setting --------------------------------------------------------------------

    def _uphill(
        self, acquisition: Any, row: Array, taken: Array, rng: np.random.Generator
    ) -> Array:
        space, found = self.feasible.space, [row[None]]
        numbers = self._numbers(row)
        on_grid = [j for j in numbers if space.knobs[j].kind != "continuous"]
        for free in [numbers, [j for j in numbers if j not in on_grid]]:
            with quiet():
                moved = climb(acquisition, self.coordinates, row, free)
            found.append(self.feasible.put(moved[None]))
            rows, _ = self._worth(acquisition, np.concatenate(found), taken)
            if not on_grid and not self.coordinates.levels and not self._has_few_parts:
                return rows[:1]
            row = self._stepwise(acquisition, rows[0] if len(rows) else row, taken)
            found.append(row[None])
        return np.concatenate(found)

    def _stepwise(self, acquisition: Any, row: Array, taken: Array) -> Array:
        """Move to the best neighbour as long as it is better."""
        for _ in range(_PASSES):
            around = self.feasible.neighbours(row)
            rows, _ = self._worth(acquisition, np.concatenate([row[None], around]), taken)
            if not len(rows) or np.array_equal(rows[0], row):
                break
            row = rows[0]
        return row

    def _around(
        self, acquisition: Any, row: Array, taken: Array, rng: np.random.Generator
    ) -> Array:
        """Draw near the best setting again and again, single steps in between."""
        for _ in range(_ROUNDS):
            drawn = [row[None], self.feasible.near(row[None], 128, rng)]
            drawn.append(self.feasible.neighbours(row))
            rows, _ = self._worth(acquisition, np.concatenate(drawn), taken)
            row = rows[0] if len(rows) else row
        return row[None]

    def _numbers(self, row: Array) -> list[int]:
        """Free numeric knobs; of a mixture of few parts only those that are present."""
        space = self.feasible.space
        absent = {
            j
            for mixture in space.mixtures
            if mixture.max_parts is not None
            for j in space.positions(mixture.names).tolist()
            if row[j] <= 0
        }
        return [j for j in self.feasible.free if j in self.coordinates.number and j not in absent]

    @property
    def _has_few_parts(self) -> bool:
        return any(mixture.max_parts is not None for mixture in self.feasible.space.mixtures)
