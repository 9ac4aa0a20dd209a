"""Heat maps on a network whose answer is known, and the check by randomisation."""

import json

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from matlever.exceptions import SettingsError
from matlever.micrographs import (
    RandomisationCheck,
    TileRegressor,
    draw_grad_cam,
    grad_cam,
    randomisation_check,
)
from matlever.micrographs.tiles import Tiles


def spots(n=24, size=32, seed=0):
    """Tiles of noise; half of them have a bright spot, whose place is known, and a high target."""
    rng = np.random.default_rng(seed)
    images = 0.3 + 0.03 * rng.standard_normal((n, size, size))
    place = rng.integers(4, size - 8, (n, 2))
    for i in range(0, n, 2):
        images[i, place[i, 0] : place[i, 0] + 5, place[i, 1] : place[i, 1] + 5] += 0.6
    has = np.arange(n) % 2 == 0
    tiles = Tiles(
        images.clip(0, 1).astype(np.float32), np.zeros((n, 0)), (), has.astype(int), ("no", "yes")
    )
    return tiles, place, has


@pytest.fixture(scope="module")
def trained():
    tiles, _, has = spots(64)
    model = TileRegressor(
        depth=10,
        width=4,
        stem_stride=2,
        epochs=10,
        batch_size=16,
        learning_rate=1e-2,
        schedule="cosine",
        validation="none",
        flips="both",
    ).fit(tiles, 100.0 * has)
    assert np.corrcoef(model.predict(tiles), has)[0, 1] > 0.9
    return model


def test_map_is_bright_where_the_spot_is(trained):
    tiles, place, has = spots(16, seed=7)
    maps = grad_cam(trained, tiles)
    assert maps.shape == (16, 32, 32)
    for i in np.flatnonzero(has):
        top = np.unravel_index(maps[i].argmax(), (32, 32))
        assert np.hypot(*(np.array(top) - place[i] - 2)) < 8
    only = grad_cam(trained, tiles, signed=False)
    assert only.min() >= 0


def test_map_is_the_gradient_weighted_sum_of_the_last_maps(trained):
    tiles, _, _ = spots(2, seed=3)
    (network,) = trained.networks_
    x = tiles.tensor()
    maps = network.maps(x).detach()
    # With mean pooling the gradient of the output with respect to a map is the same everywhere.
    weight = network.head.weight[0] / maps[0, 0].numel()
    slope = 1 - network(x)[:, 0] ** 2
    expected = torch.einsum("bchw,c->bhw", maps, weight) * slope[:, None, None]
    found = grad_cam(trained, tiles, upsample=False)
    np.testing.assert_allclose(
        found, trained.target_scale_[0] * expected.detach().numpy(), rtol=1e-3, atol=1e-4
    )


def test_randomising_changes_maps_of_a_trained_network_and_leaves_it_alone(trained):
    tiles, _, _ = spots(12, seed=5)
    before = trained.predict(tiles)
    check = randomisation_check(trained, tiles)
    np.testing.assert_array_equal(trained.predict(tiles), before)
    assert check.layers[0] == "head"
    assert check.layers[-1] == "stem"
    assert check.correlation.shape == (len(check.layers), 12)
    assert check.passes
    assert "depend on what the network learned" in check.sentence
    json.dumps(check.to_dict(), allow_nan=False)
    again = randomisation_check(trained, tiles)
    np.testing.assert_array_equal(again.correlation, check.correlation)


def test_maps_that_do_not_change_fail_the_check():
    stays = RandomisationCheck(("head", "stem"), np.array([[0.9, 1.0], [0.8, 0.9]]))
    assert not stays.passes
    assert "Do not read them" in stays.sentence


def test_figure_shows_every_tile_on_one_scale(trained):
    tiles, _, _ = spots(5, seed=5)
    maps = grad_cam(trained, tiles)
    figure = draw_grad_cam(tiles, maps)
    shown = [ax for ax in figure.axes if len(ax.images) == 2]
    assert len(shown) == 5
    assert {ax.images[1].get_clim() for ax in shown} == {
        (-float(np.abs(maps).max()), float(np.abs(maps).max()))
    }
    figure.canvas.draw()
    plt.close(figure)
    with pytest.raises(SettingsError, match="5 tiles came with 2 maps"):
        draw_grad_cam(tiles, maps[:2])
    with pytest.raises(SettingsError, match="target=1"):
        grad_cam(trained, tiles, target=1)
