"""Pictures made tiles of one shape and type, written to a file as they come.

One picture is decoded at a time; no more than it and a batch of tiles is in memory.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import DataError, Fault
from matlever.micrographs.reading._images import Picture, read_picture
from matlever.micrographs.reading._lot_folder import Source
from matlever.micrographs.reading._tile_file import TileFile
from matlever.micrographs.reading._tile_plan import Plan, Preparation, or_fault
from matlever.micrographs.reading._tiling import scaled_down
from matlever.micrographs.reading.quality import TileMeasures, measure_tiles

__all__ = ["Ingested", "ingest"]

Progress = Callable[[int, int, str], None]

_BATCH_VALUES = 1 << 21


@dataclass(frozen=True, eq=False)
class Ingested:
    """What is known of the tiles that were written, n of them.

    Attributes
    ----------
    labels : list of n str
    source : ndarray of shape (n,), int
        Position of the picture each tile was cut from.
    measures : TileMeasures or None
    sha256 : str
        Of all pixels.
    notes : list of str
    """

    labels: list[str]
    source: NDArray[np.intp]
    measures: TileMeasures | None
    sha256: str
    notes: list[str]


def ingest(
    sources: Sequence[Source],
    plan: Plan,
    wanted: Preparation,
    lots: Sequence[str],
    file: TileFile | None,
    faults: list[Fault],
    progress: Progress | None = None,
) -> Ingested:
    """Decode all pictures, write their tiles and measure them.

    Parameters
    ----------
    sources, plan, wanted, lots
        As for `plan_tiles`.
    file : TileFile or None
        Where tiles go; None only looks for further faults.
    faults : list of Fault
        Pictures that cannot be decoded are added here.
    progress : callable or None
    """
    digest = hashlib.sha256()
    changes: Counter[str] = Counter()
    labels: list[str] = []
    origin: list[int] = []
    parts: list[TileMeasures] = []
    batch: list[NDArray[Any]] = []
    size = max(1, _BATCH_VALUES // int(np.prod(plan.shape)))

    def flush() -> None:
        if batch and file is not None:
            tiles = np.stack(batch)
            file.append(tiles)
            digest.update(tiles.data)
            if wanted.quality is not None:
                parts.append(measure_tiles(tiles))
        batch.clear()

    for k, source in enumerate(sources):
        for label, tile in _tiles_of(source, k, plan, wanted, lots, changes, faults):
            labels.append(label)
            origin.append(k)
            if file is not None:
                batch.append(tile)
            if len(batch) >= size:
                flush()
        if progress is not None:
            progress(k + 1, len(sources), "picture")
    flush()
    notes = [f"{count:,} pictures {what}" for what, count in sorted(changes.items())]
    return Ingested(
        labels,
        np.asarray(origin, dtype=np.intp),
        TileMeasures.joined(parts) if parts else None,
        digest.hexdigest(),
        notes,
    )


def _tiles_of(
    source: Source,
    k: int,
    plan: Plan,
    wanted: Preparation,
    lots: Sequence[str],
    changes: Counter[str],
    faults: list[Fault],
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield name and pixels of each tile of a picture."""
    picture: Picture | None = or_fault(read_picture, source, faults)
    if picture is None:
        return
    changes.update(picture.changes)
    pixels = picture.grey() if len(plan.shape) == 2 else _in_colour(picture)
    if picture.is_colour and len(plan.shape) == 2:
        changes["in colour were turned into grey by their luminance"] += 1
    pixels = pixels[: len(pixels) - plan.crops[k]] if plan.crops[k] else pixels
    pixels = scaled_down(pixels, wanted.downscale)
    try:
        pixels = _of_type(pixels, plan.dtype, wanted.intensity, source.name)
    except DataError as error:
        faults.extend(error.faults)
        return
    lot = lots[source.lot]
    inside = source.name.split("/", 1)[1] if "/" in source.name else source.name
    label = f"{lot}/{inside.rsplit('.', 1)[0]}"
    height, width = plan.shape[:2]
    is_whole = pixels.shape[:2] == (height, width)
    for top, left in plan.origins[k].tolist():
        name = label if is_whole else f"{label}@{top},{left}"
        yield name, pixels[top : top + height, left : left + width]


def _in_colour(picture: Picture) -> NDArray[Any]:
    if picture.is_colour:
        return picture.pixels
    return np.repeat(picture.pixels[..., None], 3, axis=2)


def _of_type(
    pixels: NDArray[Any],
    dtype: np.dtype[Any],
    intensity: tuple[float, float] | None,
    name: str,
) -> NDArray[Any]:
    """Return pixels as whole numbers of 8 or 16 bits.

    Raises
    ------
    DataError
        If floating-point pixels are not within 0-1 and no `intensity` was given.
    """
    full = float(np.iinfo(dtype).max)
    if intensity is not None:
        low, high = intensity
        unit = (pixels.astype(np.float32) - np.float32(low)) / np.float32(high - low)
        return np.asarray(np.rint(np.clip(unit, 0.0, 1.0) * full).astype(dtype))
    if pixels.dtype == dtype:
        return pixels
    if pixels.dtype == np.uint8:
        return np.asarray(pixels.astype(dtype) * dtype.type(257))
    lowest, highest = float(pixels.min()), float(pixels.max())
    if lowest < -1e-6 or highest > 1 + 1e-6:
        raise DataError(
            Fault(
                f"its pixels are numbers from {lowest:g} to {highest:g}, not within 0-1",
                "Say which numbers are black and white, for all pictures alike: "
                f"intensity=({lowest:g}, {highest:g})",
                file=name,
            )
        )
    return np.asarray(np.rint(np.clip(pixels, 0.0, 1.0) * full).astype(dtype))
