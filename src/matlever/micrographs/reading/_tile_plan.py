"""What comes out of pictures, found from their headers: shape, bits, colour, how each is cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import DataError, Fault, SettingsError
from matlever.micrographs.reading._images import Header, read_header, read_picture
from matlever.micrographs.reading._lot_folder import Source
from matlever.micrographs.reading._tiling import bar_height, tile_origins
from matlever.micrographs.reading.quality import QualityLimits

__all__ = ["Plan", "Preparation", "or_fault", "plan_tiles"]

Progress = Callable[[int, int, str], None]

SMALLEST_TILE = 16
_PICTURES_FOR_BAR = 9
_AGREEING = 0.8


@dataclass(frozen=True)
class Preparation:
    """What is done to each picture, see `read_lots`."""

    tile_px: int | None = None
    overlap: float = 0.0
    crop_bottom_px: int | Literal["auto"] | None = None
    downscale: int = 1
    colour: bool | None = None
    intensity: tuple[float, float] | None = None
    quality: QualityLimits | None = None

    def __post_init__(self) -> None:
        if self.tile_px is not None and not self.tile_px >= SMALLEST_TILE:
            raise SettingsError(f"tile_px={self.tile_px} must be {SMALLEST_TILE} or more.")
        if not 0 <= self.overlap < 1:
            raise SettingsError(f"overlap={self.overlap} must be a share of a tile, 0 to below 1.")
        crop: Any = self.crop_bottom_px
        if crop not in (None, "auto") and not (isinstance(crop, int) and crop >= 0):
            raise SettingsError(f"crop_bottom_px={crop!r} must be a number of pixels or 'auto'.")
        if self.downscale < 1:
            raise SettingsError(f"downscale={self.downscale} must be 1 or more.")
        if self.intensity is not None and not self.intensity[0] < self.intensity[1]:
            raise SettingsError(f"intensity={self.intensity} must be a lower and an upper end.")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Plan:
    """What comes out of the pictures.

    Attributes
    ----------
    shape : tuple of int
        Of a tile: (height, width) or (height, width, 3).
    dtype : dtype
    crops : list of int
        Rows that are cut off at the bottom of each picture.
    origins : list of ndarray of shape (m, 2)
        Top and left of the tiles of each picture.
    notes : list of str
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    crops: list[int]
    origins: list[NDArray[np.intp]]
    notes: list[str]

    @property
    def n_tiles(self) -> int:
        """Number of tiles of all pictures."""
        return sum(map(len, self.origins))


def plan_tiles(
    sources: Sequence[Source],
    wanted: Preparation,
    lots: Sequence[str],
    faults: list[Fault],
    progress: Progress | None = None,
) -> Plan | None:
    """Return what comes out of the pictures, or None where faults leave nothing to plan.

    Parameters
    ----------
    sources : sequence of Source
    wanted : Preparation
    lots : sequence of str
        For messages.
    faults : list of Fault
        Pictures that cannot be read or do not fit are added here.
    progress : callable or None
    """
    headers: list[Header | None] = []
    for k, source in enumerate(sources):
        headers.append(or_fault(read_header, source, faults))
        if progress is not None:
            progress(k + 1, len(sources), "header")
    known = [(source, header) for source, header in zip(sources, headers, strict=True) if header]
    if not known:
        return None
    notes: list[str] = []
    bars = _bars(known, wanted, notes)
    sizes: list[tuple[int, int]] = []
    for _, header in known:
        rows = header.height - bars[header.height, header.width]
        sizes.append((rows // wanted.downscale, header.width // wanted.downscale))
    shape = _tile_shape(sizes, [source for source, _ in known], wanted, faults)
    origins: list[NDArray[np.intp]] = []
    crops: list[int] = []
    of_known = iter(sizes)
    for found in headers:
        crops.append(bars[found.height, found.width] if found else 0)
        size = next(of_known) if found else (0, 0)
        if shape is None or min(size) < 1:
            origins.append(np.empty((0, 2), dtype=np.intp))
        elif wanted.tile_px is None:
            origins.append(np.zeros((int(size == shape), 2), dtype=np.intp))
        else:
            origins.append(tile_origins(*size, wanted.tile_px, wanted.overlap))
    if shape is None:
        return None
    if wanted.tile_px is not None:
        cut = [found for found, header in zip(origins, headers, strict=True) if header]
        _tell_cutting(cut, sizes, wanted, notes)
    is_colour = _colour(known, wanted, faults)
    bits = max(header.bits for _, header in known)
    mixed = sum(header.bits == 8 for _, header in known) if bits == 16 else 0
    if mixed:
        notes.append(f"{mixed:,} pictures of 8 bits were brought to 16 bits, as the others have")
    return Plan(
        shape=(*shape, 3) if is_colour else shape,
        dtype=np.dtype(np.uint8 if bits == 8 else np.uint16),
        crops=crops,
        origins=origins,
        notes=notes,
    )


def or_fault(read: Callable[[Path, str], Any], source: Source, faults: list[Fault]) -> Any:
    """Return what is read of a picture, or None and its faults."""
    try:
        return read(source.path, source.name)
    except DataError as error:
        faults.extend(error.faults)
        return None


def _bars(
    known: Sequence[tuple[Source, Header]], wanted: Preparation, notes: list[str]
) -> dict[tuple[int, int], int]:
    """Return how many rows are cut off at the bottom, for each size of picture."""
    groups: dict[tuple[int, int], list[Source]] = {}
    for source, header in known:
        groups.setdefault((header.height, header.width), []).append(source)
    if wanted.crop_bottom_px != "auto":
        return dict.fromkeys(groups, wanted.crop_bottom_px or 0)
    bars: dict[tuple[int, int], int] = {}
    for size, group in groups.items():
        some = np.unique(np.linspace(0, len(group) - 1, _PICTURES_FOR_BAR).astype(int))
        read = [or_fault(read_picture, group[k], []) for k in some.tolist()]
        found = [bar_height(picture.pixels) for picture in read if picture is not None]
        typical, _ = Counter(found).most_common(1)[0] if found else (0, 0)
        agreeing = [height for height in found if abs(height - typical) <= 1]
        agree = len(agreeing) >= _AGREEING * len(found) and typical > 0
        bars[size] = max(agreeing) if agree else 0
        what = f"a scale bar strip of {bars[size]} rows was cut off" if agree else "no scale bar"
        notes.append(f"pictures of {size[1]} x {size[0]} px: {what}")
    return bars


def _tile_shape(
    sizes: Sequence[tuple[int, int]],
    sources: Sequence[Source],
    wanted: Preparation,
    faults: list[Fault],
) -> tuple[int, int] | None:
    """Return height and width of the tiles, and add pictures that do not fit to `faults`."""
    tile = wanted.tile_px
    shape: tuple[int, int]
    if tile is None:
        shape, n_alike = Counter(sizes).most_common(1)[0]
        if n_alike == 1 and len(sizes) > 1:
            faults.append(
                Fault(
                    f"the pictures have {len(set(sizes))} sizes, such as {sizes[0][1]} x "
                    f"{sizes[0][0]} and {sizes[1][1]} x {sizes[1][0]} pixels",
                    "Say how large the tiles are that they are cut into: tile_px=256",
                    file=f"{sources[0].name} and others",
                )
            )
            return None
        other = f"most pictures have {shape[1]} x {shape[0]}"
    else:
        shape = (tile, tile)
        other = f"a tile has {tile} x {tile}"
    for size, source in zip(sizes, sources, strict=True):
        if min(size) < SMALLEST_TILE:
            reason = f"it has {size[1]} x {size[0]} pixels; {SMALLEST_TILE} each way are least"
            remedy = "Take it out of the folder"
        elif tile is None and size != shape:
            reason = f"it has {size[1]} x {size[0]} pixels, but {other}"
            remedy = "Take it out, or cut all pictures into tiles of one size: tile_px=..."
        elif tile is not None and min(size) < tile:
            reason = f"it has {size[1]} x {size[0]} pixels, but {other}"
            remedy = "Take it out, or choose smaller tiles"
        else:
            continue
        faults.append(Fault(reason, remedy, file=source.name))
    return shape


def _tell_cutting(
    origins: Sequence[NDArray[np.intp]],
    sizes: Sequence[tuple[int, int]],
    wanted: Preparation,
    notes: list[str],
) -> None:
    """Add what cutting leaves at the right and at the bottom."""
    tile = wanted.tile_px or 0
    cut = [(found, size) for found, size in zip(origins, sizes, strict=True) if len(found)]
    rest = [1 - ((found.max(axis=0) + tile) / size).prod() for found, size in cut]
    n_tiles = sum(len(found) for found, _ in cut)
    if n_tiles > len(cut):
        lap = f", overlapping by {100 * wanted.overlap:.0f} %" if wanted.overlap else ""
        notes.append(
            f"{len(cut):,} pictures were cut into {n_tiles:,} tiles of {tile} px{lap}; "
            f"{100 * float(np.mean(rest)):.0f} % of their area, at the right and at the bottom, "
            "holds no whole tile and was left out"
        )


def _colour(
    known: Sequence[tuple[Source, Header]], wanted: Preparation, faults: list[Fault]
) -> bool:
    """Return whether the tiles are in colour, and add a minority of another kind to `faults`."""
    if wanted.colour is not None:
        return wanted.colour
    coloured: list[Source] = []
    for source, header in known:
        if header.has_colour:
            picture = or_fault(read_picture, source, [])
            if picture is not None and picture.is_colour:
                coloured.append(source)
    if not coloured or len(coloured) == len(known):
        return bool(coloured)
    is_colour = 2 * len(coloured) > len(known)
    names = {source.name for source in coloured}
    for source, _ in known:
        if (source.name in names) != is_colour:
            kinds = ("grey", "in colour") if is_colour else ("in colour", "grey")
            faults.append(
                Fault(
                    f"the picture is {kinds[0]}, but most are {kinds[1]}",
                    "Take it out, or turn all pictures into grey with colour=False",
                    file=source.name,
                )
            )
    return is_colour
