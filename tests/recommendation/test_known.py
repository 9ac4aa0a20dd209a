"""Outcomes are checked before anything is fitted, and every fault is named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from matlever.exceptions import DataError, NotEnoughDataError
from matlever.knobs import as_editor
from matlever.recommendation._known import read_known
from matlever.recommendation.goals import read_goals

RUNS = pd.DataFrame({"t": [1.0, 2.0, 3.0, 4.0], "p": [0.1, 0.2, 0.1, 0.4]}, index=[2, 5, 6, 9])
EDITOR = as_editor(RUNS)


def test_rows_without_outcome_are_left_out_and_counted():
    outcomes = pd.DataFrame({"a": [1.0, np.nan, 3.0, np.nan], "b": [np.nan, np.nan, 5.0, 6.0]})
    known = read_known(EDITOR, RUNS, outcomes)
    assert known.labels == (2, 6, 9)
    assert known.n_without == 1
    np.testing.assert_array_equal(known.values, EDITOR.values(RUNS)[[0, 2, 3]])
    np.testing.assert_array_equal(known.column("b"), [np.nan, 5, 6])


def test_best_so_far_is_among_the_runs_inside_the_ranges():
    outcomes = pd.DataFrame({"a": [1.0, 9.0, 3.0, 4.0], "b": [1.0, 7.0, np.nan, 2.0]})
    known = read_known(EDITOR, RUNS, outcomes)
    assert known.best(read_goals({"a": "maximise", "b": (0, 3)}, known.targets)) == [3, 0]
    assert known.best(read_goals({"a": "maximise", "b": (8, 9)}, known.targets)) == [None, 1]
    assert known.best(read_goals({"a": 3.4, "b": "minimise"}, known.targets)) == [2, 0]


def test_all_cells_that_are_no_numbers_are_named():
    outcomes = pd.DataFrame({"a": [1.0, "high", 3.0, 4.0], "b": [1.0, 2.0, np.inf, 4.0]})
    with pytest.raises(DataError) as caught:
        read_known(EDITOR, RUNS, outcomes)
    assert "row 5, column 'a': 'high'" in str(caught.value)
    assert "row 6, column 'b': inf" in str(caught.value)


@pytest.mark.parametrize(
    ("outcomes", "says"),
    [
        ([1.0, 2.0], "4 samples but 2 outcomes"),
        (np.zeros((4, 1, 1)), "shape"),
        ([2.0, 2.0, 2.0, 2.0], "all 4 measured values are 2"),
        ([2.0, np.nan, np.nan, np.nan], "1 of 4 rows"),
        ([np.nan] * 4, "0 of 4 rows"),
    ],
)
def test_outcomes_that_cannot_be_used_are_refused(outcomes, says):
    with pytest.raises(DataError, match=says):
        read_known(EDITOR, RUNS, outcomes)


def test_every_target_without_enough_is_named():
    outcomes = pd.DataFrame({"a": [1.0] * 4, "b": [1.0, np.nan, np.nan, np.nan]})
    with pytest.raises(NotEnoughDataError, match=r"'a'.*\n.*'b'"):
        read_known(EDITOR, RUNS, outcomes)


def test_targets_of_a_series_and_of_arrays_have_names():
    named = pd.Series([1.0, 2, 3, 4], name="strength")
    assert read_known(EDITOR, RUNS, named).targets == ("strength",)
    assert read_known(EDITOR, RUNS, [1, 2, 3, 4]).targets == ("outcome",)
    assert read_known(EDITOR, RUNS, np.arange(8.0).reshape(4, 2)).targets == ("y0", "y1")
