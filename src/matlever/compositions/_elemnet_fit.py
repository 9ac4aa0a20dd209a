"""Members of an ElemNet ensemble, trained side by side in threads, each resumable."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Lock

import numpy as np
import torch
from numpy.typing import NDArray

from matlever.compositions._elemnet_training import ElemNetEpoch, ElemNetTraining, LoopSettings
from matlever.compositions.elemnet import ElemNet
from matlever.training.threads import one_torch_thread

__all__ = ["MemberTask", "train_members"]

Progress = Callable[[int, int, str], None]
Array32 = NDArray[np.float32]
Rows = NDArray[np.intp]

_BETWEEN_WRITES_S = 20.0


@dataclass(frozen=True)
class MemberTask:
    """What one member starts from and learns from.

    Parameters
    ----------
    network : ElemNet
        With its first weights.
    seed : tuple of int
        Entropy of its shuffles and dropout.
    rows, held_out : ndarray of int
        Rows it is trained on, and watched on.
    """

    network: ElemNet
    seed: tuple[int, ...]
    rows: Rows
    held_out: Rows


def train_members(
    tasks: Sequence[MemberTask],
    x: Array32,
    targets: Array32,
    settings: LoopSettings,
    *,
    frozen: int = 0,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> list[tuple[ElemNet, list[ElemNetEpoch]]]:
    """Train all members and return their networks and histories.

    Parameters
    ----------
    tasks : sequence of MemberTask
    x : ndarray of shape (n, n_inputs)
        Element fractions.
    targets : ndarray of shape (n, n_outputs)
        Standardised.
    settings : LoopSettings
    frozen : int, default=0
        First layers that keep their weights.
    checkpoint : path, optional
        Folder with one sub-folder for each member, written at most every 20 seconds.
    progress : callable, optional
        Called with (epochs done by all members, epochs at most, "epoch").
    """
    total, lock, stop = len(tasks) * settings.epochs, Lock(), Event()
    done = [0] * len(tasks)

    def train(place: int) -> tuple[ElemNet, list[ElemNetEpoch]]:
        task = tasks[place]
        training = ElemNetTraining(task.network, settings, task.seed, frozen)
        mark, folder = "", None
        if checkpoint is not None:
            folder = checkpoint / f"member_{place}"
            mark = _fingerprint(task, x, targets, settings, frozen)
            if folder.exists():
                training.read(folder, mark)
        written = time.monotonic()
        while not training.is_done and not stop.is_set():
            training.epoch(x, targets, task.rows, task.held_out)
            late = time.monotonic() - written > _BETWEEN_WRITES_S
            if folder is not None and (late or training.is_done):
                training.write(folder, mark)
                written = time.monotonic()
            with lock:
                done[place] = settings.epochs if training.is_done else len(training.history)
                if progress is not None:
                    progress(sum(done), total, "epoch")
        return training.finished(), training.history

    n_threads = min(len(tasks), torch.get_num_threads())
    if settings.device != "cpu" or n_threads < 2:
        return [train(place) for place in range(len(tasks))]
    # Denormal numbers are a setting of each thread: dying units would slow the arithmetic down.
    with (
        one_torch_thread(),
        ThreadPoolExecutor(
            n_threads, initializer=torch.set_flush_denormal, initargs=(True,)
        ) as pool,
    ):
        futures = [pool.submit(train, place) for place in range(len(tasks))]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
            for future in futures:
                if future.done():
                    future.result()  # an error in one member ends the others at their next epoch
            return [future.result() for future in futures]
        finally:
            stop.set()
            for future in futures:
                future.cancel()


def _fingerprint(
    task: MemberTask, x: Array32, targets: Array32, settings: LoopSettings, frozen: int
) -> str:
    """Return a digest of everything a member's training depends on."""
    digest = hashlib.sha256(
        json.dumps(
            [task.network.config, task.seed, asdict(settings), frozen], sort_keys=True
        ).encode()
    )
    arrays = [x, targets, task.rows, task.held_out]
    with torch.no_grad():
        arrays += [weights.cpu().numpy() for weights in task.network.parameters()]
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
