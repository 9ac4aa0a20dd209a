"""Tables with compositions: what is read, and how every fault is named."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from matlever.compositions import (
    ELEMENTS,
    atomic_to_weight,
    parse_formulas,
    read_compositions,
    weight_to_atomic,
)
from matlever.exceptions import DataError, SettingsError


def written(tmp_path: Path, text: str, name: str = "runs.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def says(source: object, *words: str, **options: object) -> DataError:
    with pytest.raises(DataError) as caught:
        read_compositions(source, **options)  # type: ignore[arg-type]
    for word in words:
        assert word in str(caught.value)
    return caught.value


def test_reads_formulas_and_targets_with_their_lines(tmp_path: Path) -> None:
    path = written(tmp_path, "formula,gap_ev,note\nNaCl,8.5,a\n,,\nCa(OH)2,,b\nFe2O3,2.1,c\n")
    found, targets = read_compositions(path, targets=["gap_ev"])
    assert found.sources == ("NaCl", "Ca(OH)2", "Fe2O3")
    assert targets.index.tolist() == [2, 4, 5]
    assert targets.index.name == "row"
    assert targets["gap_ev"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "tsv", "semicolon", "xlsx", "parquet", "frame"])
def test_every_kind_of_file_gives_the_same(tmp_path: Path, kind: str) -> None:
    frame = pd.DataFrame({"formula": ["NaCl", "Fe2O3", "Ca(OH)2"], "y": [1.5, 2.0, -3.0]})
    source: object = frame
    path = tmp_path / f"runs.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "csv.gz":
        with gzip.open(path, "wt") as stream:
            frame.to_csv(stream, index=False)
    elif kind in ("tsv", "semicolon"):
        frame.to_csv(path, index=False, sep="\t" if kind == "tsv" else ";")
    elif kind == "xlsx":
        pytest.importorskip("openpyxl")
        frame.to_excel(path, index=False)
    elif kind == "parquet":
        pytest.importorskip("pyarrow")
        frame.to_parquet(path)
    source = frame if kind == "frame" else path
    found, targets = read_compositions(source, targets="y")  # type: ignore[arg-type]
    assert np.array_equal(found.amounts, parse_formulas(frame["formula"]).amounts)
    assert targets["y"].tolist() == [1.5, 2.0, -3.0]
    first = {"frame": 0, "parquet": 1}.get(kind, 2)
    assert targets.index.tolist() == [first, first + 1, first + 2]


def test_all_faults_of_formulas_and_targets_come_together(tmp_path: Path) -> None:
    path = written(tmp_path, 'formula,y\nNaCl,1\nNaXx,2\n,3\nFe2O3,high\nFe(,"1,5"\nNaN,inf\n')
    error = says(
        path,
        "runs.csv, row 3, column 'formula': 'NaXx': 'Xx' at character 3 is not an element",
        "runs.csv, row 4, column 'formula': the formula is empty",
        "runs.csv, row 5, column 'y': 'high' is not a finite number",
        "runs.csv, row 6, column 'y': '1,5' is not a finite number. Use a decimal point",
        "runs.csv, row 7, column 'formula': 'NaN' is no formula",
        "runs.csv, row 7, column 'y': 'inf' is not a finite number",
        targets=["y"],
    )
    assert [fault.row for fault in error.faults] == [3, 4, 5, 6, 6, 7, 7]


def test_a_row_with_an_empty_formula_and_something_else_is_not_lost(tmp_path: Path) -> None:
    path = written(tmp_path, "formula,y,note\nNaCl,1,a\n,,forgotten\n,,\n  ,,\nKCl,2,\n")
    says(path, "runs.csv, row 3, column 'formula': the formula is empty")
    path = written(tmp_path, "formula,y,note\nNaCl,1,a\n,,\n  ,,\nKCl,2,\n")
    assert read_compositions(path)[1].index.tolist() == [2, 5]
    says(pd.DataFrame({"formula": ["NaCl", None]}), "row 1, column 'formula'")


def test_missing_and_doubled_columns(tmp_path: Path) -> None:
    path = written(tmp_path, "Formula,gap,gap\nNaCl,1,2\n")
    says(
        path,
        "no column 'formula'. Similar columns: 'Formula'",
        "2 columns are 'gap'",
        targets="gap",
    )


def test_element_columns_in_weight_percent(tmp_path: Path) -> None:
    text = "alloy,Ti wt%,Al (wt%),V [wt%],yield_mpa\nA,90,6,4,880\nB,94.5,3,2.5,620\n"
    found, targets = read_compositions(
        written(tmp_path, text), elements="auto", unit="wt", targets="yield_mpa"
    )
    used = [ELEMENTS.index(s) for s in ("Al", "Ti", "V")]
    expected = weight_to_atomic([[6, 90, 4], [3, 94.5, 2.5]], ["Al", "Ti", "V"])
    assert np.allclose(found.fractions[:, used], expected)
    assert targets["yield_mpa"].tolist() == [880, 620]


def test_weight_and_atom_fractions_are_inverse() -> None:
    composition = pytest.importorskip("pymatgen.core").Composition
    x = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
    w = atomic_to_weight(x, ["Fe", "Cr", "C"])
    assert np.allclose(weight_to_atomic(w, ["Fe", "Cr", "C"]), x)
    theirs = composition({"Fe": 0.2, "Cr": 0.3, "C": 0.5})
    assert w[0, 0] == pytest.approx(theirs.get_wt_fraction("Fe"), rel=1e-3)
    with pytest.raises(DataError, match="'Xx'"):
        weight_to_atomic([[1.0]], ["Xx"])
    with pytest.raises(DataError, match="3 elements"):
        weight_to_atomic([[1.0]], ["Fe", "Cr", "C"])


def test_balance_and_blank_cells() -> None:
    frame = pd.DataFrame({"C": [0.4, None], "Cr": [18.0, 1.0], "Fe": [np.nan, np.nan]})
    found, _ = read_compositions(
        frame, elements="auto", unit="wt", balance="Fe", missing_amounts="zero"
    )
    weights = atomic_to_weight(found.fractions)
    assert np.allclose(weights[:, ELEMENTS.index("Fe")], [0.816, 0.99])
    says(
        pd.DataFrame({"Cr": [60.0, 70.0], "Ni": [20.0, 40.0]}),
        "row 1: the amounts without Fe add up to 110",
        elements="auto",
        unit="wt",
        balance="Fe",
    )


def test_faults_of_amounts_name_the_cell() -> None:
    frame = pd.DataFrame(
        {"Fe": [0.5, -0.1, 0.2, 0.0], "Ni": [0.5, 1.1, None, 0.0], "y": [1, 2, 3, 4]},
        index=[10, 20, 30, 40],
    )
    says(
        frame,
        "row 20, column 'Fe': the amount -0.1 is negative",
        "row 30, column 'Ni': the amount is empty. Write 0, or pass missing_amounts='zero'",
        "row 40: all amounts are 0",
        elements=["Fe", "Ni"],
    )


def test_mixed_units_name_the_rows_of_the_minority(tmp_path: Path) -> None:
    text = "Fe,Ni\n0.5,0.5\n0.2,0.8\n50,50\n0.1,0.9\n0.3,0.3\n"
    for unit in ("at", "wt"):
        says(
            written(tmp_path, text),
            "row 4: the amounts add up to 100: percent, while most rows are in fractions",
            "row 6: the amounts add up to 0.6, neither 1 nor 100",
            elements="auto",
            unit=unit,
        )


def test_atoms_per_formula_unit_need_no_total() -> None:
    found, _ = read_compositions(pd.DataFrame({"Fe": [2, 1], "O": [3, 1]}), elements=["Fe", "O"])
    assert found.formulas == ("Fe2O3", "FeO")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"elements": ["Fe", "Zz"]}, "'Zz' names an element"),
        ({"elements": ["Fe", "Fe wt%"]}, "Fe stands in more than one column"),
        ({"elements": ["Fe wt%"], "unit": "at"}, "'Fe wt%' says 'wt'"),
        ({"elements": ["Fe"], "unit": "mol"}, "unit='mol' must be"),
        ({"elements": ["Fe"], "missing_amounts": "drop"}, "missing_amounts='drop'"),
        ({"balance": "Fe"}, "needs elements="),
        ({"formula": None}, "Name the column"),
    ],
)
def test_contradicting_options(options: dict[str, object], words: str) -> None:
    frame = pd.DataFrame({"Fe": [1.0], "Fe wt%": [1.0], "Zz": [0.0]})
    with pytest.raises(SettingsError, match=words):
        read_compositions(frame, **options)  # type: ignore[arg-type]


def test_other_headers_by_mapping_and_decimal_commas(tmp_path: Path) -> None:
    path = written(tmp_path, "iron;nickel\n0,25;0,75\n")
    found, _ = read_compositions(path, elements={"iron": "Fe", "nickel": "Ni"}, decimal=",")
    assert found.formulas == ("FeNi3",)


def test_damaged_empty_and_absent_files(tmp_path: Path) -> None:
    says(tmp_path / "none.csv", "none.csv: there is no such file")
    says(written(tmp_path, ""), "runs.csv: the file is empty")
    says(written(tmp_path, "formula\n"), "runs.csv: there are no rows")
    path = tmp_path / "latin.csv"
    path.write_bytes("formula\nFé\n".encode("latin-1"))
    says(path, "latin.csv: byte", "is not UTF-8")
    path = tmp_path / "broken.csv.gz"
    path.write_bytes(b"not gzip")
    says(path, "broken.csv.gz: the file cannot be read")
    says(
        written(tmp_path, "formula,y\nNaCl,1\nKCl,2,3\n"),
        "runs.csv, row 3: the row has 3 cells, the header 2",
    )
    says(["NaCl"], "not a list. For a list of formulas call parse_formulas")


def test_blocks_join_to_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matlever.compositions import _blocks

    frame = pd.DataFrame({"formula": ["NaCl", "Fe2O3", "CuSO4·5H2O"] * 7, "y": range(21)})
    path = tmp_path / "runs.csv"
    frame.to_csv(path, index=False)
    whole, targets = read_compositions(path, targets="y")
    monkeypatch.setattr(_blocks, "_ROWS", 4)
    parts, again = read_compositions(path, targets="y")
    assert np.array_equal(whole.amounts, parts.amounts)
    assert targets.equals(again)
    assert whole.sources == parts.sources


def test_reading_stops_after_a_thousand_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matlever.compositions import _blocks

    monkeypatch.setattr(_blocks, "_ROWS", 600)
    error = says(written(tmp_path, "formula\n" + "Xx\n" * 5000), "... and 1190 more.")
    assert len(error.faults) == 1200
