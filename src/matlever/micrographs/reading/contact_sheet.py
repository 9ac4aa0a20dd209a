"""A sheet with some of the tiles that were dropped, so that a reader can see whether rightly so."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from matlever.micrographs.reading.lots import DroppedTiles, Lots
from matlever.micrographs.reading.quality import REASONS
from matlever.micrographs.tiles import unit_images

__all__ = ["draw_contact_sheet"]

_PER_ROW = 6
_TILE_INCHES = 1.45
_DPI = 110
_LONGEST = 26  # characters of a file name


def draw_contact_sheet(dropped: DroppedTiles | Lots, path: str | os.PathLike[str]) -> Path:
    """Draw some of the tiles that were dropped, a row for each reason, as a PNG file.

    Parameters
    ----------
    dropped : DroppedTiles or Lots
        What `read_lots` left out: ``lots.report``.
    path : str or path
        The file to write; its folder is made.

    Returns
    -------
    path : Path
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    report = dropped.report if isinstance(dropped, Lots) else dropped
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    counts = report.by_reason()
    reasons = [reason for reason in REASONS if reason in counts]
    images = unit_images(report.images)
    height = 0.75 + max(1, len(reasons)) * (_TILE_INCHES + 0.62)
    figure = Figure(figsize=(_PER_ROW * (_TILE_INCHES + 0.2) + 0.4, height))
    FigureCanvasAgg(figure)
    figure.suptitle(
        _plain(f"Dropped on reading: {report.summary()}"), fontsize=10, x=0.02, ha="left"
    )
    grid = figure.add_gridspec(
        max(1, len(reasons)),
        _PER_ROW,
        left=0.02,
        right=0.98,
        top=1 - 0.75 / height,
        bottom=0.3 / height,
        hspace=0.62 / _TILE_INCHES,
        wspace=0.12,
    )
    for row, reason in enumerate(reasons):
        found = [
            (k, report.dropped[i])
            for k, i in enumerate(report.shown)
            if report.dropped[i].reason == reason
        ]
        spread = np.linspace(0, len(found) - 1, min(_PER_ROW, len(found))).round().astype(int)
        of_reason = [found[k] for k in spread.tolist()]
        for column, (k, tile) in enumerate(of_reason):
            ax = figure.add_subplot(grid[row, column])
            ax.imshow(images[k], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            _, at, position = tile.label.partition("@")
            name = tile.file if len(tile.file) <= _LONGEST else f"…{tile.file[1 - _LONGEST :]}"
            ax.set_xlabel(_plain(name + at + position), fontsize=7, labelpad=2)
            if not column:
                shown = len(of_reason)
                n = counts[reason]
                title = f"{reason}: {n:,} {'tile' if n == 1 else 'tiles'}, {shown} shown"
                ax.set_title(title, fontsize=9, loc="left", fontweight="bold", pad=4)
    if not reasons:
        figure.text(0.5, 0.4, "No tile was dropped.", ha="center", fontsize=10)
    figure.savefig(target, dpi=_DPI, format="png")
    return target


def _plain(text: str) -> str:
    """Return text without the signs that matplotlib takes for formulas."""
    return text.replace("$", r"\$")
