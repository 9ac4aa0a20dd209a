"""The three numbers, with regressors whose skill is known beforehand."""

import json
import threading

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.metrics import mean_absolute_percentage_error, r2_score, root_mean_squared_error

from matlever.exceptions import DataError, NotEnoughDataError, SettingsError
from matlever.micrographs import LotValidation, TileRegressor, validate_lots
from matlever.micrographs.tiles import Tiles


def lots(n_lots=12, n_tiles=10, seed=0):
    """Flat tiles: grey level 0.1 to 0.9 is the attribute, a second pixel value names the lot."""
    rng = np.random.default_rng(seed)
    lot = np.repeat(np.arange(n_lots), n_tiles)
    attribute = rng.random(n_lots)
    images = np.repeat((0.1 + 0.8 * attribute[lot])[:, None, None], 4, axis=1).repeat(4, axis=2)
    images = (images + 0.02 * rng.standard_normal(images.shape)).astype(np.float32)
    images[:, 0, 0] = (lot + 1) / 100
    names = tuple(f"L{i}" for i in range(n_lots))
    tiles = Tiles(images, attribute[lot][:, None], ("grey",), lot, names)
    return tiles, 1000 + 500 * attribute[lot]


class Line(BaseEstimator):
    """A straight line on the mean grey level: learns what is there, and nothing else."""

    def fit(self, tiles, y):
        self.line_ = np.polyfit(self._grey(tiles), y, 1)
        return self

    def predict(self, tiles):
        return np.polyval(self.line_, self._grey(tiles))

    def _grey(self, tiles):
        return tiles.unit()[:, 1:, 1:].mean(axis=(1, 2))


class Parrot(BaseEstimator):
    """Knows lots by a mark in their corner, and the mean for those it never saw."""

    def fit(self, tiles, y):
        marks = self._marks(tiles)
        self.known_ = {m: y[marks == m].mean() for m in np.unique(marks)}
        self.mean_ = np.mean(y)
        return self

    def predict(self, tiles):
        return np.array([self.known_.get(m, self.mean_) for m in self._marks(tiles)])

    def _marks(self, tiles):
        return np.rint(100 * tiles.unit()[:, 0, 0]).astype(int)


def test_a_regressor_that_learns_the_law_scores_on_lots_and_not_on_shuffled_ones():
    tiles, y = lots()
    found = validate_lots(Line(), tiles, y, n_folds=4)
    assert found.lots_held_out.by_lot.r2 > 0.99
    assert found.shuffled_lots_held_out.by_lot.r2 <= 0.1
    assert found.shuffled_tile_split.by_tile.r2 <= 0.1
    assert not found.leaks
    assert "no evidence" not in found.verdict


def test_a_regressor_that_knows_lots_by_heart_is_called_a_leak():
    tiles, y = lots()
    found = validate_lots(Parrot(), tiles, y, n_folds=4, name="peak stress")
    assert found.tile_split.by_tile.r2 == pytest.approx(1)
    assert found.shuffled_tile_split.by_tile.r2 == pytest.approx(1)
    assert found.lots_held_out.by_lot.r2 <= 0
    assert found.leaks
    assert "the random tiles leak their lots" in found.verdict
    without = validate_lots(Parrot(), tiles, y, n_folds=4, shuffled=False)
    assert without.leaks
    assert without.shuffled_tile_split is None
    assert "were seen" in without.verdict


def test_figures_are_those_of_scikit_learn():
    tiles, y = lots(n_tiles=7)
    noisy = y + 60 * np.random.default_rng(2).standard_normal(12)[tiles.lot]
    found = validate_lots(Line(), tiles, noisy, n_folds=3, shuffled=False).lots_held_out
    assert found.by_tile.r2 == pytest.approx(r2_score(noisy, found.prediction))
    assert found.by_tile.rmse == pytest.approx(root_mean_squared_error(noisy, found.prediction))
    assert found.by_tile.mape_percent == pytest.approx(
        100 * mean_absolute_percentage_error(noisy, found.prediction)
    )
    table = found.lots()
    assert list(table.index) == list(tiles.lot_names)
    for i, name in enumerate(tiles.lot_names):
        own = found.prediction[tiles.lot == i]
        assert table.loc[name, "mean"] == pytest.approx(own.mean())
        assert table.loc[name, "sd"] == pytest.approx(own.std())
        assert table.loc[name, "n_tiles"] == 7
    assert found.by_lot.r2 == pytest.approx(r2_score(table["measured"], table["mean"]))
    assert found.by_lot.r2_low < found.by_lot.r2 < found.by_lot.r2_high


def test_bootstrap_interval_resamples_whole_lots():
    tiles, y = lots(n_tiles=3)
    noisy = y + 100 * np.random.default_rng(2).standard_normal(12)[tiles.lot]
    found = validate_lots(Line(), tiles, noisy, n_folds=3, shuffled=False).lots_held_out
    random = np.random.default_rng(9)
    drawn = []
    for _ in range(4000):  # the plain way
        rows = np.concatenate([np.flatnonzero(tiles.lot == i) for i in random.integers(0, 12, 12)])
        drawn.append(r2_score(noisy[rows], found.prediction[rows]))
    low, high = np.quantile(drawn, [0.05, 0.95])
    assert found.by_tile.r2_low == pytest.approx(low, abs=0.06)
    assert found.by_tile.r2_high == pytest.approx(high, abs=0.03)


def test_lots_never_stand_on_both_sides():
    tiles, y = lots()
    seen = []

    class Spy(Line):
        def fit(self, tiles, y):
            self.lots_ = set(np.unique(tiles.lot))
            return super().fit(tiles, y)

        def predict(self, tiles):
            seen.append((self.lots_, set(np.unique(tiles.lot)), len(tiles)))
            return super().predict(tiles)

    found = validate_lots(Spy(), tiles, y, n_folds=4, shuffled=False)
    *folds, split = seen
    assert all(not (train & test) for train, test, _ in folds)
    assert sorted(lot for _, test, _ in folds for lot in test) == list(range(12))
    assert split[2] == 12
    for k, model in enumerate(found.fold_models):
        assert set(np.flatnonzero(found.fold_of_lot != k)) == model.lots_


def test_result_is_json_and_unused_lots_are_left_out():
    tiles, y = lots()
    some = tiles[tiles.lot != 3]
    found = validate_lots(Line(), some, y[tiles.lot != 3], n_folds=4)
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert "L3" not in text
    assert found.fold_of_lot[3] == -1
    assert isinstance(found, LotValidation)
    assert found.verdict in repr(found)


def test_threads_change_nothing_but_the_order_of_work():
    tiles, y = lots()
    names = set()

    class Threaded(Line):
        def fit(self, tiles, y):
            names.add(threading.current_thread().name)
            return super().fit(tiles, y)

    one = validate_lots(Threaded(), tiles, y, n_folds=4)
    two = validate_lots(Threaded(), tiles, y, n_folds=4, n_jobs=2)
    assert one.to_dict() == two.to_dict()
    assert threading.main_thread().name not in names


class KilledError(Exception):
    pass


def test_killed_and_resumed_gives_the_same_result(tmp_path):
    tiles, y = lots(5, 4)
    wide = Tiles(
        np.repeat(np.repeat(tiles.images, 4, 1), 4, 2),
        tiles.attributes,
        tiles.names,
        tiles.lot,
        tiles.lot_names,
    )
    model = TileRegressor.compact(epochs=2, width=4, batch_size=8)
    whole = validate_lots(model, wide, y, n_folds=2)

    def kill(done, total, what):
        if done == 3:
            raise KilledError

    with pytest.raises(KilledError):
        validate_lots(model, wide, y, n_folds=2, checkpoint=tmp_path / "v", progress=kill)
    assert len(list((tmp_path / "v").glob("*_done"))) >= 3
    again = validate_lots(model, wide, y, n_folds=2, checkpoint=tmp_path / "v")
    assert again.to_dict() == whole.to_dict()
    with pytest.raises(SettingsError, match="other tiles, values or settings"):
        validate_lots(model, wide, y + 1, n_folds=2, checkpoint=tmp_path / "v")


def test_what_cannot_be_validated_is_named():
    tiles, y = lots()
    with pytest.raises(DataError, match="lot L2: its tiles bear 2 values"):
        validate_lots(Line(), tiles, np.where(np.arange(120) == 25, 7.0, y))
    with pytest.raises(DataError, match="lot L4: it has no measured value"):
        validate_lots(Line(), tiles, np.where(tiles.lot == 4, np.nan, y))
    with pytest.raises(NotEnoughDataError, match="4 lots"):
        validate_lots(Line(), tiles[tiles.lot < 4], y[tiles.lot < 4])
    with pytest.raises(DataError, match=r"got \(119,\)"):
        validate_lots(Line(), tiles, y[:-1])
    with pytest.raises(SettingsError, match="tile_share=1"):
        validate_lots(Line(), tiles, y, tile_share=1.0)
    with pytest.raises(SettingsError, match="n_jobs=0"):
        validate_lots(Line(), tiles, y, n_jobs=0)
