"""Changes of knobs as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["draw_changes"]

# Room beside the longest bar for its label, in lengths of that bar.
_ROOM = 0.8


def draw_changes(
    names: Sequence[str],
    shares: NDArray[np.float64],
    labels: Sequence[str],
    *,
    title: str,
    ax: Any = None,
) -> Any:
    """Draw one bar for each change, the last at the top, and return the axes.

    Parameters
    ----------
    names : sequence of str
        Knobs.
    shares : ndarray
        Changes in shares of their ranges.
    labels : sequence of str
        From where to where.
    title : str
        Above the bars.
    ax : matplotlib axes or None, default=None
        Where to draw; None makes a new figure.
    """
    if ax is None:
        from matplotlib import pyplot as plt

        size = (6.4, 1.4 + 0.4 * max(len(names), 1))
        _, ax = plt.subplots(figsize=size, layout="constrained")
    places = np.arange(len(names))
    bars = ax.barh(places, shares, height=0.6, color=["C0" if s > 0 else "C1" for s in shares])
    ax.bar_label(bars, [_plain(label) for label in labels], padding=4)
    ax.set_yticks(places, [_plain(name) for name in names])
    ax.axvline(0.0, color="0.4", linewidth=0.8)
    most = float(np.abs(shares).max(initial=0.0)) or 1.0
    low = min(0.0, float(shares.min(initial=0.0)))
    high = max(0.0, float(shares.max(initial=0.0)))
    room = _ROOM * most
    ax.set_xlim(low - room if low < 0 else -0.05 * most, high + room if high > 0 else 0.05 * most)
    ax.set_xlabel("change, in shares of the range")
    ax.set_title(_plain(title), fontsize="medium", loc="left")
    return ax


def _plain(text: str) -> str:
    return text.replace("$", r"\$")
