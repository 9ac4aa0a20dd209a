"""What all meters have: a checked truth, lots held out to be judged on, a place in a folder."""

from __future__ import annotations

import os
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import DataError, ModelFileError, NotEnoughDataError, SettingsError
from matlever.micrographs.tiles import Tiles
from matlever.storage import State

__all__ = [
    "check_kind",
    "check_side",
    "checked_truth",
    "held_out_lots",
    "r2_of",
    "restore_meter",
    "shown_meter",
]

Array = NDArray[np.float64]
Fitted = TypeVar("Fitted", bound=Any)

_LEAST_LOTS = 4


def checked_truth(tiles: Tiles, truth: ArrayLike | None) -> Array:
    """Return what a meter learns, after checking that there is enough of it."""
    wanted = np.asarray(tiles.attributes if truth is None else truth, dtype=np.float64)
    if wanted.shape != (len(tiles), len(tiles.names)):
        raise DataError(
            f"The truth of {len(tiles)} tiles and the attributes {', '.join(tiles.names)} has "
            f"shape ({len(tiles)}, {len(tiles.names)}), not {wanted.shape}."
        )
    if not np.isfinite(wanted).all():
        raise DataError("The truth of the tiles has values that are missing or infinite.")
    n_lots = len(np.unique(tiles.lot))
    if n_lots < _LEAST_LOTS:
        raise NotEnoughDataError(
            f"A meter needs tiles of {_LEAST_LOTS} lots or more, for it is judged on lots held "
            f"out; there are {n_lots}."
        )
    return wanted


def held_out_lots(tiles: Tiles, share: float, seed: int) -> NDArray[np.bool_]:
    """Return which tiles belong to a random share of the lots, two lots at least."""
    lots = np.unique(tiles.lot)
    n = int(np.clip(round(share * len(lots)), 2, len(lots) - 2))
    chosen = np.random.default_rng([seed, 1]).permutation(lots)[:n]
    return np.isin(tiles.lot, chosen)


def r2_of(truth: Array, found: Array, names: tuple[str, ...]) -> dict[str, float]:
    """Return the share of variance explained of each attribute; 0 where there is none."""
    residual = ((truth - found) ** 2).sum(axis=0)
    total = ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
    return {
        name: float(1 - a / b) if b > 0 else 0.0
        for name, a, b in zip(names, residual, total, strict=True)
    }


def shown_meter(meter: Any, kind: str) -> str:
    if not hasattr(meter, "r2_"):
        return f"{kind}(not fitted)"
    scores = ", ".join(f"{name} {value:.2f}" for name, value in meter.r2_.items())
    return f"{kind}(R2 on tiles of held-out lots: {scores})"


def check_side(meter: Any, tiles: Tiles) -> None:
    if not hasattr(meter, "side_"):
        raise SettingsError("The meter is not fitted: call fit(tiles) first.")
    if (*tiles.shape[1:], tiles.channels) != (*meter.side_, meter.channels_):
        height, width = meter.side_
        raise DataError(
            f"The meter was trained on tiles of {width} x {height} px with {meter.channels_} "
            f"channel(s); these have {tiles.shape[2]} x {tiles.shape[1]} px and {tiles.channels}."
        )


def check_kind(state: State, kind: str, folder: str | os.PathLike[str]) -> None:
    if state.kind != kind:
        raise ModelFileError(f"{folder} holds a {state.kind!r}, not a {kind!r}.")


def restore_meter(kind: type[Fitted], state: State) -> Fitted:
    """Return a meter with its settings and what both kinds have.

    Raises
    ------
    ModelFileError
        If a value is missing or cannot be used.
    """
    try:
        meter: Fitted = kind(**state.get("settings"))
        meter.names_ = tuple(str(name) for name in state.get("names"))
        height, width = state.get("side")
        meter.side_ = (int(height), int(width))
        meter.channels_ = int(state.get("channels"))
        meter.r2_ = {str(name): float(value) for name, value in state.get("r2").items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ModelFileError(f"{state.kind}: a value cannot be used ({error}).") from error
    return meter
