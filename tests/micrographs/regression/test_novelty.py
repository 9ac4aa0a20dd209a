"""Foreign tiles are called so, unseen lots of the same kind are not."""

import numpy as np
import pytest

from matlever.exceptions import NotEnoughDataError, SettingsError
from matlever.micrographs import TileNovelty
from matlever.micrographs.simulate import simulate_sem
from matlever.micrographs.tiles import Tiles
from matlever.storage import read_model, write_model


@pytest.fixture(scope="module")
def fitted():
    lots = simulate_sem(16, 12, 32, random_state=21)
    return TileNovelty().fit(lots.tiles), lots.tiles


def foreign(n=24, size=32, seed=0):
    """Smooth fields of two phases, as of an alloy: no crystals."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.standard_normal((n, size, size)), (0, 3, 3), mode="wrap")
    images = np.where(field > 0, 0.75, 0.3) + 0.02 * rng.standard_normal(field.shape)
    lot = np.zeros(n, dtype=int)
    return Tiles(images.clip(0, 1).astype(np.float32), np.zeros((n, 0)), (), lot, ("steel",))


def test_foreign_tiles_are_novel_and_unseen_lots_are_not(fitted):
    model, _ = fitted
    assert model.is_novel(foreign()).mean() > 0.95
    unseen = simulate_sem(10, 12, 32, random_state=1021).tiles
    assert model.is_novel(unseen).mean() <= 0.08
    (judged,) = model.judge(foreign())
    assert judged.is_novel
    assert "Lot steel looks unlike every lot in training" in judged.sentence
    known = model.judge(unseen)
    assert [found.lot for found in known] == list(unseen.lot_names)
    assert not any(found.is_novel for found in known)
    assert "looks like the lots in training" in known[0].sentence


def test_score_is_the_mahalanobis_distance_and_blind_to_gain(fitted):
    model, tiles = fitted
    from matlever.micrographs import texture_features

    x = (texture_features(tiles[:9]) - model.mean_) / model.scale_
    inverse = model.turn_ @ model.turn_.T
    expected = np.sqrt(np.einsum("ij,jk,ik->i", x, inverse, x)) / model.limit_
    np.testing.assert_allclose(model.score(tiles[:9]), expected)
    dimmed = tiles[:9].edited(0.8 * tiles[:9].unit() + 0.05, tiles[:9].attributes[:, None])
    np.testing.assert_allclose(model.score(dimmed), model.score(tiles[:9]), rtol=0.1)


def test_saved_and_loaded_scores_the_same(fitted, tmp_path):
    model, tiles = fitted
    write_model(tmp_path / "m", model.to_state())
    again = TileNovelty.from_state(read_model(tmp_path / "m")[0])
    np.testing.assert_array_equal(again.score(tiles), model.score(tiles))


def test_too_few_lots_and_odd_settings_are_named(fitted):
    _, tiles = fitted
    with pytest.raises(NotEnoughDataError, match="3 lots"):
        TileNovelty().fit(tiles[tiles.lot < 3])
    with pytest.raises(SettingsError, match="false_alarms=0"):
        TileNovelty(false_alarms=0.0).fit(tiles)
