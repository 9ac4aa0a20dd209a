"""Compositions: formulas, features, ElemNet and screening, beside their peers, in one run.

    python benchmarks/compositions.py                        all parts
    python benchmarks/compositions.py --part formulas features

formulas   Formulas to amounts, per CPU second, on real formulas, against pymatgen's Composition
           (needs pymatgen-core); every amount is compared. We cache nothing; pymatgen remembers
           formulas it has read, which is forgotten before each run, and the rate with what it
           remembers is printed too. Then two million rows from a CSV file, with peak memory.
features   Magpie features per CPU second against matminer's ElementProperty preset "magpie", every
           value compared. matminer lives in an environment of its own, because it needs an older
           pandas; name its interpreter in MATLEVER_MATMINER_PYTHON. To make one:
           python -m venv matminer_venv && matminer_venv/bin/pip install matminer
elemnet    Predictions and training of ElemNet.
screening  Candidates screened.

CPU seconds are of one thread (``OMP_NUM_THREADS=1`` is set here); of a few runs in turn the fastest
counts, for us and for the peers. Data: MATLEVER_DATA/tables (default ../shared/data).
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from matlever.compositions import (
    ELEMENTS,
    magpie_features,
    magpie_names,
    parse_formulas,
    read_compositions,
)

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("formulas", "features", "elemnet", "screening")
RUNS = 5
PEER_ROWS = 20_000
MATMINER_ROWS = 1_000


def data_folder() -> Path:
    return Path(os.environ.get("MATLEVER_DATA", ROOT.parent / "shared" / "data")) / "tables"


def fastest(
    run: Callable[[], Any], runs: int = RUNS, before: Callable[[], Any] | None = None
) -> tuple[float, Any]:
    """Return the least CPU time of some runs, garbage collection off, and the last result."""
    least, found = np.inf, None
    for _ in range(runs):
        if before is not None:
            before()
        gc.collect()
        gc.disable()
        begun = time.process_time()
        found = run()
        least = min(least, time.process_time() - begun)
        gc.enable()
    return least, found


def real_formulas(name: str = "critexam_ef.csv.gz") -> list[str]:
    return pd.read_csv(data_folder() / name)["formula"].tolist()


def formulas_part() -> None:
    from pymatgen.core import Composition
    from pymatgen.core import composition as module

    remembered = getattr(module, "_parse_formula_cached", None)
    forget = getattr(remembered, "cache_clear", lambda: None)
    for name in ("critexam_ef.csv.gz", "expt_gap.csv", "steels_yield.csv"):
        column = "formula" if name != "steels_yield.csv" else None
        frame = pd.read_csv(data_folder() / name)
        formulas = frame[column or frame.columns[0]].tolist()
        some = formulas[:PEER_ROWS]
        ours, found = fastest(lambda f=formulas: parse_formulas(f))
        theirs, peer = fastest(lambda f=some: [Composition(x) for x in f], 3, forget)
        again, _ = fastest(lambda f=some: [Composition(x) for x in f], 3)
        amounts = found.amounts
        largest = 0.0
        for i, composition in enumerate(peer):
            row = np.zeros(len(ELEMENTS))
            for symbol, amount in composition.get_el_amt_dict().items():
                row[ELEMENTS.index(symbol)] = amount
            largest = max(largest, float(np.abs(row - amounts[i]).max()))
        rate, peer_rate = len(formulas) / ours, len(some) / theirs
        print(
            f"formulas, {name}: {rate:,.0f}/s ({len(formulas):,}), pymatgen {peer_rate:,.0f}/s "
            f"({len(some):,}; {len(some) / again:,.0f}/s of formulas it remembers): "
            f"{rate / peer_rate:.1f}x; largest difference {largest:.1g}",
            flush=True,
        )
        named, _ = fastest(lambda c=found: c.formulas, runs=3)
        dense, _ = fastest(lambda c=found: c.fractions, runs=3)
        print(
            f"  canonical formulas {len(formulas) / named:,.0f}/s, "
            f"dense fractions {len(formulas) / dense:,.0f}/s"
        )
    odd = [
        f"{f[:-1]}·5H2O" if f.endswith("0") else f"{f}·5H2O" for f in real_formulas()[:PEER_ROWS]
    ]
    seconds, _ = fastest(lambda: parse_formulas(odd), runs=3)
    print(f"formulas one by one (hydrates): {len(odd) / seconds:,.0f}/s")
    two_million_rows()


def two_million_rows() -> None:
    """Read two million rows from a file in a fresh interpreter, and print its peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "two_million.csv"
        frame = pd.read_csv(data_folder() / "critexam_ef.csv.gz")[["formula", "ef_ev_atom"]]
        repeats = -(-2_000_000 // len(frame))
        pd.concat([frame] * repeats).iloc[:2_000_000].to_csv(path, index=False)
        subprocess.run([sys.executable, __file__, "--read", str(path)], check=True)


def read_part(path: str) -> None:
    megabytes = [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]
    begun = time.process_time()
    found, targets = read_compositions(path, targets="ef_ev_atom")
    seconds = time.process_time() - begun
    megabytes.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(
        f"reading a CSV file: {len(found):,} rows and {targets.shape[1]} target in {seconds:.1f} "
        f"CPU s; peak memory {megabytes[1]:,.0f} MB, {megabytes[0]:,.0f} MB before",
        flush=True,
    )


def features_part() -> None:
    formulas = real_formulas()
    fractions = parse_formulas(formulas).fractions
    ours, found = fastest(lambda: magpie_features(fractions), runs=3)
    rate = len(formulas) / ours
    print(f"features: {rate:,.0f} compounds/s ({len(formulas):,} x {found.shape[1]})", flush=True)
    python = os.environ.get("MATLEVER_MATMINER_PYTHON")
    if not python:
        print("  matminer not measured: MATLEVER_MATMINER_PYTHON is not set, see --help")
        return
    places = np.random.default_rng(0).choice(len(formulas), MATMINER_ROWS, replace=False)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "formulas.txt", Path(folder) / "values.csv"
        source.write_text("\n".join(formulas[i] for i in places), encoding="utf-8")
        script = Path(__file__).with_name("matminer_values.py")
        said = subprocess.run(
            [python, str(script), str(source), str(target)],
            check=True,
            capture_output=True,
            text=True,
        )
        n, seconds = said.stdout.split()[-2:]
        values = pd.read_csv(target)
    peer_rate = float(n) / float(seconds)
    names = list(magpie_names())[:132]
    shared = found[places][:, : len(names)]
    largest = float(np.abs(shared - values[names].to_numpy()).max())
    print(
        f"  matminer {peer_rate:,.0f} compounds/s ({n}): {rate / peer_rate:.0f}x; largest "
        f"difference of the {len(names)} shared columns {largest:.1g}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--read", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.read:
        read_part(chosen.read)
        return
    if "formulas" in chosen.part:
        formulas_part()
    if "features" in chosen.part:
        features_part()
    if "elemnet" in chosen.part:
        from _elemnet_speed import elemnet_speed

        elemnet_speed()
    if "screening" in chosen.part:
        from _screening_speed import screening_speed

        screening_speed()


if __name__ == "__main__":
    main()
