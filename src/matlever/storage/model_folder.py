"""Model folders: ``model.json`` and ``weights.safetensors``, safe to open from a stranger.

``model.json`` holds the schema version, the tree of the stored object (kinds, plain values, names
and shapes of arrays), the card (whatever the writer wants a reader to know: knobs, units,
validation, record) and the SHA-256 of the weights file. Nothing in a folder is ever executed or
unpickled; kinds are looked up in a whitelist by whoever rebuilds the object.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from matlever.exceptions import ModelFileError
from matlever.storage.atomic import atomic_folder, read_json, write_bytes, write_json
from matlever.storage.state import State

__all__ = ["MODEL_SCHEMA", "read_model", "write_model"]

MODEL_SCHEMA = "matlever-model/1"
_MODEL = "model.json"
_WEIGHTS = "weights.safetensors"
_MAX_DEPTH = 8
_MAX_JSON_BYTES = 64 * 2**20


def write_model(
    folder: str | os.PathLike[str], state: State, card: Mapping[str, Any] | None = None
) -> Path:
    """Write a model folder; it appears whole or not at all.

    Parameters
    ----------
    folder : path
        Folder to make; an existing one is replaced.
    state : State
        The fitted object as plain data.
    card : mapping, optional
        JSON values that describe the model to a reader.
    """
    weights = {name: np.asarray(array, order="C") for name, array in _flatten(state, "")}
    data = save(weights)
    document = {
        "schema": MODEL_SCHEMA,
        "weights_sha256": hashlib.sha256(data).hexdigest(),
        "model": _tree(state),
        "card": dict(card or {}),
    }
    document["sha256"] = _digest(document)
    with atomic_folder(folder) as scratch:
        write_bytes(scratch / _WEIGHTS, data)
        write_json(scratch / _MODEL, document)
    return Path(folder)


def read_model(folder: str | os.PathLike[str]) -> tuple[State, dict[str, Any]]:
    """Read a model folder and check it before anything is built.

    Returns
    -------
    state : State
    card : dict

    Raises
    ------
    ModelFileError
        If a file is missing, truncated, changed, of another schema, or holds other arrays than
        ``model.json`` announces.
    """
    path = Path(folder)
    for name in (_MODEL, _WEIGHTS):
        if not (path / name).is_file():
            raise ModelFileError(f"{path} is not a model folder of matlever: it has no {name}.")
    if (path / _MODEL).stat().st_size > _MAX_JSON_BYTES:
        raise ModelFileError(f"{path / _MODEL} is too large to be a model description.")
    try:
        document = read_json(path / _MODEL)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path / _MODEL} cannot be read as JSON ({error}).") from error
    if not isinstance(document, dict) or "schema" not in document:
        raise ModelFileError(f"{path / _MODEL} was not written by matlever.")
    if document["schema"] != MODEL_SCHEMA:
        raise ModelFileError(
            f"{path / _MODEL} has schema {document['schema']!r}; this version of matlever reads "
            f"{MODEL_SCHEMA!r}. Fit the model again, or use the version that wrote it."
        )
    try:
        digest = _digest(document)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path / _MODEL} holds a broken value ({error}).") from error
    if document.get("sha256") != digest:
        raise ModelFileError(f"{path / _MODEL} was changed after it was written.")
    data = (path / _WEIGHTS).read_bytes()
    if hashlib.sha256(data).hexdigest() != document.get("weights_sha256"):
        raise ModelFileError(f"{path / _WEIGHTS} was changed or cut off after it was written.")
    try:
        weights = load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ModelFileError(f"{path / _WEIGHTS} cannot be read ({error}).") from error
    state = _rebuild(document.get("model"), "", weights, 0)
    if weights:
        raise ModelFileError(f"{path / _WEIGHTS} holds unknown arrays: {sorted(weights)[:3]}.")
    card = document.get("card")
    if not isinstance(card, dict):
        raise ModelFileError(f"{path / _MODEL} has no card.")
    return state, card


def _digest(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all of `document` but its own digest."""
    rest = {key: value for key, value in document.items() if key != "sha256"}
    text = json.dumps(rest, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _flatten(state: State, prefix: str) -> Iterator[tuple[str, NDArray[Any]]]:
    for name, array in state.arrays.items():
        yield f"{prefix}{name}", array
    for name, part in state.parts.items():
        yield from _flatten(part, f"{prefix}{name}/")


def _tree(state: State) -> dict[str, Any]:
    return {
        "kind": state.kind,
        "config": dict(state.config),
        "arrays": {
            name: {"shape": list(array.shape), "dtype": str(array.dtype)}
            for name, array in state.arrays.items()
        },
        "parts": {name: _tree(part) for name, part in state.parts.items()},
    }


def _rebuild(tree: Any, prefix: str, weights: dict[str, NDArray[Any]], depth: int) -> State:
    """Return the state of `tree`, taking its arrays out of `weights`."""
    keys = ("config", "arrays", "parts")
    if (
        depth > _MAX_DEPTH
        or not isinstance(tree, dict)
        or not isinstance(tree.get("kind"), str)
        or not all(isinstance(tree.get(key), dict) for key in keys)
    ):
        raise ModelFileError(f"The model description is broken at {prefix or 'its top'!r}.")
    arrays = {}
    for name, announced in tree["arrays"].items():
        array = weights.pop(f"{prefix}{name}", None)
        if array is None:
            raise ModelFileError(f"The array {prefix}{name!r} is missing from the weights.")
        if {"shape": list(array.shape), "dtype": str(array.dtype)} != announced:
            raise ModelFileError(f"The array {prefix}{name!r} is not the one announced.")
        arrays[name] = array
    parts = {
        name: _rebuild(part, f"{prefix}{name}/", weights, depth + 1)
        for name, part in tree["parts"].items()
    }
    return State(kind=tree["kind"], config=tree["config"], arrays=arrays, parts=parts)
