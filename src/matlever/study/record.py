"""What a reader needs to make a study again: versions, seed, command, time."""

from __future__ import annotations

import platform
import shlex
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from matlever._version import __version__
from matlever.study.kinds import kind_of
from matlever.study.settings import StudySettings

__all__ = ["run_record", "study_command", "versions"]

_LIBRARIES = ("numpy", "scipy", "pandas", "scikit-learn", "torch")
_OPTIONAL = ("botorch",)


def versions() -> dict[str, str]:
    """Return the versions that decide the numbers."""
    there = [name for name in _OPTIONAL if find_spec(name) is not None]
    return {name: version(name) for name in (*_LIBRARIES, *there)}


def run_record(seconds: float, n_reused: int) -> dict[str, Any]:
    """Return what differs between two runs with the same results.

    Parameters
    ----------
    seconds : float
        Wall time of this run.
    n_reused : int
        Parts taken from an interrupted run.
    """
    return {
        "matlever": __version__,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 2),
        "parts_reused": n_reused,
        "machine": platform.machine(),
        "system": platform.system(),
    }


def study_command(settings: StudySettings) -> str:
    """Return a command line that asks for the same study."""
    if settings.kinds or settings.relations:  # No option says these.
        return "matlever study study.toml"
    file = settings.file if settings.is_example else Path(settings.file).name
    words = ["matlever", "study", file]
    standard = kind_of(settings).settled(StudySettings(file=settings.file))
    for name, option in _OPTIONS.items():
        value = getattr(settings, name)
        if value is None or value == getattr(standard, name):
            continue
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
            continue
        if isinstance(value, dict):
            value = tuple(f"{column}={_said(one)}" for column, one in value.items())
        for one in value if isinstance(value, tuple) else [value]:
            words += [f"--{option}", str(one)]
    return shlex.join(words)


def _said(value: Any) -> str:
    """Return a goal, limits or a number as an option of the command line has it."""
    if isinstance(value, tuple):
        return "..".join("" if end is None else repr(end).removesuffix(".0") for end in value)
    return value if isinstance(value, str) else repr(value).removesuffix(".0")


# Setting -> option of the command line that sets it.
_OPTIONS = {
    "targets": "target",
    "formula": "formula",
    "group": "group",
    "inputs": "input",
    "ignore": "ignore",
    "missing": "missing",
    "decimal": "decimal",
    "delimiter": "delimiter",
    "sheet": "sheet",
    "encoding": "encoding",
    "folds": "folds",
    "repeats": "repeats",
    "level": "level",
    "log_targets": "log-targets",
    "three_numbers": "three-numbers",
    "goals": "goal",
    "fixed": "fix",
    "limits": "limit",
    "costs": "cost",
    "steps": "step",
    "advice": "advice",
    "seed": "seed",
    "device": "device",
}
