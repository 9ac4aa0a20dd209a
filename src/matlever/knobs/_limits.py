"""Which settings are allowed: every limit in one place, and what is said about what breaks one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import DataError
from matlever.knobs._box import Box
from matlever.knobs._knob_list import KnobList
from matlever.knobs._mixture_rows import MixtureRows
from matlever.knobs._relation_rows import RelationRows
from matlever.knobs.knob import Knob, Mixture
from matlever.knobs.relation import LinearRelation

__all__ = ["ActiveLimit", "KnobLimits"]

Array = NDArray[np.float64]


class ActiveLimit(NamedTuple):
    """A limit a setting stands at.

    Attributes
    ----------
    knob : str
        Name of the knob; for a linear relation its weighted sum, such as ``"2 a - b"``.
    side : {"lower", "upper"}
        Which of its limits.
    value : float
        The limit, in the knob's unit; for a relation the limit of the sum.
    """

    knob: str
    side: Literal["lower", "upper"]
    value: float


class KnobLimits(KnobList):
    """Knobs, mixtures and relations as limits that settings keep or break.

    Parameters
    ----------
    knobs, mixtures, relations
        As in `KnobSpace`.
    """

    def __init__(
        self,
        knobs: Iterable[Knob],
        mixtures: Iterable[Mixture] = (),
        relations: Iterable[LinearRelation] = (),
    ) -> None:
        super().__init__(knobs, mixtures, relations)
        self._rows = [
            MixtureRows(mixture, [self.knobs[self._position[name]] for name in mixture.names])
            for mixture in self.mixtures
        ]
        self._columns = [self.positions(mixture.names) for mixture in self.mixtures]
        self._box = Box(self.knobs)
        widths = self._upper - self._lower
        # What a tolerance of 1 means for each knob, in its unit: the distance between its limits.
        self._scales = np.where(widths > 0, widths, np.maximum(1.0, np.abs(self._lower)))
        for mixture, columns in zip(self.mixtures, self._columns, strict=True):
            self._scales[columns] = mixture.total
        self._related = RelationRows(self.relations, self.knobs, self._scales)
        self._is_box = self._box.is_continuous and not self.mixtures and not self.relations

    def is_feasible(self, values: ArrayLike, tol: float = 1e-6) -> NDArray[np.bool_]:
        """Whether each setting is feasible, of shape (...).

        Parameters
        ----------
        values : array_like of shape (..., k)
            Settings.
        tol : float, default=1e-6
            Tolerance as a share of the distance between the limits, of a mixture's total, or of
            what the knobs of a relation can change in its sum.
        """
        v = self._settings(values)
        good = self._box.inside(v, tol * self._scales)
        for rows, columns in zip(self._rows, self._columns, strict=True):
            good &= rows.fits(v[..., columns], tol)
        if self.relations:
            good &= self._related.fits(v, tol)
        return good

    def admit(self, values: ArrayLike, tol: float = 1e-6) -> Array:
        """Return feasible settings as they may be shown to a predictor: exact at every limit.

        What lies beyond a limit, or off a step, by no more than rounding (`tol`) is put on it, so
        that limits hold to the last bit; all else is refused.

        Parameters
        ----------
        values : array_like of shape (..., k)
            Settings.
        tol : float, default=1e-6
            As in `is_feasible`.

        Returns
        -------
        values : ndarray of shape (..., k)
            The array that was given, not a copy, where nothing changes.

        Raises
        ------
        DataError
            If a setting is not feasible; the message says what is wrong with the first.
        """
        v = self._settings(values)
        if self._is_box and self._box.holds(v):
            return v
        feasible = self.is_feasible(v, tol)
        if not feasible.all():
            first = v[~feasible][:1]
            raise DataError(
                f"{int((~feasible).sum())} settings are not feasible and were not rendered; the "
                "first: " + "; ".join(self.violations(first, tol)[0])
            )
        return self._box.snap(v)

    def violations(self, values: ArrayLike, tol: float = 1e-6) -> list[tuple[str, ...]]:
        """Say for each of n settings (n, k) what is not feasible about it; () where all is well."""
        found: list[tuple[str, ...]] = []
        for row in self._settings(values).reshape(-1, self.n_knobs):
            lines = [
                f"{knob.name} = {row[j]:.6g} is not allowed: "
                + (
                    f"outside {knob.low:.6g} to {knob.show(knob.high)}"
                    if knob.kind == "continuous"
                    else f"nearest is {knob.show(float(knob.nearest(row[j])))}"
                )
                for j, knob in enumerate(self.knobs)
                if np.isfinite(row[j]) and not self._knob_fits(j, row[j : j + 1], tol)[0]
            ]
            lines += [f"{self.names[j]} is missing" for j in np.flatnonzero(~np.isfinite(row))]
            for mixture, rows, columns in zip(
                self.mixtures, self._rows, self._columns, strict=True
            ):
                parts = row[columns]
                if abs(parts.sum() - mixture.total) > tol * mixture.total:
                    lines.append(
                        f"{' + '.join(mixture.names)} = {parts.sum():.6g}, not {mixture.total:g}"
                    )
                lines += [
                    f"{name} = {part:.6g} is below 0"
                    for name, part, knob in zip(mixture.names, parts, rows.knobs, strict=True)
                    if knob.fixed and part < -tol * mixture.total
                ]
                if not rows.few_enough(parts, tol):
                    lines.append(
                        f"more than {mixture.max_parts} parts of {' + '.join(mixture.names)}"
                    )
            if np.isfinite(row).all():
                lines += self._related.violations(row, tol)
            found.append(tuple(lines))
        return found

    def _knob_fits(self, j: int, values: Array, tol: float) -> NDArray[np.bool_]:
        knob = self.knobs[j]
        if knob.fixed:
            return np.asarray(np.isfinite(values))
        slack = tol * self._scales[j]
        fits: NDArray[np.bool_] = np.asarray(np.abs(values - knob.nearest(values)) <= slack)
        return fits

    def active_limits(self, values: ArrayLike, tol: float = 1e-6) -> list[tuple[ActiveLimit, ...]]:
        """Limits at which each of n settings (n, k) stands, those of relations last.

        Levels, fixed knobs, the sums of mixtures and equations have none. The limit of a knob with
        steps is the lowest or highest value it can take.
        """
        active = []
        for row in self._settings(values).reshape(-1, self.n_knobs):
            limits = []
            for j, knob in enumerate(self.knobs):
                if knob.fixed or knob.kind == "categorical":
                    continue
                low, high = float(self._box.lower[j]), float(self._box.upper[j])
                if row[j] <= low + tol * knob.width:
                    limits.append(ActiveLimit(knob.name, "lower", low))
                if row[j] >= high - tol * knob.width:
                    limits.append(ActiveLimit(knob.name, "upper", high))
            slack = tol * self._related.size
            for relation, total, s in zip(
                self.relations, self._related.totals(row).tolist(), slack.tolist(), strict=True
            ):
                if not relation.is_equation and total <= relation.least + s:
                    limits.append(ActiveLimit(relation.label, "lower", relation.least))
                if not relation.is_equation and total >= relation.most - s:
                    limits.append(ActiveLimit(relation.label, "upper", relation.most))
            active.append(tuple(limits))
        return active
