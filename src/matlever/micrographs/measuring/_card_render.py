"""Edited tiles as a microscope would have stored them: rendered in batches, in whole tones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.knobs import Editor
from matlever.knobs.evaluate import admit_settings
from matlever.micrographs.tiles import Tiles, unit_images

__all__ = ["editor_name", "rendered", "stored"]

Array = NDArray[np.float64]

_MOST_ROWS = 1024
_FULL = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}


def rendered(
    editor: Editor,
    tiles: Tiles,
    values: Array,
    *,
    step: Callable[[int], None] | None = None,
) -> Tiles:
    """Return n * r tiles at values (n, r, k), float32; knobs that are fixed stay where they are.

    Parameters
    ----------
    editor : Editor
        Of tiles.
    tiles : Tiles
        n tiles.
    values : ndarray of shape (n, r, k)
        Settings; those of fixed knobs are ignored.
    step : callable or None
        Told how many tiles of the n were done, after each batch.
    """
    fixed = editor.space.is_fixed
    if fixed.any():
        values = np.where(fixed, editor.values(tiles)[:, None], values)
    rows = max(1, min(getattr(editor, "most_rows", _MOST_ROWS), _MOST_ROWS) // values.shape[1])
    images = []
    for start in range(0, len(tiles), rows):
        some, asked = tiles[start : start + rows], values[start : start + rows]
        found = editor.render(some, admit_settings(editor, some, asked))
        images.append(found.unit())
        if step is not None:
            step(min(start + rows, len(tiles)))
    return tiles.edited(np.concatenate(images), values)


def stored(tiles: Tiles, dtype: np.dtype[Any]) -> Tiles:
    """Return tiles in the type that real ones come in, so that rounding tells nobody apart."""
    if tiles.images.dtype == dtype or dtype not in _FULL:
        return tiles
    full = _FULL[dtype]
    images = np.rint(np.clip(unit_images(tiles.images), 0, 1) * full).astype(dtype)
    return Tiles(
        images,
        tiles.attributes,
        tiles.names,
        tiles.lot,
        tiles.lot_names,
        tiles.labels,
        tiles.scenes,
    )


def editor_name(editor: Any) -> str:
    """Return what an editor is called on a card."""
    return type(editor).__name__
