"""A study that is killed again and again ends with the results of one that was not."""

import hashlib
import json
import random
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from matlever.cli import main

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


def test_interrupted_studies_say_how_to_go_on(tmp_path):
    (tmp_path / "out" / ".parts" / "x").mkdir(parents=True)
    result = CliRunner().invoke(main, ["report", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "run the same" in result.output
