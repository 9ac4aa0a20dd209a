"""Nearest known samples: the right ones, in order, with what differs and what came out."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from matlever.exceptions import DataError, NotEnoughDataError, SettingsError
from matlever.explanation import nearest_known
from matlever.knobs import DataRegion, Knob, KnobSpace, TableEditor

RNG = np.random.default_rng(7)
RUNS = pd.DataFrame(
    {
        "amount": RNG.uniform(10, 60, 30),
        "time": RNG.uniform(1, 5, 30),
        "seed": np.array(["CdSe", "InP", "ZnSe"])[RNG.integers(3, size=30)],
    },
    index=range(2, 32),
)
EDITOR = TableEditor.from_frame(RUNS, units={"amount": "nmol", "time": "h"})


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_neighbours_of_numbers_are_scikit_learns_on_scaled_knobs(seed, n):
    rng = np.random.default_rng(seed)
    known, samples = rng.normal(size=(20, 3)) * [1, 50, 1e-3], rng.normal(size=(4, 3))
    space = KnobSpace(
        [Knob(name, lower=-5, upper=w) for name, w in zip("abc", (5, 95, -4), strict=True)]
    )
    theirs = NearestNeighbors(n_neighbors=n).fit(space.scale(known))
    distance, positions = theirs.kneighbors(space.scale(samples))
    found = nearest_known(TableEditor(space), samples, known, n)
    np.testing.assert_array_equal(found.positions, positions)
    np.testing.assert_allclose(found.distance, distance, rtol=1e-9)
    np.testing.assert_array_equal(found.difference, known[positions] - samples[:, None])


def test_distance_is_that_of_the_data_region_levels_included():
    found = nearest_known(EDITOR, RUNS.iloc[:9], RUNS.iloc[9:], 4)
    region = DataRegion(EDITOR.space, EDITOR.values(RUNS.iloc[9:]))
    values = EDITOR.values(RUNS.iloc[:9])
    np.testing.assert_allclose(found.distance[:, 0], region.distance(values))
    np.testing.assert_array_equal(found.is_inside, region.inside(values))
    other = RUNS["seed"].to_numpy()[9:][found.positions] != RUNS["seed"].to_numpy()[:9, None]
    np.testing.assert_array_equal(found.difference[..., 2], other)
    assert (found.distance[other] >= 1).all()


def test_ties_keep_the_order_of_the_known_samples():
    known = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, -1.0], [-1.0, 0.0], [0.0, 1.0]])
    space = KnobSpace([Knob(name, lower=-1, upper=1) for name in "ab"])
    found = nearest_known(TableEditor(space), np.zeros((1, 2)), known, 5)
    np.testing.assert_array_equal(found.positions, [[0, 1, 2, 3, 4]])


def test_a_known_sample_is_its_own_neighbour_unless_left_out():
    own = nearest_known(EDITOR, RUNS, RUNS, 2)
    assert [labels[0] for labels in own.labels] == list(RUNS.index)
    assert (own.distance[:, 0] == 0).all()
    others = nearest_known(EDITOR, RUNS, RUNS, 2, exclude_self=True)
    np.testing.assert_array_equal(others.positions[:, 0], own.positions[:, 1])
    assert all(row not in labels for row, labels in zip(others.rows, others.labels, strict=True))
    # Shuffled, with one label twice: labels count, not positions.
    shuffled = pd.concat([RUNS, RUNS.iloc[:1]]).sample(frac=1, random_state=0)
    again = nearest_known(EDITOR, RUNS, shuffled, 2, exclude_self=True)
    assert again.labels == others.labels
    every = nearest_known(EDITOR, RUNS, RUNS, 99, exclude_self=True)
    assert every.positions.shape == (30, 29)


@pytest.mark.parametrize(
    ("outcomes", "targets"),
    [
        (RUNS["amount"] * 2, ("amount",)),
        (RUNS[["amount", "time"]], ("amount", "time")),
        (RUNS["amount"].to_numpy(), None),
        (RUNS[["amount", "time"]].to_numpy(), None),
    ],
)
def test_outcomes_come_with_their_names(outcomes, targets):
    found = nearest_known(EDITOR, RUNS[:3], RUNS, outcomes=outcomes)
    assert found.targets == targets
    values = np.asarray(outcomes, dtype=float).reshape(30, -1)
    np.testing.assert_array_equal(found.outcomes, values[found.positions])


def test_a_missing_outcome_is_none_in_json_and_a_dash_in_words():
    y = RUNS["time"].where(RUNS.index != 2)
    found = nearest_known(EDITOR, RUNS[:1], RUNS, 2, outcomes=y, targets=["width <nm>"])
    stored = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert stored["outcomes"][0][0] == [None]
    assert stored["known_settings"][0][0][2] == RUNS["seed"].iloc[0]
    assert stored["known"][0][0] == 2
    assert "width <nm>: –, " in found.sentence
    assert "Row 2 has the same settings." in found.sentence
    assert "&lt;nm&gt;" in found._repr_html_()


def test_sentences_name_the_largest_differences_first():
    known = pd.DataFrame({"a": [0.0, 1.0], "b": [0.0, 100.0], "c": ["x", "y"]}, index=[4, 5])
    editor = TableEditor.from_frame(known, units={"a": "nm", "b": "K"})
    sample = pd.DataFrame({"a": [0.1], "b": [30.0], "c": ["x"]}, index=["new"])
    found = nearest_known(editor, sample, known, 1)
    assert found.sentence == (
        "Nearest to row new: row 4. Row 4 differs in b (0 K, not 30 K), a (0 nm, not 0.1 nm)."
    )
    many = nearest_known(editor, pd.concat([sample] * 8), known)
    assert "of 8 rows" in many.sentence
    assert "... and 2 more" in repr(many)


def test_far_samples_are_called_far():
    known = pd.DataFrame({"a": np.linspace(0, 0.5, 11)})
    editor = TableEditor(KnobSpace([Knob("a", lower=0, upper=1)]))
    found = nearest_known(editor, np.array([[0.9], [0.41]]), known)
    np.testing.assert_array_equal(found.is_inside, [False, True])
    assert found.sentence.endswith("1 of them is far from all known rows.")
    assert found.sentence_of(0).endswith("known rows are usually nearer.")


def test_the_frame_has_one_line_per_sample_and_neighbour():
    table = nearest_known(EDITOR, RUNS[:4], RUNS, 3, outcomes=RUNS["time"] * 10).to_frame()
    assert len(table) == 12
    assert list(table["rank"]) == [1, 2, 3] * 4
    for line in table.itertuples(index=False):
        cells = dict(zip(table.columns, line, strict=True))
        known, sample = RUNS.loc[cells["known"]], RUNS.loc[cells["row"]]
        assert cells["seed"] == known["seed"]
        assert cells["amount (nmol)"] == known["amount"]
        assert cells["difference in amount (nmol)"] == known["amount"] - sample["amount"]
        assert cells["time"] == known["time"] * 10


def test_many_samples_are_done_in_parts(monkeypatch):
    from matlever.explanation import neighbours

    whole = nearest_known(EDITOR, RUNS, RUNS, 3, exclude_self=True)
    monkeypatch.setattr(neighbours, "_CELLS", 70)
    parts = nearest_known(EDITOR, RUNS, RUNS, 3, exclude_self=True)
    np.testing.assert_array_equal(parts.positions, whole.positions)
    np.testing.assert_array_equal(parts.distance, whole.distance)


def test_what_cannot_be_answered_is_said():
    with pytest.raises(SettingsError, match="n=0"):
        nearest_known(EDITOR, RUNS, RUNS, 0)
    with pytest.raises(DataError, match="no sample"):
        nearest_known(EDITOR, RUNS[:0], RUNS)
    with pytest.raises(NotEnoughDataError):
        nearest_known(EDITOR, RUNS, RUNS[:0])
    with pytest.raises(NotEnoughDataError):
        nearest_known(EDITOR, RUNS[:1], RUNS[:1], exclude_self=True)
    with pytest.raises(DataError, match="30 known samples"):
        nearest_known(EDITOR, RUNS, RUNS, outcomes=[1.0, 2.0])
    with pytest.raises(DataError, match="must be numbers"):
        nearest_known(EDITOR, RUNS, RUNS, outcomes=RUNS["seed"])
    with pytest.raises(SettingsError, match="2 names of targets for 1"):
        nearest_known(EDITOR, RUNS, RUNS, outcomes=RUNS["time"], targets=["a", "b"])
