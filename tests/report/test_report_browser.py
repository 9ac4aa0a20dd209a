"""The report in a real browser, where one is installed: nothing overflows, no script fails."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from matlever.report import render_report, render_reproduction

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
_MEASURE = """
<!doctype html><body><script>
function measured(frame){
  var page=frame.contentDocument,root=page.documentElement;
  var wide=root.scrollWidth-root.clientWidth;
  var button=page.getElementById("theme"),before=button.textContent;button.click();
  document.body.setAttribute("data-"+frame.name,
    wide+" "+(button.textContent!==before)+" "+page.querySelectorAll("img,iframe").length);
}
</script>%s</body>
"""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_pages_fit_phone_and_desk_without_scrolling_sideways(
    tmp_path: Path, documents: dict[str, Any]
) -> None:
    frames = []
    for name, document in documents.items():
        render = render_reproduction if name == "reproduction" else render_report
        page = html.escape(render(document).replace("\ufeff", ""), quote=True)
        frames += [
            f'<iframe name="{name.replace("_", "-")}-{width}" style="border:0;height:900px;'
            f'width:{width}px" srcdoc="{page}" onload="measured(this)"></iframe>'
            for width in (390, 1280)
        ]
    file = tmp_path / "frames.html"
    file.write_text(_MEASURE % "".join(frames), encoding="utf-8")
    command = [
        str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
        "--no-first-run", "--disable-background-networking", "--disable-component-update",
        "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=10000",
        "--dump-dom", file.as_uri(),
    ]  # fmt: skip
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = dict(re.findall(r'data-([a-z-]+-(?:390|1280))="([^"]*)"', dom.split("<iframe")[0]))
    assert found == {
        f"{name.replace('_', '-')}-{width}": "0 true 0"
        for name in documents
        for width in (390, 1280)
    }
