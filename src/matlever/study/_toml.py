"""Settings as plain values and as TOML, which the standard library reads and does not write."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["plain_values", "toml_text"]


def plain_values(value: Any) -> Any:
    """Return plain JSON values: lists for tuples."""
    if isinstance(value, dict):
        return {key: plain_values(one) for key, one in value.items()}
    return [plain_values(one) for one in value] if isinstance(value, list | tuple) else value


def toml_text(value: Any) -> str:
    """Return a plain value as TOML; JSON's strings and numbers are TOML's too.

    TOML has no null: the open side of a range is an infinite number there.
    """
    if isinstance(value, dict):
        inner = ", ".join(
            f"{toml_text(key)} = {toml_text(one)}" for key, one in value.items() if one is not None
        )
        return f"{{ {inner} }}"
    if isinstance(value, list):
        open_ends = ("-inf", "inf")
        ends = [open_ends[k > 0] if one is None else toml_text(one) for k, one in enumerate(value)]
        return f"[{', '.join(ends)}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
