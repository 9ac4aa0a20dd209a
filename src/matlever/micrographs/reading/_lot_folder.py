"""What is in a folder of lots: the table, the pictures, and which lot each picture is of."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from matlever.exceptions import DataError, Fault, shorten
from matlever.micrographs.reading._images import ENDINGS
from matlever.micrographs.reading._lot_cells import TABLE_ENDINGS
from matlever.micrographs.reading._lot_table import fold

__all__ = ["Folder", "Source", "assign_lots", "find_table", "look_into"]

_TABLE_NAMES = ("lots", "lot_table", "lot", "table")
# What may stand between the name of a lot and the rest of a file's name.
_AFTER_LOT = re.compile(r"[\W_]")


@dataclass(frozen=True)
class Source:
    """A picture and the lot it is of.

    Attributes
    ----------
    path : Path
    name : str
        Path from the folder of the lots, with slashes.
    lot : int
        Position of its lot in the table.
    """

    path: Path
    name: str
    lot: int


@dataclass(frozen=True)
class Folder:
    """Pictures of a folder of lots, in the order of their names.

    Attributes
    ----------
    path : Path
    by_lot : dict of str to list of Path
        Pictures in each sub-folder, at any depth.
    loose : list of Path
        Pictures that lie in the folder itself.
    tables : list of Path
        Files in the folder itself that may be the lot table.
    """

    path: Path
    by_lot: dict[str, list[Path]]
    loose: list[Path]
    tables: list[Path]

    def lots(self) -> list[str]:
        """Return the names of the sub-folders with pictures."""
        return list(self.by_lot)

    def name_of(self, path: Path) -> str:
        """Return the path of a picture from the folder."""
        return path.relative_to(self.path).as_posix()


def look_into(folder: str | os.PathLike[str]) -> Folder:
    """Return what is in a folder of lots; hidden files and folders are passed over.

    Raises
    ------
    DataError
        If there is no such folder, or it holds no pictures.
    """
    path = Path(folder)
    if not path.is_dir():
        what = "this is a file" if path.exists() else "there is no such folder"
        remedy = "Give the folder with the lot table and one sub-folder of tiles for each lot"
        raise DataError(Fault(what, remedy, file=str(folder)))
    by_lot: dict[str, list[Path]] = {}
    loose: list[Path] = []
    tables: list[Path] = []
    for entry in sorted(path.iterdir()):
        if entry.name.startswith((".", "~$")):
            continue
        if entry.is_dir():
            pictures = _pictures_below(entry)
            if pictures:
                by_lot[entry.name] = pictures
        elif entry.suffix.lower() in ENDINGS:
            loose.append(entry)
        elif entry.suffix.lower() in TABLE_ENDINGS:
            tables.append(entry)
    if not by_lot and not loose:
        raise DataError(
            Fault(
                "the folder holds no pictures",
                "Put the tiles of each lot into a sub-folder with its name, as "
                f"{', '.join(sorted(ENDINGS))}",
                file=str(folder),
            )
        )
    return Folder(path, by_lot, loose, tables)


def _pictures_below(folder: Path) -> list[Path]:
    """Return the pictures in a folder and the folders in it, without following links."""
    found = []
    for base, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            Path(base, name)
            for name in sorted(files)
            if not name.startswith(".") and Path(name).suffix.lower() in ENDINGS
        ]
    return found


def find_table(folder: Folder) -> Path:
    """Return the lot table: the file called lots, or the only table there is.

    Raises
    ------
    DataError
        If there is none, or more than one.
    """
    named = [path for path in folder.tables if path.stem.casefold() in _TABLE_NAMES]
    for choice in (named, folder.tables):
        if len(choice) == 1:
            return choice[0]
    there = ", ".join(path.name for path in folder.tables[:10])
    what = f"there is more than one table: {there}" if folder.tables else "there is no lot table"
    remedy = (
        "Name the one with a row for each lot: lot_table=..."
        if folder.tables
        else "Add lots.csv with a row for each lot: its name, the measured property, the attributes"
    )
    raise DataError(Fault(what, remedy, file=str(folder.path)))


def assign_lots(
    folder: Folder,
    lots: Sequence[str],
    *,
    table: str,
    rows: Sequence[int],
    column: str,
    faults: list[Fault],
) -> list[Source]:
    """Return the pictures with their lots, lot after lot, and add what does not fit to `faults`.

    A sub-folder is the lot of its name; a picture in the folder itself is of the lot its name
    begins with, as ``AB_0012.png``.

    Parameters
    ----------
    folder : Folder
    lots : sequence of str
        Lots of the table, in its order.
    table, rows, column : str, sequence of int, str
        Where they stand, for messages.
    faults : list of Fault
    """
    exact = {lot: k for k, lot in enumerate(lots)}
    folded = {fold(lot): k for k, lot in enumerate(lots)}
    found: list[list[Source]] = [[] for _ in lots]
    for name, pictures in folder.by_lot.items():
        position = exact.get(name, folded.get(fold(name)))
        if position is None:
            faults.append(
                Fault(
                    f"there are {len(pictures)} pictures, but no lot {shorten(name)!r} in {table}",
                    _hint(name, lots) + "Add a row for it, or take the folder away",
                    file=f"{name}/",
                )
            )
            continue
        found[position] += [Source(path, folder.name_of(path), position) for path in pictures]
    longest = sorted(exact, key=len, reverse=True)
    for path in folder.loose:
        lot = next((lot for lot in longest if _begins_with(path.stem, lot)), None)
        if lot is None:
            faults.append(
                Fault(
                    f"the name begins with no lot of {table}",
                    "Name it LOT_0001.png, put it into a folder with the name of its lot, or take "
                    "it away",
                    file=path.name,
                )
            )
            continue
        found[exact[lot]].append(Source(path, path.name, exact[lot]))
    spare = [name for name in folder.by_lot if fold(name) not in folded]
    for lot, row, sources in zip(lots, rows, found, strict=True):
        if not sources and lot:
            faults.append(
                Fault(
                    f"the lot {shorten(lot)!r} has no tiles: there is no folder "
                    f"{shorten(lot)!r} with pictures, and none is called {shorten(lot)}_...",
                    _hint(lot, spare) + "Add them, or take the row out of the table",
                    file=table,
                    row=row,
                    column=column,
                )
            )
    return [source for sources in found for source in sources]


def _begins_with(stem: str, lot: str) -> bool:
    start, rest = stem[: len(lot)], stem[len(lot) :]
    if not lot or start.casefold() != lot.casefold():
        return False
    return not rest or bool(_AFTER_LOT.match(rest))


def _hint(name: str, others: Iterable[str]) -> str:
    """Return "Is it ...? " where a name is much like another one."""
    close = difflib.get_close_matches(name, list(others), n=1, cutoff=0.7)
    return f"Is it {shorten(close[0])!r}? " if close else ""
