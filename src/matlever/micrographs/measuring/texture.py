"""Classical measures of the texture of tiles, blind to gain, offset and uneven lighting.

They know nothing of networks, which is what makes them a second opinion on an edited picture.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, rfft2

from matlever.exceptions import DataError
from matlever.micrographs.measuring._texture_maps import (
    blur,
    flatten,
    morphological_opening,
    ring_offsets,
    shifted,
)
from matlever.micrographs.tiles import Tiles, unit_images

__all__ = ["SMALLEST_PX", "TEXTURE_NAMES", "radial_log_spectrum", "texture_features"]

Array = NDArray[np.float32]

SMALLEST_PX = 24
_PX_AT_A_TIME = 2**18  # a stack of filtered tiles then stays in the processor's cache
_N_BANDS = 8
_FALLS = (0.6, 0.37, 0.15)
_TONES = (0.02, 0.1, 0.25, 0.75, 0.9, 0.98)
_N_SIDES = 7
_SMALLEST_SIDE, _LARGEST_SIDE = 3, 0.4  # px, and in tile sides
_DEPTHS = (0.4, 0.8, 1.4)  # of a dark spot below its surroundings, in standard deviations
_SCALES = (0.7, 1.2, 2.4)  # px, of the second derivatives
_COHERENCE_PX = (1.0, 2.0, 4.0)


def _names() -> tuple[str, ...]:
    names = [f"log autocorrelation length to {fall} (ln px)" for fall in _FALLS]
    names += [f"log autocorrelation length along {axis} (ln px)" for axis in "xy"]
    names += [f"autocorrelation at {lag} px" for lag in (1, 2, 3)]
    names += [f"log power in band {band + 1} of {_N_BANDS} (ln)" for band in range(_N_BANDS)]
    names += ["spectral centroid (ln cycles per px)", "spectral width (ln cycles per px)"]
    for what in ("bright", "dark"):
        names += [
            f"{what} granulometry at side {j + 1} of {_N_SIDES} (sd)" for j in range(_N_SIDES)
        ]
        names += [f"mean log size of {what} parts (ln px)", f"spread of {what} sizes (ln px)"]
    names += [f"root of dark spots deeper than {depth} sd (per 1000 px)" for depth in _DEPTHS]
    names += [
        "root of bright spots higher than 0.8 sd (per 1000 px)",
        "mean depth of dark spots (sd)",
    ]
    for scale in _SCALES:
        names += [f"second derivative at {scale} px: {what}" for what in _MOMENTS]
    names += [f"gradient: {what}" for what in _MOMENTS[:2]]
    names += ["gradient: share below half its mean", "gradient: 95th percentile over mean"]
    for scale in _COHERENCE_PX:
        names += [f"coherence of gradients over {scale} px: {what}" for what in ("mean", "spread")]
    names += [f"bend of isophotes at {scale} px (1/px)" for scale in _SCALES[1:]]
    names += ["saddle share at 1.2 px", "noise (sd of tone)"]
    names += [f"tone at {quantile:.0%} (sd)" for quantile in _TONES]
    return tuple(names)


_MOMENTS = ("log sd (ln sd)", "skewness", "log kurtosis (ln)")
TEXTURE_NAMES: tuple[str, ...] = _names()


def texture_features(tiles: Tiles | NDArray[Any]) -> NDArray[np.float64]:
    """Measure the texture of tiles.

    Before anything else a plane is subtracted from each tile and its tones are divided by their
    robust standard deviation ("sd" in the names).

    Parameters
    ----------
    tiles : Tiles, or ndarray of shape (n, H, W) or (n, H, W, 3)
        Of 24 x 24 pixels or more; colours are averaged.

    Returns
    -------
    features : ndarray of shape (n, f)
        Named, with units, by `TEXTURE_NAMES`; all finite.

    Raises
    ------
    DataError
        If tiles are smaller, or have another shape.

    Notes
    -----
    Autocorrelation by the Wiener-Khinchin theorem under a Hann window, with the window divided
    out; granulometry is G. Matheron's, by openings and closings with squares (Random Sets and
    Integral Geometry, 1975); coherence of the structure tensor after J. Bigun and G. H. Granlund
    (ICCV 1987); noise after J. Immerkaer, Comput. Vis. Image Underst. 64 (1996) 300-302.
    """
    images = tiles.images if isinstance(tiles, Tiles) else np.asarray(tiles)
    if images.ndim not in (3, 4) or min(images.shape[1:3]) < SMALLEST_PX:
        raise DataError(
            f"Texture is measured on tiles of {SMALLEST_PX} x {SMALLEST_PX} px or more, of shape "
            f"(n, height, width[, 3]); got {images.shape}."
        )
    features = np.empty((len(images), len(TEXTURE_NAMES)))
    for part in _parts(images):
        features[part] = _measure(_grey(images[part]))
    return features


def _parts(images: NDArray[Any]) -> list[slice]:
    """Return the slices in which tiles are measured."""
    step = max(1, _PX_AT_A_TIME // (images.shape[1] * images.shape[2]))
    return [slice(start, start + step) for start in range(0, len(images), step)]


def _grey(images: NDArray[Any]) -> Array:
    """Return some tiles as float32 (n, H, W) in [0, 1]."""
    unit = unit_images(images)
    return unit if unit.ndim == 3 else unit.mean(axis=3, dtype=np.float32)


def _measure(grey: Array) -> NDArray[np.float64]:
    flat, ordered = flatten(grey)
    smooth = blur(flat, 0.7)
    parts = [
        *_correlation_and_spectrum(flat),
        *_granulometry(smooth),
        *_granulometry(-smooth),
        *_spots(flat),
        *_derivatives(flat),
        _noise(flat),
        *(ordered[:, round(q * (ordered.shape[1] - 1))] for q in _TONES),
    ]
    return np.stack(parts, axis=1).astype(np.float64)


# -- correlation and spectrum ---------------------------------------------------------------------


def _power(flat: Array) -> tuple[Array, Array]:
    """Return the power spectrum under a Hann window (n, H, W // 2 + 1), and the window's."""
    _, height, width = flat.shape
    window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    mean = (flat * window).sum(axis=(1, 2), keepdims=True) / window.sum()
    spectrum = rfft2((flat - mean) * window)
    return np.abs(spectrum) ** 2, np.abs(rfft2(window)) ** 2


def _frequencies(height: int, width: int) -> NDArray[np.float64]:
    """Return the length of each frequency of a half spectrum, in cycles per px."""
    along_y, along_x = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    return np.asarray(np.hypot(along_y, along_x))


def _correlation_and_spectrum(flat: Array) -> list[Array]:
    n, height, width = flat.shape
    power, of_window = _power(flat)
    correlation = irfft2(power, (height, width)) / irfft2(of_window, (height, width))
    correlation /= np.maximum(correlation[:, :1, :1], 1e-9)
    reach = min(height, width) // 3
    lag_y, lag_x = np.arange(-reach, reach + 1)[:, None], np.arange(-reach, reach + 1)[None]
    around = correlation[:, lag_y % height, lag_x % width].reshape(n, -1)
    distance = np.rint(np.hypot(lag_y, lag_x)).astype(int).ravel()
    member = (distance[:, None] == np.arange(reach + 1)).astype(np.float32)
    profile = around @ (member / member.sum(axis=0))
    along_x, along_y = correlation[:, 0, : reach + 1], correlation[:, : reach + 1, 0]
    lengths = [_first_below(profile, fall) for fall in _FALLS]
    lengths += [_first_below(along_x, 0.37), _first_below(along_y, 0.37)]
    bands, centroid, spread = _bands(power, width)
    return [*lengths, *(profile[:, lag] for lag in (1, 2, 3)), *bands.T, centroid, spread]


def _first_below(profile: Array, fall: float) -> Array:
    """Return the logarithm of the lag at which a profile first falls below a value."""
    below = profile < fall
    below[:, -1] = True
    below[:, 0] = False
    at = below.argmax(axis=1)
    row = np.arange(len(profile))
    before, after = profile[row, at - 1], profile[row, at]
    share = np.clip((before - fall) / np.maximum(before - after, 1e-6), 0, 1)
    return np.asarray(np.log(at - 1 + share + 0.25), dtype=np.float32)


def _bands(power: Array, width: int) -> tuple[Array, Array, Array]:
    """Return log powers of logarithmic bands relative to all of them, mean and spread of ln f."""
    n, height = power.shape[:2]
    frequency = _frequencies(height, width).ravel()
    # The 1e-9 takes rounding out of the comparison: the edges are frequencies that occur.
    edges = np.geomspace(2 / min(height, width), 0.5, _N_BANDS + 1) * (1 + 1e-9)
    edges[0] *= 1 - 2e-9
    band = np.searchsorted(edges, frequency) - 1
    member = (band[:, None] == np.arange(_N_BANDS)).astype(np.float32)
    mean = power.reshape(n, -1) @ (member / member.sum(axis=0)) + 1e-9
    inside = (frequency >= edges[0]) & (frequency <= edges[-1])
    weight = power.reshape(n, -1)[:, inside]
    weight = (weight + 1e-9) / (weight + 1e-9).sum(axis=1, keepdims=True)
    log_f = np.log(frequency[inside]).astype(np.float32)
    centroid = weight @ log_f
    spread = np.sqrt(np.maximum(weight @ log_f**2 - centroid**2, 0))
    return np.log(mean / mean.sum(axis=1, keepdims=True)), centroid, spread


def radial_log_spectrum(tiles: Tiles | NDArray[Any], n_bands: int = 16) -> NDArray[np.float64]:
    """Return the logarithm of the radially averaged power of tiles, not divided by their contrast.

    Parameters
    ----------
    tiles : Tiles, or ndarray of shape (n, H, W) or (n, H, W, 3)
    n_bands : int, default=16
        Evenly spaced rings of frequency from one cycle per tile to the highest there is, that of
        a checkerboard, half a cycle per px along both axes.

    Returns
    -------
    spectrum : ndarray of shape (n, n_bands)
        Natural logarithm of power per px and tone in [0, 1].
    """
    images = tiles.images if isinstance(tiles, Tiles) else np.asarray(tiles)
    height, width = images.shape[1:3]
    frequency = _frequencies(height, width).ravel()
    edges = np.linspace(0.75 / min(height, width), np.sqrt(0.5) * (1 + 1e-9), n_bands + 1)
    ring = np.searchsorted(edges, frequency) - 1
    member = (ring[:, None] == np.arange(n_bands)).astype(np.float32)
    filled = member.sum(axis=0) > 0
    member = member[:, filled] / member[:, filled].sum(axis=0)
    rows = [
        _power(_grey(images[part]))[0].reshape(-1, len(frequency)) @ member
        for part in _parts(images)
    ]
    return np.asarray(np.log(np.concatenate(rows) / (height * width) + 1e-12), dtype=np.float64)


# -- sizes ----------------------------------------------------------------------------------------


def _granulometry(smooth: Array) -> list[Array]:
    """Return what openings by larger and larger squares take away, and the sizes it stands for."""
    side = min(smooth.shape[1:])
    sides = np.geomspace(_SMALLEST_SIDE, max(_LARGEST_SIDE * side, 9), _N_SIDES)
    sides = np.rint((sides - 1) / 2).astype(int) * 2 + 1
    area = smooth.shape[1] * smooth.shape[2]
    left = [smooth.sum(axis=(1, 2)) / area]
    left += [morphological_opening(smooth, int(side)).sum(axis=(1, 2)) / area for side in sides]
    taken = np.maximum(-np.diff(np.stack(left, axis=1), axis=1), 0)
    share = (taken + 1e-6) / (taken + 1e-6).sum(axis=1, keepdims=True)
    log_side = np.log(sides).astype(np.float32)
    mean = share @ log_side
    spread = np.sqrt(np.maximum(share @ log_side**2 - mean**2, 0))
    return [*taken.T, mean, spread]


# -- pin-holes ------------------------------------------------------------------------------------


def _spots(flat: Array) -> list[Array]:
    """Return counts of small dark spots: a pixel that all of a ring around it is lighter than."""
    margin = 3
    softly = blur(flat, 0.45)
    middle = shifted(softly, 0, 0, margin)
    darkest, lightest = np.full_like(middle, np.inf), np.full_like(middle, -np.inf)
    for dy, dx in ring_offsets(2.0):
        there = shifted(softly, dy, dx, margin)
        np.minimum(darkest, there, out=darkest)
        np.maximum(lightest, there, out=lightest)
    is_low, is_high = np.ones(middle.shape, bool), np.ones(middle.shape, bool)
    for dy, dx in ring_offsets(1.2):
        there = shifted(softly, dy, dx, margin)
        is_low &= middle <= there
        is_high &= middle >= there
    depth, height = (darkest - middle) * is_low, (middle - lightest) * is_high
    per_thousand = np.float32(1000 / (middle.shape[1] * middle.shape[2]))
    counts = [(depth > d).sum(axis=(1, 2)) * per_thousand for d in _DEPTHS]
    counts.append((height > 0.8).sum(axis=(1, 2)) * per_thousand)
    deep = depth > 0.2
    mean = (depth * deep).sum(axis=(1, 2)) / np.maximum(deep.sum(axis=(1, 2)), 1)
    return [*(np.sqrt(count) for count in counts), mean]


# -- faces and edges ------------------------------------------------------------------------------


def _moments(field: Array) -> list[Array]:
    centred = field - field.mean(axis=(1, 2), keepdims=True)
    squared = centred * centred
    variance = squared.mean(axis=(1, 2)) + np.float32(1e-8)
    skewness = (squared * centred).mean(axis=(1, 2)) / variance**1.5
    kurtosis = (squared * squared).mean(axis=(1, 2)) / variance**2
    return [np.log(variance) / 2, skewness, np.log(kurtosis + 0.1)]


def _derivatives(flat: Array) -> list[Array]:
    """Return statistics of first and second derivatives: edges, flat faces, curvature."""
    found: list[Array] = []
    bends: list[Array] = []
    saddle: list[Array] = []
    for scale in _SCALES:
        smooth = blur(flat, scale)
        at = {(y, x): shifted(smooth, y, x, 1) for y in (-1, 0, 1) for x in (-1, 0, 1)}
        dxx = at[0, 1] + at[0, -1] - 2 * at[0, 0]
        dyy = at[1, 0] + at[-1, 0] - 2 * at[0, 0]
        found += _moments(dxx + dyy)
        if scale == _SCALES[0]:
            continue
        dx, dy = (at[0, 1] - at[0, -1]) / 2, (at[1, 0] - at[-1, 0]) / 2
        dxy = (at[1, 1] + at[-1, -1] - at[1, -1] - at[-1, 1]) / 4
        slope2 = dx * dx + dy * dy
        turn = np.abs(dxx * dy * dy + dyy * dx * dx - 2 * dxy * dx * dy)
        bends.append(turn.sum(axis=(1, 2)) / (slope2**1.5).sum(axis=(1, 2)).clip(1e-6))
        if scale == _SCALES[1]:
            saddle.append((dxx * dyy < dxy * dxy).mean(axis=(1, 2), dtype=np.float32))
            gradient = np.sqrt(slope2)
            parts = (dx * dx, dy * dy, dx * dy)
            tensor = [np.asarray(part, dtype=np.float32) for part in parts]
    mean = gradient.mean(axis=(1, 2)).clip(1e-6)
    flat_share = (gradient < mean[:, None, None] / 2).mean(axis=(1, 2), dtype=np.float32)
    ordered = np.partition(gradient.reshape(len(flat), -1), _rank(gradient, 0.95), axis=1)
    found += [*_moments(gradient)[:2], flat_share, ordered[:, _rank(gradient, 0.95)] / mean]
    for scale in _COHERENCE_PX:
        xx, yy, xy = (blur(part, scale) for part in tensor)
        total = xx + yy
        coherence = np.sqrt((xx - yy) ** 2 + 4 * xy * xy) / (total + np.float32(1e-6))
        weight = total / total.sum(axis=(1, 2), keepdims=True).clip(1e-6)
        average = (coherence * weight).sum(axis=(1, 2))
        square = (coherence * coherence * weight).sum(axis=(1, 2))
        found += [average, np.sqrt(np.maximum(square - average**2, 0))]
    return [*found, *bends, *saddle]


def _rank(field: Array, quantile: float) -> int:
    return int(quantile * (field[0].size - 1) + 0.5)


def _noise(flat: Array) -> Array:
    """Return the standard deviation of the noise by a mask that is blind to planes and edges."""
    around = 4 * shifted(flat, 0, 0, 1)
    for y, x in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        around -= 2 * shifted(flat, y, x, 1)
    for y, x in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        around += shifted(flat, y, x, 1)
    mean = np.abs(around).mean(axis=(1, 2))
    return np.asarray(np.sqrt(np.pi / 2) / 6 * mean, dtype=np.float32)
