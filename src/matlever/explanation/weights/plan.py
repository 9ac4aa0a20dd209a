"""What is asked around every sample: which points, with which weights, in which groups."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import SettingsError
from matlever.explanation.weights.designs import (
    DESIGNS,
    Design,
    apportion,
    random_rotations,
    sobol_pairs,
)
from matlever.explanation.weights.neighbourhood import N_GROUPS, KnobScale, gaussian_draws
from matlever.explanation.weights.radius import RadialRule, d_optimal_step, kernel_rule, shells

__all__ = ["Estimand", "Plan", "Sampler", "make_plan"]

Array = NDArray[np.float64]

Estimand = Literal["lime", "kernel"]
Sampler = Literal[
    "auto",
    "sobol",
    "fold-over",
    "axial",
    "factorial",
    "plackett-burman",
    "simplex",
    "gaussian",
    "gaussian-mirrored",
    "gaussian-centred",
    "known-rows",
    "joint",
]

# LIME's own number of perturbed points is 5,000; a thousand is what its users turn it down to.
_GAUSSIAN_CALLS = 1001
# Perturbed points per coefficient below which the groups of a random fit get too thin.
_POINTS_PER_FEATURE = 4
# Pairs per feature from which low discrepancy is better than rotations, and cubic terms pay.
_PAIRS_PER_FEATURE = 6
# Points that the smallest design may take without being larger than that of four knobs.
_LEAST_POINTS = 8
# Designs in the budget from which two shells are better than more rotations on one.
_TWO_SHELLS_FROM = 4


_HALVES = "the two mirrored halves of the design"


@dataclass(frozen=True)
class Plan:
    """The points around every sample, in units of the neighbourhood's standard deviation.

    Attributes
    ----------
    sampler : str
        Name of the design or of the way to draw.
    points : ndarray of shape (N, p), or (N, k) for Gaussian draws
        For a design in features; for draws in knobs.
    weights : ndarray of shape (N,)
        Weights in the fit.
    centre : float
        Weight of the sample itself.
    groups : ndarray of shape (N,), int
        Points that are left out together to measure spread and fidelity.
    is_random : bool
        Whether the points are Gaussian draws.
    is_symmetric : bool
        Whether points 2i and 2i + 1 are mirror images.
    is_balanced : bool
        Whether sums over the points vanish, so that slopes follow without solving.
    is_clipped : bool
        Whether points beyond a limit are moved to it one by one, instead of shrinking the design.
    cubic : bool
        Whether cubic terms of single features are fitted beside the slopes, to take their noise
        away; they are orthogonal to the slopes under a Gaussian, so the limit does not change.
    jitter : ndarray of shape (N, p) or None
        Displacements in standard deviations of the reference, added to the placed points.
    rule : str
        How far the points are, in words.
    groups_are : str
        What the groups are, in words.
    n_copies : int
        Rotations of the design; its points stand one copy after another.
    warnings : tuple of str
    cache : dict
        What is computed once for all batches.
    """

    sampler: str
    points: Array
    weights: Array
    centre: float
    groups: NDArray[np.intp]
    is_random: bool
    is_symmetric: bool
    is_balanced: bool
    is_clipped: bool
    cubic: bool
    jitter: Array | None
    rule: str
    groups_are: str
    n_copies: int = 1
    warnings: tuple[str, ...] = ()
    cache: dict[str, object] = field(default_factory=dict, compare=False)

    @property
    def n_points(self) -> int:
        """Number N of points, without the sample itself."""
        return len(self.points)

    @property
    def halves(self) -> bool:
        """Whether the groups are the two mirrored halves of one symmetric design."""
        return self.groups_are == _HALVES


def make_plan(
    scale: KnobScale,
    sampler: str | Design,
    n_calls: int | None,
    radius: str | float,
    jitter: float | None,
    rng: np.random.Generator,
) -> Plan:
    """Decide what is asked around every sample.

    Raises
    ------
    SettingsError
        If the sampler or the radius is unknown, or the budget is too small for the design.
    """
    if isinstance(sampler, str) and sampler.startswith("gaussian"):
        return _gaussian(scale, sampler, n_calls, rng)
    m = scale.n_features
    if sampler == "auto":
        many = n_calls is not None and n_calls - 1 >= 2 * _PAIRS_PER_FEATURE * m and jitter is None
        # The effects of many levels would be noise there; designs are balanced against them.
        smooth = radius == "auto" and not _has_many_levels(scale)
        sampler = "sobol" if many and smooth else "fold-over"
    if sampler == "sobol":
        return _sobol(m, n_calls, rng)
    design = _design(sampler, m)
    least = design.n_points + 1
    if n_calls is not None and n_calls < least:
        raise SettingsError(
            f"n_calls={n_calls}: one {design.name} design of {m} moving knobs takes {least} calls "
            f"(with the sample itself); the smallest is 'simplex' with {m + 2}."
        )
    if jitter is not None:
        return _jittered(design, m, n_calls or least, radius, jitter, rng)
    copies = _default_copies(scale, design) if n_calls is None else (n_calls - 1) // design.n_points
    rule, warnings = _rule(radius, m, copies, design.n_points)
    turned = random_rotations(design, copies - 1, scale.can_rotate, rng)
    shell = np.arange(copies) % len(rule.steps)
    per_shell = np.bincount(shell, minlength=len(rule.steps))
    points = np.concatenate([design.points[None], turned]) * np.array(rule.steps)[shell, None, None]
    each = np.array(rule.weights)[shell] / (per_shell[shell] * design.n_points)
    groups, groups_are = _groups(design, copies)
    return Plan(
        sampler=design.name,
        points=points.reshape(-1, m),
        weights=np.repeat(each, design.n_points),
        centre=rule.centre,
        groups=groups,
        is_random=False,
        is_symmetric=design.is_symmetric,
        is_balanced=True,
        is_clipped=False,
        cubic=False,
        jitter=None,
        rule=rule.name,
        groups_are=groups_are,
        n_copies=copies,
        warnings=warnings,
    )


def _has_many_levels(scale: KnobScale) -> bool:
    """Whether a categorical knob with more than two levels moves."""
    turned = zip(scale.space.knobs, scale.moves, strict=True)
    return any(
        knob.kind == "categorical" and moves and len(knob.levels) > 2 for knob, moves in turned
    )


def _default_copies(scale: KnobScale, design: Design) -> int:
    """One design; of one knob with many levels as many as eight points allow."""
    few = scale.n_features == 1 and design.n_points < _LEAST_POINTS
    return _LEAST_POINTS // design.n_points if few and _has_many_levels(scale) else 1


def _design(sampler: str | Design, m: int) -> Design:
    if isinstance(sampler, Design):
        points = sampler.points
        if points.ndim != 2 or points.shape[1] != m:
            raise SettingsError(
                f"The design has points of shape {points.shape}; there are {m} moving knobs "
                "(a mixture of q parts counts q - 1)."
            )
        n = len(points)
        if not np.allclose(points.T @ points, n * np.eye(m), atol=1e-8 * n) or not np.allclose(
            points.sum(axis=0), 0, atol=1e-8 * n
        ):
            raise SettingsError(
                "The points of a design must sum to zero and have orthogonal columns of mean "
                "square one."
            )
        if sampler.is_symmetric and (n % 2 or not np.allclose(points[::2], -points[1::2])):
            raise SettingsError(
                "The points 2i and 2i + 1 of a symmetric design must be mirror images: order them "
                "so, or give is_symmetric=False."
            )
        return sampler
    if sampler not in DESIGNS:
        raise SettingsError(f"design={sampler!r} is not one of {list(get_args(Sampler))}.")
    return DESIGNS[sampler](m)


def _rule(
    radius: str | float, m: int, copies: int, n_points: int
) -> tuple[RadialRule, tuple[str, ...]]:
    if radius == "auto":
        radius = "two-shells" if copies >= _TWO_SHELLS_FROM else "shell"
    if radius == "shell":
        return shells(m, 1), ()
    if radius == "two-shells":
        if copies < 2:
            raise SettingsError("radius='two-shells' needs n_calls for two designs or more.")
        return shells(m, 2), ()
    if radius == "d-optimal":
        n = copies * n_points
        step = d_optimal_step(m, n)
        if step is not None:
            return kernel_rule(f"D-optimal, u = {step:.4g}", step, m, n), ()
        rule = shells(m, 1)
        return (
            RadialRule(f"{rule.name}; no D-optimum", rule.steps, rule.weights, rule.centre),
            (
                f"The D-criterion has no local minimum for {m} coordinates and {n} runs: the "
                f"radius is that of one shell, u = {rule.steps[0]:.4g}.",
            ),
        )
    if isinstance(radius, str) or not (np.isfinite(radius) and radius > 0):
        raise SettingsError(
            f"radius={radius!r} is not 'auto', 'shell', 'two-shells', 'd-optimal' or a step above "
            "0 in standard deviations of the neighbourhood."
        )
    return kernel_rule(f"u = {radius:.4g}", float(radius), m, copies * n_points), ()


def _groups(design: Design, copies: int) -> tuple[NDArray[np.intp], str]:
    """Choose what is left out together: whole rotations, mirrored halves, or single points."""
    n = design.n_points
    if copies > 1:
        return np.repeat(np.arange(copies) % N_GROUPS, n), "random rotations of the design"
    if design.is_symmetric:
        return np.arange(n) % 2, _HALVES
    return np.arange(n), "the points of the design"


def _jittered(
    design: Design,
    m: int,
    n_calls: int,
    radius: str | float,
    jitter: float,
    rng: np.random.Generator,
) -> Plan:
    """Spend the budget as Stadler et al. do: runs apportioned to the support, then jittered."""
    if not (np.isfinite(jitter) and jitter >= 0):
        raise SettingsError(f"jitter={jitter!r} must be 0 or more.")
    n, q = n_calls - 1, design.n_points
    if radius == "auto":
        radius = "d-optimal"
    if radius == "d-optimal":
        step = d_optimal_step(m, n)
        rule = shells(m, 1) if step is None else kernel_rule("", step, m, n)
        warnings: tuple[str, ...] = (
            ()
            if step is not None
            else (f"The D-criterion has no local minimum for {m} coordinates and {n} runs.",)
        )
    else:
        rule, warnings = _rule(radius, m, 1, n)
    counts = apportion(np.full(q, 1.0 / q), n)
    place = np.repeat(np.arange(q), counts)
    first = np.r_[True, place[1:] != place[:-1]]
    moved = np.where(first[:, None], 0.0, jitter * rng.standard_normal((n, m)))
    points = design.points[place] * rule.steps[0]
    return Plan(
        sampler=design.name,
        points=points,
        weights=np.ones(0),  # the kernel's, at the points where they end up
        centre=1.0,
        groups=np.arange(n) % min(N_GROUPS, n),
        is_random=False,
        is_symmetric=False,
        is_balanced=False,
        is_clipped=False,
        cubic=False,
        jitter=moved,
        rule=f"u = {rule.steps[0]:.4g}, jitter {jitter:g}",
        groups_are="tenths of the jittered points",
        warnings=warnings,
    )


def _sobol(m: int, n_calls: int | None, rng: np.random.Generator) -> Plan:
    """Pairs of low discrepancy, with cubic terms where there are enough of them."""
    pairs = (2 * _PAIRS_PER_FEATURE * m if n_calls is None else n_calls - 1) // 2
    if pairs < 2 * m + 2:
        raise SettingsError(
            f"n_calls={n_calls}: design='sobol' needs {2 * (2 * m + 2) + 1} calls or more for {m} "
            "moving knobs; 'fold-over' needs fewer."
        )
    points, weights = sobol_pairs(pairs, m, rng)
    n_groups = min(N_GROUPS, pairs // 2)
    return Plan(
        sampler="sobol",
        points=points,
        weights=weights,
        centre=0.0,
        groups=np.repeat(np.arange(pairs) * n_groups // pairs, 2),
        is_random=False,
        is_symmetric=True,
        is_balanced=True,
        is_clipped=True,
        cubic=pairs >= _PAIRS_PER_FEATURE * m,
        jitter=None,
        rule="pairs of low discrepancy",
        groups_are="tenths of the pairs",
    )


def _gaussian(
    scale: KnobScale, sampler: str, n_calls: int | None, rng: np.random.Generator
) -> Plan:
    if sampler not in get_args(Sampler):
        raise SettingsError(f"design={sampler!r} is not one of {list(get_args(Sampler))}.")
    asked = (_GAUSSIAN_CALLS if n_calls is None else n_calls) - 1
    needed = max(asked, _POINTS_PER_FEATURE * (scale.n_features + 1))
    draws = gaussian_draws(needed, len(scale.space), rng, mirrored=sampler == "gaussian-mirrored")
    n = len(draws)
    warnings: tuple[str, ...] = ()
    if n >= asked + 2 * N_GROUPS:
        warnings = (
            f"{n} points per sample instead of {asked}: a fit of {scale.n_features} knobs needs as "
            "many.",
        )
    return Plan(
        sampler=sampler,
        points=draws,
        weights=np.ones(0),
        centre=1.0,
        groups=np.repeat(np.arange(N_GROUPS), n // N_GROUPS),
        is_random=True,
        is_symmetric=False,
        is_balanced=False,
        is_clipped=False,
        cubic=False,
        jitter=None,
        rule="Gaussian draws",
        groups_are="tenths of the draws",
        warnings=warnings,
    )
