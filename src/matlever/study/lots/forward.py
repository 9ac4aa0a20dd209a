"""Forward explanation of lots: what is predicted while one attribute is turned, tile by tile.

The micrograph study's figures 4 and 5: one tile along an attribute, all tiles of a lot as box
plots, and a grid of attributes by lots.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matlever.explanation import Sweeps, sweep
from matlever.knobs import Editor, Predictor
from matlever.micrographs import Tiles
from matlever.study.lots.aligned import AlignedEditor, AlignedTiles, aligned, reconstruction_shift

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LotSweeps", "sweep_lot"]

Array = NDArray[np.float64]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False, repr=False)
class LotSweeps:
    """Predictions of n tiles of one lot while each attribute alone is turned.

    Attributes
    ----------
    lot : str
        Name of the lot.
    tiles : tuple of n str
        Names of the tiles.
    start : ndarray of shape (k,)
        Attributes of the lot.
    prediction : ndarray of shape (n,)
        Predictions of the tiles as they are.
    shift : ndarray of shape (n,)
        By how much those of the reconstructed tiles are lower.
    is_corrected : bool
        Whether the shift was added to what is predicted of edited tiles.
    sweeps : Sweeps
        One sweep per attribute that was turned.
    """

    lot: str
    tiles: tuple[str, ...]
    start: Array
    prediction: Array
    shift: Array
    is_corrected: bool
    sweeps: Sweeps

    def __repr__(self) -> str:
        return f"Lot {self.lot}, {len(self.tiles)} tiles\n{self.sweeps!r}"

    def to_frame(self) -> pd.DataFrame:
        """Return one line per attribute, value and tile."""
        import pandas as pd

        return pd.concat(
            [
                pd.DataFrame(
                    {
                        "lot": self.lot,
                        "attribute": one.knob.name,
                        "value": np.repeat(one.values, len(self.tiles)),
                        "tile": self.tiles * len(one.values),
                        "prediction": one.individual.T.ravel(),
                    }
                )
                for one in self.sweeps
            ],
            ignore_index=True,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values.

        Returns
        -------
        values : dict
            ``lot``, ``tiles``, ``start``, ``prediction``, ``shift``, ``is_corrected`` and
            ``sweeps``, a list of `Sweep.to_dict`.
        """
        return {
            "lot": self.lot,
            "tiles": list(self.tiles),
            "start": self.start.tolist(),
            "prediction": self.prediction.tolist(),
            "shift": self.shift.tolist(),
            "is_corrected": self.is_corrected,
            "sweeps": self.sweeps.to_dict()["sweeps"],
        }


def sweep_lot(
    predictor: Predictor,
    editor: Editor,
    tiles: Tiles,
    *,
    attributes: Sequence[str] | None = None,
    n_values: int = 11,
    correct: bool = True,
    reference: Tiles | None = None,
    target: str | None = None,
    progress: Progress | None = None,
) -> LotSweeps:
    """Turn each attribute of some tiles of one lot, and predict.

    Parameters
    ----------
    predictor, editor
        Of `Tiles`; of one target.
    tiles : Tiles
        n tiles of one lot.
    attributes : sequence of str or None, default=None
        Which are turned; by default all that are not fixed.
    n_values : int, default=11
        Values between the limits.
    correct : bool, default=True
        Whether the shift of each tile's prediction by mere reconstruction is taken out.
    reference : Tiles or None, default=None
        One tile of each known lot; they say which values are near known lots.
    target : str or None, default=None
        Name of the property.
    progress : callable or None, default=None
        As in `matlever.sweep`.

    Returns
    -------
    sweeps : LotSweeps
    """
    prediction, shift = reconstruction_shift(predictor, editor, tiles)
    samples = AlignedTiles(tiles, shift if correct else np.zeros(len(tiles)))
    known = None if reference is None else AlignedTiles(reference, np.zeros(len(reference)))
    found = sweep(
        aligned(predictor),
        AlignedEditor(editor),
        samples,
        attributes,
        n_values,
        reference=known,
        targets=None if target is None else [target],
        progress=progress,
    )
    return LotSweeps(
        lot=tiles.lot_names[int(tiles.lot[0])],
        tiles=tile_labels(tiles),
        start=np.asarray(editor.values(tiles), dtype=float).mean(axis=0),
        prediction=prediction,
        shift=shift,
        is_corrected=correct,
        sweeps=found,
    )


def tile_labels(tiles: Tiles) -> tuple[str, ...]:
    """Return the names of tiles: their labels, or lot and position."""
    if tiles.labels is not None:
        return tuple(tiles.labels)
    return tuple(f"{tiles.lot_names[int(k)]}/{i}" for i, k in enumerate(tiles.lot))
