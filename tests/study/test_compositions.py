"""A study of a column of formulas: element knobs, nothing of one composition on both sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from matlever.cli import main
from matlever.compositions import CompositionEncoder
from matlever.exceptions import DataError, SettingsError
from matlever.study import load_study, run_study, study_settings
from matlever.study.kinds import kind_of
from matlever.study.kinds.compositions import SYSTEM

pytestmark = pytest.mark.slow  # whole studies, or pages of them

WEIGHTS = {"Fe": 1.0, "Co": 3.0, "Ni": 5.0, "Al": -4.0}


@pytest.fixture(scope="module")
def alloys(tmp_path_factory) -> Path:
    """A table of 60 alloys whose hardness is linear in the fractions, some written twice."""
    rng = np.random.default_rng(3)
    shares = rng.integers(0, 5, (60, 4)) + np.array([1, 0, 0, 0])
    rows = []
    for place, row in enumerate(shares):
        names = [f"{name}{n}" for name, n in zip(WEIGHTS, row, strict=True) if n]
        if place % 2:
            names = [f"{name}{2 * n}" for name, n in zip(WEIGHTS, row, strict=True) if n][::-1]
        y = float(row @ np.array(list(WEIGHTS.values())) / row.sum())
        rows.append({"alloy": "".join(names), "anneal (C)": 500 + 10 * (place % 7), "y (GPa)": y})
    path = tmp_path_factory.mktemp("alloys") / "alloys.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def study(alloys, tmp_path_factory):
    return run_study(
        alloys,
        ["y"],
        formula="alloy",
        folds=3,
        repeats=1,
        goals={"y": "4.."},
        out=tmp_path_factory.mktemp("out") / "study",
    )


def test_formulas_become_a_mixture_of_element_knobs(study) -> None:
    space = study.editor.space
    assert space.names == ("Al", "Fe", "Co", "Ni", "anneal")
    assert [set(mixture.names) for mixture in space.mixtures] == [set(WEIGHTS)]
    np.testing.assert_allclose(study.samples[list(WEIGHTS)].sum(axis=1), 1.0, atol=1e-9)
    assert study.results["data"]["composition"]["most_elements"] == 4


def test_one_composition_written_twice_is_never_on_both_sides(alloys) -> None:
    settings = study_settings(alloys, ["y"], formula="alloy", folds=4, repeats=1)
    from matlever.study.target import target_rows

    table = kind_of(settings).read(settings)
    rows = target_rows(table, table.target_columns[0], settings)
    compositions = rows.X[list(WEIGHTS)].round(9).apply(tuple, axis=1).to_numpy()
    assert len(set(compositions)) < len(compositions)
    assert np.ptp(rows.X["anneal"]) > 0  # equal compositions are not equal rows
    for train, test in rows.honest:
        assert not set(compositions[train]) & set(compositions[test])


def test_linear_truth_is_found_and_its_knobs_named(study) -> None:
    target = study.results["targets"][0]
    assert target["scores"][0]["honest"]["r2"]["mean"] > 0.9
    signs = {entry["knob"]: entry["direction"] for entry in target["weights"]["overall"]}
    assert signs["Al"] == "-"
    assert signs["Ni"] == "+"
    sizes = {entry["knob"]: entry["mean_abs"] for entry in target["weights"]["overall"]}
    assert sizes["anneal"] < 0.2 * sizes["Al"]


def test_changes_are_compositions_and_meet_the_goal_by_the_law(study) -> None:
    answers = [
        (row, answer)
        for question in study.results["changes"]["questions"]
        for row in question["rows"]
        for answer in row["answers"]
    ]
    assert answers
    names = study.editor.space.names
    for _, answer in answers:
        shares = dict(zip(names, answer["settings"], strict=True))
        assert sum(shares[name] for name in WEIGHTS) == pytest.approx(1.0)
        assert min(shares[name] for name in WEIGHTS) >= 0
        true = sum(WEIGHTS[name] * shares[name] for name in WEIGHTS)
        assert true > 3.0  # asked: 4, from below


def test_loaded_study_predicts_formulas_bit_by_bit_alike(study, tmp_path) -> None:
    loaded = load_study(study.folder)
    new = pd.DataFrame({"alloy": ["Ni3Al", "FeCo", "(FeCo)2Ni"], "anneal (C)": [500, 510, 540]})
    new.to_csv(tmp_path / "new.csv", index=False)
    rows = loaded.model.kind.read_rows(tmp_path / "new.csv", loaded.model.inputs)
    assert rows["Ni"].tolist() == pytest.approx([0.75, 0.0, 0.2])
    both = [one.predict(rows) for one in (study.model, loaded.model)]
    np.testing.assert_array_equal(*both)
    ran = CliRunner().invoke(main, ["predict", str(study.folder), str(tmp_path / "new.csv")])
    assert ran.exit_code == 0, ran.output


def test_new_formula_with_an_unknown_element_is_named(study, tmp_path) -> None:
    pd.DataFrame({"alloy": ["Ni3Al", "FeZr"], "anneal (C)": [500, 500]}).to_csv(
        tmp_path / "new.csv", index=False
    )
    with pytest.raises(DataError, match=r"FeZr.*no formula of the study"):
        study.model.kind.read_rows(tmp_path / "new.csv", study.model.inputs)


@pytest.mark.parametrize(
    ("cell", "said"), [("Fe2O3)", "row 4"), ("Xx2O", "row 4"), ("Fe-1", "row 4"), ("3", "row 4")]
)
def test_a_bad_formula_is_named_by_row_and_column(alloys, tmp_path, cell, said) -> None:
    frame = pd.read_csv(alloys)
    frame.loc[2, "alloy"] = cell
    frame.to_csv(tmp_path / "bad.csv", index=False)
    settings = study_settings(tmp_path / "bad.csv", ["y"], formula="alloy")
    with pytest.raises(DataError, match=rf"{said}.*alloy"):
        kind_of(settings).read(settings)


def test_systems_can_be_held_out_whole(alloys) -> None:
    settings = study_settings(alloys, ["y"], formula="alloy", group=SYSTEM)
    table = kind_of(settings).read(settings)
    assert table.groups is not None
    for system, rows in table.frame.groupby(SYSTEM):
        for element, cells in rows[list(WEIGHTS)].items():
            assert (cells > 0).all() == (element in str(system).split("-"))


def test_a_column_that_is_no_input_cannot_hold_formulas(alloys) -> None:
    settings = study_settings(alloys, ["y"], formula="alloys")
    with pytest.raises((SettingsError, DataError), match="alloys"):
        kind_of(settings).read(settings)


def test_sodium_is_no_word_for_nothing_and_case_is_chemistry(tmp_path) -> None:
    formulas = ["Na", "No", "BAs", "BaS", "NaCl", "KCl", "NaBr", "KBr", "LiF", "N/A"]
    frame = pd.DataFrame({"formula": formulas, "y": np.arange(10.0)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    settings = study_settings(tmp_path / "t.csv", ["y"], formula="formula")
    table = kind_of(settings).read(settings)
    assert table.n_rows == 9
    assert table.frame.loc[2, "Na"] == 1.0
    assert not any("capitals" in warning for warning in table.warnings)


def test_traces_of_an_element_do_not_make_its_attributes_jump() -> None:
    rows = pd.DataFrame({"Al": [0.5, 0.8, 0.4], "Ni": [0.5, 0.2, 0.6], "Xe": [0.0, 0.0, 0.0]})
    encoder = CompositionEncoder().fit(rows)
    trace = pd.DataFrame({"Al": [0.5, 0.5], "Ni": [0.5, 0.5 - 1e-6], "Xe": [0.0, 1e-6]})
    pure, doped = encoder.transform(trace)
    np.testing.assert_allclose(doped, pure, atol=1e-3)
