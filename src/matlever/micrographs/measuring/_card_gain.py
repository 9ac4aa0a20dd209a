"""How much a meter reads for a turn of each knob, and how much of it is the meter's own doing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MeterReading", "readings_of_real_tiles", "summarise"]

Array = NDArray[np.float64]

_N_BOOTSTRAP = 1000
# A meter judges an attribute if it reads so much of a whole turn that is known to have happened,
# and explains so much of its variance on tiles of lots it was not trained on.
_LEAST_READING, _LEAST_R2 = 0.2, 0.1


@dataclass(frozen=True, eq=False)
class MeterReading:
    """What one meter read while each of k knobs was turned.

    Attributes
    ----------
    names : tuple of k str
    raw : ndarray of shape (k, k)
        Change of measured attribute j for a whole turn of knob i, mean of the tiles.
    own : ndarray of shape (k, k)
        The same where the attributes are known to have been turned: the meter's own shrinkage
        and cross-talk.
    gain : ndarray of shape (k, k)
        The turns of attributes j that explain what was read for a whole turn of knob i: `raw` times
        the inverse of `own`. NaN in the columns of attributes that the meter cannot read; a knob
        of these is taken to turn its attribute as it should.
    low, high : ndarray of shape (k, k)
        95 % interval of `gain`, by resampling lots.
    readable : ndarray of shape (k,), bool
        Whether the meter can read the attribute: 0.2 or more of a known turn, R2 of 0.1 or more.
    monotone : ndarray of shape (k,)
        Share of the steps of the sweeps, averaged over the tiles of a lot, that go the way they
        should.
    monotone_tiles : ndarray of shape (k,)
        The same, tile by tile, with the meter's noise.
    curves : ndarray of shape (k, m, k)
        Mean reading of attribute j with knob i at its m values.
    r2 : tuple of k float
        The meter's own score on tiles of lots it was not trained on.
    """

    names: tuple[str, ...]
    raw: Array
    own: Array
    gain: Array
    low: Array
    high: Array
    readable: NDArray[np.bool_]
    monotone: Array
    monotone_tiles: Array
    curves: Array
    r2: tuple[float, ...]

    @property
    def largest_off_diagonal(self) -> float:
        """Largest gain of an attribute whose knob was not turned; NaN where none can be read."""
        off = np.abs(self.gain[~np.eye(len(self.names), dtype=bool)])
        return float(np.nanmax(off)) if np.isfinite(off).any() else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; None for what cannot be judged."""
        arrays = ("raw", "own", "gain", "low", "high", "monotone", "monotone_tiles", "curves")
        values = {name: _plain(getattr(self, name)) for name in arrays}
        return {
            "names": list(self.names),
            **values,
            "readable": self.readable.tolist(),
            "r2": [float(value) for value in self.r2],
        }


def _plain(array: Array) -> Any:
    if array.ndim > 1:
        return [_plain(row) for row in array]
    return [float(value) if np.isfinite(value) else None for value in array]


def summarise(
    names: tuple[str, ...],
    values: Array,
    readings: Array,
    lot: NDArray[np.intp],
    own: Array,
    r2: dict[str, float],
    random_state: int,
) -> MeterReading:
    """Return gains of a meter with their spread over lots.

    Parameters
    ----------
    names : tuple of k str
    values : ndarray of shape (m,)
        Values that each knob was set to.
    readings : ndarray of shape (n, k, m, k)
        Attribute j of tile t with knob i at value m.
    lot : ndarray of shape (n,)
        Lots of the tiles.
    own : ndarray of shape (n, k, k), or (b, k, k)
        Slopes for known turns: of the same n tiles, or b resampled ones.
    r2 : dict
        Of the meter.
    random_state : int
        Of the resampling.
    """
    slopes = slopes_of(values, readings)
    paired = len(own) == len(slopes)
    raw, known = slopes.mean(axis=0), own.mean(axis=0)
    scores = np.array([r2[name] for name in names])
    readable = (np.diag(known) >= _LEAST_READING) & (scores >= _LEAST_R2)
    rng = np.random.default_rng([random_state, 21])
    lots, of_lot = np.unique(lot, return_inverse=True)
    again = np.empty((_N_BOOTSTRAP, *raw.shape))
    for b in range(_N_BOOTSTRAP):
        weight = np.bincount(rng.integers(0, len(lots), len(lots)), minlength=len(lots))[of_lot]
        weight = weight / weight.sum()
        some = np.tensordot(weight, own, 1) if paired else own[rng.integers(len(own))]
        again[b] = _explained(np.tensordot(weight, slopes, 1), some, readable)
    low, high = np.quantile(again, [0.025, 0.975], axis=0)
    diagonal = np.moveaxis(np.diagonal(readings, axis1=1, axis2=3), -1, 1)  # (n, k, m)
    of_lots = np.stack([diagonal[of_lot == one].mean(axis=0) for one in range(len(lots))])
    return MeterReading(
        names=names,
        raw=raw,
        own=known,
        gain=_explained(raw, known, readable),
        low=low,
        high=high,
        readable=readable,
        monotone=(np.diff(of_lots, axis=2) > 0).mean(axis=(0, 2)),
        monotone_tiles=(np.diff(diagonal, axis=2) > 0).mean(axis=(0, 2)),
        curves=readings.mean(axis=0),
        r2=tuple(scores.tolist()),
    )


def slopes_of(values: Array, readings: Array) -> Array:
    """Return least-squares slopes (n, k, k) of readings (n, k, m, k) over m values."""
    centred = values - values.mean()
    slopes: Array = np.einsum("m,nimj->nij", centred / (centred @ centred), readings)
    return slopes


def _explained(raw: Array, own: Array, readable: NDArray[np.bool_]) -> Array:
    """Return the turns of readable attributes that explain what was read, NaN for the others."""
    gain = np.full(raw.shape, np.nan)
    if readable.any():
        # A turn that cannot be read shows in the other columns as the meter's cross-talk only.
        hidden = own * ~readable[:, None]
        square = own[np.ix_(readable, readable)]
        gain[:, readable] = (raw - hidden)[:, readable] @ np.linalg.pinv(square)
    return gain


def readings_of_real_tiles(
    attributes: Array, read: Array, lot: NDArray[np.intp], random_state: int, n: int = 200
) -> Array:
    """Return what a meter reads for a whole turn of each label of real lots, (n, k, k).

    Least squares of the mean readings of lots on the labels of lots, all labels at once, so that
    labels which go together are not mixed up; n resamples of the lots.
    """
    lots = np.unique(lot)
    labels = np.stack([attributes[lot == one].mean(axis=0) for one in lots])
    means = np.stack([read[lot == one].mean(axis=0) for one in lots])
    rng = np.random.default_rng([random_state, 22])
    found = np.empty((n, labels.shape[1], means.shape[1]))
    for b in range(n):
        rows = rng.integers(0, len(lots), len(lots))
        design = np.column_stack([np.ones(len(rows)), labels[rows]])
        found[b] = np.linalg.lstsq(design, means[rows], rcond=1e-6)[0][1:]
    return found
