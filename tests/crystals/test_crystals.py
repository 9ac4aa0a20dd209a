"""Crystals as arrays: some of them, their volumes, formulas and Structures."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from matlever.crystals import Crystals


def some(n: int = 6, seed: int = 0) -> Crystals:
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 7, n)
    return Crystals.from_arrays(
        4 * np.eye(3) + 0.3 * rng.normal(size=(n, 3, 3)),
        counts,
        rng.choice([1, 6, 8, 14, 26, 56], counts.sum()),
        rng.random((counts.sum(), 3)),
        [f"c{i}" for i in range(n)],
    )


@pytest.mark.parametrize(
    "rows", [slice(1, 5, 2), slice(None, None, -1), [4, 0, 0], np.array([True, False] * 3), []]
)
def test_some_of_them_are_what_each_one_is(rows: object) -> None:
    crystals = some()
    chosen = np.arange(6)[rows] if not isinstance(rows, list) else np.array(rows, dtype=int)
    part = crystals[rows]
    assert len(part) == len(chosen)
    for k, i in enumerate(chosen.tolist()):
        one, other = part[k], crystals[i]
        assert one.ids == other.ids == (f"c{i}",)
        np.testing.assert_array_equal(one.lattices, other.lattices)
        np.testing.assert_array_equal(one.numbers, other.numbers)
        np.testing.assert_array_equal(one.fractional, other.fractional)


def test_positions_that_are_not_there() -> None:
    crystals = some()
    for rows in (6, -7, [0, 6], np.array([True])):
        with pytest.raises(IndexError):
            crystals[rows]
    assert crystals[-1].ids == ("c5",)


def test_volumes_and_places_by_determinant_and_product() -> None:
    crystals = some()
    np.testing.assert_allclose(crystals.volumes, np.abs(np.linalg.det(crystals.lattices)))
    for i in range(len(crystals)):
        a, b = crystals.offsets[i : i + 2]
        np.testing.assert_allclose(
            crystals.cartesian[a:b], crystals.fractional[a:b] @ crystals.lattices[i]
        )


def test_joined_again() -> None:
    crystals = some()
    again = Crystals.concatenate([crystals[:2], crystals[2:3], crystals[3:]])
    assert again.ids == crystals.ids
    for name in ("lattices", "offsets", "numbers", "fractional"):
        np.testing.assert_array_equal(getattr(again, name), getattr(crystals, name))


def test_formulas_as_pymatgen_has_them() -> None:
    pytest.importorskip("pymatgen.core")
    crystals = some(20)
    from pymatgen.core import Composition

    for formula, structure in zip(crystals.formulas, crystals.to_structures(), strict=True):
        assert Composition(formula).fractional_composition.almost_equals(
            structure.composition.fractional_composition
        )


def test_structures_there_and_back() -> None:
    pytest.importorskip("pymatgen.core")
    crystals = some()
    structures = crystals.to_structures()
    np.testing.assert_allclose([s.volume for s in structures], crystals.volumes)
    again = Crystals.from_structures(structures, crystals.ids)
    assert again.ids == crystals.ids
    np.testing.assert_allclose(again.lattices, crystals.lattices)
    np.testing.assert_array_equal(again.numbers, crystals.numbers)
    np.testing.assert_allclose(again.fractional, crystals.fractional)


def test_what_is_printed() -> None:
    crystals = some()
    low, high = crystals.n_atoms.min(), crystals.n_atoms.max()
    assert repr(crystals) == f"Crystals(6 crystals of {low} to {high} atoms)"
    assert repr(crystals[[]]) == "Crystals(none)"
    assert crystals.shape == (6,)
    assert crystals.labels == crystals.ids


def test_importing_the_room_loads_nothing_heavy() -> None:
    code = (
        "import sys, matlever.crystals as c; c.Crystals; c.crystal_graphs; "
        "heavy = {'torch', 'pandas', 'sklearn', 'pymatgen', 'vesin'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
