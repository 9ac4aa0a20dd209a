import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matlever.exceptions import SettingsError
from matlever.study.settings import StudySettings

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


@given(
    targets=st.lists(names, min_size=1, max_size=3).map(tuple),
    ignore=st.lists(names, max_size=3).map(tuple),
    kinds=st.dictionaries(names, st.sampled_from(["numeric", "categorical", "date"]), max_size=2),
    group=st.none() | names,
    level=st.floats(0.5, 0.99),
    repeats=st.none() | st.integers(1, 9),
)
def test_a_written_study_toml_reads_back_the_same(tmp_path_factory, **values):
    folder = tmp_path_factory.mktemp("s")
    settings = StudySettings(file=str(folder / "data" / "runs.csv"), **values)
    (folder / "study.toml").write_text(settings.to_toml(folder), encoding="utf-8")
    assert StudySettings.from_toml(folder / "study.toml") == settings
    stored = tomllib.loads(settings.to_toml(folder))
    assert stored["data"]["file"] == "data/runs.csv"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[data]\nfile = 'a.csv'\ntarget = ['y']", "did you mean 'targets'"),
        ("[dta]\nfile = 'a.csv'", "did you mean 'data'"),
        ("file = 'a.csv'", r"'file' belongs under .data."),
        ("[data]\ntargets = ['y']", "must name the table"),
        ("[data]\nfile = 3", "file must be text"),
        ("[data]\nfile = 'a.csv'\ntargets = 'y'", "targets must be a list"),
        ("[data]\nfile = 'a.csv'\nmissing = 'guess'", "'drop', 'impute'"),
        ("[data]\nfile = 'a.csv'\n[validation]\nfolds = 1", "at least 2"),
        ("[data]\nfile = 'a.csv'\n[validation]\nfolds = true", "at least 2"),
        ("[data]\nfile = 'a.csv'\n[validation]\nlevel = 2.0", "0.5 to below 1"),
        ("[data]\nfile = 'a.csv'\n[validation]\nthree_numbers = 1", "true or false"),
        ("[data]\nfile = 'a.csv'\n[run]\nseed = -1", "seed must be"),
        ("[data]\nfile = 'a.csv'\nkinds = { a = 'colour' }", "kinds must"),
        ("[data", "not a TOML file"),
    ],
)
def test_mistakes_in_a_study_toml_are_named(tmp_path, text, message):
    path = tmp_path / "study.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message):
        StudySettings.from_toml(path)


def test_the_digest_changes_with_what_changes_results_and_with_nothing_else():
    one = StudySettings(file="a.csv", targets=("y",))
    base = one.digest("hash", "1")
    assert one.updated(file="b.csv", jobs=3).digest("hash", "1") == base
    assert one.updated(seed=1).digest("hash", "1") != base
    assert one.updated(ignore=("x",)).digest("hash", "1") != base
    assert one.digest("other", "1") != base
    assert one.digest("hash", "2") != base
    with pytest.raises(SettingsError, match="did you mean 'folds'"):
        one.updated(fold=3)
