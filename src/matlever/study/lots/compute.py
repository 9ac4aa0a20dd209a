"""All of a study of lots that is computed, part by part."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from typing import Any

from matlever._version import __version__
from matlever.micrographs import TileRegressor
from matlever.storage import State
from matlever.study.lots.citations import citations
from matlever.study.lots.command import lots_command
from matlever.study.lots.data import LotData, chosen_lots, data_part, target_of
from matlever.study.lots.editors import chosen_editor
from matlever.study.lots.explain import Explained, backward_part, forward_part
from matlever.study.lots.folder import LOTS_SCHEMA
from matlever.study.lots.known import known_part
from matlever.study.lots.looks import looks_part
from matlever.study.lots.meters import editor_card, split_lots
from matlever.study.lots.model import LotsModel
from matlever.study.lots.scoring import scores_part, study_regressor
from matlever.study.lots.settings import LotsSettings
from matlever.study.lots.words import headline, sentences, warnings_of
from matlever.study.lots.work import planned_work
from matlever.study.record import versions
from matlever.study.stages import Stages

__all__ = ["computed"]

Progress = Callable[[int, int, str], None]
Tick = Callable[[float, str], None]


def computed(
    lots: LotData, settings: LotsSettings, stages: Stages, progress: Progress | None
) -> tuple[dict[str, Any], LotsModel]:
    """Return the results and the model, taking finished parts from `stages`."""
    target = target_of(lots, settings)
    chosen = chosen_lots(lots, target, settings)
    data = data_part(lots, target, settings)
    work = planned_work(lots, settings, len(chosen))
    tick = work.ticker(progress)
    known = known_part(lots, stages, tick)
    flagged = [] if known is None else known["flagged"]
    scores = scores_part(lots, target, settings, stages, tick, work.validation_fit)
    regressor = _fitted(lots, target, settings, stages, tick)
    tick(work.fit, "fit to all lots")
    looks = looks_part(regressor, lots, chosen, settings, stages, tick)
    split = split_lots(lots, target)
    redraws = chosen_editor(lots, split, settings, stages, tick)
    tick(work.editor, "editor")
    card = forward = backward = None
    if redraws.editor is not None:
        if redraws.kind != "exact":
            error = scores["lots_held_out"]["by_tile"]["rmse"]
            card = editor_card(redraws.editor, split, regressor, error, settings, stages, tick)
        explained = Explained(regressor, redraws.editor, lots, chosen, flagged, target, settings)
        tick(work.card, "editor judged")
        forward = forward_part(explained, stages, tick, work.edit)
        backward = backward_part(explained, stages, tick, work.change)
    results: dict[str, Any] = {
        "schema": LOTS_SCHEMA,
        "matlever_version": __version__,
        "title": _title(data),
        "data": data,
        "settings": {**settings.to_dict(), "folder": data["folder"]},
        "identifiability": known,
        "scores": scores,
        "looks": looks,
        "editor": {**redraws.to_dict(), "card": card},
        "forward": forward,
        "backward": backward,
        "record": {
            "python": platform.python_version(),
            "libraries": versions(),
            "seed": settings.seed,
            "command": lots_command(settings),
            "citations": citations(redraws.kind),
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


def _title(data: Mapping[str, Any]) -> str:
    name = data["property"]["name"]
    return f"{name[:1].upper()}{name[1:]} from micrographs of {data['n_lots']} lots"


def _fitted(
    lots: LotData, target: str, settings: LotsSettings, stages: Stages, tick: Tick
) -> TileRegressor:
    """Return the regressor of all lots, fitted or taken from its part."""

    def fit() -> State:
        model = study_regressor(settings, lots.tiles)
        model.fit(
            lots.tiles,
            lots.of_tiles(target),
            checkpoint=stages.folder / "regressor-training",
            progress=lambda done, total, _: tick(0, f"fit to all lots, epoch {done} of {total}"),
        )
        return model.to_state()

    return TileRegressor.from_state(stages.state("regressor", fit))
