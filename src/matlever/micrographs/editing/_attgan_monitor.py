"""Curves of an AttGAN's training, and whether its edits have any strength."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import ModelFileError
from matlever.storage import State

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LOSSES", "WEAK_GAIN", "TrainingCurves"]

LOSSES = (
    "generator_adversarial",
    "generator_attributes",
    "reconstruction",
    "critic_adversarial",
    "gradient_penalty",
    "critic_attributes",
)
WEAK_GAIN = 0.2
_MONITOR = ("gain", "slope")


@dataclass
class TrainingCurves:
    """Every loss of every iteration, and the strength of edits now and then.

    Attributes
    ----------
    names : tuple of k str
        The attributes.
    losses : dict of str to list of float
        One value per iteration: ``generator_adversarial`` (minus the critic's mean score of edited
        tiles), ``generator_attributes``, ``reconstruction`` (mean absolute difference, of a range
        of 2), ``critic_adversarial`` (score of edited minus score of real tiles, the mean over the
        steps of the iteration as for the next two), ``gradient_penalty``, ``critic_attributes``;
        none multiplied by its weight.
    iterations : list of int
        After how many iterations the strength was measured.
    gain : list of ndarray of shape (k,)
        Change of an attribute that the discriminator's classifier sees in redrawn tiles, per change
        that was asked for.
    slope : list of ndarray of shape (k,)
        Change of an attribute that it sees between real tiles, per change of their labels: where
        this is small, the classifier has not learned the attribute, and the gain says nothing.
    """

    names: tuple[str, ...]
    losses: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in LOSSES})
    iterations: list[int] = field(default_factory=list)
    gain: list[NDArray[np.float64]] = field(default_factory=list)
    slope: list[NDArray[np.float64]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.losses[LOSSES[0]])

    def __repr__(self) -> str:
        last = "".join(f", {name} {v[-1]:.3g}" for name, v in self.losses.items() if v)
        return f"TrainingCurves({len(self)} iterations{last})"

    def weak(self) -> dict[str, float]:
        """Return the attributes whose last measured gain is below 0.2, with it."""
        return self._below(self.gain)

    def unrecognised(self) -> dict[str, float]:
        """Return the attributes whose last measured slope is below 0.2, with it."""
        return self._below(self.slope)

    def _below(self, measured: list[NDArray[np.float64]]) -> dict[str, float]:
        if not measured:
            return {}
        last = zip(self.names, measured[-1], strict=True)
        return {name: float(value) for name, value in last if value < WEAK_GAIN}

    def to_frame(self) -> pd.DataFrame:
        """Return one row per iteration; gains and slopes are missing where not measured."""
        import pandas as pd

        frame = pd.DataFrame(self.losses, index=pd.RangeIndex(1, len(self) + 1, name="iteration"))
        for kind in _MONITOR:
            for j, name in enumerate(self.names):
                measured = [row[j] for row in getattr(self, kind)]
                column = pd.Series(measured, index=self.iterations, dtype=float)
                frame[f"{kind}: {name}"] = column.reindex(frame.index)
        return frame

    def plot(self, axes: Any = None) -> Any:
        """Draw the losses, one panel each, and the gains in a last one.

        Parameters
        ----------
        axes : sequence of 7 matplotlib axes, or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        axes : ndarray of 7 matplotlib axes
        """
        if axes is None:
            from matplotlib import pyplot as plt

            _, grid = plt.subplots(2, 4, figsize=(12, 5), layout="constrained")
            grid[1, 3].remove()
            axes = grid.ravel()[:7]
        for ax, (name, values) in zip(axes, self.losses.items(), strict=False):
            ax.plot(np.arange(1, len(values) + 1), values, color="#3b5b92", linewidth=0.8)
            ax.set_title(name.replace("_", " "), loc="left", fontsize=9)
        for j, name in enumerate(self.names):
            axes[6].plot(self.iterations, [row[j] for row in self.gain], label=name)
        axes[6].axhline(WEAK_GAIN, color="0.5", linestyle=":")
        axes[6].set_title("gain of edits", loc="left", fontsize=9)
        axes[6].legend(fontsize=8)
        for ax in axes:
            ax.set_xlabel("iteration")
        return axes

    # -- files ------------------------------------------------------------------------------------

    def to_state(self) -> State:
        """Return the curves as plain data."""
        k = len(self.names)
        arrays: dict[str, NDArray[Any]] = {
            name: np.array(values, dtype=np.float64) for name, values in self.losses.items()
        }
        arrays["iterations"] = np.array(self.iterations, dtype=np.int64)
        for kind in _MONITOR:
            arrays[kind] = np.array(getattr(self, kind), dtype=np.float64).reshape(-1, k)
        return State(kind="TrainingCurves", config={"names": list(self.names)}, arrays=arrays)

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Rebuild the curves.

        Raises
        ------
        ModelFileError
            If a curve is missing or does not fit the others.
        """
        names = state.get("names")
        if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            raise ModelFileError(f"{state.kind}: the names of the attributes are broken.")
        n = len(state.array(LOSSES[0], (None,), np.float64))
        losses = {name: state.array(name, (n,), np.float64).tolist() for name in LOSSES}
        iterations = state.array("iterations", (None,), np.int64).tolist()
        shape = (len(iterations), len(names))
        gain, slope = (list(state.array(kind, shape, np.float64)) for kind in _MONITOR)
        return cls(tuple(names), losses, iterations, gain, slope)
