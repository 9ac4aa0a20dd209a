"""The published tables of formulas that the ElemNet reproduction reads."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from matlever.compositions import Compositions, parse_formulas
from matlever.exceptions import StudyError

__all__ = ["ElemNetData", "Labelled", "lowest_per_formula", "read_elemnet_data"]

Array = NDArray[np.float64]

_FILES = ("critexam_ef.csv.gz", "mp_e_form.csv.gz", "expt_gap.csv")
_SOURCE = (
    "They are data/benchmark_data/CritExam__Ef/{train,val,test}.csv joined with a column split, "
    "data/matbench/mp_e_form.csv and data/matbench/expt_gap.csv of anthony-wang/CrabNet at "
    "457b4d4, with columns formula, target and split as docs/elemnet.md says."
)


@dataclass(frozen=True)
class Labelled:
    """Compositions and a property of each, shape (n,)."""

    compositions: Compositions
    y: Array

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: NDArray[np.intp]) -> Labelled:
        """Return some of the rows."""
        return Labelled(self.compositions[rows], self.y[rows])


@dataclass(frozen=True)
class ElemNetData:
    """All that the reproduction learns from.

    Parameters
    ----------
    train, validation, test : Labelled
        Formation energies in eV/atom, ground state of each formula; the published split.
    entries : Labelled
        Formation energies in eV/atom of the Materials Project, polymorphs repeat.
    gaps : Labelled
        Measured band gaps in eV.
    digest : str
        SHA-256 of the three files.
    """

    train: Labelled
    validation: Labelled
    test: Labelled
    entries: Labelled
    gaps: Labelled
    digest: str


def read_elemnet_data(folder: str | os.PathLike[str] | None, *, quick: bool) -> ElemNetData:
    """Read the tables.

    Parameters
    ----------
    folder : path or None
        Folder with the three files, or with them in ``tables/``; default the one that the
        environment variable MATLEVER_DATA names.
    quick : bool
        Take a part of the rows, always the same.

    Raises
    ------
    StudyError
        If a file is missing; the message says where it is published.
    """
    found = _folder(folder)
    paths = [found / name for name in _FILES]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise StudyError(f"{found} has no {', '.join(missing)}. {_SOURCE}")
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    critexam, entries, gaps = (pd.read_csv(path) for path in paths)
    parts = {
        name: _labelled(critexam[critexam["split"] == name], "ef_ev_atom", paths[0])
        for name in ("train", "val", "test")
    }
    every = [*parts.values(), _labelled(entries, "ef_ev_atom", paths[1])]
    every.append(_labelled(gaps, "gap_ev", paths[2]))
    if quick:
        sizes = (3000, 1000, 1500, 8000, 600)
        every = [_some(one, n) for one, n in zip(every, sizes, strict=True)]
    train, validation, test, all_entries, all_gaps = every
    return ElemNetData(train, validation, test, all_entries, all_gaps, digest.hexdigest())


def lowest_per_formula(entries: Labelled) -> Labelled:
    """Return one row for each formula, its lowest energy."""
    frame = pd.DataFrame({"formula": entries.compositions.formulas, "y": entries.y})
    rows = frame.groupby("formula", sort=True)["y"].idxmin().to_numpy()
    return entries.take(np.sort(rows))


def _folder(folder: str | os.PathLike[str] | None) -> Path:
    given = folder or os.environ.get("MATLEVER_DATA")
    if not given:
        raise StudyError(
            f"Which folder holds {', '.join(_FILES)}? Give it as data=, or as the environment "
            f"variable MATLEVER_DATA. {_SOURCE}"
        )
    found = Path(given)
    return found / "tables" if (found / "tables").is_dir() else found


def _labelled(frame: pd.DataFrame, target: str, path: Path) -> Labelled:
    rows = (frame.index.to_numpy() + 2).tolist()  # as a spreadsheet counts them
    compositions = parse_formulas(
        frame["formula"].tolist(), file=path.name, column="formula", rows=rows
    )
    return Labelled(compositions, frame[target].to_numpy(dtype=np.float64))


def _some(labelled: Labelled, n: int) -> Labelled:
    """Return `n` rows spread evenly over the file, and all of the systems that are held out."""
    n = min(n, len(labelled))
    rows = np.linspace(0, len(labelled) - 1, n).astype(np.intp)
    wanted = {"O", "Ti", "Na", "Fe", "Mn"}
    special = [
        i
        for i, system in enumerate(labelled.compositions.systems)
        if set(system.split("-")) <= wanted
    ]
    return labelled.take(np.union1d(rows, np.array(special, dtype=np.intp)))
