"""Crystals in one ``.npz`` file of plain arrays."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matlever.crystals.crystals import Crystals
from matlever.exceptions import DataError, Fault

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_columns", "read_npz"]

_CELLS = ("lattice", "natoms", "numbers", "frac")
_IDS = ("material_id", "id", "ids")


def read_npz(path: Path) -> tuple[Crystals, pd.DataFrame]:
    """Return the crystals of a file, and its other arrays as a table.

    Parameters
    ----------
    path : Path
        A file with ``lattice`` (n, 3, 3), ``natoms`` (n,), ``numbers`` (N,), ``frac`` (N, 3) and,
        by choice, ``material_id`` (n,) and any properties (n,).

    Raises
    ------
    DataError
        If the file is damaged, an array is missing or holds objects, or the arrays do not agree.
    """
    import pandas as pd

    arrays = _load(path)
    absent = [name for name in _CELLS if name not in arrays]
    if absent:
        raise DataError(
            Fault(
                f"there is no array {absent[0]!r}; it holds {sorted(arrays)}",
                f"Crystals need the arrays {', '.join(_CELLS)}",
                file=path.name,
            )
        )
    n = len(arrays["natoms"])
    ids = next((name for name in _IDS if name in arrays), None)
    names = [str(i) for i in arrays[ids]] if ids else [f"{path.stem} {i}" for i in range(n)]
    if len(set(names)) < len(names):
        twice = [Fault(f"the crystal {name!r} is there {count} times", "Keep one of them",
                       file=path.name, column=ids)
                 for name, count in Counter(names).items() if count > 1]  # fmt: skip
        raise DataError(twice)
    lattice, counts, numbers, frac = (arrays[name] for name in _CELLS)
    crystals = Crystals.from_arrays(lattice, counts, numbers, frac, names, file=path.name)
    columns = {
        name: values
        for name, values in arrays.items()
        if name not in (*_CELLS, ids) and values.shape == (n,)
    }
    return crystals, pd.DataFrame(columns, index=pd.Index(names, name="id"))


def _load(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            Fault(
                f"the file cannot be read ({str(error) or type(error).__name__})",
                "Write it with numpy.savez, without objects",
                file=path.name,
            )
        ) from error


def check_columns(
    frame: pd.DataFrame, targets: str | Sequence[str] | None, file: str
) -> list[Fault]:
    """Return faults of target columns: absent, of words, or with a value that is not finite."""
    names = () if targets is None else (targets,) if isinstance(targets, str) else tuple(targets)
    faults = []
    for name in names:
        if name not in frame.columns:
            there = ", ".join(map(str, frame.columns))
            faults.append(
                Fault(f"there is no such array; there are {there}", "Name one of them", file=file,
                      column=name)
            )  # fmt: skip
            continue
        values = frame[name].to_numpy()
        if values.dtype.kind not in "fiub":
            faults.append(Fault("it holds words", "Give numbers", file=file, column=name))
            continue
        for i in np.flatnonzero(~np.isfinite(values.astype(float))).tolist():
            faults.append(
                Fault(
                    f"{frame.index[i]}: the target is not a finite number",
                    "Give it, or leave the crystal out",
                    file=file,
                    column=name,
                )
            )
    return faults
