"""Heat maps as strips of HTML: one row per knob, one column per row of the data.

Names and numbers stay text of the page, and only the coloured strips stretch, so a map of three
knobs or forty is as legible on a phone as on a desk. Colours run from blue (the knob lowers the
target) through the page's own ground to orange (it raises it), in steps of opacity, which serves
the light and the dark page with one drawing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matlever.report._text import text

__all__ = ["LEVELS", "colour_scale", "column_labels", "strip"]

LEVELS = 12
_MOST_LABELS = 40
_SET_APART = 60
Floats = NDArray[np.float64]


def strip(values: Floats, largest: float, description: str, *, hue: str | None = None) -> str:
    """Return one strip of cells as a stretching SVG.

    Parameters
    ----------
    values : ndarray of shape (n_columns,)
        NaN leaves a cell empty.
    largest : float
        The value (without its sign) that gets the full colour.
    description : str
        What a reader who cannot see the strip is told (plain text).
    hue : str, optional
        Name of one colour for values that have no sign; None for blue and orange by sign.
    """
    n = len(values)
    steps = np.zeros(n, dtype=int)
    if largest > 0:
        with np.errstate(invalid="ignore"):
            steps = np.nan_to_num(np.rint(np.clip(values / largest, -1, 1) * LEVELS)).astype(int)
    paths = []
    for step in sorted(set(steps.tolist()) - {0}):
        starts, widths = _rectangles(steps == step)
        cells = "".join(f"M{x:g} 0h{w:g}v1h{-w:g}z" for x, w in zip(starts, widths, strict=True))
        tint = hue or ("orange" if step > 0 else "blue")
        paths.append(
            f'<path d="{cells}" fill="var(--{tint})" fill-opacity="{abs(step) / LEVELS:.3g}"/>'
        )
    return (
        f'<svg class="strip" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {max(n, 1)} 1" '
        f'preserveAspectRatio="none" shape-rendering="crispEdges" role="img" '
        f'aria-label="{text(description, 300)}">{"".join(paths)}</svg>'
    )


def _rectangles(mask: NDArray[np.bool_]) -> tuple[list[float], list[float]]:
    """Return starts and widths: few columns are set apart, of many equal neighbours join."""
    if len(mask) <= _SET_APART:
        cells = np.flatnonzero(mask)
        return (cells + 0.03).tolist(), [0.94] * len(cells)
    edges = np.diff(np.r_[0, mask.astype(int), 0])
    starts = np.flatnonzero(edges == 1)
    widths = np.flatnonzero(edges == -1) - starts
    return starts.astype(float).tolist(), widths.astype(float).tolist()


def column_labels(names: Sequence[str]) -> str:
    """Return the columns' names under a map, or ``""`` where they would not fit."""
    if not names or len(names) > _MOST_LABELS or max(map(len, names)) > 4:
        return ""
    many = " many" if len(names) > 16 else ""
    cells = "".join(f"<span>{text(name, 8)}</span>" for name in names)
    return (
        f'<div class="labels{many}" aria-hidden="true" '
        f'style="grid-template-columns:repeat({len(names)},minmax(0,1fr))">{cells}</div>'
    )


def colour_scale(low: str, high: str, *, hue: str | None = None) -> str:
    """Return a legend from `low` to `high` (HTML): both signs, or one colour from zero."""
    steps = range(0 if hue else -LEVELS, LEVELS + 1)
    cells = "".join(
        f'<path d="M{place} 0h1v1h-1z" fill="var(--{hue or ("orange" if step > 0 else "blue")})" '
        f'fill-opacity="{abs(step) / LEVELS:.3g}"/>'
        for place, step in enumerate(steps)
    )
    return (
        f'<div class="scale"><span>{low}</span><svg viewBox="0 0 {len(steps)} 1" '
        'xmlns="http://www.w3.org/2000/svg" preserveAspectRatio="none" aria-hidden="true" '
        f'shape-rendering="crispEdges">{cells}</svg><span>{high}</span></div>'
    )
