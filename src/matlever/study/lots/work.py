"""How long a study of lots will take, part by part, and how far it has come."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone

from matlever.micrographs import Tiles
from matlever.study.lots.data import LotData
from matlever.study.lots.editors import demo_matches
from matlever.study.lots.scoring import n_validation_fits, study_regressor
from matlever.study.lots.settings import LotsSettings

__all__ = ["Work", "planned_work"]

Progress = Callable[[int, int, str], None]
Tick = Callable[[float, str], None]

# Tiles that are trained on once, to learn how long that takes.
_TIMED_TILES = 192
# Seconds to redraw a tile of 64 px, on one core: by the simulator, and by a learned editor.
_EXACT_S, _LEARNED_S = 0.02, 0.06
# Edited tiles that judging an editor takes, and seconds for its meters and judges of 64 px tiles.
_CARD_EDITS, _CARD_S = 700, 60.0
# Edited tiles for each tile and direction; a step along the gradient counts as three.
_EDITS_OF_A_CHANGE = 330


@dataclass(frozen=True)
class Work:
    """Seconds that the parts of a study take, as far as can be foreseen.

    Attributes
    ----------
    validation_fit, fit : float
        Each fit in the validation, by its share where several go on at a time; and the one to all
        lots.
    editor, card : float
        Teaching an editor, and judging one.
    edit : float
        Redrawing one tile, and predicting it.
    n_edits : int
        In the explanations.
    n_fits : int
        In the validation.
    """

    validation_fit: float
    fit: float
    editor: float
    card: float
    edit: float
    n_edits: int
    n_fits: int

    @property
    def change(self) -> float:
        """Searching the change of one tile in one direction."""
        return _EDITS_OF_A_CHANGE * self.edit

    @property
    def seconds(self) -> float:
        """All of it."""
        explained = self.edit * self.n_edits
        return self.n_fits * self.validation_fit + self.fit + self.editor + self.card + explained

    @property
    def sentence(self) -> str:
        """How long it will take, in words."""
        minutes = self.seconds / 60
        if minutes < 1.5:
            return f"about {max(5, round(self.seconds, -1)):.0f} seconds in all"
        if minutes < 90:
            return f"about {minutes:.0f} minutes in all"
        return f"about {minutes / 60:.1f} hours in all"

    def ticker(self, progress: Progress | None) -> Tick:
        """Return a call that takes seconds of work done since the last one, and what is done."""
        done = 0.0
        total = max(1, round(self.seconds))

        def tick(more: float, what: str) -> None:
            nonlocal done
            done = min(done + more, total)
            if progress is not None:
                progress(round(done), total, what)

        tick(0, self.sentence)
        return tick


def planned_work(lots: LotData, settings: LotsSettings, n_lots: int) -> Work:
    """Foresee how long a study takes on this machine.

    Parameters
    ----------
    lots : LotData
    settings : LotsSettings
    n_lots : int
        Lots to explain.
    """
    tiles = lots.tiles
    whole = _fit_seconds(tiles, settings)
    of_64_px = tiles.shape[1] * tiles.shape[2] / 64**2
    edited = settings.editor != "none" and bool(lots.attribute_names)
    exact = settings.editor == "exact"
    trains = edited and (
        settings.editor == "train" or (settings.editor == "auto" and not demo_matches(lots))
    )
    swept = len(lots.attribute_names) * settings.sweep_tiles * settings.values
    directions = 1 if settings.goals else 2
    changed = directions * settings.change_tiles * max(settings.budget or 0, _EDITS_OF_A_CHANGE)
    edit = (_EXACT_S if exact else _LEARNED_S) * of_64_px
    card = 0.0 if exact or not edited else _CARD_S * of_64_px + _CARD_EDITS * edit
    return Work(
        validation_fit=whole * (1 - 1 / settings.folds) / (settings.jobs or 1),
        fit=whole,
        editor=60 * settings.editor_minutes if trains else 0.0,
        card=card,
        edit=edit,
        n_edits=n_lots * (swept + changed) if edited else 0,
        n_fits=n_validation_fits(settings),
    )


def _fit_seconds(tiles: Tiles, settings: LotsSettings) -> float:
    """Return how long a fit to all tiles will take, from fits to some of them."""
    some = tiles[np.unique(np.linspace(0, len(tiles) - 1, _TIMED_TILES).astype(np.intp))]
    regressor = study_regressor(settings, tiles)
    trial = clone(regressor).set_params(epochs=1, head_epochs=0)
    took = []
    for _ in range(2):  # the first loads libraries and lays out memory, which happens only once
        start = time.perf_counter()
        trial.fit(some, np.linspace(0.0, 1.0, len(some)))
        took.append(time.perf_counter() - start)
    each = min(took) * settings.epochs
    if regressor.head_epochs:  # features of whole tiles, in two views
        start = time.perf_counter()
        trial.predict(some)
        each += 2 * (time.perf_counter() - start)
    return each / len(some) * len(tiles)
