from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matlever.exceptions import DataError, ModelFileError
from matlever.storage import State
from matlever.tables.encoder import TableEncoder
from matlever.tables.table_regressor import TableRegressor
from matlever.tables.tree_ensemble import TreeEnsemble


@pytest.fixture
def runs():
    return pd.DataFrame(
        {
            "T": [120.0, np.nan, 160.0, 100.0],
            "solvent": ["ODE", "oleic", None, "ODE"],
            "stirred": [True, False, True, True],
            "None": ["None", "b", "b", "None"],
        },
        index=[7, 3, 9, 11],
    )


def test_categories_become_columns_and_gaps_the_median(runs):
    encoder = TableEncoder().fit(runs)
    names = ["T", "solvent=ODE", "solvent=oleic", "stirred", "None=None", "None=b"]
    assert encoder.get_feature_names_out().tolist() == names
    expected = pd.concat(
        [
            runs["T"].fillna(120.0),
            pd.get_dummies(runs["solvent"], dtype=float),
            runs["stirred"].astype(float),
            pd.get_dummies(runs["None"], dtype=float),
        ],
        axis=1,
    )
    np.testing.assert_array_equal(encoder.transform(runs), expected)


def test_new_levels_and_new_ranges_are_zero_and_outside(runs):
    encoder = TableEncoder().fit(runs)
    new = runs.iloc[:2].copy()
    new.iloc[0, 1], new.iloc[1, 0] = "toluene", 161.0
    encoded = encoder.transform(new)
    np.testing.assert_array_equal(encoded[0, 1:3], [0, 0])
    np.testing.assert_array_equal(
        encoder.outside(new), [[False, True, False, False], [True, False, False, False]]
    )


def test_the_same_levels_in_another_type_are_the_same(runs):
    encoder = TableEncoder().fit(runs)
    expected = encoder.transform(runs)
    other = runs.astype({"solvent": "category", "None": object})
    np.testing.assert_array_equal(encoder.transform(other), expected)
    grades = pd.DataFrame({"grade": ["1", "2", "2"], "x": [1, 2, 3]})
    encoder = TableEncoder().fit(grades)
    np.testing.assert_array_equal(
        encoder.transform(grades.assign(grade=[1, 2, 2])), encoder.transform(grades)
    )


def test_a_column_without_a_value_in_the_training_rows_is_zero_ever_after():
    frame = pd.DataFrame({"a": [np.nan, np.nan], "b": [1.0, 2.0]})
    encoder = TableEncoder().fit(frame)
    encoder = TableEncoder.from_state(encoder.to_state())
    new = pd.DataFrame({"a": [7.0, np.nan], "b": [1.5, 1.0]})
    np.testing.assert_array_equal(encoder.transform(new), [[0, 1.5], [0, 1]])
    np.testing.assert_array_equal(encoder.outside(new), [[True, False], [False, False]])
    with pytest.raises(DataError, match="nothing to learn from"):
        TableEncoder().fit(frame[["a"]])
    with pytest.raises(DataError, match="nothing to learn from"):
        TableEncoder().fit(pd.DataFrame({"a": [np.nan] * 2, "c": np.array([None] * 2, object)}))


def test_folds_without_any_value_of_a_sparse_input_are_fitted():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.uniform(size=30), "b": np.full(30, np.nan)})
    X.loc[[3, 4, 5], "b"] = [1.0, 2.0, 3.0]
    y = X["a"].to_numpy() + 0.01 * rng.standard_normal(30)
    model = TableRegressor(TreeEnsemble(n_trees=50, random_state=0))
    known = np.array([3, 4, 5])  # all of them in one fold, so that the others train on none
    tasks = [(X.drop(index=known), np.delete(y, known)), (X.iloc[3:], y[3:])]
    without, some = model.fit_batch(tasks)
    assert np.abs(without.predict(X) - y).max() < 0.3
    assert np.abs(some.predict(X) - y).max() < 0.3
    changed = X.assign(b=99.0)
    np.testing.assert_array_equal(without.predict(changed), without.predict(X))


def test_an_announced_number_of_inputs_is_not_believed():
    state = TableEncoder().fit(np.ones((2, 2))).to_state()
    for n in (3, 10**12):
        with pytest.raises(ModelFileError, match="'median' has shape"):
            TableEncoder.from_state(
                State(state.kind, {**state.config, "n_features": n}, state.arrays, state.parts)
            )


def test_values_that_cannot_be_numbers_are_named():
    encoder = TableEncoder().fit(pd.DataFrame({"b": [1.0, 2.0]}))
    with pytest.raises(DataError, match="column 'b': holds text"):
        encoder.transform(pd.DataFrame({"b": ["1", "hot"]}))
    with pytest.raises(DataError, match="column 'b': holds a value that is infinity"):
        encoder.transform(pd.DataFrame({"b": [1.0, np.inf]}))


def test_columns_must_be_those_of_fit(runs):
    encoder = TableEncoder().fit(runs)
    with pytest.raises(ValueError, match="feature names"):
        encoder.transform(runs.rename(columns={"T": "temperature"}))


text = st.text(max_size=5)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-1e9, 1e9) | st.none(), st.none() | text), min_size=1, max_size=12)
)
def test_round_trip_through_a_state_changes_nothing(rows):
    frame = pd.DataFrame(
        {
            "number": pd.Series([row[0] for row in rows], dtype=float),
            "level": pd.Series([row[1] for row in rows], dtype=object),
        }
    )
    if frame["number"].isna().all():
        frame["number"] = 0.0
    encoder = TableEncoder().fit(frame)
    state = encoder.to_state()
    twin = TableEncoder.from_state(
        State(state.kind, dict(state.config), dict(state.arrays), dict(state.parts))
    )
    np.testing.assert_array_equal(twin.transform(frame), encoder.transform(frame))
    assert twin.get_feature_names_out().tolist() == encoder.get_feature_names_out().tolist()
    assert not encoder.outside(frame).any()
    assert np.isfinite(encoder.transform(frame)).all()
