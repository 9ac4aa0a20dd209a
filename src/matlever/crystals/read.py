"""Crystals as people have them: folders of files with a table, one table, or one file of arrays."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from matlever.crystals._overlaps import overlap_faults
from matlever.crystals._read_file import Parsed, format_of, parse_file, parse_text
from matlever.crystals._read_npz import check_columns, read_npz
from matlever.crystals._read_sources import (
    Source,
    sources_of_folder,
    sources_of_table,
    structure_column,
)
from matlever.crystals._read_table import (
    TextTable,
    chosen_targets,
    frame_of,
    read_text_table,
    target_faults,
)
from matlever.crystals._structures import Cell
from matlever.crystals.crystals import Crystals
from matlever.exceptions import DataError, Fault, SettingsError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_crystals"]

Progress = Callable[[int, int, str], None]

_CHUNK = 200  # files that one process reads at a time


def read_crystals(
    path: str | os.PathLike[str] | Sequence[Any],
    *,
    targets: str | Sequence[str] | None = None,
    structure: str | None = None,
    unlisted: Literal["raise", "leave"] = "raise",
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> tuple[Crystals, pd.DataFrame]:
    """Read crystals, and what is known of each, as a checked data set.

    Parameters
    ----------
    path : str, path or sequence of pymatgen Structures
        One of

        - a folder with ``id_prop.csv`` (lines ``id,target``, as for the `cgcnn` code, or a table
          with headers) and a file ``id.cif``, ``id.vasp``, ``id.json`` or ``POSCAR_id``, or a
          folder ``id`` with a POSCAR, for each row; or without a table;
        - a table (CSV, TSV) with a column of paths from its folder, or of whole CIF texts;
        - an ``.npz`` file with the arrays ``lattice`` (n, 3, 3), ``natoms`` (n,), ``numbers`` (N,),
          ``frac`` (N, 3) and, by choice, ``material_id`` (n,) and properties (n,);
        - one file with one crystal;
        - a sequence of Structures.
    targets : str, sequence of str or None, default=None
        Columns that must hold a finite number in every row. A table without headers has the columns
        "target", or "target_1", "target_2", ..., and all of them must.
    structure : str or None, default=None
        Header of the column with paths or texts; by default one called structure, path, file, cif
        or the like.
    unlisted : {"raise", "leave"}, default="raise"
        Whether a file that is in no row of the table is a fault, or is left alone.
    n_jobs : int, default=1
        Processes that parse files; -1 for all cores.
    progress : callable or None, default=None
        Called with the number done, the number in all and what is counted.

    Returns
    -------
    crystals : Crystals
        n crystals, in the order of the table or else of the names of the files.
    table : DataFrame of n rows
        The other columns; its index are the names of the crystals. ``table.attrs["notes"]`` is a
        list of sentences on what was changed or left out.

    Raises
    ------
    DataError
        With all faults found, each with its file: one that is empty or damaged, a site that is
        partly occupied or mixed, atoms that overlap (closer than 0.5 Angstrom), an unknown element,
        a cell without a volume, a row without a file and a file without a row, a name twice, a
        target that is missing or no number.
    MissingExtraError
        If pymatgen is needed and not installed.

    Examples
    --------
    >>> crystals, table = read_crystals("perovskites.npz", targets="heat_all")  # doctest: +SKIP
    """
    if unlisted not in ("raise", "leave"):
        raise SettingsError(f"unlisted={unlisted!r} is not one of 'raise' and 'leave'.")
    if not isinstance(path, str | os.PathLike):
        return _of_structures(path, targets)
    where = Path(path)
    if not where.exists():
        raise DataError(Fault("there is no such file or folder", "Check the path", file=str(path)))
    if where.suffix.lower() == ".npz":
        crystals, frame = read_npz(where)
        found = check_columns(frame, targets, where.name)
        found += overlap_faults(crystals, [where.name] * len(crystals))
        return _finished(crystals, frame, found, [])
    faults: list[Fault] = []
    table: TextTable | None
    if where.is_dir():
        sources, table = sources_of_folder(where, unlisted, faults)
    elif where.suffix.lower() in (".csv", ".tsv", ".txt"):
        table = read_text_table(where, where.name)
        sources = sources_of_table(table, where.parent, structure, faults)
    elif format_of(where):
        sources, table = [Source(where.stem or where.name, where.name, where)], None
    else:
        raise DataError(
            Fault(
                "this is nothing that crystals are read from",
                "Give a folder, a .csv, an .npz, or a .cif, .vasp, POSCAR or .json file",
                file=where.name,
            )
        )
    return _of_sources(sources, table, targets, structure, faults, n_jobs, progress, where.name)


def _of_sources(
    sources: list[Source],
    table: TextTable | None,
    targets: str | Sequence[str] | None,
    structure: str | None,
    faults: list[Fault],
    n_jobs: int,
    progress: Progress | None,
    shown: str,
) -> tuple[Crystals, pd.DataFrame]:
    """Parse all sources, check them and their table, and put both together."""
    import pandas as pd

    if table is not None:
        faults += target_faults(table, chosen_targets(table, targets))
    elif targets is not None:
        raise DataError(
            Fault(
                "there is no table with targets",
                "Add id_prop.csv with a line id,target for each crystal",
                file=shown,
            )
        )
    parsed = _parse_all(sources, n_jobs, progress)
    faults += [fault for item in parsed for fault in item.faults]
    crystals, files = _joined(sources, parsed, faults)
    faults += overlap_faults(crystals, files)
    if faults:
        raise DataError(faults)
    index = pd.Index(list(crystals.ids), name="id")
    frame = pd.DataFrame(index=index)
    if table is not None:
        named = structure_column(table, structure)
        without = [table.id_column or (None if named else table.headers[0]), named]
        frame = frame_of(table, without, index)
    rounded = sum(item.rounded for item in parsed)
    notes = []
    if rounded:
        notes.append(
            f"{rounded:,} fractional coordinates were within 0.0001 of 1/3 or 2/3, such as 0.3333, "
            "and were moved onto it before symmetry was applied."
        )
    return _finished(crystals, frame, faults, notes)


def _parse_all(sources: list[Source], n_jobs: int, progress: Progress | None) -> list[Parsed]:
    """Parse sources in chunks, in one process or in several."""
    chunks = [sources[i : i + _CHUNK] for i in range(0, len(sources), _CHUNK)]
    if n_jobs == 1 or len(chunks) == 1:
        results = map(_parse_chunk, chunks)
    else:
        from joblib import Parallel, delayed

        run = Parallel(n_jobs=n_jobs, return_as="generator")
        results = run(delayed(_parse_chunk)(chunk) for chunk in chunks)
    parsed: list[Parsed] = []
    for found in results:
        parsed += found
        if progress is not None:
            progress(len(parsed), len(sources), "files")
    return parsed


def _parse_chunk(sources: list[Source]) -> list[Parsed]:
    return [
        parse_text(source.text, "cif", source.shown)
        if source.path is None
        else parse_file(source.path, source.shown)
        for source in sources
    ]


def _joined(
    sources: list[Source], parsed: list[Parsed], faults: list[Fault]
) -> tuple[Crystals, list[str]]:
    """Return the crystals that are sound, and their files; a fault is added for each other one."""
    cells: list[Cell] = []
    sound: list[Source] = []
    for source, item in zip(sources, parsed, strict=True):
        if item.cell is None:
            continue
        lattice, numbers, fractional = item.cell
        try:
            Crystals.from_arrays(lattice[None], [len(numbers)], numbers, fractional, [""])
        except DataError as error:
            faults += [
                Fault(fault.reason.removeprefix(": "), fault.remedy, file=source.shown)
                for fault in error.faults
            ]
            continue
        cells.append(item.cell)
        sound.append(source)
    crystals = Crystals.from_arrays(
        np.array([cell[0] for cell in cells]).reshape(-1, 3, 3),
        [len(cell[1]) for cell in cells],
        np.concatenate([cell[1] for cell in cells] or [np.empty(0, dtype=np.int16)]),
        np.concatenate([cell[2] for cell in cells] or [np.empty((0, 3))]),
        [source.name for source in sound],
    )
    return crystals, [source.shown for source in sound]


def _of_structures(
    structures: Sequence[Any], targets: str | Sequence[str] | None
) -> tuple[Crystals, pd.DataFrame]:
    import pandas as pd

    if targets is not None:
        raise SettingsError("Structures come without a table: targets= says nothing about them.")
    crystals = Crystals.from_structures(structures)
    frame = pd.DataFrame(index=pd.Index(list(crystals.ids), name="id"))
    return _finished(crystals, frame, overlap_faults(crystals, [None] * len(crystals)), [])


def _finished(
    crystals: Crystals, frame: pd.DataFrame, faults: list[Fault], notes: list[str]
) -> tuple[Crystals, pd.DataFrame]:
    if faults:
        raise DataError(faults)
    frame.attrs["notes"] = notes
    return crystals, frame
