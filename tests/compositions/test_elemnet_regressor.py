"""The ElemNet estimator: scikit-learn's rules, rows kept apart, resumption, states, transfer."""

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from matlever.compositions import (
    ELEMENTS,
    ELEMNET_ELEMENTS,
    Compositions,
    ElemNetRegressor,
    parse_formulas,
)
from matlever.compositions.restore import restore
from matlever.exceptions import DataError, ModelFileError, NotEnoughDataError, SettingsError
from matlever.storage import State, read_model, write_model
from matlever.validation import CrossConformalRegressor

TINY = {"width": 0.01, "epochs": 2, "least_steps": 4, "batch_size": 16}


class KilledError(Exception):
    """Stands for the end of the process."""


def oxides(n, seed=0):
    """Ternary fractions of Na, Ti and O, and an energy that is a smooth function of them."""
    x = np.random.default_rng(seed).dirichlet((1.0, 1.0, 1.0), n).round(4)
    x[:, 2] = 1 - x[:, 0] - x[:, 1]
    x = np.clip(x, 0, 1)
    frame = pd.DataFrame(x / x.sum(axis=1, keepdims=True), columns=["Na", "Ti", "O"])
    return frame, (-4 * frame["O"] * (frame["Na"] + 2 * frame["Ti"])).to_numpy()


def weights(model):
    return [p.detach().numpy().copy() for n in model.networks_ for p in n.parameters()]


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


EXPECTED_FAILURES = {
    "check_methods_subset_invariance": "float32 products of one row and of many round differently",
    "check_regressors_train": "seventeen layers learn nothing useful in the two rounds given here",
}


@parametrize_with_checks(
    [ElemNetRegressor(**TINY)], expected_failed_checks=lambda _: EXPECTED_FAILURES
)
def test_sklearn_rules(estimator, check):
    check(estimator)


def test_a_smooth_energy_is_learnt_and_an_ensemble_is_the_mean_of_its_members():
    x, y = oxides(300)
    model = ElemNetRegressor(width=0.05, n_members=2, least_steps=200).fit(x[:240], y[:240])
    error = np.abs(model.predict(x[240:]) - y[240:]).mean()
    assert error < 0.35 * np.abs(y - np.median(y)).mean()
    members = model.predict_members(x)
    mean, std = model.predict(x, return_std=True)
    np.testing.assert_allclose(mean, members.mean(axis=0))
    np.testing.assert_allclose(std, members.std(axis=0, ddof=1), atol=1e-12)
    assert model.history_[0][-1].training < model.history_[0][0].training


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    x, y = oxides(60)
    first, again, other = (
        ElemNetRegressor(**TINY, random_state=seed).fit(x, y) for seed in (1, 1, 2)
    )
    assert same(weights(first), weights(again))
    assert not same(weights(first), weights(other))


def test_rows_of_one_composition_and_of_one_group_stay_together():
    x, y = oxides(80)
    x, y = pd.concat([x, x[:40]], ignore_index=True), np.concatenate([y, y[:40] + 0.1])
    groups = np.arange(120) % 30
    model = ElemNetRegressor(**TINY, n_members=3, validation_share=0.3).fit(x, y, groups)
    for held_out in model.held_out_:
        rest = np.setdiff1d(np.arange(120), held_out)
        assert 10 < len(held_out) < 110
        assert not set(groups[held_out]) & set(groups[rest])
        is_out = np.isin(np.arange(120), held_out)
        np.testing.assert_array_equal(is_out[:40], is_out[80:])  # the same compositions
    assert not np.array_equal(model.held_out_[0], model.held_out_[1])


def test_holding_out_a_row_whose_composition_stays_is_refused():
    x, y = oxides(20)
    x, y = pd.concat([x, x[:1]], ignore_index=True), np.append(y, y[0])
    with pytest.raises(DataError, match="row 20"):
        ElemNetRegressor(**TINY).fit(x, y, held_out=[20])
    ElemNetRegressor(**TINY).fit(x, y, held_out=[0, 20])
    with pytest.raises(NotEnoughDataError, match="none can be"):
        ElemNetRegressor(**TINY).fit(x.iloc[[0, 0]], y[:2])


def test_a_killed_training_goes_on_to_the_same_weights(tmp_path):
    x, y = oxides(90)
    settings = {"width": 0.01, "epochs": 6, "least_steps": 1, "batch_size": 16, "n_members": 2}
    settings |= {"dropout": (0.1,) * 4, "random_state": 5}
    whole = ElemNetRegressor(**settings).fit(x, y)

    def kill(done, total, what):
        if done == 4:
            raise KilledError

    import matlever.compositions._elemnet_fit as fitting

    pause, fitting._BETWEEN_WRITES_S = fitting._BETWEEN_WRITES_S, -1.0
    try:
        with pytest.raises(KilledError):
            ElemNetRegressor(**settings).fit(x, y, checkpoint=tmp_path / "c", progress=kill)
        assert (tmp_path / "c" / "member_0").is_dir()
        calls = []
        again = ElemNetRegressor(**settings).fit(
            x, y, checkpoint=tmp_path / "c", progress=lambda *told: calls.append(told)
        )
        assert len(calls) < 12
        assert same(weights(whole), weights(again))
        assert whole.history_ == again.history_
        assert not (tmp_path / "c").exists()
        with pytest.raises(KilledError):
            ElemNetRegressor(**settings).fit(x, y, checkpoint=tmp_path / "c", progress=kill)
        with pytest.raises(SettingsError, match="other rows, or with other settings"):
            ElemNetRegressor(**settings).fit(x, y + 1e-3 * x["O"], checkpoint=tmp_path / "c")
    finally:
        fitting._BETWEEN_WRITES_S = pause


def test_a_model_folder_gives_the_same_predictions_and_intervals(tmp_path):
    x, y = oxides(120)
    y = np.stack([y, -y], axis=1)
    model = ElemNetRegressor(**TINY, n_members=2, calibration_share=0.3).fit(x, y)
    write_model(tmp_path / "m", model.to_state())
    again = restore(read_model(tmp_path / "m")[0])
    assert again.get_params() == model.get_params()
    assert again.predict(x).shape == (120, 2)
    for one, other in zip(
        (*model.predict(x, return_std=True), *model.predict_interval(x)),
        (*again.predict(x, return_std=True), *again.predict_interval(x)),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
    assert list(again.feature_names_in_) == ["Na", "Ti", "O"]
    assert again.history_ == model.history_


@pytest.mark.parametrize(
    ("name", "value"),
    [("networks", []), ("single_target", 3), ("seed", -1), ("settings", {"width": 0.01, "x": 1})],
)
def test_a_broken_state_is_refused(name, value):
    x, y = oxides(30)
    state = ElemNetRegressor(**TINY).fit(x, y).to_state()
    broken = State(state.kind, {**state.config, name: value}, state.arrays, state.parts)
    with pytest.raises(ModelFileError):
        ElemNetRegressor.from_state(broken)


def test_an_element_no_training_row_holds_has_no_influence_and_is_told():
    known = parse_formulas(["NaCl", "Na2O", "TiO2", "Ti2O3", "NaTi", "TiO", "TiCl4", "Cl2O"] * 3)
    model = ElemNetRegressor(**TINY).fit(known, np.linspace(-3, 0, 24))
    new = parse_formulas(["NaCl", "KCl", "NaTiO2", "Xe"])
    np.testing.assert_array_equal(model.unseen(new), [False, True, False, True])
    columns = np.flatnonzero(~model.seen_)
    assert not model.networks_[0].linear[0].weight[:, columns].any()
    assert model.n_features_in_ == 103


def test_compositions_are_matched_to_named_columns_and_foreign_elements_are_refused():
    x, y = oxides(40)
    model = ElemNetRegressor(**TINY).fit(x, y)
    formulas = parse_formulas(["NaTiO2", "TiO2"])
    columns = formulas.fractions[:, [ELEMENTS.index(e) for e in ("Na", "Ti", "O")]]
    np.testing.assert_array_equal(
        model.predict(formulas), model.predict(pd.DataFrame(columns, columns=list(x)))
    )
    with pytest.raises(DataError, match=r"'KTiO2' \(composition 1\) holds K"):
        model.predict(parse_formulas(["TiO2", "KTiO2"]))
    with pytest.raises(DataError, match="holds He"):
        ElemNetRegressor(**TINY, elements=ELEMNET_ELEMENTS).fit(
            parse_formulas(["NaHe2", "NaCl"]), [0.0, 1.0]
        )


def test_rows_that_are_no_fractions_are_refused_by_a_network_of_fractions():
    x, y = oxides(40)
    model = ElemNetRegressor(**TINY).fit(x, y)
    percent = 100 * x
    with pytest.raises(DataError, match=r"Row 0 .* sum to 100"):
        model.predict(percent)
    assert ElemNetRegressor(**TINY).fit(percent, y).predict(percent).shape == (40,)


def test_many_compositions_are_predicted_as_few_are():
    x = np.random.default_rng(0).dirichlet(np.full(103, 0.02), 9000)
    many = Compositions.from_fractions(x)
    model = ElemNetRegressor(**TINY).fit(many[:50], np.arange(50.0))
    found = model.predict(many)
    np.testing.assert_allclose(found[8190:8200], model.predict(many[8190:8200]), rtol=1e-5)


def test_cross_conformal_intervals_can_be_put_around_it():
    x, y = oxides(40)
    model = CrossConformalRegressor(ElemNetRegressor(**TINY), n_folds=4).fit(x, y)
    lower, upper = model.predict_interval(x)
    assert (lower < upper).all()
