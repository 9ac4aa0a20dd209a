"""Box plots by Tukey's rule: quartiles, whiskers and what lies beyond them.

Reference: J. W. Tukey, Exploratory Data Analysis, Addison-Wesley 1977, chapter 2. Quartiles are
interpolated linearly between order statistics, as numpy and matplotlib do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.explanation._words import plain

__all__ = ["BoxStatistics", "box_statistics", "draw_boxes"]

Array = NDArray[np.float64]

_REACH = 1.5  # whiskers, in interquartile ranges


@dataclass(frozen=True, eq=False)
class BoxStatistics:
    """One box per column of some values; NaN where a column holds none.

    Attributes
    ----------
    median, q1, q3 : ndarray of shape (v,)
        Quartiles.
    whisker_low, whisker_high : ndarray of shape (v,)
        The lowest and highest value within 1.5 interquartile ranges of the box.
    outliers : tuple of v ndarrays
        Values beyond the whiskers, ascending.
    """

    median: Array
    q1: Array
    q3: Array
    whisker_low: Array
    whisker_high: Array
    outliers: tuple[Array, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the boxes as plain JSON values."""
        names = ("median", "q1", "q3", "whisker_low", "whisker_high")
        found: dict[str, Any] = {name: plain(getattr(self, name)) for name in names}
        return {**found, "outliers": [values.tolist() for values in self.outliers]}


def box_statistics(values: Array) -> BoxStatistics:
    """Box of each of v columns (n, v); NaNs are left out."""
    rows = []
    for column in values.T:
        known = np.sort(column[np.isfinite(column)])
        if not len(known):
            rows.append((np.full(5, np.nan), known))
            continue
        q1, median, q3 = np.percentile(known, [25, 50, 75])
        reach = _REACH * (q3 - q1)
        within = known[(known >= q1 - reach) & (known <= q3 + reach)]
        # An interpolated quartile may lie beyond the last value within reach: no whisker then.
        low, high = min(within[0], q1), max(within[-1], q3)
        rows.append((np.array([median, q1, q3, low, high]), known[(known < low) | (known > high)]))
    median, q1, q3, low, high = np.array([row[0] for row in rows]).reshape(-1, 5).T
    return BoxStatistics(median, q1, q3, low, high, tuple(row[1] for row in rows))


def draw_boxes(ax: Any, box: BoxStatistics, left: Array, right: Array) -> None:
    """Draw v boxes, each from `left` to `right` (v,) on a linear or logarithmic axis."""
    middle = np.sqrt(left * right) if ax.get_xscale() == "log" else (left + right) / 2
    style = {"color": "0.35", "linewidth": 1.0, "zorder": 2}
    ax.vlines(middle, box.whisker_low, box.q1, **style)
    ax.vlines(middle, box.q3, box.whisker_high, **style)
    ax.bar(
        left,
        box.q3 - box.q1,
        width=right - left,
        bottom=box.q1,
        align="edge",
        color="C0",
        alpha=0.35,
        edgecolor="0.35",
        zorder=2,
    )
    ax.hlines(box.median, left, right, color="C0", linewidth=2.0, zorder=3)
    n_outliers = [len(values) for values in box.outliers]
    ax.plot(
        np.repeat(middle, n_outliers),
        np.concatenate([np.empty(0), *box.outliers]),
        "o",
        markersize=3,
        markerfacecolor="none",
        markeredgecolor="0.45",
        zorder=2,
    )
