"""Texture measures: known answers, other libraries, and what they must not see."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from matlever.exceptions import DataError
from matlever.micrographs import TEXTURE_NAMES, texture_features
from matlever.micrographs.measuring._texture_maps import (
    blur,
    flatten,
    morphological_opening,
    ring_offsets,
)
from matlever.micrographs.measuring.texture import radial_log_spectrum

RNG = np.random.default_rng(5)


def feature(images, name):
    return texture_features(np.asarray(images, dtype=np.float32))[:, TEXTURE_NAMES.index(name)]


def smooth_noise(n, side, sigma, seed=0):
    """Return periodic Gaussian noise (n, side, side) with correlation exp(-r^2 / (4 sigma^2))."""
    white = np.random.default_rng(seed).standard_normal((n, side, side))
    return ndimage.gaussian_filter(white, (0, sigma, sigma), mode="wrap")


# -- filters --------------------------------------------------------------------------------------


def test_blur_is_the_gaussian_filter_of_scipy():
    images = RNG.random((3, 20, 31), dtype=np.float32)
    expected = ndimage.gaussian_filter(images, (0, 1, 1), mode="reflect", truncate=3)
    np.testing.assert_allclose(blur(images, 1.0), expected, atol=1e-6)


@pytest.mark.parametrize("side", [3, 5, 9, 13])
def test_opening_is_the_grey_opening_of_scipy_away_from_the_edge(side):
    images = RNG.random((2, 40, 37), dtype=np.float32)
    found = morphological_opening(images, side)
    expected = ndimage.grey_opening(images, (1, side, side), mode="reflect")
    inside = (slice(None), slice(side, -side), slice(side, -side))
    np.testing.assert_array_equal(found[inside], expected[inside])
    assert found.shape == images.shape
    assert (found <= images).all()


def test_flattened_tiles_have_median_zero_and_unit_spread():
    images = 0.2 + 0.1 * RNG.standard_normal((4, 64, 64)).astype(np.float32)
    flat, ordered = flatten(images)
    np.testing.assert_allclose(np.median(flat, axis=(1, 2)), 0, atol=2e-3)
    np.testing.assert_allclose(flat.std(axis=(1, 2)), 1, rtol=0.05)
    np.testing.assert_allclose(np.sort(flat.reshape(4, -1), axis=1), ordered, atol=1e-6)


def test_a_ring_is_symmetric_and_at_its_distance():
    ring = ring_offsets(2.0)
    assert set(ring) == {(-y, -x) for y, x in ring} == {(x, y) for y, x in ring}
    assert {round(float(np.hypot(*offset)), 2) for offset in ring} == {2.0, 2.24}


# -- what must not be seen ------------------------------------------------------------------------


def test_gain_offset_and_uneven_lighting_change_nothing():
    images = smooth_noise(6, 48, 1.5)
    images = (0.5 + 0.1 * images / images.std()).astype(np.float32)
    slope = 0.1 * np.linspace(-1, 1, 48)[:, None] - 0.05 * np.linspace(-1, 1, 48)
    changed = (0.1 + 0.6 * images + slope).astype(np.float32)
    np.testing.assert_allclose(
        texture_features(changed), texture_features(images), rtol=2e-3, atol=2e-3
    )


def test_mirrored_tiles_have_the_same_texture():
    images = RNG.random((3, 40, 52), dtype=np.float32)
    expected = texture_features(images)
    for mirrored in (images[:, ::-1], images[:, :, ::-1]):
        np.testing.assert_allclose(texture_features(mirrored), expected, rtol=1e-3, atol=1e-3)


def test_bytes_words_and_colours_are_measured_alike():
    images = RNG.integers(0, 256, (3, 32, 32)).astype(np.uint8)
    expected = texture_features(images)
    words = images.astype(np.uint16) * 257
    colour = np.repeat(images[..., None], 3, axis=3)
    for same in (words, colour, (images / 255).astype(np.float32)):
        np.testing.assert_allclose(texture_features(same), expected, rtol=1e-3, atol=1e-3)


def test_tiles_are_measured_one_by_one():
    images = RNG.random((130, 24, 24), dtype=np.float32)
    some = texture_features(images[[3, 129]])
    np.testing.assert_allclose(texture_features(images)[[3, 129]], some, rtol=1e-4, atol=1e-4)


# -- known answers --------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [1.5, 2.5])
def test_correlation_length_of_smoothed_noise_is_twice_the_width_of_the_filter(sigma):
    lengths = np.exp(feature(smooth_noise(60, 96, sigma), TEXTURE_NAMES[1])) - 0.25
    assert "0.37" in TEXTURE_NAMES[1]
    assert lengths.mean() == pytest.approx(2 * sigma, rel=0.06)


def test_stretched_noise_is_longer_along_the_axis_it_is_stretched_along():
    white = np.random.default_rng(1).standard_normal((30, 64, 64))
    images = ndimage.gaussian_filter(white, (0, 1, 3), mode="wrap")
    along_x = feature(images, "log autocorrelation length along x (ln px)").mean()
    along_y = feature(images, "log autocorrelation length along y (ln px)").mean()
    assert along_x - along_y == pytest.approx(np.log(3), abs=0.25)


def test_a_wave_has_its_power_in_the_band_of_its_frequency():
    side = 64
    edges = np.geomspace(2 / side, 0.5, 9)
    for band in range(8):
        frequency = round(side * np.sqrt(edges[band] * edges[band + 1])) / side
        expected = np.searchsorted(edges, frequency * (1 + 1e-6)) - 1
        wave = np.sin(2 * np.pi * frequency * np.arange(side))
        image = np.broadcast_to(wave, (1, side, side))
        start = TEXTURE_NAMES.index("log power in band 1 of 8 (ln)")
        assert texture_features(image.astype(np.float32))[0, start : start + 8].argmax() == expected


def test_each_planted_pin_hole_is_counted_once():
    images = smooth_noise(4, 64, 6.0) * 0.2
    images /= images.std()
    planted = images.copy()
    places = [(y, x) for y in range(6, 60, 8) for x in range(6, 60, 8)]
    for y, x in places:
        planted[:, y, x] -= 6.0
    found = feature(planted, "root of dark spots deeper than 0.8 sd (per 1000 px)") ** 2
    np.testing.assert_allclose(found, len(places) * 1000 / 58**2, rtol=1e-5)
    np.testing.assert_array_equal(
        feature(images, "root of dark spots deeper than 0.8 sd (per 1000 px)"), 0
    )


def test_a_dark_line_is_no_pin_hole():
    images = np.zeros((1, 48, 48), dtype=np.float32)
    images += 0.05 * smooth_noise(1, 48, 5.0)
    images[:, 20] -= 3
    images[:, :, 31] -= 3
    found = feature(images, "root of dark spots deeper than 1.4 sd (per 1000 px)")[0] ** 2
    assert found == pytest.approx(1000 / 42**2)  # where they cross


def squares(sides, side=96, seed=0):
    """Return one tile with bright squares of these sides, nowhere touching."""
    image = np.zeros((side, side))
    pitch = max(sides) + 6
    places = [(y, x) for y in range(3, side - pitch, pitch) for x in range(3, side - pitch, pitch)]
    for number, (y, x) in enumerate(places):
        s = sides[number % len(sides)]
        image[y : y + s, x : x + s] = 1
    return image[None] + 1e-3 * np.random.default_rng(seed).standard_normal((1, side, side))


def test_granulometry_orders_sizes_and_tells_mixed_from_equal():
    name = "mean log size of bright parts (ln px)"
    small, large = (feature(squares([s]), name)[0] for s in (5, 13))
    assert large - small > 0.6
    spread = "spread of bright sizes (ln px)"
    assert feature(squares([4, 19]), spread)[0] > 1.3 * feature(squares([13]), spread)[0]


def test_noise_is_measured_beside_a_smooth_picture():
    y, x = np.mgrid[:64, :64] / 64
    smooth = np.cos(2 * np.pi * x) + np.cos(4 * np.pi * y)
    noisy = smooth + 0.2 * np.random.default_rng(2).standard_normal((20, 64, 64))
    low, high = np.percentile(noisy, [15.8655, 84.1345])
    found = feature(noisy, "noise (sd of tone)")
    np.testing.assert_allclose(found, 0.2 / ((high - low) / 2), rtol=0.06)


def test_stripes_are_coherent_and_noise_is_not():
    name = "coherence of gradients over 4.0 px: mean"
    stripes = np.broadcast_to(np.sin(np.arange(64) / 2.0), (1, 64, 64))
    assert feature(stripes, name)[0] > 0.98
    assert feature(smooth_noise(4, 64, 1.0), name).max() < 0.6


def test_doubled_contrast_adds_the_logarithm_of_four_to_the_spectrum():
    images = RNG.random((5, 32, 40), dtype=np.float32) * 0.4
    difference = radial_log_spectrum(2 * images) - radial_log_spectrum(images)
    np.testing.assert_allclose(difference, np.log(4), atol=1e-3)


def test_white_noise_has_a_flat_spectrum():
    images = np.random.default_rng(3).standard_normal((300, 32, 32)).astype(np.float32)
    mean = np.log(np.exp(radial_log_spectrum(images)).mean(axis=0))
    np.testing.assert_allclose(mean[1:], mean[1:].mean(), atol=0.1)


# -- edges ----------------------------------------------------------------------------------------


def test_constant_tiles_have_finite_texture():
    assert np.isfinite(texture_features(np.full((2, 24, 24), 7, dtype=np.uint8))).all()
    assert np.isfinite(radial_log_spectrum(np.zeros((1, 24, 24), dtype=np.uint8))).all()


def test_every_feature_has_one_name():
    assert texture_features(RNG.random((1, 25, 33))).shape == (1, len(TEXTURE_NAMES))
    assert len(set(TEXTURE_NAMES)) == len(TEXTURE_NAMES)
    assert texture_features(np.empty((0, 32, 32), dtype=np.uint8)).shape == (0, len(TEXTURE_NAMES))


@pytest.mark.parametrize("shape", [(2, 23, 64), (64, 64), (1, 1, 1)])
def test_tiles_too_small_for_texture_are_refused(shape):
    with pytest.raises(DataError, match="24 x 24 px or more"):
        texture_features(np.zeros(shape, dtype=np.uint8))
