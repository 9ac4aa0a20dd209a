import json

import numpy as np

from matlever.explanation import sweep
from matlever.study.lots.forward import sweep_lot


def test_curves_pass_through_the_tiles_predictions_where_the_shift_is_taken_out(
    tiles, bright, paint
):
    lot = tiles.of_lot("B")
    found = sweep_lot(bright, paint(), lot, n_values=11)
    np.testing.assert_allclose(found.shift, 0.4, rtol=1e-5)
    own = lot.attributes[0, 0]
    for i, curve in enumerate(found.sweeps["light"].individual):
        here = np.interp(own, found.sweeps["light"].values, curve)
        np.testing.assert_allclose(here, found.prediction[i], rtol=1e-6)


def test_without_the_correction_curves_lie_lower_by_the_shift(tiles, bright, paint):
    lot = tiles.of_lot("C")
    with_it = sweep_lot(bright, paint(), lot)
    without = sweep_lot(bright, paint(), lot, correct=False)
    difference = with_it.sweeps["contrast"].individual - without.sweeps["contrast"].individual
    np.testing.assert_allclose(difference, np.tile(with_it.shift[:, None], 11))
    plain = sweep(bright, paint(), lot)
    np.testing.assert_array_equal(
        plain["contrast"].individual, without.sweeps["contrast"].individual
    )


def test_the_slope_is_that_of_the_picture(tiles, bright, paint):
    found = sweep_lot(bright, paint(), tiles.of_lot("A"))
    light = found.sweeps["light"]
    np.testing.assert_allclose(np.diff(light.mean) / np.diff(light.values), 4.0, rtol=1e-6)


def test_attributes_may_be_chosen_and_results_are_plain(tiles, bright, paint):
    reference = tiles[np.unique(tiles.lot, return_index=True)[1]]
    found = sweep_lot(bright, paint(), tiles.of_lot("A"), attributes=["light"], reference=reference)
    assert len(found.sweeps) == 1
    values = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert values["tiles"] == [f"A/{i:04d}" for i in range(6)]
    frame = found.to_frame()
    assert len(frame) == 6 * 11
    np.testing.assert_allclose(
        frame.groupby("value")["prediction"].mean(), found.sweeps["light"].mean
    )
