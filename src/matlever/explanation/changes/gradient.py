r"""Descent along the gradient of the prediction, where predictor and editor have one.

The objective is that of the backward explanation of micrographs (S. Liu et al., "Explainable
machine learning of material attributes", Eq. 2),

.. math:: \lambda \, \mathrm{miss}(A')^2 + \sum_j c_j |A'_j - A_j|,

with the miss in place of the distance to a number, so that ranges and several targets fit in, and
with a growing :math:`\lambda`, so that the goal is met in the end. The first term goes down by
Adam, the second by its proximal step in the same metric (soft thresholding), which returns knobs
to their start exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.explanation.changes.descent import States, states_at
from matlever.explanation.changes.ground import Ground, Problems
from matlever.explanation.changes.question import Question
from matlever.explanation.changes.thoroughness import THOROUGH, Thoroughness
from matlever.knobs import DifferentiableEditor, DifferentiablePredictor
from matlever.knobs.samples import take_rows

__all__ = ["gradient_states", "has_gradient"]

Array = NDArray[np.float64]

# Weight of the squared miss against the cost, at the beginning and at the end.
_PENALTY = (10.0, 1e4)
# Step in shares of a knob's range, at the beginning and at the end; fewer steps begin longer.
_STEP = (0.08, 0.002)
_LONGEST_STEP = 0.16
_BETA1, _BETA2, _TINY = 0.9, 0.99, 1e-12


def has_gradient(predictor: Any, editor: Any, ground: Ground) -> bool:
    """Whether predictions know their gradient with respect to all free knobs."""
    return (
        isinstance(predictor, DifferentiablePredictor)
        and isinstance(editor, DifferentiableEditor)
        and bool(getattr(editor, "is_differentiable", True))
        and not bool((ground.free & ground.is_categorical).any())
    )


def gradient_states(
    ground: Ground,
    question: Question,
    problems: Problems,
    values: Array,
    look: Thoroughness = THOROUGH,
) -> States:
    """Return the best states on the way down from r settings (b, r, k) of each problem."""
    b, r, k = values.shape
    problem = np.repeat(np.arange(b), r)
    best = values.reshape(b * r, k).copy()
    most = max(1, getattr(question.editor, "most_rows", question.batch_rows) // r)
    for begin in range(0, b, most):
        rows = np.arange(begin, min(begin + most, b))
        found = _descend(
            ground, question, problems.take(rows), values[rows], look.gradient_iterations
        )
        best[begin * r : begin * r + found.shape[0] * r] = found.reshape(-1, k)
        if question.clock.expired:
            break
    return states_at(ground, question, problems, problem, best)


def _descend(
    ground: Ground, question: Question, problems: Problems, values: Array, iterations: int
) -> Array:
    width = ground.width
    start = problems.start[:, None]
    low, high = (side[:, None] for side in (problems.lower, problems.upper))
    weight = ground.weight * width
    change = (values - start) / width
    mean, square = np.zeros_like(change), np.zeros_like(change)
    best, best_miss = values.copy(), np.full(values.shape[:2], np.inf)
    best_spend = np.full(values.shape[:2], np.inf)
    longest = min(_STEP[0] * max(1.0, THOROUGH.gradient_iterations / iterations), _LONGEST_STEP)
    penalty, steps = (np.geomspace(*ends, iterations) for ends in (_PENALTY, (longest, _STEP[1])))
    ask = _Gradient(question, problems)
    for i in range(iterations):
        settings, allowed = ground.settle(problems, start + change * width)
        miss, slope = ask(settings)
        spend = ground.spend(start, settings)
        miss = np.where(allowed, miss, np.inf)
        better = (miss < best_miss) | ((miss == best_miss) & (spend < best_spend))
        best[better], best_miss[better], best_spend[better] = (
            settings[better],
            miss[better],
            spend[better],
        )
        if question.clock.expired:
            break
        # The slope at the settled point is used where the unsettled one stands (straight through),
        # so that steps of a grid do not stop the descent.
        slope = penalty[i] * slope * width
        mean = _BETA1 * mean + (1 - _BETA1) * slope
        square = _BETA2 * square + (1 - _BETA2) * slope**2
        metric = np.sqrt(square / (1 - _BETA2 ** (i + 1))) + _TINY
        moved = change - steps[i] * mean / (1 - _BETA1 ** (i + 1)) / metric
        moved = np.clip(moved, (low - start) / width, (high - start) / width)
        shrink = steps[i] * weight / np.maximum(metric, weight)
        change = np.sign(moved) * np.maximum(np.abs(moved) - shrink, 0.0)
        if ground.max_changes is not None and i == iterations // 2:
            change = (ground.thin(problems, start + change * width) - start) / width
            low = np.where(change == 0, start, low)
            high = np.where(change == 0, start, high)
    return best


class _Gradient:
    """The miss at settings (b, r, k) and the gradient of half its square."""

    def __init__(self, question: Question, problems: Problems) -> None:
        self.question, self.problems = question, problems
        self.rows = take_rows(question.samples, problems.sample)

    def __call__(self, settings: Array) -> tuple[Array, Array]:
        import torch

        question, sample = self.question, self.problems.sample
        b, r, _ = settings.shape
        shown = torch.tensor(question.editor.space.admit(settings), requires_grad=True)
        rendered = question.editor.render_tensor(self.rows, shown)  # type: ignore[attr-defined]
        predicted = question.predictor.predict_tensor(rendered)  # type: ignore[attr-defined]
        np.add.at(question.n_calls, sample, r)
        p = predicted.double().reshape(b, r, -1)[..., question.goal.positions]
        goal = question.goal.inner()
        lower, upper, scale = (
            torch.as_tensor(side[sample][:, None], device=p.device)
            for side in (goal.lower, goal.upper, goal.scale)
        )
        excess = torch.relu(torch.maximum(lower - p, p - upper)) / scale
        total = 0.5 * (excess**2).sum()
        (slope,) = torch.autograd.grad(total, shown, allow_unused=True)
        miss = excess.sum(dim=-1).detach().cpu().numpy()
        found = np.zeros_like(settings) if slope is None else slope.cpu().numpy()
        return miss, np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0)
