"""Marks stand where the numbers say: positions are read back from the drawings."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from matlever.report.figures import (
    Cloud,
    measured_against_predicted,
    r2_bars,
    thin_out,
)
from matlever.report.heatmap import LEVELS, strip
from matlever.report.sweep_figure import Sweep, sweep_limits, sweep_panel


def _used(svg: str) -> np.ndarray:
    """Return the positions of all markers in the order they were drawn."""
    root = ElementTree.fromstring(svg)
    uses = [e for e in root.iter() if e.tag.endswith("use") and "opacity" not in e.get("style", "")]
    return np.array([[float(e.get("x", "nan")), float(e.get("y", "nan"))] for e in uses])


@pytest.mark.parametrize("log", [False, True])
def test_points_stand_at_measured_and_predicted(log: bool) -> None:
    rng = np.random.default_rng(0)
    measured, predicted = np.exp(rng.standard_normal((2, 20)))
    svg = measured_against_predicted(
        "a", [Cloud(measured, predicted)], "length (nm)", "described", log=log
    )
    points = _used(svg)[-20:]
    forward = np.log if log else np.asarray
    # The drawing is an affine picture of the data; coordinates are rounded to 0.1 pixel.
    for drawn, values in ((points[:, 0], measured), (points[:, 1], predicted)):
        slope, offset = np.polyfit(forward(values), drawn, 1)
        np.testing.assert_allclose(slope * forward(values) + offset, drawn, atol=0.12)
    # Both axes have the same limits, so equal values lie on the diagonal of the square.
    assert "measured length (nm)" in svg
    assert "predicted length (nm)" in svg


def test_points_outside_their_interval_are_marked_differently() -> None:
    values = np.arange(10.0)
    cloud = Cloud(values, values + 0.1, lower=values - 1, upper=values + 1)
    missed = Cloud(values, values + 0.1, lower=values + 0.05, upper=values + 1)
    inside = measured_against_predicted("a", [cloud], "y", "d")
    outside = measured_against_predicted("a", [missed], "y", "d")
    assert "var(--orange)" not in inside
    assert "var(--orange)" in outside


def test_nothing_to_draw_gives_nothing() -> None:
    nothing = np.full(3, np.nan)
    assert measured_against_predicted("a", [Cloud(nothing, nothing)], "y", "d") == ""
    assert (
        measured_against_predicted("a", [Cloud(-np.ones(3), np.ones(3))], "y", "d", log=True) == ""
    )


def test_bars_are_as_long_as_their_numbers() -> None:
    svg = r2_bars("a", [("one", 0.8, "blue"), ("two", 0.4, "orange"), ("none", None, "blue")], "d")
    lengths = {}
    for path in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}path"):
        found = re.search(r"fill: var\(--(blue|orange)\)", path.get("style", ""))
        if found:
            x = [float(v) for v in re.findall(r"[ML] (-?[\d.]+) ", path.get("d", ""))]
            lengths[found[1]] = max(x) - min(x)
    assert lengths["blue"] / lengths["orange"] == pytest.approx(2.0, rel=2e-3)
    assert "not computed" in svg


def test_words_with_dollar_signs_are_not_mathematics() -> None:
    svg = r2_bars("a", [("$\\frac{1}{0}$ & <b>", 0.5, "blue")], "d")
    words = "".join(ElementTree.fromstring(svg).itertext())
    assert "$\\frac{1}{0}$ & <b>" in words


def test_names_in_any_script_are_drawn_without_a_warning() -> None:
    name = "長さ 🧪 طول लंबाई"
    svg = r2_bars("a", [(name, 0.5, "blue")], "d")
    assert name in "".join(ElementTree.fromstring(svg).itertext())


def test_strip_cells_carry_sign_and_size() -> None:
    values = np.array([-1.0, -0.5, 0.0, np.nan, 0.5, 1.0, 3.0])
    shown = np.zeros(7)
    for path in ElementTree.fromstring(strip(values, 1.0, "d")).iter(
        "{http://www.w3.org/2000/svg}path"
    ):
        sign = 1 if path.get("fill") == "var(--orange)" else -1
        for start in re.findall(r"M([\d.]+) 0", path.get("d", "")):
            shown[int(float(start))] = sign * float(path.get("fill-opacity", "nan"))
    expected = np.array([-1.0, -0.5, 0.0, 0.0, 0.5, 1.0, 1.0])
    np.testing.assert_allclose(shown, expected, atol=0.5 / LEVELS)


def test_wide_strips_cover_the_same_columns_with_fewer_pieces() -> None:
    values = np.repeat([1.0, -1.0, 0.0], 50)
    svg = strip(values, 1.0, "d")
    assert svg.count("M") == 2
    assert "M0 0h50v1h-50z" in svg
    assert "M50 0h50v1h-50z" in svg


def test_thinning_keeps_both_ends_and_the_order() -> None:
    kept = thin_out(1_000, 160)
    assert (kept[0], kept[-1], len(kept)) == (0, 999, 160)
    assert np.all(np.diff(kept) > 0)
    np.testing.assert_array_equal(thin_out(5, 10), np.arange(5))


def test_panels_of_one_target_share_their_limits() -> None:
    flat = np.zeros((0, 3))
    first = Sweep(
        "a", "continuous", np.arange(3.0), [], np.arange(3.0), None, None, flat, flat[0:0, 0]
    )
    second = Sweep("b", "categorical", np.arange(3.0), ["x", "y", "z"], 9 * np.ones(3), None, None,
                   flat, flat[0:0, 0])  # fmt: skip
    limits = sweep_limits([first, second])
    assert limits is not None
    assert limits[0] < 0
    assert limits[1] > 9
    svg = sweep_panel("a", second, limits, "y", "d")
    words = "".join(ElementTree.fromstring(svg).itertext())
    assert all(level in words for level in "xyz")
