"""Standalone pages of explanations: no script, nothing from the network, everything escaped."""

from __future__ import annotations

import html
import io
import os
from pathlib import Path
from typing import Any

import numpy as np

from matlever.explanation._words import number

__all__ = ["BOTH", "bar_cell", "body_of", "figure_svg", "page", "spread_of", "write_page"]

_ROUNDING = 1e-9
UP, DOWN, BOTH = "#c2571a", "#2563a8", "#8a8f98"
_STYLE = (
    "body{font:15px/1.45 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;"
    "color:#1d2327;background:#fff}h1{font-size:1.35rem}h2{font-size:1.1rem;margin-top:2rem}"
    "table{border-collapse:collapse;width:100%}svg{max-width:100%;height:auto}"
    "th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ddd;font-weight:400}"
    "thead th{color:#556}thead .middle{text-align:center}.bar{width:34%;position:relative}"
    ".bar i{position:absolute;top:.45rem;bottom:.45rem;display:block}"
    ".bar::after{content:'';position:absolute;left:50%;top:.2rem;bottom:.2rem;"
    "border-left:1px solid #999}.soft{color:#556}"
)
# Heat maps are images inside the page; nothing else may load.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(title: str, body: str) -> str:
    """Return a whole document; `title` is plain text, `body` is HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body>{body}</body></html>\n"
    )


def body_of(document: str) -> str:
    """Return the part of a page that a notebook shows."""
    start = document.index("<body>") + len("<body>")
    return f"<style>{_STYLE}</style>{document[start : document.index('</body>')]}"


def bar_cell(value: float, largest: float, colour: str | None = None) -> str:
    """Return a table cell with a bar to the right (raises) or to the left (lowers)."""
    side, tint = ("left", UP) if value >= 0 else ("right", DOWN)
    width = 50 * abs(value) / largest if largest > 0 else 0.0
    return (
        f'<td class="bar"><i style="{side}:50%;width:{width:.1f}%;background:{colour or tint}" '
        f'title="{html.escape(number(value))}"></i></td>'
    )


def figure_svg(figure: Any) -> str:
    """Return a matplotlib figure as an SVG element without scripts or links."""
    import matplotlib as mpl

    stream = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "matlever"}):
        figure.savefig(
            stream,
            format="svg",
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    text = stream.getvalue()
    return text[text.index("<svg") :]


def write_page(path: str | os.PathLike[str], document: str) -> None:
    """Write a page; the file appears whole or not at all."""
    target = Path(path)
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        beside.write_text(document, encoding="utf-8")
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def spread_of(value: float, spread: float, largest: float = 0.0) -> str:
    """Return ``"1.2 ± 0.1"``; the spread is left out where it is not known.

    What is rounding beside the value itself, or the largest one on the page, is written as 0.
    """
    floor = _ROUNDING * max(abs(value), largest)
    shown = [0.0 if abs(x) < floor else x for x in (value, spread)]
    return number(shown[0]) + (f" ± {number(shown[1])}" if np.isfinite(spread) else "")
