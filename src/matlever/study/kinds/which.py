"""Which kind of data a study is about."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matlever.study.kinds.kind import DataKind
from matlever.study.kinds.tables import TableKind
from matlever.study.settings import StudySettings

__all__ = ["kind_of", "kind_of_results"]


def kind_of(settings: StudySettings) -> DataKind:
    """Return the kind of data that settings ask for."""
    if settings.formula is not None:
        from matlever.study.kinds.compositions import CompositionKind

        return CompositionKind(settings.formula)
    return TableKind()


def kind_of_results(results: Mapping[str, Any], folder: Path) -> DataKind:
    """Return the kind of data that a finished study in `folder` was about."""
    settings = results.get("settings") or {}
    formula = settings.get("formula")
    if isinstance(formula, str):
        from matlever.study.kinds.compositions import CompositionKind

        return CompositionKind(formula)
    return TableKind()
