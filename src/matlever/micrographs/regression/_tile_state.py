"""A fitted tile regressor as plain values and arrays, and back."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from matlever.exceptions import ModelFileError
from matlever.micrographs.regression._tile_training import Epoch, lay_out
from matlever.micrographs.regression.estimator import TileRegressor
from matlever.micrographs.regression.wide_resnet import WideResNet
from matlever.storage import State
from matlever.training.weights import restored, weights_of

__all__ = ["rebuilt", "state_of"]

Regressor = TypeVar("Regressor", bound=TileRegressor)


def state_of(model: TileRegressor) -> State:
    """Return everything needed to rebuild a fitted regressor."""
    return State(
        kind=type(model).__name__,
        config={
            "settings": model.get_params(),
            "networks": [network.config for network in model.networks_],
            "single_target": model.single_target_,
            "names": list(model.names_),
            "history": _plain(model.history_),
            "head_history": _plain(model.head_history_),
        },
        arrays={
            "target_centre": model.target_centre_,
            "target_scale": model.target_scale_,
            **{f"held_out_{m}": rows.astype(np.int64) for m, rows in enumerate(model.held_out_)},
        },
        parts={
            f"member_{m}": State("weights", arrays=weights_of(network))
            for m, network in enumerate(model.networks_)
        },
    )


def rebuilt(cls: type[Regressor], state: State) -> Regressor:
    """Return a fitted regressor on the processor; predictions are bitwise the same.

    Raises
    ------
    ModelFileError
        If a value is missing or does not fit the others.
    """
    try:
        model = cls(**state.get("settings"))
        configs = [dict(config) for config in state.get("networks")]
        names = tuple(str(name) for name in state.get("names"))
        history, heads = (_read(state.get(key)) for key in ("history", "head_history"))
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"{state.kind}: {error}") from error
    if not configs:
        raise ModelFileError(f"{state.kind}: there is no network in the model file.")
    networks = [
        restored(
            lambda config=config: WideResNet(**config),  # type: ignore[misc]  # bound at once
            state.part(f"member_{m}").arrays,
            state.kind,
        )
        for m, config in enumerate(configs)
    ]
    model.device = "cpu"
    model.networks_ = [lay_out(network, bool(model.channels_last)).eval() for network in networks]
    model.target_centre_ = state.array("target_centre", (None,), np.float64)
    model.target_scale_ = state.array("target_scale", model.target_centre_.shape, np.float64)
    model.single_target_ = bool(state.get("single_target"))
    model.names_ = names
    wanted = len(model.target_scale_) + len(model.names_)
    if {network.config["outputs"] for network in networks} != {wanted}:
        raise ModelFileError(f"{state.kind}: a network does not have {wanted} outputs.")
    model.channels_ = networks[0].config["channels"]
    model.history_, model.head_history_ = history, heads
    model.held_out_ = [
        state.array(f"held_out_{m}", (None,), np.int64).astype(np.intp)
        for m in range(len(networks))
    ]
    return model


def _plain(history: list[list[Epoch]]) -> list[list[list[float | None]]]:
    return [[[epoch.training, epoch.validation] for epoch in epochs] for epochs in history]


def _read(history: object) -> list[list[Epoch]]:
    if not isinstance(history, list):
        raise TypeError("the history is no list.")
    return [[Epoch(*epoch) for epoch in epochs] for epochs in history]
