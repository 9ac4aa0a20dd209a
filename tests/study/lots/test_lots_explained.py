"""What is explained of chosen lots: which attributes may be turned, and what is wanted."""

import numpy as np
import pandas as pd
import pytest

from matlever.study.lots.data import chosen_lots, named_unit, some_tiles
from matlever.study.lots.explain import Explained, backward_part, forward_part
from matlever.study.lots.settings import LotsSettings
from matlever.study.stages import Stages


class SomeLots:
    """Lots in memory, as anyone may hand them over."""

    property_names = ("brightness_psi",)

    def __init__(self, tiles):
        self.tiles = tiles
        self.attribute_names = tiles.names
        values = [tiles.of_lot(name).images.mean() for name in tiles.lot_names]
        own = np.array([tiles.of_lot(name).attributes[0] for name in tiles.lot_names])
        self.table = pd.DataFrame(own, index=list(tiles.lot_names), columns=list(tiles.names))
        self.table.insert(0, "brightness_psi", values)

    def property(self, name):
        return self.table[name].to_numpy(dtype=float)

    def of_tiles(self, name):
        return self.property(name)[self.tiles.lot]


@pytest.fixture
def parts(tiles, bright, paint, tmp_path):
    """Explain one lot with some settings, flags and editor."""

    def explain(flagged=(), fixed=(), **settings):
        asked = LotsSettings(
            "x", sweep_tiles=3, change_tiles=5, values=3, fixed=tuple(fixed), **settings
        )
        explained = Explained(
            bright, paint(fixed=fixed), SomeLots(tiles), ["B"], flagged, "brightness_psi", asked
        )
        stages = Stages(tmp_path / f"{len(list(tmp_path.iterdir()))}", "key")
        done = []
        forward = forward_part(explained, stages, lambda more, what: done.append(more), 1.0)
        backward = backward_part(explained, stages, lambda more, what: done.append(more), 1.0)
        return forward, backward, done

    return explain


def test_an_attribute_that_cannot_be_told_from_others_is_not_named_as_a_cause(parts):
    _, free, _ = parts()
    forward, held, _ = parts(flagged=["light"])
    assert held["held"] == ["light"]
    for question in held["lots"][0]["questions"]:
        assert question["mean"][0] == 0.0
        assert "light" not in question["sentence"].split(":", 1)[1]
    assert any(question["mean"][0] != 0.0 for question in free["lots"][0]["questions"])
    assert forward["attributes"] == ["light", "contrast"]  # shown all the same
    _, turned, _ = parts(flagged=["light"], turn_flagged=True)
    assert turned["held"] == []


def test_a_fixed_attribute_is_neither_swept_nor_changed(parts):
    forward, backward, _ = parts(fixed=["contrast"])
    assert forward["attributes"] == ["light"]
    for question in backward["lots"][0]["questions"]:
        assert question["mean"][1] == 0.0


def test_where_nothing_may_be_turned_nothing_is_asked(parts):
    _, backward, _ = parts(flagged=["light", "contrast"])
    assert backward["lots"] == []


def test_both_directions_are_asked_or_the_goal_that_was_given(parts, tiles, bright):
    _, both, done = parts(by=0.1)
    up, down = both["lots"][0]["questions"]
    mean = bright.predict(tiles.of_lot("B")[[0, 1, 2, 4, 5]]).mean()
    assert [up["direction"], down["direction"]] == ["up", "down"]
    for question, share in ((up, 1.1), (down, 0.9)):
        reached = np.array([row["reached_prediction"] for row in question["rows"]])
        edge = reached.min() if share > 1 else reached.max()
        np.testing.assert_allclose(edge, share * mean, rtol=0.02)
    assert sum(done) == 2 * 3 * 3 + 2 * 5  # edits of the sweeps, tiles of the changes
    _, one, _ = parts(goals={"brightness_psi": (None, 5.0)})
    assert [q["goal"] for q in one["lots"][0]["questions"]] == ["at most 5 psi"]


def test_strips_show_the_tile_along_each_attribute(parts):
    forward, backward, _ = parts()
    for strip in forward["lots"][0]["strips"]:
        assert len(strip["pictures"]) == len(strip["values"]) == 6
        assert strip["pictures"][0]["png"] != strip["pictures"][-1]["png"]
    shown = backward["lots"][0]["questions"][0]["shown"]
    assert shown["edited"]["png"] != shown["tile"]["png"]


def test_the_lots_with_the_lowest_median_and_highest_property_are_chosen(tiles):
    lots = SomeLots(tiles)
    chosen = chosen_lots(lots, "brightness_psi", LotsSettings("x"))
    assert lots.table.loc[chosen, "brightness_psi"].is_monotonic_increasing
    assert chosen[0] == lots.table["brightness_psi"].idxmin()
    assert chosen[-1] == lots.table["brightness_psi"].idxmax()
    asked = LotsSettings("x", explain_lots=("D", "A", "D"))
    assert chosen_lots(lots, "brightness_psi", asked) == ["D", "A"]


def test_some_tiles_are_spread_over_the_lot(tiles):
    some = some_tiles(SomeLots(tiles), "C", 3)
    assert list(some.labels) == ["C/0000", "C/0002", "C/0005"]


@pytest.mark.parametrize(
    ("column", "name", "unit"),
    [
        ("peak_stress_psi", "peak stress", "psi"),
        ("strength (MPa)", "strength", "MPa"),
        ("grain_size_um", "grain size", "µm"),
        ("yield", "yield", None),
    ],
)
def test_the_unit_is_taken_from_the_columns_name(column, name, unit):
    assert named_unit(column) == (name, unit)
