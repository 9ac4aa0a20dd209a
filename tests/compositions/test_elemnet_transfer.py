"""Intervals, dropout in prediction, settings, and fine-tuning of an ElemNet regressor."""

import dataclasses

import numpy as np
import pytest

from matlever.compositions import ElemNetRegressor
from matlever.compositions._elemnet_intervals import HeldOutScores
from matlever.compositions._elemnet_training import LoopSettings
from matlever.exceptions import DataError, NotEnoughDataError, SettingsError

TINY = {"width": 0.01, "epochs": 2, "least_steps": 4, "batch_size": 16}


def rows(n, seed=0):
    random = np.random.default_rng(seed)
    x = random.dirichlet((1.0, 1.0, 1.0), n)
    return x, x[:, 0] * x[:, 1] + 0.05 * random.normal(size=n)


def weights(network):
    return [p.detach().numpy().copy() for p in network.parameters()]


def test_half_widths_are_the_order_statistic_of_the_scores_times_the_spread():
    random = np.random.default_rng(0)
    y, mean, std = random.normal(size=(3, 99, 1))
    std = np.abs(std)
    scores = HeldOutScores.of(y, mean, std)
    floor = np.median(std)
    by_hand = np.sort(np.abs(y - mean) / (std + floor), axis=0)[89]  # ceil(0.9 * 100) = 90th
    found = scores.half_width(np.array([[0.3]]), 0.9)
    np.testing.assert_allclose(found, by_hand[None] * (0.3 + floor))
    assert np.isinf(scores.half_width(np.array([[0.3]]), 0.995)).all()
    again = HeldOutScores.from_state(scores.to_state(), 1)
    np.testing.assert_array_equal(again.scores, scores.scores)


def test_intervals_cover_what_they_promise_on_new_rows():
    x, y = rows(1400)
    model = ElemNetRegressor(**TINY, n_members=2).fit(x[:400], y[:400])
    model.calibrate(x[400:800], y[400:800])
    lower, upper = model.predict_interval(x[800:], 0.8)
    covered = ((lower <= y[800:]) & (y[800:] <= upper)).mean()
    assert abs(covered - 0.8) < 0.06  # three standard deviations of two binomials of 400 and 600


def test_intervals_without_calibration_rows_are_refused():
    x, y = rows(40)
    model = ElemNetRegressor(**TINY).fit(x, y)
    with pytest.raises(NotEnoughDataError, match="calibration_share"):
        model.predict_interval(x)
    with pytest.raises(DataError, match="finite targets"):
        model.calibrate(x, np.full(40, np.nan))


def test_calibration_rows_are_in_no_training_and_no_early_stopping():
    x, y = rows(100)
    marked = np.arange(90, 100)
    model = ElemNetRegressor(**TINY).fit(x, y, calibration=marked)
    assert not np.isin(model.held_out_[0], marked).any()
    changed = y.copy()
    changed[marked] += 100.0
    again = ElemNetRegressor(**TINY).fit(x, changed, calibration=marked)
    np.testing.assert_array_equal(model.predict(x), again.predict(x))
    assert again.calibration_.scores.min() > model.calibration_.scores.max()


def test_the_spread_of_dropout_is_asked_for_and_needs_dropout():
    x, y = rows(60)
    with pytest.raises(SettingsError, match="mc_samples"):
        ElemNetRegressor(**TINY, mc_samples=5).fit(x, y)
    model = ElemNetRegressor(**TINY, mc_samples=20, dropout=(0.2,) * 4).fit(x, y)
    mean, std = model.predict(x, return_std=True)
    assert (std > 0).any()
    np.testing.assert_array_equal(mean, model.predict(x))
    np.testing.assert_array_equal(std, model.predict(x, return_std=True)[1])
    _, alone = ElemNetRegressor(**TINY).fit(x, y).predict(x, return_std=True)
    assert not alone.any()


def test_frozen_layers_keep_their_weights_and_the_first_model_does_not_change():
    x, y = rows(80)
    model = ElemNetRegressor(**TINY, n_members=2).fit(x, y)
    before = [weights(network) for network in model.networks_]
    tuned = model.fine_tune(x[:30], 5 + 2 * y[:30], freeze=8)
    for first, network, old in zip(before, tuned.networks_, model.networks_, strict=True):
        now, kept = weights(network), weights(old)
        assert all(np.array_equal(a, b) for a, b in zip(first[:16], now[:16], strict=True))
        assert not np.array_equal(first[16], now[16])
        assert all(np.array_equal(a, b) for a, b in zip(first, kept, strict=True))
        assert all(p.requires_grad for p in network.parameters())
    assert 3 < tuned.predict(x).mean() < 8
    two = model.fine_tune(x[:30], np.stack([y[:30], -y[:30]], axis=1))
    assert two.predict(x).shape == (80, 2)


def test_tuning_with_the_old_head_starts_where_the_model_stood():
    x, y = rows(80)
    model = ElemNetRegressor(width=0.02, least_steps=150).fit(x, y)
    tuned = model.fine_tune(x, y, redraw=0, learning_rate=1e-9, epochs=1, least_steps=1)
    np.testing.assert_allclose(tuned.predict(x), model.predict(x), atol=1e-5)
    with pytest.raises(SettingsError, match="redraw=0"):
        model.fine_tune(x, np.stack([y, y], axis=1), redraw=0)
    with pytest.raises(SettingsError, match=r"redraw=14 .* 13 layers"):
        model.fine_tune(x, y, freeze=4, redraw=14)
    drawn = model.fine_tune(x, y, freeze=4, redraw=13, epochs=1, least_steps=1)
    for place, (a, b) in enumerate(
        zip(model.networks_[0].linear, drawn.networks_[0].linear, strict=True)
    ):
        far = (a.weight - b.weight).abs().max() > 0.05
        assert far == (place >= 4)
    with pytest.raises(SettingsError, match="freeze=17"):
        model.fine_tune(x, y, freeze=17)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"n_members": 0}, "n_members"),
        ({"average": 1.0}, "average"),
        ({"validation_share": -0.1}, "validation_share"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"elements": ("Xx", "O", "H")}, "elements"),
        ({"learning_rate": 1e30, "average": 0.0}, "diverged"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    from matlever.compositions import parse_formulas

    x = parse_formulas(["H2O", "TiO2", "NaCl", "Na2O", "FeO", "KCl"] * 4)
    with pytest.raises(SettingsError, match=words):
        ElemNetRegressor(**(TINY | {"least_steps": 20} | settings)).fit(x, np.arange(24.0))


def test_step_sizes_of_the_schedules():
    def at(schedule):
        settings = dataclasses.replace(LOOP, schedule=schedule)
        return [settings.step_size(done) for done in (0.0, 0.05, 0.1, 0.55, 1.0)]

    np.testing.assert_allclose(at("one-cycle"), [0.0, 0.5, 1.0, 0.5, 0.0], atol=1e-12)
    np.testing.assert_allclose(at("constant"), 1.0)
    assert np.all(np.diff(at("cosine")) < 0)


LOOP = LoopSettings(
    epochs=1,
    batch_size=1,
    learning_rate=1.0,
    schedule="one-cycle",
    weight_decay=0.0,
    loss="absolute",
    average=0.0,
    patience=1,
    precision="float32",
    device="cpu",
)


def test_published_settings_are_the_papers_and_can_be_changed():
    model = ElemNetRegressor.published(epochs=1, width=0.01)
    assert model.dropout == (0.2, 0.1, 0.3, 0.2)
    assert (model.learning_rate, model.batch_size, model.schedule) == (1e-4, 32, "constant")
    assert len(model.elements) == 86
    x, y = rows(40)
    assert model.fit(x, y).predict(x).shape == (40,)
