"""Rows of a table as settings of knobs, and back."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matlever.exceptions import DataError, SettingsError
from matlever.knobs import (
    Editor,
    Knob,
    KnobSpace,
    LinearRelation,
    Mixture,
    predict_settings,
)
from matlever.knobs.table_editor import TableEditor
from matlever.tables.table import Column, Table
from matlever.tables.table import Mixture as TableMixture

RUNS = pd.DataFrame(
    {
        "amount": [10.0, 30.5, np.nan, 60.0],
        "seed": ["CdSe", "ZnSe", "CdSe", None],
        "stirring": [1.0, 2.0, 3.0, 3.0],
        "S": [0.25, 0.5, 1.0, 0.0],
        "Se": [0.75, 0.5, 0.0, 1.0],
    },
    index=[2, 3, 4, 5],
)
COMPLETE = RUNS.fillna({"amount": 20.0, "seed": "CdSe"})


def make_editor(**options):
    return TableEditor.from_frame(
        RUNS, units={"amount": "nmol"}, mixtures=[Mixture(("S", "Se"))], **options
    )


def test_from_frame_reads_limits_kinds_levels_and_what_fills_a_gap():
    editor = make_editor(fixed=["stirring"], limits={"amount": (5, 80)})
    assert isinstance(editor, Editor)
    assert [knob.kind for knob in editor.space] == [
        "continuous",
        "categorical",
        "integer",
        "continuous",
        "continuous",
    ]
    assert editor.space["amount"] == Knob("amount", "nmol", lower=5, upper=80)
    assert editor.space["seed"].levels == ("CdSe", "ZnSe")
    assert editor.space["stirring"].fixed
    np.testing.assert_array_equal(
        editor.values(RUNS)[:, :2], [[10, 0], [30.5, 1], [30.5, 0], [60, 0]]
    )


def test_from_table_takes_units_mixtures_and_holds_dates():
    frame = COMPLETE.assign(day=[17000.0, 17001.0, 17003.0, 17010.0], y=[1.0, 2.0, 3.0, 4.0])
    columns = [
        Column("amount", "amount (nmol)", "nmol", lower=10, upper=60),
        Column("seed", "seed", kind="categorical", levels=("CdSe", "ZnSe")),
        Column("stirring", "stirring"),
        Column("S", "S"),
        Column("Se", "Se"),
        Column("day", "day", kind="date"),
        Column("y", "y", role="target"),
    ]
    table = Table(
        tuple(columns), frame, "runs.csv", "", 4, mixtures=(TableMixture(("S", "Se"), 1.0),)
    )
    editor = TableEditor.from_table(table)
    assert editor.space.names == ("amount", "seed", "stirring", "S", "Se", "day")
    assert editor.space["amount"].label == "amount (nmol)"
    assert editor.space["day"].fixed
    assert editor.space.mixtures == (Mixture(("S", "Se"), 1.0),)
    assert editor.space.is_feasible(editor.values(table.inputs)).all()


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_rendered_rows_stand_where_they_were_put(seed):
    editor = make_editor()
    settings_ = editor.space.sample(8, seed).reshape(4, 2, 5)
    rows = editor.render(COMPLETE, settings_)
    assert list(rows.columns) == list(RUNS.columns)
    assert rows["seed"].dtype == COMPLETE["seed"].dtype
    np.testing.assert_array_equal(editor.values(rows), settings_.reshape(8, 5))


def test_rendering_the_values_of_rows_gives_the_rows_back():
    editor = make_editor()
    pd.testing.assert_frame_equal(
        editor.render(COMPLETE, editor.values(COMPLETE)[:, None]),
        COMPLETE.reset_index(drop=True),
    )


def test_a_column_without_a_knob_is_taken_over_and_arrays_stay_arrays():
    editor = TableEditor(KnobSpace([Knob("b", lower=0, upper=1)]), ["a", "b"])
    np.testing.assert_array_equal(
        editor.render([[7.0, 0.5], [8.0, 0.5]], [[[0.0], [1.0]], [[0.2], [0.3]]]),
        [[7, 0], [7, 1], [8, 0.2], [8, 0.3]],
    )
    frame = pd.DataFrame({"b": [0.5], "a": ["x"]})
    assert editor.render(frame, [[[1.0]]]).to_dict("list") == {"a": ["x"], "b": [1.0]}


def test_faults_in_rows_are_collected_with_row_and_column():
    bad = COMPLETE.astype({"amount": object})
    bad.loc[3, "amount"] = "lots"
    bad.loc[5, "seed"] = "InP"
    with pytest.raises(DataError) as caught:
        make_editor().values(bad)
    assert "row 3, column 'amount': 'lots' is not a finite number" in str(caught.value)
    assert "row 5, column 'seed': 'InP' is not one of the levels CdSe, ZnSe" in str(caught.value)
    with pytest.raises(DataError, match="column 'Se': there is no such input column"):
        make_editor().values(COMPLETE.drop(columns="Se"))
    with pytest.raises(SettingsError, match="no input column 'colour'"):
        make_editor(fixed=["colour"])


def test_an_editor_survives_json():
    editor = make_editor(fixed=["stirring"])
    again = TableEditor.from_dict(json.loads(json.dumps(editor.to_dict())))
    assert again.to_dict() == editor.to_dict()
    np.testing.assert_array_equal(again.values(RUNS), editor.values(RUNS))


class Recorder:
    """A predictor that keeps what it was shown."""

    def __init__(self):
        self.calls = []

    def predict(self, X):
        self.calls.append(X)
        return X["amount"].to_numpy() + 100 * (X["seed"] == "ZnSe").to_numpy()


def test_the_gate_splits_into_batches_and_gives_the_same_numbers():
    editor = make_editor()
    settings_ = editor.space.sample(40, 0).reshape(4, 10, 5)
    whole = predict_settings(Recorder(), editor, COMPLETE, settings_)
    np.testing.assert_array_equal(whole, settings_[..., 0] + 100 * settings_[..., 1])
    for batch_rows in (1, 7, 10, 25):
        recorder = Recorder()
        again = predict_settings(recorder, editor, COMPLETE, settings_, batch_rows=batch_rows)
        np.testing.assert_array_equal(again, whole)
        assert max(map(len, recorder.calls)) <= batch_rows


def test_the_gate_shows_nothing_infeasible_to_a_predictor():
    editor, recorder = make_editor(), Recorder()
    values = editor.values(COMPLETE)[:, None].copy()
    values[2, 0, 3] += 0.01
    with pytest.raises(DataError, match=r"1 settings are not feasible .* S \+ Se = 1.01"):
        predict_settings(recorder, editor, COMPLETE, values)
    assert recorder.calls == []


def test_an_array_holds_levels_as_indices_and_no_words():
    editor = TableEditor(
        KnobSpace([Knob("a", lower=0, upper=9), Knob("b", kind="categorical", levels="xyz")])
    )
    rows = np.array([[1.0, 2.0], [3.0, 0.0]])
    np.testing.assert_array_equal(editor.values(rows), rows)
    np.testing.assert_array_equal(editor.render(rows, editor.values(rows)[:, None]), rows)
    with pytest.raises(DataError, match=r"row 1, column 'b': .*3.0.* is not one of the levels"):
        editor.values([[1.0, 2.0], [3.0, 3.0]])
    with pytest.raises(DataError, match="rows with words go into a DataFrame"):
        editor.values([["1", "x"]])
    with pytest.raises(DataError, match="rows with words go into a DataFrame"):
        TableEditor.from_frame(np.array([["1", "x"]]))


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_numbers_are_read_alike_at_once_and_column_by_column(seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.normal(size=5), "b": rng.integers(0, 9, 5), "c": rng.random(5)})
    editor = TableEditor.from_frame(frame[["b", "c"]])
    gap = frame.astype({"c": float})
    gap.loc[2, "c"] = np.nan
    whole, filled = editor.values(frame), editor.values(gap)
    np.testing.assert_array_equal(whole, frame[["b", "c"]].to_numpy(float))
    assert filled[2, 1] == frame["c"].median()
    np.testing.assert_array_equal(np.delete(filled, 2, axis=0), np.delete(whole, 2, axis=0))


def test_everything_can_be_said_about_the_columns_of_a_frame():
    few = [LinearRelation({"amount": 1, "stirring": 5}, upper=70)]
    editor = TableEditor.from_frame(
        RUNS,
        units={"amount": "nmol"},
        limits={"amount": (0, 100)},
        steps={"amount": 25, "S": 0.25, "Se": 0.25},
        levels={"stirring": (1, 3, 10), "seed": ["ZnSe", "CdSe", "InP"]},
        costs={"amount": 3, "seed": 0.5},
        mixtures=[Mixture(("S", "Se"))],
        relations=few,
    )
    space = editor.space
    assert space["amount"] == Knob("amount", "nmol", "grid", 0, 100, step=25, cost=3)
    assert space["stirring"] == Knob("stirring", kind="grid", levels=(1, 3, 10))
    assert space["seed"].levels == ("ZnSe", "CdSe", "InP")
    assert space["seed"].cost == 0.5
    assert space.relations == tuple(few)
    assert editor.values(RUNS)[:, 1].tolist() == [1, 0, 1, 1]
    again = TableEditor.from_dict(json.loads(json.dumps(editor.to_dict())))
    assert again.space == space


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": {"colour": 1}, "costs": {"x": 2}}, r"'colour' \(steps\).*\n.*'x' \(costs\)"),
        ({"steps": {"amount": 0}, "limits": {"seed": (0, 1)}}, r"step=0 .*\n'seed' holds words"),
        ({"levels": {"seed": ["ZnSe"]}}, "'seed' also holds 'CdSe', which is none of its levels"),
        ({"levels": {"amount": [1, 2]}, "steps": {"amount": 1}}, "a step and levels"),
        ({"relations": [LinearRelation({"seed": 1}, 0)]}, "'seed', which has levels"),
        ({"mixtures": [Mixture(("S", "Te"))]}, "mixture names 'Te', which is no column"),
    ],
)
def test_what_cannot_be_said_about_a_column_is_refused(options, message):
    with pytest.raises(SettingsError, match=message):
        TableEditor.from_frame(RUNS, **options)


def test_columns_named_by_numbers_are_refused_with_a_way_out():
    with pytest.raises(DataError, match=r"column 0 is not named by text: use frame.rename"):
        TableEditor.from_frame(pd.DataFrame(np.eye(3)))
