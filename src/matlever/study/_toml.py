"""Settings as plain values and as TOML, which the standard library reads and does not write."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from matlever.exceptions import SettingsError

__all__ = ["meant", "plain_values", "sectioned_values", "toml_text"]


def sectioned_values(
    source: Path, sections: Mapping[str, Collection[str]], free: Collection[str] = ()
) -> tuple[dict[str, Any], list[str]]:
    """Read a settings file; unknown tables and keys are problems.

    Parameters
    ----------
    source : Path
    sections : mapping of str to collection of str
        The tables, each with its keys.
    free : collection of str
        Tables that are one value each: their keys are not ours.

    Returns
    -------
    values : dict
        By key; lists have become tuples.
    problems : list of str
        What is wrong, in words.

    Raises
    ------
    SettingsError
        If the file cannot be read or is not TOML.
    """
    try:
        document = tomllib.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{source} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{source} is not a TOML file: {error}.") from error
    problems: list[str] = []
    values: dict[str, Any] = {}
    for section, content in document.items():
        home = next((name for name, keys in sections.items() if section in keys), None)
        if not isinstance(content, dict) and home is not None:
            problems.append(f"{source}: {section!r} belongs under [{home}].")
            continue
        if section not in sections or not isinstance(content, dict):
            problems.append(f"{source}: unknown table {section!r}{meant(section, sections)}.")
            continue
        if section in free:
            values[section] = content
            continue
        for key, value in content.items():
            if key not in sections[section]:
                hint = meant(key, sections[section])
                problems.append(f"{source}: unknown key {key!r} in [{section}]{hint}.")
            else:
                values[key] = tuple(value) if isinstance(value, list) else value
    return values, problems


def meant(word: str, known: Collection[str]) -> str:
    """Return which known word was probably meant, or all of them, for the end of a sentence."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else f" (known: {', '.join(sorted(known))})"


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
