import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from matlever.exceptions import NotEnoughDataError, SettingsError, StudyError
from matlever.micrographs import simulate_sem
from matlever.study import load_lots_study, run_lots_study
from matlever.study.folder import PARTS

QUICK = {
    "epochs": 2,
    "folds": 2,
    "editor": "exact",
    "sweep_tiles": 2,
    "change_tiles": 5,
    "values": 3,
    "budget": 10,
    "by": 0.02,
    "seed": 3,
    "explain_lots": ("C",),
    "turn_flagged": True,
}


@pytest.fixture(scope="module")
def lots():
    return simulate_sem(8, 6, 16, random_state=11)


@pytest.fixture(scope="module")
def study(lots, tmp_path_factory):
    return run_lots_study(lots, out=tmp_path_factory.mktemp("study") / "lots", **QUICK)


def test_a_study_writes_everything_a_tables_study_writes(study):
    names = {path.name for path in study.folder.iterdir()}
    assert names == {"results.json", "record.json", "model", "tables"}  # lots in memory: no toml
    assert {path.name for path in (study.folder / "tables").iterdir()} >= {
        "lots.csv",
        "sweeps.csv",
        "changes.csv",
    }
    assert study.results["data"]["simulated"]


def test_each_lots_change_is_the_mean_of_the_exported_tiles(study):
    frame = pd.read_csv(study.folder / "tables" / "changes.csv")
    for lot in study.results["backward"]["lots"]:
        for question in lot["questions"]:
            own = frame[
                (frame["lot"] == lot["lot"]) & (frame["direction"] == question["direction"])
            ]
            assert len(own) == QUICK["change_tiles"]
            for j, name in enumerate(question["attributes"]):
                np.testing.assert_allclose(own[f"{name} change"].mean(), question["mean"][j])


def _keys(value):
    """Return the names of all entries, but for those whose names are the data's own."""
    if isinstance(value, dict):
        free = ("settings", "libraries", "flags")
        inside = set().union(*(_keys(v) for k, v in value.items() if k not in free))
        return set(value) | inside
    if isinstance(value, list):
        return set().union(*(_keys(part) for part in value))
    return set()


def test_every_entry_a_study_writes_is_documented(study):
    written = (Path(__file__).parents[3] / "docs" / "lots-results.md").read_text(encoding="utf-8")
    assert _keys(dict(study.results)) - set(re.findall(r"`([^`]+)`", written)) == set()


def test_the_model_comes_back_and_predicts_the_same(study, lots):
    again = load_lots_study(study.folder)
    assert again.results == json.loads(json.dumps(study.results))
    np.testing.assert_array_equal(
        again.model.predict(lots.tiles[:5]), study.model.predict(lots.tiles[:5])
    )


def test_a_finished_study_is_not_run_again(study, lots):
    told = []
    again = run_lots_study(
        lots, out=study.folder, progress=lambda *about: told.append(about), **QUICK
    )
    assert not told
    assert again.results["key"] == study.results["key"]


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.mark.slow
@pytest.mark.parametrize("after", ["turned one by one", "lower, tile 5"])
def test_a_study_killed_in_the_middle_ends_as_one_that_was_not(study, lots, tmp_path, after):
    def kill(done, total, what):
        if after in what:
            raise KilledError

    out = tmp_path / "study"
    with pytest.raises(KilledError):
        run_lots_study(lots, out=out, progress=kill, **QUICK)
    assert (out / PARTS).is_dir()
    resumed = run_lots_study(lots, out=out, **QUICK)
    assert json.loads((out / "record.json").read_text())["parts_reused"] > 0
    assert json.dumps(resumed.results) == json.dumps(study.results)
    assert not (out / PARTS).exists()


def test_another_folder_or_other_lots_are_not_overwritten(study, lots, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("x")
    with pytest.raises(StudyError, match="nothing is written there"):
        run_lots_study(lots, out=tmp_path / "mine", **QUICK)
    other = simulate_sem(8, 6, 16, random_state=12)
    with pytest.raises(StudyError, match="other lots"):
        run_lots_study(other, out=study.folder, **QUICK)


def test_what_cannot_be_studied_is_said_before_anything_is_computed(lots, tmp_path):
    out = tmp_path / "study"
    with pytest.raises(SettingsError, match="no property 'strength'"):
        run_lots_study(lots, out=out, target="strength", **QUICK)
    with pytest.raises(SettingsError, match="no lot 'ZZ'"):
        run_lots_study(lots, out=out, **(QUICK | {"explain_lots": ("ZZ",)}))
    with pytest.raises(NotEnoughDataError, match="3 lots are too few"):
        run_lots_study(simulate_sem(3, 4, 16), out=out, **QUICK)
