from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matlever.micrographs.reading._tiling import bar_height, scaled_down, tile_origins


@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    tile=st.integers(1, 40),
    overlap=st.floats(0, 0.95),
)
def test_tiles_lie_within_the_picture_at_equal_steps(
    height: int, width: int, tile: int, overlap: float
) -> None:
    origins = tile_origins(height, width, tile, overlap)
    assert len({tuple(origin) for origin in origins.tolist()}) == len(origins)
    if height < tile or width < tile:
        assert len(origins) == 0
        return
    assert origins.min() == 0
    assert (origins + tile <= [height, width]).all()
    step = max(1, round(tile * (1 - overlap)))
    assert (origins % step == 0).all()
    # One more tile to the right or below would not fit.
    assert (origins.max(axis=0) + step + tile > [height, width]).all()


def test_tiles_without_overlap_put_the_picture_together_again() -> None:
    picture = np.arange(48 * 32).reshape(48, 32)
    again = np.zeros_like(picture)
    for top, left in tile_origins(48, 32, 16):
        again[top : top + 16, left : left + 16] += picture[top : top + 16, left : left + 16]
    np.testing.assert_array_equal(again, picture)


def test_scaling_down_takes_means() -> None:
    from skimage.measure import block_reduce

    picture = np.random.default_rng(0).integers(0, 256, (21, 14), dtype=np.uint8)
    expected = np.rint(block_reduce(picture[:20, :12], 4, np.mean))
    small = scaled_down(picture, 4)
    assert small.dtype == np.uint8
    np.testing.assert_array_equal(small, expected)
    colour = scaled_down(np.repeat(picture[..., None], 3, axis=2), 4)
    np.testing.assert_array_equal(colour[..., 2], expected)


def material(height: int, width: int, seed: int) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(np.random.default_rng(seed).standard_normal((height, width)), 2)
    return np.clip(128 + 60 * field / field.std(), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("ground", [0, 255])
@pytest.mark.parametrize("rows", [12, 30])
@pytest.mark.parametrize("has_line", [True, False])
def test_the_strip_with_the_scale_bar_is_found_to_the_row(
    ground: int, rows: int, has_line: bool
) -> None:
    for seed in range(5):
        picture = material(200, 256, seed)
        strip = np.full((rows, 256), ground, dtype=np.uint8)
        strip[4 : rows - 4, 20:70] = 255 - ground  # the bar
        letters = np.random.default_rng(seed).random((rows - 8, 80)) < 0.5
        strip[4 : rows - 4, 120:200][letters] = 255 - ground
        if has_line:
            strip[0] = 255 - ground
        assert bar_height(np.concatenate([picture, strip])) == rows


@pytest.mark.parametrize("quality", [75, 95])
def test_the_strip_is_found_in_spite_of_the_ripples_of_jpeg(quality: int) -> None:
    import io

    from PIL import Image

    strip = np.zeros((38, 256), dtype=np.uint8)
    strip[10:14, 30:90] = 255
    strip[10:30, 120:200] = 255 * np.random.default_rng(0).integers(0, 2, (20, 80))
    for seed in range(5):
        data = io.BytesIO()
        picture = np.concatenate([material(200, 256, seed), strip])
        Image.fromarray(picture).save(data, format="jpeg", quality=quality)
        assert bar_height(np.asarray(Image.open(data))) == pytest.approx(38, abs=1)


def test_a_dark_edge_without_writing_is_no_strip() -> None:
    picture = np.concatenate([material(200, 256, 0), np.zeros((30, 256), dtype=np.uint8)])
    assert bar_height(picture) == 0


def test_pictures_without_a_strip_lose_nothing() -> None:
    assert [bar_height(material(200, 256, seed)) for seed in range(20)] == [0] * 20
    assert bar_height(np.zeros((64, 64), dtype=np.uint8)) == 0
    assert bar_height(np.zeros((1, 1), dtype=np.uint8)) == 0


@pytest.mark.slow
def test_real_micrographs_whose_strip_was_cut_off_lose_nothing(data_dir: object) -> None:
    from pathlib import Path

    from matlever.micrographs.reading._images import read_picture

    folder = Path(str(data_dir)) / "images" / "uhcs"
    paths = sorted(folder.glob("uhcs????.png"))
    if not paths:
        pytest.skip("no micrographs of steel in the data folder")
    assert [bar_height(read_picture(path, path.name).pixels) for path in paths] == [0] * len(paths)
