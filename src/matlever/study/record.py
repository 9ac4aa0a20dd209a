"""What a reader needs to make a study again: versions, seed, command, time."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from matlever._version import __version__

__all__ = ["run_record", "versions"]

_LIBRARIES = ("numpy", "scipy", "pandas", "scikit-learn", "torch")


def versions() -> dict[str, str]:
    """Return the versions that decide the numbers."""
    return {name: version(name) for name in _LIBRARIES}


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
