"""What an explanation says: one row of weights per sample, as table, heat map, JSON and words."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import SettingsError
from matlever.explanation._one_target import OneOfSeveral
from matlever.explanation._page import body_of, write_page
from matlever.explanation._words import number, plain
from matlever.explanation.weights.importance import (
    Importance,
    importance_sentence,
    overall_importance,
)
from matlever.explanation.weights.local import LocalExplanation

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Explanations"]

Array = NDArray[np.float64]

_PER_KNOB = ("slope_standardised", "slope", "spread", "contribution")
_PER_ROW = ("intercept", "local_prediction", "prediction", "r2", "correlation", "nwise")


@dataclass(frozen=True, eq=False, repr=False)
class Explanations(OneOfSeveral):
    """Local weights of k knobs at n samples, for one target or t targets.

    Where the predictor returned two-dimensional predictions, arrays have a last axis of length t;
    `for_target` takes one of them out.

    Attributes
    ----------
    knobs, units : tuple of length k
        Names and units of the knobs.
    is_categorical : tuple of bool of length k
        Knobs whose weight is that of "this level against the others".
    levels : tuple of tuple of length k
        Levels of the categorical knobs; () for the others.
    rows : tuple of length n
        Labels of the samples (line numbers of the file for a table).
    targets : tuple of str or None
        Names or labels ("length (nm)") of the targets.
    settings : ndarray of shape (n, k)
        Where the explained samples stand.
    mean, sd : ndarray of shape (k,)
        Of the reference; sd is 0 for a knob that does not move.
    kernel_width : ndarray of shape (n,)
        In standard deviations.
    estimand : {"lime", "kernel"}
        Over which neighbourhood the slopes are averaged.
    design : str
        Where the model was asked.
    radius : str
        How far from the sample, in words.
    slope_standardised : ndarray of shape (n, k[, t])
        Change of the prediction per standard deviation of the knob.
    slope : ndarray of shape (n, k[, t])
        Change of the prediction per unit of the knob.
    spread : ndarray of shape (n, k[, t])
        Standard deviation of `slope_standardised` over other rotations or draws of the same number
        of points; `spread_over` says what it was taken from.
    contribution : ndarray of shape (n, k[, t])
        Slope times the distance of the sample from the reference's mean.
    intercept : ndarray of shape (n[, t])
        Local prediction less all contributions.
    local_prediction, prediction : ndarray of shape (n[, t])
        Of the surrogate and of the predictor at the sample.
    r2 : ndarray of shape (n[, t])
        Weighted R2 of the surrogate at points not used in the fit; NaN where the predictions
        are flat. `fidelity_at` says which points.
    correlation : ndarray of shape (n[, t])
        Weighted correlation of surrogate and predictor at these points.
    nwise : ndarray of shape (n[, t])
        Their normalised weighted squared error (NWISE), in squared units of the target.
    one_sided : ndarray of shape (n, k), bool
        Knobs that stand so near to a limit that they were moved to one side only, and parts of
        mixtures so near to an edge that their design stands farther inside.
    outside : ndarray of shape (n,)
        Share of the values asked for that lay outside the limits and were moved inside; parts of
        mixtures are not counted.
    n_calls : int
        Samples the predictor was asked about.
    warnings : tuple of str
        What a reader should know.
    target_units : tuple of str or None, or None
        Units of the targets, for the words; None where they are not known.
    standard_error : ndarray of shape (n, k[, t]) or None
        Of `slope_standardised`, by the formula of weighted regression, where one was solved.
    """

    knobs: tuple[str, ...]
    units: tuple[str | None, ...]
    is_categorical: tuple[bool, ...]
    levels: tuple[tuple[Any, ...], ...]
    rows: tuple[Any, ...]
    targets: tuple[str, ...] | None
    settings: Array
    mean: Array
    sd: Array
    kernel_width: Array
    estimand: str
    design: str
    radius: str
    slope_standardised: Array
    slope: Array
    spread: Array
    contribution: Array
    intercept: Array
    local_prediction: Array
    prediction: Array
    r2: Array
    correlation: Array
    nwise: Array
    one_sided: NDArray[np.bool_]
    outside: Array
    spread_over: str
    fidelity_at: str
    n_calls: int
    warnings: tuple[str, ...] = ()
    target_units: tuple[str | None, ...] | None = None
    standard_error: Array | None = None
    unseen_share: Callable[[], Array] | None = field(default=None, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        """Return what is kept of it in a copy or a file: everything but the model behind it."""
        return {**self.__dict__, "unseen": self.unseen, "unseen_share": None}

    @property
    def method(self) -> str:
        """Name of the method, with its design."""
        return f"LIME, {self.design}"

    def __post_init__(self) -> None:
        self._check_names()
        count = self.n_targets or 1
        if self.target_units is not None and len(self.target_units) != count:
            raise SettingsError(
                f"{len(self.target_units)} units of targets for {count} predicted ones."
            )

    # -- several targets --------------------------------------------------------------------------

    @property
    def n_targets(self) -> int | None:
        """Number of targets; None when the predictor returned one-dimensional predictions."""
        return None if self.slope.ndim == 2 else int(self.slope.shape[2])

    def _taken(self, position: int, names: tuple[str, ...] | None) -> Explanations:
        one: dict[str, Any] = {
            name: getattr(self, name)[..., position] for name in (*_PER_KNOB, *_PER_ROW)
        }
        units = None if self.target_units is None else (self.target_units[position],)
        if self.standard_error is not None:
            one["standard_error"] = self.standard_error[..., position]
        return replace(self, targets=names, target_units=units, **one)

    # -- single rows ------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> LocalExplanation:
        """Return the explanation of one sample, by its position (one target)."""
        position = index(position)
        if not -len(self) <= position < len(self):
            raise IndexError(f"There is no explanation {position}; there are {len(self)}.")
        return LocalExplanation(self._only(), position % len(self))

    def __iter__(self) -> Iterator[LocalExplanation]:
        return (self[position] for position in range(len(self)))

    @cached_property
    def unseen(self) -> Array:
        """Share of the points around each sample in unseen territory, of shape (n,).

        That is farther from all of the reference than its samples are from each other (see
        `matlever.knobs.DataRegion`). Computed when it is first asked for.
        """
        if self.unseen_share is None:
            return np.full(len(self), np.nan)
        return self.unseen_share()

    # -- over all rows ----------------------------------------------------------------------------

    @property
    def overall(self) -> tuple[Importance, ...]:
        """Importance of each knob over all rows, the largest first (one target)."""
        return overall_importance(self.knobs, self.is_categorical, self._only().slope_standardised)

    @property
    def sentence(self) -> str:
        """What was found, in words (one target)."""
        one = self._only()
        overall = one.overall
        j = self.knobs.index(overall[0].knob)
        step = number(float(self.sd[j])) + (f" {self.units[j]}" if self.units[j] else "")
        unit = one.target_units[0] if one.target_units else None
        r2 = one.r2[np.isfinite(one.r2)]
        return importance_sentence(
            overall,
            target=one.targets[0].removesuffix(f" ({unit})") if one.targets else "the prediction",
            target_unit=unit,
            step=None if self.is_categorical[j] else step,
            n_rows=len(self.rows),
            r2=float(np.median(r2)) if len(r2) else np.nan,
        )

    # -- views ------------------------------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """Return one line per sample, target and knob, with everything that is known about it."""
        import pandas as pd

        n, k = self.settings.shape
        names: tuple[Any, ...] = self.targets or tuple(range(self.n_targets or 1))
        frames = []
        for position, name in enumerate(names):
            one = self.for_target(position)
            columns: dict[str, Any] = {"row": np.repeat(np.array(self.rows, dtype=object), k)}
            if len(names) > 1 or self.targets:
                columns["target"] = name
            columns["knob"] = list(self.knobs) * n
            columns["unit"] = list(self.units) * n
            columns["setting"] = self.settings.ravel()
            columns |= {key: getattr(one, key).ravel() for key in _PER_KNOB}
            columns |= {key: np.repeat(getattr(one, key), k) for key in _PER_ROW}
            frames.append(pd.DataFrame(columns))
        return pd.concat(frames, ignore_index=True)

    def to_dict(self) -> dict[str, Any]:
        """Return the explanations of one target as plain JSON values (``weights`` of a report).

        Raises
        ------
        SettingsError
            If there are several targets; use `for_target` first.
        """
        one = self._only()
        found: dict[str, Any] = {
            "method": self.method,
            "kernel_width": plain(self.kernel_width),
            "estimand": self.estimand,
            "design": self.design,
            "radius": self.radius,
            "spread_over": self.spread_over,
            "fidelity_at": self.fidelity_at,
            "one_sided": self.one_sided.tolist(),
            "outside": plain(self.outside),
            "unseen": plain(self.unseen),
            "n_calls": self.n_calls,
            "knobs": list(self.knobs),
            "units": list(self.units),
            "rows": list(self.rows),
            "overall": [importance.to_dict() for importance in one.overall],
            "sentence": one.sentence,
            "warnings": list(self.warnings),
        }
        for name in ("settings", *_PER_KNOB, *_PER_ROW):
            found[name] = plain(getattr(one, name))
        return found

    def plot(self, ax: Any = None) -> Any:
        """Draw a heat map of the standardised slopes, rows x knobs, and return the axes.

        Parameters
        ----------
        ax : matplotlib axes or None, default=None
            Where to draw; None makes a new figure.
        """
        from matlever.explanation.weights.heatmap import draw_heat_map

        one = self._only()
        name = one.targets[0] if one.targets else "prediction"
        return draw_heat_map(
            one.slope_standardised,
            rows=[str(row) for row in self.rows],
            columns=list(self.knobs),
            label=f"{name} per standard deviation",
            ax=ax,
        )

    def __repr__(self) -> str:
        targets = self.targets or (tuple(map(str, range(self.n_targets))) if self.n_targets else ())
        lines = [
            f"{self.method} explanations of {len(self.rows)} samples, {len(self.knobs)} knobs"
            + (f", targets {', '.join(targets)}" if targets else "")
        ]
        for position in range(self.n_targets or 1):
            one = self.for_target(position)
            if targets:
                lines.append(f"{targets[position]}")
            lines += [
                f"  {importance.knob}: {number(importance.mean_abs)} ± {number(importance.sd)} "
                f"per standard deviation, {importance.direction}"
                for importance in one.overall[:8]
            ]
            lines.append(f"  held-out R2 of the surrogates: {_median(one.r2)}")
        return "\n".join([*lines, *self.warnings])

    def as_html(self) -> str:
        """Return a standalone page: overall weights and a heat map of rows and knobs per target."""
        from matlever.explanation.weights.weights_page import weights_page

        return weights_page(self)

    def save_html(self, path: str | os.PathLike[str]) -> None:
        """Write `as_html` to a file; it appears whole or not at all."""
        write_page(path, self.as_html())

    def _repr_html_(self) -> str:
        return body_of(self.as_html())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Explanations):
            return NotImplemented
        return all(
            np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
            if isinstance(a, np.ndarray)
            else a == b
            for a, b in (
                (getattr(self, f.name), getattr(other, f.name)) for f in fields(self) if f.compare
            )
        )

    __hash__ = None  # type: ignore[assignment]  # holds arrays


def _median(r2: Array) -> str:
    return f"median {np.median(r2[~np.isnan(r2)]):.2f}" if (~np.isnan(r2)).any() else "none (flat)"
