"""Report cards: editors and meters whose gains are known by construction, and the controls."""

from __future__ import annotations

import json

import numpy as np
import pytest
from matplotlib.figure import Figure

from matlever.exceptions import DataError, NotEnoughDataError, SettingsError
from matlever.micrographs import (
    AdversarialEditor,
    CardLimits,
    DoNothingEditor,
    ExactEditor,
    NetworkMeter,
    TextureMeter,
    Tiles,
    report_card,
    simulate_sem,
)

SIDE = 24
NAMES = ("left", "right")
# What the meters below read for a whole turn of each attribute: shrunken, and mixed up.
READS = np.array([[0.5, 0.1], [-0.05, 0.8]])


def halves(n_lots=8, n_tiles=6, seed=0):
    """Return tiles whose left and right half are as bright as their lot's attributes say."""
    rng = np.random.default_rng(seed)
    attributes = rng.uniform(0.1, 0.9, (n_lots, 2))
    lot = np.repeat(np.arange(n_lots), n_tiles)
    texture = 0.05 * rng.standard_normal((len(lot), SIDE, SIDE))
    images = np.clip(0.15 + 0.7 * painted(attributes[lot]) + texture, 0, 1).astype(np.float32)
    names = tuple(f"L{i}" for i in range(n_lots))
    return Tiles(images, attributes[lot], NAMES, lot, names)


def painted(attributes):
    images = np.empty((len(attributes), SIDE, SIDE))
    images[:, :, : SIDE // 2] = attributes[:, 0, None, None]
    images[:, :, SIDE // 2 :] = attributes[:, 1, None, None]
    return images


class HalfMeter:
    """Reads the brightness of the halves, and mixes the readings up."""

    names_ = NAMES

    def __init__(self, reads=READS, r2=0.9):
        self.reads = reads
        self.r2_ = dict.fromkeys(NAMES, r2)

    def predict(self, tiles):
        images = (tiles.unit().astype(float) - 0.15) / 0.7
        half = images.reshape(len(tiles), SIDE, 2, SIDE // 2).mean(axis=(1, 3))
        return half @ self.reads + 0.2


class HalfEditor(DoNothingEditor):
    """Turns the halves by `turns` times what is asked."""

    def __init__(self, turns=((1.0, 0.0), (0.0, 1.0)), added=0.0):
        super().__init__(NAMES)
        self.turns = np.array(turns)
        self.added = added

    def render(self, samples, values):
        found = super().render(samples, values)
        moved = (values - samples.attributes[:, None]).reshape(-1, 2) @ self.turns
        images = found.images + 0.7 * painted(moved) + self.added
        return samples.edited(images.astype(np.float32), values)


class MeanPredictor:
    def predict(self, tiles):
        return 100 * tiles.unit().mean(axis=(1, 2), dtype=float)


TILES = halves()
FAST = {"n_tiles": 24, "n_values": 4, "n_realism": 96, "n_epochs": 1}
METERS = {"network_meter": HalfMeter(), "texture_meter": HalfMeter(np.diag([1.0, 0.6]))}


@pytest.fixture(scope="module")
def half_card():
    editor = HalfEditor([[0.7, 0.2], [0.0, 0.9]], added=0.002)
    return report_card(
        editor,
        TILES,
        **METERS,
        exact=HalfEditor(),
        predictor=MeanPredictor(),
        predictor_error=4.0,
        gains={"left": (0.8, 1.2)},
        **FAST,
    )


def criterion(card, name):
    (found,) = [c for c in card.criteria if c.name == name]
    return found


def test_gains_are_those_of_the_editor_whatever_the_meter_shrinks_or_mixes_up(half_card):
    turns = np.array([[0.7, 0.2], [0.0, 0.9]])
    np.testing.assert_allclose(half_card.network.raw, turns @ READS, atol=1e-3)
    np.testing.assert_allclose(half_card.network.own, READS, atol=1e-3)
    for meter in (half_card.network, half_card.texture):
        np.testing.assert_allclose(meter.gain, turns, atol=1e-3)
        assert (meter.low <= meter.gain + 1e-9).all()
        assert (meter.gain <= meter.high + 1e-9).all()
    assert half_card.network.largest_off_diagonal == pytest.approx(0.2, abs=1e-3)


def test_meters_are_calibrated_on_labels_of_lots_where_nothing_can_be_drawn_again():
    editor = HalfEditor([[0.7, 0.2], [0.0, 0.9]])
    card = report_card(editor, halves(12, 8), **METERS, **FAST)
    np.testing.assert_allclose(card.network.gain, [[0.7, 0.2], [0.0, 0.9]], atol=0.03)
    assert (card.network.high - card.network.low).max() < 0.2
    assert card.exact is None
    assert card.exact_pictures is None


def test_each_criterion_is_held_against_its_own_limit(half_card):
    assert criterion(half_card, "gain of left, network meter").passed is False  # 0.7, asked 0.8
    assert criterion(half_card, "gain of right, network meter").passed is True  # 0.9, asked 0.6
    assert criterion(half_card, "gain of left, texture meter").passed is True
    assert criterion(half_card, "monotone steps of right").value == 1.0
    assert criterion(half_card, "largest gain of what was not turned").passed is True
    assert not half_card.passed
    assert all(c.passed is False for c in half_card.failed)


def test_what_changes_where_nothing_is_asked_is_measured(half_card):
    assert half_card.identity_error == pytest.approx(0.002, rel=1e-3)
    assert half_card.prediction_shift == pytest.approx(100 * 0.002 / 4.0, rel=1e-2)


def test_changes_are_compared_with_exact_ones(half_card):
    # The right half is turned alone, by 0.9; the left by 0.7, with 0.2 of the right.
    np.testing.assert_allclose(half_card.exact.correlation, 1, atol=1e-3)
    np.testing.assert_allclose(half_card.exact.strength, [np.hypot(0.7, 0.2), 0.9], atol=0.02)


def test_another_tile_in_place_of_an_edit_has_nothing_of_the_exact_edit():
    other = halves(seed=5)

    class Borrower(DoNothingEditor):
        def render(self, samples, values):
            found = super().render(samples, values)
            taken = np.random.default_rng(0).integers(0, len(other), len(found))
            texture = other.images[taken] - painted(other.attributes[taken]) * 0.7
            return samples.edited(texture.astype(np.float32) + 0.3, values)

    class Shaker(HalfEditor):
        def render(self, samples, values):
            found = super().render(samples, values)
            noise = np.random.default_rng(1).standard_normal(found.images.shape)
            return samples.edited((found.images + 0.1 * noise).astype(np.float32), values)

    card = report_card(Borrower(NAMES), TILES, **METERS, exact=Shaker(), **FAST)
    assert np.abs(card.exact.correlation).max() < 0.05


def test_doing_nothing_fails_by_its_gains_alone():
    card = report_card(DoNothingEditor(NAMES), TILES, **METERS, exact=HalfEditor(), **FAST)
    assert not card.passed
    assert all("gain of" in c.name or "monotone" in c.name for c in card.failed)
    assert card.realism.worst_auc == pytest.approx(0.5, abs=0.02)
    np.testing.assert_array_equal(card.exact.correlation, 0)
    assert card.identity_error == 0


def test_the_exact_editor_passes():
    card = report_card(HalfEditor(), TILES, **METERS, exact=HalfEditor(), **FAST)
    np.testing.assert_allclose(card.network.gain, np.eye(2), atol=1e-9)
    judged = [c for c in card.criteria if "AUC" not in c.name]
    assert all(c.passed is not False for c in judged)


def test_what_a_meter_cannot_read_stays_open():
    blind = HalfMeter(np.array([[0.5, 0.0], [0.3, 0.05]]))
    card = report_card(
        HalfEditor(),
        TILES,
        network_meter=blind,
        texture_meter=HalfMeter(r2=0.02),
        exact=HalfEditor(),
        **FAST,
    )
    assert card.network.readable.tolist() == [True, False]
    assert card.texture.readable.tolist() == [False, False]
    assert np.isnan(card.network.gain[:, 1]).all()
    # The meter takes turns of the right half for turns of the left: its cross-talk, no fault.
    np.testing.assert_allclose(card.network.gain[:, 0], [1, 0], atol=1e-6)
    found = criterion(card, "gain of right, network meter")
    assert found.passed is None
    assert "0.05 for a true turn of 1" in found.remark
    assert criterion(card, "gain of left, texture meter").passed is None
    assert np.isnan(card.texture.largest_off_diagonal)


def test_a_gain_that_only_the_network_sees_is_not_confirmed():
    sharp = HalfMeter(np.diag([1.0, 1.0]))
    dull = HalfMeter(np.diag([1.0, 1.0]))
    # One meter is fooled: it reads the whole turn where the other reads a third of it.
    sharp.predict = lambda tiles: np.where(
        np.isin(tiles.attributes, TILES.attributes), dull.predict(tiles), tiles.attributes
    )
    meters = {"network_meter": sharp, "texture_meter": dull}
    card = report_card(HalfEditor(0.35 * np.eye(2)), TILES, **meters, exact=HalfEditor(), **FAST)
    assert criterion(card, "gain of left, network meter").passed is True
    found = criterion(card, "gain of left, texture meter")
    assert found.value == pytest.approx(0.35, abs=0.01)
    assert found.passed is False


def test_gains_that_are_not_asked_are_not_judged():
    card = report_card(
        DoNothingEditor(NAMES), TILES, **METERS, gains={"left": None, "right": None}, **FAST
    )
    assert not [c for c in card.criteria if "gain of left" in c.name or "right" in c.name]


def test_steps_the_wrong_way_are_counted():
    class Hump(HalfEditor):
        def render(self, samples, values):
            return super().render(samples, 0.3 + 4 * (values - 0.5) ** 2 * 0.5)

    card = report_card(Hump(), TILES, **METERS, exact=HalfEditor(), **FAST)
    # Values 0.1 0.37 0.63 0.9: down, level, up.
    assert criterion(card, "monotone steps of left").value == pytest.approx(1 / 3, abs=0.34)
    assert criterion(card, "monotone steps of left").passed is False


# -- the card itself ------------------------------------------------------------------------------


def test_a_card_fits_a_screen_and_json(half_card):
    text = repr(half_card)
    assert "Report card of HalfEditor: FAILED" in text
    assert len(text.splitlines()) <= 30
    assert max(len(line) for line in text.splitlines()) <= 120
    again = json.loads(json.dumps(half_card.to_dict(), allow_nan=False))
    assert again["network"]["gain"][0][0] == pytest.approx(0.7, abs=1e-3)
    assert list(half_card.to_frame().columns) == ["value", "asked", "passed", "remark"]


def test_a_card_is_drawn_with_its_pictures(half_card):
    figure = half_card.plot()
    assert isinstance(figure, Figure)
    titles = [ax.get_title() for ax in figure.axes]
    assert "Gain by the texture meter" in titles
    pictures = [ax for part in figure.subfigs[2].subfigs for ax in part.axes if ax.images]
    assert len(pictures) == 2 * 2 * 4  # knobs, edited and exact, values
    figure.canvas.draw()


def test_the_same_seed_gives_the_same_card(half_card):
    a, b = (
        report_card(HalfEditor(), TILES, **METERS, random_state=3, **FAST).to_dict()
        for _ in range(2)
    )
    assert a == b


# -- what is refused ------------------------------------------------------------------------------


def test_mixed_up_attributes_and_too_few_lots_are_refused():
    with pytest.raises(DataError, match="The editor has the attributes a, b"):
        report_card(DoNothingEditor(["a", "b"]), TILES, **METERS)
    with pytest.raises(NotEnoughDataError, match="these are of 4"):
        report_card(HalfEditor(), halves(4), **METERS)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"gains": {"up": 1}}, "gains names up; the attributes are left, right"),
        ({"gains": {"left": (1.2, 0.8)}}, "least and the largest"),
        ({"n_values": 1}, "n_values=1"),
        ({"predictor_error": 0.0}, "predictor_error=0"),
    ],
)
def test_settings_without_sense_are_refused(option, message):
    with pytest.raises(SettingsError, match=message):
        report_card(HalfEditor(), TILES, **METERS, **option)


def test_limits_can_be_changed():
    limits = CardLimits(off_diagonal=0.1)
    editor = HalfEditor([[0.9, 0.2], [0.0, 0.9]])
    card = report_card(editor, TILES, **METERS, exact=HalfEditor(), limits=limits, **FAST)
    assert criterion(card, "largest gain of what was not turned").passed is False


# -- on simulated micrographs ---------------------------------------------------------------------


@pytest.mark.slow
def test_the_card_passes_exact_edits_of_micrographs_and_fails_a_fooled_meter():
    learnt = simulate_sem(60, 16, 40, random_state=510)
    truth = learnt.truth[list(learnt.attribute_names)].to_numpy()
    network = NetworkMeter(n_epochs=6, width=8, batch_size=32).fit(learnt.tiles, truth)
    texture = TextureMeter().fit(learnt.tiles, truth)
    tiles = simulate_sem(15, 10, 40, random_state=511).tiles
    options = {
        "network_meter": network,
        "texture_meter": texture,
        "gains": {"size": (0.8, 1.2), "porosity": None, "polydispersity": None, "facetness": None},
        "n_tiles": 30,
        "n_realism": 300,
        "n_epochs": 2,
    }
    # Calibrated on the labels of lots: exact edits as their own measure would always pass.
    exact = report_card(ExactEditor(), tiles, **options)
    assert exact.passed, repr(exact)
    fooled = report_card(AdversarialEditor(network), tiles, **options)
    assert fooled.network.gain[0, 0] > 0.5
    assert criterion(fooled, "gain of size, texture meter").passed is False
    assert fooled.texture.gain[0, 0] < 0.5 * exact.texture.gain[0, 0]
    assert not fooled.passed
