"""Meter of attributes by a convolutional network of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import ModelFileError
from matlever.micrographs.measuring._meter_parts import (
    check_kind,
    check_side,
    checked_truth,
    held_out_lots,
    r2_of,
    restore_meter,
    shown_meter,
)
from matlever.micrographs.tiles import Tiles
from matlever.storage import State, read_model, write_model

if TYPE_CHECKING:
    import torch

    from matlever.micrographs.measuring._texture_network import Progress, TextureNetwork

__all__ = ["NetworkMeter"]

Array = NDArray[np.float64]

_SETTINGS = ("width", "n_epochs", "batch_size", "learning_rate", "held_out", "random_state")


class NetworkMeter:
    """Meter of attributes by a convolutional network of its own.

    Parameters
    ----------
    width : int, default=16
        Feature maps of the network's first convolution.
    n_epochs : int, default=20
        Passes over the tiles.
    batch_size : int, default=64
        Tiles per step.
    learning_rate : float, default=4e-3
        Largest step size of the cycle.
    held_out : float, default=0.15
        Share of the lots on which it is judged, and which it never learns from.
    random_state : int, default=0
        Of held-out lots, weights, order and flips.

    Attributes
    ----------
    names_ : tuple of k str
        Attributes.
    r2_ : dict of str to float
        On tiles of the held-out lots.
    mae_ : dict of str to float
        Mean absolute error there.
    side_ : tuple of int
        Height and width of tiles in px.
    channels_ : int
        1 for grey tiles, 3 for colour.
    network_ : torch.nn.Module
        In evaluation mode; its outputs are standardised attributes.
    """

    def __init__(
        self,
        *,
        width: int = 16,
        n_epochs: int = 20,
        batch_size: int = 64,
        learning_rate: float = 4e-3,
        held_out: float = 0.15,
        random_state: int = 0,
    ) -> None:
        self.width = width
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.held_out = held_out
        self.random_state = random_state

    def fit(
        self, tiles: Tiles, truth: ArrayLike | None = None, *, progress: Progress | None = None
    ) -> Self:
        """Learn to read attributes.

        Parameters
        ----------
        tiles : Tiles
            Of lots that will not be scored with this meter.
        truth : array_like of shape (n, k), optional
            What each tile shows, where that is known (simulated tiles); by default the labels of
            the lots, which every tile inherits.
        progress : callable or None, default=None
            Called as ``progress(done, all, what)``.

        Raises
        ------
        NotEnoughDataError
            If there are fewer than four lots.
        DataError
            If `truth` has another shape, or gaps.
        """
        import torch

        from matlever.micrographs.measuring._texture_network import train_network

        wanted = checked_truth(tiles, truth)
        aside = held_out_lots(tiles, self.held_out, self.random_state)
        learnt = wanted[~aside]
        self.names_, self.side_ = tiles.names, tiles.shape[1:]
        self.channels_ = tiles.channels
        self.mean_ = learnt.mean(axis=0)
        self.scale_ = np.maximum(learnt.std(axis=0), 1e-6)
        self.network_ = self._network()
        train_network(
            self.network_,
            tiles,
            (wanted - self.mean_) / self.scale_,
            torch.nn.functional.mse_loss,
            rows=np.flatnonzero(~aside),
            n_epochs=self.n_epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=(self.random_state, 2),
            progress=progress,
            what="network meter",
        )
        found = self._read(tiles, np.flatnonzero(aside))
        self.r2_ = r2_of(wanted[aside], found, self.names_)
        errors = np.abs(found - wanted[aside]).mean(axis=0)
        self.mae_ = dict(zip(self.names_, errors.tolist(), strict=True))
        return self

    def _network(self) -> TextureNetwork:
        """Return a new network under this meter's own seed."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.random_state)
            network = self._empty_network()
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network

    def _empty_network(self) -> TextureNetwork:
        from matlever.micrographs.measuring._texture_network import TextureNetwork

        return TextureNetwork(n_outputs=len(self.names_), channels=self.channels_, width=self.width)

    def predict(self, tiles: Tiles) -> Array:
        """Return measured attributes of shape (n, k).

        Raises
        ------
        DataError
            If tiles have another size or number of channels than those it learnt from.
        """
        check_side(self, tiles)
        return self._read(tiles, np.arange(len(tiles)))

    def _read(self, tiles: Tiles, rows: NDArray[np.intp]) -> Array:
        from matlever.micrographs.measuring._texture_network import predict_in_batches

        found = predict_in_batches(self.network_, tiles, rows).reshape(-1, len(self.names_))
        read: Array = found * self.scale_ + self.mean_
        return read

    def predict_tensor(self, x: torch.Tensor) -> torch.Tensor:
        """Return measured attributes (m, k) of a tensor (m, C, H, W), with gradients."""
        import torch

        found: torch.Tensor = self.network_(x)
        scale, mean = (torch.as_tensor(a, dtype=found.dtype) for a in (self.scale_, self.mean_))
        return found * scale + mean

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the meter as a model folder; it appears whole or not at all."""
        from matlever.training.weights import weights_of

        state = State(
            "network meter",
            {
                "settings": {name: getattr(self, name) for name in _SETTINGS},
                "names": list(self.names_),
                "side": list(self.side_),
                "channels": self.channels_,
                "r2": self.r2_,
                "mae": self.mae_,
            },
            {"mean": self.mean_, "scale": self.scale_},
            {"network": State("texture network", {}, weights_of(self.network_))},
        )
        return write_model(folder, state, {"r2": self.r2_})

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read a meter that `save` wrote.

        Raises
        ------
        ModelFileError
            If the folder is broken, or holds something else.
        """
        import torch

        from matlever.training.weights import restored

        state, _ = read_model(folder)
        check_kind(state, "network meter", folder)
        meter = restore_meter(cls, state)
        k = len(meter.names_)
        try:
            meter.mae_ = {str(name): float(value) for name, value in state.get("mae").items()}
        except (AttributeError, TypeError, ValueError) as error:
            raise ModelFileError(f"{folder}: the errors cannot be read ({error}).") from error
        meter.mean_ = state.array("mean", (k,), np.float64)
        meter.scale_ = state.array("scale", (k,), np.float64)
        meter.network_ = restored(
            meter._empty_network, state.part("network").arrays, f"{folder}: network meter"
        )
        meter.network_.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return meter

    def __repr__(self) -> str:
        return shown_meter(self, "NetworkMeter")
