"""Which attributes can be told apart in these lots: to be known before anything is explained."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from matlever.micrographs.measuring.identifiability import identifiability
from matlever.micrographs.measuring.lot_texture import lot_texture
from matlever.micrographs.measuring.texture import SMALLEST_PX
from matlever.study.lots.data import LotData
from matlever.study.stages import Stages

__all__ = ["known_part"]

Tick = Callable[[float, str], None]


def known_part(lots: LotData, stages: Stages, tick: Tick) -> dict[str, Any] | None:
    """Return what these lots and their pictures can tell of each attribute; None without any.

    Returns
    -------
    found : dict or None
        `Identifiability.to_dict`, and under ``flagged`` the attributes that are not to be named as
        a cause.
    """
    if not lots.attribute_names:
        return None
    tick(0, "which attributes can be told apart")
    found: dict[str, Any] = stages.value("identifiability", partial(_identified, lots))
    return {**found, "flagged": list(found["flags"])}


def _identified(lots: LotData) -> dict[str, Any]:
    attributes = lots.table[list(lots.attribute_names)]
    is_seen = min(lots.tiles.shape[1:]) >= SMALLEST_PX
    return identifiability(attributes, lot_texture(lots.tiles) if is_seen else None).to_dict()
