"""Crystals: graphs and training of the graph network, beside the peers, in one run.

    python benchmarks/crystals.py            all parts
    python benchmarks/crystals.py graphs     graphs per CPU second, against pymatgen
    python benchmarks/crystals.py knobs      hypothetical crystals, their volumes and their checks
    python benchmarks/crystals.py energy     CHGNet beside the energies of the data (needs chgnet)
    python benchmarks/crystals.py cgcnn      training of the network

Graphs: radius 8 A, 12 neighbours, nearest first, of crystals that are in memory, in seconds of the
processor (one thread). The peer builds what the `cgcnn` code builds: `Structure.get_all_neighbors`
within 8 A, sorted by distance, the first twelve. Distances are held against each other, and so are
the elements of neighbours wherever a shell is whole. Data: `MATLEVER_DATA`/tables (default
../shared/data).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from matlever.crystals import (
    CrystalEditor,
    Crystals,
    check_crystals,
    chgnet_energies,
    crystal_graphs,
    read_crystals,
)
from matlever.exceptions import DataError, MissingExtraError

ROOT = Path(__file__).resolve().parents[1]
RADIUS, NEIGHBOURS = 8.0, 12


def data_folder() -> Path:
    return Path(os.environ.get("MATLEVER_DATA", ROOT.parent / "shared" / "data")) / "tables"


def cpu_seconds(run: Callable[[], object]) -> tuple[float, object]:
    start = time.process_time()
    found = run()
    return time.process_time() - start, found


def peer_graphs(structures):
    """Build what the cgcnn code builds of each structure."""
    found = []
    for structure in structures:
        neighbours = structure.get_all_neighbors(RADIUS, include_index=True)
        neighbours = [sorted(some, key=lambda n: n[1])[:NEIGHBOURS] for some in neighbours]
        found.append(
            (
                [[int(n[2]) for n in some] for some in neighbours],
                [[float(n[1]) for n in some] for some in neighbours],
            )
        )
    return found


def peer_list_graphs(structures):
    """Build graphs of pymatgen's faster neighbour list, as careful users do."""
    found = []
    for structure in structures:
        i, j, _, d = structure.get_neighbor_list(RADIUS)
        order = np.lexsort((d, i))
        first = np.searchsorted(i[order], np.arange(len(structure)))
        place = order[first[:, None] + np.arange(NEIGHBOURS)]
        found.append((j[place], d[place]))
    return found


def differences(graphs, structures, peer) -> tuple[float, int]:
    """Largest difference of a distance, and atoms with other elements in whole shells."""
    largest, other, atom = 0.0, 0, 0
    for structure, (index, distances) in zip(structures, peer, strict=True):
        numbers = np.array(structure.atomic_numbers)
        for near, far in zip(index, distances, strict=True):
            own = graphs.distances[atom]
            largest = max(largest, float(np.abs(np.sort(own) - far).max()))
            whole = np.array(far) < far[-1] - 2e-3
            mine = graphs.numbers[graphs.neighbours[atom]][own < far[-1] - 2e-3]
            other += sorted(mine.tolist()) != sorted(numbers[np.array(near)][whole].tolist())
            atom += 1
    return largest, other


def graphs_part(n_peer: int) -> None:
    print(f"{'crystals':<12}{'atoms':>7}{'matlever':>12}{'all_neighbors':>15}{'ratio':>8}"
          f"{'neighbor_list':>15}{'ratio':>8}   differences")  # fmt: skip
    for name in ("perov_5", "carbon_24"):
        crystals, _ = read_crystals(data_folder() / f"crystals_{name}.npz")
        crystal_graphs(crystals[:100])
        seconds, graphs = cpu_seconds(lambda c=crystals: crystal_graphs(c))
        ours = len(crystals) / seconds
        rows = np.linspace(0, len(crystals) - 1, n_peer).astype(int)
        structures = crystals[rows].to_structures()
        seconds, found = cpu_seconds(lambda s=structures: peer_graphs(s))
        slow = n_peer / seconds
        seconds, _ = cpu_seconds(lambda s=structures: peer_list_graphs(s))
        fast = n_peer / seconds
        far, other = differences(graphs[rows], structures, found)
        print(f"{name:<12}{crystals.n_atoms.mean():>7.1f}{ours:>10,.0f}/s{slow:>13,.0f}/s"
              f"{ours / slow:>8.0f}{fast:>13,.0f}/s{ours / fast:>8.1f}   "
              f"{far:.1e} A, {other} atoms")  # fmt: skip
    large_cell()
    cache_and_files()


def large_cell() -> None:
    rng = np.random.default_rng(0)
    crystal = Crystals.from_arrays(
        [27.0 * np.eye(3)], [2000], rng.choice([8, 14], 2000), rng.random((2000, 3))
    )
    crystal_graphs(crystal)
    seconds, _ = cpu_seconds(lambda: crystal_graphs(crystal))
    print(f"one cell of 2,000 atoms: {1e3 * seconds:.0f} ms")


def cache_and_files() -> None:
    crystals, _ = read_crystals(data_folder() / "crystals_perov_5.npz")
    with tempfile.TemporaryDirectory() as folder:
        crystal_graphs(crystals, cache=folder)
        seconds, _ = cpu_seconds(lambda: crystal_graphs(crystals, cache=folder))
    print(f"graphs of {len(crystals):,} crystals from the disk: {1e3 * seconds:.0f} ms")
    folder_speed(crystals[:300])


def folder_speed(crystals: Crystals) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for crystal_id, structure in zip(crystals.ids, crystals.to_structures(), strict=True):
            structure.to(filename=str(folder / f"{crystal_id}.cif"))
        read_crystals(folder)
        seconds, _ = cpu_seconds(lambda: read_crystals(folder))
        print(f"CIF files read and checked: {len(crystals) / seconds:,.0f}/s")


def knobs_part() -> None:
    crystals, table = read_crystals(data_folder() / "crystals_perov_5.npz")
    for sites in ("prototype", "species"):
        editor = CrystalEditor.from_crystals(crystals, sites=sites)
        some = crystals[:5000]
        settings = editor.space.sample(50_000, 0).reshape(5000, 10, -1)
        seconds, _ = cpu_seconds(lambda e=editor, c=some, s=settings: e.render(c, s))
        train = (table["split"] == "val").to_numpy()
        known = CrystalEditor.from_crystals(crystals[train], sites=sites)
        error = volume_errors(known, crystals[~train])
        print(
            f"sites={sites!r}: {50_000 / seconds:,.0f} crystals rendered/s; volumes of "
            f"{len(error):,} crystals made of others by substitution: median error "
            f"{100 * np.median(error[:, 0]):.1f} %, without volumes of elements "
            f"{100 * np.median(error[:, 1]):.1f} %"
        )
    for name in ("perov_5", "carbon_24"):
        crystals, _ = read_crystals(data_folder() / f"crystals_{name}.npz")
        seconds, found = cpu_seconds(lambda c=crystals: check_crystals(c))
        charged = check_crystals(crystals, charge=True)
        print(
            f"checks of {name}: {len(crystals) / seconds:,.0f} crystals/s; something is said of "
            f"{sum(map(bool, found))} of {len(crystals):,}, with charges of "
            f"{sum(map(bool, charged)):,}"
        )


def volume_errors(editor: CrystalEditor, crystals: Crystals) -> np.ndarray:
    """Relative errors of volumes: each crystal is made of the next one by exchanging elements."""
    fits = [i for i in range(len(crystals)) if fits_editor(editor, crystals[i])]
    target, source = crystals[fits], crystals[np.roll(fits, 1)]
    made = editor.render(source, editor.values(target)[:, None])
    same = (made.amounts == target.amounts).all(axis=1)
    errors = [made.volumes / target.volumes - 1, source.volumes / target.volumes - 1]
    return np.abs(np.column_stack(errors))[same]


def fits_editor(editor: CrystalEditor, crystal: Crystals) -> bool:
    try:
        editor.values(crystal)
    except DataError:
        return False
    return True


def energy_part() -> None:
    rng = np.random.default_rng(0)
    crystals, table = read_crystals(data_folder() / "crystals_carbon_24.npz")
    rows = rng.choice(np.flatnonzero(crystals.n_atoms <= 12), 100, replace=False)
    try:
        seconds, energies = cpu_seconds(lambda: chgnet_energies(crystals[rows]))
    except MissingExtraError as error:
        print(f"energies left out: {error}")
        return
    known = table["energy_per_atom"].to_numpy()[rows]
    shift = np.abs((energies - known) - (energies - known).mean()).mean()
    print(
        f"CHGNet on {len(rows)} carbon_24 cells of 6 to 12 atoms: {len(rows) / seconds:.0f}/s, "
        f"r = {np.corrcoef(energies, known)[0, 1]:.3f}, MAE after a common shift "
        f"{shift:.3f} eV/atom"
    )
    crystals, table = read_crystals(data_folder() / "crystals_perov_5.npz")
    rows = rng.choice(len(crystals), 1500, replace=False)
    seconds, energies = cpu_seconds(lambda: chgnet_energies(crystals[rows]))
    known = table["heat_all"].to_numpy()[rows] / 5
    print(f"CHGNet on {len(rows):,} perov_5 cells: {len(rows) / seconds:.0f}/s; heats of formation "
          "in eV/atom, 1,000 to learn from and 500 held out:")  # fmt: skip
    shares = crystals[rows].amounts / 5
    shares = shares[:, shares.any(axis=0)]
    for name, columns in (
        ("elements alone", shares),
        ("CHGNet's energy and elements", np.column_stack([energies, shares])),
    ):
        model = Ridge(alpha=0.02).fit(columns[:1000], known[:1000])
        guess = model.predict(columns[1000:])
        print(
            f"  ridge on {name}: r = {np.corrcoef(guess, known[1000:])[0, 1]:.3f}, MAE "
            f"{np.abs(guess - known[1000:]).mean():.3f}"
        )
    print(f"  their mean: MAE {np.abs(known[1000:] - known[:1000].mean()).mean():.3f}")


def cgcnn_part() -> None:
    from _cgcnn_speed import cgcnn_speed

    cgcnn_speed()


PARTS = {"graphs": graphs_part, "knobs": knobs_part, "energy": energy_part, "cgcnn": cgcnn_part}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", choices=list(PARTS), default=[])
    parser.add_argument("--n-peer", type=int, default=60, help="crystals the peer is timed on")
    asked = parser.parse_args()
    parts = asked.parts or list(PARTS)
    for part in parts:
        if part == "cgcnn":
            cgcnn_part()
            continue
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pymatgen
            if part == "graphs":
                graphs_part(asked.n_peer)
            else:
                PARTS[part]()


if __name__ == "__main__":
    main()
