"""Magpie features of formulas by matminer, with the CPU time it took.

matminer needs an older pandas than matlever may use, so it lives in an environment of its own::

    python -m venv matminer_venv && matminer_venv/bin/pip install matminer
    matminer_venv/bin/python benchmarks/matminer_values.py formulas.txt values.csv

``formulas.txt`` has one formula a line; ``values.csv`` gets a column for each feature. The last
line printed is the number of formulas and the CPU seconds of the 132 features of the preset, one
formula after the other as matminer does it (reading the formulas not counted). With ``--more`` the
norms, the shares of valence electrons and the ionic character follow.
"""

from __future__ import annotations

import csv
import sys
import time
import warnings
from pathlib import Path
from typing import Any


def main(source: Path, target: Path, more: bool) -> None:
    warnings.simplefilter("ignore")
    from matminer.featurizers.composition import (
        ElementProperty,
        Stoichiometry,
        ValenceOrbital,
    )
    from pymatgen.core import Composition

    formulas = source.read_text(encoding="utf-8").split("\n")
    formulas = [formula for formula in formulas if formula]
    compositions = [Composition(formula) for formula in formulas]
    preset = ElementProperty.from_preset("magpie", impute_nan=True)
    preset.featurize(compositions[0])
    begun = time.process_time()
    values: list[list[Any]] = [preset.featurize(composition) for composition in compositions]
    seconds = time.process_time() - begun
    names = list(preset.feature_labels())
    if more:
        orbitals = ValenceOrbital(props=["frac"], impute_nan=True)
        for featuriser in (Stoichiometry(), orbitals):
            names += featuriser.feature_labels()
            for row, composition in zip(values, compositions, strict=True):
                row += featuriser.featurize(composition)
    with target.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["formula", *names])
        for formula, row in zip(formulas, values, strict=True):
            writer.writerow([formula, *(f"{value:.12g}" for value in row)])
    print(len(formulas), seconds)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), "--more" in sys.argv)
