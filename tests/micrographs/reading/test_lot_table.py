from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from matlever.exceptions import DataError, Fault
from matlever.micrographs.reading._lot_cells import cells_of_frame, read_cells
from matlever.micrographs.reading._lot_table import LotTable, understand_table

PLAIN = """lot,stress,size_expert1,size_expert2,porosity (expert A),porosity (expert B)
AB,1200,0.2,0.4,0.5,0.5
CD,1500.5,0.6,0.8,0.1,0.3
"""


def understood(
    folder: Path, text: str | bytes, name: str = "lots.csv", **options: object
) -> LotTable:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    faults: list[Fault] = []
    table = understand_table(read_cells(path, name), faults=faults, **options)  # type: ignore[arg-type]
    if faults:
        raise DataError(faults)
    return table


def test_experts_are_averaged_and_their_spread_is_kept(tmp_path: Path) -> None:
    table = understood(tmp_path, PLAIN)
    assert table.property_names == ("stress",)
    assert table.attribute_names == ("size", "porosity")
    assert list(table.frame.index) == ["AB", "CD"]
    np.testing.assert_allclose(table.frame["size"], [0.3, 0.7])
    np.testing.assert_allclose(table.frame["porosity"], [0.5, 0.2])
    np.testing.assert_allclose(
        table.spread["size"], np.std([[0.2, 0.4], [0.6, 0.8]], axis=1, ddof=1)
    )


def test_ratings_of_other_scales_are_brought_to_0_1_and_that_is_noted(tmp_path: Path) -> None:
    text = "lot,stress,size_expert1 (1-7),size_expert2 (1-7),porosity_expert1,shape_expert1 (0-1)\n"
    table = understood(tmp_path, text + "A,1,1,7,8,0.5\nB,2,7,7,0,1\n")
    np.testing.assert_allclose(table.frame["size"], [0.5, 1.0])
    np.testing.assert_allclose(table.frame["porosity"], [0.8, 0.0])
    np.testing.assert_allclose(table.frame["shape"], [0.5, 1.0])
    notes = "\n".join(table.notes)
    assert "size: scale 1-7 as the header says" in notes
    assert "porosity: its largest value is 8, so it was read on a scale of 0-10" in notes


def test_an_expert_who_left_a_cell_empty_is_left_out_of_that_mean(tmp_path: Path) -> None:
    table = understood(tmp_path, PLAIN.replace("0.2,0.4", ",0.4"))
    np.testing.assert_allclose(table.frame["size"], [0.4, 0.7])
    assert np.isnan(table.spread["size"].iloc[0])
    assert any("in 1 lots not all of them" in note for note in table.notes)


def test_attributes_without_experts_are_the_columns_within_0_1(tmp_path: Path) -> None:
    table = understood(tmp_path, "lot,size,stress,operator\nA,0.2,1200,Ann\nB,0.9,1300,Bob\n")
    assert (table.attribute_names, table.property_names) == (("size",), ("stress",))
    assert any("operator" in note for note in table.notes)
    assert table.spread["size"].isna().all()


def test_a_mean_beside_the_experts_gives_way_to_them(tmp_path: Path) -> None:
    table = understood(
        tmp_path, "lot,stress,size,size_expert1,size_expert2\nA,1,0.9,0,0\nB,2,0.9,1,1\n"
    )
    np.testing.assert_allclose(table.frame["size"], [0, 1])
    assert table.property_names == ("stress",)
    assert any("'size' was left out" in note for note in table.notes)


def test_properties_and_attributes_can_be_named(tmp_path: Path) -> None:
    text = "Batch no,Stress,strain,SIZE,shape\n1,1200,3,0.2,0.1\n2,1300,4,0.9,0.2\n"
    table = understood(
        tmp_path, text, lot_column="batch no", properties="stress", attributes=["size"]
    )
    assert (table.attribute_names, table.property_names) == (("SIZE",), ("Stress",))
    none = understood(tmp_path, text, lot_column="Batch no", attributes=())
    assert none.attribute_names == ()
    assert none.property_names == ("Stress", "strain", "SIZE", "shape")


def test_the_column_of_lots_is_found_by_the_folders(tmp_path: Path) -> None:
    table = understood(tmp_path, "charge,stress\nAB,1\nCD,2\n", known_lots=["CD", "AB", "EF"])
    assert list(table.frame.index) == ["AB", "CD"]
    with pytest.raises(DataError, match=r"no column of lots was found.*'charge', 'stress'"):
        understood(tmp_path, "charge,stress\nAB,1\nCD,2\n")


def test_a_lot_may_be_called_na(tmp_path: Path) -> None:
    assert list(understood(tmp_path, PLAIN.replace("AB", "NA")).frame.index) == ["NA", "CD"]


def test_semicolons_with_decimal_commas_are_read(tmp_path: Path) -> None:
    table = understood(tmp_path, "lot;stress;size_expert1\nA;1200,5;0,25\nB;1300;1\n")
    assert table.frame["stress"].tolist() == [1200.5, 1300]
    assert table.frame["size"].tolist() == [0.25, 1]


def test_tsv_and_byte_order_marks_are_read(tmp_path: Path) -> None:
    text = PLAIN.replace(",", "\t")
    expected = understood(tmp_path, PLAIN).frame
    pd.testing.assert_frame_equal(understood(tmp_path, text, "lots.tsv").frame, expected)
    pd.testing.assert_frame_equal(
        understood(tmp_path, b"\xef\xbb\xbf" + PLAIN.encode()).frame, expected
    )
    pd.testing.assert_frame_equal(understood(tmp_path, PLAIN.encode("utf-16")).frame, expected)


def test_workbooks_equal_text_files(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    (tmp_path / "plain.csv").write_text(PLAIN)
    frame = pd.read_csv(tmp_path / "plain.csv")
    frame.to_excel(tmp_path / "lots.xlsx", index=False)
    table = understood(tmp_path, (tmp_path / "lots.xlsx").read_bytes(), "lots.xlsx")
    pd.testing.assert_frame_equal(table.frame, understood(tmp_path, PLAIN).frame)
    cells = cells_of_frame(frame.set_index("lot"))
    pd.testing.assert_frame_equal(understand_table(cells, faults=[]).frame, table.frame)


def test_whole_numbers_in_a_workbook_are_lots_without_a_decimal_point(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    frame = pd.DataFrame({"lot": [7.0, 12.0], "stress": [1, 2]})
    frame.to_excel(tmp_path / "lots.xlsx", index=False)
    table = understood(tmp_path, (tmp_path / "lots.xlsx").read_bytes(), "lots.xlsx")
    assert list(table.frame.index) == ["7", "12"]


def test_all_faults_of_cells_are_told_with_lot_row_and_column(tmp_path: Path) -> None:
    text = "lot,stress,size_expert1\nA,,0.1\nB,12 psi,0.2\n,3,0.3\nA,5,0.4\nC,6,\n"
    with pytest.raises(DataError) as caught:
        understood(tmp_path, text)
    told = str(caught.value)
    assert "lots.csv, row 2, column 'stress': lot 'A': the value is missing" in told
    assert "lots.csv, row 3, column 'stress': lot 'B': '12 psi' is not a number" in told
    assert "lots.csv, row 4, column 'lot': the name of the lot is missing" in told
    assert "lots.csv, row 5, column 'lot': the lot 'A' stands in row 2 already" in told
    assert "lots.csv, row 6, column 'size_expert1': lot 'C': the value is missing" in told


def test_a_lot_without_any_expert_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"row 2.*lot 'AB': no expert has given a value"):
        understood(tmp_path, PLAIN.replace("0.2,0.4", "-,n/a"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the table has no rows"),
        ("lot,stress\n", "the table has no rows"),
        ("lot,stress,stress\nA,1,2\n", "the header 'stress' stands there twice"),
        ("lot,stress\nA,1,2\n", "3 cells stand under 2 headers"),
        (
            "lot,stress,size_expert1\nA,1,1.05\nB,2,0.5\n",
            "largest value 1.05 is neither",
        ),
    ],
)
def test_broken_tables_are_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(DataError, match=rf"lots\.csv.*{told}"):
        understood(tmp_path, text)


def test_a_damaged_workbook_is_told(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    with pytest.raises(DataError, match=r"lots\.xlsx: the workbook cannot be read"):
        understood(tmp_path, b"PK\x03\x04 no workbook", "lots.xlsx")


def test_columns_that_do_not_exist_are_told_with_those_that_do(tmp_path: Path) -> None:
    for option in ("lot_column", "properties", "attributes"):
        with pytest.raises(DataError, match=r"there is no column 'strss' .*'stress'"):
            understood(tmp_path, PLAIN, **{option: "strss"})
