"""One network of a tile regressor from its first weights to its last, resumable at every epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from matlever.micrographs.regression._tile_batches import Augmentation, intensities
from matlever.micrographs.regression._tile_training import Epoch, LoopSettings, Training
from matlever.micrographs.regression._whole_tiles import (
    N_VIEWS,
    HeadSettings,
    refit_head,
    whole_features,
)
from matlever.micrographs.regression.wide_resnet import WideResNet
from matlever.micrographs.tiles import Tiles

if TYPE_CHECKING:
    from matlever.micrographs.regression.estimator import TileRegressor

__all__ = ["Member", "stages", "train_member"]


@dataclass(frozen=True, eq=False)
class Member:
    """A trained network and how it came about.

    Attributes
    ----------
    network : WideResNet
        In evaluation mode.
    history, head_history : list of Epoch
        Errors after each round of the training, and of the fit of its head to whole tiles.
    """

    network: WideResNet
    history: list[Epoch]
    head_history: list[Epoch]


def stages(regressor: TileRegressor) -> int:
    """Return what one member counts in progress: epochs, views of whole tiles, their head."""
    return regressor.epochs + (N_VIEWS + 1 if regressor.head_epochs else 0)


def train_member(
    regressor: TileRegressor,
    number: int,
    tiles: Tiles,
    outputs: NDArray[np.float32],
    weights: NDArray[np.float32],
    held_out: NDArray[np.intp],
    folder: Path | None,
    mark: str,
    tick: Callable[[int], None],
) -> Member:
    """Train one network, or take it up where it was left.

    Parameters
    ----------
    regressor : TileRegressor
        Its settings.
    number : int
        Of the member.
    tiles : Tiles of n tiles
    outputs : ndarray of shape (n, outputs)
        What the head is to say.
    weights : ndarray of shape (outputs,)
        Of each output in the error.
    held_out : ndarray of int
        Tiles that end the training.
    folder : path or None
        To resume from.
    mark : str
        Fingerprint of tiles and settings.
    tick : callable
        Takes how many of the stages are done.
    """
    rows = np.setdiff1d(np.arange(len(tiles)), held_out)
    seed = np.random.SeedSequence((regressor.random_state, number)).generate_state(3)
    network = _first(regressor, tiles.channels, outputs.shape[1], int(seed[0]))
    found = intensities(tiles, rows)
    network.mean.copy_(torch.tensor(found.mean))
    network.sd.copy_(torch.tensor(found.sd))
    training = Training(network, _loop_settings(regressor), (int(seed[1]),))
    here = None if folder is None else folder / f"member_{number}"
    if here is not None and here.exists():
        training.read(here, mark)
    while not training.is_done:
        training.epoch(tiles, outputs, weights, rows, held_out)
        if here is not None:
            training.write(here, mark)
        tick(len(training.history))
    trained = training.finished()
    heads: list[Epoch] = []
    if regressor.head_epochs:
        settings = HeadSettings(
            regressor.head_epochs,
            regressor.batch_size,
            regressor.flips,
            regressor.device,
            regressor.channels_last,
        )
        kept = None if folder is None else folder / f"whole_{number}"
        counted = iter(range(regressor.epochs + 1, stages(regressor)))
        features = whole_features(trained, tiles, settings, kept, mark, lambda: tick(next(counted)))
        fit = (outputs, weights, rows, held_out)
        heads = refit_head(trained, features, *fit, settings, (int(seed[2]),))
        tick(stages(regressor))
    return Member(trained, training.history, heads)


def _first(regressor: TileRegressor, channels: int, outputs: int, seed: int) -> WideResNet:
    """Return a network with its first weights."""
    with torch.random.fork_rng(devices=[]):  # weights are drawn as it is made, and drawn again
        network = WideResNet(
            depth=regressor.depth,
            widen=regressor.widen,
            channels=channels,
            outputs=outputs,
            stem_stride=regressor.stem_stride,
            width=regressor.width,
            pooling=regressor.pooling,
            hidden=regressor.hidden,
        )
    return network.initialise(torch.Generator().manual_seed(seed))


def _loop_settings(regressor: TileRegressor) -> LoopSettings:
    return LoopSettings(
        epochs=regressor.epochs,
        batch_size=regressor.batch_size,
        learning_rate=regressor.learning_rate,
        schedule=regressor.schedule,
        weight_decay=regressor.weight_decay,
        patience=regressor.patience,
        average=regressor.average,
        augmentation=Augmentation(regressor.flips, regressor.jitter),
        crop=regressor.crop,
        device=regressor.device,
        channels_last=regressor.channels_last,
    )
