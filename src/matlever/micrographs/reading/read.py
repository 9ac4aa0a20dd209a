"""A folder with lots of tiles and one table, read into a checked data set."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from matlever.exceptions import DataError, Fault, NotEnoughDataError, shorten
from matlever.micrographs.reading._ingest import Ingested, ingest
from matlever.micrographs.reading._lot_cache import (
    TILES,
    KeptTiles,
    TemporaryFolder,
    cache_key,
    check_cache,
    load_tiles,
    write_record,
)
from matlever.micrographs.reading._lot_cells import LotCells, cells_of_frame, read_cells
from matlever.micrographs.reading._lot_folder import Source, assign_lots, find_table, look_into
from matlever.micrographs.reading._lot_table import LotTable, understand_table
from matlever.micrographs.reading._tile_file import TileFile
from matlever.micrographs.reading._tile_plan import Plan, Preparation, plan_tiles
from matlever.micrographs.reading.lots import DroppedTile, DroppedTiles, Lots
from matlever.micrographs.reading.quality import REASONS, QualityLimits, judge_tiles
from matlever.micrographs.tiles import Tiles
from matlever.storage import atomic_folder

__all__ = ["read_lots"]

Progress = Callable[[int, int, str], None]

_FEWEST_LOTS = 2
_FEWEST_TILES = 2
_EXAMPLES = 12  # of each reason are kept to be looked at
_MUCH_DROPPED = 0.3


def read_lots(
    folder: str | os.PathLike[str],
    *,
    lot_table: str | os.PathLike[str] | pd.DataFrame | None = None,
    lot_column: str | None = None,
    properties: str | Sequence[str] | None = None,
    attributes: str | Sequence[str] | None = None,
    tile_px: int | None = None,
    overlap: float = 0.0,
    crop_bottom_px: int | Literal["auto"] | None = None,
    downscale: int = 1,
    colour: bool | None = None,
    intensity: tuple[float, float] | None = None,
    quality: bool | QualityLimits = True,
    cache: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Lots:
    """Return lots of micrographs and their table as a checked data set.

    The folder holds ``lots.csv`` with a row for each lot, and a sub-folder for each lot with its
    tiles, or with larger pictures that are cut into tiles. Pictures in the folder itself are of the
    lot their name begins with, as ``AB_0012.png``. PNG, TIFF, JPEG and BMP files of 8 or 16 bits or
    floating point are read, grey or in colour.

    Several experts have a column each for an attribute: ``size_expert1``, ``size_expert2`` or
    ``size (expert A)``; their mean is taken. Ratings of 0-5, 0-10 or 0-100 are brought to 0-1, and
    any scale that a header declares: ``size_expert1 (1-7)``.

    Parameters
    ----------
    folder : str or path
        The folder of the lots.
    lot_table : str, path, DataFrame or None, default=None
        The lot table (CSV, TSV or XLSX), by its path or its name in the folder; by default the one
        called lots, or the only one there is.
    lot_column : str or None, default=None
        Header of the column with the lots; by default found out.
    properties : str, sequence of str or None, default=None
        Measured properties; by default all columns of numbers that are no attributes.
    attributes : str, sequence of str or None, default=None
        Attributes, without "expert"; by default those that experts have a column for, or else
        columns within 0-1. ``()`` for none.
    tile_px : int or None, default=None
        Side of the tiles that larger pictures are cut into; by default every picture is a tile.
    overlap : float, default=0.0
        Share of its side that a tile has in common with the next one.
    crop_bottom_px : int, "auto" or None, default=None
        Rows to cut off at the bottom, where the scale bar is; "auto" finds the strip, if most
        pictures of a size have the same.
    downscale : int, default=1
        Squares of so many pixels each way are made one, before tiles are cut.
    colour : bool or None, default=None
        Whether tiles are in colour; by default found out, and a mixture is a fault.
    intensity : tuple of 2 float or None, default=None
        Numbers that are black and white, where that is not the whole range: (0, 4095) for 12 bits
        in files of 16.
    quality : bool or QualityLimits, default=True
        Whether tiles with a black margin, nothing on them, out of focus, saturated, or with one
        half shifted are left out, and where each of these begins.
    cache : str, path or None, default=None
        Folder for the tiles, used again while nothing changed; by default a temporary one that is
        removed with the result.
    progress : callable or None, default=None
        Called with the number done, the number in all and what is counted.

    Returns
    -------
    lots : Lots
        Tiles of 8 or 16 bits on the disk, the table, and what was dropped and noted.

    Raises
    ------
    DataError
        With all faults found, each with its file, row and column.
    NotEnoughDataError
        If there are fewer than two lots, or a lot with fewer than two good tiles.
    SettingsError
        If an option has a value that cannot be used.
    MissingExtraError
        If scikit-image and what it brings are not installed.
    """
    limits = quality if isinstance(quality, QualityLimits) else None
    if quality is True:
        limits = QualityLimits()
    wanted = Preparation(tile_px, overlap, crop_bottom_px, downscale, colour, intensity, limits)
    target = None if cache is None else Path(cache)
    if target is not None:
        check_cache(target)
    there = look_into(folder)
    cells = _cells(lot_table, there.path, lambda: find_table(there))
    faults: list[Fault] = []
    table = understand_table(
        cells,
        lot_column=lot_column,
        properties=properties,
        attributes=attributes,
        known_lots=[*there.lots(), *(path.stem for path in there.loose)],
        faults=faults,
    )
    names = [str(name) for name in table.frame.index]
    _check_values(table, cells, faults)
    sources = assign_lots(
        there, names, table=cells.file, rows=cells.rows, column=table.lot_header, faults=faults
    )
    key = "" if faults else cache_key(sources, names, wanted)
    keeper = TemporaryFolder() if target is None else None
    store = target or (keeper.path / "tiles" if keeper else Path())
    kept = load_tiles(store, key) if key else None
    if kept is None:
        plan = plan_tiles(sources, wanted, names, faults, progress)
        if faults or plan is None:
            if plan is not None:  # pictures that are damaged inside are told in the same breath
                ingest(sources, plan, wanted, names, None, faults, progress)
            raise DataError(_first_of_each(faults))
        with atomic_folder(store) as scratch:
            _fill(scratch, key, sources, plan, wanted, names, faults, progress)
        kept = load_tiles(store, key)
        if kept is None:
            raise DataError(f"The tiles written to {store} cannot be read back: is the disk full?")
    _check_numbers(kept, names)
    return _lots(kept, table, cells, str(folder), keeper)


def _cells(
    given: str | os.PathLike[str] | pd.DataFrame | None,
    folder: Path,
    find: Callable[[], Path],
) -> LotCells:
    """Return the cells of the lot table, wherever it is."""
    if isinstance(given, pd.DataFrame):
        return cells_of_frame(given)
    if given is None:
        path = find()
    else:
        path = Path(given)
        if not path.is_absolute() and not path.exists():
            path = folder / path
    return read_cells(path, path.name)


def _check_values(table: LotTable, cells: LotCells, faults: list[Fault]) -> None:
    """Add columns that tell nothing, as they are the same in all lots, to `faults`."""
    if not table.property_names:
        faults.append(
            Fault(
                "there is no column of numbers for a measured property",
                "Add one, or say which it is: properties=[...]",
                file=cells.file,
            )
        )
    n = len(table.frame)
    for name in (*table.property_names, *table.attribute_names):
        values = table.frame[name].to_numpy()
        finite = values[np.isfinite(values)]
        if n < _FEWEST_LOTS or len(finite) < n or np.ptp(finite) > 1e-9:
            continue
        is_attribute = name in table.attribute_names
        which = table.attribute_names if is_attribute else table.property_names
        rest = ", ".join(repr(other) for other in which if other != name)
        option = "attributes" if is_attribute else "properties"
        what = (
            "it cannot be a knob, as nothing shows what turning it does"
            if is_attribute
            else "there is nothing to predict"
        )
        faults.append(
            Fault(
                f"{name!r} is {finite[0]:g} in all {n} lots: {what}",
                f"Leave it out: {option}=[{rest}]",
                file=cells.file,
                column=name,
            )
        )


def _fill(
    scratch: Path,
    key: str,
    sources: Sequence[Source],
    plan: Plan,
    wanted: Preparation,
    lots: Sequence[str],
    faults: list[Fault],
    progress: Progress | None,
) -> None:
    """Write the tiles of all pictures to a folder, without the poor ones.

    Raises
    ------
    DataError
        With the pictures that cannot be decoded.
    """
    with TileFile(scratch / TILES, plan.shape, plan.dtype) as file:
        found = ingest(sources, plan, wanted, lots, file, faults, progress)
        if faults:
            raise DataError(_first_of_each(faults))
        lot = np.array([source.lot for source in sources], dtype=np.intp)[found.source]
        reasons = _reasons(found, lot, wanted.quality)
        poor = np.flatnonzero(reasons != "")
        good = np.flatnonzero(reasons == "")
        shown = _examples(reasons[poor])
        examples = file.take(poor[shown].tolist())
        file.keep(good.tolist())
    labels = found.labels
    record: dict[str, Any] = {
        "labels": [labels[i] for i in good.tolist()],
        "lot": lot[good].tolist(),
        "read": np.bincount(lot, minlength=len(lots)).tolist(),
        "dropped": [
            [labels[i], lots[lot[i]], sources[found.source[i]].name, str(reasons[i])]
            for i in poor.tolist()
        ],
        "shown": shown,
        "notes": [*plan.notes, *found.notes],
        "sha256": found.sha256,
    }
    write_record(scratch, key, record, examples)


def _reasons(found: Ingested, lot: Any, limits: QualityLimits | None) -> Any:
    if found.measures is None:
        return np.full(len(lot), "", dtype=object)
    return judge_tiles(found.measures, lot, limits)


def _examples(reasons: Any) -> list[int]:
    """Return positions of some dropped tiles of each reason, spread over the lots."""
    shown: list[int] = []
    for reason in REASONS:
        of_reason = np.flatnonzero(reasons == reason)
        if len(of_reason):
            some = np.linspace(0, len(of_reason) - 1, min(_EXAMPLES, len(of_reason)))
            shown += of_reason[some.round().astype(int)].tolist()
    return shown


def _check_numbers(kept: KeptTiles, lots: Sequence[str]) -> None:
    """Raise where a lot has too few tiles, or there are too few lots."""
    faults = []
    if len(lots) < _FEWEST_LOTS:
        faults.append(
            Fault(
                f"there is 1 lot, {shorten(lots[0])!r}",
                "A property is learned from lots that differ: give two or more, better twenty",
            )
        )
    left = np.bincount(kept.lot, minlength=len(lots))
    for k, name in enumerate(lots):
        if left[k] < _FEWEST_TILES:
            reasons = [reason for _, lot, _, reason in kept.dropped if lot == name]
            lost = ", ".join(f"{r} {reasons.count(r)}" for r in REASONS if r in reasons)
            n = kept.read[k]
            because = f" of {n} (dropped: {lost})" if lost else ""
            faults.append(
                Fault(
                    f"the lot {shorten(name)!r} has {left[k]} good "
                    f"{'tile' if left[k] == 1 else 'tiles'}{because}; "
                    f"{_FEWEST_TILES} are least",
                    "Add pictures of it, cut them into smaller tiles (tile_px=...), or take the "
                    "lot out of the table and of the folder",
                    file=f"{name}/",
                )
            )
    if faults:
        raise NotEnoughDataError(faults)


def _lots(
    kept: KeptTiles, table: LotTable, cells: LotCells, folder: str, keeper: TemporaryFolder | None
) -> Lots:
    """Return tiles and table as one data set."""
    names = tuple(str(name) for name in table.frame.index)
    attributes = table.frame[[*table.attribute_names]].to_numpy(dtype=np.float64)
    report = DroppedTiles(
        read=dict(zip(names, kept.read, strict=True)),
        dropped=tuple(DroppedTile(*entry) for entry in kept.dropped),
        images=kept.examples,
        shown=tuple(kept.shown),
    )
    notes = [*table.notes, *kept.notes]
    counts = report.counts()
    for name, n_read, n_kept in zip(names, counts["read"], counts["kept"], strict=True):
        if n_read - n_kept > _MUCH_DROPPED * n_read:
            notes.append(
                f"lot {shorten(name)}: {n_read - n_kept} of {n_read} tiles were dropped; look at "
                "the contact sheet"
            )
    return Lots(
        tiles=Tiles(
            images=kept.images,
            attributes=attributes[kept.lot],
            names=table.attribute_names,
            lot=kept.lot,
            lot_names=names,
            labels=kept.labels,
        ),
        table=table.frame,
        attribute_spread=table.spread,
        property_names=table.property_names,
        attribute_names=table.attribute_names,
        report=report,
        notes=tuple(notes),
        source=folder,
        sha256=_joined_hash(cells.sha256, kept.sha256),
        simulated=cells.remarks.get("simulated", "no").lower() not in ("", "no", "false", "0"),
        _folder=keeper,
    )


def _joined_hash(*parts: str) -> str:
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def _first_of_each(faults: Sequence[Fault]) -> list[Fault]:
    """Return faults without repetitions, in their order."""
    return list(dict.fromkeys(faults))
