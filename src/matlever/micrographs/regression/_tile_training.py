"""The training loop of the tile regressor: mean squared error, Adam, early stopping, resumption."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from matlever.exceptions import SettingsError
from matlever.micrographs.regression._tile_batches import Augmentation, batch_tensor, in_batches
from matlever.micrographs.regression.wide_resnet import WideResNet
from matlever.micrographs.tiles import Tiles
from matlever.storage import State, read_model, write_model
from matlever.training.weights import load_moments, load_weights, moments_of, weights_of

__all__ = ["Epoch", "LoopSettings", "Training", "lay_out"]

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class LoopSettings:
    """How one network is trained.

    Parameters
    ----------
    epochs : int
        Rounds over all training tiles; with validation tiles, the most that are made.
    batch_size : int
    learning_rate : float
        Adam's step size.
    schedule : {"constant", "cosine"}
        The step size stays, or falls to zero along half a cosine.
    weight_decay : float
        Decoupled decay (AdamW) of all weights of convolutions and the head.
    patience : int
        Epochs without a lower validation error after which training ends.
    average : float
        Decay of a running average of the weights per step; 0 keeps the last weights.
    augmentation : Augmentation
    crop : int or None
        Side of the random square that is cut out of each tile; None takes whole tiles.
    device : str
    channels_last : bool
    """

    epochs: int
    batch_size: int
    learning_rate: float
    schedule: Literal["constant", "cosine"]
    weight_decay: float
    patience: int
    average: float
    augmentation: Augmentation
    crop: int | None
    device: str
    channels_last: bool


@dataclass(frozen=True)
class Epoch:
    """Mean squared errors after one epoch, targets scaled to -1 ... 1."""

    training: float
    validation: float | None


@dataclass
class Training:
    """One network on its way: everything that is needed to go on.

    Parameters
    ----------
    network : WideResNet
        Initialised, its `mean` and `sd` set.
    settings : LoopSettings
    seed : tuple of int
        Entropy of shuffles and augmentation.
    """

    network: WideResNet
    settings: LoopSettings
    seed: tuple[int, ...]
    history: list[Epoch] = field(default_factory=list)
    best: WideResNet | None = None
    best_error: float = math.inf
    waited: int = 0

    def __post_init__(self) -> None:
        s = self.settings
        lay_out(self.network.to(s.device), s.channels_last)
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        groups: list[dict[str, Any]] = [
            {"params": decayed},
            {"params": others, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(
            groups,
            lr=s.learning_rate,
            weight_decay=s.weight_decay,
            fused=s.device == "cpu",
        )
        self.averaged = copy.deepcopy(self.network) if s.average else None
        self.n_steps = 0

    @property
    def is_done(self) -> bool:
        """Whether the last epoch was made or the validation error no longer falls."""
        return len(self.history) >= self.settings.epochs or self.waited >= self.settings.patience

    @property
    def judged(self) -> WideResNet:
        """The network whose error counts: the averaged one where there is one."""
        return self.averaged or self.network

    def epoch(
        self,
        tiles: Tiles,
        targets: NDArray[np.float32],
        weights: NDArray[np.float32],
        rows: NDArray[np.intp],
        held_out: NDArray[np.intp],
    ) -> None:
        """Train one round over `rows`, then look at the error on `held_out`.

        Parameters
        ----------
        tiles : Tiles of n tiles
        targets : ndarray of shape (n, outputs)
            Scaled to -1 ... 1.
        weights : ndarray of shape (outputs,)
            Of each output in the error; they sum to 1.
        rows, held_out : ndarray of int
            Tiles to train on and to watch; without any to watch the last weights are kept.
        """
        s = self.settings
        number = len(self.history)
        random = np.random.default_rng((*self.seed, number))
        order = random.permutation(rows)
        n_batches = max(1, len(rows) // s.batch_size)  # what is left over waits for its next turn
        weight = torch.from_numpy(weights).to(s.device)
        self.network.train()
        total = 0.0
        for batch in range(n_batches):
            at = np.sort(order[batch * s.batch_size : (batch + 1) * s.batch_size])
            x = batch_tensor(tiles, at, s.device, s.channels_last, crop=s.crop, random=random)
            x = s.augmentation(x, random)
            y = torch.from_numpy(targets[at]).to(s.device)
            if s.schedule == "cosine":
                done = (number + batch / n_batches) / s.epochs
                for group in self.optimiser.param_groups:
                    group["lr"] = s.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
            loss = ((self.network(x) - y).square() * weight).sum(dim=1).mean()
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self.optimiser.step()
            self.n_steps += 1
            self._average()
            total += loss.item()
        training = total / n_batches
        if not math.isfinite(training):
            raise SettingsError(
                f"The training diverged in epoch {number + 1} with learning_rate="
                f"{s.learning_rate}. Choose a smaller one."
            )
        validation = self._error(tiles, targets, weights, held_out) if len(held_out) else None
        self.history.append(Epoch(training, validation))
        if validation is None or validation < self.best_error:
            self.best_error = math.inf if validation is None else validation
            self.best = copy.deepcopy(self.judged)
            self.waited = 0
        else:
            self.waited += 1

    def finished(self) -> WideResNet:
        """Return the network with the best weights, in evaluation mode, on its device."""
        return (self.best or self.judged).eval()

    @torch.no_grad()
    def _average(self) -> None:
        """Move the averaged weights towards those of the step just made."""
        if self.averaged is None:
            return
        # A short memory at first, so that the beginning is forgotten: Tarvainen and Valpola 2017.
        keep = min(self.settings.average, (1 + self.n_steps) / (10 + self.n_steps))
        for mean, now in zip(
            self.averaged.state_dict().values(), self.network.state_dict().values(), strict=True
        ):
            if mean.dtype.is_floating_point:
                mean.lerp_(now, 1 - keep)
            else:
                mean.copy_(now)

    @torch.no_grad()
    def _error(
        self,
        tiles: Tiles,
        targets: NDArray[np.float32],
        weights: NDArray[np.float32],
        rows: NDArray[np.intp],
    ) -> float:
        s = self.settings
        network = self.judged.eval()
        total = 0.0
        for at in in_batches(len(rows), 2 * s.batch_size):
            x = batch_tensor(tiles, rows[at], s.device, s.channels_last)
            error = network(x).cpu().numpy() - targets[rows[at]]
            total += float((error.astype(np.float64) ** 2 @ weights).sum())
        return total / len(rows)

    # -- to a folder and back ---------------------------------------------------------------------

    def write(self, folder: Path, fingerprint: str) -> None:
        """Write all that is needed to go on; a reader sees the old folder or the new one."""
        networks = {"network": self.network, "best": self.best, "averaged": self.averaged}
        parts = {
            name: State("weights", arrays=weights_of(network))
            for name, network in networks.items()
            if network is not None
        }
        parts["adam"] = moments_of(self.optimiser, self.network)
        config = {
            "fingerprint": fingerprint,
            "history": [[epoch.training, epoch.validation] for epoch in self.history],
            "best_error": self.best_error if math.isfinite(self.best_error) else None,
            "waited": self.waited,
            "n_steps": self.n_steps,
        }
        write_model(folder, State("TileTraining", config, parts=parts))

    def read(self, folder: Path, fingerprint: str) -> None:
        """Go on where the folder left off.

        Raises
        ------
        SettingsError
            If the folder is that of a training of other tiles, targets or settings.
        """
        state, _ = read_model(folder)
        if state.kind != "TileTraining" or state.get("fingerprint") != fingerprint:
            raise SettingsError(
                f"{folder} holds the training of other tiles, targets or settings. Give another "
                "checkpoint folder, or remove this one."
            )
        self.history = [Epoch(*epoch) for epoch in state.get("history")]
        load_weights(self.network, state.part("network").arrays, state.kind)
        if self.averaged is not None:
            load_weights(self.averaged, state.part("averaged").arrays, state.kind)
        self.best = copy.deepcopy(self.network)
        load_weights(self.best, state.part("best").arrays, state.kind)
        best = state.get("best_error")
        self.best_error = math.inf if best is None else float(best)
        self.waited = int(state.get("waited"))
        self.n_steps = int(state.get("n_steps"))
        load_moments(self.optimiser, self.network, state.part("adam"), state.kind)


def lay_out(network: WideResNet, channels_last: bool) -> WideResNet:
    """Put the channels of a network last in memory, or not, and return it."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return network.to(memory_format=layout)  # type: ignore[call-overload, no-any-return]  # not in its types
