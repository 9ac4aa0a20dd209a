"""The surface of a sweep over two knobs, as picture, table, JSON and words."""

from __future__ import annotations

import html
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matlever.explanation._one_target import OneOfSeveral
from matlever.explanation._words import number, plain
from matlever.explanation.sweeps.interaction import Interaction, interaction_of, percent
from matlever.explanation.sweeps.knob_axis import places_of
from matlever.explanation.sweeps.turning import AxisScale
from matlever.knobs import Knob

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PairSweep"]

Array = NDArray[np.float64]

# A setting counts as near the data when at least so many of the samples turned there are.
_MOST = 0.5


@dataclass(frozen=True, eq=False, repr=False)
class PairSweep(OneOfSeveral):
    """Mean prediction of n samples with two knobs at a x b pairs of values.

    Attributes
    ----------
    knobs : tuple of two Knob
        The knobs that were turned; the first is drawn horizontally.
    values : tuple of ndarrays of shape (a,) and (b,)
        Their values, ascending (indices of levels when categorical).
    scales : tuple of two {"linear", "log"}
        Axes on which the values are evenly spaced.
    mean : ndarray of shape (a, b[, t])
        Mean prediction over the samples that can be turned there; NaN where none can.
    lower, upper : ndarray of shape (a, b[, t]) or None
        Means of the prediction limits of the samples; NaN where one of them is infinite.
    inside : ndarray of shape (a, b)
        Share of the samples that can be turned there which are near known ones (see `DataRegion`).
    reached : ndarray of shape (a, b)
        Share of the samples that can be turned there.
    data : ndarray of shape (m, 2)
        Values of the two knobs in the known samples.
    n_samples, n_calls : int
        Samples that were turned; samples the predictor was asked about.
    targets : tuple of str or None
        Names of the targets.
    """

    knobs: tuple[Knob, Knob]
    values: tuple[Array, Array]
    scales: tuple[AxisScale, AxisScale]
    mean: Array
    lower: Array | None
    upper: Array | None
    inside: Array
    reached: Array
    data: Array
    n_samples: int
    n_calls: int
    targets: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        self._check_names()

    @property
    def n_targets(self) -> int | None:
        """Number of targets; None when the predictor returned one-dimensional predictions."""
        return None if self.mean.ndim == 2 else int(self.mean.shape[2])

    def _taken(self, position: int, names: tuple[str, ...] | None) -> PairSweep:
        return replace(
            self,
            mean=self.mean[..., position],
            lower=None if self.lower is None else self.lower[..., position],
            upper=None if self.upper is None else self.upper[..., position],
            targets=names,
        )

    # -- what the two do together -----------------------------------------------------------------

    @property
    def interaction(self) -> Interaction:
        """Standard deviation and share of the surface's variance that no two curves add up to.

        Over the cells that every sample reaches, all counted alike, so that a change of the samples
        is not taken for one of the knobs; NaN where these cells are too few to tell.
        """
        every = np.isfinite(self.mean).reshape(*self.reached.shape, -1).all(axis=2)
        return interaction_of(self.mean, every & (self.reached >= 1.0))

    @property
    def is_near(self) -> NDArray[np.bool_]:
        """Cells (a, b) where at least half of the turned samples are near known ones."""
        near: NDArray[np.bool_] = np.asarray(self.inside >= _MOST)
        return near

    @property
    def sentence(self) -> str:
        """What was found, in words (one target)."""
        one = self._only()
        a, b = (knob.name for knob in self.knobs)
        target = one.targets[0] if one.targets else "the prediction"
        can = self.reached > 0
        ends = np.array([one.mean[can].min(), one.mean[can].max()])
        ends[np.abs(ends) < 1e-12 * np.abs(ends).max()] = 0.0  # rounding
        low, high = (number(float(end)) for end in ends)
        strength = float(one.interaction.strength)
        text = f"Turning {a} and {b} together moves {target} from {low} to {high}"
        if np.isfinite(strength):
            text += f"; {percent(strength)} of that variance is their interaction"
        far = float(1.0 - self.is_near[can].mean())
        if far > 0:
            text += f"; {percent(far)} of the settings are far from all data"
        return text + "."

    # -- views ------------------------------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """Return one line per pair of values (one target)."""
        import pandas as pd

        one = self._only()
        (a, b), shape = self.knobs, self.reached.shape
        places = [grid.ravel() for grid in np.meshgrid(*self.values, indexing="ij")]
        columns: dict[str, Any] = {
            knob.label: [knob.show(value) for value in place]
            if knob.kind == "categorical"
            else place
            for knob, place in zip((a, b), places, strict=True)
        }
        missing = np.full(shape, np.nan)
        for name in ("mean", "lower", "upper", "inside", "reached"):
            column = getattr(one, name)
            columns[name] = (missing if column is None else column).ravel()
        return pd.DataFrame(columns)

    def to_dict(self) -> dict[str, Any]:
        """Return the surface of one target as plain JSON values.

        Raises
        ------
        SettingsError
            If there are several targets; use `for_target` first.
        """
        one = self._only()
        found = one.interaction
        levels, places, data = zip(*self._places, strict=True)
        return {
            "knobs": [knob.name for knob in self.knobs],
            "units": [knob.unit for knob in self.knobs],
            "kinds": [knob.kind for knob in self.knobs],
            "scales": list(self.scales),
            "values": [plain(values) for values in places],
            "levels": list(levels),
            "mean": plain(one.mean),
            "lower": None if one.lower is None else plain(one.lower),
            "upper": None if one.upper is None else plain(one.upper),
            "inside": plain(self.inside),
            "reached": plain(self.reached),
            "interaction": plain(found.strength),
            "interaction_sd": plain(found.sd),
            "data": [plain(column) for column in data],
            "n_samples": self.n_samples,
            "n_calls": self.n_calls,
            "sentence": one.sentence,
        }

    def plot(self, ax: Any = None) -> Any:
        """Draw the surface of one target, where data are, and known samples; return the axes.

        Contours for two continuous knobs, else one field per pair of values. Fields that cannot be
        set are grey, those far from all data are hatched; dots are known samples, the larger the
        more of them.

        Parameters
        ----------
        ax : matplotlib axes or None, default=None
            Where to draw; None makes a new figure.
        """
        from matlever.explanation.sweeps.surface_plot import draw_surface

        one = self._only()
        strength = float(one.interaction.strength)
        levels, places, data = zip(*self._places, strict=True)
        return draw_surface(
            knobs=self.knobs,
            levels=levels,
            values=places,
            scales=self.scales,
            surface=one.mean,
            near=self.is_near,
            data=np.stack(data, axis=1),
            label=one.targets[0] if one.targets else "prediction",
            title=f"interaction: {percent(strength)} of the variance"
            if np.isfinite(strength)
            else "",
            ax=ax,
        )

    @property
    def _places(self) -> list[tuple[list[str] | None, Array, Array]]:
        return [
            places_of(knob, self.values[i], self.data[:, i]) for i, knob in enumerate(self.knobs)
        ]

    def __repr__(self) -> str:
        a, b = self.knobs
        lines = [
            f"Sweep of {a.name} ({len(self.values[0])} values) and {b.name} "
            f"({len(self.values[1])} values), {self.n_samples} samples"
        ]
        return "\n".join(
            [*lines, *(f"  {self.for_target(i).sentence}" for i in range(self.n_targets or 1))]
        )

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"
