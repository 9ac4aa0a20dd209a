"""A fitted ElemNet regressor as plain data, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from matlever.compositions._elemnet_intervals import HeldOutScores
from matlever.exceptions import ModelFileError, SettingsError
from matlever.storage import State
from matlever.training.weights import load_weights, weights_of

if TYPE_CHECKING:
    from matlever.compositions.elemnet_regressor import ElemNetRegressor

__all__ = ["rebuilt", "state_of"]

_R = TypeVar("_R", bound="ElemNetRegressor")


def state_of(model: ElemNetRegressor) -> State:
    """Return everything needed to rebuild `model`."""
    settings: dict[str, Any] = {
        name: list(value) if isinstance(value, (tuple, list)) else _plain(value)
        for name, value in model.get_params(deep=False).items()
    }
    names = getattr(model, "feature_names_in_", None)
    parts = {
        f"member_{m}": State("weights", arrays=weights_of(network))
        for m, network in enumerate(model.networks_)
    }
    if model.calibration_ is not None:
        parts["calibration"] = model.calibration_.to_state()
    return State(
        kind="ElemNetRegressor",
        config={
            "settings": settings,
            "networks": [network.config for network in model.networks_],
            "single_target": model.single_target_,
            "fractions": model.fractions_,
            "seed": model._fit_seed,
            "feature_names": None if names is None else [str(name) for name in names],
            "history": [
                [[epoch.training, epoch.validation] for epoch in epochs]
                for epochs in model.history_
            ],
        },
        arrays={
            "target_mean": model.target_mean_,
            "target_scale": model.target_scale_,
            "seen": model.seen_.astype(np.uint8),
            **{f"held_out_{m}": rows.astype(np.int64) for m, rows in enumerate(model.held_out_)},
        },
        parts=parts,
    )


def rebuilt(cls: type[_R], state: State) -> _R:
    """Return the regressor that `state_of` described.

    Raises
    ------
    ModelFileError
        If a value is missing or does not fit the others.
    """
    import torch

    from matlever.compositions._elemnet_training import ElemNetEpoch
    from matlever.compositions.elemnet import ElemNet

    settings, configs = state.get("settings"), state.get("networks")
    try:
        given: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()
        }
        model = cls(**given)
        model.device = "cpu"
        model._validate_params()
        with torch.random.fork_rng(devices=[]):
            networks = [ElemNet(**config) for config in configs]
    except (AttributeError, TypeError, ValueError, SettingsError) as error:
        raise ModelFileError(f"{state.kind}: {error}") from error
    if not networks:
        raise ModelFileError(f"{state.kind}: there is no network in the model file.")
    sizes = {(n.config["n_inputs"], n.config["n_outputs"]) for n in networks}
    if len(sizes) != 1:
        raise ModelFileError(f"{state.kind}: its networks have different inputs or outputs.")
    n_inputs, n_outputs = sizes.pop()
    for m, network in enumerate(networks):
        with torch.no_grad():
            load_weights(network.eval(), state.part(f"member_{m}").arrays, state.kind)
    model.networks_ = networks
    model.n_features_in_ = n_inputs
    model.target_mean_ = state.array("target_mean", (n_outputs,), np.float64)
    model.target_scale_ = state.array("target_scale", (n_outputs,), np.float64)
    model.seen_ = state.array("seen", (n_inputs,), np.uint8).astype(bool)
    model.single_target_, model.fractions_ = (
        _truth(state, "single_target"),
        _truth(state, "fractions"),
    )
    seed = state.get("seed")
    if type(seed) is not int or seed < 0:
        raise ModelFileError(f"{state.kind}: seed is {seed!r}, expected a number.")
    model._fit_seed = seed
    _names(model, state, n_inputs)
    try:
        model.history_ = [
            [ElemNetEpoch(*epoch) for epoch in epochs] for epochs in state.get("history")
        ]
    except TypeError as error:
        raise ModelFileError(f"{state.kind}: the history cannot be read ({error}).") from error
    model.held_out_ = [
        state.array(f"held_out_{m}", (None,), np.int64).astype(np.intp)
        for m in range(len(networks))
    ]
    model.calibration_ = (
        HeldOutScores.from_state(state.part("calibration"), n_outputs)
        if "calibration" in state.parts
        else None
    )
    return model


def _names(model: ElemNetRegressor, state: State, n_inputs: int) -> None:
    names = state.get("feature_names")
    if names is None:
        return
    if not isinstance(names, list) or len(names) != n_inputs:
        raise ModelFileError(f"{state.kind}: feature_names does not fit {n_inputs} inputs.")
    model.feature_names_in_ = np.asarray([str(name) for name in names], dtype=object)


def _truth(state: State, name: str) -> bool:
    value = state.get(name)
    if not isinstance(value, bool):
        raise ModelFileError(f"{state.kind}: {name!r} is {value!r}, expected true or false.")
    return value


def _plain(value: Any) -> Any:
    """Return a setting as a JSON value; a generator object becomes None."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.random.RandomState):
        return None
    return int(value) if isinstance(value, (int, np.integer)) else float(value)
