"""Training of AttGAN: the same bits whatever happens on the way, and edits that can be learned."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
import torch

from matlever.exceptions import DataError, ModelFileError, NotEnoughDataError, SettingsError
from matlever.micrographs import AttGANEditor, AttGANSettings, Tiles, train_attgan
from matlever.micrographs.editing._attgan_batches import TileBatches
from matlever.storage import read_model, write_model


def tiny(**changes):
    """Return settings of a training of six iterations of the tiles below."""
    return AttGANSettings.narrow(
        **{"width": 4, "levels": 2, "batch_size": 8, "n_epochs": 6, "monitor_every": 2, **changes}
    )


def lots_of_tiles(n_lots=4, n_each=6, side=16, channels=(), dtype=np.uint8, seed=0):
    rng = np.random.default_rng(seed)
    lot = np.repeat(np.arange(n_lots), n_each)
    images = rng.uniform(size=(len(lot), side, side, *channels))
    if dtype != np.float32:
        images *= np.iinfo(dtype).max
    attributes = rng.uniform(size=(n_lots, 2))[lot]
    names = tuple("ABCDEFGHIJ"[:n_lots])
    return Tiles(images.astype(dtype), attributes, ("size", "porosity"), lot, names)


class KilledError(Exception):
    pass


def killed_at(iteration):
    def progress(done, total, what):
        if done == iteration:
            raise KilledError

    return progress


def train(tiles, settings=None, **options):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="After .* the edits of this AttGAN are weak")
        return train_attgan(tiles, settings or tiny(), **options)


def same(first, second):
    """Return whether two states hold the same bits."""
    return (
        first.config == second.config
        and first.arrays.keys() == second.arrays.keys()
        and all(np.array_equal(a, second.arrays[name]) for name, a in first.arrays.items())
        and first.parts.keys() == second.parts.keys()
        and all(same(part, second.parts[name]) for name, part in first.parts.items())
    )


# -- the same bits --------------------------------------------------------------------------------


@pytest.mark.parametrize("flips", [False, True])
def test_a_training_killed_three_times_comes_to_the_same_bits(tmp_path, flips):
    tiles, settings = lots_of_tiles(), tiny(flips=flips)
    whole = train(tiles, settings, folder=tmp_path / "whole")
    for iteration in (2, 3, 5):
        with pytest.raises(KilledError):
            train(
                tiles,
                settings,
                folder=tmp_path / "parts",
                checkpoint_minutes=0,
                progress=killed_at(iteration),
            )
    parts = train(tiles, settings, folder=tmp_path / "parts")
    assert same(whole.to_state(), parts.to_state())
    assert same(*(read_model(tmp_path / name)[0] for name in ("whole", "parts")))


def test_a_training_out_of_time_is_written_and_goes_on(tmp_path):
    tiles = lots_of_tiles()
    first = train(tiles, folder=tmp_path / "a", max_minutes=0)
    assert first.training["iterations"] == 1
    assert first.training["iterations_planned"] == len(train(tiles).curves) == 6
    assert same(train(tiles, folder=tmp_path / "a").to_state(), train(tiles).to_state())


def test_a_finished_training_is_not_trained_again(tmp_path):
    tiles = lots_of_tiles()
    first = train(tiles, folder=tmp_path / "a")
    second = train(tiles, folder=tmp_path / "a", progress=killed_at(1))
    assert same(first.to_state(), second.to_state())


def test_the_seed_decides_and_the_global_generators_are_left_alone():
    tiles = lots_of_tiles()
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = train(tiles, random_state=3).to_state()
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
    assert same(first, train(tiles, random_state=3).to_state())
    assert not same(
        first.part("generator"), train(tiles, random_state=4).to_state().part("generator")
    )


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_mapped_and_other_pictures_train_as_arrays_do(tmp_path, dtype):
    tiles = lots_of_tiles(dtype=dtype)
    before = tiles.images.copy()
    path = tmp_path / "tiles.npy"
    np.save(path, tiles.images)
    mapped = Tiles(np.load(path, mmap_mode="r"), *list(vars(tiles).values())[1:])
    settings = tiny(flips=True, n_epochs=2)
    assert same(train(tiles, settings).to_state(), train(mapped, settings).to_state())
    np.testing.assert_array_equal(tiles.images, before)


def test_no_more_than_a_batch_is_read_at_a_time():
    rows = []

    class Recorded(np.ndarray):
        def __getitem__(self, key):
            found = super().__getitem__(key)
            if self.ndim == 3 and len(self) == 300:
                rows.append(len(found))
            return found

    tiles = lots_of_tiles(n_each=75, side=8)
    recorded = Tiles(tiles.images.view(Recorded), *list(vars(tiles).values())[1:])
    train(recorded, tiny(n_epochs=0.5, n_monitor_tiles=10))
    assert max(rows) <= 64  # of the fingerprint; batches have 8, the monitor 10
    assert rows.count(8) > 10


# -- what a training is ---------------------------------------------------------------------------


def test_every_tile_is_seen_once_per_epoch_with_targets_of_its_batch():
    tiles = lots_of_tiles()
    marked = Tiles(
        np.broadcast_to(np.arange(24, dtype=np.uint8)[:, None, None], (24, 8, 8)),
        *list(vars(tiles).values())[1:],
    )
    batches = TileBatches(marked, 7, 5, flips=True, device="cpu")
    seen = []
    for number in range(24):  # seven epochs, no batch fits into one
        x, a, b, mix = batches.batch(number)
        rows = (x[:, 0, 0, 0] * 255).round().long().tolist()
        np.testing.assert_array_equal(a, tiles.attributes[rows].astype(np.float32))
        assert sorted(map(tuple, a.tolist())) == sorted(map(tuple, b.tolist()))
        assert ((mix >= 0) & (mix < 1)).all()
        seen += rows
    epochs = list(itertools.batched(seen, 24)) if hasattr(itertools, "batched") else [seen[:24]]
    assert all(sorted(epoch) == list(range(24)) for epoch in epochs)
    again = TileBatches(marked, 7, 5, flips=True, device="cpu").batch(23)
    for first, second in zip(batches.batch(23), again, strict=True):
        assert torch.equal(first, second)


def test_flips_mirror_each_tile_on_its_own():
    tiles = lots_of_tiles()
    plain = TileBatches(tiles, 24, 0, flips=False, device="cpu").batch(0)
    mirrored = TileBatches(tiles, 24, 0, flips=True, device="cpu").batch(0)
    for before, after in zip(plain[1:], mirrored[1:], strict=True):
        assert torch.equal(before, after)
    found = set()
    for before, after in zip(plain[0][:, 0], mirrored[0][:, 0], strict=True):
        ways = [(), (0,), (1,), (0, 1)]
        (way,) = [way for way in ways if torch.equal(before.flip(way) if way else before, after)]
        found.add(way)
    assert len(found) == 4


def test_watched_tiles_come_from_all_lots():
    tiles = lots_of_tiles(n_lots=8)
    _, attributes = TileBatches(tiles, 4, 0, flips=False, device="cpu").watched(8)
    assert len(np.unique(attributes.numpy(), axis=0)) == 8


def test_the_critic_takes_n_d_steps_for_each_of_the_generator(tmp_path):
    train(lots_of_tiles(), tiny(n_d=3), folder=tmp_path / "a")
    state, card = read_model(tmp_path / "a")
    steps = {part: state.part(part).get("n_steps") for part in state.parts if "adam" in part}
    assert card == {"iterations": 4, "of": 4}  # 6 epochs of 24 tiles, 4 batches of 8 at a time
    assert steps == {"adam_generator": 4, "adam_discriminator": 12}


def test_published_training_of_the_published_data_has_as_many_steps_as_printed():
    # 182,000 training faces, batches of 32, 200 epochs, five of six steps for the critic.
    assert AttGANSettings().n_iterations(182_000) == round(200 * 182_000 / 32 / 6)


def test_learning_rate_falls_as_asked():
    at = [0.0, 0.49, 0.5, 0.75, 1.0]
    rates = {
        decay: [AttGANSettings(learning_rate=1, decay=decay).learning_rate_at(t) for t in at]
        for decay in ("none", "step", "linear")
    }
    np.testing.assert_allclose(rates["none"], [1, 1, 1, 1, 1])
    np.testing.assert_allclose(rates["step"], [1, 1, 0.1, 0.1, 0.1])
    np.testing.assert_allclose(rates["linear"], [1, 1, 1, 0.5, 0])


def test_curves_hold_every_loss_and_the_gains_where_measured():
    calls = []
    editor = train(lots_of_tiles(), progress=lambda *call: calls.append(call))
    assert calls == [(i, 6, "AttGAN iteration") for i in range(1, 7)]
    frame = editor.curves.to_frame()
    assert list(frame.index) == [1, 2, 3, 4, 5, 6]
    losses = frame.iloc[:, :6]
    assert losses.notna().all(axis=None)
    assert (losses[["reconstruction", "gradient_penalty", "critic_attributes"]] > 0).all(axis=None)
    gains = frame[["gain: size", "gain: porosity", "slope: size", "slope: porosity"]]
    assert gains.notna().all(axis=1).tolist() == [False, True, False, True, False, True]


def test_curves_are_drawn():
    import matplotlib as mpl

    mpl.use("Agg")
    axes = train(lots_of_tiles()).curves.plot()
    assert [len(ax.lines[0].get_xdata()) for ax in axes] == [6] * 6 + [3]
    mpl.pyplot.close("all")


def test_colour_tiles_and_squared_errors_and_all_options_train():
    tiles = lots_of_tiles(channels=(3,))
    settings = tiny(
        attribute_loss="mse", upsampling="nearest", trunk_norm="none", inject_layers=1, n_epochs=2
    )
    editor = train(tiles, settings)
    drawn = editor.render(tiles, tiles.attributes[:, None, :])
    assert drawn.images.shape == (24, 16, 16, 3)


# -- what is learned ------------------------------------------------------------------------------


def brightness_lots(n_lots=8, n_each=8):
    """Return lots whose attribute is the brightness of a blob of random place."""
    rng = np.random.default_rng(2)
    lot = np.repeat(np.arange(n_lots), n_each)
    label = np.linspace(0.1, 0.9, n_lots)[lot]
    y, x = np.mgrid[:16, :16]
    centre = rng.uniform(5, 11, (2, len(lot), 1, 1))
    blob = np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / 18)
    images = 0.1 + 0.8 * label[:, None, None] * blob
    return Tiles(
        images.astype(np.float32), label[:, None], ("brightness",), lot, tuple("ABCDEFGH"[:n_lots])
    )


@pytest.mark.slow
def test_an_attribute_that_can_be_seen_is_edited_and_tiles_are_redrawn():
    tiles = brightness_lots()
    settings = AttGANSettings.narrow(
        width=8,
        levels=2,
        shortcut_layers=0,
        head_width=32,
        batch_size=16,
        n_epochs=120,
        learning_rate=1e-3,
        reconstruction_weight=20,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # edits are not weak
        editor = train_attgan(tiles, settings)
    asked = np.linspace(0.1, 0.9, 5)
    drawn = editor.render(tiles, np.broadcast_to(asked[:, None], (len(tiles), 5, 1)))
    brightest = drawn.images.reshape(len(tiles), 5, -1).max(axis=2).mean(axis=0)
    assert (np.diff(brightest) > 0).all()
    assert 0.25 < np.polyfit(asked, brightest, 1)[0] / 0.8 < 1.2  # true edits have 1
    same_again = editor.render(tiles, tiles.attributes[:, None, :])
    assert np.abs(same_again.images - tiles.images).mean() < 0.03
    assert editor.curves.gain[-1][0] > 0.4


def test_a_handful_of_tiles_is_learned_by_heart():
    tiles = brightness_lots(2, 2)
    settings = AttGANSettings.narrow(
        width=8,
        levels=2,
        n_d=1,
        n_epochs=120,
        learning_rate=5e-3,
        beta_1=0.9,
        head_width=8,
        attribute_weight=0,
        monitor_every=1000,
    )
    losses = train(tiles, settings).curves.losses["reconstruction"]
    assert losses[-1] < 0.1 * losses[0]


def test_weak_edits_are_told_of():
    with pytest.warns(UserWarning, match="After 6 iterations the edits .* size -?0.0"):
        train_attgan(lots_of_tiles(), tiny())


# -- what cannot be trained -----------------------------------------------------------------------


def changed(tiles, **changes):
    return Tiles(**{**vars(tiles), **changes})


def test_missing_constant_and_impossible_attributes_are_named_together():
    tiles = lots_of_tiles()
    attributes = np.column_stack([tiles.attributes, np.full(24, 0.5), tiles.attributes[:, 0]])
    attributes[6:12, 0] = np.nan
    attributes[18:, 3] = 40.0
    bad = changed(tiles, attributes=attributes, names=("size", "porosity", "facetness", "spread"))
    with pytest.raises(DataError) as caught:
        train_attgan(bad, tiny())
    assert [str(fault).split(". ")[0] for fault in caught.value.faults] == [
        "The attribute 'size' of lot 'B' is missing",
        "The attribute 'facetness' is 0.5 in every lot",
        "The attribute 'spread' of lot 'D' is 40, not within 0 to 1",
    ]


def test_one_lot_is_not_enough():
    with pytest.raises(NotEnoughDataError, match="these are 6 tiles of 1 lots"):
        train_attgan(lots_of_tiles().of_lot("A"), tiny())


def test_tiles_without_attributes_are_refused():
    tiles = changed(lots_of_tiles(), attributes=np.empty((24, 0)), names=())
    with pytest.raises(DataError, match="no attributes"):
        train_attgan(tiles, tiny())


def test_tiles_that_cannot_be_halved_are_refused():
    with pytest.raises(SettingsError, match="12 x 12 px cannot be halved 3 times"):
        train_attgan(lots_of_tiles(side=12), tiny(levels=3))


def test_a_training_that_diverges_says_so():
    with pytest.raises(SettingsError, match=r"diverged in iteration \d.* smaller learning_rate"):
        train(lots_of_tiles(), tiny(learning_rate=1e30))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"random_state": 1}, "seed"),
        ({"settings": {"width": 5}}, "settings"),
        ({"seed": 1}, "tiles"),
        ({"settings": {"n_epochs": 7}, "random_state": 2}, "settings and other seed"),
    ],
)
def test_another_training_is_not_continued(tmp_path, changes, what):
    train(lots_of_tiles(), folder=tmp_path / "a", max_minutes=0)
    with pytest.raises(SettingsError, match=f"a training with other {what}: name a new"):
        train(
            lots_of_tiles(seed=changes.get("seed", 0)),
            tiny(**changes.get("settings", {})),
            random_state=changes.get("random_state", 0),
            folder=tmp_path / "a",
        )


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    train(lots_of_tiles(), max_minutes=0).save(tmp_path / "a")
    with pytest.raises(SettingsError, match="holds a AttGANEditor, not the training"):
        train(lots_of_tiles(), folder=tmp_path / "a")
    assert AttGANEditor.load(tmp_path / "a").names == ("size", "porosity")


@pytest.mark.parametrize("part", ["generator", "adam_discriminator", "curves"])
def test_a_damaged_training_is_refused(tmp_path, part):
    train(lots_of_tiles(), folder=tmp_path / "a", max_minutes=0)
    state, card = read_model(tmp_path / "a")
    arrays = dict(state.part(part).arrays)
    name = sorted(arrays)[0]
    arrays[name] = arrays[name][..., None]
    broken = type(state)(state.part(part).kind, state.part(part).config, arrays)
    write_model(
        tmp_path / "a",
        type(state)(state.kind, state.config, {}, {**state.parts, part: broken}),
        card,
    )
    with pytest.raises(ModelFileError, match=name):
        train(lots_of_tiles(), folder=tmp_path / "a")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, "width=0 must be a whole number, 1 or more"),
        ({"width": 2.5}, "width=2.5 must be a whole number"),
        ({"n_d": True}, "n_d=True"),
        ({"learning_rate": 0.0}, "learning_rate=0.0 must be a number, above 0"),
        ({"learning_rate": float("nan")}, "learning_rate=nan"),
        ({"beta_2": 1.0}, "beta_2=1.0 must be below 1"),
        ({"batch_size": 1}, "batch_size=1"),
        ({"attribute_loss": "l1"}, "attribute_loss='l1' must be one of bce, mse"),
        ({"decay": "cosine"}, "decay='cosine'"),
        ({"head_width": 0}, "head_width=0"),
        ({"n_epochs": float("inf")}, "n_epochs=inf"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(changes, message):
    with pytest.raises(SettingsError, match=message):
        AttGANSettings(**changes)
