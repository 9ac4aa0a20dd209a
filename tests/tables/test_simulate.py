"""The simulated nanorod law against what the study's text and table state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matlever.exceptions import SettingsError
from matlever.tables.simulate import NanorodLaw, simulate_nanorods

ROWS = st.tuples(st.floats(480, 580), st.floats(8, 70), st.floats(30, 180))


def test_the_aspect_ratios_printed_in_the_study_are_met():
    law = NanorodLaw()
    table = simulate_nanorods(noise=0.0)
    by_sample = table.set_axis(range(1, 29))  # sample numbers of the study
    same = by_sample.loc[[3, 11, 16, 28]]
    assert same["core absorption edge (nm)"].nunique() == same["S amount (mg)"].nunique() == 1
    assert by_sample.loc[3, "core amount (nmol)"] == 60
    assert by_sample.loc[28, "core amount (nmol)"] == 10
    assert by_sample.loc[8, "core absorption edge (nm)"] == 489
    assert by_sample.loc[19, "core absorption edge (nm)"] == 570
    printed = {3: 6.1, 28: 30.5, 8: 8.2, 19: 11.5}
    for sample, aspect_ratio in printed.items():
        assert by_sample.loc[sample, "aspect ratio"] == pytest.approx(aspect_ratio, abs=0.05)
    np.testing.assert_allclose(table.iloc[:, 3:], law.mean(table.iloc[:, :3]))


def test_spread_is_that_of_table_1():
    # MSE / (1 - R2) of the rows "original data": the variance of each target
    printed = np.sqrt([13.280 / 0.0239, 0.0038 / 0.0216, 0.9289 / 0.0270])
    found = [simulate_nanorods(random_state=s).iloc[:, 3:].std(ddof=0) for s in range(40)]
    np.testing.assert_allclose(np.mean(found, axis=0), printed, rtol=0.06)


@given(st.lists(ROWS, min_size=1, max_size=4))
def test_gradient_is_the_derivative_of_the_mean(rows):
    law, x = NanorodLaw(), np.array(rows)
    found = law.gradient(x)
    assert found.shape == (len(x), 3, 3)
    for k in range(3):
        h = np.zeros(3)
        h[k] = 1e-4 * x[0, k]
        numeric = (law.mean(x + h) - law.mean(x - h)) / (2 * h[k])
        np.testing.assert_allclose(found[:, :, k], numeric, rtol=1e-5, atol=1e-7)


@given(st.lists(ROWS, min_size=1, max_size=4))
def test_aspect_ratio_is_length_by_width_and_signs_are_the_studys(rows):
    law, x = NanorodLaw(), np.array(rows)
    length, width, aspect_ratio = law.mean(x).T
    np.testing.assert_array_equal(aspect_ratio, length / width)
    assert (law.gradient(x)[:, 0, 1] < 0).all()  # more cores, shorter rods
    # the length depends less on sulphur when there are more cores
    few, many = np.array(x), np.array(x)
    few[:, 1], many[:, 1] = 10, 60
    few_slope = law.gradient(few)[:, 0, 2] / law.mean(few)[:, 0]
    assert (few_slope > law.gradient(many)[:, 0, 2] / law.mean(many)[:, 0]).all()


def test_core_amount_rules_length_and_sulphur_rules_width():
    table = simulate_nanorods()
    x = table.iloc[:, :3].to_numpy()
    weight = np.abs(NanorodLaw().gradient(x) * x.std(axis=0)).mean(axis=0)
    assert weight[0].argmax() == weight[2].argmax() == 1
    assert weight[1].argmax() == 2


def test_table_is_reproducible_noisy_and_said_to_be_simulated():
    table = simulate_nanorods(n_validation=3)
    assert table.attrs == {"simulated": True, "n_validation": 3}
    assert len(table) == 31
    assert table.equals(simulate_nanorods(n_validation=3))
    assert not table.equals(simulate_nanorods(n_validation=3, random_state=1))
    assert table.isna().sum().sum() == 0
    np.testing.assert_allclose(
        table["aspect ratio"], table["length (nm)"] / table["width (nm)"], rtol=1e-12
    )
    ratio = np.log(
        simulate_nanorods(4000, noise=0.1)["length (nm)"]
        / simulate_nanorods(4000, noise=0.0)["length (nm)"]
    )
    assert ratio.std() == pytest.approx(0.1, rel=0.05)


def test_another_law_is_used():
    law = replace(NanorodLaw(), length_0_nm=80.0)
    base, other = simulate_nanorods(noise=0.0), simulate_nanorods(noise=0.0, law=law)
    np.testing.assert_allclose(other["length (nm)"] / base["length (nm)"], 80.0 / 38.6)


@pytest.mark.parametrize("wrong", [{"n": 0}, {"noise": -0.1}, {"n_validation": -1}])
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        simulate_nanorods(**wrong)


@pytest.mark.parametrize("x", [np.ones((2, 2)), np.ones(3), -np.ones((1, 3))])
def test_law_refuses_other_inputs(x):
    with pytest.raises(SettingsError, match="nanorod law"):
        NanorodLaw().mean(x)
