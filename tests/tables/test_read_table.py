"""What a good table becomes: values, units, roles, and everything that was changed."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from matlever.exceptions import DataError, MissingExtraError, SettingsError
from matlever.tables.examples import example_info, example_names, load_example
from matlever.tables.read import read_table, table_from_frame
from matlever.tables.table import Table

RUNS = """run,time (min),T [°C],acid,batch,length (nm)
1,10,200,oleic,A,5.1
2,20,210,oleic,A,7.9
3,30,220,stearic,B,9.2
4,40,230,stearic,B,12.5
5,50,240,oleic,C,13.7
6,60,250,None,C,16.4
"""


def write(folder: Path, text: str | bytes, name: str = "runs.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(folder: Path, text: str | bytes, targets: str = "y", **keywords: object) -> Table:
    return read_table(write(folder, text), targets, **keywords)  # type: ignore[arg-type]


def whats(table: Table) -> str:
    return "\n".join(change.what for change in table.changes)


def test_columns_get_names_units_kinds_and_roles(tmp_path: Path) -> None:
    table = read(tmp_path, RUNS, "length_nm", group="batch")
    assert [(c.name, c.unit, c.kind, c.role) for c in table.columns] == [
        ("run", None, "numeric", "ignored"),
        ("time", "min", "numeric", "input"),
        ("T", "°C", "numeric", "input"),
        ("acid", None, "categorical", "input"),
        ("batch", None, "group", "group"),
        ("length", "nm", "numeric", "target"),
    ]
    assert table.column("acid").levels == ("None", "oleic", "stearic")
    assert (table.column("time").lower, table.column("time").upper) == (10.0, 60.0)
    assert table.column("length").label == "length (nm)"
    assert list(table.frame.index) == [2, 3, 4, 5, 6, 7]
    assert table.inputs.columns.tolist() == ["time", "T", "acid"]
    assert table.groups is not None
    assert table.groups.tolist() == list("AABBCC")
    assert table.n_groups == 3
    assert "'run' only numbers the rows" in whats(table)


@pytest.mark.parametrize("name", ["length", "Length", "length (nm)", "length_nm", "LENGTH_NM"])
def test_target_is_found_under_any_of_its_names(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, RUNS, name).targets.columns.tolist() == ["length"]


def test_columns_that_would_share_a_name_keep_their_headers(tmp_path: Path) -> None:
    table = read(tmp_path, RUNS.replace("T [°C]", "time (h)"), "length")
    assert table.inputs.columns.tolist() == ["time (min)", "time (h)", "acid", "batch"]
    assert table.column("time (h)").label == "time (h)"


def test_targets_keep_the_order_in_which_they_were_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, RUNS)
    table = read_table(path, ["length", "time"], ignore="T")
    assert table.targets.columns.tolist() == ["length", "time"]
    assert [column.name for column in table.target_columns] == ["length", "time"]


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("olympus_fullerenes", "product"),
        ("olympus_agnp", "spectrum_score"),
        ("olympus_p3ht", "conductivity"),
        ("olympus_electrochem", "voltage"),
        ("olympus_lnp3", "drug_loading"),
        ("nims_steel_fatigue", "fatigue_strength_mpa"),
        ("ye2018_perovskite_oxides", "ef_from_oxides_ev_atom"),
    ],
)
def test_values_are_those_pandas_reads(data_dir: Path, name: str, targets: str) -> None:
    path = data_dir / "tables" / f"{name}.csv"
    expected = pd.read_csv(path)
    table = read_table(path, targets)
    rows = table.rows - 2
    for column in table.frame.columns:
        header = table.column(column).header
        assert table.frame[column].tolist() == expected[header].iloc[rows].tolist()


def test_cdse_syntheses_from_the_literature(data_dir: Path) -> None:
    table = read_table(
        data_dir / "tables" / "cdse_hot_injection.csv",
        "diameter_nm",
        group="citation",
        ignore=["absorbance_max_nm", "pl_max_nm"],
    )
    assert (table.n_rows, table.n_groups) == (199, 30)
    assert "row" not in table.inputs
    assert "chalcogen_source" not in table.inputs  # Se powder in every row
    assert "None" in table.column("carboxylic_acid").levels
    assert table.inputs.isna().sum().sum() == 0
    # Two papers are written in two ways each; found here first, so the reader must say so.
    assert sum("may be the same" in warning for warning in table.warnings) == 2


def test_outcomes_that_are_mostly_empty_are_refused_as_inputs_by_name(data_dir: Path) -> None:
    path = data_dir / "tables" / "cdse_hot_injection.csv"
    with pytest.raises(DataError, match="72 of 199") as caught:
        read_table(path, "diameter_nm")
    assert [fault.column for fault in caught.value.faults] == ["pl_max_nm", "absorbance_max_nm"]
    table = read_table(path, "diameter_nm", missing="impute")
    assert table.inputs["pl_max"].isna().sum() == 72


@pytest.mark.parametrize("name", example_names())
def test_examples_are_complete_real_and_licensed(name: str) -> None:
    table, info = load_example(name), example_info(name)
    assert not table.simulated
    assert table.licence == info["licence"] == "MIT"
    assert "Olympus" in str(table.citation)
    assert table.n_rows == {"fullerenes": 246, "photo_pce10": 1040}[name]
    assert [column.name for column in table.target_columns] == info["targets"]
    assert not table.warnings


def test_example_numbers_are_those_of_olympus(data_dir: Path) -> None:
    for name in example_names():
        published = pd.read_csv(data_dir / "tables" / f"olympus_{name}.csv").to_numpy()
        np.testing.assert_array_equal(load_example(name).frame.to_numpy(), published)


def test_example_can_be_read_with_a_subset_of_inputs() -> None:
    table = read_table("example:fullerenes", inputs=["temperature", "sultine"])
    assert table.inputs.columns.tolist() == ["sultine", "temperature"]
    assert table.n_replicates == len(table.frame) - 36  # a 6 x 6 grid remains
    with pytest.raises(SettingsError, match="fullerenes"):
        load_example("nanotubes")


def test_blend_of_four_parts_is_a_mixture() -> None:
    (mixture,) = load_example("photo_pce10").mixtures
    assert (mixture.names, mixture.total) == (("PCE10", "P3HT", "PCBM", "oIDTBR"), 1.0)


@pytest.mark.parametrize(
    ("delimiter", "name"), [(",", "a.csv"), (";", "a.csv"), ("\t", "a.tsv"), ("|", "a.txt")]
)
def test_delimiter_is_found(tmp_path: Path, delimiter: str, name: str) -> None:
    table = read_table(write(tmp_path, RUNS.replace(",", delimiter), name), "length")
    pd.testing.assert_frame_equal(table.frame, read(tmp_path, RUNS, "length").frame)


def test_blanks_can_be_the_delimiter(tmp_path: Path) -> None:
    text = "x   z  y\n" + "\n".join(f" {k}    {k * k % 5} {k / 3:8.4f}" for k in range(8))
    table = read_table(write(tmp_path, text, "a.txt"), "y", delimiter=" ")
    assert table.frame["y"].tolist() == [round(k / 3, 4) for k in range(8)]


def test_decimal_commas_are_found_and_recorded(tmp_path: Path) -> None:
    text = "x;z;y\n" + "\n".join(f"{k},5;{k * k % 7};1.{k * k:03d},25" for k in range(1, 9))
    table = read(tmp_path, text)
    assert table.frame["x"].tolist() == [k + 0.5 for k in range(1, 9)]
    assert table.frame["y"].tolist() == [1000.25 + k * k for k in range(1, 9)]
    assert "'x': decimal commas were read" in whats(table)
    assert "'y': separators of thousands were taken out" in whats(table)


def test_decimal_mark_of_the_file_decides_what_a_column_leaves_open(tmp_path: Path) -> None:
    rows = [f"{k},{100 + k};{k * k % 7}{{}}5;{k**3 % 11}" for k in range(1, 9)]
    commas = read(tmp_path, "x;z;y\n" + "\n".join(row.format(",") for row in rows))
    points = read(tmp_path, "x;z;y\n" + "\n".join(row.format(".") for row in rows))
    assert commas.frame["x"].iloc[0] == pytest.approx(1.101)
    assert points.frame["x"].iloc[0] == 1101.0


@pytest.mark.parametrize("mark", [" ", "\u202f", "'"])
def test_other_separators_of_thousands_are_taken_out(tmp_path: Path, mark: str) -> None:
    text = "x;z;y\n" + "\n".join(f"{k}{mark}{k}00;{k * k % 7};{k * k}" for k in range(1, 9))
    assert read(tmp_path, text).frame["x"].tolist() == [1100.0 * k for k in range(1, 9)]


def test_unit_in_every_cell_becomes_the_unit_of_the_column(tmp_path: Path) -> None:
    text = "x,z,y\n" + "\n".join(f"{k} %,{k * k % 7} μmol/L,{k * k}" for k in range(1, 9))
    table = read(tmp_path, text)
    assert (table.column("x").unit, table.column("z").unit) == ("%", "µmol/L")
    assert table.frame["x"].tolist() == list(range(1, 9))
    assert "the unit % was taken from the cells" in whats(table)


@pytest.mark.parametrize("grades", [["2H", "4H", "6H", "3C"], ["304L", "316L", "304", "321"]])
def test_names_that_begin_with_numbers_stay_words(tmp_path: Path, grades: list[str]) -> None:
    text = "grade,z,y\n" + "\n".join(f"{grades[k % 4]},{k * k % 11},{k**3 % 17}" for k in range(12))
    assert read(tmp_path, text).column("grade").levels == tuple(sorted(grades))


def test_sodium_is_not_a_missing_value(tmp_path: Path) -> None:
    text = "metal,z,y\n" + "\n".join(
        f"{['Na', 'NA', 'K'][k % 3]},{k},{k * k % 7}" for k in range(9)
    )
    with pytest.raises(DataError, match=r"'metal'.*3 of 9 rows"):
        read(tmp_path, text)
    text = text.replace("NA", "None")
    assert read(tmp_path, text).column("metal").levels == ("K", "Na", "None")


@pytest.mark.parametrize(
    ("style", "first"),
    [("2024-03-{:02d}", 19783.0), ("{:02d}.03.2024", 19783.0), ("2024/03/{:02d}", 19783.0)],
)
def test_dates_become_days(tmp_path: Path, style: str, first: float) -> None:
    days = "\n".join(f"{style.format(k)},{k * k % 7},{k**3 % 11}" for k in range(1, 9))
    table = read(tmp_path, "day,z,y\n" + days)
    assert table.column("day").kind == "date"
    assert table.frame["day"].tolist() == [first + k for k in range(8)]


def test_dates_that_can_be_two_days_are_not_guessed(tmp_path: Path) -> None:
    text = "day,z,y\n" + "\n".join(f"0{1 + k % 4}/03/2024,{k},{k**3 % 11}" for k in range(9))
    table = read(tmp_path, text)
    assert table.column("day").kind == "categorical"
    assert any("yyyy-mm-dd" in warning for warning in table.warnings)


def test_reactor_numbers_can_be_declared_words(tmp_path: Path) -> None:
    text = "reactor,z,y\n" + "\n".join(f"{k % 3},{k},{k**3 % 11}" for k in range(9))
    assert read(tmp_path, text).column("reactor").kind == "numeric"
    table = read(tmp_path, text, kinds={"reactor": "categorical"})
    assert table.column("reactor").levels == ("0", "1", "2")


def test_incomplete_rows_are_left_out_and_named(tmp_path: Path) -> None:
    lines = [f"{k},{k * k % 11},{k**3 % 23}" for k in range(20)]
    lines[3], lines[7], lines[9] = "3,,4", "7,5,", "N/A,5,-"
    table = read(tmp_path, "x,z,y\n" + "\n".join(lines) + "\n\n")
    assert (table.n_rows, table.rows_read) == (17, 20)
    changes = {change.what: change for change in table.changes}
    assert changes["row left out: the target is empty"].rows == (9, 11)
    assert changes["row left out: an input is empty ('z' in 1)"].rows == (5,)
    assert table.column("y").n_missing == 2
    kept = read(tmp_path, "x,z,y\n" + "\n".join(lines), missing="impute")
    assert kept.n_rows == 18
    assert np.isnan(kept.frame.loc[5, "z"])


def test_twins_are_dropped_and_replicates_kept(tmp_path: Path) -> None:
    text = "x,z,y\n" + "".join(f"{k},{k * k % 5},{k}.5\n" for k in range(8)) + "1,1,1.5\n1,1,1.7\n"
    table = read(tmp_path, text)
    assert (table.n_rows, table.n_replicates) == (9, 1)
    assert table.changes[-1].rows == (10,)


def test_row_numbers_are_those_of_a_spreadsheet(tmp_path: Path) -> None:
    text = 'x,z,y\n\n1,"a\nb",3\n2,c,4\n\n3,"a\nb",5\n4,c,7\n5,c,9\n'
    assert read(tmp_path, text).rows.tolist() == [3, 4, 6, 7, 8]


def test_useless_columns_are_set_aside_and_named(tmp_path: Path) -> None:
    text = "name,x,fixed,empty,again,note,y\n" + "".join(
        f"s{k},{k},7,,{k},w{k // 2 if k < 8 else k},{k * k % 7}\n" for k in range(10)
    )
    table = read(tmp_path, text)
    assert table.inputs.columns.tolist() == ["x"]
    for words in (
        "'name' only names the rows",
        "'fixed' holds 7 in every row",
        "'empty' is empty",
        "'again' is a copy of 'x'",
        "'note' holds 6 different words in 10 rows",
    ):
        assert words in whats(table)
    assert {c.name for c in table.columns if c.role == "ignored"} == {
        "name", "fixed", "empty", "again", "note",
    }  # fmt: skip


def test_index_that_pandas_wrote_is_set_aside(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1, 4, 2, 5, 3, 9], "y": [1, 2, 4, 3, 6, 7]})
    path = tmp_path / "a.csv"
    frame.to_csv(path)
    table = read_table(path, "y")
    assert [column.name for column in table.columns] == ["x", "y"]
    assert "counts the rows" in whats(table)


@pytest.mark.parametrize("total", [1.0, 100.0])
def test_part_that_never_changes_is_taken_off_the_whole(tmp_path: Path, total: float) -> None:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet([1, 1, 1], size=12) * 0.9 * total
    frame = pd.DataFrame(shares, columns=["a", "b", "c"]).assign(d=0.1 * total)
    frame.insert(1, "temperature", rng.uniform(10, 20, 12))
    table = table_from_frame(frame.assign(y=rng.normal(size=12)), "y")
    assert table.mixtures == () or table.mixtures[0].names == ("a", "b", "c")
    frame = frame[["temperature", "a", "d", "b", "c"]]
    (mixture,) = table_from_frame(frame.assign(y=rng.normal(size=12)), "y").mixtures
    assert mixture.names == ("a", "b", "c")
    assert mixture.total == pytest.approx(0.9 * total)


def test_slip_in_one_row_of_a_mixture_is_pointed_out() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.dirichlet([1, 1, 1], size=20), columns=["wt_Ni", "wt_Fe", "wt_Cr"])
    frame.loc[4, "wt_Fe"] += 0.3
    table = table_from_frame(frame.assign(t=rng.normal(size=20), y=rng.normal(size=20)), "y")
    assert not table.mixtures
    assert any("rows 6" in w and "add up to 1" in w for w in table.warnings)


def test_curved_image_of_the_target_gets_a_warning() -> None:
    rng = np.random.default_rng(2)
    y = rng.uniform(1, 2, 20)
    frame = pd.DataFrame({"x": rng.normal(size=20), "log_y": np.log(y), "y": y})
    assert any("'log_y' orders all rows" in w for w in table_from_frame(frame, "y").warnings)


def test_linear_pair_of_inputs_gets_a_warning() -> None:
    rng = np.random.default_rng(3)
    kelvin = rng.uniform(300, 500, 20)
    frame = pd.DataFrame({"K": kelvin, "C": kelvin - 273.15, "y": rng.normal(size=20)})
    assert any(
        "'C' is a linear function of 'K'" in w for w in table_from_frame(frame, "y").warnings
    )


def test_slip_of_the_decimal_gets_a_warning(tmp_path: Path) -> None:
    text = "x,z,y\n" + "".join(f"{k + 1},{k * k % 7},{k}\n" for k in range(12)).replace(
        "12,", "1200,"
    )
    assert any("holds 1200, more than 20 times" in w for w in read(tmp_path, text).warnings)


def test_row_of_means_below_the_table_gets_a_warning(tmp_path: Path) -> None:
    text = "sample,x,y\n" + "".join(f"s{k},{k},{k * k % 7}\n" for k in range(9)) + "Mean,4,3.1\n"
    assert any("Row 11 is called 'Mean'" in w for w in read(tmp_path, text).warnings)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
def test_other_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    text = RUNS.replace("\n", "\r\n").encode(encoding)
    given = None if encoding in ("utf-8-sig", "utf-16") else encoding
    table = read(tmp_path, text, "length", encoding=given)
    assert table.column("T").unit == "°C"
    assert table.n_rows == 6


def test_gzip_workbook_and_parquet_give_the_same_table(tmp_path: Path) -> None:
    expected = read(tmp_path, RUNS, "length").frame
    packed = write(tmp_path, gzip.compress(RUNS.encode()), "a.csv.gz")
    frame = pd.read_csv(tmp_path / "runs.csv", keep_default_na=False)
    frame.to_excel(tmp_path / "a.xlsx", index=False)
    frame.to_parquet(tmp_path / "a.parquet", index=False)
    for path in (packed, tmp_path / "a.xlsx", tmp_path / "a.parquet"):
        pd.testing.assert_frame_equal(read_table(path, "length").frame, expected)


def test_workbook_keeps_numbers_dates_and_the_sheet(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "day": pd.date_range("2024-03-01", periods=8),
            "x\n(mg)": [0.125 * k for k in range(8)],
            "on": [True, False] * 4,
            "y": [k * k % 7 for k in range(8)],
        }
    )
    path = tmp_path / "a.xlsx"
    with pd.ExcelWriter(path) as writer:
        pd.DataFrame().to_excel(writer, sheet_name="empty", index=False)
        frame.to_excel(writer, sheet_name="May", index=False, startrow=2)
    table = read_table(path, "y", decimal=",")  # stored numbers have no decimal mark
    assert table.column("day").kind == "date"
    assert table.column("x").unit == "mg"
    assert table.column("on").levels == ("FALSE", "TRUE")
    assert table.frame["x"].tolist() == frame["x\n(mg)"].tolist()
    assert table.rows.tolist() == list(range(4, 12))
    assert "sheet 'May' was read" in whats(table)
    assert read_table(path, "y", sheet="May").n_rows == read_table(path, "y", sheet=1).n_rows == 8


def test_missing_library_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, library in (("a.xlsx", "openpyxl"), ("a.parquet", "pyarrow")):
        monkeypatch.setitem(__import__("sys").modules, library, None)
        with pytest.raises(MissingExtraError, match=rf"{library}.*matlever\[files\]"):
            read_table(write(tmp_path, "x", name), "y")


def test_header_of_numpy_savetxt_is_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "a.txt"
    values = rng.normal(size=(9, 3))
    np.savetxt(path, values, header="x,z,y", delimiter=",")
    np.testing.assert_array_equal(
        read_table(path, "y").frame.to_numpy(), np.loadtxt(path, delimiter=",")
    )


def test_comments_on_top_tell_the_source(tmp_path: Path) -> None:
    table = read(tmp_path, f"# simulated: yes\n# citation: A. Author 2024\n{RUNS}", "length")
    assert table.simulated
    assert table.citation == "A. Author 2024"
    assert table.rows[0] == 4


def test_data_frame_is_checked_like_a_file(tmp_path: Path) -> None:
    frame = pd.read_csv(write(tmp_path, RUNS), keep_default_na=False)
    frame.attrs["simulated"] = True
    table = table_from_frame(frame, "length")
    pd.testing.assert_frame_equal(table.frame, read(tmp_path, RUNS, "length").frame)
    assert table.simulated
    with pytest.raises(DataError, match=r"row 3, column 'x'.*infinite"):
        table_from_frame(pd.DataFrame({"x": [1, np.inf, 2, 3, 4], "y": range(5)}), "y")


def test_faults_are_collected_over_columns_and_rows(tmp_path: Path) -> None:
    lines = [f"{k},{k * k % 7},{k}" for k in range(60)]
    for k in range(10, 20):
        lines[k] = "bad,worse,3"
    with pytest.raises(DataError) as caught:
        read(tmp_path, "x,z,y\n" + "\n".join(lines))
    assert len(caught.value.faults) == 20
    assert str(caught.value).endswith("... and 10 more.")


def test_several_targets_may_have_gaps(tmp_path: Path) -> None:
    text = "x,a,b\n" + "".join(
        f"{k},{k * k if k % 3 else ''},{k * k % 7 if k % 2 else ''}\n" for k in range(18)
    )
    table = read_table(write(tmp_path, text), ["a", "b"])
    assert table.n_rows == 15
    assert table.targets.isna().sum().tolist() == [3, 6]


def test_names_are_escaped_in_notebooks_and_short_in_text(tmp_path: Path) -> None:
    table = read(tmp_path, RUNS.replace("acid", "<script>alert(1)</script>"), "length")
    assert "<script>" not in table._repr_html_()
    assert "&lt;script&gt;" in table._repr_html_()
    assert "6 of 6 rows" in repr(table)
    assert len(repr(table).splitlines()) <= 6


def test_table_describes_itself_in_json(tmp_path: Path) -> None:
    import json

    table = read(tmp_path, RUNS, "length", group="batch")
    described = json.loads(json.dumps(table.to_dict(), allow_nan=False))
    assert described["rows_used"] == 6
    assert described["group"] == "batch"
    assert len(described["sha256"]) == 64
    assert described["columns"][1] == {
        "name": "time", "header": "time (min)", "unit": "min", "kind": "numeric", "role": "input",
        "n_missing": 0, "n_distinct": 6, "lower": 10.0, "upper": 60.0, "levels": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    "keywords",
    [
        {"decimal": ":"}, {"missing": "guess"}, {"kinds": {"x": "number"}}, {"delimiter": "::"},
        {"encoding": "klingon"}, {"encoding": "base64"},
    ],
)  # fmt: skip
def test_unknown_options_are_settings_errors(tmp_path: Path, keywords: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="Use"):
        read(tmp_path, RUNS, "length", **keywords)


@pytest.mark.parametrize(
    ("cells", "first_day"),
    [
        (["01/13/2024", "02/03/2024", "03/04/2024", "04/05/2024", "05/06/2024"], "2024-01-13"),
        (["13/01/2024", "03/02/2024", "04/03/2024", "05/04/2024", "06/05/2024"], "2024-01-13"),
    ],
)
def test_one_day_above_12_decides_the_whole_column(tmp_path, cells, first_day):
    rows = "".join(f"{cell},{k},{k * k}\n" for k, cell in enumerate(cells))
    (tmp_path / "t.csv").write_text("run on,a,y\n" + rows)
    table = read_table(tmp_path / "t.csv", "y")
    assert table.column("run on").kind == "date"
    days = (pd.Timestamp(first_day) - pd.Timestamp("1970-01-01")).days
    assert table.inputs["run on"].iloc[0] == days
