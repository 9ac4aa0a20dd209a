"""Many compositions at once."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matlever.compositions import ELEMENTS, Compositions, element_properties, parse_formulas
from matlever.exceptions import DataError


def test_knows_fractions_atoms_systems_and_names() -> None:
    found = parse_formulas(["Na0.5Cl0.5", "FeO(OH)", "O3Fe2", "Ni3Al"])
    assert np.allclose(found.fractions.sum(axis=1), 1)
    assert found.n_atoms.tolist() == [1, 4, 5, 4]
    assert found.formulas == ("NaCl", "FeHO2", "Fe2O3", "AlNi3")
    assert found.systems == ("Cl-Na", "Fe-H-O", "Fe-O", "Al-Ni")
    assert found.sources == ("Na0.5Cl0.5", "FeO(OH)", "O3Fe2", "Ni3Al")
    assert repr(found) == "Compositions(4 of 7 elements: NaCl, FeHO2, Fe2O3, AlNi3)"


@pytest.mark.parametrize(
    "same",
    [
        ["Fe2O3", "FeO1.5", "O60Fe40", "Fe0.4O0.6", "(Fe2O3)7", "Fe0.6666666667O1"],
        ["Fe33Ni67", "Fe0.33Ni0.67", "Fe0.0033Ni0.0067"],
        ["Fe0.123456Ni0.876544", "Ni876544Fe123456"],
        ["Al12Mg17", "Al0.705882353Mg"],
    ],
)
def test_equal_compositions_have_equal_formulas(same: list[str]) -> None:
    assert len(set(parse_formulas(same).formulas)) == 1


def test_different_compositions_have_different_formulas() -> None:
    near = [
        "Fe2O3",
        "Fe2O3.0001",
        "Fe2.001O3",
        "FeO",
        "Fe0.333Ni0.667",
        "Fe0.3333Ni0.6667",
        "FeNi2",
    ]
    assert len(set(parse_formulas(near).formulas)) == len(near)


@pytest.mark.parametrize(
    "index", [slice(1, 3), np.array([2, 0, 2]), np.array([True, False, True, False]), [3], 1, -1]
)
def test_indexing_takes_rows_and_sources(index: object) -> None:
    found = parse_formulas(["NaCl", "CuSO4", "Fe2O3", "K"])
    places = np.atleast_1d(np.arange(4)[index])
    assert found[index].sources == tuple(found.sources[i] for i in places)
    assert np.array_equal(found[index].amounts, found.amounts[places])


def test_iteration_and_blocks_cover_all_rows() -> None:
    found = parse_formulas(["NaCl", "CuSO4", "Fe2O3"])
    assert [one.formulas[0] for one in found] == list(found.formulas)
    assert [len(block) for block in found.blocks(2)] == [2, 1]


def test_from_fractions_of_some_elements() -> None:
    found = Compositions.from_fractions([[0.4, 0.6], [1, 0]], elements=["Fe", "O"])
    assert found.formulas == ("Fe2O3", "Fe")
    assert found.sources == found.formulas


@pytest.mark.parametrize(
    ("values", "elements", "words"),
    [
        ([[0.4, -0.6]], ["Fe", "O"], "Composition 0: the amount of O is -0.6"),
        ([[0.4, np.nan]], ["Fe", "O"], "the amount of O is nan"),
        ([[1, 0], [0, 0]], ["Fe", "O"], "Composition 1: the amounts add up to 0"),
        ([[1, 0]], ["Fe", "Xx"], "The columns Xx must be symbols"),
        ([[1, 0]], ["Fe", "Fe"], "each once"),
        ([[1, 0, 0]], ["Fe", "O"], r"shape \(1, 3\); expected \(n, 2\)"),
    ],
)
def test_refuses_what_is_no_composition(
    values: list[list[float]], elements: list[str], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        Compositions.from_fractions(values, elements=elements)


def test_refuses_too_few_sources_and_columns() -> None:
    with pytest.raises(DataError, match="1 compositions, but 2 sources"):
        Compositions(np.eye(103)[:1], ["a", "b"])
    with pytest.raises(DataError, match=r"expected \(n, 103\)"):
        Compositions(np.eye(5))


def test_cannot_be_changed() -> None:
    found = parse_formulas(["NaCl"])
    with pytest.raises(AttributeError):
        found.rows = None  # type: ignore[misc, assignment]


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_dense_and_compressed_are_the_same(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    amounts = rng.uniform(0.1, 5, (n, 103)) * (rng.random((n, 103)) < 0.05)
    amounts[:, 7] += 1
    found = Compositions(amounts)
    assert np.array_equal(found.amounts, amounts)
    assert np.allclose(found.n_atoms, amounts.sum(axis=1), rtol=1e-14)
    assert np.allclose(found.fractions, amounts / amounts.sum(axis=1, keepdims=True), rtol=1e-13)


def test_elements_and_properties_agree_with_pymatgen() -> None:
    element = pytest.importorskip("pymatgen.core").Element
    assert list(ELEMENTS) == [element.from_Z(z).symbol for z in range(1, 104)]
    properties = element_properties()
    assert properties["Number"].tolist() == list(range(1, 104))
    ours = properties["AtomicWeight"][:94]
    theirs = np.array([float(element(symbol).atomic_mass) for symbol in ELEMENTS[:94]])
    assert np.abs(ours / theirs - 1).max() < 0.01
    chi = properties["Electronegativity"]
    known = ("H", "Li", "O", "F", "Ti", "Fe", "La", "Pb")
    assert [float(chi[ELEMENTS.index(s)]) for s in known] == [float(element(s).X) for s in known]


def test_properties_are_filled_only_on_demand() -> None:
    assert np.isnan(element_properties()["Electronegativity"][1])
    assert not np.isnan(np.array(list(element_properties(fill=True).values()))).any()
    with pytest.raises(ValueError, match="read-only"):
        element_properties()["Number"][0] = 3


def test_formulas_and_features_load_numpy_only() -> None:
    code = (
        "import sys, matlever.compositions as room; "
        "room.magpie_features(room.parse_formulas(['NaCl']).fractions); "
        "room.site_descriptors(['La3+'], ['Al3+']); "
        "print([m for m in ('torch', 'sklearn', 'pandas', 'scipy') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
