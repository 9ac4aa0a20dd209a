"""Folds: nobody is held out twice or never, and what belongs together stays together."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matlever.exceptions import NotEnoughDataError, SettingsError
from matlever.validation import FoldPlan, input_blocks, plan_folds


def test_rows_of_equal_inputs_share_a_block():
    frame = pd.DataFrame(
        {"a": [1.0, 2.0, 1.0, np.nan, np.nan, 1.0], "b": ["x", "x", "x", "y", "y", "z"]}
    )
    assert input_blocks(frame).tolist() == [0, 1, 0, 2, 2, 3]


def test_minus_zero_is_zero():
    assert input_blocks(np.array([[0.0], [-0.0]])).tolist() == [0, 0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30))
def test_blocks_are_the_rows_numpy_finds_equal(rows):
    X = np.array(rows, dtype=float)
    blocks = input_blocks(X)
    equal = (X[:, None] == X[None]).all(axis=2)
    np.testing.assert_array_equal(blocks[:, None] == blocks[None], equal)


@st.composite
def _tables(draw):
    n = draw(st.integers(4, 70))
    blocks = draw(st.none() | st.lists(st.integers(0, n), min_size=n, max_size=n))
    groups = draw(st.none() | st.lists(st.sampled_from("abcdefghijkl"), min_size=n, max_size=n))
    return n, groups, blocks, draw(st.integers(2, 12)), draw(st.integers(0, 99))


@settings(max_examples=120, deadline=None)
@given(_tables())
def test_plans_hold_out_each_row_once_and_never_part_what_belongs_together(case):
    n, groups, blocks, n_folds, seed = case
    try:
        plan = plan_folds(n, groups=groups, blocks=blocks, n_folds=n_folds, random_state=seed)
    except NotEnoughDataError:
        return  # everything hangs together
    for repeat in range(plan.n_repeats):
        held_out = np.concatenate([test for _, test in plan.splits(repeat)])
        assert sorted(held_out) == list(range(n))
    for train, test in plan:
        assert len(train)
        assert len(test)
        assert not set(train) & set(test)
        for together in (groups, blocks):
            if together is not None:
                assert not {together[i] for i in train} & {together[i] for i in test}
    assert len(list(plan)) == len(plan) == plan.n_folds * plan.n_repeats


def test_fold_sizes_differ_by_at_most_one_without_groups():
    plan = plan_folds(103, n_folds=10, random_state=3)
    for folds in plan.fold_of_row:
        sizes = np.bincount(folds)
        assert sizes.max() - sizes.min() <= 1
    assert (plan.n_folds, plan.n_repeats, plan.kind) == (10, 3, "k-fold")


def test_uneven_groups_are_spread_over_folds_and_repeats_differ():
    sizes = [40, 23, 17, 12, 11, 9, 8, 7, 7, 6, 5, 5, 5, 4, 3, 3, 2, 2, 1, 1]
    groups = pd.Series(np.repeat(np.arange(20), sizes), name="citation")
    plan = plan_folds(len(groups), groups=groups, n_folds=5)
    rows_in_fold = np.bincount(plan.fold_of_row[0])
    assert rows_in_fold.max() <= 40  # no fold larger than the largest group
    together = [folds[:, None] == folds[None] for folds in plan.fold_of_row]
    assert plan.n_repeats == 3
    assert not np.array_equal(together[0], together[1])
    assert plan.describe() == (
        "5-fold cross-validation, 3 repeats, whole groups of 'citation' held out (20 groups)"
    )


@pytest.mark.parametrize(("n", "repeats"), [(28, 5), (60, 5), (61, 3), (200, 3), (201, 1)])
def test_small_tables_are_repeated_more_often(n, repeats):
    assert plan_folds(n).n_repeats == repeats


def test_tiny_tables_leave_out_one_setting_at_a_time():
    blocks = [0, 0, 1, 2, 3, 4, 5, 5]
    plan = plan_folds(8, blocks=blocks)
    assert (plan.kind, plan.n_folds, plan.n_repeats) == ("leave-one-out", 6, 1)
    assert plan.describe() == (
        "leave-one-out cross-validation (6 different settings), replicates held out together"
    )


def test_few_groups_are_left_out_one_at_a_time():
    plan = plan_folds(30, groups=list("abc") * 10)
    assert (plan.kind, plan.n_folds, plan.n_repeats) == ("groups", 3, 1)
    assert plan.describe() == (
        "leave-one-group-out cross-validation, whole groups held out (3 groups)"
    )


def test_plan_survives_json():
    plan = plan_folds(40, groups=pd.Series(np.arange(40) // 3, name="day"), random_state=5)
    back = FoldPlan.from_dict(json.loads(json.dumps(plan.to_dict())))
    np.testing.assert_array_equal(back.fold_of_row, plan.fold_of_row)
    np.testing.assert_array_equal(back.unit_of_row, plan.unit_of_row)
    assert back.describe() == plan.describe()


def test_impossible_plans_say_why():
    with pytest.raises(NotEnoughDataError, match="1 groups"):
        plan_folds(10, groups=["a"] * 10)
    with pytest.raises(NotEnoughDataError, match="different settings"):
        plan_folds(10, blocks=[0] * 10)
    with pytest.raises(SettingsError, match="at least 2 folds"):
        plan_folds(10, n_folds=1)
    with pytest.raises(SettingsError, match="another length"):
        plan_folds(10, groups=["a"] * 9)


def test_settings_that_differ_by_rounding_are_one_setting():
    random = np.random.default_rng(0)
    X = random.uniform(0, 100, size=(20, 2))
    both = np.vstack([X, X + 1e-7 * random.normal(size=X.shape)])
    blocks = input_blocks(pd.DataFrame(both))
    np.testing.assert_array_equal(blocks[:20], blocks[20:])
    assert len(np.unique(blocks)) == 20
    apart = input_blocks(pd.DataFrame(np.vstack([X, X + 0.01])))
    assert len(np.unique(apart)) == 40
