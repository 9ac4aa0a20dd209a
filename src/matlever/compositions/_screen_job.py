"""The work on one chunk of candidates: predict, measure against the hull, keep."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.compositions._screen_candidates import Candidates
from matlever.compositions._screen_predict import predict_candidates, single_thread
from matlever.compositions.enumeration import CompositionSpace
from matlever.compositions.hull import ConvexHull
from matlever.exceptions import SettingsError
from matlever.knobs import gives_std

__all__ = ["Job", "Keep", "Part"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Keep:
    """Which candidates are kept, by a score: energy above the hull, or the prediction itself.

    Parameters
    ----------
    below, above : float or None
        Limits of the score, both included.
    best : int or None
        At most so many, the lowest (highest with `largest`); equal scores by number.
    largest : bool
        Whether a high score is good.
    """

    below: float | None = None
    above: float | None = None
    best: int | None = None
    largest: bool = False

    def __post_init__(self) -> None:
        for name in ("below", "above"):
            value = getattr(self, name)
            if value is not None and not np.isfinite(value):
                raise SettingsError(f"{name}={value!r} must be a number.")
        if self.below is not None and self.above is not None and self.below < self.above:
            raise SettingsError(f"Nothing is below {self.below} and above {self.above}.")
        if self.best is not None and self.best < 1:
            raise SettingsError(f"best={self.best} must be 1 or more.")
        if self.below is None and self.above is None and self.best is None:
            raise SettingsError(
                "Say what to keep: below=..., above=..., or best=...; all candidates of a large "
                "space would fill the disk."
            )

    def choose(self, score: Array) -> NDArray[np.intp]:
        """Positions of those to keep, ascending."""
        fits = np.ones(len(score), dtype=bool)
        if self.below is not None:
            fits &= score <= self.below
        if self.above is not None:
            fits &= score >= self.above
        chosen = np.flatnonzero(fits)
        if self.best is not None and len(chosen) > self.best:
            chosen = np.sort(chosen[self.order(score[chosen])[: self.best]])
        return chosen

    def order(self, score: Array) -> NDArray[np.intp]:
        """Positions from the best to the worst; equal ones stay in order."""
        return np.argsort(-score if self.largest else score, kind="stable")


@dataclass(frozen=True)
class Part:
    """What one chunk gave.

    Attributes
    ----------
    number : int
        Of the chunk.
    n_candidates : int
        Candidates looked at.
    columns : dict of str to array
        Kept candidates: number, formula, prediction, and what else was asked for.
    seconds : dict of str to float
        Time spent on "candidates", "prediction", "hull" and "rest".
    """

    number: int
    n_candidates: int
    columns: dict[str, Any]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def n_kept(self) -> int:
        """Candidates that were kept."""
        return len(self.columns["number"])


@dataclass(frozen=True)
class Job:
    """All that a process needs to work on any chunk.

    Attributes
    ----------
    space : CompositionSpace
    predictor : Predictor
    hull : ConvexHull or None
    keep : Keep
    chunk : int
        Numbers of the space in a chunk.
    batch_rows : int
        Rows of one call of the predictor.
    uncertainty : bool
        Whether kept candidates get a standard deviation.
    """

    space: CompositionSpace
    predictor: Any
    hull: ConvexHull | None
    keep: Keep
    chunk: int
    batch_rows: int
    uncertainty: bool = False

    @property
    def n_chunks(self) -> int:
        """Number of chunks."""
        return self.space.n_chunks(self.chunk)

    @property
    def score_name(self) -> str:
        """Column that decides what is kept."""
        return "prediction" if self.hull is None else "energy_above_hull"

    def run(self, number: int) -> Part:
        """Work on one chunk."""
        return self.work(number * self.chunk, (number + 1) * self.chunk, number)

    def work(self, start: int, stop: int, number: int = 0) -> Part:
        """Work on the candidates with numbers from `start` to before `stop`."""
        with single_thread():
            clock = _Clock()
            candidates = self.space.candidates(start, stop)
            clock.stop("candidates")
            predicted = predict_candidates(self.predictor, candidates, self.batch_rows)
            clock.stop("prediction")
            score = predicted
            if self.hull is not None:
                score = predicted - hull_energies(self.hull, candidates)
            clock.stop("hull")
            kept = self.keep.choose(score)
            columns = self._columns(candidates[kept], predicted[kept], score[kept])
            clock.stop("rest")
        return Part(number, len(candidates), columns, clock.seconds)

    def _columns(self, kept: Candidates, predicted: Array, score: Array) -> dict[str, Any]:
        columns: dict[str, Any] = {
            "number": kept.numbers,
            "formula": list(kept.formulas) if len(kept) else [],
            "prediction": predicted,
        }
        if self.uncertainty:
            columns["std"] = self._stds(kept)
        if self.hull is not None:
            columns["energy_above_hull"] = score
            columns["is_known"] = self.hull.is_known(kept.compositions)
        return columns

    def _stds(self, kept: Candidates) -> Array:
        if not gives_std(self.predictor):
            raise SettingsError(
                f"{type(self.predictor).__name__} gives no standard deviation; leave out "
                "uncertainty=True, or give a predictor with predict(X, return_std=True)."
            )
        if not len(kept):
            return np.empty(0)
        std = self.predictor.predict(kept.fractions, return_std=True)[1]
        return np.asarray(std, dtype=np.float64).reshape(len(kept))


def hull_energies(hull: ConvexHull, candidates: Candidates) -> Array:
    """Energy of the hull at candidates, of shape (n,), in eV/atom, system by system."""
    found = np.empty(len(candidates))
    shares = candidates.shares
    for system, rows in candidates.by_system():
        found[rows] = hull.hull_energy_in(system, shares[rows, : len(system)])
    return found


class _Clock:
    """Seconds spent between stops, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def stop(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
        self._last = now
