"""Regenerate the element table of the package from the Magpie tables that matminer ships.

Run with the path of an unpacked matminer wheel, or of an installed matminer::

    python benchmarks/element_tables.py SITE_PACKAGES/matminer

It writes ``src/matlever/compositions/data/magpie_elements.csv``: the 22 properties of matminer's
preset "magpie" for the elements H to Lr, empty where Magpie says "Missing", and a last line with
the mean over all elements that have a value (Magpie lists 112), by which matminer fills the gaps.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from matlever.compositions.elements import ELEMENTS, PROPERTIES
from matlever.storage import write_text

HEADER = """\
# Element properties of Magpie, from matminer 0.10.1, utils/data_files/magpie_elementdata.
# L. Ward, A. Agrawal, A. Choudhary, C. Wolverton, npj Comput. Mater. 2 (2016) 16028.
# matminer Copyright (c) 2015, The Regents of the University of California; BSD-style licence,
# see LICENSE-matminer.txt beside this file. Regenerate with benchmarks/element_tables.py.
# Empty: Magpie has no value. Last line: mean over Magpie's elements (1-112), used in its place.
"""


def main(folder: Path) -> None:
    tables = folder / "utils" / "data_files" / "magpie_elementdata"
    columns = []
    for name in PROPERTIES:
        lines = (tables / f"{name}.table").read_text().split("\n")
        found = [line.strip() for line in lines[:118]]
        values = np.array([float(v) if _is_number(v) else np.nan for v in found])
        known = [f"{v:.15g}" if np.isfinite(v) else "" for v in values[: len(ELEMENTS)]]
        columns.append([*known, repr(float(np.nanmean(values)))])
    rows = [
        ",".join([symbol, *(column[i] for column in columns)])
        for i, symbol in enumerate([*ELEMENTS, "mean"])
    ]
    target = Path(__file__).parent.parent / "src/matlever/compositions/data/magpie_elements.csv"
    write_text(target, HEADER + ",".join(["symbol", *PROPERTIES]) + "\n" + "\n".join(rows) + "\n")
    print(f"{target}: {len(ELEMENTS)} elements, {len(PROPERTIES)} properties")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]))
