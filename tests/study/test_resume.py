"""A study that is killed again and again ends with the results of one that was not."""

import hashlib
import json
import random
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from matlever.cli import main
from matlever.exceptions import StudyError
from matlever.storage import write_json
from matlever.study import StudySettings, load_study, run_study, study_settings
from matlever.study.record import study_command

VOLATILE = {"record.json"}  # times of a run


def fingerprint(folder):
    """Return the hash of every file a study wrote, but for the record of the run itself."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in VOLATILE
    }


def command(table, out):
    words = ["study", str(table), "-t", "length", "-t", "width", "-x", "aspect ratio"]
    return [*words, "--repeats", "2", "--folds", "5", "--quiet", "--out", str(out)]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "rods.csv"
    CliRunner().invoke(main, ["simulate", "nanorods", "--out", str(path)], catch_exceptions=False)
    return path


def start(table, out):
    program = "import sys; from matlever.cli import main; main(sys.argv[1:])"
    return subprocess.Popen([sys.executable, "-c", program, *command(table, out)])


def kill_often(table, tmp_path, n_kills, seed):
    """Kill studies at `n_kills` random moments, letting each go on until it is finished."""
    whole = tmp_path / "whole"
    began = time.monotonic()
    assert start(table, whole).wait() == 0
    seconds = time.monotonic() - began
    expected = fingerprint(whole)
    moments = random.Random(seed)
    kills = rounds = resumed = 0
    while kills < n_kills:
        rounds += 1
        out = tmp_path / f"round{rounds}"
        while True:
            process = start(table, out)
            if kills < n_kills:
                try:
                    process.wait(moments.uniform(0.2, 1.0) * seconds)
                except subprocess.TimeoutExpired:
                    process.send_signal(moments.choice([signal.SIGKILL, signal.SIGINT]))
                    process.wait()
                    kills += 1
            if process.wait() == 0:
                break
            for path in out.rglob("*.json"):
                if ".part" not in path.name:
                    json.loads(path.read_text())  # never half-written
        assert fingerprint(out) == expected
        resumed += json.loads((out / "record.json").read_text())["parts_reused"] > 0
    assert resumed > 0


@pytest.mark.slow
def test_killed_twice_a_study_resumes_to_identical_results(table, tmp_path):
    kill_often(table, tmp_path, n_kills=2, seed=1)


@pytest.mark.nightly
def test_killed_at_20_random_moments_a_study_resumes_to_identical_results(table, tmp_path):
    kill_often(table, tmp_path, n_kills=20, seed=0)


def test_a_new_study_killed_in_the_folder_of_an_old_one_leaves_no_mixture(tmp_path, monkeypatch):
    """The second study dies after its model is written and before its results are."""
    table = tmp_path / "t.csv"
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(generator.uniform(size=(12, 2)), columns=["a", "b"])
    frame.assign(y=frame["a"] + frame["b"]).to_csv(table, index=False)
    out = tmp_path / "out"
    options = {"folds": 3, "repeats": 1, "three_numbers": False, "advice": False}
    first = run_study(table, ["y"], out=out, **options)

    def die(path, value):
        if path.name == "results.json":
            raise KeyboardInterrupt
        write_json(path, value)

    monkeypatch.setattr("matlever.study.run.write_json", die)
    with pytest.raises(KeyboardInterrupt):
        run_study(table, ["y"], out=out, ignore=("b",), **options)
    monkeypatch.undo()
    with pytest.raises(StudyError, match="interrupted"):
        load_study(out)
    again = run_study(table, ["y"], out=out, **options)
    assert again.results == first.results
    assert [column.name for column in again.model.inputs] == ["a", "b"]


def test_what_a_user_keeps_in_the_folder_is_not_deleted(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("a,y\n" + "".join(f"{k},{k % 5}\n" for k in range(12)))
    settings = tmp_path / "study.toml"
    settings.write_text("# mine\n[data]\nfile = 't.csv'\ntargets = ['y']\n")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.txt").write_text("x")
    with pytest.raises(StudyError, match="nothing is written"):
        run_study(settings, out=tmp_path)
    assert (tmp_path / "model" / "thesis.txt").read_text() == "x"
    assert settings.read_text().startswith("# mine")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"inputs": ("a",), "folds": 5, "repeats": 2, "level": 0.8, "log_targets": "never"},
        {"group": "g h", "ignore": ("b", "c"), "missing": "impute", "decimal": ","},
        {"three_numbers": False, "seed": 7, "delimiter": ";", "encoding": "latin-1"},
        {
            "goals": {"y": "maximise", "z (nm)": (1.5, None)},
            "limits": {"a": (None, -2.0), "b": (1.0, 2.0)},
            "fixed": ("c", "d e"),
            "costs": {"a": 0.1},
            "steps": {"a": 1e-7},
        },
    ],
)
def test_the_recorded_command_asks_for_the_same_study(settings):
    asked = StudySettings(file="t.csv", targets=("y", "z (nm)"), **settings)
    words = shlex.split(study_command(asked))
    assert words[:2] == ["matlever", "study"]
    given = main.commands["study"].make_context("study", words[2:]).params
    for name in ("out", "as_json", "quiet", "force"):
        given.pop(name)
    file = given.pop("file")
    assert study_settings(file, **{k: v for k, v in given.items() if v not in (None, ())}) == asked


def test_interrupted_studies_say_how_to_go_on(tmp_path):
    (tmp_path / "out" / ".parts" / "x").mkdir(parents=True)
    result = CliRunner().invoke(main, ["report", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "run the same" in result.output
