"""The frame that the pages of reproduced works share: what was found, then section by section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matlever.report._text import plain, text
from matlever.report._values import flag, items, string
from matlever.report.page import page

__all__ = ["Part", "reproduction_page"]

# Name in the navigation, heading, and what stands there.
Part = tuple[str, str, str]


def reproduction_page(results: Mapping[str, Any], parts: Sequence[Part], usual_title: str) -> str:
    """Return one offline HTML document.

    Parameters
    ----------
    results : mapping
        With a ``title``, a ``statement``, ``sentences``, the ``matlever_version`` and, for a small
        form of the work, ``quick``.
    parts : sequence of (name, heading, html)
        Empty ones are left out.
    usual_title : str
        Where the results have none.
    """
    title = plain(string(results.get("title")), 160) or usual_title
    kept = [(f"part-{place}", *part) for place, part in enumerate(parts) if part[2]]
    said = [text(string(entry), 1200) for entry in items(results.get("sentences"))]
    listed = "".join(f"<li>{sentence}</li>" for sentence in said if sentence)
    quick = flag(results.get("quick"))
    note = ' <span class="tag">quick run, not the figures</span>' if quick else ""
    body = (
        '<header class="top" id="found"><p class="eyebrow">Reproduction</p>'
        f'<h1>{text(title)}{note}</h1><p class="lead">{text(string(results.get("statement")), 500)}'
        f'</p><ul class="plain">{listed}</ul></header>'
    ) + "".join(
        f'<section id="{anchor}"><h2>{heading}</h2>{inside}</section>'
        for anchor, _, heading, inside in kept
    )
    return page(
        f"{title} – matlever",
        body,
        nav=[("found", "What was found"), *((anchor, name) for anchor, name, _, _ in kept)],
        version=string(results.get("matlever_version")),
    )
