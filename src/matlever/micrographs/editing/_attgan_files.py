"""Networks and optimisers as plain arrays, for model folders and checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from matlever.exceptions import ModelFileError, SettingsError
from matlever.micrographs.editing.attgan_settings import AttGANSettings
from matlever.storage import State

__all__ = [
    "check_sizes",
    "load_network",
    "load_optimiser",
    "network_state",
    "optimiser_state",
    "stored_settings",
]

_MOMENTS = ("exp_avg", "exp_avg_sq")


def network_state(network: nn.Module, kind: str) -> State:
    """Return the weights and running statistics of a network."""
    arrays = {_written(name): _array(t) for name, t in network.state_dict().items()}
    return State(kind=kind, arrays=arrays)


def load_network(network: nn.Module, state: State) -> None:
    """Give a network stored weights, after checking names, shapes and types.

    Raises
    ------
    ModelFileError
        If an array is missing, is not known, or does not fit.
    """
    own = network.state_dict()
    unknown = set(state.arrays) - {_written(name) for name in own}
    if unknown:
        raise ModelFileError(f"{state.kind}: arrays {sorted(unknown)[:3]} belong to no layer.")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(_stored(state, _written(name), tensor))


def optimiser_state(optimiser: torch.optim.Adam, network: nn.Module, kind: str) -> State:
    """Return the moments of Adam, under the names of the network's parameters."""
    arrays: dict[str, NDArray[Any]] = {}
    n_steps = 0
    for name, parameter in network.named_parameters():
        kept = optimiser.state.get(parameter)
        if not kept:  # no step was taken yet
            continue
        n_steps = int(kept["step"])
        arrays |= {f"{moment}-{_written(name)}": _array(kept[moment]) for moment in _MOMENTS}
    return State(kind=kind, config={"n_steps": n_steps}, arrays=arrays)


def load_optimiser(optimiser: torch.optim.Adam, network: nn.Module, state: State) -> None:
    """Give Adam stored moments; the settings of its groups stay.

    Raises
    ------
    ModelFileError
        If a moment is missing or does not fit.
    """
    n_steps = state.get("n_steps")
    if type(n_steps) is not int or n_steps < 0:
        raise ModelFileError(f"{state.kind}: n_steps={n_steps!r} is no number of steps.")
    if not n_steps:
        return
    moments: Mapping[int, dict[str, Any]] = {
        i: {
            "step": torch.tensor(float(n_steps)),
            **{m: _stored(state, f"{m}-{_written(name)}", parameter) for m in _MOMENTS},
        }
        for i, (name, parameter) in enumerate(network.named_parameters())
    }
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": moments, "param_groups": groups})


def stored_settings(state: State) -> AttGANSettings:
    """Return the settings in a state's config.

    Raises
    ------
    ModelFileError
        If they are not those of this version, or cannot be used.
    """
    stored = state.get("settings")
    known = {field.name for field in fields(AttGANSettings)}
    if not isinstance(stored, dict) or set(stored) != known:
        raise ModelFileError(f"{state.kind}: the settings are not those of an AttGAN.")
    try:
        return AttGANSettings(**stored)
    except SettingsError as error:
        raise ModelFileError(f"{state.kind}: {error}") from error


def check_sizes(network: nn.Module, state: State) -> None:
    """Refuse a network larger than its stored weights, before memory is taken for it."""
    wanted = sum(t.numel() for t in network.state_dict().values())
    if wanted != sum(array.size for array in state.arrays.values()):
        raise ModelFileError(f"{state.kind}: the stored weights are not those of the settings.")


def _written(name: str) -> str:
    return name.replace(".", "-")


def _array(tensor: torch.Tensor) -> NDArray[Any]:
    return tensor.detach().cpu().numpy().copy()


def _stored(state: State, name: str, like: torch.Tensor) -> torch.Tensor:
    dtype: type[np.generic] = np.float32 if like.is_floating_point() else np.int64
    return torch.from_numpy(state.array(name, tuple(like.shape), dtype).copy())
