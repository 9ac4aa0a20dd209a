"""Speed and memory of a screening, and of the convex hull beside pymatgen's phase diagram.

A narrow ElemNet (a quarter of the published widths, 17 layers) predicts formation energies of
quaternary candidates out of 30 elements; what lies 0.1 eV/atom or more below the hull of the
phases of mp_e_form is kept. Each size runs in a process of its own, so that its peak memory can be
read. ``--kill`` kills the larger run half-way, resumes it, and compares all files with those of a
run that was left alone.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Thread

import numpy as np

COMMON = "Li Na K Mg Ca Sr Ba Al Si Ti V Cr Mn Fe Co Ni Cu Zn Zr Nb Mo Y La Sn P S Se F Cl O"
SYMBOLS = COMMON.split()
LIMIT = -0.1  # eV/atom above the hull: new compounds that the model finds clearly stable
PAPER_PER_SECOND = 25_000 / 9.28  # of ElemNet on a CPU, seed paper of the deep-materials review


def data_folder() -> Path:
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("MATLEVER_DATA", default)) / "tables"


def quaternaries(n: int):
    """Return the smallest space of quaternaries with at least n candidates out of SYMBOLS."""
    from matlever.compositions import enumerate_compositions

    for k in range(5, len(SYMBOLS) + 1):
        space = enumerate_compositions(SYMBOLS[-k:], n_elements=4, max_atoms=12)
        if len(space) >= n:
            return space
    raise SystemExit(f"{n:,} candidates are more than {len(space):,}")


def make_model(folder: Path, epochs: int) -> None:
    """Train a narrow ElemNet for a few epochs, enough for predictions of the right kind."""
    from matlever.compositions import ElemNetRegressor, read_compositions
    from matlever.storage import write_model

    table = data_folder() / "critexam_ef.csv.gz"
    compositions, targets = read_compositions(table, targets=["ef_ev_atom"])
    model = ElemNetRegressor(epochs=epochs, least_steps=1)
    model.fit(compositions, targets["ef_ev_atom"].to_numpy())
    write_model(folder, model.to_state(), {"target": "ef_ev_atom"})


def load(folder: Path):
    from matlever.compositions import ConvexHull
    from matlever.compositions.restore import restore
    from matlever.storage import read_model

    hull = ConvexHull.from_table(
        data_folder() / "mp_e_form.csv.gz", "ef_ev_atom", element_energies=0.0
    )
    return restore(read_model(folder)[0]), hull


def one_run(n: int, model: Path, out: Path, workers: int) -> None:
    """Screen in this process and print what it took as JSON."""
    from matlever.compositions import screen

    predictor, hull = load(model)
    space = quaternaries(n)
    loaded = peak_mb(os.getpid())
    highest = {"mb": 0.0}
    if workers > 1:
        Thread(target=watch_workers, args=(highest,), daemon=True).start()
    used = time.process_time()
    found = screen(
        space, predictor, hull=hull, below=LIMIT, out=out, workers=workers, target="ef_ev_atom"
    )
    told = {
        "candidates": found.n_candidates,
        "kept": found.n_kept,
        "seconds": found.seconds,
        "cpu_seconds": time.process_time() - used,
        "loaded_mb": loaded,
        "peak_mb": peak_mb(os.getpid()),
        "worker_peak_mb": highest["mb"],
        "estimate": found.estimate.to_dict() if found.estimate else None,
        "disk_mb": sum(path.stat().st_size for path in out.rglob("*.parquet")) / 1e6,
    }
    print(json.dumps(told))


def peak_mb(process: int) -> float:
    """Return the peak memory of a process; that of getrusage counts the parent's before exec."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def watch_workers(highest: dict[str, float]) -> None:
    """Note the largest peak of all processes that this one started."""
    while True:
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, IndexError):
                if (folder / "stat").read_text().rsplit(")", 1)[1].split()[1] == str(os.getpid()):
                    highest["mb"] = max(highest["mb"], peak_mb(int(folder.name)))
        time.sleep(0.5)


def run_apart(n: int, model: Path, out: Path, workers: int) -> dict:
    words = [sys.executable, __file__, "--run", str(n), "--model", str(model), "--out", str(out)]
    done = subprocess.run(
        [*words, "--workers", str(workers)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def kill_half_way(n: int, model: Path, out: Path, workers: int) -> int:
    """Start a run, kill it when half of its chunks are written; return how many there were."""
    words = [sys.executable, __file__, "--run", str(n), "--model", str(model), "--out", str(out)]
    child = subprocess.Popen([*words, "--workers", str(workers)], stdout=subprocess.DEVNULL)
    half = quaternaries(n).n_chunks(100_000) // 2
    while child.poll() is None and len(list(out.glob("parts/part-*.parquet"))) < half:
        time.sleep(0.2)
    child.send_signal(signal.SIGKILL)
    child.wait()
    return len(list(out.glob("parts/part-*.parquet")))


def digest(folder: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return found.hexdigest()


def hull_against_pymatgen(model: Path) -> None:
    """Print hull energies per second, ours and those of pymatgen's phase diagram, with error."""
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition

    from matlever.compositions import ConvexHull, enumerate_compositions

    _, hull = load(model)
    system = ["Na", "Fe", "Mn", "O"]
    candidates = enumerate_compositions(system, n_elements=4, max_atoms=12).candidates(0, 10**6)
    few = hull.within(system)
    entries = [PDEntry(Composition(name), 0.0) for name in system]
    for fractions, energy in zip(few.fractions, few.energies, strict=True):
        there = {hull.elements[j]: fractions[j] for j in np.flatnonzero(fractions)}
        entries.append(PDEntry(Composition(there), energy))
    begun = time.process_time()
    theirs = PhaseDiagram(entries)
    built_theirs = time.process_time() - begun
    asked = [Composition(name) for name in candidates.formulas]
    begun = time.process_time()
    expected = np.array([theirs.get_hull_energy_per_atom(one) for one in asked])
    seconds_theirs = time.process_time() - begun
    begun = time.process_time()
    fresh = ConvexHull(few.fractions, few.energies, element_energies=0.0)
    fresh.hull_energy(candidates.fractions[:1])
    built_ours = time.process_time() - begun
    begun = time.process_time()
    for _ in range(50):
        found = fresh.hull_energy(candidates.fractions)
    seconds_ours = (time.process_time() - begun) / 50
    n = len(candidates)
    print(
        f"hull of {len(entries)} phases of Na-Fe-Mn-O: made in {1e3 * built_ours:.1f} ms against "
        f"{1e3 * built_theirs:.1f} ms (pymatgen), {n / seconds_ours:,.0f} compositions/s against "
        f"{n / seconds_theirs:,.0f} ({seconds_theirs / seconds_ours:,.0f} x), largest difference "
        f"{np.abs(found - expected).max():.1e} eV/atom"
    )


def screening_speed(
    sizes: tuple[int, ...] = (1_000_000, 10_000_000),
    *,
    workers: int = 1,
    epochs: int = 2,
    kill: bool = False,
    model: Path | None = None,
) -> None:
    """Print candidates per second, peak memory, and what half a billion would take."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = model or Path(scratch) / "model"
        if model is None:
            make_model(folder, epochs)
        hull_against_pymatgen(folder)
        for n in sizes:
            out = Path(scratch) / f"run-{n}"
            told = run_apart(n, folder, out, workers)
            report(told, workers)
            if kill and n == max(sizes):
                killed = Path(scratch) / "killed"
                done = kill_half_way(n, folder, killed, workers)
                resumed = run_apart(n, folder, killed, workers)
                same = digest(killed) == digest(out)
                print(
                    f"  killed after {done} chunks, resumed in {resumed['seconds']:.0f} s: all "
                    f"files {'are the same to the byte' if same else 'DIFFER'}"
                )


def report(told: dict, workers: int) -> None:
    estimate = told["estimate"]
    rate = told["candidates"] / told["seconds"]
    workers_said = f", of a worker {told['worker_peak_mb']:,.0f} MB" if workers > 1 else ""
    print(
        f"{told['candidates']:,} quaternaries in {told['seconds']:.1f} s "
        f"({told['cpu_seconds']:.1f} s of CPU in the first of {workers} processes): "
        f"{rate:,.0f}/s ({rate / PAPER_PER_SECOND:.0f} x the paper's {PAPER_PER_SECOND:,.0f}/s), "
        f"{told['kept']:,} kept, {told['disk_mb']:.1f} MB of files\n"
        f"  peak memory {told['peak_mb']:,.0f} MB (model and hull alone {told['loaded_mb']:,.0f} "
        f"MB){workers_said}; hull {estimate['hull_share']:.0%} of the time\n"
        f"  estimated before: {estimate['seconds']:.1f} s; 0.5 billion at the measured rate: "
        f"{5e8 / rate / 3600:.2f} h"
        + (
            f" ({told['candidates'] / told['cpu_seconds']:,.0f}/s and "
            f"{5e8 * told['cpu_seconds'] / told['candidates'] / 3600:.2f} h of CPU time)"
            if workers == 1
            else ""
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[1_000_000, 10_000_000])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--run", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.run:
        one_run(asked.run, asked.model, asked.out, asked.workers)
        return
    screening_speed(
        tuple(asked.sizes),
        workers=asked.workers,
        epochs=asked.epochs,
        kill=asked.kill,
        model=asked.model,
    )


if __name__ == "__main__":
    main()
