"""Which kind of data a study is about."""

from __future__ import annotations

from matlever.exceptions import ModelFileError
from matlever.storage import State
from matlever.study.detect import holds_crystals
from matlever.study.kinds.kind import DataKind
from matlever.study.kinds.tables import TableKind
from matlever.study.settings import StudySettings

__all__ = ["kind_from_state", "kind_of"]


def kind_of(settings: StudySettings) -> DataKind:
    """Return the kind of data that settings ask for."""
    if settings.formula is not None:
        from matlever.study.kinds.compositions import CompositionKind

        return CompositionKind(settings.formula)
    if holds_crystals(settings.file):
        from matlever.study.kinds.crystals import CrystalKind

        return CrystalKind()
    return TableKind()


def kind_from_state(state: State) -> DataKind:
    """Return the kind of data of a stored study.

    Raises
    ------
    ModelFileError
        If it is none that this version knows.
    """
    if state.kind == "TableKind":
        return TableKind()
    if state.kind == "CompositionKind":
        from matlever.study.kinds.compositions import CompositionKind

        return CompositionKind.from_state(state)
    if state.kind == "CrystalKind":
        from matlever.study.kinds.crystals import CrystalKind

        return CrystalKind.from_state(state)
    raise ModelFileError(f"The model is of {state.kind!r}, which this version does not know.")
