"""Whole lots: kernel ridge against scikit-learn, and what pooling must not see."""

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge as Reference

from matlever.exceptions import DataError, ModelFileError, NotEnoughDataError, SettingsError
from matlever.micrographs import LotRegressor, TileRegressor, lot_texture, pool_lots, validate_lots
from matlever.micrographs.regression._kernel_ridge import KernelRidge
from matlever.micrographs.simulate import simulate_sem
from matlever.storage import State, read_model, write_model


@pytest.fixture(scope="module")
def lots():
    found = simulate_sem(8, 4, 32, random_state=11)
    return found.tiles, found.of_tiles()


def test_kernel_ridge_is_scikit_learns_at_the_chosen_settings():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((25, 6)) * [1, 10, 1, 1, 0.1, 1] + 3
    X = np.column_stack([X, np.full(25, 4.0)])  # a constant column counts for nothing
    y = np.sin(X[:, 0]) + 0.1 * rng.standard_normal(25) + 100
    model = KernelRidge().fit(X, y)
    z = (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0)
    reference = Reference(kernel="rbf", gamma=1 / (2 * 7 * model.length_**2), alpha=model.penalty_)
    new = rng.standard_normal((5, 7)) * [1, 1, 1, 1, 1, 1, 0]
    expected = reference.fit(z, y - y.mean()).predict(new) + y.mean()
    found = model.predict(new * np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0) + X.mean(axis=0))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    for i in (0, 7):  # the closed form of leaving a row out
        rest = np.arange(25) != i
        without = reference.fit(z[rest], (y - y.mean())[rest]).predict(z[i : i + 1]) + y.mean()
        np.testing.assert_allclose(model.left_out_[i], without[0], rtol=1e-6)


def test_kernel_ridge_finds_a_curve_and_not_noise():
    rng = np.random.default_rng(1)
    X = rng.uniform(-1, 1, (40, 2))
    new = rng.uniform(-1, 1, (200, 2))
    curve = KernelRidge().fit(X, X[:, 0] ** 2 + X[:, 1]).predict(new)
    assert np.corrcoef(curve, new[:, 0] ** 2 + new[:, 1])[0, 1] > 0.98
    noise = KernelRidge().fit(X, rng.standard_normal(40)).predict(new)
    assert noise.std() < 0.5


def test_a_lot_is_predicted_from_all_its_tiles_that_are_given(lots):
    tiles, y = lots
    model = LotRegressor().fit(tiles, y)
    found = model.predict_lots(tiles)
    assert list(found.index) == list(tiles.lot_names)
    assert (found["n_tiles"] == 4).all()
    np.testing.assert_array_equal(model.predict(tiles), found["prediction"].to_numpy()[tiles.lot])
    expected = KernelRidge().fit(lot_texture(tiles).to_numpy(), y[::4])
    np.testing.assert_allclose(found["prediction"], expected.predict(lot_texture(tiles).to_numpy()))
    one = tiles[tiles.lot == 5]
    np.testing.assert_allclose(model.predict(one), found["prediction"].iloc[5])


def test_pooling_a_validation_is_the_average_of_network_and_texture_in_each_fold(lots):
    tiles, y = lots
    network = TileRegressor.compact(epochs=1, width=4, batch_size=16)
    validation = validate_lots(network, tiles, y, n_folds=3)
    pooled = pool_lots(validation, tiles, network_weight=0.3)
    for k, model in enumerate(pooled.fold_models):
        held = np.isin(tiles.lot, np.flatnonzero(validation.fold_of_lot == k))
        anew = LotRegressor(network, network_weight=0.3).fit(tiles[~held], y[~held])
        np.testing.assert_allclose(pooled.lots_held_out.prediction[held], anew.predict(tiles[held]))
        np.testing.assert_allclose(model.predict(tiles[held]), anew.predict(tiles[held]))
    told = pooled.shuffled_lots_held_out
    np.testing.assert_array_equal(told.measured, validation.shuffled_lots_held_out.measured)
    assert pooled.tile_split is validation.tile_split
    around = LotRegressor.around(network.fit(tiles, y), tiles, y, network_weight=0.3)
    fitted = LotRegressor(network, network_weight=0.3).fit(tiles, y)
    np.testing.assert_allclose(around.predict(tiles), fitted.predict(tiles))


def test_saved_and_loaded_predicts_the_same_bits(lots, tmp_path):
    tiles, y = lots
    network = TileRegressor.compact(epochs=1, width=4, batch_size=16)
    for model in (LotRegressor(), LotRegressor(network, network_weight=0.25)):
        model.fit(tiles, y)
        write_model(tmp_path / "m", model.to_state())
        again = LotRegressor.from_state(read_model(tmp_path / "m")[0])
        np.testing.assert_array_equal(again.predict(tiles), model.predict(tiles))
        assert again.network_weight == model.network_weight
        assert model.fingerprint(tiles, y) != model.fingerprint(tiles, y + 1)
    state = model.to_state()
    with pytest.raises(ModelFileError, match="network_weight is 2"):
        LotRegressor.from_state(State(state.kind, {"network_weight": 2}, parts=state.parts))


def test_what_cannot_be_learned_from_is_named(lots):
    tiles, y = lots
    with pytest.raises(DataError, match="Lot 'B' has no value, or several"):
        LotRegressor().fit(tiles, np.where(np.arange(32) == 5, 1.0, y))
    with pytest.raises(DataError, match="Lot 'C' has no value"):
        LotRegressor().fit(tiles, np.where(tiles.lot == 2, np.nan, y))
    with pytest.raises(NotEnoughDataError, match="2 lots"):
        LotRegressor().fit(tiles[:8], y[:8])
    with pytest.raises(SettingsError, match=r"network_weight=1\.5"):
        LotRegressor(network_weight=1.5).fit(tiles, y)
    with pytest.raises(NotEnoughDataError, match="no tiles"):
        LotRegressor().fit(tiles, y).predict(tiles[:0])
