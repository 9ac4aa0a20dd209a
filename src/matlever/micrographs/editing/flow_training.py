"""Teaching a flow from lots of tiles: lot labels only, resumable, the same bits after a stop."""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from matlever.exceptions import DataError, ModelFileError, NotEnoughDataError, SettingsError
from matlever.micrographs.editing.flow import VelocityNetwork
from matlever.micrographs.tiles import Tiles
from matlever.storage import State, read_model, write_model
from matlever.training.weights import (
    load_moments,
    load_weights,
    moments_of,
    restored,
    weights_of,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Flow", "FlowSettings", "train_flow"]

Progress = Callable[[int, int, str], None]

# Standard deviation of tiles as the network sees them; noise has 1.
_SPREAD = 0.5
_WARM_UP = 200  # steps
_CURVE_EVERY = 25  # steps


@dataclass(frozen=True)
class FlowSettings:
    """How a flow is taught.

    Parameters
    ----------
    steps : int, default=20_000
        Mini-batches.
    batch_size : int, default=32
    learning_rate : float, default=1e-3
        Of AdamW after 200 steps; falls to zero along a cosine.
    weight_decay : float, default=1e-2
    average : float, default=0.999
        Decay of the moving average of the weights, which is what is kept.
    label_noise : float, default=0.025
        Standard deviation of noise added to attributes, so that a few lots teach what lies between.
    time_shift : float, default=-0.2
        Times are ``sigmoid(normal + shift)``: below 0, more of them are near the tile.
    widths, blocks, patch
        See `VelocityNetwork`; ``patch=None`` takes one for each 32 px of the side.
    checkpoint_every : int, default=500
        Steps between two states on disk.
    random_state : int, default=0
    device : str, default="cpu"
    """

    steps: int = 20_000
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    average: float = 0.999
    label_noise: float = 0.025
    time_shift: float = -0.2
    widths: tuple[int, ...] = (32, 64, 96)
    blocks: int = 2
    patch: int | None = None
    checkpoint_every: int = 500
    random_state: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "checkpoint_every", "blocks"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name}={getattr(self, name)} must be 1 or more.")
        if not self.learning_rate > 0 or not 0 <= self.average < 1:
            raise SettingsError(
                f"learning_rate={self.learning_rate} must be above 0 and average={self.average} "
                "in 0 to 1."
            )


@dataclass(frozen=True, eq=False)
class Flow:
    """A taught flow.

    Attributes
    ----------
    network : VelocityNetwork
        In evaluation mode.
    mean, sd : float
        Of the brightness of the tiles it was taught from, in [0, 1].
    names : tuple of str
        Attributes.
    side_px : int
    channels : int
    settings : FlowSettings
    curve : ndarray of shape (m, 2)
        Step and mean squared error of the velocity.
    card : dict
        What it was taught from.
    """

    network: VelocityNetwork
    mean: float
    sd: float
    names: tuple[str, ...]
    side_px: int
    channels: int
    settings: FlowSettings
    curve: NDArray[np.float64]
    card: dict[str, Any] = field(default_factory=dict)

    def standardised(self, images: torch.Tensor) -> torch.Tensor:
        """Return tiles in [0, 1] as the network sees them."""
        return (images - self.mean) * (_SPREAD / self.sd)

    def unstandardised(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the network draws, in [0, 1] up to rounding; nothing is cut off."""
        return x * (self.sd / _SPREAD) + self.mean

    def to_frame(self) -> pd.DataFrame:
        """Return the curve of the loss."""
        import pandas as pd

        return pd.DataFrame({"step": self.curve[:, 0].astype(int), "loss": self.curve[:, 1]})

    def to_state(self) -> State:
        """Return the flow as plain data."""
        settings = asdict(self.settings)
        return State(
            "flow",
            {
                "mean": self.mean,
                "sd": self.sd,
                "names": list(self.names),
                "side_px": self.side_px,
                "channels": self.channels,
                "settings": {**settings, "widths": list(settings["widths"])},
                "card": self.card,
            },
            {"curve": self.curve, **weights_of(self.network)},
        )

    @classmethod
    def from_state(cls, state: State) -> Flow:
        """Rebuild a flow.

        Raises
        ------
        ModelFileError
            If a value or an array is missing or has another shape.
        """
        try:
            given = dict(state.get("settings"))
            settings = FlowSettings(**{**given, "widths": tuple(given["widths"])})
            names = tuple(str(name) for name in state.get("names"))
            channels, side = int(state.get("channels")), int(state.get("side_px"))
            mean, sd = float(state.get("mean")), float(state.get("sd"))
            card = dict(state.get("card"))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"flow: a value cannot be used ({error}).") from error
        arrays = {name: value for name, value in state.arrays.items() if name != "curve"}
        network = restored(lambda: _network(settings, len(names), channels, side), arrays, "flow")
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        curve = state.array("curve", (None, 2), np.float64)
        return cls(network, mean, sd, names, side, channels, settings, curve, card)


def train_flow(
    tiles: Tiles,
    settings: FlowSettings | None = None,
    *,
    folder: str | os.PathLike[str] | None = None,
    card: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> Flow:
    """Teach a flow to draw tiles with given attributes.

    Parameters
    ----------
    tiles : Tiles
        Square tiles of several lots; their attributes are those of their lots. They may be
        memory-mapped: only one mini-batch is read at a time.
    settings : FlowSettings, optional
    folder : path, optional
        Where the state is kept; a training that was stopped goes on from there and ends with the
        same bits.
    card : dict, optional
        JSON values that describe the tiles; kept with the flow.
    progress : callable, optional
        Called with (steps done, steps, what).

    Returns
    -------
    flow : Flow

    Raises
    ------
    NotEnoughDataError
        If the tiles are of fewer than three lots.
    DataError
        If there is no attribute, or the tiles are not square or too small for the network.
    ModelFileError
        If `folder` holds the state of another training.
    """
    settings = settings or FlowSettings()
    _check(tiles)
    training = _Training(tiles, settings, card or {})
    where = None if folder is None else Path(folder)
    if where is not None and (where / "model.json").is_file():
        training.restore(read_model(where)[0])
    saved = time.monotonic()
    for done in training.run():
        if progress is not None and (done % _CURVE_EVERY == 0 or done == settings.steps):
            progress(done, settings.steps, f"teaching the editor, loss {training.recent:.4f}")
        if where is not None and (done % settings.checkpoint_every == 0 or done == settings.steps):
            write_model(where, training.state(), {"saved_after_s": time.monotonic() - saved})
    return training.flow()


class _Training:
    """Weights, their moving average, the optimiser's state and the number of steps done."""

    def __init__(self, tiles: Tiles, settings: FlowSettings, card: dict[str, Any]) -> None:
        self.tiles, self.settings, self.card = tiles, settings, card
        _, self.side, _ = tiles.shape
        torch_state = torch.get_rng_state()
        torch.manual_seed(settings.random_state)
        self.network = _network(settings, len(tiles.names), tiles.channels, self.side)
        torch.set_rng_state(torch_state)
        # channels_last is 10 to 20 % faster, also on CPUs.
        self.network.to(settings.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(),
            lr=settings.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=settings.weight_decay,
            fused=True,
        )
        rng = np.random.default_rng([settings.random_state, 1])
        some = tiles[np.sort(rng.permutation(len(tiles))[:2000])].unit()
        self.mean, self.sd = float(some.mean()), max(float(some.std()), 1e-6)
        self.done = 0
        self.curve: list[tuple[int, float]] = []
        self._sum, self._count = 0.0, 0

    @property
    def recent(self) -> float:
        """The loss of the last steps."""
        if self._count:
            return self._sum / self._count
        return self.curve[-1][1] if self.curve else math.nan

    def run(self) -> Iterator[int]:
        """Go on to the last step, yielding the number of steps done."""
        self.network.train()
        while self.done < self.settings.steps:
            self._step()
            yield self.done

    def _step(self) -> None:
        settings, step = self.settings, self.done
        # All random numbers of a step come from its number: a resumed training sees the same.
        rng = np.random.default_rng([settings.random_state, 2, step])
        rows = np.sort(rng.integers(0, len(self.tiles), settings.batch_size))
        batch = self.tiles[rows]
        x = (batch.tensor(settings.device) - self.mean) * (_SPREAD / self.sd)
        near = batch.attributes + settings.label_noise * rng.standard_normal(batch.attributes.shape)
        attributes = torch.as_tensor(near, dtype=torch.float32, device=x.device)
        shifted = rng.standard_normal(len(rows)) + settings.time_shift
        t = torch.as_tensor(1 / (1 + np.exp(-shifted)), dtype=torch.float32, device=x.device)
        noise = torch.from_numpy(rng.standard_normal(tuple(x.shape), dtype=np.float32)).to(x.device)
        along = t[:, None, None, None]
        rate = settings.learning_rate * min(1.0, (step + 1) / _WARM_UP)
        rate *= 0.5 * (1 + math.cos(math.pi * step / settings.steps))
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        v = self.network((1 - along) * x + along * noise, t, attributes)
        loss = ((v - (noise - x)) ** 2).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        decay = min(settings.average, (step + 1) / (step + 10))
        with torch.no_grad():
            kept: list[torch.Tensor] = list(self.average.parameters())
            now: list[torch.Tensor] = list(self.network.parameters())
            torch._foreach_lerp_(kept, now, 1 - decay)
        self.done += 1
        self._sum, self._count = self._sum + float(loss.detach()), self._count + 1
        if self.done % _CURVE_EVERY == 0:
            self.curve.append((self.done, self._sum / self._count))
            self._sum, self._count = 0.0, 0

    def flow(self) -> Flow:
        """Return the moving average as a flow."""
        network = copy.deepcopy(self.average).eval()
        curve = np.array(self.curve, dtype=np.float64).reshape(-1, 2)
        shape = (self.tiles.names, self.side, self.tiles.channels, self.settings, curve)
        return Flow(network, self.mean, self.sd, *shape, {**self._learned_from(), **self.card})

    def _learned_from(self) -> dict[str, Any]:
        return {
            "lots": len(np.unique(self.tiles.lot)),
            "tiles": len(self.tiles),
            "steps": self.done,
        }

    def state(self) -> State:
        """Return everything a resumed training needs."""
        return State(
            "flow training",
            {"done": self.done, "key": self._key(), "sum": self._sum, "count": self._count},
            parts={
                "now": State("weights", {}, weights_of(self.network)),
                "adam": moments_of(self.optimiser, self.network),
                "flow": self.flow().to_state(),
            },
        )

    def restore(self, state: State) -> None:
        """Go on from a state.

        Raises
        ------
        ModelFileError
            If it belongs to other tiles or settings.
        """
        if state.kind == "flow training" and state.get("key") == self._key():
            load_weights(self.network, state.part("now").arrays, "flow training")
            load_moments(self.optimiser, self.network, state.part("adam"), "flow training")
            kept = state.part("flow").arrays
            load_weights(
                self.average, {n: a for n, a in kept.items() if n != "curve"}, "flow training"
            )
            self.curve = [(int(a), float(b)) for a, b in kept["curve"]]
            self.done = int(state.get("done"))
            self._sum, self._count = float(state.get("sum")), int(state.get("count"))
            return
        raise ModelFileError(
            "The folder holds the state of another training (other tiles or settings): give a new "
            "folder, or remove that one."
        )

    def _key(self) -> dict[str, Any]:
        settings = asdict(self.settings)
        for name in ("checkpoint_every", "device"):
            settings.pop(name)
        return {
            "settings": {**settings, "widths": list(settings["widths"])},
            "tiles": [int(n) for n in self.tiles.images.shape],
            "names": list(self.tiles.names),
            "mean": round(self.mean, 9),
            "attributes": round(float(self.tiles.attributes.sum()), 6),
        }


def _network(settings: FlowSettings, k: int, channels: int, side: int) -> VelocityNetwork:
    patch = settings.patch or max(1, side // 32)
    return VelocityNetwork(
        attributes=k,
        channels=channels,
        widths=settings.widths,
        blocks=settings.blocks,
        patch=patch,
    )


def _check(tiles: Tiles) -> None:
    n, height, width = tiles.shape
    if not tiles.names:
        raise DataError("An editor needs attributes of the lots; these tiles have none.")
    if len(np.unique(tiles.lot)) < 3:
        raise NotEnoughDataError(
            f"An editor learns attributes from differences between lots; these {n} tiles are of "
            f"{len(np.unique(tiles.lot))}. Three are the least, thirty a beginning."
        )
    if height != width or height < 16 or height & (height - 1):
        raise DataError(
            f"The editor takes square tiles with a side of 16, 32, 64, 128 or 256 px; these have "
            f"{width} x {height} px. Cut them to such a size when they are read (tile_px=64)."
        )
