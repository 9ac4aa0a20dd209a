"""Marks stand where the numbers say: positions are read back from the drawings."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from matlever.report.change_tracks import knob_track, target_track
from matlever.report.figures import (
    Cloud,
    measured_against_predicted,
    r2_bars,
    thin_out,
)
from matlever.report.heatmap import LEVELS, strip
from matlever.report.next_figure import Expectation, expectations
from matlever.report.pair_figure import STEPS, Axis, Surface, surface_map
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


def _positions(track: str, kind: str) -> list[float]:
    found = re.search(rf'class="{kind}" style="left:([\d.]+)%(?:;width:([\d.]+)%)?"', track)
    return [float(v) for v in found.groups() if v is not None] if found else []


def test_knobs_move_between_their_limits() -> None:
    track = knob_track(20.0, 50.0, 0.0, 100.0, "d")
    assert _positions(track, "dot ring") == [20.0]
    assert _positions(track, "dot") == [50.0]
    assert _positions(track, "way") == [20.0, 30.0]
    assert _positions(knob_track(50.0, 20.0, 0.0, 100.0, "d"), "way") == [20.0, 30.0]
    assert _positions(knob_track(120.0, 50.0, 0.0, 100.0, "d"), "dot ring") == [100.0]
    assert knob_track(1.0, 1.0, 1.0, 1.0, "d") == ""


@pytest.mark.parametrize("log", [False, True])
def test_predictions_move_towards_the_goal_on_the_measured_range(log: bool) -> None:
    values = np.array([1.0, 10.0, 100.0, 8.0, 12.0])  # ends, after, interval
    low, after, high, lower, upper = np.log(values) if log else values
    margin = 0.06 * (high - low)

    def at(value: float) -> float:
        return 100 * (value - low + margin) / (high - low + 2 * margin)

    track = target_track(1.0, 10.0, (8.0, 12.0), (10.0, None), (1.0, 100.0), "d", log=log)
    assert _positions(track, "dot ring")[0] == pytest.approx(at(low), abs=0.06)
    assert _positions(track, "dot")[0] == pytest.approx(at(after), abs=0.06)
    goal = _positions(track, "goal")
    assert goal == pytest.approx([at(after), 100 - at(after)], abs=0.11)
    span = _positions(track, "span")
    assert span == pytest.approx([at(lower), at(upper) - at(lower)], abs=0.11)
    assert target_track(None, None, (None, None), (1.0, None), (0.0, 1.0), "d") == ""


def test_maps_fill_fields_the_fuller_the_higher_and_leave_out_what_cannot_be_set() -> None:
    mean = np.array([[0.0, 0.5], [1.0, np.nan]])
    x = Axis("a", np.array([1.0, 2.0]), [], False, np.array([1.0, 1.0, 2.0]))
    y = Axis("b", np.array([1.0, 10.0]), [], True, np.array([1.0, 1.0, 10.0]))
    np.testing.assert_allclose(x.edges, [0.5, 1.5, 2.5])
    np.testing.assert_allclose(y.edges, np.sqrt([0.1, 10.0, 1000.0]))
    inside = np.array([[1.0, 0.2], [1.0, 1.0]])
    reached = np.array([[1.0, 1.0], [1.0, 0.0]])
    svg = surface_map("a", Surface(x, y, mean, inside, reached), (0.0, 1.0), "d")
    opacity = [float(o) for o in re.findall(r"fill: var\(--blue\); opacity: ([\d.]+)", svg)]
    expected = [0.06 + 0.86 * np.rint(s * STEPS) / STEPS for s in (0.0, 0.5, 1.0)]
    np.testing.assert_allclose(opacity, expected, atol=0.051)
    assert svg.count("var(--sunk)") == 1  # cannot be set
    assert len(_used(svg)) >= 2  # two different known settings, one of them twice


def test_expected_values_stand_on_the_axis_of_the_known_ones() -> None:
    entries = [Expectation("1", 5.0, 4.0, 6.0), Expectation("2", np.nan, np.nan, np.nan)]
    svg = expectations(
        "a", entries, "y", "d", best=8.0, goal=(7.0, None), known=np.array([0.0, 10.0])
    )
    words = "".join(ElementTree.fromstring(svg).itertext())
    assert "best so far 8" in words
    assert "var(--green)" in svg
    assert "var(--wash)" in svg
    assert expectations("a", entries[1:], "y", "d") == ""
