"""The folder that tiles of lots are kept in, so that they are decoded once.

``tiles.npy`` holds the tiles that were kept, ``dropped.npy`` some of the others, ``lots.json`` what
is known of both and a key: the hash of all settings and of name, size and time of each picture. The
folder is used again while the key stays the same.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import SettingsError
from matlever.micrographs.reading._lot_folder import Source
from matlever.micrographs.reading._tile_plan import Preparation
from matlever.storage import read_json, write_json

__all__ = ["KeptTiles", "TemporaryFolder", "cache_key", "check_cache", "load_tiles", "write_record"]

SCHEMA = "matlever-lots/1"
TILES, DROPPED, RECORD = "tiles.npy", "dropped.npy", "lots.json"


@dataclass(frozen=True, eq=False)
class KeptTiles:
    """What a cache folder holds.

    Attributes
    ----------
    images : memmap of shape (n, H, W[, 3])
    labels : list of n str
    lot : ndarray of shape (n,), int
    read : list of int
        Tiles of each lot before any was dropped.
    dropped : list of list of str
        Label, lot, file and reason of each dropped tile.
    examples : ndarray of shape (m, H, W[, 3])
    shown : list of m int
        Positions of the examples among the dropped.
    notes : list of str
    sha256 : str
        Of all pixels.
    """

    images: NDArray[Any]
    labels: list[str]
    lot: NDArray[np.intp]
    read: list[int]
    dropped: list[list[str]]
    examples: NDArray[Any]
    shown: list[int]
    notes: list[str]
    sha256: str


class TemporaryFolder:
    """A folder that is removed when nothing refers to this object any more."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="matlever-lots-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def cache_key(sources: Sequence[Source], lots: Sequence[str], wanted: Preparation) -> str:
    """Return the hash of what the tiles depend on."""
    pictures = []
    for source in sources:
        status = source.path.stat()
        pictures.append([source.name, source.lot, status.st_size, status.st_mtime_ns])
    entry = {
        "schema": SCHEMA,
        "settings": wanted.to_dict(),
        "lots": list(lots),
        "pictures": pictures,
    }
    return hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()


def check_cache(folder: Path) -> None:
    """Refuse a folder that holds something else, for it would be replaced.

    Raises
    ------
    SettingsError
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise SettingsError(f"cache={str(folder)!r} is a file; give a folder for the tiles.")
    others = {path.name for path in folder.iterdir()} - {TILES, DROPPED, RECORD}
    if others:
        raise SettingsError(
            f"cache={str(folder)!r} holds other files, as {sorted(others)[0]!r}; give the tiles "
            "a folder of their own."
        )


def write_record(folder: Path, key: str, record: dict[str, Any], examples: NDArray[Any]) -> None:
    """Write what is known of the tiles beside them."""
    np.save(folder / DROPPED, examples, allow_pickle=False)
    write_json(folder / RECORD, {"schema": SCHEMA, "key": key, **record})


def load_tiles(folder: Path, key: str) -> KeptTiles | None:
    """Return what a cache folder holds, or None where it is of other pictures or damaged."""
    try:
        record = read_json(folder / RECORD)
        if record["schema"] != SCHEMA or record["key"] != key:
            return None
        images = np.load(folder / TILES, mmap_mode="r", allow_pickle=False)
        kept = KeptTiles(
            images=images,
            labels=record["labels"],
            lot=np.asarray(record["lot"], dtype=np.intp),
            read=record["read"],
            dropped=record["dropped"],
            examples=np.load(folder / DROPPED, allow_pickle=False),
            shown=record["shown"],
            notes=record["notes"],
            sha256=record["sha256"],
        )
        fits = len(images) == len(kept.labels) == len(kept.lot) and len(kept.shown) == len(
            kept.examples
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None
    return kept if fits else None
