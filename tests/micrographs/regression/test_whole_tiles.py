"""The head fitted again to whole tiles, after a training on squares of them."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from matlever.exceptions import SettingsError
from matlever.micrographs import TileRegressor, WideResNet
from matlever.micrographs.regression._whole_tiles import HeadSettings, refit_head, whole_features
from matlever.micrographs.tiles import Tiles
from matlever.storage import read_model, write_model

SETTINGS = HeadSettings(30, 8, "dihedral", "cpu", True)


def speckles(n_lots=6, n_tiles=8, size=32, seed=0):
    """Tiles with bright pixels, whose share is the attribute of the lot."""
    rng = np.random.default_rng(seed)
    lot = np.repeat(np.arange(n_lots), n_tiles)
    attribute = np.linspace(0, 1, n_lots)[lot]
    bright = rng.random((len(lot), size, size)) < 0.02 + 0.1 * attribute[:, None, None]
    images = np.where(bright, 220, 80).astype(np.uint8)
    names = tuple(f"L{i}" for i in range(n_lots))
    return Tiles(images, attribute[:, None], ("share",), lot, names), 1500 + 600 * attribute


def regressor(**changes):
    settings = {"width": 4, "batch_size": 16, "epochs": 6, "crop": 16, "head_epochs": 60}
    return TileRegressor.compact(**settings | changes)


@pytest.mark.parametrize("hidden", [None, 8])
@pytest.mark.parametrize("pooling", ["mean", "mean+sd"])
def test_the_head_learns_the_main_axis_of_the_features_and_the_rest_stays(hidden, pooling):
    tiles, _ = speckles()
    network = WideResNet(depth=10, width=4, pooling=pooling, hidden=hidden, outputs=1).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    features = whole_features(network, tiles, SETTINGS)
    assert features.shape == (2, 48, network.n_features)
    mean = features.mean(dim=0).numpy()
    standard = (mean - mean.mean(axis=0)) / (mean.std(axis=0) + 1e-6)
    wanted = standard @ np.linalg.svd(standard)[2][0]
    targets = (wanted - wanted.mean())[:, None] / (2 * np.ptp(wanted))
    rows = np.arange(48)
    history = refit_head(
        network,
        features,
        targets.astype(np.float32),
        np.ones(1, np.float32),
        rows,
        rows[:0],
        HeadSettings(100, 8, "dihedral", "cpu", True),
        (3,),
    )
    assert history[-1].training < 0.1 * history[0].training
    with torch.no_grad():
        found = network(tiles.tensor()).numpy()
    assert np.corrcoef(found[:, 0], targets[:, 0])[0, 1] > 0.95
    changed = {n for n, value in network.state_dict().items() if not torch.equal(value, before[n])}
    assert {name.split(".")[0] for name in changed} <= {"hidden", "head"}


@pytest.mark.parametrize(
    ("flips", "same"),
    [
        ("none", lambda images: images),
        ("horizontal", lambda images: images[:, :, ::-1]),
        ("both", lambda images: images[:, ::-1, ::-1]),
        ("dihedral", lambda images: images.swapaxes(1, 2)),
    ],
)
def test_the_second_view_is_a_symmetry_that_training_may_use(flips, same):
    tiles, _ = speckles(2, 2)
    network = WideResNet(depth=10, width=4).eval()
    settings = HeadSettings(1, 2, flips, "cpu", False)
    views = whole_features(network, tiles, settings)
    turned = Tiles(
        np.ascontiguousarray(same(tiles.images)),
        tiles.attributes,
        tiles.names,
        tiles.lot,
        tiles.lot_names,
    )
    again = whole_features(network, turned, settings)
    torch.testing.assert_close(views[1], again[0], rtol=1e-4, atol=1e-6)


def test_a_network_trained_on_squares_predicts_whole_tiles_better_with_a_new_head():
    tiles, y = speckles()
    test, _ = speckles(seed=1)
    errors = {}
    for epochs in (0, 60):
        model = regressor(head_epochs=epochs, hidden=8, random_state=2).fit(tiles, y)
        errors[epochs] = np.abs(model.predict(test) - y).mean()
        assert [len(each) for each in model.head_history_] == [epochs]
    assert errors[60] < 0.8 * errors[0]
    assert np.corrcoef(model.predict(test), y)[0, 1] > 0.9


def test_with_tiles_to_watch_the_best_head_is_kept():
    tiles, y = speckles()
    held_out = np.arange(0, 48, 6)
    model = regressor(epochs=2).fit(tiles, y, held_out=held_out)
    errors = [epoch.validation for epoch in model.head_history_[0]]
    scaled = (model.predict(tiles[held_out]) - y[held_out]) / model.target_scale_[0]
    attributes = (model.predict_attributes(tiles[held_out]) - tiles.attributes[held_out]) * 2 / 1.25
    found = 0.5 * np.mean(scaled**2) + 0.5 * np.mean(attributes**2)
    assert found == pytest.approx(min(errors), rel=1e-3)


class KilledError(Exception):
    pass


def test_killed_and_resumed_ends_with_the_same_bits(tmp_path):
    tiles, y = speckles(4, 6)
    model = regressor(epochs=2, head_epochs=5, members=2)
    whole = clone(model).fit(tiles, y)

    def kill_at(stage):
        def progress(done, total, what):
            assert total == 10  # two members of two epochs, two views and a head
            if done == stage:
                raise KilledError

        return progress

    here = tmp_path / "here"
    for stage in (1, 3, 4, 8):  # in an epoch, after the first and second view, in the second member
        with pytest.raises(KilledError):
            clone(model).fit(tiles, y, checkpoint=here, progress=kill_at(stage))
    assert (here / "whole_0" / "view_1").is_dir()
    resumed = clone(model).fit(tiles, y, checkpoint=here)
    np.testing.assert_array_equal(resumed.predict(tiles), whole.predict(tiles))
    assert resumed.head_history_ == whole.head_history_
    write_model(tmp_path / "model", resumed.to_state())
    again = TileRegressor.from_state(read_model(tmp_path / "model")[0])
    np.testing.assert_array_equal(again.predict(tiles), whole.predict(tiles))
    assert again.head_history_ == whole.head_history_


def test_features_of_other_tiles_are_refused(tmp_path):
    tiles, _ = speckles(2, 2)
    network = WideResNet(depth=10, width=4).eval()
    whole_features(network, tiles, SETTINGS, tmp_path, "these")
    with pytest.raises(SettingsError, match="features of other tiles"):
        whole_features(network, tiles, SETTINGS, tmp_path, "those")
