"""Crystals as people have them: folders of files with a table, one table, or one file of arrays."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matlever.crystals._read_npz import read_npz
from matlever.crystals.crystals import Crystals
from matlever.exceptions import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_crystals"]


def read_crystals(
    path: str | os.PathLike[str] | Sequence[Any],
    *,
    targets: str | Sequence[str] | None = None,
) -> tuple[Crystals, pd.DataFrame]:
    """Read crystals and what is known of each."""
    source = Path(path)  # type: ignore[arg-type]
    if source.suffix != ".npz":
        raise DataError(f"{source.name}: only .npz")
    crystals, table = read_npz(source)
    return crystals, table
