"""Graphs of crystals: against pymatgen, and what must not matter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matlever.crystals import CrystalGraphs, Crystals, crystal_graphs, read_crystals
from matlever.crystals import _graph_nearest as nearest
from matlever.exceptions import DataError, MissingExtraError, SettingsError


def random_crystals(seed: int, n: int = 4, atoms: int = 6) -> Crystals:
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, atoms + 1, n)
    return Crystals.from_arrays(
        (12.0 * counts[:, None, None]) ** (1 / 3) * (np.eye(3) + 0.2 * rng.normal(size=(n, 3, 3))),
        counts,
        rng.choice([8, 14, 22, 56], counts.sum()),
        rng.random((counts.sum(), 3)),
    )


def perovskite(symbols: tuple[int, ...] = (56, 22, 8, 8, 7), a: float = 4.0) -> Crystals:
    places = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    return Crystals.from_arrays([a * np.eye(3)], [5], symbols, places)


def environments(graphs: CrystalGraphs) -> list[tuple[object, ...]]:
    """Element of each atom with elements and distances of its neighbours, sorted."""
    found = []
    for i in range(len(graphs.numbers)):
        pairs = zip(
            graphs.distances[i].round(2).tolist(),
            graphs.numbers[graphs.neighbours[i]].tolist(),
            strict=True,
        )
        found.append((int(graphs.numbers[i]), tuple(sorted(pairs))))
    return sorted(found)


def colours(graphs: CrystalGraphs, rounds: int = 3) -> list[int]:
    """Colours of atoms after passing messages along the edges: what a network can see of them."""
    colour = [hash(int(z)) for z in graphs.numbers]
    for _ in range(rounds):
        colour = [
            hash(
                (
                    colour[i],
                    tuple(
                        sorted(
                            (round(float(d), 2), colour[j])
                            for d, j in zip(
                                graphs.distances[i], graphs.neighbours[i].tolist(), strict=True
                            )
                        )
                    ),
                )
            )
            for i in range(len(colour))
        ]
    return sorted(colour)


@pytest.mark.parametrize("name", ["crystals_perov_5", "crystals_carbon_24"])
def test_neighbours_are_those_of_pymatgen(data_dir: Path, name: str) -> None:
    pytest.importorskip("pymatgen.core")
    crystals, _ = read_crystals(data_dir / "tables" / f"{name}.npz")
    crystals = crystals[np.linspace(0, len(crystals) - 1, 12).astype(int)]
    graphs = crystal_graphs(crystals)
    atom = 0
    for structure in crystals.to_structures():
        for neighbours in structure.get_all_neighbors(6.0):
            far = np.array(sorted((n.nn_distance, n.specie.Z) for n in neighbours))
            own = graphs.distances[atom]
            np.testing.assert_allclose(own, far[:12, 0], atol=2e-3)
            # Within the shells that are whole, the elements are the same too.
            whole = far[:, 0] < far[11, 0] - 2e-3
            kinds = graphs.numbers[graphs.neighbours[atom]][own < far[11, 0] - 2e-3]
            assert sorted(kinds.tolist()) == sorted(far[whole, 1].astype(int).tolist())
            atom += 1


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_counting_images_and_the_cell_list_agree(seed: int) -> None:
    pytest.importorskip("vesin")
    crystals = random_crystals(seed)
    by_images = nearest.nearest_neighbours(crystals, 12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "_PAIRS_OF_SMALL", 0)
        by_list = nearest.nearest_neighbours(crystals, 12)
    np.testing.assert_array_equal(by_images[0], by_list[0])
    np.testing.assert_allclose(by_images[1], by_list[1], atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["crystals_perov_5", "crystals_carbon_24"])
def test_whole_data_sets_by_the_cell_list(
    data_dir: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("vesin")
    crystals, _ = read_crystals(data_dir / "tables" / f"{name}.npz")
    expected = crystal_graphs(crystals)
    monkeypatch.setattr(nearest, "_PAIRS_OF_SMALL", 0)
    found = crystal_graphs(crystals)
    np.testing.assert_array_equal(found.neighbours, expected.neighbours)
    np.testing.assert_allclose(found.distances, expected.distances, atol=1e-5)


@given(st.integers(0, 10_000))
def test_origin_order_rotation_and_cell_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    crystals = random_crystals(seed) if seed % 2 else perovskite((56, 22, *rng.choice([7, 8], 3)))
    expected = crystal_graphs(crystals)
    order = np.concatenate(
        [
            rng.permutation(atoms)
            for atoms in np.split(np.arange(len(crystals.numbers)), crystals.offsets[1:-1])
        ]
    )
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    shear = np.array([[1, 1, 0], [0, 1, -1], [0, 0, 1]])  # another cell of the same lattice
    other = Crystals.from_arrays(
        shear @ crystals.lattices @ turn,
        crystals.n_atoms,
        crystals.numbers[order],
        (crystals.fractional[order] + rng.random(3)) @ np.linalg.inv(shear),
    )
    found = crystal_graphs(other)
    assert environments(found) == environments(expected)
    assert colours(found) == colours(expected)


def test_a_supercell_repeats_every_environment() -> None:
    one = perovskite()
    grid = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    two = Crystals.from_arrays(
        2 * one.lattices,
        [40],
        np.tile(one.numbers, 8),
        ((one.fractional + grid[:, None]) / 2).reshape(-1, 3),
    )
    found, expected = crystal_graphs(two), crystal_graphs(one)
    assert environments(found) == sorted(environments(expected) * 8)
    assert colours(found) == sorted(colours(expected) * 8)


def test_sparse_crystals_reach_beyond_the_radius() -> None:
    argon = Crystals.from_arrays([10.0 * np.eye(3)], [1], [18], [[0.3, 0.1, 0.9]])
    graphs = crystal_graphs(argon)
    np.testing.assert_allclose(graphs.distances[0], [10.0] * 6 + [10 * 2**0.5] * 6, rtol=1e-6)
    slab = Crystals.from_arrays([np.diag([2.5, 2.5, 60.0])], [1], [29], [[0, 0, 0]])
    assert crystal_graphs(slab, n_neighbours=30).distances.max() < 9


def test_nearest_come_first_and_belong_to_the_same_crystal() -> None:
    graphs = crystal_graphs(random_crystals(3, n=20))
    assert (np.diff(graphs.distances, axis=1) > -1.1e-3).all()
    owner = np.repeat(np.arange(len(graphs)), graphs.n_atoms)
    assert (owner[graphs.neighbours] == owner[:, None]).all()


def test_some_graphs_are_those_of_some_crystals() -> None:
    crystals = random_crystals(1, n=8)
    graphs = crystal_graphs(crystals)
    for rows in ([5, 0, 5], slice(2, 7), 3, np.arange(8) % 2 == 0):
        part, expected = graphs[rows], crystal_graphs(crystals[rows])
        for name, array in expected.to_arrays().items():
            np.testing.assert_array_equal(part.to_arrays()[name], array)
    again = CrystalGraphs.from_arrays(graphs.to_arrays())
    assert repr(again) == repr(graphs)
    assert repr(graphs).startswith("CrystalGraphs(8 crystals, ")


def test_arrays_that_are_no_graphs() -> None:
    arrays = crystal_graphs(perovskite()).to_arrays()
    with pytest.raises(DataError, match="no crystal graphs"):
        CrystalGraphs.from_arrays({k: v for k, v in arrays.items() if k != "offsets"})
    with pytest.raises(DataError, match="a neighbour is of no atom"):
        CrystalGraphs.from_arrays({**arrays, "neighbours": arrays["neighbours"] + 1})


def test_settings_and_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="radius"):
        crystal_graphs(perovskite(), radius=0)
    with pytest.raises(SettingsError, match="n_neighbours"):
        crystal_graphs(perovskite(), n_neighbours=0)
    monkeypatch.setattr(nearest, "_PAIRS_OF_SMALL", 0)
    monkeypatch.setitem(__import__("sys").modules, "vesin", None)
    with pytest.raises(MissingExtraError, match="vesin"):
        crystal_graphs(perovskite())
