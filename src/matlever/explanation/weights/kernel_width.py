"""How wide a neighbourhood may be for a straight line still to describe the model.

The choice is OptiLIME's (G. Visani, E. Bagli, F. Chesani, "OptiLIME: Optimized LIME Explanations
for Diagnostic Computer Algorithms", 2020): wide kernels are stable, narrow ones faithful; take the
widest that keeps the R2 asked for. Widths are tried on one grid for all samples at once.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import SettingsError
from matlever.explanation._words import plain
from matlever.explanation.weights.plan import Estimand
from matlever.knobs import Editor, Predictor
from matlever.knobs.samples import take

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["KernelSensitivity", "kernel_sensitivity"]

Array = NDArray[np.float64]

# Rotations of the default design per width: enough to tell an R2 of 0.85 from one of 0.95.
_DESIGNS = 4
_CHECK = 40


@dataclass(frozen=True, eq=False, repr=False)
class KernelSensitivity:
    """Fidelity and slopes of each sample's explanation as the kernel widens.

    Attributes
    ----------
    knobs : tuple of str of length k
        Names of the knobs.
    rows : tuple of length n
        Labels of the samples.
    widths : ndarray of shape (g,)
        Kernel widths that were tried, ascending.
    r2 : ndarray of shape (n, g)
        Weighted R2 at points of the neighbourhood not used in the fit; the smallest over the
        targets; NaN where the predictions are flat.
    slope_standardised : ndarray of shape (n, g, k[, t])
        Slopes per standard deviation at each width.
    kernel_width : ndarray of shape (n,)
        Widest width with the R2 asked for, interpolated on the logarithm of the width; where none
        has it, the one with the best R2.
    r2_asked : float
    n_calls : int
        Samples the predictor was asked about.
    warnings : tuple of str
    """

    knobs: tuple[str, ...]
    rows: tuple[Any, ...]
    widths: Array
    r2: Array
    slope_standardised: Array
    kernel_width: Array
    r2_asked: float
    n_calls: int
    warnings: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return one line per sample and width, with its R2."""
        import pandas as pd

        n, g = self.r2.shape
        return pd.DataFrame(
            {
                "row": np.repeat(np.array(self.rows, dtype=object), g),
                "kernel_width": np.tile(self.widths, n),
                "r2": self.r2.ravel(),
                "chosen": np.repeat(self.kernel_width, g),
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the curves as plain JSON values."""
        return {
            "knobs": list(self.knobs),
            "rows": list(self.rows),
            "widths": plain(self.widths),
            "r2": plain(self.r2),
            "slope_standardised": plain(self.slope_standardised),
            "kernel_width": plain(self.kernel_width),
            "r2_asked": self.r2_asked,
            "n_calls": self.n_calls,
            "warnings": list(self.warnings),
        }

    def plot(self, ax: Any = None) -> Any:
        """Draw R2 against the kernel width, one line per sample, and return the axes."""
        if ax is None:
            from matplotlib import pyplot as plt

            _, ax = plt.subplots(layout="constrained")
        ax.plot(self.widths, self.r2.T, color="0.5", alpha=0.5, linewidth=0.9)
        ax.plot(self.widths, self._median_r2(), linewidth=2.2, label="median sample")
        ax.axhline(self.r2_asked, linestyle=":", color="0.2", label=f"asked for: {self.r2_asked:g}")
        ax.plot(
            self.kernel_width,
            np.full(len(self.kernel_width), 0.0),
            "|",
            transform=ax.get_xaxis_transform(),
            label="width chosen",
        )
        ax.set_xscale("log")
        lowest = float(np.where(np.isnan(self.r2), 0.0, self.r2).min())
        ax.set_ylim(min(0.0, max(-0.5, lowest)), 1.03)
        ax.set_xlabel("kernel width (standard deviations of the data)")
        ax.set_ylabel("R2 of a straight line at points not fitted")
        ax.legend(loc="lower left")
        return ax

    def __repr__(self) -> str:
        low, middle, high = np.quantile(self.kernel_width, [0.1, 0.5, 0.9])
        lines = [
            f"Kernel widths of {len(self.rows)} samples for R2 {self.r2_asked:g}: median "
            f"{middle:.3g} standard deviations (80 % between {low:.3g} and {high:.3g})"
        ]
        lines += [
            f"  at {width:.3g}: " + ("flat" if np.isnan(value) else f"median R2 {value:.2f}")
            for width, value in zip(self.widths, self._median_r2(), strict=True)
        ]
        return "\n".join([*lines, *self.warnings])

    def _median_r2(self) -> Array:
        """Median over the samples around which predictions vary (g,); NaN where none does."""
        return np.array(
            [np.median(r2[~np.isnan(r2)]) if (~np.isnan(r2)).any() else np.nan for r2 in self.r2.T]
        )

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def kernel_sensitivity(
    predictor: Predictor | Any,
    editor: Editor | Any,
    samples: Any,
    *,
    reference: Any = None,
    r2: float = 0.9,
    widths: ArrayLike | None = None,
    estimand: Estimand = "lime",
    random_state: int = 0,
    batch_rows: int = 200_000,
) -> KernelSensitivity:
    """Try kernel widths and choose, for each sample, the widest that stays faithful.

    Parameters
    ----------
    predictor, editor, samples, reference, estimand, random_state, batch_rows
        As in `matlever.explain`.
    r2 : float, default=0.9
        Share of the model's variance in the neighbourhood that a straight line has to explain.
    widths : array_like of shape (g,), optional
        Kernel widths to try, in standard deviations; default: thirteen, from a thirtieth of LIME's
        default to twice it.

    Returns
    -------
    sensitivity : KernelSensitivity

    Raises
    ------
    SettingsError
        If `r2` is not between 0 and 1, or a width is not above 0.
    """
    from matlever.explanation.weights.lime import explain

    if not 0 < r2 < 1:
        raise SettingsError(f"r2={r2} must lie between 0 and 1.")
    options: dict[str, Any] = {
        "reference": reference,
        "estimand": estimand,
        "random_state": random_state,
        "batch_rows": batch_rows,
    }
    first = explain(
        predictor,
        editor,
        take(samples, 0, 1),
        **options,
    )
    lime = float(first.kernel_width[0])
    per_design = first.n_calls - 1
    grid = lime * np.geomspace(1 / 30, 2, 13) if widths is None else np.unique(np.asarray(widths))
    if not len(grid) or not (np.isfinite(grid) & (grid > 0)).all():
        raise SettingsError(f"widths={widths!r} must be numbers above 0.")
    curves, slopes, n_calls = [], [], 0
    for width in grid:
        found = explain(
            predictor,
            editor,
            samples,
            kernel_width=float(width),
            n_calls=_DESIGNS * per_design + 1,
            check=_CHECK,
            **options,
        )
        n_calls += found.n_calls
        curves.append(found.r2 if found.r2.ndim == 1 else _worst(found.r2))
        slopes.append(found.slope_standardised)
    curve = np.stack(curves, axis=1)
    chosen, met = _widest(np.log(grid), curve, r2)
    missed = int((~met).sum())
    warnings = (
        (
            f"Around {missed} of {len(curve)} samples no kernel width reaches R2 {r2:g}; the one "
            "with the best R2 was taken.",
        )
        if missed
        else ()
    )
    return KernelSensitivity(
        found.knobs,
        found.rows,
        np.asarray(grid, dtype=float),
        curve,
        np.stack(slopes, axis=1),
        np.exp(chosen),
        r2,
        n_calls,
        warnings,
    )


def _worst(r2: Array) -> Array:
    """Smallest R2 over the targets (n, t) that vary; NaN where none does."""
    worst = np.where(np.isfinite(r2), r2, np.inf).min(axis=1)
    return np.where(np.isfinite(worst), worst, np.nan)


def _widest(log_width: Array, r2: Array, asked: float) -> tuple[Array, NDArray[np.bool_]]:
    """Return the largest log width with the R2 asked for (n,), and where there is one (n,)."""
    n, g = r2.shape
    # A model that is flat around a sample is described by any line.
    value = np.where(np.isnan(r2), 1.0, r2)
    good = value >= asked
    met: NDArray[np.bool_] = np.asarray(good.any(axis=1))
    last = g - 1 - good[:, ::-1].argmax(axis=1)
    rows = np.arange(n)
    after = np.minimum(last + 1, g - 1)
    a, b = value[rows, last], value[rows, after]
    share = np.where((after > last) & (a > b), (a - asked) / np.where(a > b, a - b, 1.0), 0.0)
    width = log_width[last] + share * (log_width[after] - log_width[last])
    return np.where(met, width, log_width[value.argmax(axis=1)]), met
