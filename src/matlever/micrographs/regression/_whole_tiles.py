"""The head fitted once more, to features of whole tiles, after a training on squares of them.

A square of a quarter of a tile's side costs a sixteenth of its time, and its textures are the same:
the convolutions learn from squares. But features pooled over a whole tile scatter far less than
those pooled over a square, and the head, which has learned to distrust them, is to learn how much
they say (Touvron et al. [1]_, who fit the last layers again at the size of prediction). The network
is convolutional and pools over whatever it is given, so the features of whole tiles are computed
once, in two views, and the head learns from them in seconds.

References
----------
.. [1] H. Touvron, A. Vedaldi, M. Douze, H. Jegou, "Fixing the train-test resolution discrepancy",
   NeurIPS 2019, arXiv:1906.06423.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from matlever.exceptions import SettingsError
from matlever.micrographs.regression._tile_batches import Flips, batch_tensor, in_batches
from matlever.micrographs.regression._tile_training import Epoch
from matlever.micrographs.regression.wide_resnet import WideResNet
from matlever.micrographs.tiles import Tiles
from matlever.storage import State, read_model, write_model

__all__ = ["N_VIEWS", "HeadSettings", "refit_head", "whole_features"]

N_VIEWS = 2
_RATE = 3e-3
# Of AdamW. Found on simulated lots with seeds below 1000: with a tenth of it, lots never seen are
# predicted worse; with three times as much, further tiles of the same lots are.
_DECAY = 1.0
_BATCH = 64  # tiles in one call of the network


@dataclass(frozen=True)
class HeadSettings:
    """How a head is fitted again.

    Parameters
    ----------
    epochs : int
        Rounds over the training tiles.
    batch_size : int
    flips : {"none", "horizontal", "both", "dihedral"}
        What the second view may be.
    device : str
    channels_last : bool
    """

    epochs: int
    batch_size: int
    flips: Flips
    device: str
    channels_last: bool


def whole_features(
    network: WideResNet,
    tiles: Tiles,
    settings: HeadSettings,
    folder: Path | None = None,
    fingerprint: str = "",
    done: Callable[[], None] = lambda: None,
) -> Tensor:
    """Return features (views, n, f) of n whole tiles, each view from its folder if it is there.

    Parameters
    ----------
    network : WideResNet
        In evaluation mode.
    tiles : Tiles of n tiles
    settings : HeadSettings
    folder : path, optional
        Where each view is kept once it is complete.
    fingerprint : str
        Of tiles and settings.
    done : callable
        Called after each view.
    """
    views = []
    for number in range(N_VIEWS):
        here = None if folder is None else folder / f"view_{number}"
        if here is not None and here.exists():
            found = _read(here, fingerprint, (len(tiles), network.n_features))
        else:
            found = _view(network, tiles, settings, number)
            if here is not None:
                state = State("TileFeatures", {"fingerprint": fingerprint}, {"features": found})
                write_model(here, state)
        views.append(torch.from_numpy(found))
        done()
    return torch.stack(views)


def _read(folder: Path, fingerprint: str, shape: tuple[int, int]) -> NDArray[np.float32]:
    state, _ = read_model(folder)
    if state.kind != "TileFeatures" or state.get("fingerprint") != fingerprint:
        raise SettingsError(
            f"{folder} holds features of other tiles or settings. Give another checkpoint folder, "
            "or remove this one."
        )
    return state.array("features", shape, np.float32)


@torch.no_grad()
def _view(
    network: WideResNet, tiles: Tiles, settings: HeadSettings, number: int
) -> NDArray[np.float32]:
    found = np.empty((len(tiles), network.n_features), dtype=np.float32)
    for rows in in_batches(len(tiles), _BATCH):
        x = batch_tensor(tiles, rows, settings.device, settings.channels_last)
        if number:
            x = _turned(x, settings.flips)
        found[rows] = network.features(x).cpu().numpy()
    return found


def _turned(x: Tensor, flips: Flips) -> Tensor:
    """Return tiles (b, C, H, W) in the symmetry that is least like the tile as it is."""
    if flips == "horizontal":
        return x.flip(3)
    if flips == "both":
        return x.flip((2, 3))
    return x.transpose(2, 3) if flips == "dihedral" else x


def refit_head(
    network: WideResNet,
    features: Tensor,
    targets: NDArray[np.float32],
    weights: NDArray[np.float32],
    rows: NDArray[np.intp],
    held_out: NDArray[np.intp],
    settings: HeadSettings,
    seed: tuple[int, ...],
) -> list[Epoch]:
    """Draw the head of a network anew, and fit it to features of whole tiles.

    Parameters
    ----------
    network : WideResNet
        Its head is replaced; the convolutions stay.
    features : Tensor of shape (views, n, f)
    targets : ndarray of shape (n, outputs)
        Scaled to -1 ... 1.
    weights : ndarray of shape (outputs,)
        Of each output in the error; they sum to 1.
    rows, held_out : ndarray of int
        Tiles to learn from and to watch; with some to watch, the head of the epoch with the lowest
        error on them is kept, without any that of the last.
    settings : HeadSettings
    seed : tuple of int
        Of weights and shuffles.

    Returns
    -------
    history : list of Epoch
        Errors after each round.
    """
    drawn, shuffled = np.random.SeedSequence(seed).generate_state(2)
    random = np.random.default_rng(int(shuffled))
    centre, spread = _standard(features[:, torch.from_numpy(rows)])
    x = (features - centre) / spread
    y, weight = torch.from_numpy(targets), torch.from_numpy(weights)
    layers = _drawn(network, torch.Generator().manual_seed(int(drawn)))
    optimiser = torch.optim.AdamW(layers.parameters(), lr=_RATE, weight_decay=_DECAY)
    n_batches = max(1, len(rows) // settings.batch_size)
    history: list[Epoch] = []
    best, best_error = _copied(layers), math.inf
    for epoch in range(settings.epochs):
        order = random.permutation(rows)
        view = random.integers(0, len(features), len(order))
        total = 0.0
        for batch in range(n_batches):
            at = slice(batch * settings.batch_size, (batch + 1) * settings.batch_size)
            passed = (epoch + batch / n_batches) / settings.epochs
            optimiser.param_groups[0]["lr"] = _RATE * 0.5 * (1 + math.cos(math.pi * passed))
            said = layers(x[view[at], order[at]])
            loss = ((said - y[order[at]]).square() * weight).sum(dim=1).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            total += loss.item()
        watched = None
        if len(held_out):
            with torch.no_grad():
                errors = (layers(x[0, held_out]) - y[held_out]).square() * weight
            watched = float(errors.sum(dim=1).mean())
        history.append(Epoch(total / n_batches, watched))
        if watched is None or watched < best_error:
            best, best_error = _copied(layers), math.inf if watched is None else watched
    layers.load_state_dict(best)
    _put(network, layers, centre, spread)
    return history


def _standard(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and spread (f,) of features (views, n, f); what does not vary counts nothing."""
    centre, spread = features.mean(dim=(0, 1)), features.std(dim=(0, 1), correction=0)
    return centre, torch.where(spread > 1e-6, spread, torch.full_like(spread, torch.inf))


def _drawn(network: WideResNet, generator: torch.Generator) -> nn.Sequential:
    """Return a new head with the layers of the network's own, on the processor."""
    layers: list[nn.Module] = []
    for own in (network.hidden, network.head):
        if own is not None:
            layer = nn.Linear(own.in_features, own.out_features, device="meta").to_empty(
                device="cpu"
            )
            bound = own.in_features**-0.5
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
            layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1], nn.Tanh())


def _copied(layers: nn.Sequential) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in layers.state_dict().items()}


@torch.no_grad()
def _put(network: WideResNet, layers: nn.Sequential, centre: Tensor, spread: Tensor) -> None:
    """Give the network a head that takes features as they are, not standardised."""
    found = [layer for layer in layers if isinstance(layer, nn.Linear)]
    first = found[0]
    weight = first.weight / spread
    first.bias.sub_(functional.linear(centre, weight))
    first.weight.copy_(weight)
    for own, layer in zip(
        [part for part in (network.hidden, network.head) if part is not None], found, strict=True
    ):
        own.weight.copy_(layer.weight)
        own.bias.copy_(layer.bias)
