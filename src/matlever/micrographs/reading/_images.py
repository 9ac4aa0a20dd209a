"""One picture from a file: its size without decoding it, its pixels, and what was done to them.

TIFF is read by tifffile (and by Pillow where tifffile lacks a codec), all else by Pillow.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import DataError, Fault, MissingExtraError

__all__ = ["ENDINGS", "Header", "Picture", "read_header", "read_picture"]

ENDINGS = frozenset({".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp"})
_TIFF = frozenset({".tif", ".tiff"})
# A picture is held in memory whole, unless it is an uncompressed TIFF: a gigapixel is the most.
_MOST_PIXELS = 1_000_000_000
# Grey pictures saved as JPEG in colour come back with channels that differ by rounding.
_JPEG_ROUNDING = 2
# Weights of red, green and blue in luminance, ITU-R BT.709, as in scikit-image.
_LUMINANCE = np.array([0.2125, 0.7154, 0.0721], dtype=np.float32)
# Layouts of Pillow that are read as they are; the others are turned into grey or colour by it.
_AS_THEY_ARE = frozenset({"L", "RGB", "I;16", "I;16B", "I;16L", "I;16N", "F"})
_ALPHA = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})


@dataclass(frozen=True)
class Header:
    """What a picture says of itself before it is decoded.

    Attributes
    ----------
    height, width : int
        In pixels.
    has_colour : bool
        Whether it has more than one channel of colour, be they equal or not.
    bits : int
        8, or 16 where it has more for each channel.
    """

    height: int
    width: int
    has_colour: bool
    bits: int


@dataclass(frozen=True)
class Picture:
    """The pixels of a picture, and what was done to them.

    Attributes
    ----------
    pixels : ndarray of shape (height, width) or (height, width, 3)
        uint8, uint16 or float32; grey where the channels of a colour picture are equal.
    changes : tuple of str
        What a reader of the data set is told, as the end of "n pictures ...".
    """

    pixels: NDArray[Any]
    changes: tuple[str, ...] = ()

    @property
    def is_colour(self) -> bool:
        """Whether there are three channels that differ."""
        return self.pixels.ndim == 3

    def grey(self) -> NDArray[Any]:
        """Return the picture in grey, by its luminance; as it is where it is grey."""
        if not self.is_colour:
            return self.pixels
        grey = self.pixels.astype(np.float32) @ _LUMINANCE
        dtype = self.pixels.dtype
        return grey if dtype.kind == "f" else np.rint(grey).astype(dtype)


def read_header(path: Path, name: str) -> Header:
    """Return the size of a picture without decoding it.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        Its name in messages.

    Raises
    ------
    DataError
        If the file is no picture, or one too large to be held in memory.
    MissingExtraError
        If scikit-image and what it brings are not installed.
    """
    with _faults(name):
        header = _tiff_header(path, name) if _is_tiff(path) else _other_header(path)
    if header.height * header.width > _MOST_PIXELS:
        raise _fault(
            name,
            f"the picture has {header.width} x {header.height} pixels, more than "
            f"{_MOST_PIXELS / 1e9:g} gigapixel",
            "Save it as several files",
        )
    return header


def read_picture(path: Path, name: str) -> Picture:
    """Return the pixels of a picture as uint8, uint16 or float32, without alpha.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        Its name in messages.

    Raises
    ------
    DataError
        If the file is damaged, or holds what is no picture: a stack, numbers that are not finite.
    MissingExtraError
        If scikit-image and what it brings are not installed.
    """
    with _faults(name):
        pixels, changes = _read_tiff(path, name) if _is_tiff(path) else _read_other(path)
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4):
        pixels, changes = pixels[..., :-1], [*changes, "had an alpha channel, which was dropped"]
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,)):
        raise _fault(
            name,
            f"the file holds an array of shape {pixels.shape}, which is no single picture",
            "Save each picture of a stack as a file of its own",
        )
    pixels, more = _checked_type(pixels, name)
    changes.extend(more)
    if pixels.ndim == 3:
        rounding = _JPEG_ROUNDING if path.suffix.lower() in (".jpg", ".jpeg") else 0
        if _is_grey(pixels, rounding):
            pixels = np.ascontiguousarray(pixels[..., 1])
            changes.append("were saved in colour with equal channels and were read as grey")
    return Picture(pixels, tuple(changes))


# -- formats --------------------------------------------------------------------------------------


def _is_tiff(path: Path) -> bool:
    return path.suffix.lower() in _TIFF


def _tiff_header(path: Path, name: str) -> Header:
    tifffile = _tifffile()
    with tifffile.TiffFile(path) as file:
        page = _only_page(file, name)
        has_palette = page.photometric == tifffile.PHOTOMETRIC.PALETTE
        has_colour = page.samplesperpixel > 2 or has_palette
        bits = 16 if np.dtype(page.dtype).itemsize > 1 and not has_palette else 8
        return Header(int(page.imagelength), int(page.imagewidth), bool(has_colour), bits)


def _read_tiff(path: Path, name: str) -> tuple[NDArray[Any], list[str]]:
    tifffile = _tifffile()
    with tifffile.TiffFile(path) as file:
        page = _only_page(file, name)
        kind = page.photometric
        if page.is_memmappable and kind == tifffile.PHOTOMETRIC.MINISBLACK:
            return tifffile.memmap(path, series=0, mode="r"), []
        try:
            pixels = page.asarray()
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            return _read_other(path)  # compressed in a way that needs a codec Pillow has
        if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and pixels.ndim == 3:
            pixels = np.moveaxis(pixels, 0, 2)
        if kind == tifffile.PHOTOMETRIC.PALETTE:
            colours = np.asarray(page.colormap).T[pixels]  # (height, width, 3), 16 bit
            # Tables for 8-bit colours hold them times 256 or times 257.
            return (colours >> 8).astype(np.uint8), ["had a palette, which was looked up"]
        if kind == tifffile.PHOTOMETRIC.MINISWHITE and pixels.dtype.kind in "ub":
            top = 1 if pixels.dtype.kind == "b" else np.iinfo(pixels.dtype).max
            return np.asarray(top - pixels.astype(pixels.dtype)), ["were stored as negatives"]
        return pixels, []


def _only_page(file: Any, name: str) -> Any:
    """Return the picture of a TIFF file; smaller copies of it and thumbnails are passed over."""
    pages = [page for page in file.pages if not getattr(page, "is_reduced", False)]
    first = pages[0]
    same = [page for page in pages if page.shape == first.shape]
    if len(same) > 1:
        raise _fault(
            name,
            f"the file is a stack of {len(same)} pictures",
            "Save each picture as a file of its own",
        )
    return first


def _other_header(path: Path) -> Header:
    with _pillow(path) as image:
        width, height = image.size
        is_fine = image.mode == "F" or image.mode[0] == "I"
        has_colour = not is_fine and image.mode not in ("L", "LA", "La", "1")
        return Header(int(height), int(width), has_colour, 16 if is_fine else 8)


def _read_other(path: Path) -> tuple[NDArray[Any], list[str]]:
    changes: list[str] = []
    with _pillow(path) as image:
        mode = image.mode
        if image.tile and isinstance(image.tile[0][3], str) and image.tile[0][3] == "RGB;16B":
            changes.append("have 16 bits in each colour, of which 8 were read")
        if mode == "P":
            image = image.convert("RGBA" if "transparency" in image.info else "RGB")
            changes.append("had a palette, which was looked up")
        elif mode == "1":
            image = image.convert("L")
        elif mode == "PA":
            image = image.convert("RGBA")
        elif mode not in _AS_THEY_ARE and mode not in _ALPHA and mode != "I":
            image = image.convert("RGB")
            changes.append(f"were stored as {mode} and were turned into red, green and blue")
        return np.array(image), changes


@contextmanager
def _pillow(path: Path) -> Iterator[Any]:
    """Open a file with Pillow, whose own limit of size does not fit mosaics."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("Reading micrographs", "scikit-image", "images") from error
    limit = Image.MAX_IMAGE_PIXELS
    try:
        Image.MAX_IMAGE_PIXELS = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata does not matter here
            with Image.open(path) as image:
                yield image
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _tifffile() -> Any:
    try:
        import tifffile
    except ImportError as error:
        raise MissingExtraError("Reading micrographs", "scikit-image", "images") from error
    return tifffile


# -- pixels ---------------------------------------------------------------------------------------


def _checked_type(pixels: NDArray[Any], name: str) -> tuple[NDArray[Any], list[str]]:
    """Return pixels as uint8, uint16 or float32."""
    dtype = pixels.dtype
    if dtype.kind == "b":
        return pixels.astype(np.uint8) * np.uint8(255), []
    if dtype in (np.uint8, np.uint16):
        return np.asarray(pixels).astype(dtype.newbyteorder("="), copy=False), []
    if dtype.kind in "iu":
        low, high = int(pixels.min()), int(pixels.max())
        if low < 0 or high > 65535:
            raise _fault(
                name,
                f"its whole numbers run from {low} to {high}, beyond 16 bits",
                "Save it with 8 or 16 bits for each pixel",
            )
        return pixels.astype(np.uint16), []
    if dtype.kind == "f":
        floats = pixels.astype(np.float32)
        n_bad = int(np.count_nonzero(~np.isfinite(floats)))
        if n_bad:
            raise _fault(
                name,
                f"{n_bad} of its pixels are not finite numbers",
                "Fill them in, or save the picture with 8 or 16 bits",
            )
        return floats, []
    raise _fault(name, f"its pixels are of type {dtype}", "Save it with 8 or 16 bits")


def _is_grey(pixels: NDArray[Any], rounding: int) -> bool:
    """Return whether the channels of a picture are equal, up to rounding."""
    for top in range(0, len(pixels), 512):  # a mosaic is looked at in strips
        strip = pixels[top : top + 512]
        wide = strip if strip.dtype.kind == "f" else strip.astype(np.int32)
        if np.abs(wide[..., ::2] - wide[..., 1:2]).max() > rounding:
            return False
    return True


# -- faults ---------------------------------------------------------------------------------------


@contextmanager
def _faults(name: str) -> Iterator[None]:
    """Turn whatever a decoder says of a damaged file into a fault that names it."""
    try:
        yield
    except (DataError, MissingExtraError):
        raise
    except MemoryError as error:
        raise _fault(name, "the picture does not fit into memory", "Cut it up first") from error
    # Decoders of damaged bytes raise anything: OSError, SyntaxError, struct.error, IndexError ...
    except Exception as error:
        said = " ".join(str(error).replace(name, "").split())[:120]
        raise _fault(
            name,
            f"the file cannot be read as a picture ({type(error).__name__}: {said})",
            "Copy it again from the instrument, or take it out of the folder",
        ) from error


def _fault(name: str, reason: str, remedy: str) -> DataError:
    return DataError(Fault(reason, remedy, file=name))
