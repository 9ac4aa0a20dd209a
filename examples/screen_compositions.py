"""Which compositions are worth making? A space of oxides, a model, and the hull of known phases.

Enthalpies of formation at 298 K in kJ/mol, from the CRC Handbook of Chemistry and Physics. Fourteen
compounds make a rough model; the way from a table to candidates is the same for a good one.
"""

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import matlever as ml
from matlever.compositions import (
    CompositionEditor,
    ConvexHull,
    enumerate_compositions,
    estimate_screening,
    magpie_features,
    parse_formulas,
    screen,
)

KJ_PER_MOL = {
    "Na2O": -414.2,
    "MgO": -601.6,
    "Al2O3": -1675.7,
    "SiO2": -910.7,
    "CaO": -634.9,
    "NaAlO2": -1133.2,
    "MgAl2O4": -2299.1,
    "CaSiO3": -1634.9,
    "Mg2SiO4": -2174.0,
    "MgSiO3": -1549.0,
    "CaAl2O4": -2326.2,
    "Al2SiO5": -2594.3,
    "Na2SiO3": -1554.9,
    "CaMgSi2O6": -3206.2,
}
known = parse_formulas(list(KJ_PER_MOL))
energies = np.array(list(KJ_PER_MOL.values())) / 96.485 / known.n_atoms  # eV/atom

model = make_pipeline(FunctionTransformer(magpie_features), StandardScaler(), RidgeCV())
model.fit(known.fractions, energies)
hull = ConvexHull(known, energies, element_energies=0.0)  # energies of formation

metals = ["Na", "Mg", "Ca", "Al", "Si"]
sites = [metals, metals, metals, ["O"]]  # three different metals, and oxygen
minerals = [(1, 1, 1, 4), (1, 1, 2, 6), (1, 2, 2, 7), (1, 2, 2, 8), (1, 2, 3, 10)]
space = enumerate_compositions(sites, stoichiometries=minerals, charge_neutral=True)
print(space)
print(estimate_screening(space, model, hull=hull, best=5))  # what it would take

found = screen(space, model, hull=hull, best=5)  # with out="folder": Parquet files, resumable
print(found.to_frame())
best = found.compositions(1)
print(f"instead of {best.formulas[0]}: {hull.decomposition(best)[0]}")
# Three of the five are minerals: monticellite, akermanite and gehlenite.

# Its elements are knobs like any others: which one moves its energy, and what could replace it?
editor = CompositionEditor.from_samples(known, metals, max_parts=3)
weights = ml.explain(model, editor, best.fractions, reference=known.fractions)
print(weights.sentence)
swap = CompositionEditor.substitution("Mg", ["Ca", "Sr", "Ba", "Zn"])
spinel = parse_formulas(["MgAl2O4"]).fractions
print(ml.sweep(model, swap, spinel))
