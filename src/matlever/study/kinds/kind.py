"""What a study has to know about a kind of data: how it is read, turned and modelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pandas as pd

from matlever.knobs import TableEditor
from matlever.storage import State
from matlever.study.settings import StudySettings
from matlever.tables import Column, Table

__all__ = ["DataKind"]


class DataKind(Protocol):
    """One kind of data whose samples are described by the rows of a table of knobs.

    Everything else in a study (folds, intervals, weights, sweeps, changes, experiments, report) is
    the same for all kinds.

    Attributes
    ----------
    name : str
        ``"table"``, ``"compositions"`` or ``"crystals"``.
    has_three_numbers : bool
        Whether the published augmentation of rows means anything for this kind.
    """

    name: str
    has_three_numbers: bool

    def settled(self, settings: StudySettings) -> StudySettings:
        """Return the settings with this kind's defaults where nothing was said."""
        ...

    def read(self, settings: StudySettings) -> Table:
        """Return the checked rows: a column for each knob, and the targets."""
        ...

    def editor(self, table: Table) -> TableEditor:
        """Return the knobs, with the limits of the data."""
        ...

    def candidates(self, n_rows: int, settings: StudySettings) -> dict[str, Any]:
        """Return the models that are scored, the default first, then ridge, then the mean."""
        ...

    def described(self, fitted: Any, asked: Any) -> str:
        """Return what the default model is after fitting, in words."""
        ...

    def restore(self, state: State) -> Any:
        """Rebuild a fitted model."""
        ...

    def read_rows(self, source: Any, columns: Sequence[Column], **reading: Any) -> pd.DataFrame:
        """Return new rows as the model wants them, from a file or a frame."""
        ...

    def reference(self, inputs: pd.DataFrame) -> pd.DataFrame:
        """Return rows that show how far each knob usually goes, from the known ones."""
        ...

    def doubts(self, rows: pd.DataFrame) -> list[list[str]]:
        """Return for each hypothetical row why it can hardly exist; mostly nothing."""
        ...

    def to_state(self) -> State:
        """Return what the model of a study has to keep of its data, for all its parts together."""
        ...

    def facts(self) -> Mapping[str, Any]:
        """Return what the report says of the data beside their columns; empty where nothing."""
        ...
