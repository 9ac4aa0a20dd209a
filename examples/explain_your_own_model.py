"""Which knob, what if, what to change, what next: for models matlever did not train.

A scikit-learn forest and a plain torch module, both fitted here by hand, go through the same four
questions; any object with ``predict``, any torch module and any function would.
"""

import numpy as np
import torch
from sklearn.ensemble import RandomForestRegressor

import matlever as ml

table = ml.load_example("fullerenes")
inputs, product = table.inputs, table.targets["product"]
forest = RandomForestRegressor(100, random_state=0).fit(inputs, product)

torch.manual_seed(0)
X = torch.tensor(inputs.to_numpy(), dtype=torch.float32)
y = torch.tensor(product.to_numpy(), dtype=torch.float32)
layers = [torch.nn.Linear(3, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1)]
network = torch.nn.Sequential(*layers)
mean, sd = X.mean(0), X.std(0)
with torch.no_grad():  # the first layer standardises its inputs
    layers[0].weight /= sd
    layers[0].bias -= layers[0].weight @ mean
optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
for _ in range(600):
    optimiser.zero_grad()
    torch.nn.functional.mse_loss(network(X)[:, 0], y).backward()
    optimiser.step()

editor = ml.TableEditor.from_table(table)  # knobs, with the limits of the data
few = inputs.head(5)
for name, model in {"forest": forest, "network": network}.items():
    print(f"--- {name}")
    weights = ml.explain(model, editor, inputs.head(40), reference=inputs, targets=["product"])
    print(weights.sentence)  # which knob matters
    print(weights[0].as_list())  # ... at the first row, as the lime package lists it

    turned = ml.sweep(model, editor, few, knobs=["temperature"], targets=["product"])
    print(turned)  # what happens when one knob is turned

    changed = ml.counterfactual(model, editor, few, goal=(0.9, None), reference=inputs)
    print(changed)  # what to change so that the prediction reaches 0.9

    following = ml.suggest(editor, inputs, product, "maximise", predictor=model, n_experiments=2)
    print(following)  # what to run next

    assert np.isfinite(weights.slope).all()
    assert editor.space.is_feasible(following.settings).all()
