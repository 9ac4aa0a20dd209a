"""Site descriptors, the network and its ensemble."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from matlever.compositions import (
    PerovskiteNetwork,
    PerovskiteRegressor,
    ordering_code,
    site_descriptors,
    site_names,
)
from matlever.compositions._ions import _table, ionic_radius, pauling
from matlever.exceptions import DataError, ModelFileError, SettingsError
from matlever.storage import State


@pytest.mark.parametrize(
    ("ion", "coordination", "radius"),
    [  # R. D. Shannon, Acta Crystallogr. A 32 (1976) 751-767, Table 1
        (("La", 3), 12, 1.36),
        (("Ba", 2), 12, 1.61),
        (("Ti", 4), 6, 0.605),
        (("Al", 3), 4, 0.39),
        (("Fe", 3), 6, 0.645),  # high spin
        (("Y", 3), 8, 1.019),
    ],
)
def test_radii_are_shannons(ion: tuple[str, int], coordination: int, radius: float) -> None:
    assert ionic_radius(ion, coordination) == (radius, True)


def test_radii_and_electronegativities_agree_with_pymatgen() -> None:
    core = pytest.importorskip("pymatgen.core")
    roman = {4: "IV", 6: "VI", 8: "VIII", 12: "XII"}
    checked = 0
    for ion, known in _table()[0].items():
        for coordination in known.keys() & roman.keys():
            by_spin = core.Element(ion[0]).data["Shannon radii"][str(ion[1])][roman[coordination]]
            if len(by_spin) == 1:
                (value,) = by_spin.values()
                assert known[coordination] == pytest.approx(value["ionic_radius"], abs=1e-9)
                checked += 1
        assert pauling(ion) == pytest.approx(core.Element(ion[0]).X)
    assert checked > 250


def test_missing_coordination_moves_the_nearest_by_the_mean_difference() -> None:
    radii = _table()[0]
    both = [r[12] - r[8] for r in radii.values() if 12 in r and 8 in r]
    value, tabulated = ionic_radius(("Bi", 3), 12)
    assert not tabulated
    assert value == pytest.approx(radii["Bi", 3][8] + np.mean(both))
    assert 1.1 < ionic_radius(("Tm", 3), 12)[0] < 1.3


def test_mixed_sites_average() -> None:
    pure = site_descriptors(["La3+", "Sr2+"], ["Al3+", "Al3+"])
    for written in ("La3+ 0.7 Sr2+ 0.3", "La3+:7, Sr2+:3", {"Sr2+": 0.3, "La3+": 0.7}):
        (mixed,) = site_descriptors([written], ["Al3+"])
        assert mixed == pytest.approx(0.7 * pure[0] + 0.3 * pure[1])


def test_garnets_have_three_sites() -> None:
    found = site_descriptors(["Y3+"], ["Al3+"], ["Al3+"], structure="garnet")
    assert found.tolist() == [[1.22, 1.019, 1.61, 0.535, 1.61, 0.39]]
    assert site_names("garnet")[1] == "C_radius_angstrom"
    six = site_descriptors(["Y3+"], ["Al3+"], ["Al3+"], structure="garnet", radius="six")
    assert six[0, [1, 3, 5]].tolist() == [0.9, 0.535, 0.535]


def test_all_faults_of_sites_come_together() -> None:
    with pytest.raises(DataError) as caught:
        site_descriptors(
            ["La3+", "Xx3+", "La", {"La3+": -1.0}, "La5+", "La3+ Sr2+", {}],
            ["Al3+"] * 5 + ["Al3+ 0", "Al3+"],
        )
    said = str(caught.value)
    for words in (
        "row 1, column 'A': 'Xx3+' has no Shannon radius",
        "row 2, column 'A': the site 'La' cannot be read. Write ions such as La3+",
        "row 3, column 'A': the share of La3+ is -1.0",
        "row 4, column 'A': 'La5+' has no Shannon radius. Known: La3+",
        "row 5, column 'A': the site 'La3+ Sr2+' has an ion without its share",
        "row 6, column 'A': the site is empty",
        "row 5, column 'B': the share of Al3+ is 0.0",
    ):
        assert words in said


def test_settings_must_fit() -> None:
    with pytest.raises(SettingsError, match="has 2 cation sites"):
        site_descriptors(["La3+"])
    with pytest.raises(SettingsError, match="1, 2 rows"):
        site_descriptors(["La3+"], ["Al3+", "Al3+"])
    with pytest.raises(SettingsError, match="structure='spinel'"):
        site_descriptors(["La3+"], ["Al3+"], structure="spinel")  # type: ignore[arg-type]


@given(st.integers(1, 40), st.data())
def test_ordering_codes_are_different_and_of_one_length(n: int, data: st.DataObject) -> None:
    codes = {tuple(ordering_code(i, n)) for i in range(n)}
    assert len(codes) == n
    assert {len(code) for code in codes} == {n.bit_length()}
    with pytest.raises(SettingsError):
        ordering_code(data.draw(st.integers(n, 100)), n)


def test_network_has_the_published_shape() -> None:
    published = PerovskiteNetwork(n_inputs=13, hidden=(22, 8), activations=("relu", "linear"))
    shapes = [tuple(p.shape) for p in published.parameters()]
    assert shapes == [(22, 13), (22,), (8, 22), (8,), (1, 8), (1,)]
    y = published(torch.randn(5, 13))
    assert y.shape == (5, 1)
    y.sum().backward()
    assert all(p.grad is not None for p in published.parameters())
    with pytest.raises(SettingsError):
        PerovskiteNetwork(hidden=(4,), activations=("tanh",))
    with pytest.raises(SettingsError):
        PerovskiteNetwork(hidden=(0,))


def smooth(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(seed).uniform(0.5, 1.5, (n, 4))
    return X, np.abs(X[:, 0] - 1.0) - 0.3 * X[:, 3]


def test_learns_and_its_networks_predict_the_same() -> None:
    X, y = smooth()
    model = PerovskiteRegressor(n_members=3, n_steps=1500, random_state=0).fit(X, y)
    mean, std = model.predict(X, return_std=True)
    assert np.abs(mean - y).mean() < 0.01
    assert (std > 0).all()
    z = torch.from_numpy((X - model.x_mean_) / model.x_scale_).float()
    members = [net(z)[:, 0].detach().numpy() for net in model.networks()]
    again = np.mean(members, axis=0) * model.y_scale_ + model.y_mean_
    assert again == pytest.approx(mean, abs=1e-5)


def test_a_batch_is_as_fitted_alone_and_seeds_repeat() -> None:
    X, y = smooth()
    model = PerovskiteRegressor(n_members=2, n_steps=60, random_state=3)
    alone = [clone(model).fit(X[:k], y[:k]).predict(X) for k in (40, 60)]
    batch = model.fit_batch([(X[:40], y[:40]), (X, y)])
    for one, other in zip(alone, batch, strict=True):
        assert one == pytest.approx(other.predict(X), abs=1e-4)
    assert np.array_equal(alone[1], clone(model).fit(X, y).predict(X))


def test_state_gives_the_same_predictions() -> None:
    X, y = smooth()
    model = PerovskiteRegressor(hidden=(5, 3), n_members=2, n_steps=30, random_state=1).fit(X, y)
    state = model.to_state()
    again = PerovskiteRegressor.from_state(state)
    assert np.array_equal(model.predict(X), again.predict(X))
    assert again.get_params() == model.get_params()
    with pytest.raises(ModelFileError):
        PerovskiteRegressor.from_state(State("Other"))
    config = {**state.config, "params": {**state.config["params"], "hidden": [5]}}
    with pytest.raises(ModelFileError):
        PerovskiteRegressor.from_state(State(state.kind, config, state.arrays))
    config = {**state.config, "params": {**state.config["params"], "wrong": 1}}
    with pytest.raises(ModelFileError):
        PerovskiteRegressor.from_state(State(state.kind, config, state.arrays))


def test_bad_settings_are_refused_in_fit() -> None:
    X, y = smooth(20)
    for wrong in ({"n_members": 0}, {"n_steps": 0}, {"learning_rate": -1.0}, {"hidden": (0,)}):
        with pytest.raises(SettingsError):
            PerovskiteRegressor(**wrong).fit(X, y)  # type: ignore[arg-type]


@parametrize_with_checks([PerovskiteRegressor(n_members=1, n_steps=400, random_state=0)])
def test_keeps_the_rules_of_scikit_learn(estimator: object, check: object) -> None:
    check(estimator)  # type: ignore[operator]
