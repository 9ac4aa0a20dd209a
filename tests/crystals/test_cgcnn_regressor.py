"""The regressor on crystals whose property is known in closed form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from matlever.crystals import CGCNNRegressor, Crystals, crystal_graphs
from matlever.crystals._cgcnn_rows import compositions_of, hold_out
from matlever.exceptions import DataError, ModelFileError, NotEnoughDataError, SettingsError
from matlever.storage import State, read_model, write_model

SMALL: dict[str, Any] = {
    "width": 16,
    "n_convolutions": 1,
    "hidden_width": 16,
    "n_epochs": 3,
    "batch_size": 16,
    "random_state": 0,
}
METALS = np.array([11, 19, 37, 12, 20, 38])
ANIONS = np.array([8, 16, 34])


def rock_salts(n: int = 60, seed: int = 0) -> tuple[Crystals, np.ndarray]:
    """Return cells of two atoms and a smooth property of metal, anion and lattice constant."""
    random = np.random.default_rng(seed)
    metal, anion = random.choice(METALS, n), random.choice(ANIONS, n)
    a = random.uniform(4.5, 6.5, n)
    primitive = 0.5 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    crystals = Crystals.from_arrays(
        a[:, None, None] * primitive,
        np.full(n, 2),
        np.column_stack([metal, anion]).ravel(),
        np.tile([[0, 0, 0], [0.5, 0.5, 0.5]], (n, 1)),
    )
    return crystals, -2.0 + 0.02 * metal + 0.01 * anion + 0.4 * (a - 5.5)


@pytest.fixture(scope="module")
def fitted() -> tuple[CGCNNRegressor, Crystals, np.ndarray]:
    crystals, y = rock_salts(120)
    model = CGCNNRegressor(
        **(SMALL | {"n_epochs": 40, "n_members": 2, "calibration_fraction": 0.2, "pooling": "site"})
    )
    return model.fit(crystals, y), crystals, y


def test_a_smooth_property_is_learned(fitted: Any) -> None:
    model, _, y = fitted
    new, wanted = rock_salts(80, seed=1)
    assert np.abs(model.predict(new) - wanted).mean() < 0.2 * np.abs(y - y.mean()).mean()
    assert model.score(new, wanted) > 0.9


def test_the_mean_over_sites_is_the_prediction(fitted: Any) -> None:
    model, crystals, _ = fitted
    contributions = model.site_contributions(crystals)
    assert contributions.shape == (240,)
    np.testing.assert_allclose(
        contributions.reshape(-1, 2).mean(axis=1), model.predict(crystals), atol=1e-5
    )


def test_graphs_and_crystals_give_the_same(fitted: Any) -> None:
    model, crystals, _ = fitted
    graphs = crystal_graphs(crystals)
    np.testing.assert_array_equal(model.predict(crystals), model.predict(graphs))
    np.testing.assert_allclose(
        model.predict(graphs[[7, 3]]), model.predict(graphs)[[7, 3]], atol=1e-6
    )


def test_graphs_of_other_neighbourhoods_are_refused(fitted: Any) -> None:
    model, crystals, _ = fitted
    with pytest.raises(DataError, match="8 neighbours of each atom, those trained on had 12"):
        model.predict(crystal_graphs(crystals, n_neighbours=8))


def test_intervals_surround_the_prediction_and_grow_with_the_level(fitted: Any) -> None:
    model, crystals, y = fitted
    mean, std = model.predict(crystals, return_std=True)
    assert (std > 0).all()
    lower, upper = model.predict_interval(crystals, level=0.5)
    wider = model.predict_interval(crystals, level=0.8)
    np.testing.assert_allclose((lower + upper) / 2, mean)
    assert (wider[0] <= lower).all()
    assert (wider[1] >= upper).all()
    # On the calibration rows themselves the share inside is the level, by construction.
    rows = model.calibration_rows_
    inside = (y[rows] >= lower[rows] - 1e-9) & (y[rows] <= upper[rows] + 1e-9)
    assert abs(inside.sum() - 0.5 * (len(rows) + 1)) <= 1


def test_too_few_calibration_rows_give_infinite_intervals(fitted: Any) -> None:
    model, crystals, _ = fitted
    lower, upper = model.predict_interval(crystals[:2], level=0.9999)
    assert np.isneginf(lower).all()
    assert np.isposinf(upper).all()


def test_a_state_gives_back_the_same_bits(fitted: Any, tmp_path: Path) -> None:
    model, crystals, _ = fitted
    write_model(tmp_path / "model", model.to_state())
    again = CGCNNRegressor.from_state(read_model(tmp_path / "model")[0])
    np.testing.assert_array_equal(model.predict(crystals), again.predict(crystals))
    np.testing.assert_array_equal(
        model.predict_interval(crystals, 0.5), again.predict_interval(crystals, 0.5)
    )
    assert again.get_params() == model.get_params()
    assert again.history_ == model.history_


def test_a_state_that_does_not_fit_is_refused(fitted: Any) -> None:
    state = fitted[0].to_state()
    with pytest.raises(ModelFileError, match="networks"):
        CGCNNRegressor.from_state(State(state.kind, state.config, state.arrays, {}))
    params = {**state.config["params"], "width": 17}
    with pytest.raises(ModelFileError, match="not that of the regressor"):
        CGCNNRegressor.from_state(
            State(state.kind, {**state.config, "params": params}, state.arrays, state.parts)
        )
    with pytest.raises(ModelFileError, match="Expected the state"):
        CGCNNRegressor.from_state(State("Ridge"))


def test_one_seed_gives_one_result_and_clones_keep_parameters() -> None:
    crystals, y = rock_salts(40)
    model = CGCNNRegressor(**SMALL)
    first = model.fit(crystals, y).predict(crystals)
    np.testing.assert_array_equal(first, clone(model).fit(crystals, y).predict(crystals))
    other = clone(model).set_params(random_state=1).fit(crystals, y).predict(crystals)
    assert np.abs(first - other).max() > 0


def test_several_targets_keep_their_units() -> None:
    crystals, y = rock_salts(60)
    targets = np.column_stack([y, 1000 * y + 5e5])
    found, std = CGCNNRegressor(**SMALL).fit(crystals, targets).predict(crystals, return_std=True)
    assert found.shape == std.shape == (60, 2)
    assert abs(found[:, 1].mean() - targets[:, 1].mean()) < 1000


def test_a_killed_training_is_taken_up_where_it_was(tmp_path: Path) -> None:
    crystals, y = rock_salts(40)
    model = CGCNNRegressor(**(SMALL | {"n_members": 2, "early_stopping": True}))
    whole = clone(model).fit(crystals, y).predict(crystals)

    def stop(done: int, total: int, what: str) -> None:
        assert (total, what) == (6, "epoch")
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(crystals, y, checkpoint=tmp_path / "run", progress=stop)
    with pytest.raises(SettingsError, match="other crystals, targets or settings"):
        clone(model).fit(crystals, 2 * y, checkpoint=tmp_path / "run")
    again = model.fit(crystals, y, checkpoint=tmp_path / "run").predict(crystals)
    np.testing.assert_array_equal(whole, again)
    assert not (tmp_path / "run").exists()
    with pytest.raises(SettingsError, match="integer random_state"):
        clone(model).set_params(random_state=None).fit(crystals, y, checkpoint=tmp_path / "run")


def test_early_stopping_keeps_the_best_epoch_and_whole_compositions() -> None:
    crystals, y = rock_salts(60)
    model = CGCNNRegressor(
        **(SMALL | {"early_stopping": True, "n_epochs": 12, "patience": 2, "learning_rate": 0.05}),
        calibration_fraction=0.2,
        validation_fraction=0.2,
    ).fit(crystals, y)
    held = [model.validation_rows_, model.calibration_rows_]
    left = np.setdiff1d(np.arange(60), np.concatenate(held))
    formulas = [set(np.array(crystals.formulas)[rows]) for rows in (*held, left)]
    assert all(formulas)
    assert not any(a & b for i, a in enumerate(formulas) for b in formulas[:i])
    best = min(epoch.validation for epoch in model.history_[0])
    rows = model.validation_rows_
    error = np.abs(model.predict(crystals[rows]) - y[rows]).mean() / model.y_scale_[0]
    assert error == pytest.approx(best, rel=1e-4)


def test_a_supercell_has_the_composition_of_its_cell() -> None:
    cell, double = 3.0 * np.eye(3), 3.0 * np.diag([1.0, 1.0, 2.0])
    pair = np.array([[0, 0, 0], [0.5, 0.5, 0.5]])
    crystals = Crystals.from_arrays(
        [cell, double, cell],
        [2, 4, 2],
        [11, 17, 11, 17, 11, 17, 11, 9],
        np.vstack([pair, pair * [1, 1, 0.5], pair * [1, 1, 0.5] + [0, 0, 0.5], pair]),
    )
    codes = compositions_of(crystal_graphs(crystals))
    assert codes[0] == codes[1] != codes[2]


def test_nothing_is_left_when_all_compositions_are_held_out() -> None:
    with pytest.raises(NotEnoughDataError, match="too few"):
        hold_out(np.array([0, 0, 1]), [0.5, 0.5], np.random.default_rng(0))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"n_epochs": 0}, "n_epochs"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"loss": "huber"}, "loss"),
        ({"calibration_fraction": 1.0}, "calibration_fraction"),
        ({"pooling": "sum"}, "pooling"),
        ({"learning_rate": 1e30}, "diverged"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, Any], match: str) -> None:
    crystals, y = rock_salts(20)
    with pytest.raises(SettingsError, match=match):
        CGCNNRegressor(**(SMALL | changes)).fit(crystals, y)


def test_bad_data_is_refused() -> None:
    crystals, y = rock_salts(20)
    model = CGCNNRegressor(**SMALL)
    with pytest.raises(DataError, match="no finite target, the first at position 3"):
        model.fit(crystals, np.where(np.arange(20) == 3, np.nan, y))
    with pytest.raises(DataError, match="nothing to learn"):
        model.fit(crystals, np.ones(20))
    with pytest.raises(DataError, match=r"shape \(20,\)"):
        model.fit(crystals, y[:7])
    with pytest.raises(DataError, match="crystals are needed"):
        model.fit(y[:, None], y)
    with pytest.raises(NotEnoughDataError, match="too few to train on"):
        model.fit(crystals[:3], y[:3])
    with pytest.raises(SettingsError, match="calibration_fraction"):
        model.fit(crystals, y).predict_interval(crystals)
