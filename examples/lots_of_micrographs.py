"""From lots of micrographs to the picture of a stronger material: one tile, asked three ways.

Simulated tiles, so the answer can be checked: the simulator draws the packing again at the proposed
attributes, and the law of its peak stress says what that is worth. For a folder of your own lots,
``ml.read_lots`` takes the place of ``ml.simulate_sem``, and ``ml.train_flow`` that of the demo.
"""

import numpy as np

import matlever as ml
from matlever.micrographs import ExactEditor, TileRegressor, load_demo_editor

lots = ml.simulate_sem(n_lots=10, n_tiles=16, size=64, random_state=7)
stress = lots.of_tiles("peak_stress_psi")
regressor = TileRegressor.compact(epochs=8).fit(lots.tiles, stress)

weakest = lots.table["peak_stress_psi"].idxmin()
tile = lots.tiles.of_lot(weakest)[:1]
editor = load_demo_editor()

turned = ml.sweep(regressor, editor, tile, n_values=3, targets=["peak stress"])
print(turned)  # forward: what each attribute would do

goal = float(regressor.predict(tile)[0]) + 50
changed = ml.counterfactual(
    regressor, editor, tile, (goal, None), tolerance=5.0, budget=40, targets=["peak stress"]
)
print(changed)  # backward: the least change that reaches the goal

picture = editor.render(tile, changed.settings[:1, None])  # the material she does not have
print(f"a tile of {picture.images.shape[1:]} px, tones {np.ptp(picture.images):.2f}")

exact = ExactEditor()
law = exact.stress(tile, np.stack([tile.attributes, changed.settings[:1]], axis=1))[0]
print(f"the law: {law[0]:.0f} psi as it is, {law[1]:.0f} psi as proposed (simulated)")
