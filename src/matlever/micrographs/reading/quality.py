"""Tiles that show something else than the material: found, and given a reason.

What is usual differs from material to material, so that coarse crystals must not be called out of
focus: sharpness and structure are judged against the median of the tile's lot or of all tiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from matlever.exceptions import DataError
from matlever.micrographs.reading._seams import seam_log_odds
from matlever.micrographs.tiles import Tiles, unit_images

__all__ = ["REASONS", "QualityLimits", "TileMeasures", "judge_tiles", "measure_tiles", "poor_tiles"]

Floats = NDArray[np.float32]

#: Why a tile is dropped, in the order in which the first that holds is given.
REASONS = ("empty", "black margin", "saturation", "defocus", "shifted half")

_CHUNK_PIXELS = 1 << 20
_WORKING_SIDE = 128  # larger tiles are looked at with pixels averaged
_SMALLEST_FOR_SEAMS = 48  # smaller tiles have too few pixels along a line to tell a seam
_FEW = 12  # a lot with fewer tiles has no usual value of its own
_DARK, _WHITE = 0.04, 0.99  # a margin is one or the other ...
_FLAT = 2 / 255  # ... within this, but for 2 % of its pixels
_FULL = 0.996
# Median size of a difference of differences of white noise with standard deviation 1.
_NOISE_SCALE = 2 * 0.6745
# Share of the standard deviation of white noise that is left between the two finest scales.
_NOISE_BETWEEN = 0.37


@dataclass(frozen=True)
class QualityLimits:
    """Where a tile begins to be poor.

    Attributes
    ----------
    margin : float, default=0.03
        Share of the side that a black (or white) margin takes.
    structure : float, default=0.2
        Contrast of the shapes in a tile, as a share of the median of all tiles: less is empty.
    saturated : float, default=0.1
        Share of pixels at the upper end, above the median of the lot.
    sharpness : float, default=0.6
        Steepness of the finest against that of coarse edges, as a share of the lot's median ...
    detail : float, default=0.45
        ... and fine against coarse contrast, without the noise: both lower is defocus.
    seam : float, default=2.0
        Log-odds of a line along which one half is shifted.
    spread : float, default=2.75
        For `sharpness`, `detail` and `seam`: at least so many standard deviations (by the median
        deviation) away from the median of the lot as well.
    """

    margin: float = 0.03
    structure: float = 0.2
    saturated: float = 0.1
    sharpness: float = 0.6
    detail: float = 0.45
    seam: float = 2.0
    spread: float = 2.75


@dataclass(frozen=True, eq=False)
class TileMeasures:
    """What tells good tiles from poor ones; each array is of shape (n,).

    Attributes
    ----------
    margin : ndarray
        Largest share of the side that is a black or white margin.
    saturated : ndarray
        Share of pixels at the upper end.
    structure : ndarray
        Standard deviation between scales of 1.5 and 3 px (of a tile of 64 px).
    sharpness : ndarray
        Logarithm of the 99th percentile of the gradient at 0.7 px over that at 3 px.
    detail : ndarray
        Logarithm of the contrast between 0.7 and 1.5 px without noise, over that between 3 and 6.
    seam : ndarray
        Log-odds of the worst line; minus infinity in tiles of less than 48 px, too few to tell.
    """

    margin: NDArray[np.float64]
    saturated: NDArray[np.float64]
    structure: NDArray[np.float64]
    sharpness: NDArray[np.float64]
    detail: NDArray[np.float64]
    seam: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Sequence[TileMeasures]) -> TileMeasures:
        """Return the measures of several batches as one."""
        return cls(*(np.concatenate([getattr(p, f) for p in parts]) for f in _FIELDS))


_FIELDS = tuple(TileMeasures.__dataclass_fields__)


def poor_tiles(tiles: Tiles, limits: QualityLimits | None = None) -> NDArray[np.object_]:
    """Return why each tile should be dropped, or "" where it is good.

    Parameters
    ----------
    tiles : Tiles
        At least 16 pixels each way; looked at in chunks, so memory-mapped tiles stay on the disk.
    limits : QualityLimits or None, default=None
        Where a tile begins to be poor.

    Returns
    -------
    reasons : ndarray of shape (n,), str
        ``""`` or one of ``REASONS``.

    Raises
    ------
    DataError
        If the tiles are too small to be judged.
    """
    n, height, width = tiles.shape
    if not n:
        return np.empty(0, dtype=object)
    step = max(1, _CHUNK_PIXELS // (height * width))
    parts = [measure_tiles(tiles.images[i : i + step]) for i in range(0, n, step)]
    return judge_tiles(TileMeasures.joined(parts), tiles.lot, limits)


def measure_tiles(images: NDArray[Any]) -> TileMeasures:
    """Measure a batch of tiles.

    Parameters
    ----------
    images : ndarray of shape (n, H, W) or (n, H, W, 3)
        uint8, uint16, or float32 in [0, 1].

    Raises
    ------
    DataError
        If the tiles are smaller than 16 pixels.
    """
    grey = unit_images(np.asarray(images))
    if grey.ndim == 4:
        grey = grey.mean(axis=3)
    side = min(grey.shape[1:])
    if side < 16:
        raise DataError(f"Tiles of {side} px are too small to be judged; 16 px is least.")
    # A colour picture is saturated where one of its channels is.
    full = np.asarray(images) if images.ndim == 3 else np.asarray(images).max(axis=3)
    saturated = (unit_images(full) >= _FULL).mean(axis=(1, 2))
    margin = _margin(grey)
    small = _reduced(grey, -(-side // _WORKING_SIDE))
    structure, sharpness, detail = _scales(small)
    return TileMeasures(
        margin=margin,
        saturated=saturated.astype(np.float64),
        structure=structure,
        sharpness=sharpness,
        detail=detail,
        seam=seam_log_odds(small) if side >= _SMALLEST_FOR_SEAMS else np.full(len(grey), -np.inf),
    )


def judge_tiles(
    measures: TileMeasures, lot: NDArray[np.intp], limits: QualityLimits | None = None
) -> NDArray[np.object_]:
    """Return why each tile should be dropped, or "" where it is good.

    Parameters
    ----------
    measures : TileMeasures of n tiles
    lot : ndarray of shape (n,), int
        Lot of each tile; one with fewer than twelve tiles is judged against all tiles.
    limits : QualityLimits or None, default=None

    Returns
    -------
    reasons : ndarray of shape (n,), str
    """
    limits = limits or QualityLimits()
    m = measures
    structure = np.log(m.structure)
    is_empty = structure < np.median(structure) + np.log(limits.structure)
    usual = ~is_empty & (m.margin < limits.margin)  # what the medians are taken over
    sharp = _from_usual(m.sharpness, lot, usual)
    detail = _from_usual(m.detail, lot, usual)
    can_tell = np.isfinite(m.seam)
    seam = _from_usual(np.where(can_tell, m.seam, 0.0), lot, usual)
    k = limits.spread
    flags = {
        "empty": is_empty,
        "black margin": m.margin >= limits.margin,
        "saturation": _from_usual(m.saturated, lot, usual)[0] > limits.saturated,
        "defocus": (sharp[0] < np.log(limits.sharpness))
        & (detail[0] < np.log(limits.detail))
        & (sharp[0] < -k * sharp[1])
        & (detail[0] < -k * detail[1]),
        "shifted half": (m.seam > limits.seam) & (seam[0] > k * seam[1]),
    }
    return np.asarray(
        np.select([flags[reason] for reason in REASONS], REASONS, default=""), dtype=object
    )


# -- measures -------------------------------------------------------------------------------------


def _margin(grey: Floats) -> NDArray[np.float64]:
    """Return the largest share of the side, from any edge, of rows or columns of one shade."""
    share = np.zeros(len(grey))
    for picture in (grey, grey.swapaxes(1, 2)):
        middle = np.median(picture, axis=2, keepdims=True)
        off = np.count_nonzero(np.abs(picture - middle) > _FLAT, axis=2)
        blank = off <= 0.02 * picture.shape[2]
        blank &= (middle[..., 0] <= _DARK) | (middle[..., 0] >= _WHITE)
        for rows in (blank, blank[:, ::-1]):
            share = np.maximum(share, np.cumprod(rows, axis=1).sum(axis=1) / rows.shape[1])
    return share


def _reduced(grey: Floats, factor: int) -> Floats:
    """Return pictures with squares of `factor` by `factor` pixels averaged."""
    if factor == 1:
        return grey
    n, height, width = grey.shape
    height, width = height // factor, width // factor
    whole = grey[:, : height * factor, : width * factor]
    return np.asarray(whole.reshape(n, height, factor, width, factor).mean(axis=(2, 4)))


def _scales(
    grey: Floats,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return structure, sharpness and detail, see `TileMeasures`."""
    px = min(grey.shape[1:]) / 64
    blurred = {s: gaussian_filter(grey, (0.0, s * px, s * px)) for s in (0.7, 1.5, 3.0, 6.0)}
    structure = (blurred[1.5] - blurred[3.0]).std(axis=(1, 2))
    coarse = (blurred[3.0] - blurred[6.0]).std(axis=(1, 2))
    fine = (blurred[0.7] - blurred[1.5]).std(axis=(1, 2))
    corner = grey[:, 1:, 1:] - grey[:, :-1, 1:] - grey[:, 1:, :-1] + grey[:, :-1, :-1]
    noise = np.median(np.abs(corner), axis=(1, 2)) / _NOISE_SCALE
    tiny = 1e-5
    clean = np.sqrt(np.maximum(fine**2 - (_NOISE_BETWEEN * noise / px) ** 2, tiny**2))
    sharpness = np.log(_steepest(blurred[0.7]) + tiny) - np.log(_steepest(blurred[3.0]) + tiny)
    detail = np.log(clean) - np.log(coarse + tiny)
    return (
        np.maximum(structure, tiny).astype(np.float64),
        sharpness.astype(np.float64),
        detail.astype(np.float64),
    )


def _steepest(picture: Floats) -> Floats:
    """Return the 99th percentile of the gradient of each picture."""
    down = np.diff(picture, axis=1)[:, :, :-1]
    across = np.diff(picture, axis=2)[:, :-1]
    square = (down**2 + across**2).reshape(len(picture), -1)
    at = int(0.99 * (square.shape[1] - 1))
    return np.asarray(np.sqrt(np.partition(square, at, axis=1)[:, at]))


def _from_usual(
    values: NDArray[np.float64], lot: NDArray[np.intp], usual: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far each value is from its lot's median, and the lot's standard deviation."""
    if not usual.any():
        usual = np.ones_like(usual)
    away, spread = np.empty_like(values), np.empty_like(values)
    for k in np.unique(lot):
        own = lot == k
        ground = values[own & usual]
        if len(ground) < _FEW:
            ground = values[usual]
        middle = np.median(ground)
        away[own] = values[own] - middle
        spread[own] = 1.4826 * np.median(np.abs(ground - middle))
    return away, spread
