"""The frame of every page: head, banner, navigation, theme switch, footer.

Pages are well-formed XML as well as HTML, so that a test can read them with a strict parser. The
content security policy forbids every request and every script but ours (by its hash): should a
string from a data set ever slip through unescaped, the browser still runs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from matlever.report._text import text
from matlever.report.style import SCRIPT, SCRIPT_HASH, STYLE

__all__ = ["SIMULATED_TAG", "page"]

SIMULATED_TAG = '<span class="tag simulated">simulated</span>'
_POLICY = f"default-src 'none'; style-src 'unsafe-inline'; script-src '{SCRIPT_HASH}'"
# Pictures that stand in the page itself; nothing is fetched for them.
_WITH_PICTURES = f"{_POLICY}; img-src data:"


def page(
    title: str,
    body: str,
    *,
    nav: Sequence[tuple[str, str]],
    simulated: str | None = None,
    version: str = "",
    picture_style: str | None = None,
) -> str:
    """Return a whole HTML document.

    Parameters
    ----------
    title : str
        Plain text for the window's title.
    body : str
        HTML of the header and the sections.
    nav : sequence of (anchor, plain text)
        Links of the bar at the top.
    simulated : str, optional
        What to say under "Simulated data"; None for real data.
    version : str
        Version of matlever that wrote the results.
    picture_style : str, optional
        Styles of a page that holds pictures (``data:`` only); None for one that holds none.
    """
    policy = _POLICY if picture_style is None else _WITH_PICTURES
    style = STYLE + (picture_style or "").replace("\n", " ")
    links = "".join(f'<a href="#{anchor}">{text(name, 60)}</a>' for anchor, name in nav)
    banner = (
        f'<div class="banner" role="note"><div class="wrap"><b>SIMULATED DATA</b> {text(simulated)}'
        "</div></div>"
        if simulated is not None
        else ""
    )
    mark = SIMULATED_TAG if simulated is not None else ""
    writer = f"matlever {text(version, 40)}".strip()
    return (
        '<!DOCTYPE html>\n<html lang="en" xmlns="http://www.w3.org/1999/xhtml"><head>'
        '<meta charset="utf-8"/>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        '<meta name="referrer" content="no-referrer"/>'
        f"<title>{text(title, 120)}</title><style>{style}</style></head><body>"
        f"{banner}"
        f'<div class="bar"><div class="wrap"><nav aria-label="Sections">{links}</nav>{mark}'
        '<button id="theme" type="button" hidden="hidden" '
        'aria-label="Switch between light and dark">Dark</button></div></div>'
        f'<main class="wrap">{body}</main>'
        f'<div class="wrap"><footer>Written by {writer}. This page is one '
        "file and loads nothing from the network.</footer></div>"
        f"<script>{SCRIPT}</script></body></html>\n"
    )
