"""Crystals are read as people have them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from matlever.crystals import Crystals, read_crystals
from matlever.exceptions import DataError, SettingsError

pytest.importorskip("pymatgen.core")

CELL = """data_{name}
_cell_length_a {a}
_cell_length_b {a}
_cell_length_c {a}
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
SALT = "Na1 Na 0 0 0 1\nCl1 Cl 0.5 0.5 0.5 1\n"
POSCAR = "x\n1.0\n4 0 0\n0 4 0\n0 0 4\nNa Cl\n1 1\ndirect\n0 0 0\n.5 .5 .5\n"


def cif(atoms: str = SALT, a: object = 4.0) -> str:
    return CELL.format(name="x", a=a) + atoms


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(3):
        (tmp_path / f"c{i}.cif").write_text(cif(a=4.0 + i))
    (tmp_path / "id_prop.csv").write_text("c2,0.5\nc0,1.5\nc1,-2\n")
    (tmp_path / "atom_init.json").write_text("{}")
    return tmp_path


def test_the_layout_of_the_cgcnn_code(folder: Path) -> None:
    crystals, table = read_crystals(folder)
    assert crystals.ids == ("c2", "c0", "c1")
    assert table.index.tolist() == ["c2", "c0", "c1"]
    assert table["target"].tolist() == [0.5, 1.5, -2.0]
    np.testing.assert_allclose(crystals.volumes, [6.0**3, 4.0**3, 5.0**3])
    assert crystals.numbers.tolist() == [11, 17] * 3


def test_several_targets_with_and_without_headers(folder: Path) -> None:
    (folder / "id_prop.csv").write_text("c2,0.5,1\nc0,1.5,2\nc1,-2,3\n")
    assert list(read_crystals(folder)[1]) == ["target_1", "target_2"]
    (folder / "id_prop.csv").write_text("id;gap_ev;from\nc2;0.5;a\nc0;1.5;b\nc1;;c\n")
    _, table = read_crystals(folder, targets=())
    assert list(table) == ["gap_ev", "from"]
    assert np.isnan(table["gap_ev"].iloc[2])
    with pytest.raises(DataError, match=r"id_prop.csv, row 4, column 'gap_ev': the target is miss"):
        read_crystals(folder, targets="gap_ev")
    with pytest.raises(DataError, match="column 'no': there is no such column"):
        read_crystals(folder, targets="no")


def test_other_formats_and_a_folder_for_each(folder: Path) -> None:
    from pymatgen.core import Structure

    (folder / "c0.cif").unlink()
    (folder / "c0.vasp").write_text(POSCAR)
    (folder / "c1.cif").unlink()
    structure = Structure(5 * np.eye(3), ["Na+", "Cl-"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    (folder / "c1.json").write_text(structure.to_json())
    (folder / "c2.cif").unlink()
    (folder / "c2").mkdir()
    (folder / "c2" / "CONTCAR").write_text(POSCAR)
    crystals, _ = read_crystals(folder)
    np.testing.assert_allclose(crystals.volumes, [64, 64, 125])
    assert set(crystals.formulas) == {"NaCl"}


def test_a_folder_without_a_table(folder: Path) -> None:
    (folder / "id_prop.csv").unlink()
    crystals, table = read_crystals(folder)
    assert crystals.ids == ("c0", "c1", "c2")
    assert table.shape == (3, 0)
    with pytest.raises(DataError, match="there is no table with targets"):
        read_crystals(folder, targets="gap")


def test_a_table_with_paths_and_one_with_texts(folder: Path) -> None:
    table_path = folder / "runs.csv"
    (folder / "id_prop.csv").unlink()
    table_path.write_text("path,gap\nc1.cif,1\nc0.cif,2\n")
    crystals, table = read_crystals(table_path, targets="gap")
    assert crystals.ids == ("c1", "c0")
    assert list(table) == ["gap"]
    assert read_crystals(folder, targets="gap", unlisted="leave")[0].ids == ("c1", "c0")
    texts = [cif(), cif(a=5)]
    rows = "\n".join(f'm{i},"{text}",{i}' for i, text in enumerate(texts))
    table_path.write_text(f"material_id,cif,gap\n{rows}\n")
    crystals, table = read_crystals(table_path, targets="gap")
    assert crystals.ids == ("m0", "m1")
    assert list(table) == ["gap"]
    np.testing.assert_allclose(crystals.volumes, [64, 125])


def test_one_file_and_structures(folder: Path) -> None:
    crystals, _ = read_crystals(folder / "c1.cif")
    assert crystals.ids == ("c1",)
    again, table = read_crystals(crystals.to_structures())
    np.testing.assert_array_equal(again.fractional, crystals.fractional)
    np.testing.assert_array_equal(again.lattices, crystals.lattices)
    assert len(table) == 1


def test_arrays(tmp_path: Path) -> None:
    path = tmp_path / "some.npz"
    arrays = {
        "lattice": 4 * np.eye(3)[None].repeat(2, 0),
        "natoms": [2, 1],
        "numbers": [11, 17, 29],
        "frac": [[0, 0, 0], [0.5, 0.5, 0.5], [0, 0, 0]],
        "material_id": ["a", "b"],
        "gap": [1.0, np.nan],
    }
    np.savez(path, **arrays)
    crystals, table = read_crystals(path)
    assert crystals.ids == ("a", "b")
    assert list(table) == ["gap"]
    with pytest.raises(DataError, match="b: the target is not a finite number"):
        read_crystals(path, targets="gap")
    np.savez(path, **{**arrays, "material_id": ["a", "a"]})
    with pytest.raises(DataError, match="'a' is there 2 times"):
        read_crystals(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"some.npz: the file cannot be read"):
        read_crystals(path)


def test_processes_give_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matlever.crystals.read._CHUNK", 1)
    told: list[tuple[int, int, str]] = []
    one, _ = read_crystals(folder, progress=lambda *done: told.append(done))
    two, _ = read_crystals(folder, n_jobs=2)
    np.testing.assert_array_equal(one.lattices, two.lattices)
    assert told == [(1, 3, "files"), (2, 3, "files"), (3, 3, "files")]


def test_coordinates_stay_as_written_unless_symmetry_needs_thirds(tmp_path: Path) -> None:
    text = cif("Na1 Na 0.3333 0 0 1\nCl1 Cl 0.5 0.5 0.5 1\n")
    (tmp_path / "a.cif").write_text(text)
    crystals, table = read_crystals(tmp_path)
    assert crystals.fractional[0, 0] == 0.3333
    assert table.attrs["notes"] == []
    (tmp_path / "a.cif").write_text(text.replace("'P 1'", "'P -1'"))
    crystals, table = read_crystals(tmp_path)
    assert crystals.fractional[crystals.numbers == 11].max() == pytest.approx(2 / 3, abs=1e-12)
    assert crystals.n_atoms.tolist() == [3]  # sodium twice, chlorine in the centre
    assert table.attrs["notes"][0].startswith("1 fractional coordinates were within 0.0001")


def test_a_cell_of_two_thousand_atoms(tmp_path: Path) -> None:
    grid = np.stack(np.meshgrid(*[np.arange(10) / 10] * 3, indexing="ij"), -1).reshape(-1, 3)
    sites = [("Na", place) for place in grid] + [("Cl", place + 0.05) for place in grid]
    atoms = "".join(
        f"{kind}{i} {kind} {x:.5f} {y:.5f} {z:.5f} 1\n" for i, (kind, (x, y, z)) in enumerate(sites)
    )
    (tmp_path / "large.cif").write_text(cif(atoms, a=40))
    crystals, _ = read_crystals(tmp_path)
    assert crystals.n_atoms.tolist() == [2000]


def test_a_json_of_something_else_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"@module": "os", "@class": "system"}))
    with pytest.raises(DataError, match=r"a.json: the JSON is no structure"):
        read_crystals(tmp_path)


def test_settings_are_checked(folder: Path) -> None:
    with pytest.raises(SettingsError, match="unlisted"):
        read_crystals(folder, unlisted="drop")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="targets"):
        read_crystals([], targets="gap")
    with pytest.raises(DataError, match="no such file"):
        read_crystals(folder / "nowhere")
    assert isinstance(read_crystals(folder)[0], Crystals)
