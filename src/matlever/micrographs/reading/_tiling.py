"""Mosaics cut into tiles, and the strip with the scale bar under a micrograph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["bar_height", "cut", "scaled_down", "tile_origins"]

# A strip is at most so much of a picture, and at least so many rows.
_HIGHEST_SHARE = 0.25
_LOWEST_ROWS = 4
# Of the pixels of a row of the strip, so many have the colour of its ground (within the step) ...
_GROUND_SHARE = 0.55
_GROUND_STEP = 0.06  # leaves room for the ripples of JPEG
# ... and rows without any writing, and lines across, have but one colour; a picture has none.
_BLANK_SHARE = 0.985
# The ground is nearly black or white, and what is written on it is far from that.
_DARK, _LIGHT, _WRITING = 0.12, 0.88, 0.4


def tile_origins(height: int, width: int, tile_px: int, overlap: float = 0.0) -> NDArray[np.intp]:
    """Return where whole tiles begin in a picture, row by row, of shape (n, 2): top and left.

    Parameters
    ----------
    height, width : int
        Of the picture, in pixels.
    tile_px : int
        Side of a tile, in pixels.
    overlap : float, default=0.0
        Share of its side that a tile has in common with the next one, 0 to below 1. A rest at the
        right and at the bottom that holds no whole tile is left.

    Examples
    --------
    >>> tile_origins(4, 9, 4, 0.5).tolist()
    [[0, 0], [0, 2], [0, 4]]
    """
    step = max(1, round(tile_px * (1 - overlap)))
    top = np.arange(0, height - tile_px + 1, step)
    left = np.arange(0, width - tile_px + 1, step)
    return np.stack(np.meshgrid(top, left, indexing="ij"), axis=-1).reshape(-1, 2)


def cut(pixels: NDArray[Any], origins: NDArray[np.intp], tile_px: int) -> Iterator[NDArray[Any]]:
    """Yield the tiles of a picture (height, width[, 3]) that begin at `origins`."""
    for top, left in origins:
        yield pixels[top : top + tile_px, left : left + tile_px]


def scaled_down(pixels: NDArray[Any], factor: int) -> NDArray[Any]:
    """Return a picture in which squares of `factor` by `factor` pixels are one, their mean.

    A rest at the right and at the bottom that is no whole square is left out.
    """
    if factor == 1:
        return pixels
    height, width = (side // factor for side in pixels.shape[:2])
    whole = pixels[: height * factor, : width * factor]
    squares = whole.reshape(height, factor, width, factor, *pixels.shape[2:])
    mean = np.asarray(squares.mean(axis=(1, 3), dtype=np.float32))
    return mean if pixels.dtype.kind == "f" else np.rint(mean).astype(pixels.dtype)


def bar_height(pixels: NDArray[Any]) -> int:
    """Return how many rows the strip with the scale bar takes at the bottom of a picture, or 0.

    The strip is a black or white ground across the whole width with writing on it: from the bottom
    up, rows in which most pixels have the colour of the ground, or that are a line from side to
    side, ending with a row of one colour.

    Parameters
    ----------
    pixels : ndarray of shape (height, width) or (height, width, 3)
    """
    grey = pixels if pixels.ndim == 2 else pixels.mean(axis=2, dtype=np.float32)
    full = {"uint8": 255.0, "uint16": 65535.0}.get(pixels.dtype.name) or float(grey.max()) or 1.0
    most = int(_HIGHEST_SHARE * len(grey))
    if most < _LOWEST_ROWS:
        return 0
    rows = np.asarray(grey[-most:], dtype=np.float32)[::-1] / np.float32(full)  # bottom first
    ground = float(np.median(rows[:_LOWEST_ROWS]))
    if _DARK < ground < _LIGHT:
        return 0
    own = np.median(rows, axis=1, keepdims=True)
    is_blank = (np.abs(rows - own) <= _GROUND_STEP).mean(axis=1) >= _BLANK_SHARE
    in_strip = is_blank | ((np.abs(rows - ground) <= _GROUND_STEP).mean(axis=1) >= _GROUND_SHARE)
    height = most if in_strip.all() else int(np.argmin(in_strip))
    if height == most:  # no border was found: it is a flat picture, not a strip
        return 0
    blank = np.flatnonzero(is_blank[:height])
    if not blank.size:
        return 0
    height = int(blank[-1]) + 1
    has_writing = bool((np.abs(rows[:height] - ground) > _WRITING).any())
    return height if has_writing and height >= _LOWEST_ROWS else 0
