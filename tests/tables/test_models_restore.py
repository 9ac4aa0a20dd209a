from __future__ import annotations

import copy
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from matlever.exceptions import ModelFileError, SettingsError
from matlever.storage import State, read_model, write_model
from matlever.tables.encoder import TableEncoder
from matlever.tables.gaussian_process import GaussianProcessMAP
from matlever.tables.models import candidate_regressors, default_regressor, restore
from matlever.tables.small_table import SmallTableRegressor
from matlever.tables.table_regressor import TableRegressor
from matlever.tables.tree_ensemble import TreeEnsemble

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "T <b>": RNG.uniform(0, 300, 24),
        "acid": RNG.choice(["a", "b"], 24),
        "x": RNG.uniform(size=24),
    }
)
MATRIX = FRAME[["T <b>", "x"]].to_numpy()
Y = np.stack([FRAME["x"] * FRAME["T <b>"], np.exp(8 * FRAME["x"])], axis=1)
NEW = np.vstack([MATRIX, MATRIX + 0.03])


def fitted_models():
    return {
        "process": GaussianProcessMAP(random_state=0).fit(MATRIX, Y[:, 0]),
        "linear": GaussianProcessMAP(linear=True, clamp=True, random_state=0).fit(MATRIX, Y),
        "trees": TreeEnsemble(n_trees=7, n_blocks=3, random_state=0).fit(MATRIX, Y),
        "forest": TreeEnsemble("random_forest", n_trees=7, random_state=0).fit(MATRIX, Y[:, 0]),
        "boosting": TreeEnsemble("boosting", n_trees=7, random_state=0).fit(MATRIX, Y),
        "blend": SmallTableRegressor(n_trees=6, random_state=0).fit(MATRIX, Y),
        "single": SmallTableRegressor(n_trees=6, random_state=0).fit(MATRIX, Y[:, 0]),
        "table": TableRegressor(SmallTableRegressor(n_trees=6), random_state=0).fit(FRAME, Y),
        "default": TableRegressor(random_state=np.random.RandomState(0)).fit(FRAME, Y[:, 1]),
    }


MODELS = fitted_models()


@pytest.mark.parametrize("name", MODELS)
def test_model_folder_gives_back_bitwise_the_same_predictions(name, tmp_path):
    model = MODELS[name]
    write_model(tmp_path / "m", model.to_state(), {})
    twin = restore(read_model(tmp_path / "m")[0])
    rows = pd.concat([FRAME, FRAME.assign(acid="c")]) if name in ("table", "default") else NEW
    for one, other in zip(
        model.predict(rows, return_std=True), twin.predict(rows, return_std=True), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert type(twin) is type(model)
    assert twin.n_features_in_ == model.n_features_in_
    if name == "process":
        np.testing.assert_array_equal(twin.loo(), model.loo())
        np.testing.assert_array_equal(twin.gradient(NEW), model.gradient(NEW))
    if name in ("blend", "table"):
        for member, values in twin.predict_members(rows).items():
            np.testing.assert_array_equal(values, model.predict_members(rows)[member])
    if name in ("table", "default"):
        np.testing.assert_array_equal(twin.outside(rows), model.outside(rows))
        assert twin.feature_names_in_.tolist() == FRAME.columns.tolist()
    twin.fit(FRAME if name in ("table", "default") else MATRIX, Y)  # still an estimator


def test_only_listed_classes_are_built():
    for kind in ("subprocess.Popen", "Ridge", "", "object"):
        with pytest.raises(ModelFileError, match="asks for"):
            restore(State(kind))


def test_regressors_of_others_are_not_written():
    model = TableRegressor(Ridge()).fit(FRAME, Y)
    with pytest.raises(SettingsError, match="Ridge cannot be written"):
        model.to_state()


def every_state(state, path=()):
    yield path, state
    for name, part in state.parts.items():
        yield from every_state(part, (*path, name))


def changed(state, path, edit):
    """Return a copy of `state` whose part at `path` went through `edit`."""
    if path:
        parts = dict(state.parts)
        parts[path[0]] = changed(parts[path[0]], path[1:], edit)
        return State(state.kind, state.config, state.arrays, parts)
    config, arrays, parts = copy.deepcopy(dict(state.config)), dict(state.arrays), dict(state.parts)
    edit(config, arrays, parts)
    return State(state.kind, config, arrays, parts)


def is_refused_or_harmless(state, rows):
    """A hostile state is refused with our error, or gives an estimator that still predicts."""
    try:
        model = restore(state)
    except ModelFileError:
        return
    if not hasattr(model, "predict"):
        return
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # names of inputs given, none expected
        assert len(model.predict(rows)) == len(rows)


@pytest.mark.parametrize("name", ["linear", "trees", "blend", "table"])
def test_missing_and_misshapen_values_are_refused(name):
    rows = FRAME if name == "table" else MATRIX
    state = MODELS[name].to_state()
    for path, part in every_state(state):
        for key in part.arrays:
            for edit in (
                lambda c, a, p, key=key: a.pop(key),
                lambda c, a, p, key=key: a.update({key: a[key][:-1]}),
                lambda c, a, p, key=key: a.update({key: a[key].astype(np.float32)[None]}),
                lambda c, a, p, key=key: a.update({key: np.full_like(a[key], 10**6)[..., :0]}),
            ):
                with pytest.raises(ModelFileError):
                    restore(changed(state, path, edit))
            if part.arrays[key].dtype == np.float64:
                with pytest.raises(ModelFileError):
                    restore(
                        changed(
                            state, path, lambda c, a, p, key=key: a.update({key: a[key] * np.nan})
                        )
                    )
        for key in part.config:
            with pytest.raises(ModelFileError):
                restore(changed(state, path, lambda c, a, p, key=key: c.pop(key)))
            for junk in (None, -1, "x", [], {}, [None], {"x": 1}, 10**9, True):
                edit = lambda c, a, p, key=key, junk=junk: c.update({key: junk})  # noqa: E731
                is_refused_or_harmless(changed(state, path, edit), rows)
        for key in part.parts:
            with pytest.raises(ModelFileError):
                restore(changed(state, path, lambda c, a, p, key=key: p.pop(key)))
            for other in (State("TableEncoder"), MODELS["process"].to_state()):
                edit = lambda c, a, p, key=key, o=other: p.update({key: o})  # noqa: E731
                is_refused_or_harmless(changed(state, path, edit), rows)
    for other in MODELS.values():
        wrong = other.to_state()
        for _, part in every_state(state):
            if part.kind != wrong.kind:
                for cls in (GaussianProcessMAP, TreeEnsemble, SmallTableRegressor, TableEncoder):
                    if cls.__name__ == part.kind:
                        with pytest.raises(ModelFileError):
                            cls.from_state(wrong)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_scrambled_trees_are_refused_or_predict(data):
    state = MODELS["trees"].to_state()
    feature = state.arrays["feature"].copy()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(feature) - 1))
        feature[at] = data.draw(st.integers(-3, 3))
    start = state.arrays["start"].copy()
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(start) - 1))
        start[at] = data.draw(st.integers(-5, len(feature) + 5))
    arrays = {**state.arrays, "feature": feature, "start": start}
    is_refused_or_harmless(State(state.kind, state.config, arrays), MATRIX)


def test_candidates_follow_the_number_of_rows():
    assert isinstance(default_regressor(28, 0), SmallTableRegressor)
    assert default_regressor(28, 4).random_state == 4
    assert isinstance(default_regressor(1001), TreeEnsemble)
    assert list(candidate_regressors(500)) == ["blend"]
    assert list(candidate_regressors(501)) == ["blend", "boosting", "network"]
    assert list(candidate_regressors(5000)) == ["extra-trees", "boosting", "network"]
