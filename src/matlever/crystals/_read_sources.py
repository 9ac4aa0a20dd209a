"""Where each crystal of a data set is: in a file of a folder, or in the cell of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from matlever.crystals._read_file import format_of
from matlever.crystals._read_table import TextTable, read_text_table
from matlever.exceptions import DataError, Fault

__all__ = ["Source", "sources_of_folder", "sources_of_table", "structure_column"]

_TABLES = ("id_prop.csv", "targets.csv", "properties.csv", "structures.csv")
_STRUCTURES = ("structure", "path", "file", "filename", "structure_file", "cif", "poscar")
_NOT_CRYSTALS = ("atom_init.json",)  # of the cgcnn code


@dataclass(frozen=True)
class Source:
    """One crystal that is to be read.

    Attributes
    ----------
    name : str
        Name of the crystal.
    shown : str
        File or row in messages.
    path : Path or None
        Its file,
    text : str
        or its text, where it has none.
    """

    name: str
    shown: str
    path: Path | None = None
    text: str = ""


def sources_of_folder(
    folder: Path, unlisted: Literal["raise", "leave"], faults: list[Fault]
) -> tuple[list[Source], TextTable | None]:
    """Return the crystals of a folder in the order of its table, and the table.

    Parameters
    ----------
    folder : Path
        It holds a file ``ID.cif`` or the like for each crystal, or a folder ``ID`` with a POSCAR or
        CONTCAR; and ``id_prop.csv`` or one other table.
    unlisted : {"raise", "leave"}
        What to do with files that are in no row.
    faults : list of Fault
        Faults are added.
    """
    files = _crystal_files(folder, faults)
    where = _table_of(folder)
    if where is None:
        if not files:
            raise DataError(
                Fault(
                    "there are no crystals in the folder",
                    "Put a file .cif, .vasp, POSCAR or .json in it for each",
                    file=folder.name,
                )
            )
        named = [(name, path) for name, path in files.items()]
        return [Source(name, _relative(path, folder), path) for name, path in named], None
    table = read_text_table(where, where.name)
    has_paths = structure_column(table, None)
    if has_paths:
        return sources_of_table(table, folder, has_paths, faults), table
    column = table.id_column or table.headers[0]
    names = table.column(column)
    faults += _repeated(names, table, column)
    sources = []
    for name, line in zip(names, table.lines, strict=True):
        path = files.get(name)
        if path is None and format_of(Path(name)) is not None:  # "a.cif" in the table
            path = files.get(Path(name).stem)
        if path is None:
            faults.append(
                Fault(
                    f"there is no file of the crystal {name!r}",
                    f"Put {name}.cif into the folder, or leave the row out",
                    file=table.file,
                    row=line,
                    column=column if table.has_headers else None,
                )
            )
        else:
            sources.append(Source(name, _relative(path, folder), path))
    read = {source.path for source in sources}
    if unlisted == "raise":
        faults += [
            Fault(
                f"the crystal is in no row of {table.file}",
                "Add a row, remove the file, or pass unlisted='leave'",
                file=_relative(path, folder),
            )
            for path in files.values()
            if path not in read
        ]
    return sources, table


def sources_of_table(
    table: TextTable, folder: Path, structure: str | None, faults: list[Fault]
) -> list[Source]:
    """Return the crystals of a table with a column of paths from its folder, or of CIF texts."""
    column = structure_column(table, structure)
    if column is None:
        raise DataError(
            Fault(
                "no column says where the structures are"
                if structure is None
                else f"there is no column {structure!r}",
                f"Name it with structure=; the columns are {', '.join(table.headers)}",
                file=table.file,
            )
        )
    ids = table.id_column
    cells = table.column(column)
    if ids not in (None, column):
        names = table.column(str(ids))
    else:
        names = [Path(cell).stem if _is_path(cell) else f"row {line}" for cell, line in
                 zip(cells, table.lines, strict=True)]  # fmt: skip
    faults += _repeated(names, table, ids or column)
    sources = []
    for name, cell, line in zip(names, cells, table.lines, strict=True):
        if not _is_path(cell):
            sources.append(Source(name, f"{table.file}, row {line}", None, cell))
            continue
        path = folder / cell
        if not cell or not path.is_file():
            faults.append(
                Fault(
                    f"there is no file {cell!r}" if cell else "the path is missing",
                    f"Give the path from the folder of {table.file}",
                    file=table.file,
                    row=line,
                    column=column,
                )
            )
        else:
            sources.append(Source(name, cell, path))
    return sources


def _is_path(cell: str) -> bool:
    return "\n" not in cell


def structure_column(table: TextTable, wanted: str | None) -> str | None:
    """Return the header of the column with paths or texts of structures; None if there is none."""
    if not table.has_headers:
        return None
    if wanted is not None:
        return wanted if wanted in table.headers else None
    lower = {header.lower(): header for header in reversed(table.headers)}
    return next((lower[name] for name in _STRUCTURES if name in lower), None)


def _crystal_files(folder: Path, faults: list[Fault]) -> dict[str, Path]:
    """Return the file of each crystal by its name; the name twice is a fault."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in _NOT_CRYSTALS:
            continue
        if path.is_dir():
            inside = [path / name for name in ("CONTCAR", "POSCAR") if (path / name).is_file()]
            entries = [(path.name, inside[0])] if inside else []
        elif format_of(path):
            bare = path.suffix.lower() in (".cif", ".mcif", ".json", ".vasp", ".poscar", ".contcar")
            entries = [(path.stem if bare else _after_poscar(path.name), path)]
        else:
            entries = []
        for name, file in entries:
            if name in found:
                faults.append(
                    Fault(
                        f"the crystal {name!r} has two files, the other is {found[name].name}",
                        "Keep one of them",
                        file=_relative(file, folder),
                    )
                )
            found.setdefault(name, file)
    return found


def _after_poscar(name: str) -> str:
    """Return what follows POSCAR in the name of a file: "POSCAR_12" is the crystal "12"."""
    rest = name[7 if name.upper().startswith("CONTCAR") else 6 :].lstrip("._-")
    return rest or name


def _table_of(folder: Path) -> Path | None:
    for name in _TABLES:
        if (folder / name).is_file():
            return folder / name
    tables = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".csv", ".tsv"))
    if len(tables) > 1:
        raise DataError(
            Fault(
                f"there are {len(tables)} tables: {', '.join(p.name for p in tables[:5])}",
                "Call the one with the targets id_prop.csv",
                file=folder.name,
            )
        )
    return tables[0] if tables else None


def _repeated(names: Sequence[str], table: TextTable, column: str) -> list[Fault]:
    first: dict[str, int] = {}
    faults = []
    for name, line in zip(names, table.lines, strict=True):
        if name in first:
            faults.append(
                Fault(
                    f"the crystal {name!r} is in row {first[name]} already",
                    "Keep one row for each crystal",
                    file=table.file,
                    row=line,
                    column=column if table.has_headers else None,
                )
            )
        first.setdefault(name, line)
    return faults


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
