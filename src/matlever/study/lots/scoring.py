"""How well the property of a lot is predicted: unseen lots first, random tiles beside, shuffled."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from matlever.micrographs import TileRegressor, Tiles, pool_lots, validate_lots
from matlever.micrographs.measuring.texture import SMALLEST_PX
from matlever.study.lots.data import LotData, named_unit
from matlever.study.lots.settings import LotsSettings
from matlever.study.stages import Stages
from matlever.study.words import with_unit
from matlever.validation import CrossValidation, plan_folds, verdict

__all__ = ["lot_interval", "n_validation_fits", "scores_part", "study_regressor"]

Tick = Callable[[float, str], None]


# Of larger tiles the convolutions learn from squares of this side, in px, and the head, in so many
# rounds, from whole tiles: far cheaper, and no worse.
_SQUARE, _HEAD_EPOCHS = 64, 120


def study_regressor(settings: LotsSettings, tiles: Tiles) -> TileRegressor:
    """Return the regressor of a study of these tiles, not fitted."""
    is_large = min(tiles.shape[1:]) >= 2 * _SQUARE
    return TileRegressor.compact(
        depth=settings.depth,
        epochs=settings.epochs,
        crop=_SQUARE if is_large else None,
        head_epochs=_HEAD_EPOCHS if is_large else 0,
        device=settings.device,
        random_state=settings.seed,
    )


def n_validation_fits(settings: LotsSettings) -> int:
    """Return how often the regressor is fitted to score it."""
    return 2 * (settings.folds + 1)


def scores_part(
    lots: LotData,
    target: str,
    settings: LotsSettings,
    stages: Stages,
    tick: Tick,
    seconds: float,
) -> dict[str, Any]:
    """Return the scores under both protocols, also with the property shuffled among the lots.

    `seconds` are what one fit is expected to take.
    """
    _, unit = named_unit(target)
    tick(0, "scored on lots never seen, and with the property shuffled")
    found: dict[str, Any] = stages.value(
        "validation", partial(_validated, lots, target, settings, stages, partial(tick, seconds))
    )
    judged = _judged(found, settings, unit)
    return {
        **found,
        "unit": unit,
        "skill": judged[0],
        "skill_sentence": judged[1],
        "interval": lot_interval(found["lots_held_out"]["lots"], settings.level, unit),
    }


def lot_interval(table: Mapping[str, Any], level: float, unit: str | None) -> dict[str, Any]:
    """Return within what of its prediction a new lot lands, from the errors on lots held out.

    Parameters
    ----------
    table : mapping
        Columns ``measured`` and ``mean``, one entry for each lot.
    level : float
        Nominal coverage.
    unit : str or None

    Returns
    -------
    interval : dict
        ``level``, ``n`` lots, ``half_width`` (the error with rank ``ceil((n + 1) level)``; None
        where there are too few lots for one) and a ``sentence``.
    """
    error = np.sort(np.abs(np.subtract(table["measured"], table["mean"])))
    n = len(error)
    rank = math.ceil((n + 1) * level - 1e-9)
    half_width = float(error[rank - 1]) if rank <= n else None
    percent = f"{100 * level:.0f} %"
    if half_width is None:
        needed = math.ceil(level / (1 - level) - 1e-9)
        sentence = f"Too few lots for a {percent} interval: {needed} are needed, {n} are there."
    else:
        sentence = (
            f"The mean over the tiles of a new lot like these lies within "
            f"±{with_unit(half_width, unit)} of its measured value ({percent} interval, from the "
            f"errors on {n} lots held out)."
        )
    return {"level": level, "n": n, "half_width": half_width, "sentence": sentence}


def _validated(
    lots: LotData,
    target: str,
    settings: LotsSettings,
    stages: Stages,
    fitted: Callable[[str], None],
) -> dict[str, Any]:
    found = validate_lots(
        study_regressor(settings, lots.tiles),
        lots.tiles,
        lots.of_tiles(target),
        name=named_unit(target)[0],
        n_folds=settings.folds,
        random_state=settings.seed,
        n_jobs=settings.jobs or 1,
        checkpoint=stages.folder / "validation-fits",
        progress=lambda done, total, _: fitted(f"scored: fit {done} of {total} done"),
    )
    together = None
    if min(lots.tiles.shape[1:]) >= SMALLEST_PX:
        pooled = pool_lots(found, lots.tiles, random_state=settings.seed)
        together = pooled.lots_held_out.to_dict()
    return {**found.to_dict(), "lots_with_texture": together}


def _judged(found: dict[str, Any], settings: LotsSettings, unit: str | None) -> tuple[str, str]:
    """Return the skill on unseen lots in a word and a sentence, as for rows of a table."""
    table = found["lots_held_out"]["lots"]
    measured, mean = (np.array(table[key], dtype=float) for key in ("measured", "mean"))
    plan = plan_folds(
        len(measured), n_folds=settings.folds, n_repeats=1, random_state=settings.seed
    )
    over_lots = CrossValidation(measured, plan, {"network": mean[None]}, {})
    judged = verdict(over_lots, "network", unit=unit)
    return judged.skill, _of_lots(judged.sentence)


def _of_lots(sentence: str) -> str:
    """Return a sentence about the rows of a table as one about lots."""
    for ours, theirs in (
        ("the weights drawn from them", "pictures redrawn for them"),
        ("more rows, or inputs that matter more, are needed", "more lots are needed"),
        ("rows", "lots"),
    ):
        sentence = sentence.replace(ours, theirs)
    return sentence
