"""The perovskite study, on cells whose heat is a formula."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matlever.exceptions import DataError, StudyError
from matlever.report.cgcnn import render_cgcnn, write_cgcnn
from matlever.study import cgcnn, cgcnn_parts
from matlever.study.cgcnn import reproduce_cgcnn
from matlever.study.cgcnn_parts import (
    Perovskites,
    hold_out_compositions,
    isomer_part,
    leak_rows,
)

METALS = np.array([20, 38, 56, 22, 40, 72])


def write_cells(path: Path, n: int = 240, **changes: Any) -> Path:
    """Write cells ABX3 with A and B from six metals, half of each mark, in the file's layout."""
    random = np.random.default_rng(0)
    a, b = random.choice(METALS, (2, n))
    anions = random.choice([7, 8, 9], (n, 3))
    numbers = np.column_stack([a, b, anions])
    lattice = random.uniform(3.8, 4.4, n)[:, None, None] * np.eye(3)
    places = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0], [0, 0.5, 0.5]]
    arrays = {
        "lattice": lattice,
        "natoms": np.full(n, 5, dtype=np.int16),
        "numbers": numbers.ravel().astype(np.int8),
        "frac": np.tile(places, (n, 1)),
        "material_id": np.array([f"c{i}" for i in range(n)]),
        "split": np.where(np.arange(n) % 2, "val", "test"),
        "heat_all": 1.0 + 0.02 * a - 0.01 * b + 0.1 * anions.sum(axis=1) / 3,
    }
    np.savez(path, **(arrays | changes))
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cells(tmp_path_factory.mktemp("data") / "crystals_perov_5.npz")


@pytest.fixture(scope="module")
def found(file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("study")
    calls: list[str] = []
    short = {"choice_epochs": 1, "anchor_epochs": 1, "epochs": 2, "leak_epochs": 1, "seeds": 2}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cgcnn, "_QUICK", short)
        patch.setattr(cgcnn_parts, "_TREES", 10)
        results = reproduce_cgcnn(
            folder, data=file, quick=True, progress=lambda done, total, what: calls.append(what)
        )
    assert json.loads((folder / "results.json").read_text()) == json.loads(json.dumps(results))
    assert "leak_random_0: epoch" in calls
    assert [path.name for path in folder.iterdir()] == ["results.json"]
    return results


def test_scores_are_those_of_the_predictions(found: dict[str, Any]) -> None:
    measured, predicted = (np.array(found["test"][key]) for key in ("measured", "predicted"))
    full = found["variants"][0]
    assert full["ensemble_mae"] == pytest.approx(np.abs(measured - predicted).mean())
    assert full["mae"] == pytest.approx(np.mean(full["members"]))
    assert full["n_test"] == found["data"]["n_test"] == 120
    seen = found["seen"]
    both = sum(seen[key]["n"] * (seen[key]["mae"] or 0) for key in seen) / 120
    assert both == pytest.approx(full["ensemble_mae"])


def test_the_choice_never_sees_the_test_half(found: dict[str, Any]) -> None:
    for row in found["choice"]:
        assert row["n_train"] + row["n_test"] == found["data"]["n_train"]
    best = min(found["choice"], key=lambda row: row["mae"])
    assert all(best[key] == value for key, value in found["chosen"].items())


def test_the_example_is_the_mean_of_its_sites(found: dict[str, Any]) -> None:
    example = found["example"]
    assert len(example["contributions"]) == 5
    assert np.mean(example["contributions"]) == pytest.approx(example["predicted"])
    sites = {(row["site"], row["element"]) for row in found["sites"]["rows"]}
    assert {("X", "N"), ("X", "O"), ("X", "F")} <= sites
    assert all(row["n"] >= 5 for row in found["sites"]["rows"])


def test_the_page_holds_everything_and_escapes_it(found: dict[str, Any], tmp_path: Path) -> None:
    page = render_cgcnn(found)
    for heading in ("Errors on crystals", "What single sites", "Intervals", "How the settings"):
        assert heading in page
    assert page.count("<svg") == 7
    assert "<image" not in page
    nasty = {**found, "example": {**found["example"], "formula": "<script>"}, "sites": None}
    assert "<script>," not in render_cgcnn(nasty)
    path = write_cgcnn({"schema": found["schema"]}, tmp_path / "page.html")
    assert path.read_text().endswith("</html>\n")
    with pytest.raises(StudyError, match="schema"):
        render_cgcnn({})


def test_an_interrupted_study_goes_on(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    real = cgcnn.training_part

    def counted(perovskites: Any, settings: Any, *rest: Any, **more: Any) -> Any:
        made.append(json.dumps(settings))
        if len(made) == 3:
            raise KeyboardInterrupt
        return {"mae": 1.0 / len(made), "n_train": 1, "n_test": 1, "cpu_s": 0.0}

    monkeypatch.setattr(cgcnn, "training_part", counted)
    with pytest.raises(KeyboardInterrupt):
        reproduce_cgcnn(tmp_path, data=file, quick=True)
    monkeypatch.setattr(cgcnn, "training_part", real)
    kept = sorted(path.name for path in next((tmp_path / ".parts").iterdir()).iterdir())
    assert kept == ["choice_0.json", "choice_1.json"]


def test_isomers_are_on_one_side_where_it_is_said(file: Path) -> None:
    perovskites = Perovskites.read(file, quick=False)
    codes, formulas = perovskites.composition, np.array(perovskites.crystals.formulas)
    assert len(np.unique(codes)) == len(set(formulas))
    for seed in range(3):
        train, test = leak_rows(perovskites, True, seed)
        assert not set(formulas[train]) & set(formulas[test])
        assert len(train) == 120
        left, held = hold_out_compositions(codes, 0.2, seed)
        assert not set(codes[left]) & set(codes[held])
        assert len(left) + len(held) == 240
    train, test = leak_rows(perovskites, False, 0)
    assert set(formulas[train]) & set(formulas[test])
    assert not set(train) & set(test)


def test_the_least_error_of_a_formula_is_that_of_its_median(file: Path) -> None:
    perovskites = Perovskites.read(file, quick=False)
    truth = perovskites.y[perovskites.test]
    part = isomer_part(perovskites, truth)
    assert part["ordered"] in (None, 1.0)
    assert isomer_part(perovskites, -truth)["ordered"] in (None, 0.0)
    errors = []
    formulas = np.array(perovskites.crystals.formulas)
    for formula in set(formulas):
        y = perovskites.y[formulas == formula]
        if len(y) > 1:
            errors += np.abs(y - np.median(y)).tolist()
    assert part["n_with_isomer"] == len(errors)
    assert part["least_mae"] == pytest.approx(np.mean(errors))


def test_missing_and_other_data_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MATLEVER_DATA", raising=False)
    with pytest.raises(StudyError, match="MATLEVER_DATA"):
        reproduce_cgcnn(tmp_path / "out")
    with pytest.raises(StudyError, match="no file crystals_perov_5"):
        reproduce_cgcnn(tmp_path / "out", data=tmp_path)
    other = write_cells(tmp_path / "other.npz", split=np.full(240, "train"))
    with pytest.raises(DataError, match="0 crystals are marked 'val'"):
        reproduce_cgcnn(tmp_path / "out", data=other)
