"""Within what of its prediction a new lot lands."""

import numpy as np
import pytest

from matlever.micrographs import Tiles
from matlever.study.lots.scoring import lot_interval, study_regressor
from matlever.study.lots.settings import LotsSettings


def test_the_interval_holds_for_a_new_lot_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = []
    for _ in range(4000):
        error = rng.normal(size=20)
        found = lot_interval({"measured": error[:19], "mean": np.zeros(19)}, 0.9, "psi")
        held.append(abs(error[19]) <= found["half_width"])
    assert np.mean(held) == pytest.approx(0.9, abs=0.015)  # exactly 18 / 20


def test_too_few_lots_have_no_interval():
    table = {"measured": [1.0, 2.0, 3.0], "mean": [1.5, 2.0, 2.0]}
    found = lot_interval(table, 0.9, "psi")
    assert found["half_width"] is None
    assert "9 are needed, 3 are there" in found["sentence"]
    enough = lot_interval(table, 0.75, "psi")
    assert enough["half_width"] == 1.0
    assert "±1 psi" in enough["sentence"] or "±1.00 psi" in enough["sentence"]


@pytest.mark.parametrize(("side", "crop", "head"), [(64, None, 0), (128, 64, 120), (256, 64, 120)])
def test_large_tiles_are_learned_from_squares(side, crop, head):
    tiles = Tiles(
        np.zeros((2, side, side), np.uint8), np.zeros((2, 0)), (), np.array([0, 1]), ("A", "B")
    )
    found = study_regressor(LotsSettings("lots", epochs=7), tiles)
    assert (found.crop, found.head_epochs, found.epochs) == (crop, head, 7)
