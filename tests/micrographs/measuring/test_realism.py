"""Realism: the judges find what was added, find nothing where nothing was, and see nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from matlever.exceptions import NotEnoughDataError, SettingsError
from matlever.micrographs import DoNothingEditor, Tiles, measure_realism
from matlever.micrographs.measuring.realism import (
    _area_with_interval,
    _chosen,
    _other_lots,
    area_under_curve,
    patch_distance,
    spectrum_distance,
)

SIDE = 24


def tiles_of(n_lots=8, n_tiles=8, seed=0):
    """Return smoothed noise whose contrast is the attribute of its lot."""
    rng = np.random.default_rng(seed)
    attributes = rng.random((n_lots, 1))
    lot = np.repeat(np.arange(n_lots), n_tiles)
    images = ndimage.gaussian_filter(rng.standard_normal((len(lot), SIDE, SIDE)), (0, 1, 1))
    images = 0.5 + (0.1 + 0.5 * attributes[lot, :, None]) * images
    bytes_ = np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
    names = tuple(f"L{i}" for i in range(n_lots))
    return Tiles(bytes_, attributes[lot], ("contrast",), lot, names)


class Recorder(DoNothingEditor):
    """Does something to pictures and remembers what it was asked."""

    def __init__(self, change=lambda image: image):
        super().__init__(("contrast",))
        self.change = change
        self.asked = []

    def render(self, samples, values):
        self.asked += list(zip(samples.lot, samples.attributes[:, 0], values[..., 0], strict=True))
        found = super().render(samples, values)
        return samples.edited(self.change(found.images), values)


def test_area_is_that_of_scikit_learn_with_ties():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, 40), rng.integers(1, 8, 30)
    expected = roc_auc_score(np.repeat([0, 1], [40, 30]), np.concatenate([a, b]))
    assert area_under_curve(a, b) == pytest.approx(expected)


def test_what_does_nothing_is_told_from_nothing():
    found = measure_realism(Recorder(), tiles_of(), n=128, n_epochs=2, width=4)
    assert found.auc == pytest.approx(0.5)
    assert found.auc_texture == pytest.approx(0.5)
    assert (found.auc_low, found.auc_high) == pytest.approx((0.5, 0.5))
    assert found.spectrum_db == pytest.approx(0)
    assert found.patches < found.patches_real
    assert (found.n_real, found.n_edited, found.n_lots) == (64, 64, 8)


def test_a_checkerboard_too_faint_to_see_is_found():
    board = 0.03 * (np.indices((SIDE, SIDE)).sum(axis=0) % 2).astype(np.float32)
    editor = Recorder(lambda images: np.clip(images + board, 0, 1))
    found = measure_realism(editor, tiles_of(12, 10), n=240, n_epochs=6, width=4)
    assert found.auc_texture > 0.95
    assert found.worst_auc >= max(found.auc, found.auc_texture)
    assert found.spectrum_db > found.spectrum_real_db
    assert found.to_dict()["auc_texture"] == found.auc_texture


def test_both_classes_have_the_same_attributes_and_no_tile_stays_in_its_lot():
    tiles, editor = tiles_of(9, 6), Recorder()
    measure_realism(editor, tiles, n=108, n_epochs=1, width=4)
    own = np.array([a for _, a, _ in editor.asked])
    asked = np.concatenate([values for *_, values in editor.asked])
    np.testing.assert_allclose(np.sort(asked), np.sort(tiles.attributes[:, 0]))
    assert (own != asked).all()


def test_every_lot_is_on_one_side_only():
    tiles = tiles_of(10, 7)
    chosen, fold = _chosen(tiles, 60, 3, np.random.default_rng(0))
    assert len(chosen) == 60
    assert all(len(np.unique(fold[chosen.lot == lot])) == 1 for lot in np.unique(chosen.lot))
    assert np.bincount(fold).min() >= 12


@pytest.mark.parametrize("counts", [[5, 5], [1, 2, 3, 4], [9, 3, 3, 3]])
def test_places_are_taken_from_other_lots_each_once(counts):
    lot = np.repeat(np.arange(len(counts)), counts)
    for seed in range(20):
        taken = _other_lots(lot, np.random.default_rng(seed))
        assert sorted(taken) == list(range(len(lot)))
        assert (lot[taken] != lot).all()


def test_few_real_tiles_are_edited_more_than_once():
    found = measure_realism(Recorder(), tiles_of(6, 5), n=180, n_epochs=1, width=4)
    assert (found.n_real, found.n_edited) == (30, 90)
    assert found.auc == pytest.approx(0.5, abs=0.02)  # rounding breaks ties


def test_intervals_of_lots_that_differ_are_wider():
    rng = np.random.default_rng(1)
    lot, fold = np.repeat(np.arange(12), 20), np.repeat([0, 1, 2], 80)
    noise = rng.standard_normal(240), rng.standard_normal(240)
    of_lot = rng.standard_normal(12)[lot]
    widths = []
    for part in (0.0, 3.0):
        scores = noise[0] + part * of_lot, noise[1] + 1 + part * of_lot[::-1]
        auc, low, high = _area_with_interval(scores, lot, lot, fold, fold, np.random.default_rng(0))
        assert low <= auc <= high
        widths.append(high - low)
    assert widths[1] > 2 * widths[0]


def test_doubled_contrast_is_six_decibels():
    tiles = tiles_of()
    plain = Tiles(tiles.unit() / 2, tiles.attributes, tiles.names, tiles.lot, tiles.lot_names)
    double = Tiles(tiles.unit(), tiles.attributes, tiles.names, tiles.lot, tiles.lot_names)
    assert spectrum_distance(plain, double) == pytest.approx(20 * np.log10(2), abs=0.05)
    assert patch_distance(plain, double) == pytest.approx(patch_distance(double, plain), rel=0.05)
    assert patch_distance(plain, double) > 5 * patch_distance(plain, plain)


def test_too_few_lots_or_tiles_are_refused():
    with pytest.raises(NotEnoughDataError, match="5 lot"):
        measure_realism(Recorder(), tiles_of(5))
    with pytest.raises(SettingsError, match="n=4"):
        measure_realism(Recorder(), tiles_of(), n=4)
