"""The training of one crystal graph network, epoch by epoch, and its checkpoint."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from matlever.crystals._cgcnn_batches import GraphTensors
from matlever.crystals.cgcnn import CGCNN
from matlever.exceptions import SettingsError
from matlever.storage import State, read_model, write_model
from matlever.training import load_weights, weights_of

__all__ = ["Epoch", "LoopSettings", "Loss", "Schedule", "Training", "outputs_of"]

Rows = NDArray[np.intp]
Schedule = Literal["one-cycle", "constant"]
Loss = Literal["squared", "absolute"]

_RISING, _FIRST = 0.3, 1.0 / 25.0  # of the epochs, and of the highest rate: Smith & Topin (2018)
_EDGES_AT_ONCE = 3000  # in prediction: what the convolutions handle then stays in the L2 cache
_LOSSES = {"squared": functional.mse_loss, "absolute": functional.l1_loss}


@dataclass(frozen=True)
class LoopSettings:
    """How a network is trained; see :class:`matlever.crystals.CGCNNRegressor`."""

    n_epochs: int
    batch_size: int
    learning_rate: float
    schedule: Schedule
    loss: Loss
    weight_decay: float
    patience: int | None
    device: str

    def rate(self, progress: float) -> float:
        """Return the learning rate after a share `progress` of all steps."""
        if self.schedule == "constant":
            return self.learning_rate
        if progress < _RISING:
            share = 0.5 * (1.0 - math.cos(math.pi * progress / _RISING))
            return self.learning_rate * (_FIRST + (1.0 - _FIRST) * share)
        share = 0.5 * (1.0 + math.cos(math.pi * (progress - _RISING) / (1.0 - _RISING)))
        return self.learning_rate * share


@dataclass(frozen=True)
class Epoch:
    """Mean loss over the batches of an epoch, and the mean absolute error on held-out rows.

    Both are in standard deviations of the targets; the second is None without such rows.
    """

    training: float
    validation: float | None


class Training:
    """A network on its way.

    Parameters
    ----------
    network : CGCNN
        With its first weights.
    settings : LoopSettings
    seed : tuple of int
        Entropy of the shuffles.

    Attributes
    ----------
    history : list of Epoch
        Of the epochs made.
    """

    def __init__(self, network: CGCNN, settings: LoopSettings, seed: tuple[int, ...]) -> None:
        self.settings, self.seed = settings, seed
        self.network = network.to(settings.device)
        self.optimiser = torch.optim.AdamW(
            network.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=settings.device == "cpu",
        )
        self.history: list[Epoch] = []
        self.best: CGCNN | None = None
        self.best_error, self.waited = math.inf, 0

    @property
    def is_done(self) -> bool:
        """Whether the last epoch was made, or the held-out error no longer falls."""
        patience = self.settings.patience
        waited = patience is not None and self.waited >= patience
        return len(self.history) >= self.settings.n_epochs or waited

    def epoch(self, graphs: GraphTensors, targets: Tensor, rows: Rows, held_out: Rows) -> None:
        """Train one round over `rows`, then look at the error on `held_out`.

        Parameters
        ----------
        graphs : GraphTensors of n crystals
        targets : Tensor of shape (n, t)
            Standardised.
        rows, held_out : ndarray of int
            Crystals to train on and to watch; without any to watch the last weights are kept.
        """
        s = self.settings
        place = len(self.history)
        order = np.random.default_rng((*self.seed, place)).permutation(rows)
        n_batches = max(1, round(len(rows) / s.batch_size))
        loss_of = _LOSSES[s.loss]
        self.network.train()
        total = 0.0
        for step, at in enumerate(np.array_split(order, n_batches)):
            rate = s.rate((place + step / n_batches) / s.n_epochs)
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            b = graphs.batch(at)
            found = self.network(b.numbers, b.neighbours, b.distances, b.counts)
            loss = loss_of(found, targets[torch.from_numpy(at).to(s.device)])
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch's
            self.optimiser.step()
            total += loss.detach().item()
        if not math.isfinite(total):
            raise SettingsError(
                f"The training diverged in epoch {place + 1} with learning_rate="
                f"{s.learning_rate}. Choose a smaller one."
            )
        error = self._error(graphs, targets, held_out) if len(held_out) else None
        self.history.append(Epoch(total / n_batches, error))
        if error is not None and s.patience is not None:
            if error < self.best_error:
                self.best_error, self.waited = error, 0
                self.best = copy.deepcopy(self.network)
            else:
                self.waited += 1

    def finished(self) -> CGCNN:
        """Return the network with the best weights, in evaluation mode."""
        return (self.best or self.network).eval()

    def _error(self, graphs: GraphTensors, targets: Tensor, rows: Rows) -> float:
        found = outputs_of(self.network, graphs, rows)
        wanted = targets[torch.from_numpy(rows).to(targets.device)]
        return float((found - wanted).abs().mean())

    def write(self, folder: Path, fingerprint: str) -> None:
        """Write all that is needed to go on; a reader sees the old folder or the new one."""
        moments = self.optimiser.state_dict()["state"]
        parts = {
            "network": weights_of(self.network),
            "best": {} if self.best is None else weights_of(self.best),
            **{
                name: {str(i): moments[i][name].cpu().numpy() for i in moments}
                for name in ("exp_avg", "exp_avg_sq")
            },
        }
        config = {
            "fingerprint": fingerprint,
            "history": [[epoch.training, epoch.validation] for epoch in self.history],
            "waited": self.waited,
            "n_steps": int(moments[0]["step"]),
        }
        states = {name: State("weights", arrays=arrays) for name, arrays in parts.items()}
        write_model(folder, State("CGCNNTraining", config, parts=states))

    def read(self, folder: Path, fingerprint: str) -> None:
        """Go on where the folder left off.

        Raises
        ------
        SettingsError
            If the folder is that of a training on other crystals, targets or settings.
        """
        state, _ = read_model(folder)
        if state.kind != "CGCNNTraining" or state.get("fingerprint") != fingerprint:
            raise SettingsError(
                f"{folder} holds the training on other crystals, targets or settings. Give "
                "another checkpoint folder, or remove this one."
            )
        self.history = [Epoch(*epoch) for epoch in state.get("history")]
        self.waited = int(state.get("waited"))
        load_weights(self.network, state.part("network").arrays, state.kind)
        best = state.part("best").arrays
        if best:
            self.best = copy.deepcopy(self.network)
            load_weights(self.best, best, state.kind)
            errors = [e.validation for e in self.history if e.validation is not None]
            self.best_error = min(errors)
        stored = self.optimiser.state_dict()
        stored["state"] = {
            i: {
                "step": torch.tensor(float(state.get("n_steps"))),
                **{
                    name: torch.empty_like(p).copy_(
                        torch.from_numpy(state.part(name).array(str(i), tuple(p.shape), np.float32))
                    )
                    for name in ("exp_avg", "exp_avg_sq")
                },
            }
            for i, p in enumerate(self.network.parameters())
        }
        self.optimiser.load_state_dict(stored)


@torch.no_grad()
def outputs_of(
    network: CGCNN, graphs: GraphTensors, rows: Rows | None = None, *, sites: bool = False
) -> Tensor:
    """Return what a network says of crystals, without gradients, in evaluation mode.

    Parameters
    ----------
    network : CGCNN
    graphs : GraphTensors
    rows : ndarray of int, optional
        Which crystals; default all, in order.
    sites : bool, default=False
        The contributions of all sites instead, of shape (n_atoms, t).

    Returns
    -------
    y : Tensor of shape (n, t)
    """
    network.eval()
    chosen = np.arange(len(graphs)) if rows is None else rows
    n_atoms = max(1, _EDGES_AT_ONCE // graphs.neighbours.shape[1])
    parts = []
    for at in _blocks(graphs.counts[chosen], n_atoms):
        b = graphs.batch(chosen[at])
        if sites:
            parts.append(network.sites(network.atoms(b.numbers, b.neighbours, b.distances)))
        else:
            parts.append(network(b.numbers, b.neighbours, b.distances, b.counts))
    return torch.cat(parts)


def _blocks(counts: NDArray[np.int64], n_atoms: int) -> list[slice]:
    """Cut crystals of so many atoms each into blocks of about `n_atoms` atoms, at least one."""
    ends = np.cumsum(counts)
    blocks, start = [], 0
    while start < len(counts):
        before = ends[start] - counts[start]
        stop = max(start + 1, int(np.searchsorted(ends, before + n_atoms, side="right")))
        blocks.append(slice(start, stop))
        start = stop
    return blocks
