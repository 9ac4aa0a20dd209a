"""Rows that cannot be used because a cell is empty, and columns that cost too many rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from matlever.exceptions import DataError, Fault, NotEnoughDataError
from matlever.tables.table import Change

__all__ = ["FEWEST_ROWS", "drop_incomplete_rows"]

FEWEST_ROWS = 5
_LARGEST_LOSS = 0.2


def drop_incomplete_rows(
    frame: pd.DataFrame,
    inputs: Sequence[str],
    targets: Sequence[str],
    headers: dict[str, str],
    file: str,
    *,
    missing: Literal["drop", "impute"] = "drop",
) -> tuple[pd.DataFrame, list[Change]]:
    """Return the rows in which something was measured and every input is known.

    Parameters
    ----------
    frame : DataFrame
        Inputs and targets by name, with line numbers as index.
    inputs, targets : sequence of str
        Names of the columns.
    headers : dict of str to str
        Header of each column, for messages.
    file : str
        For messages.
    missing : {"drop", "impute"}, default="drop"
        "drop" leaves out rows with an empty input; "impute" keeps them, to be filled in from the
        training rows alone each time a model is fitted.

    Raises
    ------
    DataError
        If more than a fifth of the rows would be lost; the fault names the columns, the emptiest
        first.
    NotEnoughDataError
        If fewer than five rows are left.
    """
    changes: list[Change] = []
    unmeasured = frame[list(targets)].isna().all(axis=1).to_numpy()
    if unmeasured.any():
        which = "the target is" if len(targets) == 1 else "all targets are"
        changes.append(_dropped(frame, unmeasured, f"row left out: {which} empty"))
        frame = frame[~unmeasured]
    if missing == "impute" or not inputs:
        return frame, changes
    empty = frame[list(inputs)].isna()
    lost = empty.any(axis=1).to_numpy()
    if not lost.any():
        return frame, changes
    n_rows, n_lost = len(frame), int(lost.sum())
    if n_lost > _LARGEST_LOSS * n_rows or n_rows - n_lost < FEWEST_ROWS:
        counts = empty.sum().sort_values(ascending=False, kind="stable")
        error = DataError if n_rows >= FEWEST_ROWS else NotEnoughDataError
        raise error(
            Fault(
                f"the cell is empty in {int(count):,} of {n_rows:,} rows; leaving out every row "
                f"with an empty input would lose {n_lost:,} ({100 * n_lost / n_rows:.0f} %)",
                f"Leave the column out with ignore=[{headers[str(name)]!r}], fill in the cells, "
                "or pass missing='impute'",
                file=file,
                column=headers[str(name)],
            )
            for name, count in counts.items()
            if count
        )
    where = ", ".join(
        f"{headers[name]!r} in {int(empty[name].sum())}" for name in inputs if empty[name].any()
    )
    changes.append(_dropped(frame, lost, f"row left out: an input is empty ({where})"))
    return frame[~lost], changes


def _dropped(
    frame: pd.DataFrame, rows: np.ndarray[tuple[int], np.dtype[np.bool_]], what: str
) -> Change:
    return Change(what, int(rows.sum()), tuple(int(row) for row in frame.index[rows]))
