"""Figures of merit of predictions for tiles: by tile, and by lot with an interval over lots."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matlever.validation.metrics import r2, rmse

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Figures", "SplitResult", "lot_means", "split_result"]

Array = NDArray[np.float64]
Integers = NDArray[np.intp]

_DRAWS = 2_000
_INTERVAL = (0.05, 0.95)


@dataclass(frozen=True)
class Figures:
    """How far predictions lie from what was measured.

    Attributes
    ----------
    n : int
        Tiles or lots compared.
    rmse : float
        In the unit of the property.
    mape_percent : float
        Mean absolute error as a percentage of the measured value; NaN where one is zero.
    r2 : float
        Share of the variance explained; NaN when all measured values are one.
    r2_low, r2_high : float
        From the 5th to the 95th percentile of R2 over 2,000 bootstrap samples of whole lots.
    """

    n: int
    rmse: float
    mape_percent: float
    r2: float
    r2_low: float
    r2_high: float

    def to_dict(self) -> dict[str, float | int | None]:
        """Return JSON values; what is not a number becomes None."""
        return {key: _plain(value) for key, value in vars(self).items()}


@dataclass(frozen=True, eq=False, repr=False)
class SplitResult:
    """Predictions for tiles that were kept from training, and how good they are.

    Attributes
    ----------
    prediction : ndarray of shape (n_tiles,)
        NaN for tiles that were never kept out.
    measured : ndarray of shape (n_tiles,)
        What the training was told of each tile's lot; shuffled where that is the point.
    lot : ndarray of shape (n_tiles,), int
    lot_names : tuple of str
    by_tile, by_lot : Figures
        Tiles alone, and the mean of a lot's tiles against the lot.
    """

    prediction: Array
    measured: Array
    lot: Integers
    lot_names: tuple[str, ...]
    by_tile: Figures
    by_lot: Figures

    def __repr__(self) -> str:
        return f"SplitResult(by_tile={self.by_tile}, by_lot={self.by_lot})"

    def lots(self) -> pd.DataFrame:
        """Return one row for each lot with predicted tiles.

        Columns: ``measured``, ``mean`` and ``sd`` of the predictions for its tiles, ``rmse`` over
        them, and ``n_tiles`` (figures 8 and 9 of the study).
        """
        import pandas as pd

        kept = np.isfinite(self.prediction)
        frame = pd.DataFrame(
            {
                "lot": np.asarray(self.lot_names, dtype=object)[self.lot[kept]],
                "at": self.lot[kept],
                "measured": self.measured[kept],
                "prediction": self.prediction[kept],
                "square": (self.prediction[kept] - self.measured[kept]) ** 2,
            }
        )
        groups = frame.groupby("at")
        return pd.DataFrame(
            {
                "lot": groups["lot"].first(),
                "measured": groups["measured"].first(),
                "mean": groups["prediction"].mean(),
                "sd": groups["prediction"].std(ddof=0),
                "rmse": np.sqrt(groups["square"].mean()),
                "n_tiles": groups.size(),
            }
        ).set_index("lot")

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values: both figures, and the table of the lots."""
        lots = self.lots().reset_index()
        return {
            "by_tile": self.by_tile.to_dict(),
            "by_lot": self.by_lot.to_dict(),
            "lots": {str(name): lots[name].tolist() for name in lots.columns},
        }


def split_result(
    prediction: Array,
    measured: Array,
    lot: Integers,
    lot_names: tuple[str, ...],
    random_state: int,
) -> SplitResult:
    """Score predictions (n_tiles,), of which those that are NaN do not count."""
    kept = np.isfinite(prediction)
    p, y, lots = prediction[kept], measured[kept], lot[kept]
    present, at = np.unique(lots, return_inverse=True)
    draws = np.random.default_rng((random_state, 7)).integers(
        0, len(present), (_DRAWS, len(present))
    )
    counts = np.stack([np.bincount(d, minlength=len(present)) for d in draws]).astype(float)
    mean_y, mean_p = lot_means(y, at), lot_means(p, at)
    size = np.bincount(at).astype(float)
    return SplitResult(
        prediction,
        measured,
        lot,
        lot_names,
        by_tile=_figures(y, p, counts, size, lot_means((y - p) ** 2, at) * size, mean_y),
        by_lot=_figures(mean_y, mean_p, counts, np.ones(len(size)), (mean_y - mean_p) ** 2, mean_y),
    )


def lot_means(values: Array, lot: Integers) -> Array:
    """Return the mean over the tiles of each lot, lots being numbered 0, 1, ... without a gap."""
    return np.asarray(np.bincount(lot, values) / np.bincount(lot))


def _figures(
    y: Array, p: Array, counts: Array, size: Array, squares: Array, lot_y: Array
) -> Figures:
    """Return figures; the bootstrap works on sums by lot, of `size` values each."""
    n = counts @ size
    with np.errstate(divide="ignore", invalid="ignore"):
        total = counts @ (size * lot_y**2) - (counts @ (size * lot_y)) ** 2 / n
        drawn = 1 - (counts @ squares) / total
    drawn = drawn[total > 1e-9 * float((size * lot_y**2).sum())]
    low, high = np.quantile(drawn, _INTERVAL) if len(drawn) else (math.nan, math.nan)
    return Figures(
        n=len(y),
        rmse=rmse(y, p),
        mape_percent=100 * float(np.abs((y - p) / y).mean()) if y.all() else math.nan,
        r2=r2(y, p),
        r2_low=float(low),
        r2_high=float(high),
    )


def _plain(value: float) -> float | int | None:
    return value if math.isfinite(value) else None
