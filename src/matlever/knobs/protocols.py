"""The two seams every explanation and recommendation is written against."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from matlever.knobs.space import KnobSpace

__all__ = ["DifferentiableEditor", "DifferentiablePredictor", "Editor", "Predictor"]


@runtime_checkable
class Predictor(Protocol):
    """Anything that predicts numbers for samples, as every scikit-learn regressor does.

    Notes
    -----
    ``predict(X, return_std=True)`` is asked for standard deviations where ``predict`` takes that
    argument, unless an attribute ``has_std`` is False.
    """

    def predict(self, X: Any) -> Any:
        """Return predictions of shape (n,) or (n, t) for n samples."""
        ...


@runtime_checkable
class Editor(Protocol):
    """Turns settings of knobs into hypothetical samples of one kind of data.

    Attributes
    ----------
    space : KnobSpace
        The k knobs that can be turned, and their limits.

    Notes
    -----
    Where samples are large, an editor may have an attribute ``most_rows``: at most so many rendered
    samples are then asked for at a time. Where rendering one takes long, it may have
    ``usual_budget``: about so many of each sample are then asked for by a search that is told
    nothing else. Where samples do not show how far knobs go, because all stand alike, it may have
    ``usual_settings`` of shape (n, k) that do. A method
    ``notes(samples)`` may return sentences on these samples for whoever reads a result.
    """

    space: KnobSpace

    def values(self, samples: Any) -> NDArray[np.float64]:
        """Return where each of n samples stands, of shape (n, k)."""
        ...

    def render(self, samples: Any, values: NDArray[np.float64]) -> Any:
        """Return n * r samples: sample i with its knobs at ``values[i, 0]``, ``values[i, 1]``, ...

        Parameters
        ----------
        samples : n samples
            The samples the new ones are made from; what is not a knob is taken over.
        values : ndarray of shape (n, r, k)
            Feasible settings.
        """
        ...


@runtime_checkable
class DifferentiablePredictor(Protocol):
    """A predictor whose predictions know their gradient with respect to the samples."""

    def predict_tensor(self, X: Any) -> Any:
        """Return a tensor of shape (n,) or (n, t) for a tensor of n samples."""
        ...


@runtime_checkable
class DifferentiableEditor(Protocol):
    """An editor whose samples know their gradient with respect to the settings."""

    def render_tensor(self, samples: Any, values: Any) -> Any:
        """Return n * r samples as a tensor, from a tensor of settings of shape (n, r, k)."""
        ...
