from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matlever.micrographs import DroppedTiles, draw_contact_sheet
from matlever.micrographs.reading.lots import DroppedTile
from matlever.micrographs.reading.quality import REASONS


def report(n: int) -> DroppedTiles:
    """Return n dropped tiles, all shown, whose reasons take turns; grey value 10 * position."""
    dropped = tuple(
        DroppedTile(f"$A_{k}$/{k:04d}", "$A$", f"$A$/{k:04d}.png", REASONS[k % 2]) for k in range(n)
    )
    images = np.stack(
        [np.full((16, 16), 10 * k, dtype=np.uint8) for k in range(n)]
        or [np.zeros((16, 16), dtype=np.uint8)]
    )[:n]
    return DroppedTiles({"$A$": 40}, dropped, images, tuple(range(n)))


def test_counts_and_words_agree() -> None:
    found = report(5)
    assert found.by_reason() == {REASONS[0]: 3, REASONS[1]: 2}
    assert found.counts().loc["$A$", ["read", "kept"]].tolist() == [40, 35]
    assert found.summary() == "5 of 40 tiles dropped: empty 3, black margin 2"
    assert report(0).summary() == "all 40 tiles kept"


def test_the_sheet_shows_every_reason_with_names_and_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    drawn: list[Figure] = []
    save = Figure.savefig

    def spy(figure: Figure, *args: object, **options: object) -> None:
        drawn.append(figure)
        save(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", spy)
    path = draw_contact_sheet(report(20), tmp_path / "new" / "sheet.png")
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    (figure,) = drawn
    assert len(figure.axes) == 12  # six of each reason, spread over all
    titles = [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]
    assert titles == ["empty: 10 tiles, 6 shown", "black margin: 10 tiles, 6 shown"]
    first = [ax.get_images()[0].get_array()[0, 0] * 255 for ax in figure.axes[:6]]
    np.testing.assert_allclose(first, [0, 40, 80, 100, 140, 180], atol=1e-3)
    assert figure.axes[1].get_xlabel() == r"\$A\$/0004.png"


def test_a_sheet_of_nothing_says_so(tmp_path: Path) -> None:
    assert draw_contact_sheet(report(0), tmp_path / "sheet.png").stat().st_size > 1000
