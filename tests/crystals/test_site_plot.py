"""Drawn cells: which atoms, where, in which colour."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from matlever.crystals import Crystals, plot_sites
from matlever.exceptions import DataError

mpl.use("svg")


@pytest.fixture
def perovskite() -> Crystals:
    return Crystals.from_arrays(
        [4.0 * np.eye(3)],
        [5],
        [56, 22, 8, 8, 8],
        [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
    )


def drawn(crystal: Crystals, numbers: Any, **options: Any) -> Any:
    axes = Figure(figsize=(5, 4)).add_subplot()
    assert plot_sites(crystal, numbers, ax=axes, **options) is axes
    return axes


def circles(axes: Any) -> list[Circle]:
    return [patch for patch in axes.patches if isinstance(patch, Circle)]


def test_atoms_on_corners_and_faces_are_drawn_at_all_their_places(perovskite: Crystals) -> None:
    axes = drawn(perovskite, np.zeros(5))
    words = [text.get_text().split("\n")[0] for text in axes.texts]
    # 8 corners, 1 in the middle, 2 places for each of 3 face centres
    assert {name: words.count(name) for name in set(words)} == {"Ba": 8, "Ti": 1, "O": 6}


def test_radii_follow_the_elements_and_colours_the_numbers(perovskite: Crystals) -> None:
    axes = drawn(perovskite, [1.0, -1.0, 0.0, 0.0, 0.0], unit="eV")
    by_name = {
        text.get_text().split("\n")[0]: circle
        for text, circle in zip(axes.texts, circles(axes), strict=True)
    }
    assert by_name["Ba"].radius > by_name["Ti"].radius > by_name["O"].radius
    red, _, blue, _ = by_name["Ba"].get_facecolor()
    assert red > blue
    red, _, blue, _ = by_name["Ti"].get_facecolor()
    assert blue > red
    assert axes.figure.axes[1].get_ylabel() == "contribution (eV)"


def test_the_view_keeps_lengths(perovskite: Crystals) -> None:
    # From above, a cubic cell is a square of its lattice constant.
    axes = drawn(perovskite, np.zeros(5), azimuth_deg=0.0, elevation_deg=90.0)
    corners = np.array(
        [
            circle.center
            for text, circle in zip(axes.texts, circles(axes), strict=True)
            if text.get_text().startswith("Ba")
        ]
    )
    np.testing.assert_allclose(np.ptp(corners, axis=0), 4.0, atol=1e-9)


def test_numbers_are_written_or_not(perovskite: Crystals) -> None:
    assert "\n−0.5" in drawn(perovskite, np.full(5, -0.5)).texts[0].get_text()
    assert "\n" not in drawn(perovskite, np.full(5, -0.5), values=False).texts[0].get_text()


def test_wrong_numbers_are_refused(perovskite: Crystals) -> None:
    with pytest.raises(DataError, match="5 atoms need"):
        plot_sites(perovskite, np.zeros(4))
    with pytest.raises(DataError, match="5 atoms need"):
        plot_sites(perovskite, [0, 0, np.nan, 0, 0])
    with pytest.raises(DataError, match="One crystal"):
        plot_sites(perovskite[[0, 0]], np.zeros(10))
