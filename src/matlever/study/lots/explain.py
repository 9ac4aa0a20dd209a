"""Forward and backward explanation of the chosen lots, part by part, and the pictures of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.knobs import Editor, Predictor
from matlever.micrographs import Tiles
from matlever.study.lots.backward import LotChange, tile_changes
from matlever.study.lots.data import (
    LotData,
    named_unit,
    one_of_each_lot,
    shown_picture,
    some_tiles,
)
from matlever.study.lots.forward import sweep_lot
from matlever.study.lots.settings import LotsSettings
from matlever.study.stages import Stages
from matlever.study.words import number

__all__ = ["Explained", "backward_part", "forward_part", "turned_attributes"]

Array = NDArray[np.float64]
Tick = Callable[[float, str], None]
Goal = float | tuple[float | None, float | None]

_STRIP_VALUES = 6  # edited pictures along an attribute
_BATCH = 4  # tiles whose changes are sought, and kept, at a time


class Explained:
    """What is explained: the predictor through the editor, some lots, and what may be turned.

    Parameters
    ----------
    predictor, editor
        Of tiles.
    lots : LotData
    chosen : sequence of str
        Lots to explain.
    flagged : sequence of str
        Attributes that cannot be told from others in these lots.
    target : str
        Property.
    settings : LotsSettings
    """

    def __init__(
        self,
        predictor: Predictor,
        editor: Editor,
        lots: LotData,
        chosen: Sequence[str],
        flagged: Sequence[str],
        target: str,
        settings: LotsSettings,
    ) -> None:
        self.predictor, self.editor, self.lots = predictor, editor, lots
        self.chosen = list(chosen)
        self.target, self.settings = target, settings
        self.name, self.unit = named_unit(target)
        self.reference = one_of_each_lot(lots)
        held = set(settings.fixed) | (set() if settings.turn_flagged else set(flagged))
        self.held = [name for name in editor.space.names if name in held]

    def measured(self, lot: str) -> float:
        """Return the measured property of a lot."""
        place = self.lots.tiles.lot_names.index(lot)
        return float(self.lots.property(self.target)[place])


def turned_attributes(editor: Editor, fixed: Sequence[str]) -> list[str]:
    """Return the attributes that are swept: all that the editor turns and nobody fixed."""
    return [
        knob.name for knob in editor.space.knobs if not knob.fixed and knob.name not in set(fixed)
    ]


def forward_part(
    explained: Explained, stages: Stages, tick: Tick, seconds: float
) -> dict[str, Any]:
    """Return sweeps of every attribute of every chosen lot, with a strip of pictures each.

    `seconds` are what one edited tile is expected to take.
    """
    settings = explained.settings
    attributes = turned_attributes(explained.editor, settings.fixed)
    found = []
    for place, lot in enumerate(explained.chosen):
        tick(0, f"lot {lot}: attributes turned one by one")
        found.append(
            stages.value(f"forward-{place}", partial(_forward, explained, lot, attributes))
        )
        edits = len(attributes) * settings.sweep_tiles * settings.values
        tick(seconds * edits, f"lot {lot}: turned")
    return {
        "attributes": attributes,
        "is_corrected": settings.correct,
        "lots": found,
        "shift": _shift_summary(found),
    }


def _forward(explained: Explained, lot: str, attributes: Sequence[str]) -> dict[str, Any]:
    settings = explained.settings
    tiles = some_tiles(explained.lots, lot, settings.sweep_tiles)
    swept = sweep_lot(
        explained.predictor,
        explained.editor,
        tiles,
        attributes=attributes,
        n_values=settings.values,
        correct=settings.correct,
        reference=explained.reference,
        target=explained.name,
    )
    typical = int(np.argmin(np.abs(swept.prediction - np.median(swept.prediction))))
    return {
        **swept.to_dict(),
        "measured": explained.measured(lot),
        "strips": [_strip(explained, tiles[typical], typical, name) for name in attributes],
    }


def _strip(explained: Explained, tile: Tiles, position: int, attribute: str) -> dict[str, Any]:
    """Return one tile redrawn along one attribute, and the tile itself."""
    space = explained.editor.space
    j = int(space.positions([attribute])[0])
    knob = space.knobs[j]
    values = np.linspace(float(knob.lower or 0.0), float(knob.upper or 0.0), _STRIP_VALUES)
    own = space.project(np.asarray(explained.editor.values(tile), dtype=float))
    settings = np.repeat(own[:, None], len(values), axis=1)
    settings[0, :, j] = values
    edited = explained.editor.render(tile, settings)
    return {
        "attribute": attribute,
        "position": position,
        "own": float(own[0, j]),
        "values": values.tolist(),
        "tile": shown_picture(tile.images[0]),
        "pictures": [shown_picture(image) for image in edited.images],
    }


def _shift_summary(found: Sequence[dict[str, Any]]) -> dict[str, float]:
    shifts = np.abs(np.concatenate([lot["shift"] for lot in found]))
    return {"mean": float(shifts.mean()), "largest": float(shifts.max())}


def backward_part(
    explained: Explained, stages: Stages, tick: Tick, seconds: float
) -> dict[str, Any]:
    """Return the least changes of the tiles of every chosen lot, and their means.

    `seconds` are what the search for the change of one tile is expected to take.
    """
    settings = explained.settings
    space = explained.editor.space
    if all(knob.fixed or knob.name in explained.held for knob in space.knobs):
        return {"attributes": list(space.names), "held": explained.held, "lots": []}
    found = []
    for place, lot in enumerate(explained.chosen):
        tiles = some_tiles(explained.lots, lot, settings.change_tiles)
        questions = []
        for direction, goal in _goals(explained, tiles):
            answers: list[dict[str, Any]] = []
            said = ""
            for start in range(0, len(tiles), _BATCH):
                some = tiles[start : start + _BATCH]
                what = f"lot {lot}: {_SPOKEN[direction]}, tile {start + 1} of {len(tiles)}"
                tick(0, what)
                part = stages.value(
                    f"backward-{place}-{direction}-{start}",
                    partial(_backward, explained, some, goal),
                )
                answers += part["answers"]
                said = part["goal"]
                tick(len(some) * seconds, what)
            change = LotChange.of(lot, said, space.names, answers)
            shown = stages.value(
                f"pictures-{place}-{direction}", partial(_shown, explained, tiles, change)
            )
            questions.append({**change.to_dict(), "direction": direction, "shown": shown})
        found.append({"lot": lot, "measured": explained.measured(lot), "questions": questions})
    return {"attributes": list(space.names), "held": explained.held, "lots": found}


_SPOKEN = {"up": "higher", "down": "lower", "goal": "to the goal"}


def _goals(explained: Explained, tiles: Tiles) -> list[tuple[str, Goal]]:
    """Return what is wanted of the tiles of a lot: the goal, or a rise and a fall of their mean."""
    wanted = explained.settings.goals.get(explained.target)
    if wanted is not None:
        return [("goal", wanted)]
    mean = float(np.mean(np.asarray(explained.predictor.predict(tiles), dtype=float)))
    by = explained.settings.by * abs(mean)
    return [("up", (_rounded(mean + by), None)), ("down", (None, _rounded(mean - by)))]


def _rounded(value: float) -> float:
    """Return a value with as many digits as its words have."""
    return float(number(value, 4).replace(",", ""))


def _backward(explained: Explained, tiles: Tiles, goal: Goal) -> dict[str, Any]:
    settings = explained.settings
    answers, said = tile_changes(
        explained.predictor,
        explained.editor,
        tiles,
        goal,
        hold=[name for name in explained.held if not explained.editor.space[name].fixed],
        correct=settings.correct,
        reference=explained.reference,
        budget=settings.budget,
        target=explained.name,
        unit=explained.unit,
        seed=settings.seed,
    )
    return {"answers": answers, "goal": said}


def _shown(explained: Explained, tiles: Tiles, change: LotChange) -> dict[str, Any]:
    """Return the tile whose change is nearest to the mean, as it is and as it would look."""
    typical = int(np.argmin(np.abs(change.change - change.mean).sum(axis=1)))
    tile = tiles[typical]
    edited = explained.editor.render(tile, change.settings[typical][None, None])
    return {
        "position": typical,
        "tile": shown_picture(tile.images[0]),
        "edited": shown_picture(edited.images[0]),
    }
