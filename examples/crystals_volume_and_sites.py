"""From crystals to what their volume and the elements on their sites do: a dozen salts.

The property follows a law (the density), so that the answers can be checked. For your own
structures, ``read_crystals("folder")`` takes the place of the arrays and ``CGCNNRegressor`` that of
the trees.
"""

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor

import matlever as ml
from matlever.compositions.elements import element_properties
from matlever.crystals import CrystalEditor, Crystals, check_crystals, crystal_graphs

# Rock salt: cations and anions, and the edge of the primitive cell in Angstrom.
EDGES = {
    (3, 9): 4.03, (3, 17): 5.14, (3, 35): 5.50, (11, 9): 4.62, (11, 17): 5.64, (11, 35): 5.97,
    (19, 9): 5.34, (19, 17): 6.29, (19, 35): 6.60, (37, 9): 5.65, (37, 17): 6.58, (37, 35): 6.85,
}  # fmt: skip
FACES = 0.5 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
salts = Crystals.from_arrays(
    np.array(list(EDGES.values()))[:, None, None] * FACES,
    [2] * len(EDGES),
    np.ravel(list(EDGES)),
    [[0, 0, 0], [0.5, 0.5, 0.5]] * len(EDGES),
    [f"salt {i + 1}" for i in range(len(EDGES))],
)


def density(crystals):
    """Return the density in g/cm3: the law the model is to learn."""
    mass = crystals.amounts @ element_properties()["AtomicWeight"]
    return 1.6605 * mass / crystals.volumes


def seen(crystals):
    """Return what a graph shows: the nearest distance and the two elements."""
    nearest = crystal_graphs(crystals).distances[::2, 0]
    return np.column_stack([nearest, crystals.numbers.reshape(-1, 2)])


sites = {"cation": [0], "anion": [1]}
editor = CrystalEditor.from_crystals(salts, sites=sites, volume_limits=(-6, 6))
settings = np.repeat(editor.values(salts)[:, None], 7, axis=1)
settings[:, :, 0] = [-6, -4, -2, 0, 2, 4, 6]
strained = editor.render(salts, settings)
trees = ExtraTreesRegressor(200, random_state=0).fit(seen(strained), density(strained))


def model(crystals):
    """Predict the density of crystals in g/cm3."""
    return trees.predict(seen(crystals))


one = salts[4:5]  # sodium chloride, 2.16 g/cm3
print(ml.sweep(model, editor, one, ["volume strain", "cation", "anion"], targets=["density"]))

answer = ml.counterfactual(model, editor, one, (2.6, 3.2), targets=["density"])
print(answer)

made = editor.render(one, answer.settings[:1, None])
print(f"proposed: {made.formulas[0]}, {density(made)[0]:.2f} g/cm3 by the law")
print(f"what speaks against it: {check_crystals(made, charge=True)[0] or 'nothing'}")
