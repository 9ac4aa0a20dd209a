"""What is needed to rebuild a fitted object: plain values, arrays, and the states of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import ModelFileError

__all__ = ["State"]


@dataclass(frozen=True)
class State:
    """A fitted object as plain data.

    Parameters
    ----------
    kind : str
        Name under which a whitelist finds the class that can rebuild the object.
    config : dict
        JSON values: constructor parameters and small fitted values.
    arrays : dict of str to ndarray
        Fitted arrays; names without dots or slashes.
    parts : dict of str to State
        States of the objects this one is composed of.
    """

    kind: str
    config: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    parts: Mapping[str, State] = field(default_factory=dict)

    def get(self, name: str) -> Any:
        """Return the value `name` of the config, or say that it is missing."""
        if name not in self.config:
            raise ModelFileError(f"{self.kind}: the value {name!r} is missing from the model file.")
        return self.config[name]

    def array(
        self, name: str, shape: tuple[int | None, ...], dtype: type[np.generic]
    ) -> NDArray[Any]:
        """Return the array `name` after checking its shape (None = any length) and type.

        Raises
        ------
        ModelFileError
            If the array is missing, has another shape or type, or holds values that are not finite.
        """
        if name not in self.arrays:
            raise ModelFileError(f"{self.kind}: the array {name!r} is missing from the model file.")
        found = self.arrays[name]
        fits = len(found.shape) == len(shape) and all(
            want is None or want == have for want, have in zip(shape, found.shape, strict=True)
        )
        if not fits or found.dtype != np.dtype(dtype):
            raise ModelFileError(
                f"{self.kind}: the array {name!r} has shape {found.shape} and type {found.dtype}, "
                f"expected {shape} (None = any) and {np.dtype(dtype)}."
            )
        if found.dtype.kind == "f" and not np.isfinite(found).all():
            raise ModelFileError(
                f"{self.kind}: the array {name!r} holds values that are not finite."
            )
        return found

    def part(self, name: str) -> State:
        """Return the state of the part `name`, or say that it is missing."""
        if name not in self.parts:
            raise ModelFileError(f"{self.kind}: the part {name!r} is missing from the model file.")
        return self.parts[name]
