"""How far weights can be trusted, for a reader who turns knobs and not surrogates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from matlever.report._text import number_text, percent, text
from matlever.report._values import items, numbers, string
from matlever.report.held_out import as_floats

__all__ = ["trust"]

_WORTH_SAYING = 0.005


def trust(weights: Mapping[str, Any], largest: float) -> str:
    """Return what fidelity, spread and unseen territory of some weights mean, in words.

    Parameters
    ----------
    weights : mapping
        The ``weights`` of a target.
    largest : float
        The weight that gets the full colour of the map.
    """
    said = [_fidelity(weights), _spread(weights, largest), _ground(weights)]
    return "".join(f'<p class="how">{one}</p>' for one in said if one)


def _fidelity(weights: Mapping[str, Any]) -> str:
    r2, correlation = (_median(weights.get(name)) for name in ("r2", "correlation"))
    if r2 is None:
        return ""
    beside = "" if correlation is None else f", correlation {number_text(correlation, 2)}"
    return (
        "<b>Does a weight describe the model?</b> It is the slope of a straight line through what "
        "the model predicts around a row. The green strip says how much that line explains, at "
        f"settings that were not used to lay it (median R² {number_text(r2, 2)}{beside}; full "
        "green is 1). Where it is pale the model bends: the weight is an average direction there, "
        "and the curves below tell more."
    )


def _spread(weights: Mapping[str, Any], largest: float) -> str:
    spread = np.concatenate(
        [np.empty(0), *(as_floats(numbers(row)) for row in items(weights.get("spread")))]
    )
    spread = spread[np.isfinite(spread)]
    if not spread.size or largest <= 0:
        return ""
    over = text(string(weights.get("spread_over")), 80)
    return (
        "<b>Would it come out the same again?</b> Asked at other settings around the same row, a "
        f"weight moves by {percent(float(np.median(spread)) / largest)} of the largest weight "
        f"(median{f'; from {over}' if over else ''})."
    )


def _ground(weights: Mapping[str, Any]) -> str:
    unseen = _median(weights.get("unseen"))
    if unseen is None or unseen < _WORTH_SAYING:
        return ""
    return (
        f"<b>Does the model know this ground?</b> {percent(unseen)} of the settings asked about "
        "around a typical row lie far from all known rows: there the model is guessing, and so is "
        "the weight."
    )


def _median(value: object) -> float | None:
    found = as_floats(numbers(value))
    found = found[np.isfinite(found)]
    return float(np.median(found)) if found.size else None
