"""What a screening will take, from a few candidates of the same space."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from matlever.compositions._screen_job import Job

__all__ = ["ScreeningEstimate", "estimate_of"]

HALF_A_BILLION = 500_000_000
_PLACES = 4
_NUMBERS = 3_000  # of the space, at each place; fewer where the predictor is slow
_FIRST = 100
_SECONDS = 3.0
_ROW_BYTES = 45  # of a kept candidate in a Parquet file, about


@dataclass(frozen=True)
class ScreeningEstimate:
    """What a screening will take.

    Attributes
    ----------
    n_candidates : int
        Exact.
    candidates_per_second : float
        Of one process.
    workers : int
        Processes.
    seconds : float
        For all candidates in so many processes.
    seconds_half_billion : float
        For 500 million candidates of such a space in so many processes.
    hull_share : float
        Share of the time that goes into the hull.
    kept_share : float
        Share of the candidates looked at that would be kept.
    memory_mb : float
        Of each process for its candidates, beyond the predictor and the hull; it does not grow
        with the space.
    disk_mb : float
        Of the files.
    """

    n_candidates: int
    candidates_per_second: float
    workers: int
    seconds: float
    seconds_half_billion: float
    hull_share: float
    kept_share: float
    memory_mb: float
    disk_mb: float

    def __str__(self) -> str:
        many = "" if self.workers == 1 else f" in {self.workers} processes"
        return (
            f"{self.n_candidates:,} candidates at about {self.candidates_per_second:,.0f}/s for "
            f"each process: {in_words(self.seconds)}{many} ({self.hull_share:.0%} of it for the "
            f"hull), {self.memory_mb:,.0f} MB of memory for each process, about "
            f"{self.disk_mb:,.1f} MB of files. 0.5 billion such candidates: "
            f"{in_words(self.seconds_half_billion)}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the estimate as plain JSON values."""
        return asdict(self)


def estimate_of(job: Job, workers: int) -> ScreeningEstimate:
    """Work on some candidates at places all over the space, and scale up."""
    space = job.space
    free = replace(job, keep=replace(job.keep, best=None)) if _has_limits(job) else job
    free.work(0, min(space.size, _FIRST))  # what is only needed once
    first = free.work(space.size // 2, space.size // 2 + _FIRST)
    least = sum(first.seconds.values()) / _FIRST
    numbers = int(min(_NUMBERS, max(_FIRST, _SECONDS / _PLACES / max(least, 1e-9))))
    looked, kept, seconds = 0, 0, {"hull": 0.0, "all": 0.0}
    for start in np.linspace(0, max(0, space.size - numbers), _PLACES).astype(np.int64).tolist():
        part = free.work(start, start + numbers)
        looked += part.n_candidates
        kept += part.n_kept
        seconds["hull"] += part.seconds["hull"]
        seconds["all"] += sum(part.seconds.values())
    share = kept / max(looked, 1)
    each = seconds["all"] / max(looked, 1)
    best = job.keep.best
    rows = min(share * job.chunk, best or np.inf) * job.n_chunks + (best or 0)
    n = space.n_candidates
    return ScreeningEstimate(
        n_candidates=n,
        candidates_per_second=1 / max(each, 1e-12),
        workers=workers,
        seconds=n * each / workers,
        seconds_half_billion=HALF_A_BILLION * each / workers,
        hull_share=seconds["hull"] / max(seconds["all"], 1e-12),
        kept_share=share,
        memory_mb=_memory(job, share) / 1e6,
        disk_mb=rows * _ROW_BYTES / 1e6,
    )


def _has_limits(job: Job) -> bool:
    return job.keep.below is not None or job.keep.above is not None


def _memory(job: Job, kept_share: float) -> float:
    """Bytes of a process for its candidates: those of a chunk, a batch, and the kept ones."""
    chunk = min(job.chunk, job.space.size)
    width = job.space.most_elements
    kept = kept_share * chunk if _has_limits(job) else min(job.keep.best or chunk, chunk)
    return chunk * (5 * 8 * width + 80) + job.batch_rows * 103 * 8 * 4 + kept * 103 * 8 * 4


def in_words(seconds: float) -> str:
    """Return a time as a person says it."""
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 86_400:.3g} days"
