"""The command line that asks for the same study of lots."""

from __future__ import annotations

import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

from matlever.study.lots.settings import EDITORS, LotsSettings

__all__ = ["lots_command"]

# Setting -> option of the command line that sets it.
_OPTIONS = {
    "target": "property",
    "size": "size",
    "pixel_nm": "pixel-nm",
    "epochs": "epochs",
    "folds": "folds",
    "level": "level",
    "editor": "editor",
    "editor_minutes": "editor-minutes",
    "explain_lots": "lot",
    "fixed": "fix",
    "goals": "goal",
    "seed": "seed",
    "device": "device",
}
_SILENT = ("folder", "jobs")


def lots_command(settings: LotsSettings) -> str:
    """Return a command line that asks for the same study."""
    standard = LotsSettings(folder=settings.folder)
    changed = [
        item.name
        for item in fields(settings)
        if item.name not in _SILENT and getattr(settings, item.name) != getattr(standard, item.name)
    ]
    if any(name not in _OPTIONS for name in changed):  # No option says these.
        return "matlever study study.toml"
    words = ["matlever", "study", Path(settings.folder).name or "."]
    for name in changed:
        value = getattr(settings, name)
        if name == "editor" and value not in EDITORS:
            value = Path(value).name
        if name == "goals":
            value = tuple(f"{column}={_said(goal)}" for column, goal in value.items())
        for one in value if isinstance(value, tuple) else [value]:
            words += [f"--{_OPTIONS[name]}", _said(one)]
    return shlex.join(words)


def _said(value: Any) -> str:
    """Return a value as an option of the command line has it."""
    if isinstance(value, tuple):
        return "..".join("" if end is None else _said(end) for end in value)
    return value if isinstance(value, str) else repr(value).removesuffix(".0")
