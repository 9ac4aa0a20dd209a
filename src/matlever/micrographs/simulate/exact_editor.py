"""The editor that makes no mistake: the same packing, drawn again at other attributes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import DataError
from matlever.knobs import Knob, KnobSpace
from matlever.micrographs.simulate.law import ATTRIBUTES, PeakStressLaw
from matlever.micrographs.simulate.tile import draw
from matlever.micrographs.tiles import Tiles

__all__ = ["ExactEditor"]

Array = NDArray[np.float64]


class ExactEditor:
    """Draws simulated tiles again with their attributes turned: the measure of learned editors.

    A tile's own attributes scatter around its lot's. A knob is the lot's; turning it moves the
    tile by as much, so at the lot's own values the tile comes out as it was.

    Parameters
    ----------
    fixed : sequence of str, default=()
        Attributes that stay.
    """

    most_rows = 256
    usual_budget = 300

    def __init__(self, *, fixed: Sequence[str] = ()) -> None:
        self.space = KnobSpace(
            [Knob(name, lower=0.0, upper=1.0, fixed=name in fixed) for name in ATTRIBUTES]
        )

    def __repr__(self) -> str:
        return f"ExactEditor({', '.join(ATTRIBUTES)})"

    def values(self, samples: Tiles) -> Array:
        """Return the attributes of the tiles' lots, of shape (n, 4)."""
        return samples.attributes

    def render(self, samples: Tiles, values: Array) -> Tiles:
        """Return n * r tiles: packing i drawn at ``values[i, 0]``, ``values[i, 1]``, ...

        Raises
        ------
        DataError
            If the tiles were not simulated.
        """
        _, r, _ = values.shape
        scenes = np.repeat(_scenes(samples), r)
        scenes["attributes"] = self.tile_attributes(samples, values).reshape(-1, len(ATTRIBUTES))
        return samples.edited(draw(scenes)[0], values)

    def tile_attributes(self, samples: Tiles, values: Array) -> Array:
        """Return the exact attributes of the tiles at settings of their lots, (n, r, 4)."""
        moved = _scenes(samples)["attributes"][:, None] + values - samples.attributes[:, None]
        return np.clip(moved, 0.0, 1.0)

    def stress(self, samples: Tiles, values: Array) -> Array:
        """Return what the law says of the tiles at settings of their lots, (n, r), psi."""
        exact = self.tile_attributes(samples, values)
        law = PeakStressLaw().stress(exact.reshape(-1, len(ATTRIBUTES)))
        return law.reshape(exact.shape[:2])


def _scenes(samples: Tiles) -> NDArray[np.void]:
    if samples.scenes is None:
        raise DataError(
            "Only simulated tiles can be drawn again exactly; these have no scenes. Use a learned "
            "editor."
        )
    return samples.scenes
