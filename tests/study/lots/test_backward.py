import json

import numpy as np
import pytest

from matlever.study.lots.backward import LotChange, change_lot, tile_changes


@pytest.mark.parametrize("kind", ["bright", "no_gradient"])
def test_every_tile_reaches_the_goal_and_no_attribute_can_go_back_alone(
    tiles, paint, kind, request
):
    predictor = request.getfixturevalue(kind)
    editor, lot = paint(), tiles.of_lot("B")
    goal = float(predictor.predict(lot).mean() + 0.8)
    found = change_lot(predictor, editor, lot, (goal, None))
    assert found.reached.all()
    for i in range(len(lot)):
        here = editor.render(lot[i], found.settings[i][None, None])
        shift = predictor.predict(lot[i]) - predictor.predict(
            editor.render(lot[i], lot[i].attributes[:, None])
        )
        np.testing.assert_allclose(
            predictor.predict(here) + shift, found.reached_prediction[i], rtol=1e-6
        )
        assert found.reached_prediction[i] >= goal
        for j in np.flatnonzero(np.abs(found.change[i]) > 1e-4):
            back = found.settings[i].copy()
            back[j] = lot.attributes[i, j]
            undone = predictor.predict(editor.render(lot[i], back[None, None])) + shift
            assert undone[0] < goal


def test_the_lot_is_the_mean_of_its_tiles_in_the_exported_table(tiles, bright, paint):
    found = change_lot(bright, paint(), tiles.of_lot("A"), (None, 5.0))
    frame = found.to_frame()
    for j, name in enumerate(found.attributes):
        np.testing.assert_allclose(frame[f"{name} change"].mean(), found.mean[j])
        np.testing.assert_allclose(frame[f"{name} change"].std(), found.sd[j])
    values = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    np.testing.assert_allclose(
        np.mean([row["change"] for row in values["rows"]], axis=0), values["mean"]
    )


def test_what_is_held_stays_and_limits_hold(tiles, bright, paint):
    lot = tiles.of_lot("C")
    held = change_lot(bright, paint(), lot, (9.0, None), hold=["light"])
    np.testing.assert_array_equal(held.change[:, 0], 0.0)
    frozen = change_lot(bright, paint(fixed=("contrast",)), lot, (9.0, None))
    np.testing.assert_array_equal(frozen.change[:, 1], 0.0)
    for found in (held, frozen):
        assert ((found.settings >= 0) & (found.settings <= 1)).all()


def test_a_goal_out_of_reach_is_said_with_the_nearest_and_what_is_in_the_way(tiles, bright, paint):
    found = change_lot(bright, paint(), tiles.of_lot("A"), (50.0, None), target="stress")
    assert not found.reached.any()
    np.testing.assert_allclose(found.settings, 1.0, atol=1e-6)
    assert "not reachable within the limits" in found.sentence
    assert "light at its upper limit" in found.sentence


def test_tiles_asked_in_batches_answer_as_all_at_once(tiles, no_gradient, paint):
    lot, editor = tiles.of_lot("D"), paint()
    whole = change_lot(no_gradient, editor, lot, (6.5, None))
    parts = []
    for start in (0, 4):
        answers, said = tile_changes(no_gradient, editor, lot[start : start + 4], (6.5, None))
        parts += answers
    joined = LotChange.of("D", said, editor.space.names, parts)
    np.testing.assert_allclose(joined.settings, whole.settings, atol=1e-12)
    assert joined.tiles == whole.tiles


def test_a_search_asks_for_few_edited_tiles(bright, paint, more_tiles):
    editor, tiles = paint(), more_tiles(n_tiles=4, seed=3)
    change_lot(bright, editor, tiles.of_lot("A"), (7.5, None))
    assert editor.calls < 120  # in batches over the tiles
