"""How the results were made, so that they can be made again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matlever.report._text import DASH, text
from matlever.report._values import items, mapping, number, pick, string

__all__ = ["pairs", "record_section"]


def pairs(entries: list[tuple[str, str]]) -> str:
    """Return a list of names and values (both HTML)."""
    if not entries:
        return ""
    return (
        '<dl class="pairs">'
        + "".join(f"<dt>{name}</dt><dd>{value or DASH}</dd>" for name, value in entries)
        + "</dl>"
    )


def setting_text(value: object) -> str:
    """Return a setting as escaped text; lists are joined, null is a dash."""
    if isinstance(value, (list, tuple)):
        return ", ".join(setting_text(entry) for entry in items(value)[:20])
    if isinstance(value, Mapping):
        return ", ".join(
            f"{text(string(k), 60)} {setting_text(v)}" for k, v in list(value.items())[:20]
        )
    return text(string(value), 300) or DASH


def record_section(results: Mapping[str, Any]) -> str:
    """Return the section on how the results were made."""
    record, data = mapping(results.get("record")), mapping(results.get("data"))
    command = text(string(record.get("command")), 1_000)
    again = (
        "<h3>Make it again</h3><p>"
        f"<code>{command}</code> "
        '<button class="copy" type="button" hidden="hidden">Copy</button></p>'
        if command
        else ""
    )
    seed = number(record.get("seed"))
    read = [
        ("file", text(string(data.get("file")), 200)),
        ("SHA-256 of the file", f"<code>{text(string(data.get('sha256')), 80) or DASH}</code>"),
    ]
    entries = [  # a study of a folder, or of what was simulated, read no single file
        *(read if data.get("file") else []),
        ("random seed", f"{seed:.0f}" if seed is not None else ""),
        ("matlever", text(string(results.get("matlever_version")), 40)),
        ("Python", text(string(record.get("python")), 40)),
        (
            "libraries",
            ", ".join(
                f"{text(string(name), 40)} {text(string(version), 40)}"
                for name, version in list(mapping(record.get("libraries")).items())[:30]
            ),
        ),
    ]
    settings = [
        (text(string(name), 60), setting_text(value))
        for name, value in list(mapping(results.get("settings")).items())[:80]
        if value not in (None, [], {}, "")  # Not set: the default was used.
    ]
    cite = [
        ("cite for the data", text(string(data.get("citation")), 1_000)),
        ("licence of the data", text(string(data.get("licence")), 300)),
    ]
    cite = [entry for entry in cite if entry[1]]
    sources = "".join(
        f"<li>{text(string(source), 600)}</li>"
        for source in items(pick(results, "record", "citations"))
    )
    return (
        '<section id="record"><h2>How it was made</h2>'
        + again
        + pairs(entries + cite)
        + (f"<h3>Settings</h3>{pairs(settings)}" if settings else "")
        + "<h3>Sources of the methods</h3>"
        + f'<ul class="plain">{sources or _SOURCES}</ul></section>'
    )


_SOURCES = "".join(
    f"<li>{source}</li>"
    for source in (
        "Intervals: R. F. Barber, E. J. Candès, A. Ramdas, R. J. Tibshirani, Predictive inference "
        "with the jackknife+, Annals of Statistics 49 (2021) 486–507.",
        "Weights: M. T. Ribeiro, S. Singh, C. Guestrin, “Why should I trust you?”, "
        "KDD (2016) 1135–1144.",
        "Single-row curves: A. Goldstein, A. Kapelner, J. Bleich, E. Pitkin, Peeking inside the "
        "black box, J. Comput. Graph. Stat. 24 (2015) 44–65.",
    )
)
