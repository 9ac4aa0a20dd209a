"""A fitted CGCNNRegressor as plain data, and back."""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from matlever.crystals._cgcnn_rows import check_settings
from matlever.exceptions import ModelFileError, SettingsError
from matlever.storage import State

__all__ = ["fitted_state", "rebuild"]

_M = TypeVar("_M")


def fitted_state(model: Any) -> State:
    """Return the state of a fitted regressor."""
    from matlever.training import weights_of

    params: dict[str, Any] = {}
    for name, value in model.get_params(deep=False).items():
        if isinstance(value, bool | str) or value is None:
            params[name] = value
        elif isinstance(value, numbers.Integral):
            params[name] = int(value)
        elif isinstance(value, numbers.Real):
            params[name] = float(value)
        else:  # a generator cannot be written
            params[name] = None
    return State(
        kind=type(model).__name__,
        config={
            "params": params,
            "single_target": bool(model.single_target_),
            "n_neighbours": int(model.n_neighbours_),
            "history": [
                [[epoch.training, epoch.validation] for epoch in history]
                for history in model.history_
            ],
        },
        arrays={
            "y_mean": model.y_mean_,
            "y_scale": model.y_scale_,
            "validation_rows": model.validation_rows_.astype(np.int64),
            "calibration_rows": model.calibration_rows_.astype(np.int64),
            "calibration_scores": model.calibration_scores_,
            "calibration_spread": model.calibration_spread_,
        },
        parts={
            f"member_{i}": State("CGCNN", network.architecture, weights_of(network))
            for i, network in enumerate(model.networks_)
        },
    )


def rebuild(cls: type[_M], state: State) -> _M:
    """Return the fitted regressor of a state.

    Raises
    ------
    ModelFileError
        If a value or array is missing or does not fit the others.
    """
    if state.kind != cls.__name__:
        raise ModelFileError(f"Expected the state of a {cls.__name__}, found {state.kind!r}.")
    params = state.get("params")
    known = inspect.signature(cls).parameters
    if not isinstance(params, Mapping) or not set(params) <= set(known):
        raise ModelFileError(f"{state.kind}: 'params' must name parameters among {sorted(known)}.")
    model: Any = cls(**params)
    try:
        check_settings(model)
    except SettingsError as error:
        raise ModelFileError(f"{state.kind}: {error}") from error
    single = state.get("single_target")
    model.y_mean_ = state.array("y_mean", (None,), np.float64)
    n_targets = len(model.y_mean_)
    model.y_scale_ = state.array("y_scale", (n_targets,), np.float64)
    if not isinstance(single, bool) or n_targets < 1 or (single and n_targets != 1):
        raise ModelFileError(f"{state.kind}: {n_targets} targets, single_target={single!r}.")
    if not (model.y_scale_ > 0).all():
        raise ModelFileError(f"{state.kind}: scales of targets must be above 0.")
    model.single_target_ = single
    n_neighbours = state.get("n_neighbours")
    if isinstance(n_neighbours, bool) or not isinstance(n_neighbours, int) or n_neighbours < 1:
        raise ModelFileError(f"{state.kind}: n_neighbours={n_neighbours!r} is no number of atoms.")
    model.n_neighbours_ = n_neighbours
    for name in ("validation_rows", "calibration_rows"):
        setattr(model, f"{name}_", state.array(name, (None,), np.int64).astype(np.intp))
    n = len(model.calibration_rows_)
    model.calibration_scores_ = state.array("calibration_scores", (n, n_targets), np.float64)
    model.calibration_spread_ = state.array("calibration_spread", (n_targets,), np.float64)
    names = [f"member_{i}" for i in range(model.n_members)]
    if set(names) != set(state.parts):
        raise ModelFileError(f"{state.kind}: {len(state.parts)} networks, expected {len(names)}.")
    model.networks_ = [_network(state.part(name), model, n_targets) for name in names]
    model.history_ = _history(state)
    return model  # type: ignore[no-any-return]  # Any, to set its attributes


def _network(state: State, model: Any, n_targets: int) -> Any:
    from matlever.crystals.cgcnn import CGCNN
    from matlever.training import load_weights

    wanted = {"n_outputs": n_targets, **model._architecture()}
    if state.kind != "CGCNN" or {**state.config, **wanted} != dict(state.config):
        raise ModelFileError(f"{state.kind}: the network is not that of the regressor.")
    import torch

    try:
        with torch.random.fork_rng(devices=[]):  # first weights, which are replaced
            network = CGCNN(**state.config)
    except (SettingsError, TypeError) as error:
        raise ModelFileError(f"{state.kind}: {error}") from error
    load_weights(network, state.arrays, state.kind)
    return network.eval().to(model.device)


def _history(state: State) -> list[Any]:
    from matlever.crystals._cgcnn_training import Epoch

    try:
        return [[Epoch(*epoch) for epoch in member] for member in state.get("history")]
    except TypeError as error:
        raise ModelFileError(f"{state.kind}: 'history' is no list of epochs.") from error
