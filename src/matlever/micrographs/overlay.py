"""An image with signed weights over it: the image stays visible where they are small."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["draw_overlay"]

_OPACITY = 0.7  # of the largest weight
# One hue per sign, so that only the opacity says how much: a dark scale would read as a dark image.
_MINUS, _PLUS = "#6a3fc4", "#f07800"


def draw_overlay(
    image: NDArray[Any],
    weights: NDArray[np.float64],
    segments: NDArray[np.intp] | None = None,
    *,
    label: str = "weight",
    ax: Any = None,
) -> Any:
    """Draw an image, and over it weights in a diverging scale that is clear at zero.

    Parameters
    ----------
    image : ndarray of shape (height, width) or (height, width, channels)
        Grey values (any range) or colours as matplotlib takes them; the mean of the channels is
        shown where there are neither 1, 3 nor 4.
    weights : ndarray of shape (height, width)
        Signed weight of each pixel.
    segments : ndarray of shape (height, width), int, or None, default=None
        Where given, their borders are drawn.
    label : str, default="weight"
        Of the colour bar; taken literally.
    ax : matplotlib axes or None, default=None
        Where to draw; None makes a new figure.

    Returns
    -------
    ax : matplotlib axes
    """
    from matplotlib.colors import ListedColormap, to_rgba

    if ax is None:
        from matplotlib import pyplot as plt

        height, width = weights.shape
        size = (6.4, float(np.clip(5.5 * height / width, 2.4, 9.6)))
        _, ax = plt.subplots(figsize=size, layout="constrained")
    ax.imshow(_shown(image), cmap="gray", interpolation="nearest")
    limit = float(np.nanmax(np.abs(weights), initial=0.0)) or 1.0
    amount = np.linspace(-1, 1, 257)
    colours = np.where(amount[:, None] < 0, to_rgba(_MINUS), to_rgba(_PLUS))
    colours[:, 3] = _OPACITY * np.abs(amount)
    over = ax.imshow(
        weights, cmap=ListedColormap(colours), vmin=-limit, vmax=limit, interpolation="nearest"
    )
    if segments is not None:
        ax.imshow(_borders(segments), interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.figure.colorbar(over, ax=ax, label=label.replace("$", r"\$"), fraction=0.05, pad=0.02)
    return ax


def _shown(image: NDArray[Any]) -> NDArray[Any]:
    """Return an image as matplotlib takes it: grey values alone are scaled there."""
    if image.ndim == 2:
        return image.astype(float)
    if image.shape[2] in (3, 4) and (image.dtype == np.uint8 or _is_unit(image)):
        return image
    return np.asarray(image.astype(float).mean(axis=2))


def _is_unit(image: NDArray[Any]) -> bool:
    return image.dtype.kind == "f" and image.min() >= 0 and image.max() <= 1


def _borders(segments: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return white, half clear pixels (height, width, 4) along the borders of segments."""
    border = np.zeros(segments.shape, dtype=bool)
    border[:, 1:] |= segments[:, 1:] != segments[:, :-1]
    border[1:] |= segments[1:] != segments[:-1]
    return np.where(border[..., None], [1.0, 1.0, 1.0, 0.5], 0.0)
