"""All of a study of lots that is computed, part by part."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

from matlever._version import __version__
from matlever.micrographs import TileRegressor
from matlever.storage import State
from matlever.study.lots.data import LotData, chosen_lots, data_part, target_of
from matlever.study.lots.editors import chosen_editor
from matlever.study.lots.explain import Explained, backward_part, count_edits, forward_part
from matlever.study.lots.folder import LOTS_SCHEMA
from matlever.study.lots.meters import editor_card, split_lots
from matlever.study.lots.model import LotsModel
from matlever.study.lots.scoring import scores_part, study_regressor
from matlever.study.lots.settings import LotsSettings
from matlever.study.lots.words import headline, sentences, warnings_of
from matlever.study.record import versions
from matlever.study.stages import Stages

__all__ = ["computed"]

Progress = Callable[[int, int, str], None]
Tick = Callable[[int, str], None]


def computed(
    lots: LotData, settings: LotsSettings, stages: Stages, progress: Progress | None
) -> tuple[dict[str, Any], LotsModel]:
    """Return the results and the model, taking finished parts from `stages`."""
    target = target_of(lots, settings)
    chosen = chosen_lots(lots, target, settings)
    data = data_part(lots, target, settings)
    tick = _ticker(progress, count_edits(settings, len(lots.attribute_names), len(chosen)))
    scores = scores_part(lots, target, settings, stages, tick)
    regressor = _fitted(lots, target, settings, stages, tick)
    split = split_lots(lots, target)
    redraws = chosen_editor(lots, split, settings, stages, tick)
    card = forward = backward = None
    if redraws.editor is not None:
        if redraws.kind != "exact":
            error = scores["lots_held_out"]["by_tile"]["rmse"]
            card = editor_card(redraws.editor, split, regressor, error, settings, stages, tick)
        explained = Explained(regressor, redraws.editor, lots, chosen, (), target, settings)
        forward = forward_part(explained, stages, tick)
        backward = backward_part(explained, stages, tick)
    results: dict[str, Any] = {
        "schema": LOTS_SCHEMA,
        "matlever_version": __version__,
        "title": f"{data['property']['name']} from micrographs of {data['n_lots']} lots",
        "data": data,
        "settings": settings.to_dict(),
        "scores": scores,
        "editor": {**redraws.to_dict(), "card": card},
        "forward": forward,
        "backward": backward,
        "record": {
            "python": platform.python_version(),
            "libraries": versions(),
            "seed": settings.seed,
        },
    }
    results["summary"] = {"headline": headline(results), "sentences": sentences(results)}
    results["warnings"] = warnings_of(results)
    model = LotsModel(
        regressor,
        target,
        data["property"]["unit"],
        tuple(lots.attribute_names),
        redraws.state,
    )
    return results, model


def _fitted(
    lots: LotData, target: str, settings: LotsSettings, stages: Stages, tick: Tick
) -> TileRegressor:
    """Return the regressor of all lots, fitted or taken from its part."""

    def fit() -> State:
        model = study_regressor(settings)
        model.fit(
            lots.tiles,
            lots.of_tiles(target),
            checkpoint=stages.folder / "regressor-training",
            progress=lambda done, total, _: tick(0, f"fit to all lots, epoch {done} of {total}"),
        )
        return model.to_state()

    return TileRegressor.from_state(stages.state("regressor", fit))


def _ticker(progress: Progress | None, total: int) -> Tick:
    done = 0

    def tick(more: int, what: str) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, total, what)

    return tick
