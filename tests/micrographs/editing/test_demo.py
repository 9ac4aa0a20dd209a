"""The packaged editor on lots it never saw: classical measures move as they should."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_laplace

from matlever.micrographs import load_demo_editor, simulate_sem
from matlever.micrographs.editing.demo import DEMO_FOLDER


@pytest.fixture(scope="module")
def editor():
    return load_demo_editor()


@pytest.fixture(scope="module")
def tiles():
    return simulate_sem(6, 1, 64, random_state=9300).tiles


def turned(editor, tiles, knob, low=0.15, high=0.85):
    values = np.repeat(tiles.attributes[:, None], 2, axis=1)
    j = tiles.names.index(knob)
    values[:, 0, j], values[:, 1, j] = low, high
    images = editor.render(tiles, values).images
    return images[0::2], images[1::2]


def correlation_length(images):
    """Distance in px at which the autocorrelation falls below a half, interpolated."""
    x = images - images.mean(axis=(1, 2), keepdims=True)
    power = np.abs(np.fft.fft2(x)) ** 2
    auto = np.fft.ifft2(power).real[:, 0]
    auto = auto / auto[:, :1]
    return np.array([first_below(a) for a in auto])


def first_below(auto):
    i = int(np.argmax(auto < 0.5))
    return i - 1 + (auto[i - 1] - 0.5) / (auto[i - 1] - auto[i])


def dark_spots(images):
    return np.array([(gaussian_laplace(image, 0.8) > 0.10).sum() for image in images])


def test_the_packaged_files_are_small(editor):
    assert sum(path.stat().st_size for path in DEMO_FOLDER.iterdir()) < 6e6
    assert editor.flow.card["simulated"] is True


def test_a_tile_asked_for_as_it_stands_stays(editor, tiles):
    found = editor.render(tiles, tiles.attributes[:, None]).images
    np.testing.assert_allclose(found, tiles.unit(), atol=1e-5)


def test_more_size_gives_longer_correlations(editor, tiles):
    small, large = turned(editor, tiles, "size")
    assert (correlation_length(large) > 1.3 * correlation_length(small)).all()


def test_more_porosity_gives_more_dark_spots_and_leaves_the_size(editor, tiles):
    few, many = turned(editor, tiles, "porosity")
    assert (dark_spots(many) > dark_spots(few)).all()
    change = correlation_length(many) / correlation_length(few)
    assert 0.6 < change.mean() < 1.3


def test_the_calibration_left_each_knob_alone(editor):
    after = np.array(editor.card["calibration"]["response_after"])
    np.testing.assert_allclose(np.diag(after), 1.0, atol=0.15)
    assert np.abs(after - np.diag(np.diag(after))).max() < 0.15
