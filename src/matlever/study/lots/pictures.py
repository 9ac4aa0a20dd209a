"""Tiles as PNG, for a report that is one file: lossless, and written without an image library."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.micrographs import Tiles

__all__ = ["picture", "pictures_of"]


def picture(image: NDArray[Any]) -> dict[str, Any]:
    """Return one picture as plain JSON values.

    Parameters
    ----------
    image : ndarray of shape (H, W) or (H, W, 3)
        uint8, uint16, or floating point in [0, 1]; shown with 8 bits.

    Returns
    -------
    picture : dict
        ``png`` (base64), ``width`` and ``height`` in px.
    """
    shown = _eight_bits(np.asarray(image))
    height, width = shown.shape[:2]
    rows = shown.reshape(height, -1)
    # Each row as the difference to the one above (filter type 2): a third smaller for micrographs.
    up = rows - np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    raw = np.concatenate([np.full((height, 1), 2, dtype=np.uint8), up], axis=1).tobytes()
    colour = 0 if shown.ndim == 2 else 2
    data = (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
        + _chunk(b"IDAT", zlib.compress(raw, 9))
        + _chunk(b"IEND", b"")
    )
    return {"png": base64.b64encode(data).decode("ascii"), "width": width, "height": height}


def pictures_of(tiles: Tiles) -> list[dict[str, Any]]:
    """Return all of some tiles as pictures."""
    return [picture(image) for image in tiles.images]


def _eight_bits(image: NDArray[Any]) -> NDArray[np.uint8]:
    if image.dtype == np.uint8:
        return image
    if image.dtype == np.uint16:
        return (image >> 8).astype(np.uint8)
    return np.clip(np.rint(image.astype(np.float64) * 255), 0, 255).astype(np.uint8)


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)
