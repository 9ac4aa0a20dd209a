"""Magpie features against matminer, and what must not change them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matlever.compositions import (
    ELEMENTS,
    element_properties,
    magpie_features,
    magpie_imputed,
    magpie_names,
    parse_formulas,
)
from matlever.exceptions import DataError

VALUES = Path(__file__).parent / "data" / "matminer_magpie.csv"


def test_equal_matminer_to_a_millionth() -> None:
    # Written by benchmarks/matminer_values.py with matminer 0.10.1.
    theirs = pd.read_csv(VALUES)
    ours = magpie_features(parse_formulas(theirs["formula"]).fractions)
    assert list(theirs.columns[1:]) == list(magpie_names()[:142])
    expected = theirs.iloc[:, 1:].to_numpy()
    assert np.abs(ours[:, :142] - expected).max() < 1e-6


def test_the_first_132_columns_are_the_preset() -> None:
    names = magpie_names()
    assert len(names) == 144
    assert all(name.startswith("MagpieData ") for name in names[:132])
    assert names[0] == "MagpieData minimum Number"
    assert names[131] == "MagpieData mode SpaceGroupNumber"


def test_ionic_character_of_rock_salt_by_hand() -> None:
    chi = element_properties()["Electronegativity"]
    difference = chi[ELEMENTS.index("Cl")] - chi[ELEMENTS.index("Na")]
    expected = 1 - np.exp(-(difference**2) / 4)
    (found,) = magpie_features(parse_formulas("NaCl").fractions)
    assert found[-2:] == pytest.approx([expected, expected / 4])


def test_says_where_a_mean_stands_in() -> None:
    found = magpie_imputed(parse_formulas(["NaCl", "HeNa2", "ArF", "XeF2", "CfO2"]).fractions)
    assert found.tolist() == [False, True, True, False, True]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((2, 103)), "the amounts add up to 0"),
        (np.full((1, 103), np.nan), "the amount of H is nan"),
        (-np.eye(103)[:1], "the amount of H is -1"),
        (np.eye(86), r"expected \(n, 103\)"),
    ],
)
def test_refuses_what_is_no_composition(values: np.ndarray, words: str) -> None:
    with pytest.raises(DataError, match=words):
        magpie_features(values)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(ELEMENTS), st.floats(0.05, 20, allow_nan=False), min_size=1, max_size=7
        ),
        min_size=1,
        max_size=6,
    ),
    st.floats(0.01, 100),
)
def test_rows_are_independent_and_scale_free(drawn: list[dict[str, float]], factor: float) -> None:
    amounts = np.zeros((len(drawn), 103))
    for i, row in enumerate(drawn):
        for symbol, amount in row.items():
            amounts[i, ELEMENTS.index(symbol)] = amount
    together = magpie_features(amounts)
    alone = np.vstack([magpie_features(row[None]) for row in amounts])
    assert np.allclose(together, alone, rtol=1e-12)
    assert np.allclose(together, magpie_features(amounts * factor), rtol=1e-9, atol=1e-9)
    low, high, spread, mean = (together[:, i:132:6] for i in range(4))
    assert np.all(low <= mean + 1e-9)
    assert np.all(mean <= high + 1e-9)
    assert np.allclose(spread, high - low)
