"""Lots of micrographs on the command line, as a user meets them."""

import json

import pytest
from click.testing import CliRunner

from matlever.cli.main import main


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def lots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lots") / "sem"
    words = ("--lots", 7, "--tiles", 5, "--size", 32, "--seed", 2)
    done = run("simulate", "sem", "--out", folder, *words)
    assert done.exit_code == 0, done.output
    assert "7 simulated lots with 5 tiles each" in done.output
    return folder


def test_simulated_lots_say_so_and_are_not_written_over(lots):
    assert (lots / "lots.csv").read_text(encoding="utf-8").startswith("# simulated")
    assert len(list((lots / "A").glob("*.png"))) == 5
    again = run("simulate", "sem", "--out", lots)
    assert again.exit_code == 2
    assert "not empty" in again.output


def test_a_folder_of_lots_is_checked_without_writing(lots):
    before = sorted(path.name for path in lots.iterdir())
    done = run("check", lots)
    assert done.exit_code == 0, done.output
    assert "7 lots (simulated)" in done.output
    assert "peak_stress_psi" in done.output
    assert sorted(path.name for path in lots.iterdir()) == before
    refused = run("check", lots, "--target", "x")
    assert refused.exit_code == 2
    assert "--target." in refused.output


@pytest.mark.slow
def test_a_folder_of_lots_is_studied_by_the_same_command(lots, tmp_path):
    out = tmp_path / "study"
    words = ("--epochs", 1, "--folds", 2, "--editor", "none", "--out", out)
    done = run("study", lots, *words)
    assert done.exit_code == 0, done.output
    assert "SIMULATED DATA" in done.output
    names = {path.name for path in out.iterdir()}
    assert names == {
        "results.json",
        "record.json",
        "report.html",
        "study.toml",
        "model",
        "tables",
    }
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert results["editor"]["kind"] == "none"
    assert results["forward"] is None
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "What these lots can tell apart" in page
    assert 'id="turn"' not in page
    assert not (out / ".tiles").exists()
    again = run("study", out / "study.toml", "--out", out, "--json")
    assert again.exit_code == 0, again.output
    assert not (out / ".tiles").exists()
    (out / "report.html").unlink()
    assert run("report", out).exit_code == 0
    assert (out / "report.html").read_text(encoding="utf-8") == page
    explained = run("explain", out)
    assert explained.exit_code == 2
    assert "study of lots of micrographs" in explained.output


def test_options_of_the_other_kind_of_data_are_named(lots, tmp_path):
    for words, named in (
        (("study", lots, "--group", "paper"), "--group"),
        (("study", "example:fullerenes", "--pixel-nm", 3), "--pixel-nm"),
        (("reproduce", "nanorods", "--quick"), "--quick"),
    ):
        done = run(*words, "--out", tmp_path / "x")
        assert done.exit_code == 2
        assert named in done.output


def test_an_unknown_property_is_named_with_those_there_are(lots, tmp_path):
    done = run("study", lots, "--property", "strength", "--out", tmp_path / "x")
    assert done.exit_code == 2
    assert "'strength'" in done.output
    assert "peak_stress_psi" in done.output
