"""Graphs kept on disk: found again by a digest of the crystals and the settings."""

from __future__ import annotations

import hashlib
import io
import json
import os
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from matlever.crystals.crystals import Crystals
from matlever.storage.atomic import write_bytes

__all__ = ["cached_arrays", "digest_of"]


class _Storable(Protocol):
    def to_arrays(self) -> dict[str, NDArray[Any]]: ...


T = TypeVar("T", bound=_Storable)
_VERSION = 1  # raise it when the same crystals would get other graphs


def digest_of(crystals: Crystals, settings: Mapping[str, Any]) -> str:
    """SHA-256 of cells, atoms and settings; names of crystals do not count."""
    found = hashlib.sha256(json.dumps([_VERSION, dict(settings)], sort_keys=True).encode())
    for array in (crystals.lattices, crystals.offsets, crystals.numbers, crystals.fractional):
        found.update(f"{array.dtype.str}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def cached_arrays(
    folder: str | os.PathLike[str],
    crystals: Crystals,
    settings: Mapping[str, Any],
    load: Callable[[Mapping[str, NDArray[Any]]], T],
    build: Callable[[], T],
) -> T:
    """Return what is kept in a folder for these crystals, or build and keep it.

    Parameters
    ----------
    folder : str or path
        Where the files are; it is made where it is not there.
    crystals : Crystals
        What it is built of.
    settings : mapping of str to JSON value
        What it depends on besides.
    load : callable
        Makes it of the arrays of a file; raises ValueError if they are none of it.
    build : callable
        Builds it; what it returns has a method ``to_arrays``.

    Warns
    -----
    UserWarning
        If a file is damaged: it is built again and the file replaced.
    """
    digest = digest_of(crystals, settings)
    path = Path(folder) / f"crystal-graphs-{digest[:24]}.npz"
    if path.exists():
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            if str(arrays.pop("digest")) == digest:
                return load(arrays)
            why = "it is of other crystals"
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            why = str(error) or type(error).__name__
        warnings.warn(
            f"{path.name} cannot be used ({why}); the graphs are built again.", stacklevel=3
        )
    made = build()
    buffer = io.BytesIO()
    stored: dict[str, Any] = {"digest": np.array(digest), **made.to_arrays()}
    np.savez(buffer, **stored)
    write_bytes(path, buffer.getvalue())
    return made
