"""A .npy file that tiles are appended to, and that tiles are taken out of, without holding it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["TileFile"]

# Of a fixed length, so that the number of tiles can be written when it is known.
_HEADER_BYTES = 256
_MAGIC = b"\x93NUMPY\x01\x00"


class TileFile:
    """A .npy file of shape (n, ...), n growing as tiles are appended.

    Parameters
    ----------
    path : Path
        The file; replaced if there is one.
    shape : tuple of int
        Of one tile.
    dtype : dtype
        Of its pixels; without Python objects.

    Notes
    -----
    The layout is version 1.0 of the .npy format. Ordinary writes are used instead of a memory map,
    as its pages would count as memory of the process.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.path = path
        self.shape = shape
        self.dtype = dtype
        self._bytes = int(np.prod(shape)) * dtype.itemsize
        self._n = 0
        self._stream = path.open("w+b")
        self._stream.write(self._header())

    def __len__(self) -> int:
        return self._n

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.seek(0)
        self._stream.write(self._header())
        self._stream.close()

    def append(self, tiles: NDArray[Any]) -> None:
        """Append tiles of shape (m, ...)."""
        self._stream.seek(_HEADER_BYTES + self._n * self._bytes)
        self._stream.write(np.ascontiguousarray(tiles, dtype=self.dtype).data)
        self._n += len(tiles)

    def take(self, positions: Sequence[int]) -> NDArray[Any]:
        """Return some tiles, of shape (m, ...)."""
        some = np.empty((len(positions), *self.shape), dtype=self.dtype)
        for tile, position in zip(some, positions, strict=True):
            tile[...] = self._read(position)
        return some

    def keep(self, positions: Sequence[int]) -> None:
        """Keep the tiles at ascending positions and cut the file to them."""
        for k, position in enumerate(positions):
            if k != position:
                tile = self._read(position)
                self._stream.seek(_HEADER_BYTES + k * self._bytes)
                self._stream.write(tile.data)
        self._n = len(positions)
        self._stream.truncate(_HEADER_BYTES + self._n * self._bytes)

    def _read(self, position: int) -> NDArray[Any]:
        self._stream.seek(_HEADER_BYTES + position * self._bytes)
        data = self._stream.read(self._bytes)
        return np.frombuffer(data, dtype=self.dtype).reshape(self.shape)

    def _header(self) -> bytes:
        entry = {
            "descr": np.lib.format.dtype_to_descr(self.dtype),
            "fortran_order": False,
            "shape": (self._n, *self.shape),
        }
        text = repr(entry).encode("ascii")
        room = _HEADER_BYTES - len(_MAGIC) - 2
        return _MAGIC + struct.pack("<H", room) + text.ljust(room - 1) + b"\n"
