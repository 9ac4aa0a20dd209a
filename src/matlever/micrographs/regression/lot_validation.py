"""What a regressor of tiles is worth: on random tiles, on unseen lots, and with nothing to learn.

The study this room follows keeps a tenth of the *tiles* from training. Every lot is then seen in
training and all its tiles bear one label, so a network scores well by telling the lots apart,
whether or not it knows why one is stronger. The honest question is a lot that was never seen. The
third run shows the difference: the labels are shuffled among the lots, so there is nothing to
learn but the lots themselves.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from matlever.exceptions import DataError, Fault, NotEnoughDataError, SettingsError
from matlever.micrographs.regression._lot_scores import SplitResult, lot_means, split_result
from matlever.micrographs.tiles import Tiles
from matlever.validation.splits import plan_folds

__all__ = ["LotValidation", "validate_lots"]

Array = NDArray[np.float64]
Integers = NDArray[np.intp]
Progress = Callable[[int, int, str], None]

_FEWEST_LOTS = 5
_SHUFFLES = 64
_NOTHING = 0.1  # R2 that is called nothing


@dataclass(frozen=True, eq=False, repr=False)
class LotValidation:
    """Three numbers of a regressor of tiles.

    Attributes
    ----------
    name : str
        The property.
    lots_held_out : SplitResult
        Whole lots kept from training: the headline.
    tile_split : SplitResult
        Random tiles kept from training, as published; every lot was seen.
    shuffled_lots_held_out, shuffled_tile_split : SplitResult or None
        The same after the property was shuffled among the lots.
    fold_of_lot : ndarray of shape (n_lots,), int
        Fold that kept each lot out; -1 for lots without tiles.
    fold_models : tuple
        The regressors fitted without each fold, for intervals.
    """

    name: str
    lots_held_out: SplitResult
    tile_split: SplitResult
    shuffled_lots_held_out: SplitResult | None
    shuffled_tile_split: SplitResult | None
    fold_of_lot: Integers
    fold_models: tuple[Any, ...] = field(default=())

    @property
    def leaks(self) -> bool:
        """Whether the published protocol flatters: it scores with nothing to learn, or far more."""
        if self.shuffled_tile_split is not None and self.shuffled_tile_split.by_tile.r2 > _NOTHING:
            return True
        return self.tile_split.by_lot.r2 - self.lots_held_out.by_lot.r2 > _NOTHING

    @property
    def verdict(self) -> str:
        """What the numbers mean together."""
        held, seen = self.lots_held_out, self.tile_split
        parts = [
            f"For lots never seen, the mean over a lot's tiles predicts {self.name} with R² "
            f"{_figure(held.by_lot.r2)} (90 % interval {_figure(held.by_lot.r2_low)} to "
            f"{_figure(held.by_lot.r2_high)} over {held.by_lot.n} lots) and an error of "
            f"{held.by_lot.mape_percent:.1f} %: this is the number to quote.",
            "Random tiles of lots that were all seen in training, the published protocol, give R² "
            f"{_figure(seen.by_tile.r2)} and {seen.by_tile.mape_percent:.1f} %.",
        ]
        told, lots = self.shuffled_tile_split, self.shuffled_lots_held_out
        if told is not None and lots is not None:
            what = (
                f"With {self.name} shuffled among the lots, so with nothing to learn, random tiles "
                f"{'still ' if told.by_tile.r2 > _NOTHING else ''}give R² "
                f"{_figure(told.by_tile.r2)} and unseen lots {_figure(lots.by_lot.r2)}"
            )
            if told.by_tile.r2 > _NOTHING:
                what += ": the random tiles leak their lots, and their score is no evidence"
            parts.append(what + ".")
            if lots.by_lot.r2 > _NOTHING:
                parts.append(
                    "That unseen lots can be predicted from shuffled labels must not be: look for "
                    "tiles of one lot that stand in two."
                )
        elif self.leaks:
            parts.append("The difference is what tiles tell of lots that were seen.")
        return " ".join(parts)

    def __repr__(self) -> str:
        return f"LotValidation: {self.verdict}"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "name": self.name,
            "leaks": self.leaks,
            "verdict": self.verdict,
            "fold_of_lot": self.fold_of_lot.tolist(),
            **{
                key: None if result is None else result.to_dict()
                for key, result in (
                    ("lots_held_out", self.lots_held_out),
                    ("tile_split", self.tile_split),
                    ("shuffled_lots_held_out", self.shuffled_lots_held_out),
                    ("shuffled_tile_split", self.shuffled_tile_split),
                )
            },
        }


@dataclass(frozen=True)
class _Fit:
    """One regressor to be fitted: on which tiles, what they are said to be, what is predicted."""

    name: str
    train: Integers
    test: Integers
    y: Array


def validate_lots(
    regressor: Any,
    tiles: Tiles,
    y: ArrayLike,
    *,
    name: str = "the property",
    n_folds: int = 5,
    tile_share: float = 0.1,
    shuffled: bool = True,
    random_state: int = 0,
    n_jobs: int = 1,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> LotValidation:
    """Fit a regressor anew for each protocol, and score the tiles that were kept from it.

    Parameters
    ----------
    regressor : estimator
        Cloned for each fit; ``fit(tiles, y)`` and ``predict(tiles)``.
    tiles : Tiles
        n tiles, each of one lot.
    y : array_like of shape (n,)
        The property of each tile's lot.
    name : str
        What the property is called in sentences.
    n_folds : int, default=5
        Folds of lots.
    tile_share : float, default=0.1
        Share of tiles kept out in the published protocol.
    shuffled : bool, default=True
        Also run both on shuffled lots, which doubles the time. Of 64 shuffles the one that
        correlates least with the measured values is taken.
    random_state : int, default=0
        Seed of folds, tiles, shuffle and bootstrap.
    n_jobs : int, default=1
        Fits at a time, in threads that compute with one core each.
    checkpoint : path, optional
        Folder in which fits that are finished or on their way are kept (for regressors with
        ``to_state`` and ``fit(..., checkpoint=)``): a run that was killed goes on, with the same
        result. The folder stays; remove it when done.
    progress : callable, optional
        Called with (fits done, fits, "fit").

    Returns
    -------
    validation : LotValidation

    Raises
    ------
    DataError
        If tiles of one lot bear several values.
    NotEnoughDataError
        If there are fewer than five lots.
    """
    values = np.asarray(y, dtype=np.float64)
    present, at = _lots(tiles, values)
    if not 0 < tile_share < 1:
        raise SettingsError(f"tile_share={tile_share} must lie between 0 and 1.")
    plan = plan_folds(
        len(present), groups=present, n_folds=n_folds, n_repeats=1, random_state=random_state
    )
    fold = plan.fold_of_row[0]
    random = np.random.default_rng((random_state, 3))
    some = np.sort(random.permutation(len(tiles))[: max(1, round(tile_share * len(tiles)))])
    told = [values]
    if shuffled:
        told.append(_shuffle(lot_means(values, at), random)[at])
    fits: list[_Fit] = []
    everything = np.arange(len(tiles))
    for k, labels in enumerate(told):
        tag = "shuffled_" if k else ""
        for i in range(plan.n_folds):
            test = np.flatnonzero(fold[at] == i)
            fits.append(_Fit(f"{tag}fold_{i}", np.setdiff1d(everything, test), test, labels))
        fits.append(_Fit(f"{tag}tiles", np.setdiff1d(everything, some), some, labels))
    folder = None if checkpoint is None else Path(checkpoint)
    models, predictions = _run(regressor, tiles, fits, n_jobs, folder, progress)
    results: list[SplitResult] = []
    step = plan.n_folds + 1
    for k, labels in enumerate(told):
        for part in (
            slice(k * step, (k + 1) * step - 1),
            slice((k + 1) * step - 1, (k + 1) * step),
        ):
            found = np.full(len(tiles), np.nan)
            for fit, predicted in zip(fits[part], predictions[part], strict=True):
                found[fit.test] = predicted
            results.append(split_result(found, labels, tiles.lot, tiles.lot_names, random_state))
    fold_of_lot = np.full(len(tiles.lot_names), -1, dtype=np.intp)
    fold_of_lot[present] = fold
    return LotValidation(
        name=name,
        lots_held_out=results[0],
        tile_split=results[1],
        shuffled_lots_held_out=results[2] if shuffled else None,
        shuffled_tile_split=results[3] if shuffled else None,
        fold_of_lot=fold_of_lot,
        fold_models=tuple(models[: plan.n_folds]),
    )


def _lots(tiles: Tiles, values: Array) -> tuple[Integers, Integers]:
    """Return the lots that have tiles, and each tile's position among them, after checks."""
    if values.shape != (len(tiles),):
        raise DataError(
            f"{len(tiles)} tiles need {len(tiles)} values of one property, got {values.shape}."
        )
    present, at = np.unique(tiles.lot, return_inverse=True)
    if len(present) < _FEWEST_LOTS:
        raise NotEnoughDataError(
            f"There are {len(present)} lots with tiles; at least {_FEWEST_LOTS} are needed to say "
            "what a prediction for an unseen lot is worth."
        )
    faults = []
    for i, lot in enumerate(present):
        own = np.unique(values[at == i])
        if len(own) > 1:
            faults.append(
                Fault(
                    f"its tiles bear {len(own)} values of one property, from {own[0]:.6g} to "
                    f"{own[-1]:.6g}",
                    "Give every tile the value of its lot.",
                    file=f"lot {tiles.lot_names[lot]}",
                )
            )
        elif not np.isfinite(own[0]):
            faults.append(
                Fault(
                    "it has no measured value",
                    "Leave the lot out.",
                    file=f"lot {tiles.lot_names[lot]}",
                )
            )
    if faults:
        raise DataError(faults)
    return present.astype(np.intp), at.astype(np.intp)


def _shuffle(values: Array, random: np.random.Generator) -> Array:
    """Return values shuffled so that they hardly correlate with what they were."""
    drawn = [random.permutation(values) for _ in range(_SHUFFLES)]
    if not np.ptp(values) > 0:
        return drawn[0]
    return min(drawn, key=lambda shuffle: abs(float(np.corrcoef(values, shuffle)[0, 1])))


def _run(
    regressor: Any,
    tiles: Tiles,
    fits: list[_Fit],
    n_jobs: int,
    folder: Path | None,
    progress: Progress | None,
) -> tuple[list[Any], list[Array]]:
    """Fit all, and return the models and what each predicts for its test tiles."""
    from matlever.micrographs.regression._tile_batches import view
    from matlever.training import one_torch_thread

    if n_jobs < 1:
        raise SettingsError(f"n_jobs={n_jobs} must be 1 or more.")

    def run(fit: _Fit) -> tuple[Any, Array]:
        model = _fitted(regressor, view(tiles, fit.train), fit, folder)
        predicted = model.predict(view(tiles, fit.test))
        return model, np.asarray(predicted, dtype=np.float64).reshape(-1)

    found: list[tuple[Any, Array]] = []
    with one_torch_thread() if n_jobs > 1 else nullcontext(), ThreadPoolExecutor(n_jobs) as pool:
        for done, result in enumerate(pool.map(run, fits), start=1):
            found.append(result)
            if progress is not None:
                progress(done, len(fits), "fit")
    return [model for model, _ in found], [prediction for _, prediction in found]


def _fitted(regressor: Any, tiles: Tiles, fit: _Fit, folder: Path | None) -> Any:
    """Return the regressor fitted, from the folder where it was kept there."""
    model = clone(regressor)
    y = fit.y[fit.train]
    if folder is None or not hasattr(model, "to_state"):
        return model.fit(tiles, y)
    from matlever.storage import read_model, write_model

    done = folder / f"{fit.name}_done"
    mark = model.fingerprint(tiles, y)
    if done.exists():
        state, card = read_model(done)
        if card.get("fingerprint") != mark:
            raise SettingsError(
                f"{folder} holds the validation of other tiles, values or settings. Give another "
                "checkpoint folder, or remove this one."
            )
        return type(model).from_state(state)
    model.fit(tiles, y, checkpoint=folder / fit.name)
    write_model(done, model.to_state(), {"fingerprint": mark})
    return model


def _figure(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
