"""Backward explanation of lots: the least change of the attributes that reaches a goal.

The micrograph study's equation 2 and figures 6 and 7: one tile in both directions, and the mean
over the tiles of a lot. Every tile is asked by itself, through the same function as a row of a
table; what is said of the lot is the mean of what is said of its tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matlever.explanation import Counterfactuals, counterfactual
from matlever.knobs import Editor, Predictor
from matlever.micrographs import Tiles
from matlever.study.lots.aligned import AlignedEditor, AlignedTiles, aligned, reconstruction_shift

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LotChange", "change_lot", "tile_changes"]

Array = NDArray[np.float64]
Progress = Callable[[int, int, str], None]
Goal = float | tuple[float | None, float | None]
# One tile's answer as plain values.
Answer = dict[str, Any]


@dataclass(frozen=True, eq=False, repr=False)
class LotChange:
    """What brings the tiles of one lot to a goal, one answer for each tile.

    Attributes
    ----------
    lot : str
        Name of the lot.
    goal : str
        What was wanted, in words.
    attributes : tuple of k str
        Names of the attributes.
    tiles : tuple of n str
        Names of the tiles.
    start, settings : ndarray of shape (n, k)
        Attributes of the lot, and those that the answer asks for.
    prediction : ndarray of shape (n,)
        What is predicted of each tile as it is.
    reached_prediction : ndarray of shape (n,)
        What is predicted at the answer.
    reached : ndarray of bool of shape (n,)
        Whether the goal is met there; where not, the answer is the nearest that was found.
    sentences : tuple of n str
        The answers in words.
    blocking : tuple of n tuples of str
        Limits in the way, ``"size lower"``.
    """

    lot: str
    goal: str
    attributes: tuple[str, ...]
    tiles: tuple[str, ...]
    start: Array
    settings: Array
    prediction: Array
    reached_prediction: Array
    reached: NDArray[np.bool_]
    sentences: tuple[str, ...]
    blocking: tuple[tuple[str, ...], ...]

    @property
    def change(self) -> Array:
        """Answers less starts, of shape (n, k)."""
        return self.settings - self.start

    @property
    def mean(self) -> Array:
        """Mean of the changes over the tiles, of shape (k,)."""
        mean: Array = self.change.mean(axis=0)
        return mean

    @property
    def sd(self) -> Array:
        """Standard deviation of the changes over the tiles, of shape (k,)."""
        sd: Array = self.change.std(axis=0, ddof=1 if len(self.change) > 1 else 0)
        return sd

    @property
    def reached_share(self) -> float:
        """Share of the tiles that reach the goal."""
        return float(self.reached.mean())

    @classmethod
    def of(cls, lot: str, goal: str, attributes: Sequence[str], answers: list[Answer]) -> LotChange:
        """Put the answers of single tiles (see `tile_changes`) together."""

        def column(name: str) -> Array:
            return np.array([answer[name] for answer in answers], dtype=float)

        return cls(
            lot=lot,
            goal=goal,
            attributes=tuple(attributes),
            tiles=tuple(answer["tile"] for answer in answers),
            start=column("start"),
            settings=column("settings"),
            prediction=column("prediction"),
            reached_prediction=column("reached_prediction"),
            reached=np.array([answer["reached"] for answer in answers], dtype=bool),
            sentences=tuple(answer["sentence"] for answer in answers),
            blocking=tuple(tuple(answer["blocking"]) for answer in answers),
        )

    @property
    def sentence(self) -> str:
        """What the lot as a whole needs, or what is nearest where the goal is out of reach."""
        order = np.argsort(-np.abs(self.mean), kind="stable")
        said = [
            f"{self.attributes[j]} {self.mean[j]:+.2f}".replace("-", "−")
            for j in order.tolist()
            if abs(self.mean[j]) >= 0.005
        ]
        what = ", ".join(said) if said else "nothing changes"
        n = len(self.tiles)
        if self.reached.all():
            return f"Lot {self.lot} to {self.goal}: {what} (mean over {n} tiles, all reach it)."
        if self.reached.any():
            return (
                f"Lot {self.lot} to {self.goal}: {what} (mean over {n} tiles, of which "
                f"{int(self.reached.sum())} reach it; for the others the nearest that was found)."
            )
        nearest = float(self.reached_prediction.mean())
        text = (
            f"Lot {self.lot} to {self.goal}: not reachable within the limits. The nearest is "
            f"{nearest:,.0f} (mean over {n} tiles): {what}."
        )
        stopped = self._in_the_way()
        return f"{text} In the way: {stopped}." if stopped else text

    def _in_the_way(self) -> str:
        counted: dict[str, int] = {}
        for limits in self.blocking:
            for limit in limits:
                counted[limit] = counted.get(limit, 0) + 1
        common = [limit for limit, count in counted.items() if 2 * count >= len(self.tiles)]
        return ", ".join(
            f"{limit.rsplit(' ', 1)[0]} at its {limit.rsplit(' ', 1)[1]} limit" for limit in common
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one line per tile."""
        import pandas as pd

        columns: dict[str, Any] = {"lot": self.lot, "goal": self.goal, "tile": self.tiles}
        for j, name in enumerate(self.attributes):
            columns[f"{name} start"] = self.start[:, j]
            columns[name] = self.settings[:, j]
            columns[f"{name} change"] = self.change[:, j]
        columns |= {
            "prediction": self.prediction,
            "prediction reached": self.reached_prediction,
            "reached": self.reached,
            "changes": self.sentences,
        }
        return pd.DataFrame(columns)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values.

        Returns
        -------
        values : dict
            ``lot``, ``goal``, ``attributes``, ``mean`` and ``sd`` of the change, ``reached_share``,
            ``sentence``, and ``rows``: for each ``tile`` its ``start``, ``settings``, ``change``,
            ``prediction``, ``reached_prediction``, ``reached``, ``sentence`` and ``blocking``.
        """
        rows = [
            {
                "tile": tile,
                "start": self.start[i].tolist(),
                "settings": self.settings[i].tolist(),
                "change": self.change[i].tolist(),
                "prediction": float(self.prediction[i]),
                "reached_prediction": float(self.reached_prediction[i]),
                "reached": bool(self.reached[i]),
                "sentence": self.sentences[i],
                "blocking": list(self.blocking[i]),
            }
            for i, tile in enumerate(self.tiles)
        ]
        return {
            "lot": self.lot,
            "goal": self.goal,
            "attributes": list(self.attributes),
            "mean": self.mean.tolist(),
            "sd": self.sd.tolist(),
            "reached_share": self.reached_share,
            "sentence": self.sentence,
            "rows": rows,
        }

    def __repr__(self) -> str:
        return self.sentence


def change_lot(
    predictor: Predictor,
    editor: Editor,
    tiles: Tiles,
    goal: Goal,
    *,
    hold: Sequence[str] = (),
    correct: bool = True,
    reference: Tiles | None = None,
    budget: int | None = None,
    target: str | None = None,
    unit: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> LotChange:
    """Return the least change of the attributes that brings each tile of a lot to a goal.

    Parameters
    ----------
    predictor, editor
        Of `Tiles`; of one target.
    tiles : Tiles
        n tiles of one lot.
    goal : float or (lower, upper)
        As in `matlever.counterfactual`.
    hold : sequence of str, default=()
        Attributes that stay.
    correct : bool, default=True
        Whether the shift of each tile's prediction by mere reconstruction is taken out.
    reference : Tiles or None, default=None
        One tile of each known lot.
    budget : int or None, default=None
        Edited tiles of each tile that the search asks for; by default what the editor says, else
        160.
    target, unit : str or None, default=None
        Name and unit of the property.
    seed : int, default=0
    progress : callable or None, default=None
        As in `matlever.counterfactual`.

    Returns
    -------
    change : LotChange
    """
    answers, said = tile_changes(
        predictor,
        editor,
        tiles,
        goal,
        hold=hold,
        correct=correct,
        reference=reference,
        budget=budget,
        target=target,
        unit=unit,
        seed=seed,
        progress=progress,
    )
    return LotChange.of(tiles.lot_names[int(tiles.lot[0])], said, editor.space.names, answers)


def tile_changes(
    predictor: Predictor,
    editor: Editor,
    tiles: Tiles,
    goal: Goal,
    *,
    hold: Sequence[str] = (),
    correct: bool = True,
    reference: Tiles | None = None,
    budget: int | None = None,
    target: str | None = None,
    unit: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[list[Answer], str]:
    """Return one answer for each tile as plain values, and the goal in words.

    Parameters as of `change_lot`. An answer has ``tile``, ``start``, ``settings``, ``prediction``,
    ``reached_prediction``, ``reached``, ``sentence`` and ``blocking``.
    """
    prediction, shift = reconstruction_shift(predictor, editor, tiles)
    known = None if reference is None else AlignedTiles(reference, np.zeros(len(reference)))
    found = counterfactual(
        aligned(predictor),
        AlignedEditor(editor),
        AlignedTiles(tiles, shift if correct else np.zeros(len(tiles))),
        goal,
        hold=hold,
        reference=known,
        budget=budget,
        targets=None if target is None else [target],
        target_units=None if unit is None else [unit],
        random_state=seed,
        progress=progress,
    )
    return [_answer(found, i, prediction) for i in range(len(tiles))], _goal_in_words(found, unit)


def _answer(found: Counterfactuals, i: int, prediction: Array) -> Answer:
    entry = int(np.flatnonzero(found.row == i)[0])
    return {
        "tile": str(found.rows[i]),
        "start": found.start[i].tolist(),
        "settings": found.settings[entry].tolist(),
        "prediction": float(prediction[i]),
        "reached_prediction": float(found.prediction[entry, 0]),
        "reached": bool(found.reached[entry]),
        "sentence": found.sentence_of(entry),
        "blocking": [f"{limit.knob} {limit.side}" for limit in found.blocking[entry]],
    }


def _goal_in_words(found: Counterfactuals, unit: str | None) -> str:
    text = found.wishes[0].text
    return f"{text} {unit}" if unit else text
