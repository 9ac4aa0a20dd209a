"""Regenerate the table of Shannon's ionic radii of the package from pymatgen-core.

Run ``python benchmarks/ion_table.py`` where pymatgen-core is installed. It writes
``src/matlever/compositions/data/shannon_radii.csv``. Planar and pyramidal coordinations are left
out; where Shannon gives a high and a low spin, the high one is kept.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from pymatgen.core import Element

from matlever.compositions.elements import ELEMENTS
from matlever.storage import write_text

ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "", "XIV")
HEADER = """\
# Effective ionic radii in Angstrom by element, charge and coordination number; high spin.
# R. D. Shannon, Acta Crystallogr. A 32 (1976) 751-767; electronegativity: Pauling's scale.
# From pymatgen-core {version}, copyright (c) 2011-2012 MIT & The Regents of the University of
# California, through Lawrence Berkeley National Laboratory; MIT licence, see LICENSE-pymatgen.txt
# beside this file. Regenerate with benchmarks/ion_table.py.
"""


def main() -> None:
    lines = ["element,electronegativity,charge,coordination,radius"]
    for symbol in ELEMENTS:
        element = Element(symbol)
        radii = element.data.get("Shannon radii") or {}
        for charge, by_coordination in sorted(radii.items()):
            if not charge:
                continue
            for roman, by_spin in by_coordination.items():
                if roman not in ROMAN:
                    continue
                kept = by_spin.get("High Spin") or by_spin.get("") or by_spin["Low Spin"]
                lines.append(
                    f"{symbol},{element.X:g},{int(charge)},{ROMAN.index(roman) + 1},"
                    f"{kept['ionic_radius']:g}"
                )
    target = Path(__file__).parent.parent / "src/matlever/compositions/data/shannon_radii.csv"
    header = HEADER.format(version=version("pymatgen-core"))
    write_text(target, header + "\n".join(lines) + "\n")
    print(f"{target}: {len(lines) - 1} radii")


if __name__ == "__main__":
    main()
