"""The training loop of ElemNet: absolute error, AdamW, one cycle, averaged weights, resumption."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from matlever.compositions._elemnet_inference import Precision, outputs_of
from matlever.compositions.elemnet import ElemNet
from matlever.exceptions import SettingsError
from matlever.storage import State, read_model, write_model
from matlever.training.weights import load_weights, weights_of

__all__ = ["ElemNetEpoch", "ElemNetTraining", "LoopSettings"]

Array32 = NDArray[np.float32]
Rows = NDArray[np.intp]

_WARM = 0.1  # share of the steps in which the step size of one cycle rises
_CLIP = 1.0  # longest gradient that is followed
_BETAS = (0.9, 0.99)
_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class LoopSettings:
    """How one network is trained: the parameters of the same names of `ElemNetRegressor`."""

    epochs: int
    batch_size: int
    learning_rate: float
    schedule: Literal["one-cycle", "cosine", "constant"]
    weight_decay: float
    loss: Literal["absolute", "squared"]
    average: float
    patience: int
    precision: Precision
    device: str

    def step_size(self, done: float) -> float:
        """Return the step size after the share `done` of all steps."""
        if self.schedule == "constant":
            return self.learning_rate
        warm = _WARM if self.schedule == "one-cycle" else 0.0
        if done < warm:
            return self.learning_rate * done / warm
        return self.learning_rate * 0.5 * (1.0 + math.cos(math.pi * (done - warm) / (1.0 - warm)))


@dataclass(frozen=True)
class ElemNetEpoch:
    """Mean errors after one epoch, in standard deviations of the targets."""

    training: float
    validation: float | None


@dataclass
class ElemNetTraining:
    """One network on its way: everything that is needed to go on.

    Parameters
    ----------
    network : ElemNet
        Initialised.
    settings : LoopSettings
    seed : tuple of int
        Entropy of shuffles and dropout.
    frozen : int, default=0
        Layers, counted from the inputs, that keep their weights.
    """

    network: ElemNet
    settings: LoopSettings
    seed: tuple[int, ...]
    frozen: int = 0
    history: list[ElemNetEpoch] = field(default_factory=list)
    best: ElemNet | None = None
    best_error: float = math.inf
    waited: int = 0
    n_steps: int = 0

    def __post_init__(self) -> None:
        s = self.settings
        self.network.to(s.device)
        for layer in self.network.linear[: self.frozen]:
            layer.requires_grad_(False)
        self.trained = [p for p in self.network.parameters() if p.requires_grad]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in self.trained if p.ndim > 1]},
            {"params": [p for p in self.trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(
            groups, lr=s.learning_rate, weight_decay=s.weight_decay, betas=_BETAS, fused=True
        )
        self.averaged = copy.deepcopy(self.network) if s.average else None

    @property
    def is_done(self) -> bool:
        """Whether the last epoch was made or the validation error no longer falls."""
        return len(self.history) >= self.settings.epochs or self.waited >= self.settings.patience

    def epoch(self, x: Array32, targets: Array32, rows: Rows, held_out: Rows) -> None:
        """Train one round over `rows`, then look at the error on `held_out`.

        Parameters
        ----------
        x : ndarray of shape (n, n_inputs)
            Element fractions.
        targets : ndarray of shape (n, n_outputs)
            Standardised.
        rows, held_out : ndarray of int
            Rows to train on and to watch; without any to watch the last weights are kept.
        """
        s = self.settings
        number = len(self.history)
        order = np.random.default_rng((*self.seed, number)).permutation(rows)
        dropout = torch.Generator(s.device)
        dropout.manual_seed(int(np.random.SeedSequence((*self.seed, number)).generate_state(1)[0]))
        size = min(s.batch_size, len(rows))
        n_batches = len(rows) // size  # what is left over waits for its next turn
        taken = order[: n_batches * size]
        # Rows are shuffled in one go, so that batches are views.
        inputs = torch.split(torch.from_numpy(x[taken]).to(s.device), size)
        wanted = torch.split(torch.from_numpy(targets[taken]).to(s.device), size)
        self.network.train()
        total = torch.zeros((), device=s.device)
        for batch, (x_batch, y_batch) in enumerate(zip(inputs, wanted, strict=True)):
            for group in self.optimiser.param_groups:
                group["lr"] = s.step_size((number + batch / n_batches) / s.epochs)
            total += self._step(x_batch, y_batch, dropout)
        training = float(total) / n_batches
        if not math.isfinite(training):
            raise SettingsError(
                f"The training diverged in epoch {number + 1} with learning_rate="
                f"{s.learning_rate}. Choose a smaller one."
            )
        self._note(training, self._error(x, targets, held_out) if len(held_out) else None)

    def _step(self, x: torch.Tensor, y: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Make one step and return the error before it."""
        s = self.settings
        narrow = s.precision == "bfloat16"
        with torch.autocast(torch.device(s.device).type, torch.bfloat16, enabled=narrow):
            outputs = self.network(x, generator)
        error = outputs.float() - y
        loss = error.abs().mean() if s.loss == "absolute" else error.square().mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, _CLIP)
        self.optimiser.step()
        self.n_steps += 1
        self._average()
        made: torch.Tensor = loss.detach()
        return made

    @torch.no_grad()
    def _average(self) -> None:
        """Move the averaged weights towards those of the step just made."""
        if self.averaged is None:
            return
        # A short memory at first, so that the beginning is forgotten: Tarvainen and Valpola 2017.
        keep = min(self.settings.average, (1 + self.n_steps) / (10 + self.n_steps))
        for mean, now in zip(self.averaged.parameters(), self.network.parameters(), strict=True):
            mean.lerp_(now, 1 - keep)

    def _error(self, x: Array32, targets: Array32, rows: Rows) -> float:
        network = self.averaged or self.network
        error = np.abs(outputs_of([network], x[rows])[0].astype(np.float64) - targets[rows])
        return float((error if self.settings.loss == "absolute" else error**2).mean())

    def _note(self, training: float, validation: float | None) -> None:
        """Add an epoch to the history and keep its weights where they are the best so far."""
        self.history.append(ElemNetEpoch(training, validation))
        if validation is None or validation < self.best_error:
            self.best_error = math.inf if validation is None else validation
            self.best = copy.deepcopy(self.averaged or self.network)
            self.waited = 0
        else:
            self.waited += 1

    def finished(self) -> ElemNet:
        """Return the network with the best weights, in evaluation mode, all its layers free."""
        network = self.best or self.averaged or self.network
        return network.requires_grad_(True).eval()

    # -- to a folder and back ---------------------------------------------------------------------

    def write(self, folder: Path, fingerprint: str) -> None:
        """Write all that is needed to go on; a reader sees the old folder or the new one."""
        moments = self.optimiser.state_dict()["state"]
        arrays = {
            "network": weights_of(self.network),
            "best": {} if self.best is None else weights_of(self.best),
            "averaged": {} if self.averaged is None else weights_of(self.averaged),
            **{
                name: {str(i): moments[i][name].cpu().numpy() for i in moments} for name in _MOMENTS
            },
        }
        config = {
            "fingerprint": fingerprint,
            "history": [[epoch.training, epoch.validation] for epoch in self.history],
            "best_error": self.best_error if math.isfinite(self.best_error) else None,
            "waited": self.waited,
            "n_steps": self.n_steps,
        }
        parts = {name: State("weights", arrays=found) for name, found in arrays.items()}
        write_model(folder, State("ElemNetTraining", config, parts=parts))

    def read(self, folder: Path, fingerprint: str) -> None:
        """Go on where the folder left off.

        Raises
        ------
        SettingsError
            If the folder is that of a training on other rows, or with other settings.
        """
        state, _ = read_model(folder)
        if state.kind != "ElemNetTraining" or state.get("fingerprint") != fingerprint:
            raise SettingsError(
                f"{folder} holds a training on other rows, or with other settings. Give another "
                "checkpoint folder, or remove this one."
            )
        self.history = [ElemNetEpoch(*epoch) for epoch in state.get("history")]
        best = state.get("best_error")
        self.best_error = math.inf if best is None else float(best)
        self.waited, self.n_steps = int(state.get("waited")), int(state.get("n_steps"))
        self.best = copy.deepcopy(self.network)
        with torch.no_grad():
            load_weights(self.network, state.part("network").arrays, state.kind)
            load_weights(self.best, state.part("best").arrays, state.kind)
            if self.averaged is not None:
                load_weights(self.averaged, state.part("averaged").arrays, state.kind)
        order = [p for group in self.optimiser.param_groups for p in group["params"]]
        stored = self.optimiser.state_dict()
        stored["state"] = {
            i: {"step": torch.tensor(float(self.n_steps))}
            | {
                name: torch.from_numpy(
                    state.part(name).array(str(i), tuple(p.shape), np.float32).copy()
                )
                for name in _MOMENTS
            }
            for i, p in enumerate(order)
        }
        self.optimiser.load_state_dict(stored)
