"""What was asked for, checked: the pool, the pending runs, and the knobs that stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import DataError, SettingsError
from matlever.knobs import Editor, KnobSpace, Predictor
from matlever.knobs.samples import take, take_rows
from matlever.recommendation._feasible import FeasibleSettings
from matlever.recommendation._known import Known, labels_of
from matlever.recommendation.goals import Goal

__all__ = ["Method", "Pool", "Request", "held_knobs", "read_pending", "read_pool"]

Array = NDArray[np.float64]
Method = Literal["expected improvement", "explore", "reduce uncertainty", "best"]


@dataclass(frozen=True)
class Pool:
    """Samples to choose from, all of them feasible.

    Attributes
    ----------
    samples : m samples
    values : ndarray of shape (m, k)
        Where they stand.
    labels : tuple of length m
    notes : tuple of str
        What was left out.
    """

    samples: Any
    values: Array
    labels: tuple[Any, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """What was asked for, checked.

    Attributes
    ----------
    targets : tuple of str of length t
        Those that are modelled: the ones with a goal, else all.
    pending : ndarray of shape (m, k)
        Where the pending runs stand.
    base : int
        Known run the suggestions are made from: the best so far.
    kept : tuple of int
        Fixed knobs that stay as in that run because nothing else was said.
    """

    editor: Editor
    known: Known
    goals: tuple[Goal, ...]
    targets: tuple[str, ...]
    n_experiments: int
    method: Method
    predictor: Predictor | None
    pool: Pool | None
    pending: Array
    pending_samples: Any
    feasible: FeasibleSettings
    base: int
    kept: tuple[int, ...]
    scale: Literal["auto", "linear", "log"]
    allow_repeats: bool
    level: float
    random_state: int

    @property
    def base_sample(self) -> Any:
        """The run the suggestions are made from: what is not a knob is taken over from it."""
        return take(self.known.samples, self.base, self.base + 1)


def held_knobs(
    space: KnobSpace, context: Mapping[str, Any], base: Array
) -> tuple[dict[int, float], tuple[int, ...]]:
    """Return the knobs that do not move with their settings, and those taken from the base run."""
    held: dict[int, float] = {}
    faults = []
    for name, wanted in context.items():
        if name not in space.names:
            faults.append(f"context: there is no knob {name!r}; there are {list(space.names)}.")
            continue
        knob = space[name]
        if knob.kind == "categorical":
            levels = [str(level) for level in knob.levels]
            if str(wanted) not in levels:
                faults.append(f"context: {name!r} has no level {wanted!r}; it has {levels}.")
                continue
            value = float(levels.index(str(wanted)))
        else:
            try:
                value = float(wanted)
            except (TypeError, ValueError):
                value = np.nan
            nearest = value if knob.fixed else float(knob.nearest(value))
            if not abs(nearest - value) <= 1e-9 * max(1.0, knob.width):
                faults.append(
                    f"context: {name}={wanted!r} is not allowed; it goes from "
                    f"{knob.low:.6g} to {knob.show(knob.high)}."
                )
                continue
            value = nearest
        held[space.names.index(name)] = value
    if faults:
        raise SettingsError("\n".join(faults))
    kept = tuple(j for j in np.flatnonzero(space.is_fixed).tolist() if j not in held)
    held |= {j: float(base[j]) for j in kept}
    return held, kept


def read_pool(editor: Editor, pool: Any) -> Pool | None:
    if pool is None:
        return None
    labels = labels_of(pool)
    if not labels:
        raise SettingsError("The pool is empty: give at least one sample to choose from.")
    values = np.asarray(editor.values(pool), dtype=float)
    feasible = editor.space.is_feasible(values)
    if not feasible.any():
        wrong = editor.space.violations(values[:1])[0]
        raise SettingsError(
            "No row of the pool is within the limits of the knobs; the first: "
            f"{'; '.join(wrong)}. Widen the limits, or make the editor from the pool."
        )
    kept = np.flatnonzero(feasible)
    n_out = len(labels) - len(kept)
    note = (
        f"{n_out} of the {len(labels)} rows of the pool are outside the limits of the knobs and "
        "were left out; to consider them, make the editor from the pool."
    )
    return Pool(
        take_rows(pool, kept),
        values[kept],
        tuple(labels[i] for i in kept),
        (note,) if n_out else (),
    )


def read_pending(editor: Editor, pending: Any, must_be_feasible: bool) -> Array:
    if pending is None or not len(labels_of(pending)):
        return np.empty((0, len(editor.space)))
    values = np.asarray(editor.values(pending), dtype=float)
    wrong = ~editor.space.is_feasible(values)
    if must_be_feasible and wrong.any():
        raise DataError(
            f"{int(wrong.sum())} pending runs are outside the limits of the knobs, where a "
            "predictor is not asked; the first: "
            + "; ".join(editor.space.violations(values[wrong][:1])[0])
        )
    return values
