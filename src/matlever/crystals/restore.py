"""Which classes of crystals a model folder may name."""

from __future__ import annotations

from matlever.storage import register, restore

__all__ = ["restore"]

register(
    {
        "CGCNNRegressor": "matlever.crystals.cgcnn_regressor",
        "StructureRegressor": "matlever.crystals.structure_regressor",
    }
)
