"""Where chunks are worked on: in this process, in several, or on a Dask cluster."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from matlever.compositions._screen_files import Folder
from matlever.compositions._screen_job import Job, Part
from matlever.exceptions import MissingExtraError, SettingsError

__all__ = ["Backend", "choose_backend", "parts_of"]

Backend = Literal["process", "dask"]

# Chunks that wait on a cluster for each of its threads: enough to keep it busy, few enough that the
# scheduler's memory does not grow with the space.
_WAITING = 2


def choose_backend(
    backend: Backend | None, workers: int, client: Any
) -> tuple[Backend | None, int]:
    """Return where to work, and in how many processes.

    Raises
    ------
    SettingsError
        If the arguments contradict each other.
    """
    if backend is not None and backend not in get_args(Backend):
        raise SettingsError(f"backend={backend!r} is not one of {get_args(Backend)} or None.")
    if workers < 1:
        raise SettingsError(f"workers={workers} must be 1 or more.")
    if client is not None:
        if backend == "process":
            raise SettingsError("client is for backend='dask'.")
        return "dask", workers
    if backend is None and workers > 1:
        return "process", workers
    return (None, 1) if backend == "process" and workers == 1 else (backend, workers)


def parts_of(
    job: Job,
    numbers: Iterable[int],
    folder: Path | None,
    backend: Backend | None,
    workers: int,
    client: Any,
) -> Iterator[Part]:
    """Yield what each chunk gave, as chunks are finished; with a folder, without its rows.

    Parameters
    ----------
    job : Job
    numbers : iterable of int
        Of chunks.
    folder : path or None
        Where whoever works on a chunk writes its file.
    backend, workers, client
        As `choose_backend` returns them.
    """
    if backend is None:
        return (_one(job, number, folder) for number in numbers)
    if backend == "process":
        return _in_processes(job, numbers, folder, workers)
    return _on_dask(job, numbers, folder, workers, client)


def _one(job: Job, number: int, folder: Path | None) -> Part:
    part = job.run(number)
    if folder is None:
        return part
    Folder(folder).write_part(part)
    return Part(part.number, part.n_candidates, {"number": part.columns["number"]}, part.seconds)


# -- several processes ----------------------------------------------------------------------------

_loaded: dict[str, Job] = {}


def _in_processes(
    job: Job, numbers: Iterable[int], folder: Path | None, workers: int
) -> Iterator[Part]:
    from joblib import Parallel, delayed, parallel_config

    try:
        # Between our own processes only; nothing of it reaches a file that stays.
        data = _cloudpickle().dumps(job)
    except Exception as error:  # whatever a foreign predictor raises
        raise SettingsError(
            f"{type(job.predictor).__name__} cannot be sent to other processes ({error}); use one "
            "process (workers=1)."
        ) from error
    # As an array joblib hands it to each process once, through shared memory.
    packed = np.frombuffer(data, dtype=np.uint8)
    key = hashlib.sha256(data).hexdigest()
    with parallel_config(backend="loky", inner_max_num_threads=1):
        work = Parallel(n_jobs=workers, return_as="generator_unordered")
        yield from work(delayed(_unpacked)(key, packed, n, folder) for n in numbers)


def _unpacked(key: str, packed: NDArray[np.uint8], number: int, folder: Path | None) -> Part:
    if key not in _loaded:
        _loaded.clear()
        _loaded[key] = _cloudpickle().loads(packed.tobytes())
    return _one(_loaded[key], number, folder)


def _cloudpickle() -> Any:
    """Return what joblib sends functions of notebooks and scripts with; older ones carry it."""
    try:
        return import_module("cloudpickle")
    except ImportError:
        return import_module("joblib.externals.cloudpickle")


# -- Dask -----------------------------------------------------------------------------------------


def _on_dask(
    job: Job, numbers: Iterable[int], folder: Path | None, workers: int, client: Any
) -> Iterator[Part]:
    try:
        distributed = import_module("distributed")
    except ImportError as error:
        raise MissingExtraError("Screening on a cluster", "dask", "cluster") from error
    own = None
    if client is None:
        settings = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
        client = own = distributed.Client(**settings)
    elif isinstance(client, str):
        client = own = distributed.Client(client)
    try:
        threads = sum(client.nthreads().values()) or 1
        sent = client.scatter(job, broadcast=True)
        left = iter(numbers)

        def submit(count: int) -> list[Any]:
            some = islice(left, count)
            return [client.submit(_one, sent, n, folder, pure=False) for n in some]

        waiting = distributed.as_completed(submit(_WAITING * threads))
        for future in waiting:
            yield future.result()
            waiting.update(submit(1))
            future.release()
    finally:
        if own is not None:
            own.close()
