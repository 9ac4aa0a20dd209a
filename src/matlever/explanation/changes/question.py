"""Questions to a predictor about many samples at once: how far from the goal is each setting."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import DataError
from matlever.explanation.changes.goal import Goal
from matlever.knobs import DataRegion, Editor, Predictor, evaluate_settings, predict_settings
from matlever.knobs.samples import take_rows

__all__ = ["ENDLESS", "Clock", "Interval", "Question", "Reply"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Interval = Callable[[Any], tuple[Any, Any]]

# With a time limit one call takes about this share of it, so that the limit can be kept.
_SHARE_OF_LIMIT = 0.05
_FIRST_ROWS = 64
# Stands for infinity in limits of predictions, so that differences are numbers.
ENDLESS = 1e150


class Reply(NamedTuple):
    """Answer to a question about m settings.

    Attributes
    ----------
    prediction : ndarray of shape (m, t)
        Of all targets; NaN where nobody was asked because the time was up.
    low, high : ndarray of shape (m, w)
        What must lie in the goal: twice the prediction, or the ends of its interval.
    miss : ndarray of shape (m,)
        Sum over the wishes of the share of the range by which each is missed, and the share of the
        allowed distance by which the setting is too far from all data; infinite where nobody was
        asked.
    """

    prediction: Array
    low: Array
    high: Array
    miss: Array


@dataclass
class Clock:
    """Time limit of a search, and the speed of the predictor seen so far.

    Attributes
    ----------
    limit : float or None
        Seconds in all.
    timed_out : bool
        Whether anything was left undone.
    """

    limit: float | None
    start: float = field(default_factory=time.perf_counter)
    rows: int = 0
    seconds: float = 0.0
    until: float | None = None
    timed_out: bool = False

    @property
    def left(self) -> float:
        """Seconds to the end; infinite without a limit."""
        return np.inf if self.limit is None else self.start + self.limit - time.perf_counter()

    @property
    def expired(self) -> bool:
        """Whether the time, or that of the present part of the work, is up."""
        if self.limit is None:
            return False
        end = self.start + self.limit
        if time.perf_counter() < (end if self.until is None else min(self.until, end)):
            return False
        self.timed_out = True
        return True

    def give(self, share: float) -> None:
        """Let the next part of the work have a share of what is left."""
        if self.limit is not None:
            self.until = time.perf_counter() + max(self.left, 0.0) * share

    def rows_at_once(self) -> int | None:
        """Rows that can be asked for in one step; None without a limit."""
        if self.limit is None:
            return None
        if not self.rows:
            return _FIRST_ROWS
        rate = self.rows / max(self.seconds, 1e-9)
        return max(1, int(_SHARE_OF_LIMIT * self.limit * rate))

    def note(self, rows: int, seconds: float) -> None:
        """Remember how long some rows took."""
        self.rows += rows
        self.seconds += seconds


@dataclass(frozen=True)
class Question:
    """What every stage of the search asks, through the one gate of `matlever.knobs`.

    Attributes
    ----------
    predictor, editor, samples
        As in `matlever.explanation.counterfactual`; `samples` are n samples.
    goal : Goal
        Ranges for each of the samples.
    interval : callable or None
        Where the whole interval must reach the goal, its limits for m samples.
    region : DataRegion or None
        Known territory the settings must stay in.
    reach : ndarray of shape (n,)
        Distance from known samples up to which a setting of each sample stays in it.
    clock : Clock
        Time limit.
    batch_rows : int
        Rendered samples at a time.
    n_targets : int
        Number t of columns of the predictions.
    n_calls : ndarray of shape (n,)
        Predictions asked for, by sample; counted here.
    """

    predictor: Predictor
    editor: Editor
    samples: Any
    goal: Goal
    interval: Interval | None
    region: DataRegion | None
    reach: Array
    clock: Clock
    batch_rows: int
    n_targets: int
    n_calls: NDArray[np.int64]

    def anywhere(self) -> Question:
        """Return the question without known territory to stay in."""
        return replace(self, region=None)

    def ask(self, sample: Index, values: Array) -> Reply:
        """Return predictions at settings (m, k) of the samples at positions (m,).

        What could not be asked for before the time was up has an infinite miss.
        """
        m = len(sample)
        t, w = self.n_targets, len(self.goal.wishes)
        if not m:
            return Reply(np.empty((0, t)), np.empty((0, w)), np.empty((0, w)), np.empty(0))
        parts: list[Reply] = []
        done = 0
        while done < m and not (done and self.clock.expired):
            step = self.clock.rows_at_once()
            stop = m if step is None else min(m, done + step)
            parts.append(self.ask_all(sample[done:stop], values[done:stop]))
            done = stop
        if done < m:
            unknown = [np.full((m - done, *part.shape[1:]), np.nan) for part in parts[0]]
            parts.append(Reply(*unknown)._replace(miss=np.full(m - done, np.inf)))
        return Reply(*(np.concatenate(both) for both in zip(*parts, strict=True)))

    def ask_all(self, sample: Index, values: Array) -> Reply:
        """Return what `ask` does, however long it takes."""
        start = time.perf_counter()
        prediction = self.predict(sample, values)
        wanted = prediction[:, self.goal.positions]
        low, high = wanted, wanted
        if self.interval is not None:
            both = self.limits(self.interval, sample, values)[:, :, self.goal.positions]
            both = np.clip(both, -ENDLESS, ENDLESS)
            low, high = np.minimum(both[:, 0], wanted), np.maximum(both[:, 1], wanted)
        self.clock.note(len(sample), time.perf_counter() - start)
        miss = self.goal.miss(low, high, sample)
        if self.region is not None:
            far = self.region.distance(values) / self.reach[sample] - 1.0
            miss += np.where(far > 1e-9, far, 0.0)
        return Reply(prediction, low, high, miss)

    def predict(self, sample: Index, values: Array) -> Array:
        """Return predictions (m, t) at settings (m, k), counted."""
        np.add.at(self.n_calls, sample, 1)
        found = self._evaluate(self.predictor, sample, values)
        return found.reshape(len(sample), -1)

    def limits(self, interval: Interval, sample: Index, values: Array) -> Array:
        """Return the prediction limits (m, 2, t) at settings (m, k)."""

        def both(X: Any) -> Array:
            sides = [np.asarray(side, dtype=float) for side in interval(X)]
            return np.stack([side.reshape(len(side), -1) for side in sides], axis=1)

        found = self._evaluate(both, sample, values)
        if found.shape[1:] != (2, self.n_targets):
            raise DataError(
                f"The interval has {found.shape[2]} targets, the predictor {self.n_targets}."
            )
        return found

    def _evaluate(self, function: Any, sample: Index, values: Array) -> Array:
        """Evaluate at settings (m, k): one by one, or by sample where samples are large.

        Samples that are asked about at as many settings go into one call.
        """
        if not hasattr(self.editor, "most_rows"):
            return self._gate(function, take_rows(self.samples, sample), values[:, None])[:, 0]
        order = np.argsort(sample, kind="stable")
        own, count = np.unique(sample, return_counts=True)
        begin = np.cumsum(count) - count
        out: Array | None = None
        for r in np.unique(count):
            alike = np.flatnonzero(count == r)
            of = order[begin[alike, None] + np.arange(r)]
            found = self._gate(function, take_rows(self.samples, own[alike]), values[of])
            out = np.empty((len(sample), *found.shape[2:])) if out is None else out
            out[of] = found
        assert out is not None
        return out

    def _gate(self, function: Any, rows: Any, values: Array) -> Array:
        if function is self.predictor:
            return predict_settings(
                self.predictor, self.editor, rows, values, batch_rows=self.batch_rows
            )
        return evaluate_settings(
            function,
            self.editor,
            rows,
            values,
            batch_rows=self.batch_rows,
            allow_infinite=True,
        )
