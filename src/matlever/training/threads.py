"""Members of a stack shared among threads that do not wait for one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import pairwise
from threading import Event, Lock

import torch

__all__ = ["Progress", "one_torch_thread", "run_in_threads"]

Progress = Callable[[int, int, str], None]

_MOST_THREADS = 4  # beyond it the interpreter lock, not the arithmetic, sets the pace
_LEAST_ROWS = 400  # with fewer rows in flight per thread, handing over the lock eats the gain

_lock = Lock()
_users = 0
_threads_before = 1


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch compute in the calling threads only; the last to leave restores its threads."""
    global _users, _threads_before
    with _lock:
        if _users == 0:
            _threads_before = torch.get_num_threads()
            torch.set_num_threads(1)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                torch.set_num_threads(_threads_before)


def run_in_threads(
    run: Callable[[slice, Progress | None, Event], None],
    n_members: int,
    batch_size: int,
    n_threads: int | None,
    progress: Progress | None,
) -> None:
    """Call `run` for parts of the members, each in a thread.

    Parameters
    ----------
    run : callable
        Takes the part as a slice, the progress to report (the first part reports for all) and an
        event upon which to stop.
    n_members : int
        Members in all.
    batch_size : int
        Rows of each member's mini-batch.
    n_threads : int or None
        Number of parts; None chooses it.
    progress : callable or None
        Progress of the whole.
    """
    if n_threads is None:
        rows = n_members * batch_size
        # A member alone in its part is computed twice over (see TrainingStep): no gain.
        most = min(_MOST_THREADS, n_members // 2)
        n_threads = min(torch.get_num_threads(), most, rows // _LEAST_ROWS)
    n_threads = max(1, min(n_threads, n_members))
    edges = [n_members * part // n_threads for part in range(n_threads + 1)]
    stop = Event()
    # Momenta of units that died shrink until they are subnormal numbers, with which arithmetic is
    # slow. Flushing them to zero is a setting of a thread, hence threads of our own.
    with (
        one_torch_thread(),
        ThreadPoolExecutor(
            n_threads, initializer=torch.set_flush_denormal, initargs=(True,)
        ) as pool,
    ):
        try:
            futures = [
                pool.submit(run, slice(first, last), None if first else progress, stop)
                for first, last in pairwise(edges)
            ]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        finally:  # an error in one part, or Ctrl-C here, ends the others at their next block
            stop.set()
