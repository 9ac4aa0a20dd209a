"""Read, validate, fit, redraw, explain: the whole of a study of lots, resumable at every part."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from matlever._version import __version__
from matlever.exceptions import ModelFileError, StudyError
from matlever.storage import read_json, write_json, write_text
from matlever.study.folder import PARTS
from matlever.study.lots.compute import computed
from matlever.study.lots.data import LotData, data_digest, read_study_lots
from matlever.study.lots.folder import (
    LOTS_SCHEMA,
    TILES,
    change_frame,
    check_lots_folder,
    check_same_lots,
    sweep_frame,
    write_lot_tables,
)
from matlever.study.lots.model import LotsModel
from matlever.study.lots.settings import LotsSettings
from matlever.study.record import run_record
from matlever.study.run import threads_of_torch
from matlever.study.stages import Stages

__all__ = ["LotsStudy", "load_lots_study", "lots_settings", "run_lots_study"]

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class LotsStudy:
    """A finished study of lots.

    Attributes
    ----------
    folder : Path
        Where everything was written.
    results : dict
        What was found, as documented in ``docs/lots-results.md``.
    model : LotsModel
        Predicts the property of a tile's lot.
    """

    folder: Path
    results: Mapping[str, Any]
    model: LotsModel

    def __repr__(self) -> str:
        lines = [f"Study of the lots in {self.results['data']['folder']} in {self.folder}"]
        lines += [f"  {sentence}" for sentence in self.results["summary"]["sentences"]]
        return "\n".join(lines)

    def sweeps(self) -> pd.DataFrame:
        """Return what is predicted of edited tiles, one line per lot, attribute, value and tile."""
        return sweep_frame(self.results)

    def changes(self) -> pd.DataFrame:
        """Return the least change of each tile, one line per lot, direction and tile."""
        return change_frame(self.results)


def run_lots_study(
    source: str | os.PathLike[str] | LotsSettings | LotData,
    *,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> LotsStudy:
    """Run a study of lots, or go on with an interrupted one, and write all but the report.

    Parameters
    ----------
    source : path, LotsSettings or lots
        Folder of lots, a ``study.toml``, settings made before, or lots that were read or simulated.
    out : path, optional
        Folder to write to: ``results.json``, ``record.json``, ``study.toml``, ``model/`` and
        ``tables/``. It may be new, empty, or the folder of an earlier study. Default:
        ``NAME-study`` in the current folder.
    overwrite : bool, default=False
        Replace a finished study of other lots that stands in `out`.
    progress : callable, optional
        Called with (work done, work in all, what is being done).
    **settings
        Fields of :class:`LotsSettings`: ``target="peak_stress_psi"``, ``editor="train"``, ...

    Returns
    -------
    study : LotsStudy

    Raises
    ------
    DataError
        If the lots cannot be used; all faults are named.
    StudyError
        If `out` holds something other than a study of lots.
    """
    started = time.monotonic()
    asked: LotsSettings
    given: LotData | None = None
    if isinstance(source, str | os.PathLike | LotsSettings):
        asked = lots_settings(source, **settings)
    else:
        given, asked = source, LotsSettings("lots in memory").updated(**settings)
    folder = asked.default_folder if out is None else Path(out)
    check_lots_folder(folder)
    lots = read_study_lots(asked, folder / TILES, progress) if given is None else given
    digest = data_digest(lots)
    key = asked.digest(digest, __version__)
    finished = _finished(folder, key)
    try:
        if finished is None and not overwrite:
            check_same_lots(folder, digest, asked.folder)
    except StudyError:
        shutil.rmtree(folder / TILES, ignore_errors=True)
        raise
    if finished is not None:
        shutil.rmtree(folder / TILES, ignore_errors=True)
        return finished
    stages = Stages(folder / PARTS, key)
    with threads_of_torch(asked.jobs):
        results, model = computed(lots, asked, stages, progress)
    results["key"] = key
    # While results.json is missing the study is not complete: an earlier one goes first, and the
    # new one is written after everything it describes.
    (folder / "results.json").unlink(missing_ok=True)
    write_lot_tables(folder / "tables", results)
    model.save(folder / "model", {"data": results["data"]["folder"], "key": key})
    settings_file = folder / "study.toml"
    own = (
        isinstance(source, str | os.PathLike) and Path(source).resolve() == settings_file.resolve()
    )
    if given is None and not own:
        write_text(settings_file, asked.to_toml(folder))
    write_json(folder / "record.json", run_record(time.monotonic() - started, stages.n_reused))
    write_json(folder / "results.json", results)
    stages.remove()
    shutil.rmtree(folder / TILES, ignore_errors=True)
    return LotsStudy(folder, results, model)


def lots_settings(source: str | os.PathLike[str] | LotsSettings, **settings: Any) -> LotsSettings:
    """Return settings from a folder of lots or a ``study.toml``, with what is given beside it."""
    if not isinstance(source, LotsSettings):
        path = os.fspath(source)
        is_file = path.endswith(".toml")
        source = LotsSettings.from_toml(path) if is_file else LotsSettings(folder=path)
    return source.updated(**settings)


def load_lots_study(folder: str | os.PathLike[str]) -> LotsStudy:
    """Read a finished study of lots from its folder.

    Raises
    ------
    StudyError
        If the folder holds no finished study of lots.
    ModelFileError
        If its model was damaged or changed.
    """
    path = Path(folder)
    if not (path / "results.json").is_file():
        hint = (
            "it was interrupted; run the same `matlever study` command again to finish it"
            if (path / PARTS).is_dir()
            else "make one with `matlever study LOTS_DIR --out FOLDER`"
        )
        raise StudyError(f"{path} holds no finished study: {hint}.")
    try:
        results = read_json(path / "results.json")
    except ValueError as error:
        raise StudyError(f"{path / 'results.json'} cannot be read ({error}).") from error
    schema = results.get("schema") if isinstance(results, dict) else None
    if schema != LOTS_SCHEMA:
        raise StudyError(
            f"{path / 'results.json'} has schema {schema!r}; a study of lots has {LOTS_SCHEMA!r}."
        )
    model, card = LotsModel.load(path / "model")
    if card.get("key") != results.get("key"):
        raise StudyError(
            f"{path}: the model and results.json are of different studies. Run the study again."
        )
    return LotsStudy(path, results, model)


def _finished(folder: Path, key: str) -> LotsStudy | None:
    """Return the study in `folder` if it is complete and answers the same question."""
    if not (folder / "results.json").is_file():
        return None
    try:
        study = load_lots_study(folder)
    except (StudyError, ModelFileError):
        return None
    return study if study.results.get("key") == key else None
