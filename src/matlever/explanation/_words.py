"""Numbers and sentences of explanations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matlever.explanation.explanations import Explanations

__all__ = ["importance_sentence", "number", "plain"]

# A knob is named beside the first one when it matters at least this much of it.
_WORTH_NAMING = 0.1
_POOR_R2 = 0.5
# A spread over the rows below this share of the mean is rounding.
_SAME = 1e-6


def number(value: float) -> str:
    """Return a number with three significant digits and thousands separators."""
    if not np.isfinite(value):
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return "−" + text[1:] if text.startswith("-") else text


def plain(values: NDArray[np.float64]) -> Any:
    """Return nested lists, with None in place of the numbers that JSON does not have."""
    found = values.astype(object)
    found[~np.isfinite(values)] = None
    return found.tolist()


def importance_sentence(found: Explanations) -> str:
    """Say which knob moves one target most, by how much, and how linear that picture is."""
    name = found.targets[0] if found.targets else "the prediction"
    overall = found.overall
    first = overall[0]
    if first.mean_abs == 0:
        return f"No knob changes {name} at any of the {len(found.rows)} rows."
    j = found.knobs.index(first.knob)
    if found.is_categorical[j]:
        what = f"another level changes it by {number(first.mean_abs)}"
    else:
        unit = f" {found.units[j]}" if found.units[j] else ""
        step = f"one standard deviation more ({number(float(found.sd[j]))}{unit})"
        what = {
            "+": f"{step} raises it by {number(first.mean_abs)}",
            "-": f"{step} lowers it by {number(first.mean_abs)}",
            "mixed": f"{step} changes it by {number(first.mean_abs)}, up or down by row,",
        }[first.direction]
    sentence = f"{first.knob} moves {name} most: {what} on average over {len(found.rows)} rows"
    if first.sd > _SAME * first.mean_abs:
        sentence += f" (spread over the rows {number(first.sd)})"
    others = [
        f"{other.knob} ({number(other.mean_abs)})"
        for other in overall[1:4]
        if other.mean_abs >= _WORTH_NAMING * first.mean_abs
    ]
    if others:
        sentence += (
            f"; next {'comes' if len(others) == 1 else 'come'} {' and '.join(_listed(others))}"
        )
    r2 = found.r2[np.isfinite(found.r2)]
    if len(r2) and np.median(r2) < _POOR_R2:
        sentence += (
            f". A straight line describes the model only roughly here (held-out R² "
            f"{np.median(r2):.2f}): look at the sweeps too"
        )
    return sentence + "."


def _listed(items: list[str]) -> list[str]:
    return [", ".join(items[:-1]), items[-1]] if len(items) > 2 else items
