"""Intervals over lots: coverage on many simulated sets, and the plain way of computing them."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from matlever.exceptions import ModelFileError, SettingsError
from matlever.micrographs import ConformalTileRegressor, LotRegressor, TileRegressor, validate_lots
from matlever.micrographs.regression.lot_intervals import _weighted_cv_plus
from matlever.micrographs.simulate import simulate_sem
from matlever.micrographs.tiles import Tiles
from matlever.storage import State, read_model, write_model
from matlever.validation import cv_plus


class Mean(BaseEstimator):
    """Mean grey level times a slope that is fitted."""

    def fit(self, tiles, y):
        grey = tiles.unit().mean(axis=(1, 2))
        self.line_ = np.polyfit(grey, y, 1)
        return self

    def predict(self, tiles):
        return np.polyval(self.line_, tiles.unit().mean(axis=(1, 2)))


def grey_lots(rng, n_lots, sizes=(2, 9), lot_noise=1.0, tile_noise=0.1):
    """Grey is the property in tenths, off by a noise of the lot and one of the tile."""
    lot = np.repeat(np.arange(n_lots), rng.integers(*sizes, n_lots))
    y = rng.uniform(2, 8, n_lots)
    grey = (y / 10 + 0.1 * lot_noise * 0.3 * rng.standard_normal(n_lots))[lot]
    grey = grey + 0.1 * tile_noise * rng.standard_normal(len(lot))
    images = np.repeat(grey[:, None, None], 2, axis=1).repeat(2, axis=2).astype(np.float32)
    names = tuple(f"L{i}" for i in range(n_lots))
    return Tiles(images, np.zeros((len(lot), 0)), (), lot, names), y[lot]


def test_equal_weights_are_plain_cv_plus():
    rng = np.random.default_rng(0)
    size, fold = rng.exponential(size=19), rng.integers(0, 3, 19)
    mu = rng.standard_normal((3, 7))
    for level in (0.5, 0.8, 0.9):
        found = _weighted_cv_plus(size, fold, np.full(19, 1 / 20), mu, level)
        np.testing.assert_allclose(found, cv_plus(size, fold, mu, level))
    lower, upper = _weighted_cv_plus(size[:5], fold[:5], np.full(5, 1 / 6), mu, 0.9)
    assert np.isneginf(lower).all()
    assert np.isposinf(upper).all()


def test_weighted_ends_are_the_plain_quantiles():
    rng = np.random.default_rng(1)
    size, fold = rng.exponential(size=12), rng.integers(0, 2, 12)
    weight = rng.random(12)
    weight *= 0.95 / weight.sum()
    mu = rng.standard_normal((2, 4))
    lower, upper = _weighted_cv_plus(size, fold, weight, mu, 0.8)
    for j in range(4):
        above, below = mu[fold, j] + size, mu[fold, j] - size
        assert upper[j] == min(v for v in above if weight[above <= v].sum() >= 0.8)
        assert lower[j] == max(v for v in below if weight[below >= v].sum() >= 0.8)


@pytest.mark.parametrize("tile_noise", [0.05, 2.0])
def test_unseen_lots_are_covered_as_often_as_promised(tile_noise):
    rng = np.random.default_rng(2)
    of_lots, of_tiles = [], []
    for _ in range(40):
        tiles, y = grey_lots(rng, 34, tile_noise=tile_noise)
        train = tiles.lot < 24
        model = ConformalTileRegressor(Mean(), level=0.8).fit(tiles[train], y[train])
        new, measured = tiles[~train], y[~train]
        lots = model.predict_lots(new)
        truth = np.array([measured[new.lot == new.lot_names.index(n)][0] for n in lots.index])
        of_lots.append(((lots["lower"] <= truth) & (truth <= lots["upper"])).mean())
        lower, upper = model.predict_interval(new)
        inside = (lower <= measured) & (measured <= upper)
        of_tiles.append(np.mean([inside[new.lot == i].mean() for i in np.unique(new.lot)]))
    assert np.mean(of_lots) == pytest.approx(0.82, abs=0.05)
    assert np.mean(of_tiles) == pytest.approx(0.82, abs=0.05)


def test_one_tile_is_less_certain_than_its_lot():
    rng = np.random.default_rng(3)
    tiles, y = grey_lots(rng, 30, lot_noise=0.1, tile_noise=0.7, sizes=(20, 30))
    model = ConformalTileRegressor(Mean()).fit(tiles, y)
    lower, upper = model.predict_interval(tiles)
    lots = model.predict_lots(tiles)
    assert np.median(upper - lower) > 1.5 * (lots["upper"] - lots["lower"]).median()
    narrow, wide = model.predict_interval(tiles, level=0.5)
    assert ((wide - narrow) < (upper - lower)).all()


def test_networks_are_stored_and_taken_from_a_validation(tmp_path):
    lots = simulate_sem(6, 4, 24, random_state=5)
    tiles, y = lots.tiles, lots.of_tiles()
    network = TileRegressor.compact(epochs=1, width=4, batch_size=8)
    model = ConformalTileRegressor(network, n_folds=2, level=0.6).fit(tiles, y)
    validation = validate_lots(network, tiles, y, n_folds=2, shuffled=False)
    same = ConformalTileRegressor.from_validation(model.estimator_, validation, level=0.6)
    write_model(tmp_path / "m", model.to_state())
    again = ConformalTileRegressor.from_state(read_model(tmp_path / "m")[0])
    for other in (same, again):
        np.testing.assert_array_equal(other.predict(tiles), model.predict(tiles))
        np.testing.assert_array_equal(other.predict_interval(tiles), model.predict_interval(tiles))
        assert other.predict_lots(tiles).equals(model.predict_lots(tiles))
    x = tiles[:2].tensor()
    np.testing.assert_allclose(
        model.predict_tensor(x).detach().numpy(), model.predict(tiles[:2]), rtol=1e-5
    )
    pooled = ConformalTileRegressor(LotRegressor(), n_folds=2, level=0.6).fit(tiles, y)
    restored = ConformalTileRegressor.from_state(pooled.to_state())
    assert restored.predict_lots(tiles).equals(pooled.predict_lots(tiles))


def test_what_does_not_fit_is_refused():
    rng = np.random.default_rng(4)
    tiles, y = grey_lots(rng, 12)
    model = ConformalTileRegressor(Mean()).fit(tiles, y)
    with pytest.raises(SettingsError, match=r"level=1\.5"):
        model.predict_interval(tiles, level=1.5)
    lots = ConformalTileRegressor(LotRegressor(), n_folds=2).fit(
        *(lambda s: (s.tiles, s.of_tiles()))(simulate_sem(6, 2, 24))
    )
    state = lots.to_state()
    fold = state.arrays["fold_of_lot"] + 7
    with pytest.raises(ModelFileError, match="do not fit"):
        ConformalTileRegressor.from_state(
            State(state.kind, state.config, {**state.arrays, "fold_of_lot": fold}, state.parts)
        )
    with pytest.raises(ModelFileError, match="'Other' is no regressor"):
        ConformalTileRegressor.from_state(
            State(state.kind, state.config, state.arrays, {**state.parts, "full": State("Other")})
        )
