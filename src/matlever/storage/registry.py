"""Which classes a model folder may name, and how the objects in it are rebuilt."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from matlever.exceptions import ModelFileError
from matlever.storage.state import State

__all__ = ["register", "restore"]

# Kind of state -> module of the class of that name. Each room of data enters its own, in code of
# this package: nothing in a model folder can.
_MODULES: dict[str, str] = {"CrossConformalRegressor": "matlever.validation.conformal"}
# These hold parts of any kind and ask `restore` for them.
_COMPOSITE = {"CrossConformalRegressor"}


def register(modules: Mapping[str, str]) -> None:
    """Let model folders name these classes.

    Parameters
    ----------
    modules : mapping of str to str
        Module of each class by its name; the class has a ``from_state(state)``.
    """
    _MODULES.update(modules)


def restore(state: State) -> Any:
    """Rebuild the fitted object a state describes.

    Parameters
    ----------
    state : State

    Returns
    -------
    fitted : estimator
        Of one of the classes that were registered; nothing else is ever imported.

    Raises
    ------
    ModelFileError
        If the kind was not registered, or its values contradict each other.
    """
    if state.kind not in _MODULES:
        raise ModelFileError(
            f"The model file asks for {state.kind!r}; known are {', '.join(sorted(_MODULES))}."
        )
    cls = getattr(import_module(_MODULES[state.kind]), state.kind)
    return cls.from_state(state, restore) if state.kind in _COMPOSITE else cls.from_state(state)
