from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("skimage")

import tifffile
from PIL import Image

from matlever.exceptions import DataError
from matlever.micrographs.reading._images import Picture, read_header, read_picture

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (24, 31), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (24, 31, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (24, 31), dtype=np.uint16)


def saved(folder: Path, pixels: NDArray[Any], name: str, mode: str | None = None) -> Path:
    path = folder / name
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)
    return path


def read(path: Path) -> Picture:
    header = read_header(path, path.name)
    picture = read_picture(path, path.name)
    assert picture.pixels.shape[:2] == (header.height, header.width)
    assert header.bits == (8 if picture.pixels.dtype == np.uint8 else 16)
    assert header.has_colour or not picture.is_colour
    return picture


@pytest.mark.parametrize("ending", [".png", ".tif", ".bmp"])
def test_grey_pictures_of_8_bits_come_back_as_they_were(tmp_path: Path, ending: str) -> None:
    picture = read(saved(tmp_path, GREY, f"a{ending}"))
    assert picture.pixels.dtype == np.uint8
    np.testing.assert_array_equal(picture.pixels, GREY)
    assert picture.changes == ()


@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_pictures_of_16_bits_keep_all_bits(tmp_path: Path, ending: str) -> None:
    picture = read(saved(tmp_path, DEEP, f"a{ending}"))
    assert picture.pixels.dtype == np.uint16
    np.testing.assert_array_equal(picture.pixels, DEEP)


@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_of_either_byte_order_is_read(tmp_path: Path, order: str) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, DEEP, byteorder=order)
    picture = read(path)
    np.testing.assert_array_equal(picture.pixels, DEEP)
    assert picture.pixels.dtype.isnative


def test_compressed_tiff_equals_the_plain_one(tmp_path: Path) -> None:
    for compression in ("tiff_lzw", "tiff_deflate", "packbits"):
        path = tmp_path / f"{compression}.tif"
        Image.fromarray(GREY).save(path, compression=compression)
        np.testing.assert_array_equal(read(path).pixels, GREY)


def test_floating_point_tiff_is_float32(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    values = RNG.random((24, 31))
    tifffile.imwrite(path, values)
    picture = read(path)
    assert picture.pixels.dtype == np.float32
    np.testing.assert_allclose(picture.pixels, values, atol=1e-7)


def test_colour_with_equal_channels_becomes_grey(tmp_path: Path) -> None:
    picture = read(saved(tmp_path, np.repeat(GREY[..., None], 3, axis=2), "a.png"))
    np.testing.assert_array_equal(picture.pixels, GREY)
    assert any("equal channels" in change for change in picture.changes)


def test_grey_jpeg_saved_in_colour_becomes_grey(tmp_path: Path) -> None:
    smooth = np.linspace(0, 255, 24 * 31).reshape(24, 31).astype(np.uint8)
    picture = read(saved(tmp_path, np.repeat(smooth[..., None], 3, axis=2), "a.jpg"))
    assert not picture.is_colour
    assert np.abs(picture.pixels.astype(int) - smooth).max() < 12


def test_colour_stays_colour_and_turns_grey_by_luminance(tmp_path: Path) -> None:
    from skimage.color import rgb2gray

    picture = read(saved(tmp_path, COLOUR, "a.tif"))
    np.testing.assert_array_equal(picture.pixels, COLOUR)
    assert np.abs(picture.grey() - 255 * rgb2gray(COLOUR)).max() <= 0.51


def test_alpha_is_dropped_and_told(tmp_path: Path) -> None:
    alpha = np.full((24, 31, 1), 128, dtype=np.uint8)
    for name, pixels in (
        ("rgba.png", np.concatenate([COLOUR, alpha], axis=2)),
        ("rgba.tif", np.concatenate([COLOUR, alpha], axis=2)),
    ):
        picture = read(saved(tmp_path, pixels, name))
        np.testing.assert_array_equal(picture.pixels, COLOUR)
        assert any("alpha" in change for change in picture.changes)
    picture = read(saved(tmp_path, np.concatenate([GREY[..., None], alpha], axis=2), "la.png"))
    np.testing.assert_array_equal(picture.pixels, GREY)


@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_palettes_are_looked_up(tmp_path: Path, ending: str) -> None:
    image = Image.fromarray(GREY // 64)
    palette = image.convert("P")
    palette.putpalette([0, 0, 0, 90, 90, 90, 180, 180, 180, 255, 255, 255])
    path = tmp_path / f"a{ending}"
    palette.save(path)
    picture = read(path)
    expected = np.array([0, 90, 180, 255])[GREY // 64]
    np.testing.assert_array_equal(picture.pixels, expected)


def test_colour_of_16_bits_that_is_read_with_8_is_told(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    deep = (COLOUR.astype(">u2") * 257).reshape(24, -1)
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    header = struct.pack(">IIBBBBB", 31, 24, 16, 2, 0, 0, 0)
    path = tmp_path / "a.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    picture = read(path)
    np.testing.assert_array_equal(picture.pixels, COLOUR)
    assert picture.changes == ("have 16 bits in each colour, of which 8 were read",)


def test_negatives_are_turned(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, 255 - GREY, photometric="miniswhite")
    np.testing.assert_array_equal(read(path).pixels, GREY)


def test_pictures_of_one_bit_are_black_and_white(tmp_path: Path) -> None:
    path = saved(tmp_path, GREY, "a.png", mode="1")
    assert set(np.unique(read(path).pixels)) == {0, 255}


def test_one_pixel_is_a_picture(tmp_path: Path) -> None:
    assert read(saved(tmp_path, GREY[:1, :1], "a.png")).pixels.shape == (1, 1)


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif"])
def test_a_cut_off_file_is_named(tmp_path: Path, ending: str) -> None:
    path = saved(tmp_path, np.tile(GREY, (8, 8)), f"half{ending}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=f"half{ending}: the file cannot be read as a picture"):
        read_picture(path, path.name)


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("content", [b"", b"no picture at all, but some text"])
def test_what_is_no_picture_is_named(tmp_path: Path, ending: str, content: bytes) -> None:
    path = tmp_path / f"odd{ending}"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"odd{ending}: the file cannot be read as a picture"):
        read_header(path, path.name)


def test_stacks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.stack([GREY] * 5), photometric="minisblack")
    with pytest.raises(DataError, match=r"stack\.tif: the file is a stack of 5 pictures"):
        read_picture(path, path.name)


def test_thumbnails_in_a_tiff_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(GREY, photometric="minisblack", metadata=None)
        file.write(GREY[::4, ::4], photometric="minisblack", subfiletype=1, metadata=None)
    np.testing.assert_array_equal(read(path).pixels, GREY)


def test_pixels_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "holes.tif"
    values = RNG.random((24, 31)).astype(np.float32)
    values[3, :4] = np.nan
    tifffile.imwrite(path, values)
    with pytest.raises(DataError, match=r"holes\.tif: 4 of its pixels are not finite"):
        read_picture(path, path.name)


def test_pixels_beyond_16_bits_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.tif"
    tifffile.imwrite(path, DEEP.astype(np.int32) * 4 - 10)
    with pytest.raises(DataError, match=r"deep\.tif: its whole numbers run from .* beyond 16 bits"):
        read_picture(path, path.name)


def test_a_picture_that_is_too_large_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matlever.micrographs.reading._images._MOST_PIXELS", 500)
    path = saved(tmp_path, GREY, "huge.png")
    with pytest.raises(DataError, match=r"huge\.png: the picture has 31 x 24 pixels, more than"):
        read_header(path, path.name)


def test_reading_leaves_the_limit_of_pillow_as_it_was(tmp_path: Path) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    read(saved(tmp_path, GREY, "a.png"))
    assert limit == Image.MAX_IMAGE_PIXELS
