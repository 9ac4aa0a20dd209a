"""The curves of a sweep, as table, small multiples and JSON."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import SettingsError
from matlever.explanation._one_target import OneOfSeveral
from matlever.explanation._words import number, plain
from matlever.explanation.sweeps.box_plot import BoxStatistics, box_statistics, draw_boxes
from matlever.explanation.sweeps.knob_axis import literal, places_of, show_knob
from matlever.explanation.sweeps.turning import AxisScale
from matlever.knobs import Knob

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Sweep", "Sweeps"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sweep:
    """Predictions of n samples with one knob at v values.

    Attributes
    ----------
    knob : Knob
        The knob that was turned.
    values : ndarray of shape (v,)
        Its values, ascending (indices of levels when categorical).
    individual : ndarray of shape (n, v[, t])
        One curve per sample; NaN where a mixture has no room for the value.
    mean : ndarray of shape (v[, t])
        Mean of the curves.
    lower, upper : ndarray of shape (v[, t]) or None
        Means of the prediction limits of the samples; NaN where one of them is infinite.
    inside : ndarray of shape (v,)
        Share of the samples whose turned setting is near known ones (see `DataRegion`).
    reached : ndarray of shape (v,)
        Share of the samples for which the value is feasible.
    data : ndarray
        Values of the knob in the known samples.
    n_calls : int
        Samples the predictor was asked about.
    scale : {"linear", "log"}, default="linear"
        Axis on which the values are evenly spaced.
    target : str or None, default=None
        Name of the target.
    """

    knob: Knob
    values: Array
    individual: Array
    mean: Array
    lower: Array | None
    upper: Array | None
    inside: Array
    reached: Array
    data: Array
    n_calls: int
    scale: AxisScale = "linear"
    target: str | None = None

    @property
    def box(self) -> BoxStatistics:
        """Quartiles, whiskers and outliers of the predictions over the samples (one target)."""
        if self.individual.ndim > 2:
            raise SettingsError("There are several targets: take one with Sweeps.for_target.")
        return box_statistics(self.individual)

    def show(self, position: int) -> str:
        """Return the value at one position as text with its unit, or the name of its level."""
        value: float = self.values[position]
        return self.knob.show(value)

    def to_dict(self) -> dict[str, Any]:
        """Return the sweep of one target as plain JSON values."""
        knob = self.knob
        levels, places, data = self._places
        return {
            "knob": knob.name,
            "unit": knob.unit,
            "kind": knob.kind,
            "values": plain(places),
            "levels": levels,
            "mean": plain(self.mean),
            "lower": None if self.lower is None else plain(self.lower),
            "upper": None if self.upper is None else plain(self.upper),
            "individual": plain(self.individual),
            "inside": plain(self.inside),
            "data": plain(data),
            "scale": self.scale,
            "box": self.box.to_dict(),
        }

    def plot(self, ax: Any = None) -> Any:
        """Draw individual curves, mean and interval of one target, and return the axes.

        The mean is dashed where most of the turned samples are far from all known ones.
        """
        ax, places = self._axes(ax), self._places[1]
        ax.plot(places, self.individual.T, color="0.6", alpha=0.35, linewidth=0.7)
        if self.lower is not None and self.upper is not None:
            ax.fill_between(places, self.lower, self.upper, alpha=0.2, linewidth=0)
        marker = "o" if self.knob.kind in ("categorical", "integer", "grid") else None
        near = self.inside >= 0.5
        if not near.all():
            ax.plot(places, self.mean, "--", color="C0", linewidth=1.2, label="far from data")
            ax.legend(loc="best", frameon=False, fontsize="small")
        ax.plot(places, np.where(near, self.mean, np.nan), color="C0", linewidth=2, marker=marker)
        return self._finished(ax)

    def boxplot(self, ax: Any = None) -> Any:
        """Draw the predictions of one target over the samples as a box per value.

        Boxes reach from the first to the third quartile, whiskers to the last prediction within 1.5
        interquartile ranges of the box.

        Parameters
        ----------
        ax : matplotlib axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        ax : matplotlib axes
        """
        ax = self._axes(ax)
        forward, back = (np.log, np.exp) if self.scale == "log" else (np.asarray, np.asarray)
        places = forward(self._places[1])
        half = 0.3 * (np.diff(places).min() if len(places) > 1 else 1.0)
        draw_boxes(ax, self.box, back(places - half), back(places + half))
        return self._finished(ax)

    @property
    def _places(self) -> tuple[list[str] | None, Array, Array]:
        return places_of(self.knob, self.values, self.data)

    def _axes(self, ax: Any) -> Any:
        if ax is None:
            from matplotlib import pyplot as plt

            _, ax = plt.subplots(layout="constrained")
        ax.set_xscale(self.scale)
        return ax

    def _finished(self, ax: Any) -> Any:
        if self.knob.kind != "categorical":
            ax.plot(
                self.data,
                np.zeros(len(self.data)),
                "|",
                color="C1",
                transform=ax.get_xaxis_transform(),
                clip_on=False,
            )
        show_knob(ax.xaxis, self.knob, self.scale, self._places[0])
        ax.set_ylabel(literal(self.target or "prediction"))
        return ax


@dataclass(frozen=True, eq=False, repr=False)
class Sweeps(OneOfSeveral):
    """One sweep per knob, for one target or several.

    Attributes
    ----------
    sweeps : tuple of Sweep
        In the order of the knobs.
    targets : tuple of str or None
        Names of the targets.
    """

    sweeps: tuple[Sweep, ...]
    targets: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        self._check_names()

    def __iter__(self) -> Iterator[Sweep]:
        return iter(self.sweeps)

    def __len__(self) -> int:
        return len(self.sweeps)

    def __getitem__(self, knob: str) -> Sweep:
        for one in self.sweeps:
            if one.knob.name == knob:
                return one
        raise KeyError(f"no sweep of {knob!r}; there are {[s.knob.name for s in self.sweeps]}")

    @property
    def n_targets(self) -> int | None:
        """Number of targets; None when the predictor returned one-dimensional predictions."""
        curves = self.sweeps[0].individual
        return None if curves.ndim == 2 else int(curves.shape[2])

    @property
    def n_calls(self) -> int:
        """Samples the predictor was asked about."""
        return sum(one.n_calls for one in self.sweeps)

    def _taken(self, position: int, names: tuple[str, ...] | None) -> Sweeps:
        return Sweeps(
            tuple(
                replace(
                    one,
                    individual=one.individual[..., position],
                    mean=one.mean[..., position],
                    lower=None if one.lower is None else one.lower[..., position],
                    upper=None if one.upper is None else one.upper[..., position],
                    target=names[0] if names else None,
                )
                for one in self.sweeps
            ),
            names,
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one line per knob and value (one target)."""
        import pandas as pd

        frames = [
            pd.DataFrame(
                {
                    "knob": one.knob.name,
                    "unit": one.knob.unit,
                    "value": plain(one.values)
                    if one.knob.kind != "categorical"
                    else [one.show(i) for i in range(len(one.mean))],
                    "mean": one.mean,
                    "lower": np.nan if one.lower is None else one.lower,
                    "upper": np.nan if one.upper is None else one.upper,
                    "inside": one.inside,
                    "reached": one.reached,
                }
            )
            for one in self._only()
        ]
        return pd.concat(frames, ignore_index=True)

    def to_dict(self) -> dict[str, Any]:
        """Return the sweeps of one target as plain JSON values: ``{"sweeps": [...]}``.

        Raises
        ------
        SettingsError
            If there are several targets; use `for_target` first.
        """
        return {"sweeps": [one.to_dict() for one in self._only()]}

    def plot(self, axes: Any = None) -> Any:
        """Draw small multiples of one target, one per knob, and return the axes.

        Parameters
        ----------
        axes : sequence of matplotlib axes or None, default=None
            One per knob; None makes a new figure.
        """
        return self._panels(Sweep.plot, axes)

    def boxplot(self, axes: Any = None) -> Any:
        """Draw a box plot of one target per knob, as `plot` draws curves, and return the axes."""
        return self._panels(Sweep.boxplot, axes)

    def _panels(self, draw: Callable[[Sweep, Any], Any], axes: Any) -> Any:
        sweeps, figure = self._only(), None
        if axes is None:
            from matplotlib import pyplot as plt

            columns = min(3, len(sweeps))
            lines = -(-len(sweeps) // columns)
            figure, grid = plt.subplots(
                lines,
                columns,
                figsize=(3.2 * columns, 2.6 * lines),
                sharey=True,
                squeeze=False,
                layout="constrained",
            )
            axes = grid.ravel()[: len(sweeps)]
            for empty in grid.ravel()[len(sweeps) :]:
                empty.set_visible(False)
            figure.supylabel(literal(sweeps.targets[0] if sweeps.targets else "prediction"))
        for ax, one in zip(axes, sweeps, strict=False):
            draw(one, ax)
            if figure is not None:
                ax.set_ylabel("")
        return axes

    def __repr__(self) -> str:
        lines = [f"Sweeps of {len(self)} knobs, {len(self.sweeps[0].individual)} samples"]
        for position in range(self.n_targets or 1):
            if self.targets:
                lines.append(self.targets[position])
            for one in self.for_target(position):
                if not np.isfinite(one.mean).any():
                    continue
                low, high = int(np.nanargmin(one.mean)), int(np.nanargmax(one.mean))
                lines.append(
                    f"  {one.knob.name}: {number(one.mean[low])} at "
                    f"{one.show(low)}, {number(one.mean[high])} at "
                    f"{one.show(high)}"
                )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"
