"""What a user says about knobs and goals, in each of its forms."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matlever.exceptions import SettingsError
from matlever.knobs import TableEditor
from matlever.study import StudySettings, Wishes, turned_editor, widened_editor
from matlever.tables import Column

FRAME = pd.DataFrame(
    {"time": [3.0, 11.0, 27.0], "heat": [20.0, 55.5, 90.0], "seed": ["CdSe", "ZnSe", "CdSe"]}
)
INPUTS = [
    Column("time", "time (min)", "min", lower=3.0, upper=27.0),
    Column("heat", "heat", lower=20.0, upper=90.0),
    Column("seed", "seed", kind="categorical", levels=("CdSe", "ZnSe")),
]
TARGETS = [Column("length", "length (nm)", "nm", role="target")]


def turned(**said):
    wishes = Wishes.of(said, INPUTS, TARGETS)
    return turned_editor(TableEditor.from_frame(FRAME, units={"time": "min"}), wishes).space


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("length=20", 20.0),
        ("length = -1.5e3", -1500.0),
        ("length=max", "maximise"),
        ("length=Minimize", "minimise"),
        ("length=10..20", (10.0, 20.0)),
        ("length=10..", (10.0, None)),
        ("length=..-2", (None, -2.0)),
        ("a=b=3", 3.0),
    ],
)
def test_goals_are_read_from_words(words, value):
    (goal,) = StudySettings(file="t.csv", goals=(words,)).goals.values()
    assert goal == value
    assert StudySettings(file="t.csv", goals=words).goals == {
        words.rpartition("=")[0].strip(): value
    }


@pytest.mark.parametrize(
    ("setting", "said", "message"),
    [
        ("goals", ["length=long"], "'length': 'long' is not a number"),
        ("goals", ["length=20..10"], "lower limit 20 is above the upper limit 10"),
        ("goals", ["length=.."], "is not a number, LOW..HIGH"),
        ("goals", ["length=1..2..3"], "is not"),
        ("goals", ["length=nan"], "is not"),
        ("goals", ["length"], "names no column"),
        ("goals", ["y=1", "y=2"], "given twice"),
        ("goals", {"y": True}, "is not"),
        ("goals", {"y": [1, 2, 3]}, "is not"),
        ("goals", 3, "by column"),
        ("limits", ["time=3"], "'3' is not LOW..HIGH"),
        ("costs", {"time": -1}, "0 or more"),
        ("steps", {"time": 0}, "above 0"),
        ("fixed", [1], "list of column names"),
        ("relations", [{"upper": 3}], "coefficients"),
        ("relations", [{"coefficients": {"a": 1}}], "a lower limit, an upper limit or both"),
        ("relations", [{"coefficients": {"a": "x"}, "upper": 1}], "'x' is not a number"),
    ],
)
def test_what_cannot_be_understood_is_named(setting, said, message):
    with pytest.raises(SettingsError, match=message):
        StudySettings(file="t.csv", **{setting: said})


def test_faults_are_said_together():
    with pytest.raises(SettingsError) as error:
        StudySettings(file="t.csv", goals=["a=x", "b=y"], costs={"c": -1}, folds=1)
    assert all(word in str(error.value) for word in ("'a'", "'b'", "'c'", "folds"))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"limits": ["tme=1..2"]}, "no input 'tme': did you mean 'time'"),
        ({"fixed": ["length"]}, "'length' is a target, not an input"),
        ({"goals": ["heat=3"]}, "'heat' is an input, not a target"),
        ({"goals": ["lenght=3"]}, "did you mean 'length'"),
        ({"costs": {"time": 1, "time (min)": 2}}, "two of its names"),
        ({"relations": [{"coefficients": {"tim": 1}, "upper": 3}]}, "did you mean 'time'"),
        ({"limits": ["seed=1..2"]}, "has levels"),
        ({"steps": ["heat=500"], "limits": ["heat=..90"]}, "no multiple of 500"),
        ({"limits": ["heat=100..", "time=50.."]}, "the lower limit 100"),
    ],
)
def test_wishes_about_columns_that_are_not_there_are_named(said, message):
    with pytest.raises(SettingsError, match=message):
        turned(**said)


def test_limits_steps_costs_and_fixed_inputs_reach_the_knobs():
    space = turned(
        limits=["time (min)=5..60", "heat=..80"],
        steps=["heat=25"],
        costs=["time=3"],
        fixed=["seed"],
    )
    assert (space["time"].low, space["time"].high, space["time"].cost) == (5.0, 60.0, 3.0)
    np.testing.assert_array_equal(space["heat"].allowed, [25.0, 50.0, 75.0])
    assert space["seed"].fixed
    # Counted from a lower limit that was given, else multiples.
    np.testing.assert_array_equal(
        turned(limits=["heat=20..80"], steps=["heat=25"])["heat"].allowed, [20.0, 45.0, 70.0]
    )


def test_relations_between_inputs_reach_the_knobs_and_are_kept():
    budget = {"coefficients": {"time (min)": 1, "heat": 2}, "upper": 100}
    wishes = Wishes.of({"relations": [budget]}, INPUTS, TARGETS)
    editor = turned_editor(TableEditor.from_frame(FRAME, units={"time": "min"}), wishes)
    for space in (editor.space, TableEditor.from_dict(editor.to_dict()).space):
        assert not space.is_feasible([20.0, 60.0, 0.0])
        drawn = space.sample(50, random_state=0)
        assert (drawn[:, 0] + 2 * drawn[:, 1] <= 100 + 1e-6).all()


def test_a_pool_widens_the_limits_nobody_set():
    editor = TableEditor.from_frame(FRAME, units={"time": "min"})
    pool = pd.DataFrame({"time": [1.0, 40.5], "heat": [10.0, 95.0], "seed": ["CdSe", "ZnSe"]})
    space = widened_editor(editor, pool, {"heat"}).space
    assert (space["time"].low, space["time"].high) == (1.0, 40.5)
    assert (space["heat"].low, space["heat"].high) == (20.0, 90.0)


numbers = st.floats(-1e6, 1e6)
ranges = st.tuples(numbers, numbers).map(lambda ends: tuple(sorted(ends)))
open_ranges = ranges | numbers.map(lambda x: (x, None)) | numbers.map(lambda x: (None, x))
names = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=8)


@given(
    limits=st.dictionaries(names, open_ranges, max_size=3),
    goals=st.dictionaries(
        names, st.sampled_from(["maximise", "minimise"]) | numbers | open_ranges, max_size=3
    ),
    costs=st.dictionaries(names, st.floats(0, 10), max_size=2),
    steps=st.dictionaries(names, st.floats(0.01, 10), max_size=2),
    fixed=st.lists(names, max_size=2, unique=True).map(tuple),
    relations=st.lists(
        st.builds(
            lambda a, upper: {"coefficients": a, "lower": None, "upper": upper},
            st.dictionaries(names, numbers, min_size=1, max_size=2),
            numbers,
        ),
        max_size=2,
    ).map(tuple),
)
def test_wishes_survive_study_toml(tmp_path_factory, **values):
    folder = tmp_path_factory.mktemp("s")
    settings = StudySettings(file=str(folder / "runs.csv"), targets=("y",), **values)
    (folder / "study.toml").write_text(settings.to_toml(folder), encoding="utf-8")
    again = StudySettings.from_toml(folder / "study.toml")
    assert again == settings
    assert again.digest("d", "1") == settings.digest("d", "1")


def test_goals_and_knobs_of_a_study_toml(tmp_path):
    (tmp_path / "study.toml").write_text(
        """
[data]
file = "runs.csv"
targets = ["aspect ratio"]
[knobs]
limits = { time = [5, 60], heat = [-inf, 80] }
fixed = ["seed"]
costs = { time = 2 }
steps = { time = 5 }
relations = [{ coefficients = { time = 1, heat = 2 }, upper = 100 }]
[goals]
"aspect ratio" = 20
length = "maximise"
width = [3, inf]
"""
    )
    found = StudySettings.from_toml(tmp_path / "study.toml")
    assert found.limits == {"time": (5.0, 60.0), "heat": (None, 80.0)}
    assert found.goals == {"aspect ratio": 20.0, "length": "maximise", "width": (3.0, None)}
    assert found.relations[0]["upper"] == 100.0
    assert found.digest("d", "1") != found.updated(goals={}).digest("d", "1")
