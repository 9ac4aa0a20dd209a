"""Local weights and sweeps of a model that matlever knows nothing about."""

from sklearn.ensemble import RandomForestRegressor

import matlever as ml

table = ml.load_example("fullerenes")
forest = RandomForestRegressor(100, random_state=0).fit(table.inputs, table.targets["product"])

editor = ml.TableEditor.from_table(table)
weights = ml.explain(forest, editor, table.inputs.head(20), reference=table.inputs)
print(weights.sentence)
print(weights.to_frame().head())

turned = ml.sweep(forest, editor, table.inputs.head(5), knobs=["temperature"])
print(turned.to_frame().head())
