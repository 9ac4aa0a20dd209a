"""Model folders without pickle, run records, and files that are never half-written."""

from matlever.storage.atomic import (
    atomic_folder,
    read_json,
    write_bytes,
    write_json,
    write_text,
)
from matlever.storage.model_folder import MODEL_SCHEMA, read_model, write_model
from matlever.storage.registry import register, restore
from matlever.storage.state import State

__all__ = [
    "MODEL_SCHEMA",
    "State",
    "atomic_folder",
    "read_json",
    "read_model",
    "register",
    "restore",
    "write_bytes",
    "write_json",
    "write_model",
    "write_text",
]
