"""How much each knob matters over all explained rows, as numbers and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.explanation._words import joined, number

__all__ = ["Importance", "importance_sentence", "overall_importance"]

Array = NDArray[np.float64]

# The summed weights over the sum of their sizes from which a knob is said to have a direction:
# four fifths of the weight have one sign then, and one fifth the other (0.8 - 0.2 = 0.6).
_ONE_SIDED = 0.6
# A knob is named beside the first one when it matters at least this much of it.
_WORTH_NAMING = 0.1
_POOR_R2 = 0.5
# A spread over the rows below this share of the mean is rounding.
_SAME = 1e-6


@dataclass(frozen=True)
class Importance:
    """How much a knob matters over all explained rows.

    Attributes
    ----------
    knob : str
        Name of the knob.
    mean_abs : float
        Mean absolute slope per standard deviation of the knob, in the target's unit.
    sd : float
        Its standard deviation over the rows.
    direction : {"+", "-", "mixed"}
        Sign of the slopes, where at least four fifths of their weight agree.
    """

    knob: str
    mean_abs: float
    sd: float
    direction: str

    def to_dict(self) -> dict[str, Any]:
        """Return the importance as plain JSON values."""
        return {
            "knob": self.knob,
            "mean_abs": self.mean_abs,
            "sd": self.sd,
            "direction": self.direction,
        }


def overall_importance(
    knobs: Sequence[str], is_categorical: Sequence[bool], slopes: Array
) -> tuple[Importance, ...]:
    """Return the importance of each knob over all rows, the largest first.

    Parameters
    ----------
    knobs : sequence of str of length k
        Names.
    is_categorical : sequence of bool of length k
        Knobs that have no direction.
    slopes : ndarray of shape (n, k)
        Slopes per standard deviation.

    Returns
    -------
    overall : tuple of Importance of length k
    """
    size = np.abs(slopes).mean(axis=0)
    weight = np.abs(slopes).sum(axis=0)
    lean = np.where(weight > 0, slopes.sum(axis=0) / np.where(weight > 0, weight, 1.0), 0.0)
    return tuple(
        Importance(
            knobs[j],
            float(size[j]),
            float(np.abs(slopes[:, j]).std(ddof=1)) if len(slopes) > 1 else 0.0,
            "mixed"
            if is_categorical[j] or abs(lean[j]) < _ONE_SIDED
            else ("+" if lean[j] > 0 else "-"),
        )
        for j in np.argsort(-size, kind="stable").tolist()
    )


def importance_sentence(
    overall: Sequence[Importance],
    *,
    target: str,
    target_unit: str | None,
    step: str | None,
    n_rows: int,
    r2: float,
) -> str:
    """Say which knob moves one target most, by how much, and how linear that picture is.

    Parameters
    ----------
    overall : sequence of Importance
        The largest first.
    target : str
        Name of the target.
    target_unit : str or None
        Its unit, where the name does not hold it already.
    step : str or None
        One standard deviation of the most important knob with its unit; None for a categorical one.
    n_rows : int
        Rows that were explained.
    r2 : float
        Median of the surrogates' R2; NaN where there is none.

    Returns
    -------
    sentence : str
    """
    first = overall[0]
    if first.mean_abs == 0:
        return f"No knob changes {target} at any of the {n_rows} rows."
    size = number(first.mean_abs) + (f" {target_unit}" if target_unit else "")
    if step is None:
        what = f"another level changes it by {size}"
    else:
        more = f"one standard deviation more ({step})"
        what = {
            "+": f"{more} raises it by {size}",
            "-": f"{more} lowers it by {size}",
            "mixed": f"{more} changes it by {size}, up or down by row,",
        }[first.direction]
    sentence = f"{first.knob} moves {target} most: {what} on average over {n_rows} rows"
    if first.sd > _SAME * first.mean_abs:
        sentence += f" (spread over the rows {number(first.sd)})"
    others = [
        f"{other.knob} ({number(other.mean_abs)})"
        for other in overall[1:4]
        if other.mean_abs >= _WORTH_NAMING * first.mean_abs
    ]
    if others:
        come = "comes" if len(others) == 1 else "come"
        sentence += f"; next {come} {joined(others)}"
    if r2 < _POOR_R2:
        sentence += (
            ". A straight line describes the model only roughly here (held-out R² "
            f"{r2:.2f}): look at the sweeps too"
        )
    return sentence + "."
