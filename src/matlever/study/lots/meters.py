"""Lots kept aside to judge an editor, and the meters of attributes that judge it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import ModelFileError
from matlever.knobs import Editor, Predictor
from matlever.micrographs import NetworkMeter, Tiles
from matlever.study.lots.data import LotData, shown_picture
from matlever.study.lots.settings import LotsSettings
from matlever.study.stages import Stages

__all__ = ["SplitLots", "calibration_meter", "editor_card", "split_lots"]

Tick = Callable[[float, str], None]

# Lots that judge an editor: a share of all, at least so many, of at least so many in all.
_SHARE, _FEWEST, _FEWEST_IN_ALL = 0.25, 6, 12
# Size of the card of a study: a short one.
_CARD_TILES, _CARD_VALUES, _CARD_REALISM, _CARD_EPOCHS = 24, 5, 300, 5
_METER_EPOCHS, _QUICK_EPOCHS = 12, 6


@dataclass(frozen=True)
class SplitLots:
    """Tiles of lots that an editor is taught from, and of those that judge it.

    Attributes
    ----------
    taught : Tiles
        For teaching the editor and the meters.
    judging : Tiles or None
        None where there are too few lots to keep some aside.
    """

    taught: Tiles
    judging: Tiles | None

    @property
    def calibration(self) -> Tiles:
        """Every second of the taught lots: on these a new editor is calibrated."""
        return self.taught[_every_second(self.taught, 1)]

    @property
    def calibration_taught(self) -> Tiles:
        """The other taught lots: from these the meter for that is taught."""
        return self.taught[_every_second(self.taught, 0)]


def split_lots(lots: LotData, target: str) -> SplitLots:
    """Keep lots aside to judge an editor, spread over the whole range of the property."""
    tiles, n = lots.tiles, len(lots.tiles.lot_names)
    if n < _FEWEST_IN_ALL:
        return SplitLots(tiles, None)
    aside = max(_FEWEST, round(_SHARE * n))
    order = np.argsort(lots.property(target), kind="stable")
    judging = order[np.linspace(0, n - 1, aside + 2).round().astype(np.intp)[1:-1]]
    is_judging = np.isin(tiles.lot, judging)
    return SplitLots(tiles[~is_judging], tiles[is_judging])


def _every_second(tiles: Tiles, first: int) -> NDArray[np.bool_]:
    chosen: NDArray[np.bool_] = np.isin(tiles.lot, np.unique(tiles.lot)[first::2])
    return chosen


def calibration_meter(
    split: SplitLots, settings: LotsSettings, stages: Stages, tick: Tick
) -> NetworkMeter | None:
    """Return a meter of half the taught lots, to calibrate a new editor on the others."""
    if split.judging is None:
        return None
    tick(0, "meter for the calibration of the editor")
    meter = NetworkMeter(n_epochs=_QUICK_EPOCHS, random_state=settings.seed + 1)
    kept: NetworkMeter = _kept(stages, "meter-calibration", meter, split.calibration_taught)
    return kept


def _kept(stages: Stages, name: str, meter: Any, tiles: Tiles) -> Any:
    """Return a meter, fitted or read from its part."""
    folder = stages.folder / name
    if folder.is_dir():
        try:
            found = type(meter).load(folder)
        except ModelFileError:
            pass
        else:
            stages.n_reused += 1
            return found
    meter.fit(tiles)
    meter.save(folder)
    return type(meter).load(folder)


def editor_card(
    editor: Editor,
    split: SplitLots,
    predictor: Predictor,
    predictor_error: float | None,
    settings: LotsSettings,
    stages: Stages,
    tick: Tick,
) -> dict[str, Any] | None:
    """Return a short report card of the editor, on lots that neither it nor the meters have seen.

    Returns
    -------
    card : dict or None
        `ReportCard.to_dict`, and under ``shown`` one tile with each attribute turned; None where
        there are too few lots.
    """
    from matlever.micrographs import TextureMeter, report_card

    judging = split.judging
    if judging is None:
        return None
    tick(0, "meters of attributes")
    network = _kept(
        stages,
        "meter-network",
        NetworkMeter(n_epochs=_METER_EPOCHS, random_state=settings.seed),
        split.taught,
    )
    texture = _kept(stages, "meter-texture", TextureMeter(random_state=settings.seed), split.taught)

    def judge() -> dict[str, Any]:
        card = report_card(
            editor,
            judging,
            network_meter=network,
            texture_meter=texture,
            predictor=predictor,
            predictor_error=predictor_error,
            n_tiles=_CARD_TILES,
            n_values=_CARD_VALUES,
            n_realism=min(_CARD_REALISM, 2 * len(judging)),
            n_epochs=_CARD_EPOCHS,
            random_state=settings.seed,
            progress=lambda done, total, what: tick(0, f"editor judged: {what}"),
        )
        shown = [
            {
                "attribute": name,
                "own": float(card.picture_values[j]),
                "values": card.values.tolist(),
                "pictures": [shown_picture(image) for image in card.pictures[j]],
            }
            for j, name in enumerate(card.names)
        ]
        return {**card.to_dict(), "shown": shown}

    tick(0, "editor judged")
    found: dict[str, Any] = stages.value("editor-card", judge)
    return found
