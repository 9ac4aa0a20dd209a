"""What an explanation says: one row of weights per sample, as table, heat map, JSON and words."""

from __future__ import annotations

import html
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import SettingsError
from matlever.explanation._words import importance_sentence, number, plain

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Explanations", "Importance"]

Array = NDArray[np.float64]

_PER_KNOB = ("slope_standardised", "slope", "spread", "contribution")
_PER_ROW = ("intercept", "local_prediction", "prediction", "r2")
# Share of the summed weights that must agree in sign before a knob is said to have a direction.
_ONE_SIDED = 0.6


@dataclass(frozen=True)
class Importance:
    """How much a knob matters over all explained rows.

    Attributes
    ----------
    knob : str
        Name of the knob.
    mean_abs : float
        Mean absolute slope per standard deviation of the knob, in the target's unit.
    sd : float
        Its standard deviation over the rows.
    direction : {"+", "-", "mixed"}
        Sign of the slopes, where at least four fifths of their weight agree.
    """

    knob: str
    mean_abs: float
    sd: float
    direction: str

    def to_dict(self) -> dict[str, Any]:
        """Return the importance as plain JSON values."""
        return {
            "knob": self.knob,
            "mean_abs": self.mean_abs,
            "sd": self.sd,
            "direction": self.direction,
        }


@dataclass(frozen=True, eq=False, repr=False)
class Explanations:
    """Local weights of k knobs at n samples, for one target or t targets.

    Where the predictor returned two-dimensional predictions, arrays have a last axis of length t;
    `for_target` takes one of them out.

    Attributes
    ----------
    knobs, units : tuple of length k
        Names and units of the knobs.
    is_categorical : tuple of bool of length k
        Knobs whose weight is that of "this level against the others".
    rows : tuple of length n
        Labels of the samples (line numbers of the file for a table).
    targets : tuple of str or None
        Names of the targets.
    settings : ndarray of shape (n, k)
        Where the explained samples stand.
    mean, sd : ndarray of shape (k,)
        Of the reference; sd is 0 for a knob that does not move.
    kernel_width : float
        In standard deviations.
    slope_standardised : ndarray of shape (n, k[, t])
        Change of the prediction per standard deviation of the knob.
    slope : ndarray of shape (n, k[, t])
        Change of the prediction per unit of the knob.
    spread : ndarray of shape (n, k[, t])
        Standard deviation of `slope_standardised` over other draws of the same number of points.
    contribution : ndarray of shape (n, k[, t])
        Slope times the distance of the sample from the reference's mean.
    intercept : ndarray of shape (n[, t])
        Local prediction less all contributions.
    local_prediction, prediction : ndarray of shape (n[, t])
        Of the surrogate and of the predictor at the sample.
    r2 : ndarray of shape (n[, t])
        Weighted R2 of the surrogate at points not used in the fit; NaN where the predictions
        are flat.
    outside : ndarray of shape (n,)
        Share of the drawn values that lay outside the limits and were moved to them.
    n_calls : int
        Samples the predictor was asked about.
    warnings : tuple of str
        What a reader should know.
    """

    knobs: tuple[str, ...]
    units: tuple[str | None, ...]
    is_categorical: tuple[bool, ...]
    rows: tuple[Any, ...]
    targets: tuple[str, ...] | None
    settings: Array
    mean: Array
    sd: Array
    kernel_width: float
    slope_standardised: Array
    slope: Array
    spread: Array
    contribution: Array
    intercept: Array
    local_prediction: Array
    prediction: Array
    r2: Array
    outside: Array
    n_calls: int
    warnings: tuple[str, ...] = ()

    method = "LIME"

    def __post_init__(self) -> None:
        n_targets = 1 if self.slope.ndim == 2 else self.slope.shape[2]
        if self.targets is not None and len(self.targets) != n_targets:
            raise SettingsError(
                f"{len(self.targets)} names of targets for {n_targets} predicted ones."
            )

    # -- several targets --------------------------------------------------------------------------

    @property
    def n_targets(self) -> int | None:
        """Number of targets; None when the predictor returned one-dimensional predictions."""
        return None if self.slope.ndim == 2 else int(self.slope.shape[2])

    def for_target(self, target: int | str) -> Explanations:
        """Return the explanations of one target, by position or by name.

        Raises
        ------
        SettingsError
            If there is no such target.
        """
        names = self.targets or ()
        count = self.n_targets or 1
        if isinstance(target, str) and target not in names:
            raise SettingsError(f"There is no target {target!r}; there are {list(names)}.")
        position = names.index(target) if isinstance(target, str) else target
        if not 0 <= position < count:
            raise SettingsError(f"There is no target {position}; there are {count}.")
        if self.n_targets is None:
            return self
        one: dict[str, Any] = {
            name: getattr(self, name)[..., position] for name in (*_PER_KNOB, *_PER_ROW)
        }
        return replace(self, targets=(names[position],) if names else None, **one)

    def _only(self) -> Explanations:
        if self.n_targets in (None, 1):
            return self if self.n_targets is None else self.for_target(0)
        raise SettingsError(
            f"There are {self.n_targets} targets: choose one with .for_target(name or position)."
        )

    # -- over all rows ----------------------------------------------------------------------------

    @property
    def overall(self) -> tuple[Importance, ...]:
        """Importance of each knob over all rows, the largest first (one target)."""
        weights = self._only().slope_standardised
        size = np.abs(weights).mean(axis=0)
        lean = np.abs(weights).sum(axis=0)
        lean = np.where(lean > 0, weights.sum(axis=0) / np.where(lean > 0, lean, 1.0), 0.0)
        return tuple(
            Importance(
                self.knobs[j],
                float(size[j]),
                float(np.abs(weights[:, j]).std(ddof=1)) if len(weights) > 1 else 0.0,
                "mixed"
                if self.is_categorical[j] or abs(lean[j]) < _ONE_SIDED
                else ("+" if lean[j] > 0 else "-"),
            )
            for j in np.argsort(-size, kind="stable").tolist()
        )

    @property
    def sentence(self) -> str:
        """What was found, in words (one target)."""
        return importance_sentence(self._only())

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
            "kernel_width": self.kernel_width,
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
        from matlever.explanation.heatmap import draw_heat_map

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

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Explanations):
            return NotImplemented
        return all(
            np.array_equal(a, b, equal_nan=True) if isinstance(a, np.ndarray) else a == b
            for a, b in ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        )

    __hash__ = None  # type: ignore[assignment]  # holds arrays


def _median(r2: Array) -> str:
    return f"median {np.median(r2[~np.isnan(r2)]):.2f}" if (~np.isnan(r2)).any() else "none (flat)"
