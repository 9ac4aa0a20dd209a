"""New rows must stand in the columns, kinds and units of the table a model was fitted to."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from matlever.exceptions import DataError, ModelFileError, SettingsError
from matlever.tables.new_rows import read_rows
from matlever.tables.table import Column

COLUMNS = (
    Column("time", "time (min)", "min", lower=0.0, upper=60.0),
    Column("acid", "acid", kind="categorical", levels=("None", "oleic")),
    Column("length", "length (nm)", "nm", role="target"),
)


def write(folder: Path, text: str) -> Path:
    path = folder / "new.csv"
    path.write_text(text)
    return path


def test_columns_are_ordered_and_the_rest_is_reported(tmp_path: Path) -> None:
    path = write(tmp_path, "note,acid,time (min)\nfirst,oleic,5\n,None,99\n,lauric,7\n")
    rows = read_rows(path, COLUMNS)
    assert rows.columns.tolist() == ["time", "acid"]
    assert rows["time"].tolist() == [5.0, 99.0, 7.0]
    assert rows["acid"].tolist() == ["oleic", "None", "lauric"]
    assert rows.index.tolist() == [2, 3, 4]
    assert rows.attrs == {
        "ignored": ["note"],
        "unseen": {"acid": ["lauric"]},
        "outside": {"time": [3]},
        "dropped": [],
    }


@pytest.mark.parametrize("header", ["time (min)", "time", "time_min", "Time [min]"])
def test_column_is_found_under_any_of_its_names(tmp_path: Path, header: str) -> None:
    path = write(tmp_path, f"{header},acid\n5,oleic\n")
    assert read_rows(path, COLUMNS)["time"].tolist() == [5.0]


def test_one_row_of_one_column_is_enough(tmp_path: Path) -> None:
    assert read_rows(write(tmp_path, "time\n5\n"), COLUMNS[:1]).shape == (1, 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("acid\noleic\n", "no column 'time'"),
        ("time (h),acid\n1,oleic\n", "unit is 'h', but the model was fitted in 'min'"),
        ("time,acid\n5 h,oleic\n", "header says 'min', but 1 cells say 'h'"),
        ("time,acid\n5,oleic\nsoon,None\n", "row 3, column 'time': 'soon' is not a number"),
        ("time,acid\n5,\n", "row 2, column 'acid': the cell is empty"),
        ("time,acid\n", "no row under it"),
    ],
)
def test_rows_a_model_cannot_use_are_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DataError) as caught:
        read_rows(write(tmp_path, text), COLUMNS)
    assert says in str(caught.value)


def test_empty_inputs_can_be_dropped_or_kept(tmp_path: Path) -> None:
    path = write(tmp_path, "time,acid\n5,\n,oleic\n7,None\n")
    dropped = read_rows(path, COLUMNS, missing="drop")
    assert dropped.index.tolist() == [4]
    assert dropped.attrs["dropped"] == [2, 3]
    kept = read_rows(path, COLUMNS, missing="impute")
    assert kept.isna().sum().tolist() == [1, 1]
    with pytest.raises(SettingsError, match="missing='guess'"):
        read_rows(path, COLUMNS, missing="guess")  # type: ignore[arg-type]


def test_data_frame_serves_as_well_as_a_file(tmp_path: Path) -> None:
    frame = pd.DataFrame({"time (min)": [5, 6], "acid": ["oleic", "None"]})
    from_file = read_rows(write(tmp_path, frame.to_csv(index=False)), COLUMNS)
    pd.testing.assert_frame_equal(read_rows(frame, COLUMNS), from_file)


def test_column_survives_json() -> None:
    for column in COLUMNS:
        assert Column.from_dict(column.to_dict()) == column


@pytest.mark.parametrize(
    "change",
    [
        {"name": 5}, {"kind": "secret"}, {"role": None}, {"levels": [1]}, {"levels": "ab"},
        {"lower": "0"}, {"upper": float("inf")}, {"n_missing": True},
    ],
)  # fmt: skip
def test_tampered_column_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ModelFileError):
        Column.from_dict(COLUMNS[0].to_dict() | change)
    with pytest.raises(ModelFileError):
        Column.from_dict([])  # type: ignore[arg-type]
