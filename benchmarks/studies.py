"""Studies of formulas and of a folder of crystals, on public data.

    python benchmarks/studies.py                 # both, about ten minutes of one core
    python benchmarks/studies.py --part crystals

Parts:

- formulas: measured band gaps of 4,604 compositions (``expt_gap.csv``), their formulas alone;
- crystals: 400 of the computed perovskites (``crystals_perov_5.npz``), written as a folder of CIF
  files with ``id_prop.csv`` and read back, isomers held out together.

Printed: every model by both protocols, the strongest knobs, what is advised, and the time.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from matlever.crystals import read_crystals
from matlever.report import write_report
from matlever.study import run_study

PARTS = ("formulas", "crystals")
N_CRYSTALS = 400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, help="folder for the studies; default: thrown away")
    asked = parser.parse_args()
    data = Path(os.environ.get("MATLEVER_DATA", "../shared/data")) / "tables"
    with tempfile.TemporaryDirectory() as scratch:
        out = asked.out or Path(scratch)
        for part in asked.part:
            begun = time.process_time()
            {"formulas": formulas, "crystals": crystals}[part](data, out, asked.jobs)
            print(f"  ({time.process_time() - begun:.0f} s CPU)", flush=True)


def formulas(data: Path, out: Path, jobs: int) -> None:
    told(
        run_study(
            data / "expt_gap.csv",
            ["gap_ev"],
            formula="formula",
            out=out / "band-gaps",
            overwrite=True,
            jobs=jobs,
        )
    )


def crystals(data: Path, out: Path, jobs: int) -> None:
    known, properties = read_crystals(data / "crystals_perov_5.npz", targets="heat_all")
    chosen = np.sort(np.random.default_rng(1).choice(len(known), N_CRYSTALS, replace=False))
    folder = out / "perovskites"
    folder.mkdir(exist_ok=True)
    lines = ["id,heat_all_ev"]
    for i, structure in zip(chosen, known[chosen].to_structures(), strict=True):
        structure.to(filename=str(folder / f"{known.ids[i]}.cif"))
        lines.append(f"{known.ids[i]},{properties['heat_all'].iloc[i]}")
    (folder / "id_prop.csv").write_text("\n".join(lines) + "\n")
    told(
        run_study(
            folder,
            goals={"heat_all_ev": "min"},
            out=out / "perovskites-study",
            overwrite=True,
            jobs=jobs,
        )
    )


def told(study: object) -> None:
    write_report(dict(study.results), study.folder / "report.html")
    print(f"\n{study}")
    print(study.scores().to_string(index=False))
    for target in study.results["targets"]:
        print(target["interval"]["sentence"])
        print(target["weights"]["sentence"])
    for question in study.results["changes"]["questions"]:
        print(question["sentence"])
        for row in question["rows"]:
            for answer in row["answers"]:
                name = study.results["data"]["row_names"].get(str(row["row"]))
                print(f"  from {name}: {answer['sentence']}")


if __name__ == "__main__":
    main()
