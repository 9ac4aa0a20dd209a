"""Segments of images as knobs: what is replaced by what, exactly, and back on the picture."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matlever.exceptions import DataError, MissingExtraError, SettingsError
from matlever.knobs import Editor, predict_settings
from matlever.micrographs import SuperpixelEditor

RNG = np.random.default_rng(11)
SEGMENTS = np.array([[0, 0, 1, 1, 1], [0, 2, 2, 1, 1], [3, 3, 2, 2, 3]])


def rendered_by_loop(images, segments, values, fill):
    """Return images (n, r, ...), pixel by pixel."""
    n, r, _ = values.shape
    out = np.empty((n, r, *images.shape[1:]), dtype=images.dtype)
    for i in range(n):
        for j in range(r):
            out[i, j] = images[i]
            for segment in np.flatnonzero(values[i, j] == 0):
                inside = segments == segment
                colour = images[i][inside].mean(axis=0) if isinstance(fill, str) else fill
                whole = images.dtype.kind in "iu"
                out[i, j][inside] = np.rint(colour) if whole else colour
    return out.reshape(n * r, *images.shape[1:])


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("fill", ["mean", 7.0])
def test_rendered_images_are_those_of_a_loop(channels, dtype, fill):
    images = RNG.uniform(0, 255, (3, 3, 5, *channels)).astype(dtype)
    values = RNG.integers(0, 2, (3, 4, 4)).astype(float)
    editor = SuperpixelEditor(SEGMENTS, fill=fill)
    before = images.copy()
    found = editor.render(images, values)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, rendered_by_loop(images, SEGMENTS, values, fill), rtol=1e-6)
    np.testing.assert_array_equal(images, before)


def test_a_colour_per_channel_replaces_segments():
    image = RNG.uniform(size=(1, 3, 5, 3))
    found = SuperpixelEditor(SEGMENTS, fill=[0.1, 0.2, 0.3]).render(image, np.zeros((1, 1, 4)))
    np.testing.assert_array_equal(found, np.broadcast_to([0.1, 0.2, 0.3], found.shape))


def test_binary_images_stay_binary_and_take_the_phase_of_the_majority():
    image = np.array([[[True, True, False, False]]])
    editor = SuperpixelEditor.from_labels(np.array([[5, 5, 5, 9]]))
    found = editor.render(image, [[[0, 1], [1, 0]]])
    np.testing.assert_array_equal(found, [[[True, True, True, False]], image[0]])


def test_an_image_stands_at_one_everywhere_and_is_itself_there():
    images = RNG.integers(0, 256, (4, 3, 5), dtype=np.uint8)
    editor = SuperpixelEditor(SEGMENTS)
    values = editor.values(images)
    np.testing.assert_array_equal(values, np.ones((4, 4)))
    np.testing.assert_array_equal(editor.render(images, values[:, None]), images)
    assert isinstance(editor, Editor)
    assert editor.space.names == tuple(f"segment {j}" for j in (1, 2, 3, 4))
    assert editor.space.is_feasible(values).all()
    assert not editor.space.is_feasible([0.5, 1, 1, 1])
    assert editor.space.is_feasible(editor.space.sample(50, 0)).all()


def test_the_mean_replaces_texture_but_not_brightness():
    images = RNG.uniform(size=(2, 3, 5))
    found = SuperpixelEditor(SEGMENTS).render(images, RNG.integers(0, 2, (2, 6, 4)))
    np.testing.assert_allclose(found.mean(axis=(1, 2)), images.mean(axis=(1, 2)).repeat(6))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 60), st.booleans())
def test_a_grid_is_about_that_many_rectangles_of_about_equal_size(height, width, n, turned):
    n = min(n, height * width)
    shape = (width, height) if turned else (height, width)
    editor = SuperpixelEditor.grid(shape, n)
    segments = editor.segments
    assert segments.shape == shape
    m = len(editor.space)
    assert set(np.unique(segments)) == set(range(m))
    assert n / 2 <= m <= 2 * n
    for label in range(m):
        rows, columns = np.nonzero(segments == label)
        assert (np.ptp(rows) + 1) * (np.ptp(columns) + 1) == len(rows)  # a full rectangle
    first_rows, first_columns = np.nonzero(segments == 0)
    assert (first_rows.min(), first_columns.min()) == (0, 0)


def test_a_square_grid_is_square():
    editor = SuperpixelEditor.grid((64, 64), 16)
    np.testing.assert_array_equal(np.bincount(editor.segments.ravel()), [256] * 16)


def test_labels_of_any_numbers_become_segments_in_order():
    editor = SuperpixelEditor.from_labels([[7, 7, -2], [100, 7, -2]])
    np.testing.assert_array_equal(editor.segments, [[1, 1, 0], [2, 1, 0]])


def test_weights_return_to_their_pixels():
    editor = SuperpixelEditor(SEGMENTS)
    weights = np.array([0.5, -1.0, 2.0, 0.0])
    np.testing.assert_array_equal(editor.heat_map(weights), weights[SEGMENTS])
    both = editor.heat_map([weights, -weights])
    np.testing.assert_array_equal(both[1], -weights[SEGMENTS])
    with pytest.raises(DataError, match="4 weights"):
        editor.heat_map([1.0, 2.0])


def test_large_images_are_rendered_a_few_at_a_time():
    editor = SuperpixelEditor.grid((100, 100), 9, memory_mb=0.4)
    assert editor.most_rows == 5
    sizes = []

    class Mean:
        def predict(self, X):
            sizes.append(len(X))
            return X.mean(axis=(1, 2))

    images = RNG.uniform(size=(3, 100, 100))
    values = editor.space.sample(12, 0)[None].repeat(3, axis=0)
    found = predict_settings(Mean(), editor, images, values)
    assert max(sizes) <= 5
    np.testing.assert_allclose(found, images.mean(axis=(1, 2))[:, None].repeat(12, axis=1))


# -- what cannot be used --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: SuperpixelEditor(np.zeros((2, 2))), DataError, "whole numbers"),
        (lambda: SuperpixelEditor([0, 1]), DataError, r"\(height, width\)"),
        (lambda: SuperpixelEditor([[0, 2]]), DataError, "from_labels"),
        (lambda: SuperpixelEditor([[-1, 0]]), DataError, "from_labels"),
        (lambda: SuperpixelEditor.from_labels([[0.5, 1.0]]), DataError, "whole numbers"),
        (lambda: SuperpixelEditor(SEGMENTS, fill="black"), SettingsError, "fill='black'"),
        (lambda: SuperpixelEditor(SEGMENTS, fill=[np.nan]), SettingsError, "number"),
        (lambda: SuperpixelEditor(SEGMENTS, fill=None), SettingsError, "fill=None"),
        (lambda: SuperpixelEditor(SEGMENTS, memory_mb=0), SettingsError, "memory_mb"),
        (lambda: SuperpixelEditor.grid((2, 2), 5), SettingsError, "do not exist"),
        (lambda: SuperpixelEditor.grid((0, 2), 1), SettingsError, "do not exist"),
        (lambda: SuperpixelEditor.slic(np.zeros(5)), DataError, "SLIC takes one image"),
        (lambda: SuperpixelEditor.slic(np.zeros((5, 5, 2))), DataError, "SLIC takes one image"),
        (lambda: SuperpixelEditor.slic(np.zeros((5, 5)), 0), SettingsError, "n=0"),
    ],
)
def test_what_makes_no_segments_is_said(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_images_of_another_shape_type_or_channels_are_refused():
    editor = SuperpixelEditor(SEGMENTS)
    with pytest.raises(DataError, match=r"\(n, 3, 5\).*got \(1, 4, 5\)"):
        editor.values(np.zeros((1, 4, 5)))
    with pytest.raises(DataError, match="shape"):
        editor.values(np.zeros((3, 5)))
    with pytest.raises(DataError, match="numbers"):
        editor.values(np.full((1, 3, 5), "x"))
    with pytest.raises(DataError, match=r"\(1, r, 4\)"):
        editor.render(np.zeros((1, 3, 5)), np.zeros((1, 2, 3)))
    with pytest.raises(DataError, match="2 channels, the images have 3"):
        SuperpixelEditor(SEGMENTS, fill=[0, 1]).render(np.zeros((1, 3, 5, 3)), np.zeros((1, 1, 4)))
    with pytest.raises(DataError, match="uint8"):
        SuperpixelEditor(SEGMENTS, fill=-1).render(
            np.zeros((1, 3, 5), dtype=np.uint8), np.zeros((1, 1, 4))
        )


# -- SLIC -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [(), (3,)])
def test_slic_follows_the_edges_of_a_two_phase_image(channels):
    pytest.importorskip("skimage")
    image = np.zeros((60, 60))
    rows, columns = np.indices((60, 60))
    disc = (rows - 30) ** 2 + (columns - 25) ** 2 < 15**2
    image[disc] = 200.0
    if channels:
        image = np.repeat(image[..., None], 3, axis=2)
    editor = SuperpixelEditor.slic(image, 25)
    again = SuperpixelEditor.slic(image / 1000 + 3, 25)
    np.testing.assert_array_equal(editor.segments, again.segments)
    assert 10 <= len(editor.space) <= 50
    # Each segment lies in one phase, but for some pixels of the smoothed border.
    share = np.bincount(editor.segments.ravel(), disc.ravel()) / np.bincount(
        editor.segments.ravel()
    )
    assert np.minimum(share, 1 - share).max() < 0.2


def test_a_flat_image_has_segments_too():
    pytest.importorskip("skimage")
    assert len(SuperpixelEditor.slic(np.full((40, 40), 5, dtype=np.uint8), 16).space) >= 1


def test_slic_without_scikit_image_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    with pytest.raises(MissingExtraError, match=r'pip install "matlever\[images\]"'):
        SuperpixelEditor.slic(np.zeros((5, 5)))


# -- pictures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "image",
    [
        RNG.integers(0, 256, (3, 5), dtype=np.uint8),
        RNG.normal(size=(3, 5)),
        RNG.uniform(size=(3, 5, 3)),
        RNG.normal(size=(3, 5, 2)),
        RNG.integers(0, 2, (3, 5, 1)).astype(bool),
    ],
)
def test_an_image_of_any_kind_is_drawn_under_its_weights(image):
    from matplotlib.figure import Figure

    figure = Figure()
    ax = SuperpixelEditor(SEGMENTS).plot(
        image, [0.5, -1.0, 2.0, 0.0], figure.subplots(), label="hardness ($HV)"
    )
    figure.canvas.draw()
    under, over, borders = ax.images
    np.testing.assert_array_equal(over.get_array(), np.array([0.5, -1.0, 2.0, 0.0])[SEGMENTS])
    assert over.get_clim() == (-2.0, 2.0)
    colours = over.to_rgba(np.array([-2.0, 0.0, 2.0]))
    assert colours[1, 3] < 0.01 < 0.5 < colours[0, 3]
    assert figure.axes[1].get_ylabel() == r"hardness (\$HV)"
    assert under.get_array().shape[:2] == borders.get_array().shape[:2] == (3, 5)


def test_all_weights_zero_leave_the_image_alone():
    from matplotlib.figure import Figure

    figure = Figure()
    ax = SuperpixelEditor(SEGMENTS).plot(np.zeros((3, 5)), np.zeros(4), figure.subplots())
    figure.canvas.draw()
    assert ax.images[1].get_clim() == (-1.0, 1.0)


# -- a real micrograph ----------------------------------------------------------------------------


@pytest.fixture
def micrograph(data_dir: Path) -> np.ndarray:
    """Return grey values of an ultrahigh-carbon steel, (484, 645)."""
    from matplotlib.image import imread

    path = data_dir / "images" / "uhcs" / "uhcs0007.png"
    if not path.is_file():
        pytest.skip(f"no {path}")
    pixels = np.asarray(imread(path), dtype=float)
    return pixels if pixels.ndim == 2 else pixels[..., :3].mean(axis=2)


def test_segments_of_a_micrograph_are_more_even_than_a_grid(micrograph):
    pytest.importorskip("skimage")

    def left_over(editor):
        smooth = editor.render(micrograph[None], np.zeros((1, 1, len(editor.space))))[0]
        return ((micrograph - smooth) ** 2).mean()

    slic = SuperpixelEditor.slic(micrograph, 60)
    grid = SuperpixelEditor.grid(micrograph.shape, len(slic.space))
    assert left_over(slic) < left_over(grid) < micrograph.var()
