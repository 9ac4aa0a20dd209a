"""A screening on the command line, as a user meets it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from matlever.cli.screen import screen
from matlever.compositions import ElemNetRegressor, Screening, enumerate_compositions
from matlever.storage import write_model

SYMBOLS = ["Na", "Mg", "Al", "O", "Cl"]


def run(*words):
    return CliRunner().invoke(screen, [str(word) for word in words])


def energy(fractions):
    weights = np.linspace(0.5, 3, 103)
    return ((fractions**2).sum(axis=1) - 1) * (fractions @ weights)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    known = enumerate_compositions(SYMBOLS, n_elements=[2, 3], max_atoms=5).candidates(0, 999)
    fitted = ElemNetRegressor(width=0.05, epochs=2, least_steps=20, random_state=0)
    fitted.fit(known.compositions, energy(known.fractions))
    folder = tmp_path_factory.mktemp("screen") / "model"
    write_model(folder, fitted.to_state(), {"target": "ef_ev_atom"})
    return folder


@pytest.fixture(scope="module")
def phases(tmp_path_factory):
    known = enumerate_compositions(SYMBOLS, n_elements=[2, 3], max_atoms=4).candidates(0, 999)
    path = tmp_path_factory.mktemp("screen") / "known.csv"
    frame = pd.DataFrame({"formula": known.formulas, "ef": energy(known.fractions) + 0.05})
    frame.to_csv(path, index=False)
    return path


SPACE = ("--elements", "Na,Mg,Al,O", "--n-elements", 4, "--max-atoms", 8)


def test_candidates_below_the_limit_end_up_in_the_folder(model, phases, tmp_path):
    out = tmp_path / "out"
    words = (model, *SPACE, "--hull", phases, "--energy", "ef", "--below", 0.05, "--out", out)
    done = run(*words, "--quiet")
    assert done.exit_code == 0, done.output
    found = Screening.load(out)
    assert f"{found.n_kept:,} of {found.n_candidates:,} compositions kept" in done.output
    assert "0.5 billion such candidates" in done.output
    frame = found.to_frame()
    assert (frame.energy_above_hull <= 0.05).all()
    assert "ef_ev_atom" in frame
    again = run(*words, "--json", "--quiet")
    assert again.exit_code == 0, again.output
    said = json.loads(again.stdout)
    assert said["answer"]["n_kept"] == found.n_kept
    assert said["best"][0]["formula"] == frame.formula[0]
    other = run(*words[:-3], 0.1, "--out", out)
    assert other.exit_code == 2
    assert "holds another screening: what is kept differ" in other.output


def test_an_estimate_alone_writes_nothing(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(model, *SPACE, "--best", 10, "--estimate-only", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["n_candidates"] == 69
    assert told["seconds_half_billion"] > told["seconds"] > 0
    assert list(tmp_path.iterdir()) == []


def test_sites_stoichiometries_and_neutral_compositions(model, tmp_path):
    sites = ("--site", "Na,Mg", "--site", "Al", "--site", "O Cl")
    out = tmp_path / "out"
    done = run(model, *sites, "-s", "1:1:3", "-s", "1,2,4", "--best", 9, "--out", out, "-q")
    assert done.exit_code == 0, done.output
    assert Screening.load(out).n_candidates == 8
    words = (model, "--elements", "all", "-n", 3, "--max-atoms", 7, "--neutral", "--above", -1)
    done = run(*words, "--largest", "--best", 3, "--out", tmp_path / "all", "--quiet")
    assert done.exit_code == 0, done.output
    assert "neutral compositions" in done.output
    assert Screening.load(tmp_path / "all").n_kept == 3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--elements", "Na,O"), "Give either --max-atoms or --stoichiometry"),
        (("--max-atoms", 4), "Give either --elements"),
        (("--elements", "Na,O", "-s", "1,x"), "not of the form 1,1,3"),
        (("--elements", "Na,Xx", "-n", 2, "--max-atoms", 4), "no element 'Xx'"),
        (("--elements", "Na,Fe", "-n", 2, "--max-atoms", 4), "never seen Fe"),
        ((*SPACE,), "Say what to keep"),
        ((*SPACE, "--best", 3, "--energy", "ef"), "belong to --hull"),
        ((*SPACE, "--best", 3, "--hull", "none.csv"), "--energy COLUMN"),
        ((*SPACE, "--best", 3, "--hull", "none.csv", "--energy", "ef"), "no file none.csv"),
        ((*SPACE, "--best", 3, "--target", "ef"), "--target is for a study"),
    ],
)
def test_what_cannot_be_screened_is_one_clear_message(model, tmp_path, words, says):
    done = run(model, *words, "--out", tmp_path / "x")
    assert done.exit_code == 2, done.output
    assert says in done.output
    assert not (tmp_path / "x").exists()


def test_faults_of_the_known_phases_are_named_with_their_rows(model, tmp_path):
    path = tmp_path / "known.csv"
    path.write_text("formula,ef,total\nNaO,-1,\nNaXx,-2,1\nMgO,,1\n", encoding="utf-8")
    words = (model, *SPACE, "--best", 3, "--estimate-only", "--hull", path)
    done = run(*words, "--energy", "ef")
    assert done.exit_code == 2
    assert "known.csv, row 3, column 'formula'" in done.output
    path.write_text("formula,ef\nNaO,-1\nMgO,\n", encoding="utf-8")
    done = run(*words, "--energy", "ef")
    assert "known.csv, row 3, column 'ef': the phase has no energy" in done.output
    path.write_text("formula,ef\nNaO,-1\nMgO,-2\n", encoding="utf-8")
    done = run(*words, "--energy", "ef", "--total-energies")
    assert "pure element for O, Na, Mg" in done.output
    assert run(tmp_path / "nowhere", *SPACE, "--best", 3, "--estimate-only").exit_code == 2
    assert "--out FOLDER" in run(model, *SPACE, "--best", 3).output


@pytest.mark.slow
def test_a_study_of_formulas_is_a_model(tmp_path):
    from matlever.study import run_study

    known = enumerate_compositions(SYMBOLS[:4], n_elements=[2], max_atoms=5).candidates(0, 999)
    frame = pd.DataFrame({"formula": known.formulas, "ef": energy(known.fractions)})
    frame.to_csv(tmp_path / "known.csv", index=False)
    run_study(
        tmp_path / "known.csv", out=tmp_path / "study", formula="formula", targets=("ef",), folds=3
    )
    out = tmp_path / "out"
    space = ("-e", "Na,Mg,O", "-n", 2, "-n", 3, "--max-atoms", 5)
    done = run(tmp_path / "study", *space, "--best", 5, "--uncertainty", "--out", out, "-q")
    assert done.exit_code == 0, done.output
    frame = Screening.load(out).to_frame()
    assert list(frame) == ["number", "formula", "ef", "std"]
    assert (frame["std"] > 0).all()
    refused = run(tmp_path / "study", "-e", "Na,Fe", "-n", 2, "--max-atoms", 5, "--best", 1)
    assert "--out" in refused.output
    refused = run(
        tmp_path / "study",
        "-e",
        "Na,Fe",
        *space[2:4],
        "--max-atoms",
        5,
        "--best",
        1,
        "--estimate-only",
    )
    assert "never seen Fe" in refused.output
