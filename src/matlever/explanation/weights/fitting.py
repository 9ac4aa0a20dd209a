"""Ask a model around each sample of a batch, and fit the surrogates to its answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import DataError, SettingsError
from matlever.explanation.weights.balanced import fit_balanced
from matlever.explanation.weights.in_knobs import in_knobs
from matlever.explanation.weights.neighbourhood import KnobScale
from matlever.explanation.weights.placement import Placement, place
from matlever.explanation.weights.plan import Plan
from matlever.explanation.weights.sparse import fit_sparse
from matlever.explanation.weights.surrogate import (
    SurrogateFit,
    differences,
    fidelity_of,
    fit_least_squares,
)
from matlever.knobs import (
    DataRegion,
    Editor,
    Predictor,
    predict_settings,
)

__all__ = ["Fitting"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Fitting:
    """What all chunks of one call share."""

    predictor: Predictor
    editor: Editor
    scale: KnobScale
    plan: Plan
    estimand: str
    surrogate: str
    penalty: float
    n_features: int
    check_draws: Array
    batch_rows: int

    def validate(self) -> None:
        """Raise SettingsError where the surrogate's settings cannot be used."""
        if not (np.isfinite(self.penalty) and self.penalty >= 0):
            raise SettingsError(f"penalty={self.penalty} must be 0 or more.")
        if self.surrogate == "lasso" and not 1 <= self.n_features <= self.scale.moves.sum():
            raise SettingsError(
                f"n_features={self.n_features} must be between 1 and the "
                f"{int(self.scale.moves.sum())} knobs that move."
            )

    def explain(self, samples: Any, centres: Array, kappa: Array, sigma: Array) -> dict[str, Any]:
        """Explain the samples of one batch; every result has one row per sample."""
        scale, plan = self.scale, self.plan
        n, n_points = len(centres), plan.n_points
        n_check = len(self.check_draws)
        asked = np.empty((n, 1 + n_points + n_check, centres.shape[1]))
        asked[:, 0] = centres
        placed = self.placed(centres, sigma, asked[:, 1 : 1 + n_points])
        if n_check:
            asked[:, 1 + n_points :] = scale.around(centres, self.scaled(self.check_draws, sigma))
        y = predict_settings(
            self.predictor, self.editor, samples, asked, batch_rows=self.batch_rows
        )
        if y.ndim > 3:
            raise DataError(
                f"The predictor returned {y.shape[2:]} numbers per sample; one number, or one row "
                "of them, can be explained."
            )
        one_target = y.ndim == 2
        y = y[:, :, None] if one_target else y
        fit = self.fitted(centres, placed, kappa, sigma, y[:, : 1 + n_points])
        fidelity = fit.fidelity
        if n_check:
            at = scale.features(centres, asked[:, 1 + n_points :])
            predicted = fit.offset[:, None] + at @ fit.slopes
            actual = differences(y[:, 1 + n_points :], y[:, :1])
            fidelity = fidelity_of(
                predicted.swapaxes(1, 2), actual.swapaxes(1, 2), np.ones(n_check)
            )
        found = in_knobs(scale, centres, fit, fidelity, y[:, 0])
        if one_target:
            found = {key: value[..., 0] for key, value in found.items()}
        return {**found, "one_sided": placed.one_sided, "outside": placed.outside}

    @property
    def from_neighbourhood(self) -> bool:
        """Whether draws come from the neighbourhood itself, so that no kernel is needed."""
        plan = self.plan
        if not plan.is_random or plan.sampler == "gaussian-centred":
            return False
        return self.estimand == "kernel"

    def placed(self, centres: Array, sigma: Array, out: Array | None = None) -> Placement:
        """Return the points around each sample."""
        scale, plan = self.scale, self.plan
        if not plan.is_random:
            if plan.is_clipped:
                return _clipped(scale, centres, sigma, plan, out)
            placed = _placed_copies(scale, centres, sigma, plan, out)
            if plan.jitter is None:
                return placed
            moved = placed.points + plan.jitter @ scale.directions
            placed.points[:] = scale.space.project(moved, hold=scale.held)
            return replace(placed, offset=None, extent=None)
        draws = plan.points
        if plan.sampler == "gaussian-centred":
            draws = (
                draws + ((scale.mean - centres) / np.where(scale.sd > 0, scale.sd, 1.0))[:, None]
            )
            draws[:, :, scale.space.is_categorical] = plan.points[:, scale.space.is_categorical]
        elif self.from_neighbourhood:
            draws = self.scaled(draws, sigma)
        points = scale.around(centres, draws)
        if out is not None:
            out[:] = points
            points = out
        outside = _share_outside(scale, centres, draws)
        sided = np.zeros(centres.shape, dtype=bool)
        return Placement(points, None, None, sided, outside, np.ones(len(points), dtype=bool))

    def scaled(self, draws: Array, sigma: Array) -> Array:
        """Draws (N, k) in the units of the neighbourhoods, (n, N, k); levels keep their shares."""
        unit = np.where(self.scale.space.is_categorical, 1.0, sigma[:, None])
        found: Array = draws * unit[:, None]
        return found

    def fitted(
        self, centres: Array, placed: Placement, kappa: Array, sigma: Array, y: Array
    ) -> SurrogateFit:
        """Fit the surrogates to the predictions (n, N + 1, t)."""
        plan = self.plan
        plain = self.surrogate == "least squares"
        if plain and plan.is_balanced and placed.offset is not None and placed.extent is not None:
            fit = fit_balanced(plan, placed.offset, placed.extent, y)
            bent = np.flatnonzero(placed.bent)
            if not len(bent):
                return fit
            return fit.replaced(
                bent,
                self.solved(centres[bent], placed.points[bent], kappa[bent], sigma[bent], y[bent]),
            )
        return self.solved(centres, placed.points, kappa, sigma, y)

    def solved(
        self, centres: Array, points: Array, kappa: Array, sigma: Array, y: Array
    ) -> SurrogateFit:
        """Solve for the surrogates, wherever the points (n, N, k) have ended up."""
        plan, scale = self.plan, self.scale
        features = scale.features(centres, points)
        n, n_points = features.shape[:2]
        if len(plan.weights):
            # In units in which they sum to the number of points, so that a penalty of 1 is small.
            unit = n_points / plan.weights.sum()
            weights = np.broadcast_to(plan.weights * unit, (n, n_points))
            centre = plan.centre * unit
        elif self.from_neighbourhood:
            weights, centre = np.ones((n, n_points)), plan.centre
        else:
            width = kappa if plan.is_random else sigma
            distance2 = (features**2).sum(axis=2)
            weights = np.exp(-distance2 / (2.0 * width[:, None] ** 2))
            centre = plan.centre
        outcomes = differences(y[:, 1:], y[:, :1])
        if self.surrogate == "lasso":
            return fit_sparse(
                scale,
                centres,
                points,
                weights,
                centre,
                plan.groups,
                outcomes,
                self.n_features,
            )
        penalty = self.penalty if self.surrogate == "ridge" else 0.0
        return fit_least_squares(features, weights, centre, plan.groups, outcomes, penalty)

    def unseen(self, centres: Array, sigma: Array) -> Array:
        """Share of the points around each sample that lie farther from the data than data do."""
        region = DataRegion(self.scale.space, self.scale.reference)
        per_chunk = max(1, self.batch_rows // self.plan.n_points)
        shares = [
            1.0
            - region.inside(
                self.placed(centres[a : a + per_chunk], sigma[a : a + per_chunk]).points
            ).mean(axis=1)
            for a in range(0, len(centres), per_chunk)
        ]
        return np.concatenate(shares)


def _placed_copies(
    scale: KnobScale, centres: Array, sigma: Array, plan: Plan, out: Array | None
) -> Placement:
    """Place each copy of the design on its own, so that one near a limit shrinks alone."""
    if out is None:
        out = np.empty((len(centres), plan.n_points, centres.shape[1]))
    size = plan.n_points // plan.n_copies
    parts = []
    for copy in range(plan.n_copies):
        some = slice(copy * size, (copy + 1) * size)
        parts.append(
            place(
                scale,
                centres,
                sigma,
                plan.points[some],
                plan.is_symmetric,
                out[:, some],
                copy=copy,
                n_copies=plan.n_copies,
            )
        )
    offsets = [part.offset for part in parts if part.offset is not None]
    extents = [part.extent for part in parts if part.extent is not None]
    straight = len(offsets) == len(parts)
    return Placement(
        out,
        np.stack(offsets, axis=1) if straight else None,
        np.stack(extents, axis=1) if straight else None,
        np.any([part.one_sided for part in parts], axis=0),
        np.mean([part.outside for part in parts], axis=0),
        np.full(len(centres), not straight),
    )


def _clipped(
    scale: KnobScale, centres: Array, sigma: Array, plan: Plan, out: Array | None
) -> Placement:
    """Place points of low discrepancy; what lies beyond the limits moves to the nearest setting."""
    space = scale.space
    points = np.empty((len(centres), plan.n_points, centres.shape[1])) if out is None else out
    step = plan.points @ scale.directions  # (N, k)
    np.multiply(sigma[:, None, None], step, out=points)
    points += centres[:, None]
    words = np.flatnonzero(space.is_categorical & scale.moves)
    for j in words.tolist():
        column = plan.points[:, int(np.flatnonzero(scale.knob_of == j)[0])]
        other = np.flatnonzero(column < 0)
        points[:, :, j] = centres[:, None, j]
        points[:, other, j] = scale.other_levels(j, centres[:, j], len(other))
    # What is held may stand outside its limits, and stays.
    free = scale.moves & ~space.is_categorical
    out_of = (points < space.lower) | (points > space.upper)
    outside = out_of[:, :, free].mean(axis=(1, 2)) if free.any() else np.zeros(len(centres))
    bent: NDArray[np.bool_] = np.asarray(out_of[:, :, free].any(axis=(1, 2)))
    if any(knob.kind != "continuous" for knob in np.array(space.knobs)[scale.moves]) or any(
        mixture.max_parts is not None for mixture in space.mixtures
    ):
        bent[:] = True
    if space.relations:
        bent |= ~space.is_feasible(points).all(axis=1)
    if bent.any():
        points[bent] = space.project(points[bent], hold=scale.held)
    extent = np.repeat(sigma[:, None, None], scale.n_features, axis=2)
    sided = np.zeros(centres.shape, dtype=bool)
    return Placement(points, np.zeros_like(extent), extent, sided, outside, bent)


def _share_outside(scale: KnobScale, centres: Array, draws: Array) -> Array:
    """Share of the drawn values of moving numeric knobs that lie outside the limits, (n,)."""
    free = scale.moves & ~scale.space.is_categorical
    if not free.any():
        return np.zeros(len(centres))
    raw = centres[:, None, free] + scale.sd[free] * draws[..., free]
    out = (raw < scale.space.lower[free]) | (raw > scale.space.upper[free])
    share: Array = out.mean(axis=(1, 2))
    return share
