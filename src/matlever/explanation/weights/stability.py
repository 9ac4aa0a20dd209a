"""How stable explanations are: the published indices, beside what they cannot see.

VSI and CSI are those of G. Visani, E. Bagli, F. Chesani, A. Poluzzi, D. Capuzzo, J. Oper. Res. Soc.
73 (2022) 91-101. A fixed design returns the same numbers at every repeat and so has a VSI and a CSI
of 100 *by construction*, however wrong it is: the spread over random rotations of the design stands
beside them, always.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import SettingsError
from matlever.explanation._words import plain
from matlever.explanation.weights.designs import DESIGNS, Design, random_rotations
from matlever.explanation.weights.explanations import Explanations
from matlever.explanation.weights.lime import explain
from matlever.explanation.weights.neighbourhood import KnobScale, reference_settings
from matlever.knobs import Editor, Predictor, as_editor

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Stability", "coefficient_stability", "stability", "variable_stability"]

Array = NDArray[np.float64]

_NORMAL_95 = 1.96


@dataclass(frozen=True, eq=False, repr=False)
class Stability:
    """Stability of the explanations of n samples.

    Attributes
    ----------
    rows : tuple of length n
        Labels of the samples.
    vsi, csi : ndarray of shape (n,)
        Variables' and coefficients' stability index over repeats with other seeds, 0 to 100.
    relative_sd : ndarray of shape (n,)
        Standard deviation of the slopes over the repeats, as a share of their size.
    rotation_spread : ndarray of shape (n,)
        The same over random rotations of the design; NaN where there is none to rotate (draws,
        points of low discrepancy, known rows).
    by_construction : bool
        Whether all repeats were identical, so that the indices say nothing.
    n_repeats, n_features, n_calls : int
    """

    rows: tuple[Any, ...]
    vsi: Array
    csi: Array
    relative_sd: Array
    rotation_spread: Array
    by_construction: bool
    n_repeats: int
    n_features: int
    n_calls: int

    def to_frame(self) -> pd.DataFrame:
        """Return one line per sample."""
        import pandas as pd

        return pd.DataFrame(
            {
                "row": list(self.rows),
                "VSI": self.vsi,
                "CSI": self.csi,
                "relative sd over repeats": self.relative_sd,
                "relative spread over rotations": self.rotation_spread,
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the indices as plain JSON values."""
        return {
            "rows": list(self.rows),
            "vsi": plain(self.vsi),
            "csi": plain(self.csi),
            "relative_sd": plain(self.relative_sd),
            "rotation_spread": plain(self.rotation_spread),
            "by_construction": self.by_construction,
            "n_repeats": self.n_repeats,
            "n_features": self.n_features,
            "n_calls": self.n_calls,
        }

    def plot(self, ax: Any = None) -> Any:
        """Draw the relative spreads of all samples, sorted, and return the axes."""
        if ax is None:
            from matplotlib import pyplot as plt

            _, ax = plt.subplots(layout="constrained")
        share = (np.arange(len(self.rows)) + 0.5) / len(self.rows)
        ax.plot(np.sort(self.relative_sd), share, label="over repeats (seeds)")
        if np.isfinite(self.rotation_spread).any():
            ax.plot(np.sort(self.rotation_spread), share, label="over rotations of the design")
        ax.set_xlabel("relative standard deviation of the slopes")
        ax.set_ylabel("share of the samples below")
        ax.legend()
        return ax

    def __repr__(self) -> str:
        note = " by construction: the design is fixed" if self.by_construction else ""
        spread = (
            f"relative spread over rotations {np.median(self.rotation_spread):.3g}"
            if np.isfinite(self.rotation_spread).any()
            else "no design that could be rotated"
        )
        return (
            f"Stability over {self.n_repeats} repeats, {len(self.rows)} samples (medians): "
            f"VSI {np.median(self.vsi):.1f} (top {self.n_features}), "
            f"CSI {np.median(self.csi):.1f}{note}; relative sd over repeats "
            f"{np.median(self.relative_sd):.3g}; {spread}"
        )

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def stability(
    predictor: Predictor | Any,
    editor: Editor | Any,
    samples: Any,
    *,
    reference: Any = None,
    n_repeats: int = 10,
    n_features: int | None = None,
    target: int | str = 0,
    random_state: int = 0,
    **options: Any,
) -> Stability:
    """Repeat explanations with other seeds and, apart from that, with rotated designs.

    Parameters
    ----------
    predictor, editor, samples, reference
        As in `matlever.explain`.
    n_repeats : int, default=10
        Repeats, and rotations.
    n_features : int, optional
        Knobs with the largest weights that the VSI compares; default 5, or fewer knobs.
    target : int or str, default=0
        Which of several targets.
    random_state : int, default=0
        First of the seeds.
    **options
        Any other argument of `matlever.explain`: ``design="gaussian", n_calls=1001``, ...

    Returns
    -------
    stability : Stability

    Raises
    ------
    SettingsError
        If there are fewer than two repeats.
    """
    if n_repeats < 2:
        raise SettingsError(f"n_repeats={n_repeats} must be 2 or more.")
    if reference is None and not hasattr(editor, "render"):
        reference = getattr(editor, "inputs", editor)
    # Without a penalty "ridge" is least squares that also gives the regression's standard errors.
    is_plain = options.get("surrogate", "least squares") == "least squares"
    if is_plain and options.get("design") not in ("known-rows", "joint"):
        options = {**options, "surrogate": "ridge", "penalty": 0.0}

    def run(**more: Any) -> Explanations:
        given = {"reference": reference, **options, **more}
        return explain(predictor, editor, samples, **given).for_target(target)

    repeats = [run(random_state=random_state + i) for i in range(n_repeats)]
    slopes = np.stack([one.slope_standardised for one in repeats])  # (repeats, n, k)
    errors = np.stack([_errors(one) for one in repeats])
    moving = repeats[0].sd > 0
    top = min(5, int(moving.sum())) if n_features is None else n_features
    found = repeats[0]
    design = options.get("design", "auto")
    design = design if isinstance(design, Design) else found.design
    rotated, n_calls = _rotated(run, editor, reference, design, n_repeats, random_state)
    return Stability(
        rows=found.rows,
        vsi=variable_stability(slopes, top),
        csi=coefficient_stability(slopes[..., moving], errors[..., moving]),
        relative_sd=_relative_sd(slopes),
        rotation_spread=np.full(len(found.rows), np.nan) if rotated is None else rotated,
        by_construction=bool((slopes == slopes[0]).all()),
        n_repeats=n_repeats,
        n_features=top,
        n_calls=sum(one.n_calls for one in repeats) + n_calls,
    )


def _rotated(
    run: Any, editor: Any, reference: Any, design: str | Design, n: int, seed: int
) -> tuple[Array | None, int]:
    """Relative spread over random rotations of the design, and the calls it took."""
    if isinstance(design, str) and design not in DESIGNS:
        return None, 0
    own = as_editor(editor)
    scale = KnobScale(own.space, reference_settings(own, reference))
    base = DESIGNS[design](scale.n_features) if isinstance(design, str) else design
    turned = random_rotations(base, n, scale.can_rotate, np.random.default_rng(seed))
    runs = [
        run(design=Design(base.name, points, base.is_symmetric), random_state=seed + i)
        for i, points in enumerate(turned)
    ]
    slopes = np.stack([one.slope_standardised for one in runs])
    return _relative_sd(slopes), sum(one.n_calls for one in runs)


def _errors(one: Explanations) -> Array:
    return one.spread if one.standard_error is None else one.standard_error


def _relative_sd(slopes: Array) -> Array:
    """Return the sd over the first axis (r, n, k), as a share of the slopes' size, (n,)."""
    size = np.sqrt((slopes.mean(axis=0) ** 2).sum(axis=1))
    sd = np.sqrt(slopes.var(axis=0, ddof=1).sum(axis=1))
    return np.where(size > 0, sd / np.where(size > 0, size, 1.0), 0.0)


def variable_stability(slopes: Array, n_features: int) -> Array:
    r"""Variables' stability index (VSI) of repeated explanations.

    :math:`100\,|V_i \cap V_j| / p`, averaged over pairs of repeats, for the p knobs
    :math:`V_i` of the largest weights in repeat i.

    Parameters
    ----------
    slopes : ndarray of shape (r, n, k)
        Weights of k knobs at n samples in r repeats.
    n_features : int
        Number p of knobs to compare.

    Returns
    -------
    vsi : ndarray of shape (n,)
    """
    order = np.argsort(-np.abs(slopes), axis=2, kind="stable")[..., :n_features]
    chosen = np.zeros(slopes.shape, dtype=bool)
    np.put_along_axis(chosen, order, True, axis=2)
    shared = [(chosen[i] & chosen[j]).sum(axis=1) for i, j in combinations(range(len(slopes)), 2)]
    vsi: Array = 100.0 * np.mean(shared, axis=0) / n_features
    return vsi


def coefficient_stability(slopes: Array, errors: Array) -> Array:
    r"""Coefficients' stability index (CSI) of repeated explanations.

    The share of pairs of repeats whose intervals :math:`b \pm 1.96\,s` overlap, averaged over the
    knobs. It rewards wide intervals: read it beside the spread.

    Parameters
    ----------
    slopes, errors : ndarray of shape (r, n, k)
        Weights and their standard errors; a weight of exactly zero counts as not chosen.

    Returns
    -------
    csi : ndarray of shape (n,)
    """
    low, high = slopes - _NORMAL_95 * errors, slopes + _NORMAL_95 * errors
    used = slopes != 0
    overlap, counted = np.zeros(slopes.shape[1:]), np.zeros(slopes.shape[1:])
    for i, j in combinations(range(len(slopes)), 2):
        both = used[i] & used[j]
        same = (low[i] < high[j]) & (low[j] < high[i]) | (slopes[i] == slopes[j])
        overlap += both & same
        counted += both
    share = np.where(counted > 0, overlap / np.maximum(counted, 1), np.nan)
    seen = np.isfinite(share)
    total = np.where(seen, share, 0.0).sum(axis=1)
    return 100.0 * np.where(seen.any(axis=1), total / np.maximum(seen.sum(axis=1), 1), 1.0)
