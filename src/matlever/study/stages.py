"""Finished parts of a study, kept so that an interrupted one goes on where it stopped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matlever.exceptions import ModelFileError
from matlever.storage import State, read_json, read_model, write_json, write_model

__all__ = ["Stages"]


class Stages:
    """A folder of finished parts, each written whole or not at all.

    Parameters
    ----------
    folder : path
        Folder that holds the parts; parts of a study with another key are removed.
    key : str
        Digest of everything the results depend on.
    """

    def __init__(self, folder: str | os.PathLike[str], key: str) -> None:
        self.root = Path(folder)
        self.folder = self.root / key[:20]
        if self.root.is_dir():
            for other in self.root.iterdir():
                if other != self.folder:
                    shutil.rmtree(other, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.n_reused = 0

    def value(self, name: str, compute: Callable[[], Any]) -> Any:
        """Return the JSON value of the part `name`, computing it unless it is there.

        The value is always the one read back, so a resumed study sees the same bits.
        """
        path = self.folder / f"{name}.json"
        if path.is_file():
            try:
                found = read_json(path)
            except ValueError:
                path.unlink()
            else:
                self.n_reused += 1
                return found
        write_json(path, compute())
        return read_json(path)

    def state(self, name: str, compute: Callable[[], State]) -> State:
        """Return the state of the fitted part `name`, computing it unless it is there."""
        path = self.folder / name
        if path.is_dir():
            try:
                found, _ = read_model(path)
            except ModelFileError:
                shutil.rmtree(path)
            else:
                self.n_reused += 1
                return found
        write_model(path, compute())
        return read_model(path)[0]

    def remove(self) -> None:
        """Remove all parts: the study is complete."""
        shutil.rmtree(self.root, ignore_errors=True)
