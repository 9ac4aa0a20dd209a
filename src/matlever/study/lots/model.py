"""The model of a study of lots: what predicts a tile's lot, and what redraws tiles."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matlever.exceptions import ModelFileError
from matlever.knobs import Editor
from matlever.micrographs import TileRegressor
from matlever.storage import State, read_model, write_model
from matlever.study.lots.editors import editor_from_state

__all__ = ["LotsModel"]

_KIND = "LotsModel"


@dataclass(frozen=True)
class LotsModel:
    """Predictor and editor of a study of lots.

    Attributes
    ----------
    regressor : TileRegressor
        Predicts the property of a tile's lot.
    target, unit : str, str or None
        Name and unit of the property.
    attributes : tuple of str
        Attributes of the lots.
    editor_state : State or None
        Of the editor that was trained for the study; None where it is another's.
    """

    regressor: TileRegressor
    target: str
    unit: str | None
    attributes: tuple[str, ...]
    editor_state: State | None = None

    @property
    def editor(self) -> Editor | None:
        """The editor that was trained for the study, if one was."""
        return None if self.editor_state is None else editor_from_state(self.editor_state)

    def predict(self, tiles: Any) -> Any:
        """Return the predicted property of each tile's lot."""
        return self.regressor.predict(tiles)

    def save(self, folder: str | os.PathLike[str], card: Mapping[str, Any]) -> None:
        """Write a model folder."""
        parts = {"regressor": self.regressor.to_state()}
        if self.editor_state is not None:
            parts["editor"] = self.editor_state
        config = {
            "target": self.target,
            "unit": self.unit,
            "attributes": list(self.attributes),
        }
        write_model(folder, State(_KIND, config, {}, parts), card)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> tuple[LotsModel, dict[str, Any]]:
        """Read a model folder, and its card.

        Raises
        ------
        ModelFileError
            If it is damaged or holds something else.
        """
        state, card = read_model(folder)
        if state.kind != _KIND:
            raise ModelFileError(f"{folder} holds a {state.kind}, not the model of a lots study.")
        model = cls(
            TileRegressor.from_state(state.part("regressor")),
            str(state.get("target")),
            state.get("unit"),
            tuple(str(name) for name in state.get("attributes")),
            state.parts.get("editor"),
        )
        return model, card
