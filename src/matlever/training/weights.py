"""Networks and optimisers as named arrays, and back with every name, shape and type checked.

This is the one way in which matlever stores what torch holds: weights and running statistics of a
module, and the moments of Adam. Reading a file that somebody else wrote takes no more memory than
its arrays do: a network is laid out without memory first, and given some once the stored weights
are found to fit (see :func:`restored`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import ModelFileError
from matlever.storage import State

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = ["load_moments", "load_weights", "moments_of", "restored", "weights_of"]

Network = TypeVar("Network", bound="nn.Module")
Arrays = Mapping[str, NDArray[Any]]

_MOMENTS = ("exp_avg", "exp_avg_sq")


def weights_of(module: nn.Module) -> dict[str, NDArray[Any]]:
    """Return parameters and buffers of a module as arrays; dots in names become dashes."""
    return {_written(name): _array(value) for name, value in module.state_dict().items()}


def load_weights(module: nn.Module, arrays: Arrays, what: str) -> None:
    """Put arrays into a module.

    Raises
    ------
    ModelFileError
        If a name is missing or unknown, or a shape or a type differs, or a value is not finite.
    """
    import torch

    _check_names(module, arrays, what)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            value.copy_(_fitting(arrays, _written(name), value, what))


def restored(make: Callable[[], Network], arrays: Arrays, what: str) -> Network:
    """Return a network with stored weights, in evaluation mode.

    Parameters
    ----------
    make : callable
        Returns the network as its stored settings ask for. It is called where tensors have a
        shape but no memory, draws no random numbers, and is stopped once it asks for more weights
        than there are: settings of a hostile file cannot exhaust the memory.
    arrays : mapping of str to ndarray
        As `weights_of` gives them.
    what : str
        What the file holds, for messages.

    Raises
    ------
    ModelFileError
        If the network cannot be built, or the arrays are not its weights.
    """
    import torch

    try:
        with torch.device("meta"), _at_most(len(arrays), what):
            network = make()
    except ModelFileError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ModelFileError(f"{what}: the network cannot be built ({error}).") from error
    except RuntimeError as error:  # torch, of sizes that are none
        raise ModelFileError(
            f"{what}: the network cannot be built ({str(error).splitlines()[0]})."
        ) from error
    _check_names(network, arrays, what)
    for name, value in network.state_dict().items():
        _fitting(arrays, _written(name), value, what)
    network.to_empty(device="cpu")
    load_weights(network, arrays, what)
    return network.eval()


def moments_of(optimiser: torch.optim.Optimizer, module: nn.Module) -> State:
    """Return the steps and moments of Adam or AdamW, under the names of the parameters."""
    arrays: dict[str, NDArray[Any]] = {}
    n_steps = 0
    for name, parameter in module.named_parameters():
        kept = optimiser.state.get(parameter)
        if kept:  # there is nothing before the first step
            n_steps = int(kept["step"])
            arrays |= {f"{moment}-{_written(name)}": _array(kept[moment]) for moment in _MOMENTS}
    return State("Adam", {"n_steps": n_steps}, arrays)


def load_moments(
    optimiser: torch.optim.Optimizer, module: nn.Module, state: State, what: str
) -> None:
    """Give Adam stored moments; the settings of its groups stay.

    Raises
    ------
    ModelFileError
        If a moment is missing or does not fit.
    """
    import torch

    n_steps = state.get("n_steps")
    if type(n_steps) is not int or n_steps < 0:
        raise ModelFileError(f"{what}: n_steps={n_steps!r} is no number of steps.")
    names = {parameter: _written(name) for name, parameter in module.named_parameters()}
    groups = optimiser.state_dict()["param_groups"]
    moments: dict[int, dict[str, Tensor]] = {}
    if n_steps:
        own = [parameter for group in optimiser.param_groups for parameter in group["params"]]
        for place, parameter in enumerate(own):
            moments[place] = {"step": torch.tensor(float(n_steps))}
            for moment in _MOMENTS:
                found = _fitting(state.arrays, f"{moment}-{names[parameter]}", parameter, what)
                # Laid out in memory as the parameter is: fused steps take that for granted.
                moments[place][moment] = torch.empty_like(parameter).copy_(found).detach()
    optimiser.load_state_dict({"state": moments, "param_groups": groups})


# -- parts ----------------------------------------------------------------------------------------


def _written(name: str) -> str:
    return name.replace(".", "-")


def _array(tensor: Tensor) -> NDArray[Any]:
    return np.array(tensor.detach().cpu().contiguous().numpy())


def _check_names(module: nn.Module, arrays: Arrays, what: str) -> None:
    odd = sorted({_written(name) for name in module.state_dict()} ^ set(arrays))
    if odd:
        raise ModelFileError(
            f"{what}: {len(odd)} weights are missing or unknown, the first {odd[0]!r}. The file "
            "belongs to another network."
        )


def _fitting(arrays: Arrays, name: str, like: Tensor, what: str) -> Tensor:
    """Return a stored array as a tensor, after checks against the one it is to fill."""
    import torch

    if name not in arrays:
        raise ModelFileError(f"{what}: the array {name!r} is missing from the model file.")
    found = arrays[name]
    if found.shape != tuple(like.shape):
        raise ModelFileError(
            f"{what}: {name!r} has shape {found.shape}, expected {tuple(like.shape)}."
        )
    wanted = np.dtype(str(like.dtype).removeprefix("torch."))
    if found.dtype != wanted:
        raise ModelFileError(f"{what}: {name!r} has type {found.dtype}, expected {wanted}.")
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise ModelFileError(f"{what}: {name!r} holds values that are not finite.")
    return torch.from_numpy(np.array(found))


@contextmanager
def _at_most(n_arrays: int, what: str) -> Iterator[None]:
    """Stop a network that registers more parameters than there are arrays, in this thread."""
    from torch.nn.modules import module as hooks

    thread, count = threading.get_ident(), 0

    def counted(*_: Any) -> None:
        nonlocal count
        if threading.get_ident() == thread:
            count += 1
            if count > n_arrays:
                raise ModelFileError(
                    f"{what}: its settings ask for more weights than the {n_arrays} arrays that "
                    "are stored."
                )

    hook = hooks.register_module_parameter_registration_hook(counted)
    try:
        yield
    finally:
        hook.remove()
