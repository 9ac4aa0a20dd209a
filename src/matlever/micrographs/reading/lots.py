"""Lots of tiles: one measured property for each lot, and every tile inherits it."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import DataError, shorten
from matlever.micrographs.reading.quality import REASONS
from matlever.micrographs.tiles import Tiles

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DroppedTile", "DroppedTiles", "Lots"]


@dataclass(frozen=True)
class DroppedTile:
    """A tile that was left out.

    Attributes
    ----------
    label : str
        Its name, ``"AB/0012"`` or ``"AB/mosaic@512,256"`` (top and left in px).
    lot, file, reason : str
        Its lot, its file as a path from the folder of lots, and one of ``REASONS``.
    """

    label: str
    lot: str
    file: str
    reason: str


@dataclass(frozen=True, eq=False, repr=False)
class DroppedTiles:
    """What was left out on reading, by lot and reason.

    Attributes
    ----------
    read : dict of str to int
        Tiles of each lot before any was dropped.
    dropped : tuple of DroppedTile
    images : ndarray of shape (m, H, W[, 3])
        Some of the dropped tiles, to be looked at.
    shown : tuple of m int
        Positions of those in `dropped`.
    """

    read: Mapping[str, int]
    dropped: tuple[DroppedTile, ...]
    images: NDArray[Any]
    shown: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.dropped)

    def __repr__(self) -> str:
        return f"DroppedTiles({self.summary()})"

    def counts(self) -> pd.DataFrame:
        """Return numbers of tiles: a row for each lot, columns read, kept, and each reason."""
        import pandas as pd

        found = Counter((tile.lot, tile.reason) for tile in self.dropped)
        rows = []
        for lot, n in self.read.items():
            lost = [found[lot, reason] for reason in REASONS]
            rows.append([n, n - sum(lost), *lost])
        return pd.DataFrame(
            rows, index=pd.Index(list(self.read), name="lot"), columns=["read", "kept", *REASONS]
        )

    def by_reason(self) -> dict[str, int]:
        """Return how many tiles were dropped for each reason that occurred."""
        found = [tile.reason for tile in self.dropped]
        return {reason: found.count(reason) for reason in REASONS if reason in found}

    def summary(self) -> str:
        """Return a sentence."""
        n = sum(self.read.values())
        if not self.dropped:
            return f"all {n:,} tiles kept"
        why = ", ".join(f"{reason} {count:,}" for reason, count in self.by_reason().items())
        return f"{len(self.dropped):,} of {n:,} tiles dropped: {why}"


@dataclass(frozen=True, eq=False, repr=False)
class Lots:
    """A checked data set of lots.

    Attributes
    ----------
    tiles : Tiles
        All tiles that were kept, lot after lot; their pictures are memory-mapped.
    table : DataFrame indexed by lot
        Properties as measured, then attributes: mean over the experts, 0 to 1.
    attribute_spread : DataFrame indexed by lot
        Standard deviation of each attribute over the experts; NaN where only one was asked.
    property_names, attribute_names : tuple of str
        Columns of the table. There may be no attributes: then nothing can be edited.
    report : DroppedTiles
        What was dropped, by lot and reason.
    notes : tuple of str
        What was found out, assumed, changed and left out.
    source : str
        Folder they were read from.
    sha256 : str
        Hash of the lot table and of all pixels.
    simulated : bool
        Whether the lot table says so.
    """

    tiles: Tiles
    table: pd.DataFrame
    attribute_spread: pd.DataFrame
    property_names: tuple[str, ...]
    attribute_names: tuple[str, ...]
    report: DroppedTiles
    notes: tuple[str, ...] = ()
    source: str = ""
    sha256: str = ""
    simulated: bool = False
    # Removes a temporary folder of tiles when the last reference to the lots is gone.
    _folder: Any = field(default=None)

    @property
    def lot_names(self) -> tuple[str, ...]:
        """Names of the lots, in the order of the table."""
        return self.tiles.lot_names

    def __len__(self) -> int:
        return len(self.table)

    def summary(self) -> str:
        """Return what was read, in a few lines."""
        n, height, width = self.tiles.shape
        per_lot = np.bincount(self.tiles.lot, minlength=len(self.table))
        kind = f"{8 * self.tiles.images.dtype.itemsize} bit"
        kind += " colour" if self.tiles.channels == 3 else " grey"
        lines = [
            f"Lots {shorten(self.source)!r}: {len(self.table)} lots"
            + (" (simulated)" if self.simulated else ""),
            f"  tiles       {n:,} of {width} x {height} px, {kind}; {per_lot.min():,} to "
            f"{per_lot.max():,} for each lot",
            f"  quality     {self.report.summary()}",
        ]
        for name in self.property_names:
            values = self.table[name]
            lines.append(f"  property    {shorten(name)}: {values.min():g} to {values.max():g}")
        for name in self.attribute_names:
            values, spread = self.table[name], self.attribute_spread[name].mean()
            line = f"  attribute   {shorten(name)}: {values.min():.2f} to {values.max():.2f}"
            lines.append(line + ("" if np.isnan(spread) else f", experts differ by {spread:.2f}"))
        if not self.attribute_names:
            lines.append("  attribute   none: tiles can be predicted, but not edited")
        lines += [f"  note        {note}" for note in self.notes]
        return "\n".join(lines)

    def __repr__(self) -> str:
        n, height, width = self.tiles.shape
        return (
            f"Lots({len(self.table)} lots, {n:,} tiles of {width} x {height} px, "
            f"{len(self.report):,} dropped{', simulated' if self.simulated else ''})"
        )

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.summary())}</pre>"

    def of_tiles(self, name: str) -> NDArray[np.float64]:
        """Return a property or an attribute of each tile's lot, of shape (n_tiles,).

        Raises
        ------
        DataError
            If there is none of this name.
        """
        return self.property(name)[self.tiles.lot]

    def property(self, name: str) -> NDArray[np.float64]:
        """Return a property or an attribute of each lot, of shape (n_lots,).

        Raises
        ------
        DataError
            If there is none of this name.
        """
        if name not in self.table.columns:
            there = ", ".join(map(repr, self.table.columns))
            raise DataError(f"There is no property {name!r}; there are {there}.")
        return self.table[name].to_numpy(dtype=np.float64)
