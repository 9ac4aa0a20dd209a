"""Plain CIF files are read without pymatgen, as pymatgen reads them; all others are left to it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matlever.crystals import Crystals
from matlever.crystals._cif_plain import lattice_of_parameters, plain_cell
from matlever.crystals._read_file import cell_of_text

core = pytest.importorskip("pymatgen.core")

PLAIN = """# a comment
data_x
_symmetry_space_group_name_H-M   'P 1'
_cell_length_a   4.279(2)
_cell_length_b   4.5
_cell_length_c   5
_cell_angle_alpha   90.0
_cell_angle_beta   95.5
_cell_angle_gamma   120
_symmetry_Int_Tables_number   1
_chemical_formula_sum   'Na1 Cl1'
loop_
 _symmetry_equiv_pos_site_id
 _symmetry_equiv_pos_as_xyz
  1  'x, y, z'
loop_
 _atom_site_type_symbol
 _atom_site_label
 _atom_site_fract_x
 _atom_site_fract_y
 _atom_site_fract_z
 _atom_site_occupancy
  Cl1-  Cl0  0.50(1)  1.25  -0.5  1.0
  Na+  Na1  0.1  0.2  0.3  1
"""


@given(st.integers(0, 10_000))
def test_as_pymatgen_reads_what_pymatgen_wrote(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 9))
    crystal = Crystals.from_arrays(
        [5 * np.eye(3) + 0.5 * rng.normal(size=(3, 3))],
        [n],
        rng.integers(1, 84, n) // 2 * 2 + 1,  # odd numbers: none of the noble gases
        rng.random((n, 3)),
    )
    text = crystal.to_structures()[0].to(fmt="cif")
    found = plain_cell(text)
    assert found is not None
    expected = cell_of_text(text, "cif")
    np.testing.assert_allclose(found[0], expected[0], atol=1e-9)
    np.testing.assert_array_equal(found[1], crystal.numbers)  # in the order of the file

    def sites(cell: tuple[np.ndarray, ...]) -> list[tuple[float, ...]]:
        return sorted((int(z), *place) for z, place in zip(cell[1], cell[2] % 1, strict=True))

    np.testing.assert_allclose(sites(found), sites(expected), atol=1e-4)


def test_uncertainties_charges_and_neighbouring_cells() -> None:
    found = plain_cell(PLAIN)
    assert found is not None
    assert found[1].tolist() == [17, 11]
    np.testing.assert_allclose(found[2], [[0.5, 0.25, 0.5], [0.1, 0.2, 0.3]])
    np.testing.assert_allclose(np.linalg.norm(found[0], axis=1), [4.279, 4.5, 5.0])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("'P 1'", "'F m -3 m'"),
        ("number   1", "number   225"),
        ("'x, y, z'", "'-x, y, z'"),
        ("1  'x, y, z'", "1  'x, y, z'\n  2  '-x, -y, -z'"),
        ("0.3  1", "0.3  0.5"),
        ("0.3  1", "?  1"),
        ("0.3  1", "0.3"),
        ("Na+", "Xx"),
        ("_chemical_formula_sum   'Na1 Cl1'", "_text\n;\nNa Cl\n;"),
        ("data_x", "data_x\n_cell_length_a 4\ndata_y"),
        ("_cell_length_c   5", ""),
        ("_atom_site_label", "_atom_site_disorder_group"),
        ("alpha   90.0", "alpha   0"),
        ("_cell_length_c   5", "_cell_length_c   nan"),
    ],
)
def test_what_is_not_plain_is_left_alone(old: str, new: str) -> None:
    assert old in PLAIN
    assert plain_cell(PLAIN.replace(old, new)) is None


def test_symmetry_must_be_said() -> None:
    quiet = "\n".join(
        line for line in PLAIN.splitlines() if "symmetry" not in line and "x, y, z" not in line
    )
    assert plain_cell(quiet.replace("loop_\nloop_", "loop_")) is None


@given(st.tuples(*[st.floats(2, 20)] * 3), st.tuples(*[st.floats(60, 100)] * 3))
def test_lattices_of_parameters(lengths: tuple[float, ...], angles: tuple[float, ...]) -> None:
    from pymatgen.core import Lattice

    found = lattice_of_parameters(*lengths, *angles)
    np.testing.assert_allclose(found, Lattice.from_parameters(*lengths, *angles).matrix, atol=1e-9)
