"""SMOTE-REG and taught augmentation where they cannot leak: inside each training fold."""

from imblearn.pipeline import Pipeline
from sklearn.model_selection import KFold, cross_val_score

import matlever as ml

table = ml.simulate_nanorods(28, random_state=0)  # simulated, not measured
X, y = table.iloc[:, :3].to_numpy(), table["length (nm)"].to_numpy()
folds = KFold(5, shuffle=True, random_state=0)
network = ml.DenseRegressor(random_state=0)

for sampler in (ml.SmoteReg(random_state=0), ml.TaughtAugmentation(random_state=0)):
    model = Pipeline([("augment", sampler), ("network", network)])
    scores = cross_val_score(model, X, y, cv=folds, scoring="neg_root_mean_squared_error")
    print(f"{type(sampler).__name__}: RMSE {-scores.mean():.1f} ± {scores.std():.1f} nm")
