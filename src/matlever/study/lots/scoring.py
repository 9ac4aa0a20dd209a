"""How well the property of a lot is predicted: unseen lots first, random tiles beside, shuffled."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from matlever.micrographs import TileRegressor, validate_lots
from matlever.study.lots.data import LotData, named_unit
from matlever.study.lots.settings import LotsSettings
from matlever.study.stages import Stages
from matlever.validation import CrossValidation, plan_folds, verdict

__all__ = ["n_validation_fits", "scores_part", "study_regressor"]

Tick = Callable[[int, str], None]


def study_regressor(settings: LotsSettings) -> TileRegressor:
    """Return the regressor of a study, not fitted."""
    return TileRegressor.compact(
        depth=settings.depth,
        epochs=settings.epochs,
        device=settings.device,
        random_state=settings.seed,
    )


def n_validation_fits(settings: LotsSettings) -> int:
    """Return how often the regressor is fitted to score it."""
    return 2 * (settings.folds + 1)


def scores_part(
    lots: LotData, target: str, settings: LotsSettings, stages: Stages, tick: Tick
) -> dict[str, Any]:
    """Return the scores under both protocols, also with the property shuffled among the lots."""
    name, unit = named_unit(target)
    what = "scored on lots never seen, and with the property shuffled"
    tick(0, what)
    found: dict[str, Any] = stages.value(
        "validation", partial(_validated, lots, target, name, settings, stages, tick, what)
    )
    judged = _judged(found, settings, unit)
    return {**found, "unit": unit, "skill": judged[0], "skill_sentence": judged[1]}


def _validated(
    lots: LotData,
    target: str,
    name: str,
    settings: LotsSettings,
    stages: Stages,
    tick: Tick,
    what: str,
) -> dict[str, Any]:
    found = validate_lots(
        study_regressor(settings),
        lots.tiles,
        lots.of_tiles(target),
        name=name,
        n_folds=settings.folds,
        random_state=settings.seed,
        n_jobs=settings.jobs or 1,
        checkpoint=stages.folder / "validation-fits",
        progress=lambda done, total, _: tick(0, f"{what}: fit {done} of {total}"),
    )
    return found.to_dict()


def _judged(found: dict[str, Any], settings: LotsSettings, unit: str | None) -> tuple[str, str]:
    """Return the skill on unseen lots in a word and a sentence, as for rows of a table."""
    table = found["lots_held_out"]["lots"]
    measured, mean = (np.array(table[key], dtype=float) for key in ("measured", "mean"))
    plan = plan_folds(
        len(measured), n_folds=settings.folds, n_repeats=1, random_state=settings.seed
    )
    over_lots = CrossValidation(measured, plan, {"network": mean[None]}, {})
    judged = verdict(over_lots, "network", unit=unit)
    return judged.skill, judged.sentence.replace("for rows the model", "for lots the model")
