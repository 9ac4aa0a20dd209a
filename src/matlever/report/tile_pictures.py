"""Tiles on the page: crisp, labelled, with a scale."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from matlever.report._text import text
from matlever.report._values import mapping, number, string

__all__ = ["PICTURE_STYLE", "Scale", "tile_picture"]

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_SHARE = 0.45  # of the picture's width that the bar may take

PICTURE_STYLE = """
.tiles{display:flex;flex-wrap:wrap;gap:.9rem 1rem;margin:1rem 0;align-items:flex-start}
.tile{margin:0;display:inline-block;max-width:100%}
.tile img{display:block;max-width:100%;height:auto;border-radius:2px;image-rendering:pixelated;
background:var(--sunk);outline:1px solid var(--line)}
.tile figcaption{margin-top:.25rem;font-size:.78rem;line-height:1.3;max-width:none;
overflow-wrap:anywhere}
.tile figcaption b{color:var(--ink)}
.tile .ruler{display:flex;align-items:center;gap:.35rem;font-size:.7rem;color:var(--soft);
margin-top:.3rem;line-height:1}
.tile .ruler i{display:block;height:4px;border:1px solid var(--soft);border-top:0;flex:none}
.tile.own img{outline:2.5px solid var(--blue)}
.strip-of{display:flex;gap:.5rem;align-items:flex-start;overflow-x:auto;padding:.2rem .2rem .4rem}
.strip-of .tile{flex:none}
.lotgrid{display:grid;grid-template-columns:repeat(auto-fill,minmax(8.6rem,1fr));gap:1rem .8rem;
margin:1rem 0}
.lotgrid .tile img{width:100%}
.sheet{display:flex;flex-wrap:wrap;gap:.5rem}
.lot>h4,.pair>div>h4{font-family:inherit;font-size:1rem;margin:1.6rem 0 .3rem;font-weight:600}
.pair>.panel>h4{margin-top:0}
.side{display:flex;flex-wrap:wrap;gap:.5rem 2rem;align-items:flex-start}
.side .plot{flex:0 1 340px;min-width:15rem}
.pale{opacity:.5}
.wide-plot{overflow-x:auto}
.wide-plot .plot{min-width:40rem}
"""


class Scale:
    """How large things are in the pictures of one page.

    Parameters
    ----------
    pixel_nm : float or None
        Size of a pixel; None where it is not known, and bars are in px.
    """

    def __init__(self, pixel_nm: float | None) -> None:
        self.pixel_nm = pixel_nm if pixel_nm is not None and pixel_nm > 0 else None

    def ruler(self, width_px: float, shown_px: float) -> str:
        """Return a bar of round length (HTML) under a picture that shows `width_px` pixels."""
        if width_px <= 0:
            return ""
        each = self.pixel_nm or 1.0
        length = _round_length(_SHARE * width_px * each)
        if self.pixel_nm is None:
            words = f"{length:g} px"
        elif length >= 1000:
            words = f"{length / 1000:g} µm"
        else:
            words = f"{length:g} nm"
        share = 100 * length / (width_px * each)
        return (
            f'<div class="ruler" style="max-width:{shown_px:.0f}px">'
            f'<i style="width:{share:.1f}%"></i>{words}</div>'
        )


def tile_picture(
    picture: object,
    words: str,
    caption: str = "",
    *,
    side: float = 128,
    scale: Scale | None = None,
    own: bool = False,
) -> str:
    """Return one picture as a figure (HTML), or nothing where there is none.

    Parameters
    ----------
    picture : mapping
        ``png`` (base64), ``width`` and ``height``.
    words : str
        What a reader who cannot see it is told (plain text).
    caption : str
        HTML under it.
    side : float
        About how wide it is shown; a whole multiple of its pixels where it is enlarged.
    scale : Scale, optional
        For a bar under it.
    own : bool
        Whether to frame it as the one everything started from.
    """
    found: Mapping[str, Any] = mapping(picture)
    data = string(found.get("png"))
    width, height = number(found.get("width")), number(found.get("height"))
    if not width or not height or width < 1 or height < 1 or not _BASE64.fullmatch(data):
        return ""
    zoom = max(1, math.floor(side / width)) if width <= side else side / width
    ruler = scale.ruler(width, width * zoom) if scale is not None else ""
    under = f"<figcaption>{caption}</figcaption>" if caption else ""
    return (
        f'<figure class="tile{" own" if own else ""}" style="width:{width * zoom:.0f}px">'
        f'<img src="data:image/png;base64,{data}" width="{width * zoom:.0f}" '
        f'height="{height * zoom:.0f}" alt="{text(words, 300)}"/>{ruler}{under}</figure>'
    )


def _round_length(most: float) -> float:
    """Return the largest of 1, 2, 5, 10, ... that is not above `most`."""
    power = 10.0 ** math.floor(math.log10(most))
    return max(step * power for step in (1, 2, 5) if step * power <= most)
