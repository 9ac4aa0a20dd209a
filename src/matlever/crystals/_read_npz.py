"""Crystals in one ``.npz`` file of plain arrays."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matlever.crystals.crystals import Crystals
from matlever.exceptions import DataError, Fault

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_npz"]

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
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            Fault(
                f"the file cannot be read ({str(error) or type(error).__name__})",
                "Write it with numpy.savez, without objects",
                file=path.name,
            )
        ) from error
