"""How much each setting is worth trying, for each kind of goal and of interest."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from matlever.recommendation._botorch import quiet, without_compiling
from matlever.recommendation._gaussian_process import OutcomeScale
from matlever.recommendation._surrogate import Surrogate
from matlever.recommendation._uncertainty import LocalUncertainty, OverallUncertainty, SpreadOut
from matlever.recommendation.goals import Goal

with quiet():
    from botorch.acquisition.logei import qLogExpectedImprovement, qLogNoisyExpectedImprovement
    from botorch.acquisition.monte_carlo import qSimpleRegret
    from botorch.acquisition.multi_objective.logei import (
        qLogExpectedHypervolumeImprovement,
        qLogNoisyExpectedHypervolumeImprovement,
    )
    from botorch.acquisition.multi_objective.objective import GenericMCMultiOutputObjective
    from botorch.acquisition.objective import GenericMCObjective
    from botorch.sampling.normal import SobolQMCNormalSampler
    from botorch.utils.multi_objective.box_decompositions import FastNondominatedPartitioning
    from botorch.utils.multi_objective.pareto import is_non_dominated

__all__ = ["Interest", "Method"]

Method = Literal["expected improvement", "explore", "reduce uncertainty", "best"]
Array = NDArray[np.float64]
OfOutputs = Callable[[torch.Tensor], torch.Tensor]

_SAMPLES, _SAMPLES_SEVERAL = 256, 64  # draws from the posterior, and for hypervolumes
_MARGIN = 0.1  # around a range, in standard deviations of the outcome
_OUTSIDE = 10.0  # weight of a miss of a range when expected values are added up


@dataclass(frozen=True)
class Interest:
    """What makes a setting interesting, given the runs so far.

    Attributes
    ----------
    surrogate : Surrogate
        What is believed.
    goals : tuple of Goal of length t
        One per output of the surrogate; may be empty for the two methods that only learn.
    method : {"expected improvement", "explore", "reduce uncertainty", "best"}
        What is looked for.
    points : ndarray of shape (n, p)
        The known runs.
    z : ndarray of shape (n, t)
        Their outcomes on the models' scales, NaN where not measured.
    reference : ndarray of shape (R, p)
        Settings over which uncertainty is averaged.
    seed : int
        Of the draws from the posterior.
    """

    surrogate: Surrogate
    goals: tuple[Goal, ...]
    method: Method
    points: Array
    z: Array
    reference: Array
    seed: int

    def acquisition(self, pending: Array) -> Any:
        """Return BoTorch's acquisition function of points (b, 1, p), given pending ones (m, p)."""
        under_way = torch.as_tensor(pending)
        if self.method == "explore":
            return LocalUncertainty(self.surrogate, under_way)
        if self.method == "reduce uncertainty":
            return OverallUncertainty(self.surrogate, under_way, torch.as_tensor(self.reference))
        if self.method == "best":
            return qSimpleRegret(
                self.surrogate.model, sampler=self._sampler(), objective=self._total(_OUTSIDE)
            )
        aims = [j for j, goal in enumerate(self.goals) if goal.kind != "within"]
        if not aims:
            return self._into_ranges(under_way)
        if len(aims) == 1:
            return self._one(aims[0], under_way)
        with without_compiling():
            return self._several(aims, under_way)

    # -- one aim or several, under conditions -----------------------------------------------------

    def _one(self, aim: int, pending: torch.Tensor) -> Any:
        """Improvement on the best so far of one target, inside all ranges."""
        score = self._scores()[aim]
        common: dict[str, Any] = {
            "model": self.surrogate.model,
            "sampler": self._sampler(),
            "objective": GenericMCObjective(_ignoring_inputs(score)),
            "constraints": self._conditions(),
            "X_pending": pending if len(pending) else None,
        }
        if not self.surrogate.is_given:
            return qLogNoisyExpectedImprovement(X_baseline=self._baseline(), **common)
        scores = score(torch.as_tensor(self.z)).numpy()
        counts = self._meets_conditions() & np.isfinite(scores)
        # With no run inside the ranges yet, any is an improvement on the worst.
        best = scores[counts].max() if counts.any() else np.nanmin(scores)
        return qLogExpectedImprovement(best_f=float(best), **common)

    def _several(self, aims: Sequence[int], pending: torch.Tensor) -> Any:
        """Growth of the hypervolume that the known runs dominate, inside all ranges."""
        scores = [self._scores()[j] for j in aims]
        known = self._filled()
        y = torch.stack([score(known) for score in scores], dim=-1)
        counts = torch.as_tensor(self._meets_conditions())
        common: dict[str, Any] = {
            "model": self.surrogate.model,
            "ref_point": _reference_point(y, counts),
            "sampler": self._sampler(_SAMPLES_SEVERAL),
            "objective": GenericMCMultiOutputObjective(
                _ignoring_inputs(lambda Y: torch.stack([score(Y) for score in scores], dim=-1))
            ),
            "constraints": self._conditions(),
            "X_pending": pending if len(pending) else None,
        }
        if not self.surrogate.is_given:
            return qLogNoisyExpectedHypervolumeImprovement(
                X_baseline=self._baseline(), prune_baseline=True, **common
            )
        measured = counts & ~torch.as_tensor(np.isnan(self.z[:, list(aims)]).any(axis=1))
        partitioning: Any = FastNondominatedPartitioning(common["ref_point"], y[measured])
        return qLogExpectedHypervolumeImprovement(partitioning=partitioning, **common)

    def _into_ranges(self, pending: torch.Tensor) -> Any:
        """Improvement towards the ranges; once inside, the chance to be inside again.

        Each run of a batch is to be inside, so what counts against a setting is only how much the
        pending runs will tell about it.
        """
        best = float(self._total(1.0)(self._filled()).max())
        margin = min([_MARGIN, *(0.5 * (high - low) for low, high in self._ranges().values())])
        worth = qLogExpectedImprovement(
            self.surrogate.model,
            best_f=min(best, -margin),
            sampler=self._sampler(),
            objective=self._total(1.0),
        )
        return SpreadOut(worth, self.surrogate, pending)

    # -- goals on the models' scales --------------------------------------------------------------

    def _scores(self) -> list[OfOutputs]:
        """Functions of outputs (..., t): how good each is, on its model's scale."""
        return [
            _score(j, goal, scale)
            for j, (goal, scale) in enumerate(zip(self.goals, self.surrogate.scales, strict=True))
        ]

    def _total(self, outside: float) -> Any:
        """Sum of all scores, a miss of a range weighted by `outside`, as an objective."""
        parts = [
            (score, outside if goal.kind == "within" else 1.0)
            for score, goal in zip(self._scores(), self.goals, strict=True)
        ]

        def total(Y: torch.Tensor) -> torch.Tensor:
            return torch.stack([weight * score(Y) for score, weight in parts]).sum(dim=0)

        return GenericMCObjective(_ignoring_inputs(total))

    def _ranges(self) -> dict[int, tuple[float, float]]:
        """Return the ends of the ranges by target, on the models' scales."""
        return {
            j: (float(scale.to_model(goal.lower)), float(scale.to_model(goal.upper)))
            for j, (goal, scale) in enumerate(zip(self.goals, self.surrogate.scales, strict=True))
            if goal.kind == "within"
        }

    def _conditions(self) -> list[OfOutputs] | None:
        """Functions of outputs that are below zero inside a range; None where there is none."""
        conditions: list[OfOutputs] = []
        for j, (low, high) in self._ranges().items():
            conditions += [
                _excess(j, end, sign) for end, sign in ((low, -1), (high, 1)) if math.isfinite(end)
            ]
        return conditions or None

    def _meets_conditions(self) -> NDArray[np.bool_]:
        meets = np.ones(len(self.z), dtype=bool)
        for j, (low, high) in self._ranges().items():
            meets &= (self.z[:, j] >= low) & (self.z[:, j] <= high)
        return meets

    # -- the known runs ---------------------------------------------------------------------------

    def _filled(self) -> torch.Tensor:
        """Outcomes (n, t), what was not measured replaced by what is expected there."""
        z = torch.as_tensor(self.z)
        if not z.isnan().any():
            return z
        with torch.no_grad():
            points = torch.as_tensor(self.points)[:, None]
            expected = torch.cat([gp.posterior(points).mean[:, 0] for gp in self.surrogate.gps], 1)
        return torch.where(z.isnan(), expected, z)

    def _baseline(self) -> torch.Tensor:
        return torch.as_tensor(np.unique(self.points, axis=0))

    def _sampler(self, n: int = _SAMPLES) -> Any:
        return SobolQMCNormalSampler(torch.Size([n]), seed=self.seed)


def _score(j: int, goal: Goal, scale: OutcomeScale) -> OfOutputs:
    if goal.kind == "maximise":
        return lambda Y: Y[..., j]
    if goal.kind == "minimise":
        return lambda Y: -Y[..., j]
    low, high = float(scale.to_model(goal.lower)), float(scale.to_model(goal.upper))
    return lambda Y: -torch.maximum(low - Y[..., j], Y[..., j] - high).clamp_min(0.0)


def _excess(j: int, end: float, sign: int) -> OfOutputs:
    """Return how far an output is beyond an end of its range."""
    return lambda Y: sign * (Y[..., j] - end)


def _ignoring_inputs(function: OfOutputs) -> Callable[..., torch.Tensor]:
    """Return a function of outputs in the form BoTorch wants, which also takes inputs."""

    def of_both(Y: torch.Tensor, X: torch.Tensor | None = None) -> torch.Tensor:
        return function(Y)

    return of_both


def _reference_point(y: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Worst score on the known Pareto front, less a tenth of each score's range [1]_.

    References
    ----------
    .. [1] H. Ishibuchi, R. Imada, Y. Setoguchi, Y. Nojima, Evol. Comput. 26 (2018) 411-440.
    """
    some = y[counts] if counts.any() else y
    front = some[is_non_dominated(some)]
    reach = y.max(dim=0).values - y.min(dim=0).values
    point: torch.Tensor = front.min(dim=0).values - 0.1 * reach
    return point
