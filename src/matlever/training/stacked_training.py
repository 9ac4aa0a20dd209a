"""Mini-batch training of a stacked network with hand-written gradients and fused Adam.

One step for all members costs about fifteen library calls: gathering batches, shuffles and
book-keeping happen once per block of steps, activations and gradients live in buffers that are
allocated once, and all parameters are views of one flat tensor that Adam updates in one call.
Activations are stored features first, ``(members, features + 1, batch)``, the last feature being
the constant 1: a layer with its bias is then a single batched product, and so is its gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matlever.exceptions import SettingsError
from matlever.training._step import TrainingStep
from matlever.training.batches import RowStream
from matlever.training.settings import Member, TrainingResult, TrainingSettings
from matlever.training.stacked import StackedNetwork
from matlever.training.threads import Progress, run_in_threads

__all__ = ["train_stacked"]


class _Batches:
    """Mini-batches of some members, `width` rows each, gathered for a block of steps at once."""

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        members: Sequence[Member],
        settings: TrainingSettings,
        width: int,
    ) -> None:
        self.n_rows, self.n_targets = y.shape[1], y.shape[2]
        ones = torch.ones(*x.shape[:2], 1, dtype=x.dtype, device=x.device)
        self.x = torch.cat([x, ones], dim=2).reshape(
            -1, x.shape[2] + 1
        )  # tables * rows, inputs + 1
        self.y = y.reshape(-1)
        self.members = members
        self.streams = [
            RowStream(m.rows, settings.batch_size, np.random.default_rng(m.seed)) for m in members
        ]
        self.sizes = np.array([stream.batch_size for stream in self.streams])
        self.width = width
        per_row = 2.0 / self.sizes[:, None, None]
        mask = np.arange(self.width)[None, None, :] < self.sizes[:, None, None]
        self.scale = torch.as_tensor((mask * per_row).astype(np.float32), device=x.device)
        self.is_padded = bool((self.sizes < self.width).any())

    def block(self, active: NDArray[np.intp], n_steps: int) -> tuple[Tensor, Tensor]:
        """Return x (n_steps, members, inputs + 1, batch) and y (n_steps, members, 1, batch)."""
        rows = np.zeros((n_steps, len(active), self.width), dtype=np.int64)
        for place, position in enumerate(active):
            rows[:, place, : self.sizes[position]] = self.streams[position].take(n_steps)
        tables = np.array([self.members[i].table for i in active])
        targets = np.array([self.members[i].target for i in active])
        rows += (tables * self.n_rows)[None, :, None]
        index = torch.from_numpy(rows).to(self.x.device)
        x = self.x[index.reshape(-1)].view(*index.shape, -1).transpose(2, 3).contiguous()
        index.mul_(self.n_targets).add_(torch.from_numpy(targets).to(self.x.device)[None, :, None])
        return x, self.y[index.reshape(-1)].view(n_steps, len(active), 1, self.width)


class _Watch:
    """Validation errors of the members that have validation rows."""

    def __init__(self, batches: _Batches, members: Sequence[Member], width: int) -> None:
        sizes = np.array([len(m.validation_rows) for m in members])
        self.watched = sizes > 0
        self.best = np.full(len(members), np.inf)
        self.stale = np.zeros(len(members), dtype=int)
        rows = np.zeros((len(members), width), dtype=np.int64)
        weight = np.zeros((len(members), 1, width), dtype=np.float32)
        for i, m in enumerate(members):
            rows[i, : sizes[i]] = m.table * batches.n_rows + m.validation_rows
            weight[i, 0, : sizes[i]] = 1.0 / max(sizes[i], 1)
        index = torch.from_numpy(rows).to(batches.x.device)
        self.x = batches.x[index].transpose(1, 2).contiguous()
        targets = torch.tensor([m.target for m in members], device=batches.x.device)
        self.y = batches.y[index * batches.n_targets + targets[:, None]].unsqueeze(1)
        self.weight = torch.from_numpy(weight).to(batches.x.device)

    def look(self, step: TrainingStep, active: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return which active members are better than ever before."""
        places = torch.from_numpy(active).to(self.x.device)
        error = (step.evaluate(self.x[places]) - self.y[places]).square_().mul_(self.weight[places])
        mse = error.sum(dim=(1, 2)).cpu().numpy().astype(np.float64)
        better = (mse < self.best[active]) & self.watched[active]
        self.best[active[better]] = mse[better]
        self.stale[active] = np.where(better, 0, self.stale[active] + 1)
        return np.asarray(better)


def train_stacked(
    network: StackedNetwork,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    members: Sequence[Member],
    settings: TrainingSettings | None = None,
    *,
    device: str = "cpu",
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> TrainingResult:
    """Train every member of a stack on its own rows and target; the network is changed in place.

    Parameters
    ----------
    network : StackedNetwork
        One output each, initialised.
    x : ndarray of shape (n_tables, n_rows, n_inputs)
        Inputs, standardised by the caller; shared data are a single table.
    y : ndarray of shape (n_tables, n_rows, n_targets)
        Targets, standardised by the caller.
    members : sequence of Member
        One for each member of the network: table, target, rows, seed.
    settings : TrainingSettings, optional
        Steps, batch size, learning rate, weight decay, early stopping.
    device : str, default="cpu"
        Where to train; the network is left on the CPU.
    n_threads : int, optional
        Threads the members are shared among on a CPU; None means torch's number of threads, at
        most four, if there is work enough for them. Has no influence on the result.
    progress : callable, optional
        Called with (steps done, steps at most, "training step").

    Returns
    -------
    result : TrainingResult
        Step kept and validation error of each member.

    Raises
    ------
    SettingsError
        If network, data and members do not fit together.

    Notes
    -----
    A member's initial weights and mini-batches depend on its own seed only, so it learns the same,
    up to rounding, whatever it is stacked with. A member that stops early keeps the weights of its
    best check and leaves the stack, which then runs faster.

    Threads each train members of their own. torch's own threads, which meet several times in each
    step, are switched off meanwhile: on a busy machine they spend their time waiting for one
    another. How the members are shared among threads does not change a bit of what they learn.

    References
    ----------
    .. [1] D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.
    """
    settings = TrainingSettings() if settings is None else settings
    _check_fit(network, x, y, members)
    data_x = torch.as_tensor(np.asarray(x, dtype=np.float32), device=device)
    data_y = torch.as_tensor(np.asarray(y, dtype=np.float32), device=device)
    n_members = len(members)
    kept = np.full(n_members, settings.n_steps)
    error = np.full(n_members, np.nan)
    # Common to all parts, because the length of a sum decides about its rounding.
    width = max(min(settings.batch_size, len(m.rows)) for m in members)
    watch_width = max(1, *(len(m.validation_rows) for m in members))

    def run(part: slice, report: Progress | None, stop: Event) -> None:
        kept[part], error[part] = _train_part(
            [layer.data[part] for layer in network.layers],
            _Batches(data_x, data_y, members[part], settings, width),
            watch_width,
            min(2, n_members),
            settings,
            report,
            stop,
        )

    n_threads = n_threads if data_x.device.type == "cpu" else 1
    run_in_threads(run, n_members, settings.batch_size, n_threads, progress)
    return TrainingResult(n_steps=kept, validation_mse=error)


def _train_part(
    layers: Sequence[Tensor],
    batches: _Batches,
    watch_width: int,
    least_members: int,
    settings: TrainingSettings,
    progress: Progress | None,
    stop: Event,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Train some of the members; `layers` receive their weights."""
    members, device = batches.members, batches.x.device
    watch = _Watch(batches, members, watch_width)
    step = TrainingStep(
        [layer.to(device) for layer in layers],
        batches.width,
        settings.learning_rate,
        settings.weight_decay,
        least_members,
    )
    active = np.arange(len(members))
    kept = np.full(len(members), settings.n_steps)
    limit = max(1, _BLOCK_VALUES // (len(members) * batches.width * batches.x.shape[1]))
    with torch.no_grad():
        while step.n_steps < settings.n_steps and len(active) and not stop.is_set():
            to_check = settings.check_every - step.n_steps % settings.check_every
            n_steps = min(limit, to_check, settings.n_steps - step.n_steps)
            block_x, block_y = batches.block(active, n_steps)
            scale: Tensor | float = 2.0 / batches.width
            if batches.is_padded:
                scale = batches.scale[torch.from_numpy(active).to(device)]
            for batch_x, batch_y in zip(block_x.unbind(), block_y.unbind(), strict=True):
                step.compute_gradients(batch_x, batch_y, scale)
                step.update()
            if progress is not None:
                progress(step.n_steps, settings.n_steps, "training step")
            is_last = step.n_steps == settings.n_steps
            if watch.watched.any() and (n_steps == to_check or is_last):
                step, active = _retire(layers, step, active, watch, kept, settings)
        _copy_weights(layers, step, active, ~watch.watched[active])
    return kept, np.where(watch.watched, watch.best, np.nan)


_BLOCK_VALUES = 4_000_000  # input values gathered ahead: 16 MB


def _check_fit(
    network: StackedNetwork,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    members: Sequence[Member],
) -> None:
    """Raise unless network, data and members fit together."""
    if x.ndim != 3 or y.ndim != 3 or x.shape[:2] != y.shape[:2]:
        raise SettingsError(
            f"x has shape {x.shape} and y has shape {y.shape}; expected (tables, rows, inputs) and "
            "(tables, rows, targets) with the same tables and rows."
        )
    if network.widths[0] != x.shape[2] or network.widths[-1] != 1:
        raise SettingsError(
            f"A network with {network.widths[0]} inputs and {network.widths[-1]} outputs cannot be "
            f"trained on {x.shape[2]} inputs and one target per member."
        )
    if network.n_members != len(members):
        raise SettingsError(f"{network.n_members} networks, but {len(members)} members were given.")
    for position, m in enumerate(members):
        known = 0 <= m.table < x.shape[0] and 0 <= m.target < y.shape[2]
        rows = np.concatenate([m.rows, m.validation_rows])
        if not known or len(m.rows) == 0 or rows.min() < 0 or rows.max() >= x.shape[1]:
            raise SettingsError(
                f"Member {position}: table {m.table}, target {m.target} or one of its rows does "
                f"not exist in data of {x.shape[0]} tables, {x.shape[1]} rows and {y.shape[2]} "
                "targets, or it has no rows."
            )


def _copy_weights(
    layers: Sequence[Tensor],
    step: TrainingStep,
    active: NDArray[np.intp],
    which: NDArray[np.bool_],
) -> None:
    """Copy the present weights of some of the active members."""
    chosen = torch.from_numpy(np.flatnonzero(which))
    places = torch.from_numpy(active[which])
    for layer, trained in zip(layers, step.layers, strict=True):
        layer[places] = trained[chosen.to(trained.device)].to(layer.device)


def _retire(
    layers: Sequence[Tensor],
    step: TrainingStep,
    active: NDArray[np.intp],
    watch: _Watch,
    kept: NDArray[np.intp],
    settings: TrainingSettings,
) -> tuple[TrainingStep, NDArray[np.intp]]:
    """Keep the weights of members at their best, and let those that are stale leave the stack."""
    better = watch.look(step, active)
    kept[active[better]] = step.n_steps
    _copy_weights(layers, step, active, better)
    stay = ~watch.watched[active] | (watch.stale[active] < settings.patience)
    if stay.all():
        return step, active
    places = torch.from_numpy(np.flatnonzero(stay)).to(step.flat.device)
    return step.keep(places), active[stay]
