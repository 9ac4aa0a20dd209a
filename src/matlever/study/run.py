"""Check, validate, fit, explain, keep: the whole of a study, resumable at every part."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from matlever._version import __version__
from matlever.exceptions import ModelFileError, SettingsError, StudyError
from matlever.knobs import TableEditor
from matlever.storage import read_json, read_model, write_json, write_text
from matlever.study.compute import Progress, computed
from matlever.study.detect import holds_crystals
from matlever.study.experiments import can_propose
from matlever.study.folder import (
    PARTS,
    RESULTS_SCHEMA,
    check_folder,
    check_same_table,
    score_frame,
    write_tables,
)
from matlever.study.kinds import kind_of
from matlever.study.known import KnownRows
from matlever.study.model import StudyModel
from matlever.study.record import run_record
from matlever.study.settings import StudySettings
from matlever.study.stages import Stages
from matlever.study.turn import Wishes, turned_editor
from matlever.tables import Table

__all__ = ["Progress", "Study", "load_study", "run_study", "threads_of_torch"]


@dataclass(frozen=True)
class Study:
    """A finished study.

    Parameters
    ----------
    folder : Path
        Where everything was written.
    results : dict
        What was found, as documented in ``docs/results.md``.
    model : StudyModel
        Predicts every target with intervals.
    """

    folder: Path
    results: Mapping[str, Any]
    model: StudyModel

    @property
    def known(self) -> KnownRows:
        """The rows the study learned from, and the knobs.

        Raises
        ------
        StudyError
            If the study was made before these were kept.
        """
        if self.model.known is None:
            raise StudyError(
                f"{self.folder} was written by an earlier version, which did not keep the knobs "
                "and the rows. Run the study again: "
                f"{self.results.get('record', {}).get('command', 'matlever study')}"
            )
        return self.model.known

    @property
    def editor(self) -> TableEditor:
        """The knobs, with the limits, steps and costs that the study's settings give them."""
        return self.known.editor

    @property
    def samples(self) -> pd.DataFrame:
        """Inputs of the rows in use; the index holds line numbers of the file."""
        return self.known.samples

    @property
    def outcomes(self) -> pd.DataFrame:
        """Measured targets of these rows; NaN where one was not measured."""
        return self.known.outcomes

    def __repr__(self) -> str:
        lines = [f"Study of {self.results['data']['file']} in {self.folder}"]
        lines += [f"  {sentence}" for sentence in self.results["summary"]["sentences"]]
        return "\n".join(lines)

    def scores(self) -> pd.DataFrame:
        """Return all scores as one tidy table."""
        return score_frame(self.results)


def run_study(
    source: str | os.PathLike[str] | StudySettings,
    targets: Sequence[str] = (),
    *,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> Study:
    """Run a study, or go on with an interrupted one, and write everything but the report.

    Parameters
    ----------
    source : path or StudySettings
        Table to study (or ``"example:NAME"``), a ``study.toml``, or settings made before.
    targets : sequence of str
        Columns to predict; a packaged example knows its own.
    out : path, optional
        Folder to write to: ``results.json``, ``record.json``, ``study.toml``, ``model/`` and
        ``tables/``. It may be new, empty, or the folder of an earlier study. Default:
        ``NAME-study`` in the current folder.
    overwrite : bool, default=False
        Replace a finished study of another table that stands in `out`.
    progress : callable, optional
        Called with (fits finished, fits in all, what is being done).
    **settings
        Any other field of :class:`StudySettings`: ``group="paper"``, ``ignore=("id",)``, ...

    Returns
    -------
    study : Study

    Raises
    ------
    DataError
        If the table cannot be used; all faults are named.
    StudyError
        If `out` holds something other than a study.
    """
    started = time.monotonic()
    asked = study_settings(source, targets, **settings)
    kind = kind_of(asked)
    asked = kind.settled(asked)
    folder = asked.default_folder if out is None else Path(out)
    check_folder(folder)
    table = kind.read(asked)
    key = asked.digest(table.sha256, __version__)
    wishes = Wishes.of(asked, table.input_columns, table.target_columns)
    observed = kind.editor(table)
    known = KnownRows(turned_editor(observed, wishes), observed, table.inputs, table.targets)
    finished = _finished(folder, key)
    if finished is not None:
        return finished
    if not overwrite:
        check_same_table(folder, table)
    _check_device(asked.device)
    stages = Stages(folder / PARTS, key)
    with threads_of_torch(asked.jobs):
        results, model = computed(table, known, wishes, asked, kind, stages, progress)
    results["key"] = key
    # While results.json is missing the study is not complete: an earlier one goes first, and the
    # new one is written after everything it describes.
    (folder / "results.json").unlink(missing_ok=True)
    write_tables(folder / "tables", results, table)
    model.save(folder / "model", {"data": results["data"]["file"], "key": key})
    settings_file = folder / "study.toml"
    if isinstance(source, StudySettings) or Path(source).resolve() != settings_file.resolve():
        write_text(settings_file, asked.to_toml(folder))
    write_json(folder / "record.json", run_record(time.monotonic() - started, stages.n_reused))
    write_json(folder / "results.json", results)
    stages.remove()
    return Study(folder, results, model)


def study_settings(
    source: str | os.PathLike[str] | StudySettings, targets: Sequence[str] = (), **settings: Any
) -> StudySettings:
    """Return settings from a table or a ``study.toml``, with what is given beside it.

    Raises
    ------
    SettingsError
        If a setting is unknown or has an impossible value, or no target is named.
    """
    if targets:
        settings["targets"] = tuple([targets] if isinstance(targets, str) else targets)
    if not isinstance(source, StudySettings) and str(source).endswith(".toml"):
        source = StudySettings.from_toml(source)
    if not isinstance(source, StudySettings):
        source = StudySettings(file=os.fspath(source))
    asked = source.updated(**settings)
    knows_its_own = asked.is_example or holds_crystals(asked.file)
    if not asked.targets and not knows_its_own:
        raise SettingsError(
            "Which column is to be predicted? Name it: --target COLUMN on the command line, "
            "targets=['COLUMN'] in Python, targets in study.toml."
        )
    return asked


def load_study(folder: str | os.PathLike[str]) -> Study:
    """Read a finished study from its folder.

    Raises
    ------
    StudyError
        If the folder holds no finished study.
    ModelFileError
        If its model was damaged or changed.
    """
    path = Path(folder)
    if not (path / "results.json").is_file():
        hint = (
            "it was interrupted; run the same `matlever study` command again to finish it"
            if (path / PARTS).is_dir()
            else "make one with `matlever study FILE --target COLUMN --out FOLDER`"
        )
        raise StudyError(f"{path} holds no finished study: {hint}.")
    try:
        results = read_json(path / "results.json")
    except ValueError as error:
        raise StudyError(f"{path / 'results.json'} cannot be read ({error}).") from error
    schema = results.get("schema") if isinstance(results, dict) else None
    if schema == "matlever-lots-results/1":
        raise StudyError(
            f"{path} holds a study of lots of micrographs, not of a table: in Python read it with "
            "load_lots_study; its report is written again with `matlever report`."
        )
    if schema != RESULTS_SCHEMA:
        raise StudyError(
            f"{path / 'results.json'} has schema {schema!r}; this version reads "
            f"{RESULTS_SCHEMA!r}. Run the study again."
        )
    state, card = read_model(path / "model")
    if card.get("key") != results.get("key"):
        raise StudyError(
            f"{path}: the model and results.json are of different studies. Run the study again."
        )
    return Study(path, results, StudyModel.from_state(state))


def read_study_table(settings: StudySettings) -> Table:
    """Read and check the table that `settings` describe."""
    return kind_of(settings).read(settings)


def _check_device(device: str) -> None:
    """Raise SettingsError unless torch can compute on `device`."""
    import torch

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SettingsError(
            f"device {device!r} is not available here; 'cpu' always is, 'cuda' where torch sees a "
            "GPU."
        ) from error


def _finished(folder: Path, key: str) -> Study | None:
    """Return the study in `folder` if it is complete and answers the same question."""
    if not (folder / "results.json").is_file():
        return None
    try:
        study = load_study(folder)
    except (StudyError, ModelFileError):
        return None
    if study.results.get("key") != key:
        return None
    # What was left out for want of a library is made up for when the library is there.
    missing = (study.results.get("next") or {}).get("missing")
    return None if missing and can_propose() else study


@contextmanager
def threads_of_torch(jobs: int | None) -> Iterator[None]:
    """Let torch use `jobs` threads for the time of a study; None leaves it as it is."""
    import torch

    before = torch.get_num_threads()
    if jobs is not None:
        torch.set_num_threads(jobs)
    try:
        yield
    finally:
        torch.set_num_threads(before)
