"""Element fractions to a matrix: against the features themselves, whatever the columns' order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

from matlever.compositions import CompositionEncoder, magpie_features, magpie_names, parse_formulas
from matlever.compositions.elements import ELEMENTS
from matlever.compositions.restore import restore
from matlever.exceptions import DataError, ModelFileError

FORMULAS = ["NaCl", "Fe2O3", "BaTiO3", "Al0.7Ga0.3As", "CuZn"]


def frame_of(formulas: list[str]) -> pd.DataFrame:
    fractions = parse_formulas(formulas).fractions
    there = np.flatnonzero(fractions.any(axis=0))
    return pd.DataFrame(fractions[:, there], columns=[ELEMENTS[j] for j in there])


def test_attributes_are_those_of_the_formulas() -> None:
    rows = frame_of(FORMULAS)
    found = CompositionEncoder(fractions=False).fit_transform(rows)
    np.testing.assert_allclose(found, magpie_features(parse_formulas(FORMULAS).fractions))
    encoder = CompositionEncoder().fit(rows)
    names = encoder.get_feature_names_out().tolist()
    assert names == [*rows.columns, *magpie_names()]
    assert encoder.transform(rows).shape == (5, len(names))


@given(st.floats(0.01, 1000), st.permutations(range(12)))
def test_per_cent_and_the_order_of_columns_do_not_matter(scale: float, order: list[int]) -> None:
    rows = frame_of(FORMULAS)
    kept = [rows.columns[j] for j in order if j < rows.shape[1]]
    usual = CompositionEncoder(fractions=False).fit(rows).transform(rows)
    other = CompositionEncoder(fractions=False).fit(rows[kept]).transform(scale * rows[kept])
    np.testing.assert_allclose(other, usual, rtol=1e-9, atol=1e-9)


def test_other_columns_pass_and_symbols_that_are_taken_have_an_ending() -> None:
    rows = frame_of(["InAs", "GaAs", "InGaAs2"]).rename(columns={"In": "In fraction"})
    rows["T"] = [1.0, 2.0, 3.0]
    encoder = CompositionEncoder(physical=False).fit(rows)
    assert encoder.columns_ == ["Ga", "As", "In fraction"]
    np.testing.assert_allclose(encoder.transform(rows)[:, -1], [1, 2, 3])


@pytest.mark.parametrize("cells", [(-0.1, 1.1), (0.0, 0.0), (np.nan, 1.0)])
def test_rows_that_are_no_composition_are_named(cells: tuple[float, float]) -> None:
    rows = pd.DataFrame({"Fe": [0.5, 0.2], "O": [0.5, 0.8]}, index=[7, 8])
    encoder = CompositionEncoder().fit(rows)
    rows.loc[8] = cells
    with pytest.raises(DataError, match="row 8"):
        encoder.transform(rows)


def test_a_stored_encoder_is_the_same_and_a_hostile_one_is_refused() -> None:
    rows = frame_of(FORMULAS)
    encoder = clone(CompositionEncoder()).fit(rows)
    state = encoder.to_state()
    np.testing.assert_array_equal(restore(state).transform(rows), encoder.transform(rows))
    for change in (
        {"columns": ["Xx"]},
        {"columns": []},
        {"features": "Fe"},
        {"trace": 2.0},
        {"physical": 1},
    ):
        with pytest.raises(ModelFileError):
            restore(replace(state, config={**state.config, **change}))
