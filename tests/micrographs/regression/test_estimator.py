"""The tile regressor: learns, is resumed bit for bit, and refuses what it cannot use."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from matlever.exceptions import DataError, ModelFileError, NotEnoughDataError, SettingsError
from matlever.micrographs import TileRegressor
from matlever.micrographs.regression._tile_batches import (
    Augmentation,
    batch_tensor,
    intensities,
    view,
)
from matlever.micrographs.regression._tile_targets import held_out_rows
from matlever.micrographs.tiles import Tiles
from matlever.storage import State, read_model, write_model

SMALL = {"width": 4, "batch_size": 16, "epochs": 3}


def stripes(n_lots=6, n_tiles=8, size=16, seed=0):
    """Tiles with stripes whose number of periods is the attribute of the lot."""
    rng = np.random.default_rng(seed)
    lot = np.repeat(np.arange(n_lots), n_tiles)
    attribute = np.linspace(0, 1, n_lots)[lot]
    x = np.arange(size) / size
    wave = np.sin(2 * np.pi * (1 + 4 * attribute[:, None]) * x + rng.uniform(0, 6, (len(lot), 1)))
    images = 0.5 + 0.3 * np.repeat(wave[:, None], size, axis=1)
    images += 0.05 * rng.standard_normal(images.shape)
    grey = (255 * images.clip(0, 1)).astype(np.uint8)
    names = tuple(f"L{i}" for i in range(n_lots))
    return Tiles(grey, attribute[:, None], ("periods",), lot, names), 1500 + 600 * attribute


@pytest.fixture(scope="module")
def fitted():
    tiles, y = stripes()
    model = TileRegressor.compact(**SMALL | {"epochs": 24, "flips": "both"}, random_state=1)
    return model.fit(tiles, y), tiles, y


def test_learns_stripes_of_lots_it_was_trained_on(fitted):
    model, tiles, y = fitted
    assert np.corrcoef(model.predict(tiles), y)[0, 1] > 0.9
    assert np.corrcoef(model.predict_attributes(tiles)[:, 0], tiles.attributes[:, 0])[0, 1] > 0.9
    assert model.embed(tiles).shape == (len(tiles), 32)  # mean and spread of 16 maps


def test_predict_tensor_agrees_with_predict_and_knows_its_gradient(fitted):
    model, tiles, _ = fitted
    x = tiles[:5].tensor().requires_grad_()
    found = model.predict_tensor(x)
    np.testing.assert_allclose(found.detach().numpy(), model.predict(tiles[:5]), rtol=1e-5)
    found.sum().backward()
    assert x.grad.abs().sum(dim=(1, 2, 3)).min() > 0
    # a small step along the gradient changes the prediction by its length times the step's
    length = x.grad.flatten(1).norm(dim=1)
    step = 1e-3 * x.grad / length[:, None, None, None]
    with torch.no_grad():
        difference = model.predict_tensor(x + step) - model.predict_tensor(x - step)
    torch.testing.assert_close(difference, 2e-3 * length, rtol=0.05, atol=0.02)


def test_predictions_stay_within_the_margin_of_what_was_seen(fitted):
    model, tiles, _ = fitted
    wild = tiles.edited(
        np.random.default_rng(0).random((len(tiles), 16, 16)).astype(np.float32),
        tiles.attributes[:, None],
    )
    reach = model.target_scale_[0]
    assert reach == pytest.approx(1.25 * 300)
    assert np.abs(model.predict(wild) - 1800).max() <= reach


def test_same_seed_same_bits_and_clones_agree():
    tiles, y = stripes(4, 6)
    model = TileRegressor.compact(**SMALL)
    one, two = model.fit(tiles, y).predict(tiles), clone(model).fit(tiles, y).predict(tiles)
    np.testing.assert_array_equal(one, two)
    other = TileRegressor.compact(**SMALL, random_state=1).fit(tiles, y).predict(tiles)
    assert not np.array_equal(one, other)


def test_global_random_numbers_are_left_alone():
    tiles, y = stripes(4, 6)
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    TileRegressor.compact(**SMALL).fit(tiles, y)
    assert torch.equal(torch.random.get_rng_state(), before)


class KilledError(Exception):
    pass


@pytest.mark.parametrize("validation", ["none", "tiles"])
def test_killed_and_resumed_ends_with_the_same_bits(tmp_path, validation):
    tiles, y = stripes(4, 6)
    model = TileRegressor.compact(**SMALL | {"epochs": 4, "members": 2, "validation": validation})
    whole = clone(model).fit(tiles, y)

    def kill_at(epoch):
        def progress(done, total, what):
            assert total == 8
            if done == epoch:
                raise KilledError

        return progress

    for epoch in (2, 5, 7):  # once in the first member, twice in the second
        with pytest.raises(KilledError):
            clone(model).fit(tiles, y, checkpoint=tmp_path / "here", progress=kill_at(epoch))
    epochs = []
    resumed = clone(model).fit(
        tiles,
        y,
        checkpoint=tmp_path / "here",
        progress=lambda done, total, what: epochs.append(done),
    )
    assert epochs == [8]
    np.testing.assert_array_equal(resumed.predict(tiles), whole.predict(tiles))
    assert resumed.history_ == whole.history_
    for a, b in zip(resumed.networks_, whole.networks_, strict=True):
        for p, q in zip(a.state_dict().values(), b.state_dict().values(), strict=True):
            assert torch.equal(p, q)
    assert not (tmp_path / "here").exists()


def test_checkpoint_of_other_targets_is_refused(tmp_path):
    tiles, y = stripes(4, 6)

    def stop(done, total, what):
        raise KilledError

    model = TileRegressor.compact(**SMALL)
    with pytest.raises(KilledError):
        model.fit(tiles, y, checkpoint=tmp_path / "here", progress=stop)
    with pytest.raises(SettingsError, match="other tiles, targets or settings"):
        model.fit(tiles, y + 1, checkpoint=tmp_path / "here")


def test_saved_and_loaded_predicts_the_same_bits(fitted, tmp_path):
    model, tiles, _ = fitted
    write_model(tmp_path / "model", model.to_state())
    again = TileRegressor.from_state(read_model(tmp_path / "model")[0])
    np.testing.assert_array_equal(again.predict(tiles), model.predict(tiles))
    np.testing.assert_array_equal(again.predict_attributes(tiles), model.predict_attributes(tiles))
    assert again.history_ == model.history_
    assert again.get_params() == model.get_params()


def test_broken_state_is_refused_by_name(fitted):
    state = fitted[0].to_state()
    with pytest.raises(ModelFileError, match="misspelt"):
        TileRegressor.from_state(
            State(
                state.kind, {**state.config, "settings": {"misspelt": 1}}, state.arrays, state.parts
            )
        )
    for changes, named in (
        ({"depth": 6 * 10**9 + 4}, "more weights than"),
        ({"width": 10**7}, "has shape"),
        ({"channels": "grey"}, "cannot be built"),
        ({"surplus": 1}, "cannot be built"),
    ):
        networks = [{**state.config["networks"][0], **changes}]
        with pytest.raises(ModelFileError, match=named):
            TileRegressor.from_state(
                State(state.kind, {**state.config, "networks": networks}, state.arrays, state.parts)
            )
    weights = dict(state.parts["member_0"].arrays)
    weights["head-weight"] = weights["head-weight"][:, :3]
    with pytest.raises(ModelFileError, match="head-weight"):
        TileRegressor.from_state(
            State(
                state.kind, state.config, state.arrays, {"member_0": State("weights", {}, weights)}
            )
        )


def test_early_stopping_keeps_the_weights_of_the_best_epoch():
    tiles, y = stripes(4, 6)
    model = TileRegressor(
        depth=10,
        width=4,
        stem_stride=2,
        epochs=30,
        patience=2,
        learning_rate=0.05,
        batch_size=8,
        validation="lots",
        validation_share=0.25,
    ).fit(tiles, y)
    errors = [epoch.validation for epoch in model.history_[0]]
    best = int(np.argmin(errors))
    assert len(errors) == best + 1 + 2 or len(errors) == 30
    held = model.held_out_[0]
    assert len(np.unique(tiles.lot[held])) == 1
    assert len(held) == 6
    scaled = (model.predict(tiles[held]) - y[held]) / model.target_scale_[0]
    assert np.mean(scaled**2) == pytest.approx(errors[best], rel=1e-4)


def test_members_give_a_spread_and_several_targets_a_column_each():
    tiles, y = stripes(4, 6)
    both = np.column_stack([y, -2 * y])
    model = TileRegressor.compact(**SMALL, members=2).fit(tiles, both)
    mean, std = model.predict(tiles, return_std=True)
    assert mean.shape == std.shape == (24, 2)
    assert (std > 0).all()
    parts = []
    for network in model.networks_:
        with torch.no_grad():
            parts.append(network(tiles.tensor())[:, :2].numpy())
    expected = np.mean(parts, axis=0) * model.target_scale_ + model.target_centre_
    np.testing.assert_allclose(mean, expected, rtol=1e-4)
    assert model.predict_tensor(tiles[:3].tensor()).shape == (3, 2)
    single = TileRegressor.compact(**SMALL).fit(tiles, y)
    with pytest.raises(SettingsError, match="members"):
        single.predict(tiles, return_std=True)


def test_colour_and_16_bit_tiles_are_learned_from_a_file_on_disk(tmp_path):
    tiles, y = stripes(3, 4)
    grey = np.memmap(tmp_path / "grey.bin", np.uint16, "w+", shape=tiles.images.shape)
    grey[:] = tiles.images.astype(np.uint16) * 257
    deep = Tiles(grey, tiles.attributes, tiles.names, tiles.lot, tiles.lot_names)
    model = TileRegressor.compact(**SMALL)
    np.testing.assert_allclose(
        clone(model).fit(deep, y).predict(deep),
        clone(model).fit(tiles, y).predict(tiles),
        rtol=1e-5,
    )
    colour = Tiles(
        np.repeat(tiles.images[..., None], 3, axis=3),
        tiles.attributes,
        tiles.names,
        tiles.lot,
        tiles.lot_names,
    )
    fitted = model.fit(colour, y)
    assert fitted.predict(colour).shape == (12,)
    with pytest.raises(DataError, match="trained on colour tiles; these are grey"):
        fitted.predict(tiles)


def test_a_view_reads_rows_as_a_copy_would():
    tiles, _ = stripes(3, 4)
    rows = np.array([7, 2, 9])
    seen = view(tiles, rows)
    np.testing.assert_array_equal(seen.unit(), tiles[rows].unit())
    np.testing.assert_array_equal(seen[1:].images, tiles[rows[1:]].images)
    np.testing.assert_array_equal(view(seen, np.array([2, 0])).unit(), tiles[[9, 7]].unit())
    assert seen.shape == (3, 16, 16)


def test_intensities_are_those_of_all_pixels():
    tiles, _ = stripes(3, 4)
    found = intensities(tiles, np.arange(len(tiles)))
    assert found.mean[0] == pytest.approx(tiles.unit().mean(), rel=1e-6)
    assert found.sd[0] == pytest.approx(tiles.unit().std(), rel=1e-5)


@pytest.mark.parametrize("flips", ["none", "horizontal", "both", "dihedral"])
def test_flips_only_move_pixels(flips):
    tiles, _ = stripes(3, 4)
    x = batch_tensor(tiles, np.arange(12), "cpu", True)
    moved = Augmentation(flips)(x, np.random.default_rng(0))
    for before, after in zip(x, moved, strict=True):
        assert torch.equal(before.flatten().sort().values, after.flatten().sort().values)
    assert torch.equal(x, moved) == (flips == "none")
    columns = x.mean(dim=2).sort(dim=-1).values
    if flips == "horizontal":
        torch.testing.assert_close(moved.mean(dim=2).sort(dim=-1).values, columns)


def test_crops_are_squares_of_the_tile_and_jitter_is_affine():
    tiles, _ = stripes(3, 4)
    x = batch_tensor(tiles, np.arange(12), "cpu", True)
    random = np.random.default_rng(0)
    cut = batch_tensor(tiles, np.arange(12), "cpu", True, crop=5, random=random)
    assert cut.shape == (12, 1, 5, 5)
    windows = x.unfold(2, 5, 1).unfold(3, 5, 1)
    same = (windows == cut[:, :, None, None]).all(dim=(1, 4, 5)).any(dim=(1, 2))
    assert same.all()
    varied = Augmentation("none", jitter=0.05)(0.25 + 0.5 * x, np.random.default_rng(0))
    pixels = (0.25 + 0.5 * x).flatten(1).numpy()
    for before, after in zip(pixels, varied.flatten(1).numpy(), strict=True):
        gain, shift = np.polyfit(before, after, 1)
        np.testing.assert_allclose(after, gain * before + shift, atol=1e-5)
        assert abs(gain - 1) <= 0.05
        assert abs(shift) <= 0.025


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"epochs": 0}, "epochs=0"),
        ({"margin": -0.1}, "margin=-0.1"),
        ({"schedule": "linear"}, "schedule='linear'"),
        ({"validation": "half"}, "validation='half'"),
        ({"crop": 40}, "crop=40"),
        ({"head_epochs": -1}, "head_epochs=-1"),
        ({"depth": 11}, "depth=11"),
    ],
)
def test_impossible_settings_are_named(changes, named):
    tiles, y = stripes(3, 4)
    with pytest.raises(SettingsError, match=named):
        TileRegressor.compact(**SMALL | changes).fit(tiles, y)


def test_data_that_cannot_be_learned_from_is_named():
    tiles, y = stripes(3, 4)
    model = TileRegressor.compact(**SMALL)
    with pytest.raises(DataError, match="no finite target, the first one of lot 'L1'"):
        model.fit(tiles, np.where(tiles.lot == 1, np.nan, y))
    with pytest.raises(DataError, match="for all 12 tiles"):
        model.fit(tiles, np.full(12, 7.0))
    with pytest.raises(DataError, match=r"got \(5,\)"):
        model.fit(tiles, y[:5])
    with pytest.raises(DataError, match="one grey"):
        model.fit(
            tiles.edited(np.full((12, 16, 16), 0.5, np.float32), tiles.attributes[:, None]), y
        )
    with pytest.raises(NotEnoughDataError, match="none is left"):
        held_out_rows(tiles.of_lot("L0"), "lots", 0.1, (0,))
    tiny = Tiles(tiles.images[:, :6, :6], tiles.attributes, tiles.names, tiles.lot, tiles.lot_names)
    with pytest.raises(DataError, match="6 x 6 px"):
        model.fit(tiny, y)
