"""Whether a target can be learnt at all, and whether an input gives it away."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from matlever.exceptions import Fault, shorten
from matlever.tables._redundant import is_constant, is_same_order, linear_in
from matlever.tables.missing import FEWEST_ROWS

__all__ = ["check_target"]


def check_target(
    frame: pd.DataFrame, target: str, inputs: Sequence[str], headers: dict[str, str], file: str
) -> tuple[list[Fault], list[str]]:
    """Return faults and warnings of one target.

    Parameters
    ----------
    frame : DataFrame
        The rows in use.
    target : str
        Name of the target.
    inputs : sequence of str
        Names of the inputs that hold numbers.
    headers : dict of str to str
        Header of each column, for messages.
    file : str
        For messages.
    """
    y = frame[target]
    header = headers[target]
    measured = int(y.notna().sum())
    if measured < FEWEST_ROWS:
        reason = (
            f"the target is measured in {measured} of {len(frame)} rows, at least {FEWEST_ROWS} "
            "are needed"
        )
        return [Fault(reason, "Add runs, or drop this target", file=file, column=header)], []
    if is_constant(y):
        reason = f"the target is {y.dropna().iloc[0]:g} in every row"
        remedy = "Choose a target that differs between the runs"
        return [Fault(reason, remedy, file=file, column=header)], []
    faults, warnings = [], []
    measured_values = _floats(y)
    for name in inputs:
        x = _floats(frame[name])
        if linear_in(measured_values, x):
            known = ~np.isnan(x) & ~np.isnan(measured_values)
            copy = bool((x[known] == measured_values[known]).all())
            how = "a copy of" if copy else "a linear function of"
            faults.append(
                Fault(
                    f"the input is {how} the target {shorten(header)!r}, so it gives the answer "
                    "away",
                    f"Leave it out with ignore=[{shorten(headers[name])!r}], or make it a target",
                    file=file,
                    column=headers[name],
                )
            )
        elif len(inputs) > 1 and is_same_order(measured_values, x):
            warnings.append(
                f"{headers[name]!r} orders all rows exactly as the target {header!r} does. Leave "
                f"it out with ignore=[{headers[name]!r}] if it is known only after the run."
            )
    return faults, warnings


def _floats(values: pd.Series[float]) -> npt.NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)
