"""A study of a folder of crystals: site knobs, isomers held out together, kept with its model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from matlever.cli import main
from matlever.crystals import Crystals
from matlever.exceptions import SettingsError
from matlever.study import load_study, run_study, study_settings
from matlever.study.kinds import kind_of
from matlever.study.target import target_rows

SITES = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
A, B = (20, 38, 56), (22, 40, 72)  # Ca Sr Ba on one site, Ti Zr Hf on the other
pytestmark = pytest.mark.slow
SIZE = {20: 0.0, 38: 0.2, 56: 0.5, 22: 0.0, 40: 0.15, 72: 0.3}


def perovskite(first: int, second: int, edge: float) -> tuple[np.ndarray, list[int]]:
    return edge * np.eye(3), [first, second, 8, 8, 8]


@pytest.fixture(scope="module", autouse=True)
def _short_trainings():
    patch = pytest.MonkeyPatch()
    patch.setattr("matlever.study.kinds.crystals._EPOCHS", (20, 20))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Cubic perovskites as CIF files, each pair also with its ions exchanged (an isomer)."""
    path = tmp_path_factory.mktemp("perovskites")
    lattices, numbers, names, lines = [], [], [], []
    for one in A:
        for two in B:
            for first, second in ((one, two), (two, one)):
                lattice, kinds = perovskite(first, second, 3.9 + SIZE[one] + SIZE[two])
                lattices.append(lattice)
                numbers += kinds
                names.append(f"p{len(names)}")
                energy = -3.0 + SIZE[first] - 2 * SIZE[second]
                lines.append(f"{names[-1]},{energy:.3f}")
    crystals = Crystals.from_arrays(
        lattices, [5] * len(names), numbers, np.tile(SITES, (len(names), 1)), names
    )
    pytest.importorskip("pymatgen.core")
    for name, structure in zip(names, crystals.to_structures(), strict=True):
        structure.to(filename=str(path / f"{name}.cif"))
    (path / "id_prop.csv").write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def study(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "study"
    return run_study(folder, out=out, folds=3)


def test_sites_and_strain_are_knobs_and_the_rest_stays(study) -> None:
    space = study.editor.space
    assert space.names[0] == "volume strain"
    assert "structure" not in space.names
    assert set(space["site 1"].levels) == {"Ca", "Sr", "Ba", "Ti", "Zr", "Hf"}
    assert study.results["data"]["crystals"]["n_formulas"] == 9


def test_isomers_are_held_out_together(folder) -> None:
    settings = study_settings(folder, ["target"], folds=3)
    kind = kind_of(settings)
    settings = kind.settled(settings)
    table = kind.read(settings)
    rows = target_rows(table, table.target_columns[0], settings)
    formulas = table.frame["formula"].to_numpy()
    for train, test in rows.honest:
        assert not set(formulas[train]) & set(formulas[test])
    assert rows.random is not None


def test_advice_stays_within_the_knobs(study) -> None:
    names = study.editor.space.names
    for question in study.results["changes"]["questions"]:
        for row in question["rows"]:
            for answer in row["answers"]:
                settings = dict(zip(names, answer["settings"], strict=True))
                assert -10 <= settings["volume strain"] <= 10
                assert answer["doubts"] == []  # no atoms on top of each other


def test_loaded_study_predicts_bit_by_bit_alike_and_takes_new_crystals(study, tmp_path) -> None:
    loaded = load_study(study.folder)
    both = [one.predict(study.samples) for one in (study.model, loaded.model)]
    np.testing.assert_array_equal(*both)
    lattice, kinds = perovskite(56, 22, 4.45)
    Crystals.from_arrays([lattice], [5], kinds, SITES, ["new"]).to_structures()[0].to(
        filename=str(tmp_path / "new.cif")
    )
    rows = loaded.model.kind.read_rows(tmp_path, loaded.model.inputs)
    known = study.samples[(study.samples["site 1"] == "Ba") & (study.samples["site 2"] == "Ti")]
    new, old = loaded.model.predict(rows), loaded.model.predict(known)
    assert abs(new - old).max() < 0.2  # the same crystal, a little larger
    ran = CliRunner().invoke(main, ["predict", str(study.folder), str(tmp_path)])
    assert ran.exit_code == 0, ran.output


def test_the_command_line_knows_a_folder_of_crystals(folder) -> None:
    ran = CliRunner().invoke(main, ["check", str(folder), "--target", "target"])
    assert ran.exit_code == 0, ran.output
    assert "site 1" in ran.output


def test_what_means_nothing_for_crystals_is_refused(folder) -> None:
    settings = study_settings(folder, ["target"], decimal=",")
    with pytest.raises(SettingsError, match="decimal"):
        kind_of(settings).settled(settings)
    missing = study_settings(folder, ["energy"])
    with pytest.raises((SettingsError, ValueError), match="energy"):
        kind_of(missing).read(missing)


def test_a_study_of_crystals_resumes_to_the_same_results(folder, study, tmp_path) -> None:
    seen: list[str] = []

    def stop(done: int, total: int, what: str) -> None:
        seen.append(what)
        if len(seen) > 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(folder, ["target"], out=tmp_path / "s", folds=3, progress=stop)
    again = run_study(folder, ["target"], out=tmp_path / "s", folds=3)
    assert again.results["targets"] == study.results["targets"]
    pd.testing.assert_frame_equal(again.samples, study.samples)
