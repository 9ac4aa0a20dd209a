"""Which compositions of a chemical space are worth a second look: predict, compare, keep few."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from matlever.compositions._screen_backends import Backend, choose_backend, parts_of
from matlever.compositions._screen_estimate import ScreeningEstimate, estimate_of
from matlever.compositions._screen_files import Folder, question_of
from matlever.compositions._screen_job import Job, Keep, Part
from matlever.compositions._screen_result import Screening
from matlever.compositions.elements import ELEMENTS
from matlever.compositions.enumeration import CompositionSpace, enumerate_compositions
from matlever.compositions.hull import ConvexHull
from matlever.exceptions import SettingsError
from matlever.knobs import as_predictor, gives_std

__all__ = [
    "Screening",
    "ScreeningEstimate",
    "enumerate_compositions",
    "estimate_screening",
    "screen",
]

ProgressCallback = Callable[[int, int, str], None]

_MOST_IN_MEMORY = 5_000_000  # kept candidates without a folder


def screen(
    space: CompositionSpace,
    predictor: Any,
    *,
    hull: ConvexHull | None = None,
    below: float | None = None,
    above: float | None = None,
    best: int | None = None,
    largest: bool = False,
    uncertainty: bool = False,
    out: str | os.PathLike[str] | None = None,
    chunk: int = 100_000,
    batch_rows: int = 4096,
    backend: Backend | None = None,
    workers: int = 1,
    client: Any = None,
    progress: ProgressCallback | None = None,
    target: str = "prediction",
    estimate: ScreeningEstimate | None = None,
) -> Screening:
    """Predict every composition of a space and keep those that pass.

    Parameters
    ----------
    space : CompositionSpace
        From `enumerate_compositions`.
    predictor : Predictor
        Anything whose ``predict`` takes element fractions of shape (m, 103) and returns (m,); with
        a `hull`, energies on the scale of its phases, in eV/atom. Asked by ``predict_sparse(columns
        (m, k), fractions (m, k))`` where it has that; in float32 where it has ``accepts_float32 =
        True``.
    hull : ConvexHull, default=None
        Known phases. With it the score of a candidate is its energy above their hull, without it
        the prediction.
    below, above : float, default=None
        Keep scores up to, or from, this limit.
    best : int, default=None
        Keep at most so many, those of lowest score.
    largest : bool, default=False
        Whether `best` are those of highest score.
    uncertainty : bool, default=False
        Whether kept candidates are predicted again with ``return_std=True``.
    out : path, default=None
        Folder for the results: one Parquet file for each chunk, and ``best.parquet``. Needs
        ``pip install "matlever[files]"``. A screening that was stopped, however abruptly, goes on
        where it stood; its files are the same to the byte as if it had never stopped. Without a
        folder the kept candidates stay in memory.
    chunk : int, default=100_000
        Numbers of the space in one piece of work.
    batch_rows : int, default=4096
        Rows in one call of the predictor.
    backend : {"process", "dask"} or None, default=None
        None works in this process, or in several where `workers` is above 1.
    workers : int, default=1
        Processes, each with one thread.
    client : distributed.Client or str, default=None
        A Dask cluster, or the address of one. Its workers write to `out`, which must be the same
        folder for all.
    progress : callable, default=None
        Called as ``progress(done, total, what)`` with numbers of the space.
    target : str, default="prediction"
        What is predicted: the name of its column.
    estimate : ScreeningEstimate, default=None
        Of `estimate_screening`, where it has been made already.

    Returns
    -------
    screening : Screening

    Raises
    ------
    SettingsError
        If an argument cannot be used, or nothing is said about what to keep.
    StudyError
        If `out` holds another screening or other files.
    DataError
        If the predictor does not return finite numbers, or the hull lacks an element.

    Notes
    -----
    Each process computes in one thread, so that results do not depend on the number of processes.

    Examples
    --------
    >>> import numpy as np
    >>> space = enumerate_compositions(["Na", "Mg", "Cl", "O"], n_elements=[2], max_atoms=4)
    >>> found = screen(space, lambda fractions: -4.0 * fractions.prod(axis=1, where=fractions > 0),
    ...                best=2)
    >>> found.to_frame(2)[["formula", "prediction"]]
      formula  prediction
    0     NaO        -1.0
    1     MgO        -1.0
    """
    if chunk < 1 or batch_rows < 1:
        raise SettingsError(f"chunk={chunk} and batch_rows={batch_rows} must be 1 or more.")
    backend, workers = choose_backend(backend, workers, client)
    job = _job(
        space, predictor, hull, Keep(below, above, best, largest), chunk, batch_rows, uncertainty
    )
    begun = time.perf_counter()
    folder = None
    question = question_of(job, target)
    done: set[int] = set()
    if out is not None:
        folder = Folder(Path(out))
        folder.open(question)
        done = folder.finished()
        answer = folder.manifest()["answer"]
        if answer is not None and len(done) == job.n_chunks:
            return Screening(space, question, answer, folder.path)
    estimate = estimate_of(job, workers) if estimate is None else estimate
    collected: list[Part] = []
    left = (number for number in range(job.n_chunks) if number not in done)
    path = None if folder is None else folder.path.resolve()
    finished = len(done)
    _tell(progress, finished, job)
    for part in parts_of(job, left, path, backend, workers, client):
        finished += 1
        if folder is None:
            collected.append(part)
            collected = _few(collected, job)
        _tell(progress, finished, job)
    seconds = time.perf_counter() - begun
    if folder is not None:
        answer = folder.finish(job.n_chunks, best, job)
        return Screening(space, question, answer, folder.path, estimate, seconds)
    columns = _together(collected, job)
    answer = {
        "n_candidates": sum(part.n_candidates for part in collected),
        "n_kept": len(columns["number"]),
    }
    return Screening(space, question, answer, None, estimate, seconds, columns)


def estimate_screening(
    space: CompositionSpace,
    predictor: Any,
    *,
    hull: ConvexHull | None = None,
    below: float | None = None,
    above: float | None = None,
    best: int | None = None,
    largest: bool = False,
    uncertainty: bool = False,
    chunk: int = 100_000,
    batch_rows: int = 4096,
    workers: int = 1,
) -> ScreeningEstimate:
    """Say how long `screen` would take with these arguments, and what memory and disk it needs.

    A few thousand candidates at places all over the space are worked on.

    Parameters
    ----------
    space, predictor, hull, below, above, best, largest, uncertainty, chunk, batch_rows, workers
        As in `screen`.
    """
    keep = Keep(below, above, best, largest)
    return estimate_of(
        _job(space, predictor, hull, keep, chunk, batch_rows, uncertainty), max(1, workers)
    )


def _job(
    space: CompositionSpace,
    predictor: Any,
    hull: ConvexHull | None,
    keep: Keep,
    chunk: int,
    batch_rows: int,
    uncertainty: bool,
) -> Job:
    if not isinstance(space, CompositionSpace):
        raise SettingsError(
            f"screen needs a space from enumerate_compositions, not a {type(space).__name__}."
        )
    if uncertainty and not gives_std(as_predictor(predictor)):
        raise SettingsError(
            "The model gives no standard deviation: fit several members (n_members=5), or screen "
            "without uncertainty."
        )
    if hull is not None:
        if hull.elements != ELEMENTS:
            raise SettingsError(
                "The hull of a screening needs fractions in the 103 columns of ELEMENTS."
            )
        hull = hull.within(space.elements)
    return Job(space, as_predictor(predictor), hull, keep, chunk, batch_rows, uncertainty)


def _tell(progress: ProgressCallback | None, finished: int, job: Job) -> None:
    if progress is not None:
        done = min(finished * job.chunk, job.space.size)
        progress(done, job.space.size, "screening")


def _few(parts: list[Part], job: Job) -> list[Part]:
    """Keep memory flat: once in a while only the best so far, or an error where all are kept."""
    rows = sum(part.n_kept for part in parts)
    best = job.keep.best
    if best is not None and rows > 4 * best + 100_000:
        columns = _together(parts, job)
        n = sum(part.n_candidates for part in parts)
        return [Part(0, n, columns)]
    if best is None and rows > _MOST_IN_MEMORY:
        raise SettingsError(
            f"More than {_MOST_IN_MEMORY:,} candidates are kept; give out=FOLDER, best=... or a "
            "stricter limit."
        )
    return parts


def _together(parts: list[Part], job: Job) -> dict[str, Any]:
    """Columns of all kept candidates, by number, or the best by score."""
    names = list(parts[0].columns) if parts else ["number", "formula", "prediction"]
    columns = {
        name: np.concatenate([np.asarray(part.columns[name], dtype=_dtype(name)) for part in parts])
        for name in names
    }
    order = np.argsort(columns["number"], kind="stable")
    if job.keep.best is not None:
        order = order[job.keep.order(columns[job.score_name][order])[: job.keep.best]]
    return {name: column[order] for name, column in columns.items()}


def _dtype(name: str) -> Any:
    return {"number": np.int64, "formula": object, "is_known": bool}.get(name, np.float64)
