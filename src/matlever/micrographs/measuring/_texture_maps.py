"""Filters over stacks of grey tiles, fast because each step is one operation on the whole stack."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["blur", "flatten", "morphological_opening", "ring_offsets", "shifted"]

Array = NDArray[np.float32]


def flatten(images: Array) -> tuple[Array, Array]:
    """Return tiles of median 0 and robust standard deviation 1, and their values in order.

    A plane (uneven lighting) is subtracted first, so that neither gain, offset nor a brightness
    gradient is left.

    Parameters
    ----------
    images : ndarray of shape (n, H, W)

    Returns
    -------
    flat : ndarray of shape (n, H, W)
        Where a tile is constant: 0.
    ordered : ndarray of shape (n, H * W)
        The same values, ascending.
    """
    n, height, width = images.shape
    y = np.linspace(-1, 1, height, dtype=np.float32)
    x = np.linspace(-1, 1, width, dtype=np.float32)
    flat = images - images.mean(axis=(1, 2), keepdims=True)
    along_y = flat.mean(axis=2) @ y / (y @ y)
    along_x = flat.mean(axis=1) @ x / (x @ x)
    flat -= along_y[:, None, None] * y[:, None]
    flat -= along_x[:, None, None] * x
    ordered = np.sort(flat.reshape(n, -1), axis=1)
    last = ordered.shape[1] - 1
    low, middle, high = (
        ordered[:, round(q * last)][:, None] for q in (0.158655, 0.5, 0.841345)
    )  # one standard deviation to each side of the median of a normal distribution
    spread = (high - low) / 2
    spread = np.where(spread > 1e-4, spread, np.float32(np.inf))
    ordered = (ordered - middle) / spread
    return (flat - middle[:, :, None]) / spread[:, :, None], ordered


def blur(images: Array, sigma_px: float) -> Array:
    """Return tiles smoothed by a Gaussian that is cut at three sigma; edges are mirrored."""
    radius = int(np.ceil(3 * sigma_px))
    weights = np.exp(-0.5 * (np.arange(radius + 1) / sigma_px) ** 2)
    weights = (weights / (2 * weights.sum() - weights[0])).astype(np.float32)
    for axis in (1, 2):
        pad = [(0, 0)] * 3
        pad[axis] = (radius, radius)
        padded = np.pad(images, pad, mode="symmetric")
        length = images.shape[axis]
        part = [slice(None)] * 3
        part[axis] = slice(radius, radius + length)
        smooth = weights[0] * padded[tuple(part)]
        for shift in range(1, radius + 1):
            part[axis] = slice(radius - shift, radius - shift + length)
            both = padded[tuple(part)].copy()
            part[axis] = slice(radius + shift, radius + shift + length)
            both += padded[tuple(part)]
            both *= weights[shift]
            smooth += both
        images = smooth
    return images


def morphological_opening(images: Array, side_px: int) -> Array:
    """Return grey openings of tiles by a square; edges are mirrored.

    What is brighter than its surroundings and narrower than the square is gone. The closing is
    the negative of the opening of the negative.
    """
    reach = side_px - 1
    padded = np.pad(images, [(0, 0), (reach, reach), (reach, reach)], mode="symmetric")
    return _running(_running(padded, side_px, np.minimum), side_px, np.maximum)


def _running(images: Array, side_px: int, extreme: np.ufunc) -> Array:
    """Return the running minimum or maximum over squares, of shape (n, H - side + 1, ...).

    The window doubles until it is as wide as it can be, and one overlapping step does the rest.
    """
    have = 1
    while have < side_px:
        step = min(have, side_px - have)
        images = extreme(images[:, :-step], images[:, step:])
        images = extreme(images[:, :, :-step], images[:, :, step:])
        have += step
    return images


def shifted(images: Array, dy: int, dx: int, margin_px: int) -> Array:
    """Return a view of tiles moved by (dy, dx), without a margin all around."""
    height, width = images.shape[1:]
    return images[
        :, margin_px + dy : height - margin_px + dy, margin_px + dx : width - margin_px + dx
    ]


def ring_offsets(radius_px: float) -> list[tuple[int, int]]:
    """Return the offsets of the pixels at about a distance from a pixel, ascending."""
    reach = int(np.ceil(radius_px + 0.5))
    span = range(-reach, reach + 1)
    return [(y, x) for y in span for x in span if abs(np.hypot(y, x) - radius_px) <= 0.3]
