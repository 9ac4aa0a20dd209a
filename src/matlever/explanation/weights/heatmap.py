"""A heat map of signed weights: rows x knobs, one colour per sign, zero in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["draw_heat_map"]

# Readable at 7 points: more labels than this are thinned out.
_MOST_ROW_LABELS = 40


def draw_heat_map(
    weights: NDArray[np.float64],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    label: str,
    ax: Any = None,
) -> Any:
    """Draw weights (n, k) with a diverging, colour-blind safe scale symmetric about zero.

    Parameters
    ----------
    weights : ndarray of shape (n, k)
        Signed weights.
    rows, columns : sequence of str
        Labels of the n rows and k columns; taken literally, whatever they contain.
    label : str
        Of the colour bar.
    ax : matplotlib axes or None, default=None
        Where to draw; None makes a new figure with pyplot.

    Returns
    -------
    ax : matplotlib axes
    """
    n, k = weights.shape
    if ax is None:
        from matplotlib import pyplot as plt

        size = (max(3.2, 0.6 * k + 2.2), max(2.2, 0.2 * min(n, _MOST_ROW_LABELS) + 1.4))
        _, ax = plt.subplots(figsize=size, layout="constrained")
    limit = float(np.nanmax(np.abs(weights), initial=0.0)) or 1.0
    image = ax.imshow(
        weights, aspect="auto", cmap="PuOr_r", vmin=-limit, vmax=limit, interpolation="nearest"
    )
    every = -(-n // _MOST_ROW_LABELS)
    shown = np.arange(0, n, every)
    ax.set_yticks(shown, labels=[_literal(rows[i]) for i in shown], fontsize=7)
    ax.set_xticks(
        np.arange(k), labels=[_literal(name) for name in columns], rotation=35, ha="right"
    )
    ax.set_ylabel("row")
    ax.tick_params(length=0)
    ax.figure.colorbar(image, ax=ax, label=_literal(label))
    return ax


def _literal(text: str, width: int = 60) -> str:
    """Text that matplotlib shows as it is, shortened: a dollar sign would start a formula."""
    short = text if len(text) <= width else text[: width - 1] + "…"
    return short.replace("$", r"\$")
