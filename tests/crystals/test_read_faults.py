"""What cannot be read is named by its file, all of it in one error."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from matlever.crystals import Crystals, read_crystals
from matlever.exceptions import DataError, MissingExtraError

core = pytest.importorskip("pymatgen.core")

HEAD = """data_x
_cell_length_a {a}
_cell_length_b 4
_cell_length_c 4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
"""
CIF = HEAD.format(a=4)
SALT = "A Na 0 0 0 1\nB Cl .5 .5 .5 1\n"
POSCAR = "x\n1.0\n4 0 0\n0 4 0\n0 0 4\n{symbols}1 1\ndirect\n0 0 0\n.5 .5 .5\n"

BROKEN = {
    "empty.cif": ("", "the file is empty"),
    "words.cif": ("hello", "cannot be read"),
    "noatoms.cif": (CIF, "there are no atoms"),
    "mixed.cif": (CIF + "A Na 0 0 0 0.5\nB K 0 0 0 0.5\n", "partly occupied or mixed"),
    "vacant.cif": (CIF + "A Na 0 0 0 0.5\n", "partly occupied or mixed"),
    "overlap.cif": (CIF + "A Na 0 0 0 1\nB Cl 0.01 0 0 1\n", "overlap, they are 0.040 Angstrom"),
    "same.cif": (CIF + "A Na 0 0 0 1\nB Cl 0 0 0 1\n", "overlap, they are 0.000 Angstrom"),
    "full.cif": (
        CIF.replace("P 1", "P -1") + "A Na 0 0 0 1\nB Cl 0 0 0 1\n",
        "two atoms are on one site",
    ),
    "unknown.cif": (CIF + "A Xx 0 0 0 1\nB Cl .5 .5 .5 1\n", "no element"),
    "nan.cif": (HEAD.format(a="nan") + SALT, "not finite"),
    "flat.cif": (HEAD.format(a=0) + SALT, "no volume"),
    "place.cif": (CIF + "A Na ? 0 0 1\nB Cl .5 .5 .5 1\n", "cannot be read"),
    "two.cif": (CIF + SALT + CIF.replace("data_x", "data_y") + SALT, "holds 2 structures"),
    "old.vasp": (POSCAR.format(symbols=""), "does not name its elements"),
    "short.vasp": (POSCAR.format(symbols="Na Cl\n")[:-10], "cannot be read"),
    "qq.vasp": (POSCAR.format(symbols="Qq Cl\n"), "no element"),
    "broken.json": ("{", "cannot be read"),
    "list.json": ("[1, 2]", "no structure"),
}


def test_every_broken_file_is_named_in_one_error(tmp_path: Path) -> None:
    for name, (text, _) in BROKEN.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "good.cif").write_text(CIF + SALT)
    with pytest.raises(DataError) as caught:
        read_crystals(tmp_path)
    said = {fault.file: fault.reason for fault in caught.value.faults}
    assert set(said) == set(BROKEN)
    for name, (_, words) in BROKEN.items():
        assert words in said[name], (name, said[name])
    assert all(fault.remedy for fault in caught.value.faults)


def test_rows_and_files_that_do_not_fit(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.cif").write_text(CIF + SALT)
    (tmp_path / "id_prop.csv").write_text("a,1\nz,2\nb,nan\nb,5\n")
    with pytest.raises(DataError) as caught:
        read_crystals(tmp_path)
    said = [str(fault) for fault in caught.value.faults]
    assert any("id_prop.csv, row 2: there is no file of the crystal 'z'" in line for line in said)
    assert any("row 3, column 'target': the target is missing" in line for line in said)
    assert any("row 4: the crystal 'b' is in row 3 already" in line for line in said)
    assert any("c.cif: the crystal is in no row of id_prop.csv" in line for line in said)
    assert len(said) == 4


def test_a_name_with_a_dot_is_no_other_crystal(tmp_path: Path) -> None:
    (tmp_path / "mp-1.cif").write_text(CIF + SALT)
    (tmp_path / "id_prop.csv").write_text("mp-1.cif,1\n")
    assert len(read_crystals(tmp_path)[0]) == 1
    (tmp_path / "id_prop.csv").write_text("mp-1.2,1\n")
    with pytest.raises(DataError, match=r"there is no file of the crystal 'mp-1\.2'"):
        read_crystals(tmp_path)


def test_a_crystal_with_two_files(tmp_path: Path) -> None:
    (tmp_path / "a.cif").write_text(CIF + SALT)
    (tmp_path / "a.vasp").write_text(POSCAR.format(symbols="Na Cl\n"))
    with pytest.raises(DataError, match=r"'a' has two files, the other is a.cif"):
        read_crystals(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the table is empty"),
        ("a,1\nb,1,2\n", "row 2: the row has 3 cells where the first has 2"),
        ("id,gap,gap\na,1,2\n", "column 'gap': the header stands twice"),
        ("id,gap\n", "the table has no rows"),
        ("id,gap\na,'2,5'\n", "cells where the first"),
        ("id,gap\na,two\n", "'two' is not a finite number"),
        ("id,gap\na,inf\n", "'inf' is not a finite number"),
    ],
)
def test_broken_tables(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.cif").write_text(CIF + SALT)
    (tmp_path / "id_prop.csv").write_text(text)
    with pytest.raises(DataError, match=r"id_prop.csv") as caught:
        read_crystals(tmp_path, targets="gap" if "gap" in text else None)
    assert words in str(caught.value)


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    table = tmp_path / "runs.csv"
    table.write_text("id,path,gap\na,a.cif,1\nb,,2\n")
    with pytest.raises(DataError) as caught:
        read_crystals(table)
    assert [fault.row for fault in caught.value.faults] == [2, 3]
    with pytest.raises(DataError, match="there is no column 'where'"):
        read_crystals(table, structure="where")
    (tmp_path / "more.csv").write_text("id,gap\na,1\n")
    with pytest.raises(DataError, match="there are 2 tables"):
        read_crystals(tmp_path)
    with pytest.raises(DataError, match="no column says where"):
        read_crystals(tmp_path / "more.csv")
    (tmp_path / "notes.doc").write_text("x")
    with pytest.raises(DataError, match="nothing that crystals are read from"):
        read_crystals(tmp_path / "notes.doc")


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there are no crystals in the folder"):
        read_crystals(tmp_path)


def test_disordered_structures_in_memory() -> None:
    mixed = core.Structure(4 * np.eye(3), [{"Na": 0.5, "K": 0.5}], [[0, 0, 0]])
    whole = core.Structure(4 * np.eye(3), ["Na"], [[0, 0, 0]])
    with pytest.raises(DataError, match="crystal 1: a site is partly occupied"):
        read_crystals([whole, mixed])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_atoms": [0]}, "no atoms in the cell"),
        ({"lattices": [[[np.inf, 0, 0], [0, 1, 0], [0, 0, 1]]]}, "lattice is not finite"),
        ({"lattices": [[[1, 0, 0], [2, 0, 0], [0, 0, 1]]]}, "no volume"),
        ({"fractional": [[np.nan, 0, 0]]}, "coordinate is not finite"),
        ({"numbers": [104]}, "no known element"),
        ({"numbers": [0]}, "no known element"),
        ({"numbers": [1, 2]}, "must agree"),
    ],
)
def test_arrays_that_are_no_crystals(change: dict[str, object], words: str) -> None:
    arrays = {
        "lattices": 4 * np.eye(3)[None],
        "n_atoms": [1],
        "numbers": [29],
        "fractional": [[0, 0, 0]],
        **change,
    }
    if words == "no atoms in the cell":
        arrays |= {"numbers": [], "fractional": np.empty((0, 3))}
    with pytest.raises(DataError, match=words):
        Crystals.from_arrays(**arrays)  # type: ignore[arg-type]


def test_without_pymatgen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.cif").write_text((CIF + SALT).replace("P 1", "P -1"))
    monkeypatch.setitem(sys.modules, "pymatgen.core", None)
    with pytest.raises(MissingExtraError, match=r"matlever\[crystals\]"):
        read_crystals(tmp_path)
