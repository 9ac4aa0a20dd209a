"""Which editor a study takes, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest

from matlever.exceptions import SettingsError
from matlever.micrographs import FlowEditor, FlowSettings, simulate_sem, train_flow
from matlever.storage import State, write_model
from matlever.study.lots.editors import chosen_editor, demo_matches, load_editor
from matlever.study.lots.meters import split_lots
from matlever.study.lots.settings import LotsSettings
from matlever.study.stages import Stages

SMALL = FlowSettings(steps=1, batch_size=2, widths=(8, 8), blocks=1, patch=1)


@pytest.fixture(scope="module")
def lots():
    return simulate_sem(6, 2, 16, random_state=9)


@pytest.fixture
def choose(lots, tmp_path):
    def chosen(given=None, **settings):
        given = lots if given is None else given
        split = split_lots(given, "peak_stress_psi")
        asked = LotsSettings("x", **settings)
        return chosen_editor(
            given, split, asked, Stages(tmp_path / "parts", "key"), lambda *_: None
        )

    return chosen


def test_none_is_none_and_says_why(choose, lots):
    assert choose(editor="none").editor is None
    bare = replace(lots, tiles=lots.tiles)
    object.__setattr__(bare, "attribute_names", ())
    found = choose(bare)
    assert found.editor is None
    assert "no attributes" in found.sentence


def test_the_exact_editor_needs_simulated_tiles(choose, lots):
    assert choose(editor="exact").kind == "exact"
    measured = replace(lots, tiles=replace(lots.tiles, scenes=None))
    with pytest.raises(SettingsError, match="no scenes"):
        choose(measured, editor="exact")


def test_the_packaged_editor_is_for_its_size_and_attributes(choose, lots):
    assert not demo_matches(lots)
    with pytest.raises(SettingsError, match="64 x 64 px; these have 16 x 16 px"):
        choose(editor="demo")


def test_an_editor_is_read_from_its_folder_whatever_its_kind(choose, lots, tmp_path):
    editor = FlowEditor(train_flow(lots.tiles, SMALL))
    editor.save(tmp_path / "flow")
    found = choose(editor=str(tmp_path / "flow"), fixed=("size",))
    assert found.kind == "folder"
    assert found.editor.space["size"].fixed
    own = lots.tiles.attributes[:2, None]
    np.testing.assert_array_equal(
        load_editor(tmp_path / "flow").render(lots.tiles[:2], own).images,
        editor.render(lots.tiles[:2], own).images,
    )
    write_model(tmp_path / "other", State("something else"))
    with pytest.raises(SettingsError, match="does not redraw tiles"):
        choose(editor=str(tmp_path / "other"))


def test_an_editor_of_other_attributes_is_refused(choose, lots, tmp_path):
    others = replace(lots.tiles, names=("a", "b", "c", "d"))
    FlowEditor(train_flow(others, SMALL)).save(tmp_path / "flow")
    with pytest.raises(SettingsError, match="turns a, b, c, d; the lots have size"):
        choose(editor=str(tmp_path / "flow"))


def test_lots_that_judge_an_editor_are_none_that_taught_it():
    many = simulate_sem(16, 1, 16, random_state=1)
    split = split_lots(many, "peak_stress_psi")
    assert not set(split.taught.lot) & set(split.judging.lot)
    assert len(set(split.judging.lot)) == 6
    assert len(split.taught) + len(split.judging) == 16
    half, rest = set(split.calibration.lot), set(split.calibration_taught.lot)
    assert not half & rest
    assert half | rest == set(split.taught.lot)
    rank = np.argsort(np.argsort(many.property()))[sorted(set(split.judging.lot))]
    assert np.ptp(rank) >= 8  # spread over the range; its ends stay among those taught
    assert 0 < rank.min() < rank.max() < 15
