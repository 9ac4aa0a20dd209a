"""Crystals by rows: a row as it is gives back its crystal; graphs are the same however asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone

from matlever.crystals import CGCNNRegressor, Crystals
from matlever.crystals.library import STRUCTURE, CrystalLibrary
from matlever.crystals.structure_regressor import StructureRegressor
from matlever.exceptions import DataError, ModelFileError, SettingsError

SITES = np.array([[0, 0, 0], [0.5, 0.5, 0.5]])
METALS, ANIONS = (11, 19, 37), (9, 17, 35)


@pytest.fixture(scope="module")
def salts() -> Crystals:
    pairs = [(metal, anion) for metal in METALS for anion in ANIONS]
    edges = [2.5 + 0.02 * metal + 0.01 * anion for metal, anion in pairs]
    return Crystals.from_arrays(
        [edge * np.eye(3) for edge in edges],
        [2] * len(pairs),
        np.ravel(pairs),
        np.tile(SITES, (len(pairs), 1)),
        [f"s{k}" for k in range(len(pairs))],
    )


@pytest.fixture
def library(salts) -> CrystalLibrary:
    return CrystalLibrary(salts, radius=6.0, n_neighbours=8)


def test_rows_as_they_are_give_back_the_crystals(library, salts) -> None:
    found = library.crystals_of(library.frame())
    np.testing.assert_array_equal(found.numbers, salts.numbers)
    np.testing.assert_allclose(found.lattices, salts.lattices)


def test_graphs_do_not_depend_on_what_else_is_asked(library) -> None:
    rows = library.frame()
    changed = rows.assign(**{"volume strain": np.linspace(0, 5, len(rows))})
    together = library.graphs_of(changed)
    for i in range(len(rows)):
        alone = CrystalLibrary(library.crystals, radius=6.0, n_neighbours=8).graphs_of(
            changed.iloc[[i]]
        )
        np.testing.assert_array_equal(alone.numbers, together[[i]].numbers)
        np.testing.assert_allclose(alone.distances, together[[i]].distances, atol=1e-5)


def test_a_substituted_row_has_the_element_and_the_strain_that_it_says(library) -> None:
    rows = library.frame().iloc[[0]]
    metal = next(name for name in rows.columns if rows[name].iloc[0] == "Na")
    edited = library.crystals_of(rows.assign(**{metal: "K", "volume strain": 10.0}))
    plain = library.crystals_of(rows.assign(**{metal: "K"}))
    assert edited.numbers.tolist() == [19, 9]
    assert edited.volumes[0] / plain.volumes[0] == pytest.approx(1.1)


def test_unknown_names_are_refused_and_added_crystals_are_known(library, salts) -> None:
    rows = library.frame().iloc[[0]]
    with pytest.raises(DataError, match="s99"):
        library.crystals_of(rows.assign(**{STRUCTURE: "s99"}))
    added = library.add(salts[[3]])
    assert added[STRUCTURE].tolist() == ["s3 (new)"]
    np.testing.assert_allclose(library.crystals_of(added).lattices, salts[[3]].lattices)


def test_a_stored_library_and_its_regressor_predict_alike(library, tmp_path) -> None:
    rows = library.frame()
    y = np.arange(len(rows), dtype=float)
    model = StructureRegressor(CGCNNRegressor(n_epochs=2, radius=6.0, n_neighbours=8), library)
    fitted = clone(model).fit(rows, y)
    assert fitted.library is library
    again = StructureRegressor.from_state(fitted.to_state())
    with pytest.raises(SettingsError, match="bind"):
        again.predict(rows)
    again.bind(CrystalLibrary.from_state(library.to_state()))
    np.testing.assert_allclose(again.predict(rows), fitted.predict(rows), atol=1e-6)


def test_hostile_libraries_are_refused(library) -> None:
    state = library.to_state()
    for change in ({"ids": "s"}, {"radius": -1.0}, {"n_neighbours": 10**9}, {"editor": {}}):
        with pytest.raises(ModelFileError):
            CrystalLibrary.from_state(replace(state, config={**state.config, **change}))
    broken = {**state.arrays, "n_atoms": state.arrays["n_atoms"] * 2}
    with pytest.raises(ModelFileError):
        CrystalLibrary.from_state(replace(state, arrays=broken))
