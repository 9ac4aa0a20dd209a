"""Controls: one editor that changes nothing, one that changes nothing but a meter's mind."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from matlever.exceptions import DataError, SettingsError
from matlever.knobs import DifferentiableEditor, Editor
from matlever.micrographs import AdversarialEditor, DoNothingEditor, NetworkMeter, Tiles

RNG = np.random.default_rng(3)


def noise_tiles(n_lots=5, n_tiles=6, side=24, seed=0):
    rng = np.random.default_rng(seed)
    attributes = rng.random((n_lots, 2)).round(2)
    lot = np.repeat(np.arange(n_lots), n_tiles)
    spread = 0.02 + 0.15 * attributes[lot, 0]
    images = 0.5 + spread[:, None, None] * rng.standard_normal((len(lot), side, side))
    bytes_ = np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
    names = tuple(f"L{i}" for i in range(n_lots))
    return Tiles(bytes_, attributes[lot], ("rough", "other"), lot, names)


TILES = noise_tiles(8)


@pytest.fixture(scope="module")
def meter():
    return NetworkMeter(width=4, n_epochs=15, batch_size=10).fit(TILES)


def test_doing_nothing_returns_each_tile_as_often_as_asked():
    editor = DoNothingEditor(TILES.names)
    some = TILES[3:5]
    values = RNG.random((2, 3, 2))
    found = editor.render(some, values)
    np.testing.assert_array_equal(found.images, np.repeat(some.unit(), 3, axis=0))
    np.testing.assert_array_equal(found.attributes, values.reshape(6, 2))
    np.testing.assert_array_equal(editor.values(some), some.attributes)
    as_tensor = editor.render_tensor(some, torch.from_numpy(values))
    np.testing.assert_array_equal(as_tensor[:, 0].numpy(), found.images)
    assert isinstance(editor, Editor)
    assert isinstance(editor, DifferentiableEditor)


def test_the_meter_is_moved_as_asked_by_a_change_that_is_bounded(meter):
    editor = AdversarialEditor(meter, largest_change=0.06)
    before = meter.predict(TILES)
    for j in range(2):
        moved = np.zeros((len(TILES), 2, 2))
        moved[:, 0, j], moved[:, 1, j] = -0.15, 0.15
        found = editor.render(TILES, TILES.attributes[:, None] + moved)
        change = found.images - np.repeat(TILES.unit(), 2, axis=0)
        assert np.abs(change).max() <= 0.06 + 1e-6
        assert found.images.min() >= 0
        assert found.images.max() <= 1
        read = meter.predict(found).reshape(-1, 2, 2) - before[:, None]
        reached = (read[..., j] * moved[..., j]).mean() / 0.15**2
        assert reached > 0.4, f"the meter reads {reached:.0%} of what was asked"


def test_where_nothing_is_asked_the_tile_comes_back(meter):
    found = AdversarialEditor(meter).render(TILES, TILES.attributes[:, None])
    np.testing.assert_array_equal(found.images, TILES.unit())


def test_tiles_are_fooled_one_by_one(meter):
    editor = AdversarialEditor(meter, n_steps=3)
    values = np.random.default_rng(1).random((len(TILES), 5, 2))
    all_ = editor.render(TILES, values)
    one = editor.render(TILES[7], values[7:8])
    np.testing.assert_allclose(all_.images[35:40], one.images, atol=0.03)
    np.testing.assert_array_equal(all_.images, editor.render(TILES, values).images)


def test_settings_that_cannot_fool_anything_are_refused(meter):
    with pytest.raises(SettingsError, match="largest_change=0"):
        AdversarialEditor(meter, largest_change=0)
    with pytest.raises(SettingsError, match="not fitted"):
        AdversarialEditor(NetworkMeter())
    other = Tiles(TILES.images, TILES.attributes, ("a", "b"), TILES.lot, TILES.lot_names)
    with pytest.raises(DataError, match="rough, other; the tiles have a, b"):
        AdversarialEditor(meter).render(other, other.attributes[:, None])
