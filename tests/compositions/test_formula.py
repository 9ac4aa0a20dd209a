"""Formulas as people write them, and what is said of those that cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matlever.compositions import ELEMENTS, parse_formulas
from matlever.compositions._formula_bytes import read_plain
from matlever.compositions._formula_text import read_formula
from matlever.compositions.formula import read_formulas
from matlever.exceptions import DataError


def amounts(formula: str) -> dict[str, float]:
    (row,) = parse_formulas([formula]).amounts
    return {ELEMENTS[j]: round(float(row[j]), 12) for j in np.flatnonzero(row)}


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("NaCl", {"Na": 1, "Cl": 1}),
        ("Ca(OH)2", {"Ca": 1, "O": 2, "H": 2}),
        ("K4[ON(SO3)2]2", {"K": 4, "O": 14, "N": 2, "S": 4}),
        ("{Fe[Co(Ni2)3]2}2", {"Fe": 2, "Co": 4, "Ni": 24}),
        ("Fe0.5Ni0.5", {"Fe": 0.5, "Ni": 0.5}),
        ("CuSO4·5H2O", {"Cu": 1, "S": 1, "O": 9, "H": 10}),
        ("CuSO4.5H2O", {"Cu": 1, "S": 1, "O": 9, "H": 10}),
        ("CaSO4*0.5H2O", {"Ca": 1, "S": 1, "O": 4.5, "H": 1}),
        ("CaSO4.0.5H2O", {"Ca": 1, "S": 1, "O": 4.5, "H": 1}),
        ("CuSO4 • H2O", {"Cu": 1, "S": 1, "O": 5, "H": 2}),
        ("Li0.5H2O", {"Li": 0.5, "H": 2, "O": 1}),
        ("Fe₂O₃", {"Fe": 2, "O": 3}),
        ("Fe$_{2}$O$_3$", {"Fe": 2, "O": 3}),
        ("Fe<sub>2</sub>O<sub>3</sub>", {"Fe": 2, "O": 3}),
        ("  Fe2 O3 ", {"Fe": 2, "O": 3}),
        ("Pb(Mg1/3Nb2/3)O3", {"Pb": 1, "Mg": 1 / 3, "Nb": 2 / 3, "O": 3}),
        ("0.7PbTiO3-0.3PbZrO3", {"Pb": 1, "Ti": 0.7, "Zr": 0.3, "O": 3}),
        ("Al0CoCrFeNi", {"Co": 1, "Cr": 1, "Fe": 1, "Ni": 1}),
        ("Fe1e-3Ni", {"Fe": 0.001, "Ni": 1}),
        ("Fe.5Ni.5", {"Fe": 0.5, "Ni": 0.5}),
        ("HOHOHO", {"H": 3, "O": 3}),
    ],
)
def test_reads_what_people_write(formula: str, expected: dict[str, float]) -> None:
    assert amounts(formula) == {name: round(value, 12) for name, value in expected.items()}


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("Mo0", "Did you mean MoO"),
        ("NAcl", "Did you mean NaCl"),
        ("fe2o3", "Did you mean Fe2O3"),
        ("Zz2O3", "Similar symbols: Zr, Zn"),
        ("Fe2(SO4", "the bracket '(' at character 4 is never closed"),
        ("Fe2SO4)3", "closes a bracket ')' at character 7 that was never opened"),
        ("Fe2(SO4]3", "'(' at character 4 is closed by ']' at character 8"),
        ("Fe2(S(O4]3)", "is closed by ']'"),
        ("", "the formula is empty"),
        ("   ", "the formula is empty"),
        ("nan", "is no formula"),
        ("NaN", "write Na1N1 if sodium and nitrogen are meant"),
        (float("nan"), "the formula is empty"),
        (None, "the formula is empty"),
        (3.5, "is a float, not the text of a formula"),
        ("Fe3+", "an ion with a charge"),
        ("SO4^2-", "an ion with a charge"),
        ("SO₄²⁻", "an ion with a charge"),
        ("La1-xSrxMnO3", "a variable such as x"),
        ("LaxMnO3", "a variable such as x"),
        ("YBa2Cu3O7-δ", "a variable such as x"),
        ("D2O", "D (deuterium) at character 1. Isotopes are not told apart: write H"),
        ("Rf", "Only elements from H to Lr"),
        ("Ti-6Al-4V", "a negative amount or a hyphen at character 3"),
        ("Fe-2", "a negative amount"),
        ("Fe0,5Ni0,5", "a comma. Use a decimal point"),
        ("Fe2..3", "a number at character 5 that belongs to no element"),
        ("TiO2 (rutile)", "'rutile' at character 6 is not an element"),
        ("Fe 2 3", "a space within a number"),
        ("Fe()2", "no element at character 4"),
        ("2", "no element at the end"),
        ("NaCl·", "a dot with nothing before or after it"),
        ("Fe0Ni0", "amounts that add up to 0"),
        ("Fe1/0", "divides by zero"),
        ("Fe1e999", "too large for a number"),
        ("Fe@C60", "'@' at character 3"),
    ],
)
def test_names_what_is_wrong(formula: object, words: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_formulas([formula], file="runs.csv", column="alloy", rows=[7])
    assert words in str(caught.value)
    assert str(caught.value).startswith("runs.csv, row 7, column 'alloy': ")


def test_collects_every_fault() -> None:
    with pytest.raises(DataError) as caught:
        parse_formulas(["NaCl", "Xx", "Fe2O3", "(", None], rows=[2, 3, 4, 5, 6])
    assert [fault.row for fault in caught.value.faults] == [3, 5, 6]
    with pytest.raises(DataError, match="formula 1: 'Xx'"):
        parse_formulas(["NaCl", "Xx"])


def test_a_fault_does_not_disturb_its_neighbours() -> None:
    good = ["Fe2O3", "Ca(OH)2", "K4[ON(SO3)2]2", "CuSO4·5H2O", "Fe0.5Ni0.5"]
    odd = [")", "((", "Fe\nNi", "Fe2O3·", "é", "", "[Fe)2", "12", "Fe1.2.3"]
    mixed = [f for pair in zip(odd, good * 2, strict=False) for f in pair]
    rows, plain = read_plain(mixed)
    expected = parse_formulas(mixed[1::2]).amounts
    found = rows.dense()[1::2]
    kept = plain[1::2]
    assert kept.sum() == 7  # the two hydrates are left to the reader of single formulas
    assert np.array_equal(found[kept], expected[kept])
    assert not plain[::2].any()


def test_number_of_rows_must_fit() -> None:
    with pytest.raises(DataError, match="2 formulas, but 1 rows"):
        parse_formulas(["NaCl", "KCl"], rows=[2])


def test_no_formulas_give_no_compositions() -> None:
    assert len(parse_formulas([])) == 0
    assert parse_formulas([]).fractions.shape == (0, 103)


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        pytest.param("critexam_ef.csv.gz", 85_014, marks=pytest.mark.slow),
        ("expt_gap.csv", 4_604),
        ("steels_yield.csv", 312),
    ],
)
def test_agrees_with_pymatgen_on_real_formulas(data_dir: Path, name: str, rows: int) -> None:
    composition = pytest.importorskip("pymatgen.core").Composition
    formulas = pd.read_csv(data_dir / "tables" / name)["formula"].tolist()
    assert len(formulas) == rows
    ours = parse_formulas(formulas).amounts
    theirs = np.zeros((rows, 103))
    for i, formula in enumerate(formulas):
        for symbol, amount in composition(formula).get_el_amt_dict().items():
            theirs[i, ELEMENTS.index(symbol)] = amount
    assert np.abs(ours - theirs).max() < 1e-9


numbers = st.one_of(
    st.just(""),
    st.integers(1, 9999).map(str),
    st.floats(1e-4, 1e4, allow_nan=False).map(lambda x: f"{x:.4f}"),
)
groups = st.recursive(
    st.tuples(st.sampled_from(ELEMENTS), numbers).map("".join),
    lambda inner: st.tuples(
        st.sampled_from(["()", "[]", "{}"]), st.lists(inner, min_size=1, max_size=3), numbers
    ).map(lambda x: x[0][0] + "".join(x[1]) + x[0][1] + x[2]),
    max_leaves=6,
)


@given(st.lists(st.lists(groups, min_size=1, max_size=4).map("".join), min_size=1, max_size=8))
def test_both_readers_agree(formulas: list[str]) -> None:
    rows, plain = read_plain(formulas)
    dense = rows.dense()
    for formula, found, is_plain in zip(formulas, dense, plain, strict=True):
        if not is_plain:  # ends in something like ".5H2O"
            continue
        expected = np.zeros(103)
        for column, amount in read_formula(formula).items():
            expected[column] = amount
        assert np.allclose(found, expected, rtol=1e-12, atol=0)


@given(
    st.lists(
        st.dictionaries(st.sampled_from(ELEMENTS), st.integers(1, 500), min_size=1, max_size=6),
        min_size=1,
        max_size=5,
    )
)
def test_a_reduced_formula_is_read_back_as_the_same_composition(
    drawn: list[dict[str, int]],
) -> None:
    texts = ["".join(f"{name}{n}" for name, n in row.items()) for row in drawn]
    first = parse_formulas(texts)
    again = parse_formulas(first.formulas)
    assert np.abs(again.fractions - first.fractions).max() < 1e-5
    assert again.formulas == first.formulas


@given(st.text(alphabet="ABCFeNiO()[]{}0123.·*-+/ \nxé", max_size=12))
def test_any_text_is_read_or_refused_with_words(text: str) -> None:
    rows, faults = read_formulas([text])
    if faults:
        assert len(faults) == 1
        assert faults[0].remedy
    else:
        assert np.isfinite(rows.values).all()
        assert rows.sums()[0] > 0
