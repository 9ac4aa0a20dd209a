"""pymatgen, where it is installed (extra ``crystals``)."""

from __future__ import annotations

import warnings
from typing import Any

from matlever.exceptions import MissingExtraError

__all__ = ["import_pymatgen"]


def import_pymatgen(purpose: str) -> Any:
    """Return ``pymatgen.core``.

    Parameters
    ----------
    purpose : str
        What it is needed for, as the beginning of a sentence: "Reading crystals".

    Raises
    ------
    MissingExtraError
        If pymatgen is not installed; the message names the command that installs it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of settings files, which nobody needs here
            import pymatgen.core as core
    except ImportError as error:
        raise MissingExtraError(purpose, "pymatgen", "crystals") from error
    return core
