"""Meters read what is drawn, are judged on lots they never saw, and come back from files."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from matlever.exceptions import DataError, ModelFileError, NotEnoughDataError, SettingsError
from matlever.micrographs import Meter, NetworkMeter, TextureMeter, Tiles
from matlever.micrographs.measuring._meter_parts import held_out_lots
from matlever.micrographs.measuring._texture_network import TextureNetwork
from matlever.micrographs.measuring.texture_meter import _ridge
from matlever.storage import State, read_model, write_model

SIDE = 24


def grains(n_lots=16, n_tiles=12, seed=0, side=SIDE):
    """Return tiles of smoothed noise with dark spots: coarseness and holes are their attributes."""
    rng = np.random.default_rng(seed)
    attributes = rng.random((n_lots, 2))
    lot = np.repeat(np.arange(n_lots), n_tiles)
    images = np.empty((len(lot), side, side))
    for i, (coarse, holes) in enumerate(attributes[lot]):
        image = ndimage.gaussian_filter(rng.standard_normal((side, side)), 0.6 + 2 * coarse)
        image = 0.55 + 0.12 * image / image.std()
        y, x = rng.integers(0, side, (2, round(40 * holes)))
        image[y, x] = 0.05
        images[i] = np.clip(image, 0, 1)
    names = tuple(f"L{i}" for i in range(n_lots))
    bytes_ = np.rint(images * 255).astype(np.uint8)
    return Tiles(bytes_, attributes[lot], ("coarse", "holes"), lot, names)


@pytest.fixture(scope="module")
def network():
    return NetworkMeter(width=8, n_epochs=12, batch_size=16).fit(grains(24, 12))


@pytest.fixture(scope="module")
def texture():
    return TextureMeter().fit(grains(24, 12))


@pytest.mark.parametrize("which", ["network", "texture"])
def test_meters_read_what_is_drawn_in_lots_they_never_saw(which, request):
    meter = request.getfixturevalue(which)
    tiles = grains(12, 12, seed=1)
    found = meter.predict(tiles)
    for j, name in enumerate(tiles.names):
        fresh = r2_score(tiles.attributes[:, j], found[:, j])
        assert fresh > 0.6
        assert meter.r2_[name] == pytest.approx(fresh, abs=0.3)
    assert isinstance(meter, Meter)


def test_scores_are_those_of_the_lots_held_out(texture):
    tiles = grains(24, 12)
    aside = held_out_lots(tiles, texture.held_out, texture.random_state)
    assert len(np.unique(tiles.lot[aside])) == 4
    assert not set(tiles.lot[aside]) & set(tiles.lot[~aside])
    found = texture.predict(tiles[aside])
    expected = r2_score(tiles.attributes[aside], found, multioutput="raw_values")
    np.testing.assert_allclose(list(texture.r2_.values()), expected)


@pytest.mark.parametrize("meter", [NetworkMeter(width=8, n_epochs=2), TextureMeter()])
def test_nothing_is_learnt_from_lots_held_out(meter):
    tiles = grains(10, 6)
    aside = held_out_lots(tiles, meter.held_out, meter.random_state)
    images, truth = tiles.images.copy(), tiles.attributes.copy()
    images[aside], truth[aside] = 9, 0.123
    spoilt = Tiles(images, tiles.attributes, tiles.names, tiles.lot, tiles.lot_names)
    fresh = grains(3, 4, seed=2)
    expected = meter.fit(tiles).predict(fresh)
    np.testing.assert_allclose(meter.fit(spoilt, truth).predict(fresh), expected, atol=1e-9)


def test_the_same_seed_gives_the_same_meter_whatever_was_drawn_before():
    tiles = grains(6, 6)
    first = NetworkMeter(width=8, n_epochs=2).fit(tiles).predict(tiles)
    torch.rand(7)
    state = torch.random.get_rng_state()
    again = NetworkMeter(width=8, n_epochs=2).fit(tiles).predict(tiles)
    np.testing.assert_array_equal(first, again)
    assert torch.equal(torch.random.get_rng_state(), state)
    other = NetworkMeter(width=8, n_epochs=2, random_state=1).fit(tiles).predict(tiles)
    assert np.abs(first - other).max() > 1e-4


def test_ridge_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    design, wanted = rng.standard_normal((40, 7)), rng.standard_normal((40, 2))
    weights, intercept = _ridge(design, wanted, np.array([0.5, 30.0]))
    for penalty, w, b in zip((0.5, 30.0), weights, intercept, strict=True):
        peer = Ridge(alpha=penalty).fit(design, wanted)
        np.testing.assert_allclose(design @ w + b, peer.predict(design), atol=1e-9)


def test_readings_as_a_tensor_are_the_same_and_know_their_gradient(network):
    tiles = grains(2, 3, seed=4)
    x = tiles.tensor().requires_grad_(True)
    read = network.predict_tensor(x)
    np.testing.assert_allclose(read.detach().numpy(), network.predict(tiles), atol=1e-5)
    read[:, 0].sum().backward()
    assert x.grad is not None
    assert (x.grad.abs().amax(dim=(1, 2, 3)) > 0).all()


def test_exact_truth_of_tiles_is_learnt_in_place_of_the_labels_of_lots():
    tiles = grains(10, 6)
    truth = 5 + 2 * tiles.attributes
    found = TextureMeter().fit(tiles, truth).predict(tiles)
    assert np.abs(found - truth).mean() < np.abs(found - tiles.attributes).mean() / 10


# -- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["network", "texture"])
def test_a_meter_read_from_its_folder_reads_the_same(which, request, tmp_path):
    meter = request.getfixturevalue(which)
    again = type(meter).load(meter.save(tmp_path / "meter"))
    tiles = grains(3, 5, seed=3)
    np.testing.assert_array_equal(again.predict(tiles), meter.predict(tiles))
    assert repr(again) == repr(meter)
    assert "coarse" in repr(meter)


def test_a_folder_of_the_other_meter_is_refused(network, texture, tmp_path):
    texture.save(tmp_path / "texture")
    with pytest.raises(ModelFileError, match="holds a 'texture meter'"):
        NetworkMeter.load(tmp_path / "texture")
    network.save(tmp_path / "network")
    with pytest.raises(ModelFileError, match="holds a 'network meter'"):
        TextureMeter.load(tmp_path / "network")


def test_weights_of_another_shape_are_refused(network, tmp_path):
    state, card = read_model(network.save(tmp_path / "network"))
    part = state.parts["network"]
    name = next(iter(part.arrays))
    arrays = {**part.arrays, name: part.arrays[name][:1]}
    broken = State(
        state.kind, state.config, state.arrays, {"network": State(part.kind, {}, arrays)}
    )
    with pytest.raises(ModelFileError, match="has shape"):
        NetworkMeter.load(write_model(tmp_path / "broken", broken, card))


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": {"unknown": 1}},
        {"settings": {"width": 10**9}},
        {"settings": {"width": "wide"}},
        {"settings": None},
        {"names": 7},
        {"side": [1, 2, 3]},
        {"channels": "grey"},
        {"r2": [0.5]},
        {"mae": [0.5]},
    ],
)
def test_hostile_values_of_a_stored_meter_are_refused(network, tmp_path, changes):
    state, card = read_model(network.save(tmp_path / "meter"))
    broken = State(state.kind, {**state.config, **changes}, state.arrays, state.parts)
    with pytest.raises(ModelFileError):
        NetworkMeter.load(write_model(tmp_path / "broken", broken, card))


# -- what is refused ------------------------------------------------------------------------------


def test_tiles_of_another_size_or_colour_are_refused(texture, network):
    for meter in (texture, network):
        with pytest.raises(DataError, match="24 x 24 px with 1 channel"):
            meter.predict(grains(2, 2, side=32))
    tiles = grains(2, 2)
    colour = np.repeat(tiles.images[..., None], 3, axis=3)
    with pytest.raises(DataError, match="channel"):
        texture.predict(Tiles(colour, tiles.attributes, tiles.names, tiles.lot, tiles.lot_names))


def test_a_meter_needs_lots_to_hold_out():
    with pytest.raises(NotEnoughDataError, match="there are 3"):
        TextureMeter().fit(grains(3, 4))


def test_truth_must_fit_and_be_complete():
    tiles = grains(5, 4)
    with pytest.raises(DataError, match=r"\(20, 2\)"):
        TextureMeter().fit(tiles, np.zeros((20, 3)))
    truth = tiles.attributes.copy()
    truth[3, 1] = np.nan
    with pytest.raises(DataError, match="missing"):
        NetworkMeter().fit(tiles, truth)


def test_a_meter_that_was_not_fitted_says_so():
    with pytest.raises(SettingsError, match="not fitted"):
        TextureMeter().predict(grains(2, 2))
    assert repr(NetworkMeter()) == "NetworkMeter(not fitted)"


# -- the network ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "side"), [(1, 24), (3, 40)])
def test_every_weight_of_the_network_gets_a_gradient(channels, side):
    net = TextureNetwork(n_outputs=3, channels=channels, width=4)
    found = net(torch.rand(5, channels, side, side))
    assert found.shape == (5, 3)
    found.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_progress_counts_epochs():
    told = []
    tiles = grains(5, 4)
    NetworkMeter(width=4, n_epochs=3).fit(tiles, progress=lambda *args: told.append(args))
    assert told == [(i, 3, "network meter") for i in (1, 2, 3)]
