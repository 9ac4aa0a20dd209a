"""A small convolutional network that reads the texture of tiles, and its training.

It serves as a meter of attributes and as the judge that tells edited tiles from real ones; neither
shares a weight with any editor or regressor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from matlever.micrographs.tiles import Tiles
from matlever.training import one_torch_thread

__all__ = ["Progress", "TextureNetwork", "predict_in_batches", "train_network"]

Progress = Callable[[int, int, str], None]

_BATCH = 128


class TextureNetwork(nn.Module):
    """Six convolutions whose means and standard deviations over the tile are read out.

    Parameters
    ----------
    n_outputs : int
        Numbers per tile.
    channels : int, default=1
        1 for grey tiles, 3 for colour.
    width : int, default=16
        Feature maps of the first convolution; they double at each halving of the tile.

    Notes
    -----
    Statistics are taken after the second, fourth and sixth convolution, so that what is as small
    as a pixel is not lost on the way to what is as large as a crystal.
    """

    def __init__(self, *, n_outputs: int, channels: int = 1, width: int = 16) -> None:
        super().__init__()
        widths = (width, width, 2 * width, 2 * width, 4 * width, 4 * width)
        strides = (1, 2, 1, 2, 1, 1)
        blocks, before = [], channels
        for after, stride in zip(widths, strides, strict=True):
            blocks.append(
                nn.Sequential(
                    nn.Conv2d(before, after, 3, stride, 1, bias=False),
                    nn.BatchNorm2d(after),
                    nn.ReLU(inplace=True),
                )
            )
            before = after
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Sequential(
            nn.Linear(2 * (widths[1] + widths[3] + widths[5]), 6 * width),
            nn.ReLU(inplace=True),
            nn.Linear(6 * width, n_outputs),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return numbers of shape (B, n_outputs).

        Parameters
        ----------
        x : Tensor of shape (B, C, H, W), float32, intensities in [0, 1]
        """
        x = (x - 0.5) * 4
        read = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number % 2:
                variance = x.var(dim=(2, 3), unbiased=False)
                read += [x.mean(dim=(2, 3)), torch.sqrt(variance + 1e-4)]
        found: torch.Tensor = self.head(torch.cat(read, dim=1))
        return found


def train_network(
    network: TextureNetwork,
    tiles: Tiles,
    targets: NDArray[np.float64],
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    *,
    rows: NDArray[np.intp] | None = None,
    n_epochs: int,
    batch_size: int = 64,
    learning_rate: float = 4e-3,
    seed: Sequence[int] = (0,),
    progress: Progress | None = None,
    what: str = "training",
) -> None:
    """Train a network in place, by AdamW with one cycle of the learning rate.

    Tiles are flipped at random, along each axis; nothing else is changed, for anything that
    changes their tones or scale would take away what there is to be measured.

    Parameters
    ----------
    network : TextureNetwork
        Made by the caller under its own seed; left in evaluation mode.
    tiles : Tiles
        n tiles; read from where they lie, one mini-batch at a time.
    targets : ndarray of shape (n, n_outputs)
        What is learnt.
    loss : callable
        Of outputs and targets, both (B, n_outputs).
    rows : ndarray of int or None
        Positions of the tiles to learn from; None takes all.
    n_epochs, batch_size, learning_rate
        The schedule.
    seed : sequence of int
        Of the order of tiles and of the flips.
    progress : callable or None
        Called as ``progress(done, all, what)`` after each epoch.
    what : str
        Said there.
    """
    generator = np.random.default_rng(list(seed))
    rows = np.arange(len(tiles)) if rows is None else rows
    per_epoch = max(1, -(-len(rows) // batch_size))
    wanted = torch.from_numpy(np.asarray(targets, dtype=np.float32))
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": 1e-2},
        {"params": others, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, total_steps=n_epochs * per_epoch, pct_start=0.2
    )
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.train()
    with one_torch_thread():
        for epoch in range(n_epochs):
            order = generator.permutation(rows)
            for batch in np.array_split(order, per_epoch):
                batch = np.sort(batch)
                x = tiles[batch].tensor().contiguous(memory_format=torch.channels_last)
                x = _flipped(x, generator)
                optimizer.zero_grad(set_to_none=True)
                loss(network(x), wanted[torch.from_numpy(batch)]).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
            if progress is not None:
                progress(epoch + 1, n_epochs, what)
    network.eval()


def _flipped(x: torch.Tensor, generator: np.random.Generator) -> torch.Tensor:
    """Return each tile as it is or mirrored, along each axis."""
    for axis in (2, 3):
        mirrored = torch.from_numpy(generator.random(len(x)) < 0.5)[:, None, None, None]
        x = torch.where(mirrored, x.flip(axis), x)
    return x


def predict_in_batches(
    network: nn.Module, tiles: Tiles, rows: NDArray[np.intp] | None = None
) -> NDArray[np.float64]:
    """Return a network's numbers for tiles, or some of them, (n, n_outputs), in flat memory."""
    rows = np.arange(len(tiles)) if rows is None else rows
    found = []
    with torch.no_grad(), one_torch_thread():
        for start in range(0, len(rows), _BATCH):
            x = tiles[rows[start : start + _BATCH]].tensor()
            found.append(network(x.contiguous(memory_format=torch.channels_last)).numpy())
    return np.concatenate(found).astype(np.float64) if found else np.empty((0, 0))
