r"""LIME, and LIME by design of experiments: which knob matters at one sample.

References: M. T. Ribeiro, S. Singh, C. Guestrin, "Why should I trust you?", KDD 2016; A. Stadler,
W. G. Müller, R. Harman, "Green LIME: Improving AI Explainability through Design of Experiments"
(2025). Departures, all documented at `explain`: no ridge penalty, no point outside the limits,
mixtures, symmetric designs, radii for a named estimand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import DataError, SettingsError
from matlever.explanation.weights.designs import Design
from matlever.explanation.weights.explanations import Explanations
from matlever.explanation.weights.fitting import Fitting
from matlever.explanation.weights.joint import explain_jointly
from matlever.explanation.weights.known_rows import explain_from_known_rows
from matlever.explanation.weights.neighbourhood import KnobScale, reference_settings
from matlever.explanation.weights.plan import Estimand, Plan, make_plan
from matlever.knobs import (
    Editor,
    Predictor,
    as_editor,
    as_predictor,
)
from matlever.knobs.samples import row_labels, take

__all__ = ["explain"]

Array = NDArray[np.float64]
Surrogate = Literal["least squares", "ridge", "lasso"]

# Share of a design's coordinates beyond the limits from which the reader is told.
_MANY_OUTSIDE = 0.4
# Surrogates that follow the model no better than this are said to be poor.
_POOR_R2 = 0.5


def explain(
    predictor: Predictor | Any,
    editor: Editor | Any,
    samples: Any,
    *,
    reference: Any = None,
    design: str | Design = "auto",
    n_calls: int | None = None,
    estimand: Estimand = "lime",
    kernel_width: float | Literal["lime", "auto"] | ArrayLike = "lime",
    radius: float | str = "auto",
    jitter: float | None = None,
    surrogate: Surrogate = "least squares",
    penalty: float | None = None,
    n_features: int | None = None,
    check: int = 0,
    random_state: int | np.random.Generator | None = 0,
    targets: Sequence[str] | None = None,
    target_units: Sequence[str | None] | None = None,
    batch_rows: int = 16_384,
) -> Explanations:
    r"""Local weights of the knobs at each sample.

    The model is asked at a small symmetric design around each sample, all samples in one call, and
    a linear surrogate is fitted to its answers. The default takes ``2 * 4 * ceil(m / 4) + 1`` calls
    or fewer for m moving knobs, is deterministic, and returns the exact gradient of a quadratic
    model.

    Parameters
    ----------
    predictor : Predictor
        Any fitted regressor with ``predict``, a torch module, or a function of samples; for one
        target or several.
    editor : Editor, Table, DataFrame or array_like
        Turns settings into samples the predictor takes; a table's columns become knobs within the
        observed limits.
    samples : n samples
        The samples to explain. One that is not feasible is explained at the nearest feasible
        setting, and a warning says so.
    reference : samples, optional
        Usually the training samples: their standard deviations are the units of the knobs, their
        level frequencies those of the draws. Default: the table, where `editor` is one, or the
        settings that an editor without such samples knows itself.
    design : str or Design, default="auto"
        Where to ask. "auto" is "fold-over", or "sobol" where `n_calls` allows for six pairs per
        knob and no categorical knob has more than two levels. Symmetric designs: ``"fold-over"``
        (rows of a Hadamard matrix and their mirror images), ``"axial"`` (one knob at a time, 2m
        points), ``"factorial"`` (:math:`2^m`).
        Not symmetric, biased by curvature: ``"plackett-burman"``, ``"simplex"`` (m + 1 points).
        ``"sobol"``: mirrored pairs of low discrepancy, the most accurate for larger budgets.
        Draws: ``"gaussian"`` (LIME around the sample), ``"gaussian-mirrored"``,
        ``"gaussian-centred"`` (the lime package's default: around the mean of the data).
        ``"known-rows"`` asks about no invented sample at all: the surrogate is fitted to the
        predictions for the reference, so a model that behaves well off the data only cannot hide.
        ``"joint"`` shares one set of points among all samples (dozens that lie close together).
    n_calls : int, optional
        Budget per sample, the sample itself included. A design is repeated in random rotations as
        often as fits in. Default: one design, or 1,001 for draws; for "joint", the average over
        the samples, by default a third of an axial design.
    estimand : {"lime", "kernel"}, default="lime"
        Over which neighbourhood the slope is averaged: LIME's limit for many points, a Gaussian of
        standard deviation :math:`\tau = \kappa/\sqrt{1+\kappa^2}` (its draws times its kernel), or
        the kernel alone, of the wider :math:`\kappa`. They differ by up to 150 % at LIME's width.
    kernel_width : float, {"lime", "auto"} or array_like of shape (n,), default="lime"
        Kernel width :math:`\kappa` in standard deviations of the reference. "lime" is
        :math:`0.75\sqrt m`; "auto" the widest at which a straight line explains 90 % of what the
        model does, sample by sample (`matlever.explanation.kernel_sensitivity`, after OptiLIME).
    radius : float or str, default="auto"
        Step per coordinate in standard deviations of that neighbourhood. ``"shell"`` places one
        spherical-radial shell at :math:`\sqrt{(m+2)/m}`, ``"two-shells"`` two (in alternate
        rotations); "auto" takes two from four designs on. ``"d-optimal"`` is the first local
        minimum of the D-criterion; where there is none, one shell, and a warning says so.
    jitter : float, optional
        Spend the budget as published: runs apportioned to the points of one design and moved by
        Gaussian noise of this standard deviation. For parity only; rotations serve better.
    surrogate : {"least squares", "ridge", "lasso"}, default="least squares"
        "ridge" adds `penalty` (default 1, as the lime package does); "lasso" keeps the
        `n_features` knobs (default 5) that enter its path first and fits these without penalty.
    penalty : float, optional
        Ridge penalty.
    n_features : int, optional
        Knobs that a "lasso" surrogate keeps.
    check : int, default=0
        Further points per sample, drawn from the neighbourhood, at which fidelity is measured.
        Without them it is measured at the design's own points, each predicted without its half,
        its rotation or its tenth.
    random_state : int, Generator or None, default=0
        Seed of rotations, draws and check points, which are the same for all samples.
    targets : sequence of str or None, default=None
        Names of the predictor's targets, or labels such as "length (nm)"; only for labels.
    target_units : sequence of (str or None) or None, default=None
        Their units; with them the sentence gives each number its unit, and leaves the unit out of
        the label.
    batch_rows : int, default=16_384
        At most so many rendered samples in one call of the model: few enough for its caches, many
        enough for what a call costs.

    Returns
    -------
    explanations : Explanations
        Slopes, contributions, spread and fidelity, each with the shape of one row per sample.

    Raises
    ------
    DataError
        If there is no sample, or the predictor fails to return one finite number per sample.
    SettingsError
        If no knob moves, or a setting has a value that cannot be used.

    Notes
    -----
    Designs are fitted into the limits: shrunk knob by knob, pairs kept mirrored, down to a quarter
    of the step; nearer to a limit than that the pair lies on the side that exists, and the slope is
    that in its middle (`Explanations.one_sided`).

    The parts of a mixture cannot move alone. Their slopes are those in the plane of constant sum
    (the minimum-norm solution: the slopes of the moving parts sum to zero, in the knobs' units):
    how the prediction changes when one part grows at the expense of all others alike.

    A categorical knob has one slope: predicted by its level against the other levels as frequent as
    they are in the reference. A single design asks about one, two or four of them, those most
    frequent in the reference: only so many can be balanced against the other knobs, whose slopes
    their effects would disturb otherwise. More `n_calls` see more of them.

    The spread is over other rotations of the same number of calls. With a single design there is
    none to compare: then it is half the difference between the slopes of its two mirrored halves,
    which is what curvature would do to them. Likewise fidelity: each half is predicted by the
    surrogate of the other, and its errors are turned into those of the whole design, which cancels
    the curvature that a half takes for slope. So few points see curvature well and cubic behaviour
    hardly; rotations and `check` see both.
    """
    if check < 0 or batch_rows < 1 or surrogate not in get_args(Surrogate):
        raise SettingsError(
            f"check={check} must be 0 or more, batch_rows={batch_rows} above 0, and "
            f"surrogate={surrogate!r} one of {list(get_args(Surrogate))}."
        )
    if estimand not in get_args(Estimand):
        raise SettingsError(f"estimand={estimand!r} is not 'lime' or 'kernel'.")
    _check_that_all_count(
        design,
        n_calls=n_calls is not None,
        radius=radius != "auto",
        jitter=jitter is not None,
        check=check > 0,
        surrogate=surrogate != "least squares",
        penalty=penalty is not None and surrogate != "ridge",
        n_features=n_features is not None and surrogate != "lasso",
    )
    if n_calls is not None and not (isinstance(n_calls, int | np.integer) and n_calls > 1):
        raise SettingsError(
            f"n_calls={n_calls!r} must be a whole number of 2 or more: the sample itself counts."
        )
    # One name is one target, not one for each of its letters.
    targets = (targets,) if isinstance(targets, str) else targets
    target_units = (target_units,) if isinstance(target_units, str) else target_units
    if reference is None and not hasattr(editor, "render"):
        reference = getattr(editor, "inputs", editor)
    if reference is None and design == "known-rows":
        raise SettingsError("design='known-rows' asks about the reference: give reference=...")
    predictor, editor = as_predictor(predictor), as_editor(editor)
    space = editor.space
    scale = KnobScale(space, reference_settings(editor, reference))
    values = np.asarray(editor.values(samples), dtype=float)
    if not len(values):
        raise DataError("There is no sample to explain.")
    if not scale.n_features:
        raise SettingsError("No knob moves: all are fixed, or constant in the reference.")
    rng = np.random.default_rng(random_state)
    centres = space.project(values)
    warnings: list[str] = []
    kappa = _widths(
        predictor, editor, samples, reference, scale, kernel_width, estimand, batch_rows, warnings
    )
    sigma = kappa / np.sqrt(1 + kappa**2) if estimand == "lime" else kappa
    common: dict[str, Any] = {
        "knobs": space.names,
        "units": tuple(knob.unit for knob in space.knobs),
        "is_categorical": tuple(space.is_categorical.tolist()),
        "levels": tuple(knob.levels if knob.kind == "categorical" else () for knob in space.knobs),
        "rows": row_labels(samples, len(values)),
        "targets": None if targets is None else tuple(targets),
        "target_units": None if target_units is None else tuple(target_units),
        "settings": centres,
        "mean": scale.mean,
        "sd": np.where(scale.moves, scale.sd, 0.0),
        "kernel_width": kappa,
        "estimand": estimand,
    }
    far = 0.01 * np.where(scale.sd > 0, scale.sd, 1.0)
    moved = np.any(np.abs(values - centres) > far, axis=1)
    if moved.any():
        warnings.insert(
            0,
            f"{int(moved.sum())} of {len(moved)} samples lie outside the limits and are explained "
            "at the nearest feasible setting.",
        )
    if hasattr(editor, "notes"):
        warnings = [*editor.notes(samples), *warnings]
    if design == "known-rows":
        found = explain_from_known_rows(
            predictor, editor, samples, centres, reference, scale, kappa, batch_rows
        )
        warnings += found.pop("warnings")
        common["kernel_width"] = found.pop("kernel_width_used")
        return Explanations(**common, **found, warnings=tuple(warnings))
    if design == "joint":
        found = explain_jointly(
            predictor, editor, samples, centres, scale, sigma, n_calls, rng, batch_rows
        )
        warnings += found.pop("warnings")
        return Explanations(**common, **found, warnings=tuple(warnings))
    plan = make_plan(scale, design, n_calls, radius, jitter, rng)
    fitting = Fitting(
        predictor,
        editor,
        scale,
        plan,
        estimand,
        surrogate,
        1.0 if penalty is None else float(penalty),
        min(5, int(scale.moves.sum())) if n_features is None else int(n_features),
        rng.standard_normal((check, space.n_knobs)),
        batch_rows,
    )
    fitting.validate()
    per_chunk = max(1, batch_rows // (plan.n_points + 1 + check))
    chunks = []
    for start in range(0, len(values), per_chunk):
        rows = slice(start, start + per_chunk)
        some = take(samples, start, min(start + per_chunk, len(values)))
        chunks.append(fitting.explain(some, centres[rows], kappa[rows], sigma[rows]))
    result: dict[str, Any] = {
        key: chunks[0][key]
        if len(chunks) == 1
        else np.concatenate([chunk[key] for chunk in chunks])
        for key in chunks[0]
    }
    warnings += [*plan.warnings, *_warnings(result, check, plan)]
    return Explanations(
        **common,
        **result,
        design=plan.sampler,
        radius=plan.rule,
        spread_over=plan.groups_are,
        fidelity_at=f"{check} further points" if check else plan.groups_are,
        n_calls=len(values) * (plan.n_points + 1 + check),
        warnings=tuple(warnings),
        unseen_share=lambda: fitting.unseen(centres, sigma),
    )


def _check_that_all_count(design: str | Design, **given: bool) -> None:
    """Raise SettingsError where something was given that this design does not use."""
    name = design if isinstance(design, str) else ""
    unused = {
        "known-rows": ("n_calls", "radius", "jitter", "check", "surrogate"),
        "joint": ("radius", "jitter", "check", "surrogate"),
        "sobol": ("radius", "jitter"),
    }.get(name, ("radius", "jitter") if name.startswith("gaussian") else ())
    faults = [
        f"{option}=... has no meaning with design={name!r}" for option in unused if given[option]
    ]
    if given["penalty"]:
        faults.append("penalty=... is for surrogate='ridge'")
    if given["n_features"]:
        faults.append("n_features=... is for surrogate='lasso'")
    if faults:
        raise SettingsError("; ".join(faults) + ": leave it out.")


def _widths(
    predictor: Predictor,
    editor: Editor,
    samples: Any,
    reference: Any,
    scale: KnobScale,
    kernel_width: Any,
    estimand: Estimand,
    batch_rows: int,
    warnings: list[str],
) -> Array:
    """Return the kernel width of each sample."""
    n = len(samples)
    if isinstance(kernel_width, str):
        if kernel_width == "lime":
            return np.full(n, 0.75 * np.sqrt(scale.n_features))
        if kernel_width != "auto":
            raise SettingsError(f"kernel_width={kernel_width!r} is not a number, 'lime' or 'auto'.")
        from matlever.explanation.weights.kernel_width import kernel_sensitivity

        found = kernel_sensitivity(
            predictor,
            editor,
            samples,
            reference=reference,
            estimand=estimand,
            batch_rows=batch_rows,
        )
        warnings += found.warnings
        return found.kernel_width
    try:
        width = np.broadcast_to(np.asarray(kernel_width, dtype=float), (n,)).copy()
    except (TypeError, ValueError):
        width = np.zeros(1)
    if not (np.isfinite(width) & (width > 0)).all():
        raise SettingsError(
            f"kernel_width={kernel_width!r} must be above 0: one number, or one for each of the "
            f"{n} samples."
        )
    return width


def _warnings(found: dict[str, Any], check: int, plan: Plan) -> list[str]:
    warnings = []
    outside = found["outside"].mean()
    if outside > _MANY_OUTSIDE:
        moved = plan.is_random or plan.is_clipped
        what = "were moved to them" if moved else "the designs were shrunk to fit"
        warnings.append(
            f"{100 * outside:.0f} % of the values asked for lay outside the limits and "
            f"{what}; a smaller kernel_width stays closer to the sample."
        )
    r2 = found["r2"]
    known = r2[np.isfinite(r2)]
    if len(known) and np.median(known) < _POOR_R2:
        where = f"at {check} further points" if check else "at points left out of the fit"
        warnings.append(
            f"A straight line follows the model poorly around these samples (median R2 "
            f"{np.median(known):.2f} {where}); a smaller kernel_width, or kernel_width='auto', may."
        )
    return warnings
