"""Expected outcomes of suggested experiments beside the known ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matlever.recommendation.suggestions import Suggestions

__all__ = ["draw_suggestions"]


def draw_suggestions(found: Suggestions, target: int, ax: Any) -> Any:
    """Draw known outcomes in order of size, then the suggestions with intervals.

    Parameters
    ----------
    found : Suggestions
        What is drawn.
    target : int
        Position of the target.
    ax : matplotlib axes or None
        Where to draw; None makes a new figure.
    """
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure(figsize=(6.4, 3.6), layout="constrained").subplots()
    known = np.sort(found.known[~np.isnan(found.known[:, target]), target])
    ax.plot(np.arange(-len(known), 0), known, "o", color="0.65", markersize=4, label="measured")
    middle = found.predicted[:, target]
    place = np.arange(1, len(found) + 1)
    ax.vlines(place, found.lower[:, target], found.upper[:, target], color="C0", linewidth=1.5)
    ax.plot(
        place, middle, "o", color="C0", label=f"expected, with {100 * found.level:.0f} % interval"
    )
    if found.goals:
        goal = found.goals[target]
        if goal.kind == "within":
            ends = np.array([goal.lower, goal.upper])
            edges = ax.get_ylim()  # where an open end reaches to
            ends = np.where(np.isfinite(ends), ends, edges)
            ax.axhspan(*ends, color="C2", alpha=0.15, linewidth=0, label=goal.text)
            ax.set_ylim(min(edges[0], ends.min()), max(edges[1], ends.max()))
        else:
            aim = goal.lower if goal.kind == "reach" else found.best_so_far[target]
            if np.isfinite(aim):
                text = goal.text if goal.kind == "reach" else "best so far"
                ax.axhline(aim, color="C2", linewidth=1, label=text)
    ax.set_xticks(place, [str(i) for i in place])
    ax.set_xlabel("measured runs, in order of size, and suggested experiments")
    ax.set_ylabel(found.targets[target])
    ax.legend(fontsize="small", frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0.0, 1.0))
    return ax
