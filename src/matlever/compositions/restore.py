"""Which classes of compositions a model folder may name."""

from __future__ import annotations

from matlever.storage import register, restore

__all__ = ["restore"]

register(
    {
        "CompositionEncoder": "matlever.compositions.encoder",
        "ElemNetRegressor": "matlever.compositions.elemnet_regressor",
        "PerovskiteRegressor": "matlever.compositions.perovskite_regressor",
    }
)
