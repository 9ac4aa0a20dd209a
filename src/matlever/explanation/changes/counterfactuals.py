"""What to change, and what that leads to: answers as sentences, table, bars and JSON."""

from __future__ import annotations

import html
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matlever.explanation._words import joined, plain
from matlever.explanation.changes.bars import draw_changes
from matlever.explanation.changes.goal import Wish
from matlever.explanation.changes.words import (
    arrow_text,
    change_text,
    limit_text,
    predicted_text,
)
from matlever.knobs import ActiveLimit, KnobSpace

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Counterfactuals"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_SAID = 8  # answers in a repr


@dataclass(frozen=True, eq=False, repr=False)
class Counterfactuals:
    """m answers for n samples with k knobs and t targets: one or more for each sample.

    The answers of one sample stand together, the cheapest first.

    Attributes
    ----------
    space : KnobSpace
        The k knobs.
    rows : tuple of length n
        Labels of the samples.
    targets, target_units : tuple of t str, or None
        Names and units of the targets.
    wishes : tuple of Wish of length w
        What was wanted.
    goal_lower, goal_upper : ndarray of shape (n, w)
        Ends of the wanted ranges, with the tolerance of numbers; infinite where open.
    start : ndarray of shape (n, k)
        Where the samples stand (categorical: index of the level).
    start_prediction : ndarray of shape (n, t)
        Predictions there.
    row : ndarray of shape (m,), int
        Position of each answer's sample.
    answer : ndarray of shape (m,), int
        Number of the answer of its sample, from 0.
    settings : ndarray of shape (m, k)
        The answers: feasible settings.
    changed : ndarray of bool of shape (m, k)
        Knobs that change.
    cost : ndarray of shape (m,)
        Cost of the change, see `KnobSpace.change_cost`.
    prediction : ndarray of shape (m, t)
        Predictions at the answers.
    lower, upper : ndarray of shape (m, t), or None
        Limits of the predictions; infinite where there are too few rows for an interval.
    level : float or None
        Coverage of these intervals, where it is known.
    reached : ndarray of bool of shape (m,)
        Whether the goal holds; where not, the answer is the nearest that was found.
    miss : ndarray of shape (m,)
        Sum over the targets of the distance to the wanted range, in ranges of the predictions;
        infinite where an interval without end was to be inside.
    at_limits : tuple of m tuples of ActiveLimit
        Limits at which each answer stands.
    blocking : tuple of m tuples of ActiveLimit
        Where the goal is not reached, those of them beyond which it would be missed by less.
    held : tuple of str
        Knobs that could not be turned: fixed ones, and those that were to be held.
    max_changes : int or None
        At most so many knobs were to change.
    inside : ndarray of bool of shape (m,), or None
        Whether each answer is in known territory (see `DataRegion`); None without a reference.
    distance : ndarray of shape (m,), or None
        Distance to the nearest known sample, in distances between the limits.
    n_calls : ndarray of shape (n,), int
        Predictions that were asked for, by sample.
    timed_out : bool
        Whether the time limit ended the search: then answers may be larger than they must be.
    warnings : tuple of str
        What a reader should know.
    """

    space: KnobSpace
    rows: tuple[Any, ...]
    targets: tuple[str, ...] | None
    target_units: tuple[str | None, ...] | None
    wishes: tuple[Wish, ...]
    goal_lower: Array
    goal_upper: Array
    start: Array
    start_prediction: Array
    row: NDArray[np.intp]
    answer: NDArray[np.intp]
    settings: Array
    changed: Flags
    cost: Array
    prediction: Array
    lower: Array | None
    upper: Array | None
    level: float | None
    reached: Flags
    miss: Array
    at_limits: tuple[tuple[ActiveLimit, ...], ...]
    blocking: tuple[tuple[ActiveLimit, ...], ...]
    held: tuple[str, ...]
    max_changes: int | None
    inside: Flags | None
    distance: Array | None
    n_calls: NDArray[np.int64]
    timed_out: bool = False
    warnings: tuple[str, ...] = ()

    method = "counterfactual"

    def __len__(self) -> int:
        return len(self.settings)

    @property
    def change(self) -> Array:
        """Answers less starts, of shape (m, k), in the knobs' units; 1 where a level changes."""
        change = np.where(self.changed, self.settings - self.start[self.row], 0.0)
        is_word = self.space.is_categorical
        change[:, is_word] = change[:, is_word] != 0
        return change

    # -- words ------------------------------------------------------------------------------------

    def sentence_of(self, entry: int) -> str:
        """Say what to change for one of the m answers, and what that leads to."""
        changes = self._changes(entry)
        predicted, goal = self._predicted(entry), self._goal
        if self.reached[entry]:
            what = joined(changes) if changes else "nothing needs to change"
            text = f"{what[0].upper()}{what[1:]}: predicted {predicted}; goal {goal} reached."
        else:
            what = joined(changes) if changes else "no change brings it nearer"
            text = f"Goal {goal} not reached. Nearest: {what}: predicted {predicted}."
            text += self._in_the_way(entry)
        if self.inside is not None and not self.inside[entry]:
            text += " This is far from all known samples."
        return text

    @property
    def sentences(self) -> tuple[str, ...]:
        """One sentence for each of the m answers."""
        return tuple(self.sentence_of(entry) for entry in range(len(self)))

    @property
    def _goal(self) -> str:
        parts = []
        for wish in self.wishes:
            unit = self.target_units[wish.position] if self.target_units else None
            text = f"{wish.text} {unit}" if unit else wish.text
            parts.append(f"{wish.name} {text}" if wish.name and self._several else text)
        return joined(parts)

    @property
    def _several(self) -> bool:
        return int(self.prediction.shape[1]) > 1

    def _changes(self, entry: int) -> list[str]:
        """Return the changes of one answer in words, the dearest first."""
        start, end = self.start[self.row[entry]], self.settings[entry]
        return [
            change_text(self.space.knobs[j], float(start[j]), float(end[j]))
            for j in self._by_cost(entry)
        ]

    def _by_cost(self, entry: int) -> list[int]:
        share = np.abs(self._shares(entry)) * [knob.cost for knob in self.space.knobs]
        order = np.argsort(-share, kind="stable")
        return [j for j in order.tolist() if self.changed[entry, j]]

    def _shares(self, entry: int) -> Array:
        """Return the changes in shares of the knobs' ranges; 1 where a level changes."""
        width = [
            1.0 if knob.kind == "categorical" else knob.width or 1.0 for knob in self.space.knobs
        ]
        shares: Array = self.change[entry] / width
        return shares

    def _predicted(self, entry: int) -> str:
        parts = []
        for wish in self.wishes:
            t = wish.position
            limits = None
            if self.lower is not None and self.upper is not None:
                limits = float(self.lower[entry, t]), float(self.upper[entry, t])
                limits = limits if np.isfinite(limits).all() else None
            unit = self.target_units[t] if self.target_units else None
            name = wish.name or f"target {t}" if self._several else None
            value = float(self.prediction[entry, t])
            parts.append(predicted_text(name, unit, value, limits, self.level))
        return joined(parts)

    def _in_the_way(self, entry: int) -> str:
        text = ""
        blocking = self.blocking[entry]
        if blocking:
            known = {knob.name: knob for knob in self.space.knobs}
            said = joined([limit_text(limit, known.get(limit.knob)) for limit in blocking])
            text += f" {said[0].upper()}{said[1:]} {'block' if len(blocking) > 1 else 'blocks'}."
        if self.max_changes is not None and self.changed[entry].sum() >= self.max_changes:
            most = self.max_changes
            text += f" At most {most} {'knob was' if most == 1 else 'knobs were'} to change."
        if self.held:
            text += f" {joined(list(self.held))} {'are' if len(self.held) > 1 else 'is'} held."
        return text

    # -- views ------------------------------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """Return one line per answer: its settings, then what is predicted and whether it helps."""
        import pandas as pd

        columns: dict[str, Any] = {
            "row": [self.rows[i] for i in self.row.tolist()],
            "answer": self.answer,
        }
        for j, knob in enumerate(self.space.knobs):
            values = self.settings[:, j]
            is_word = knob.kind == "categorical"
            columns[knob.label] = [knob.show(v) for v in values] if is_word else values
        for t in range(self.prediction.shape[1]):
            name = self.targets[t] if self.targets else f"target {t}"
            name = name if self.targets or self._several else "prediction"
            columns[name] = self.prediction[:, t]
            if self.lower is not None and self.upper is not None:
                columns[f"{name} lower"] = self.lower[:, t]
                columns[f"{name} upper"] = self.upper[:, t]
        columns |= {
            "reached": self.reached,
            "cost": self.cost,
            "n_changed": self.changed.sum(axis=1),
            "miss": self.miss,
        }
        if self.inside is not None:
            columns |= {"inside": self.inside, "distance": self.distance}
        columns["changes"] = self.sentences
        return pd.DataFrame(columns)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values.

        Returns
        -------
        values : dict
            ``method``, ``knobs`` (list of `Knob.to_dict`), ``targets``, ``target_units``, ``goal``
            (list of ``target``, ``point``, ``lower``, ``upper``, ``tolerance``, ``text``),
            ``level``, ``held``, ``max_changes``, ``n_calls``, ``timed_out``, ``warnings``, and
            ``rows``: for each sample ``row``, ``start``, ``start_prediction`` and ``answers``, a
            list of ``settings``, ``change`` (0 where there is none), ``changed`` (names), ``cost``,
            ``prediction``, ``lower``, ``upper``, ``reached``, ``miss``, ``at_limits`` and
            ``blocking`` (lists of ``knob``, ``side``, ``value``), ``inside``, ``distance`` and
            ``sentence``. Settings of a categorical knob are names of levels; what is not known is
            None.
        """
        rows = [
            {
                "row": label,
                "start": self._named(self.start[i]),
                "start_prediction": plain(self.start_prediction[i]),
                "answers": [
                    self._answer_dict(entry) for entry in np.flatnonzero(self.row == i).tolist()
                ],
            }
            for i, label in enumerate(self.rows)
        ]
        return {
            "method": self.method,
            "knobs": [knob.to_dict() for knob in self.space.knobs],
            "targets": None if self.targets is None else list(self.targets),
            "target_units": None if self.target_units is None else list(self.target_units),
            "goal": [wish.to_dict() for wish in self.wishes],
            "level": self.level,
            "held": list(self.held),
            "max_changes": self.max_changes,
            "rows": rows,
            "n_calls": self.n_calls.tolist(),
            "timed_out": self.timed_out,
            "warnings": list(self.warnings),
        }

    def _answer_dict(self, entry: int) -> dict[str, Any]:
        names = self.space.names
        return {
            "settings": self._named(self.settings[entry]),
            "change": plain(self.change[entry]),
            "changed": [names[j] for j in self._by_cost(entry)],
            "cost": float(self.cost[entry]),
            "prediction": plain(self.prediction[entry]),
            "lower": None if self.lower is None else plain(self.lower[entry]),
            "upper": None if self.upper is None else plain(self.upper[entry]),
            "reached": bool(self.reached[entry]),
            "miss": float(self.miss[entry]) if np.isfinite(self.miss[entry]) else None,
            "at_limits": [limit._asdict() for limit in self.at_limits[entry]],
            "blocking": [limit._asdict() for limit in self.blocking[entry]],
            "inside": None if self.inside is None else bool(self.inside[entry]),
            "distance": None if self.distance is None else float(self.distance[entry]),
            "sentence": self.sentence_of(entry),
        }

    def _named(self, settings: Array) -> list[Any]:
        return [
            knob.show(value) if knob.kind == "categorical" else float(value)
            for knob, value in zip(self.space.knobs, settings, strict=True)
        ]

    def plot(self, ax: Any = None, entry: int = 0) -> Any:
        """Draw the changes of one answer as bars, in shares of the knobs' ranges; return the axes.

        Parameters
        ----------
        ax : matplotlib axes or None, default=None
            Where to draw; None makes a new figure.
        entry : int, default=0
            Which of the m answers.
        """
        columns = self._by_cost(entry)[::-1]
        start, end, shares = self.start[self.row[entry]], self.settings[entry], self._shares(entry)
        state = "reached" if self.reached[entry] else "not reached"
        return draw_changes(
            [self.space.knobs[j].name for j in columns],
            shares[columns],
            [arrow_text(self.space.knobs[j], float(start[j]), float(end[j])) for j in columns],
            title=f"row {self.rows[self.row[entry]]}: {self._predicted(entry)}\n"
            f"goal {self._goal} {state}",
            ax=ax,
        )

    def __repr__(self) -> str:
        n_reached = len(np.unique(self.row[self.reached]))
        lines = [
            f"Counterfactuals: goal {self._goal} reached for {n_reached} of {len(self.rows)} "
            "samples"
        ]
        lines += [
            f"  row {self.rows[self.row[entry]]}: {self.sentence_of(entry)}"
            for entry in range(min(len(self), _SAID))
        ]
        if len(self) > _SAID:
            lines.append(f"  ... and {len(self) - _SAID} more answers")
        return "\n".join([*lines, *self.warnings])

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Counterfactuals):
            return NotImplemented
        return all(
            np.array_equal(a, b, equal_nan=True) if isinstance(a, np.ndarray) else a == b
            for a, b in ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        )

    __hash__ = None  # type: ignore[assignment]  # holds arrays
