"""Weights of a torch module as named arrays, and back with every name and shape checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import ModelFileError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["load_weights", "weights_of"]


def weights_of(module: nn.Module) -> dict[str, NDArray[Any]]:
    """Return parameters and buffers of a module as arrays; dots in names become dashes."""
    return {
        name.replace(".", "-"): value.detach().cpu().contiguous().numpy()
        for name, value in module.state_dict().items()
    }


def load_weights(module: nn.Module, arrays: Mapping[str, NDArray[Any]], what: str) -> None:
    """Put arrays into a module.

    Raises
    ------
    ModelFileError
        If a name is missing or unknown, or a shape or a type differs, or a value is not finite.
    """
    import torch

    wanted = {name.replace(".", "-"): value for name, value in module.state_dict().items()}
    odd = sorted(set(wanted) ^ set(arrays))
    if odd:
        raise ModelFileError(
            f"{what}: {len(odd)} weights are missing or unknown, the first {odd[0]!r}. The file "
            "belongs to another network."
        )
    for name, value in wanted.items():
        found = arrays[name]
        if found.shape != tuple(value.shape):
            raise ModelFileError(
                f"{what}: {name!r} has shape {found.shape}, expected {tuple(value.shape)}."
            )
        if found.dtype.kind == "f" and not np.isfinite(found).all():
            raise ModelFileError(f"{what}: {name!r} holds values that are not finite.")
        value.copy_(torch.from_numpy(np.array(found)))
