from __future__ import annotations

import copy
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import Ridge

from matlever.exceptions import ModelFileError, SettingsError
from matlever.storage import State, read_model, write_model
from matlever.tables.augmented import AugmentedRegressor
from matlever.tables.encoder import TableEncoder
from matlever.tables.gaussian_process import GaussianProcessMAP
from matlever.tables.models import candidate_regressors
from matlever.tables.network import DenseRegressor
from matlever.tables.restore import restore
from matlever.tables.small_table import SmallTableRegressor
from matlever.tables.smote_reg import SmoteReg
from matlever.tables.table_regressor import TableRegressor
from matlever.tables.tree_ensemble import TreeEnsemble
from matlever.validation import CrossConformalRegressor

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
    network = DenseRegressor(hidden=(4,), n_members=2, n_steps=20, random_state=0)
    augmented = AugmentedRegressor(SmoteReg(amount=100), network, random_state=0)
    forest = TreeEnsemble(n_trees=4, random_state=0)
    conformal = CrossConformalRegressor(augmented, n_folds=3)
    return {
        "network": clone(network).fit(MATRIX, Y),
        "augmented": clone(augmented).fit(MATRIX, Y),
        "conformal": clone(conformal).fit(MATRIX, Y[:, 0]),
        "conformal tables": CrossConformalRegressor(TableRegressor(forest), n_folds=2).fit(
            FRAME, Y[:, 0]
        ),
        "table of conformal": TableRegressor(conformal).fit(FRAME, Y[:, 0]),
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
ON_FRAMES = ("table", "default", "conformal tables", "table of conformal")
OTHERS = (
    State("TableEncoder"),
    TableEncoder().fit(MATRIX).to_state(),
    MODELS["process"].to_state(),
    MODELS["augmented"].to_state(),
)


@pytest.mark.parametrize("name", MODELS)
def test_model_folder_gives_back_bitwise_the_same_predictions(name, tmp_path):
    model = MODELS[name]
    write_model(tmp_path / "m", model.to_state(), {})
    twin = restore(read_model(tmp_path / "m")[0])
    framed = name in ON_FRAMES
    rows = pd.concat([FRAME, FRAME.assign(acid="c")]) if framed else NEW
    for ask in (
        lambda m: [m.predict(rows)],
        lambda m: (
            m.predict_interval(rows)
            if name.startswith("conformal")
            else m.predict(rows, return_std=name != "table of conformal")
        ),
    ):
        np.testing.assert_array_equal(ask(twin), ask(model))
    assert type(twin) is type(model)
    assert twin.n_features_in_ == model.n_features_in_
    if name == "process":
        blocks = np.arange(len(MATRIX))
        np.testing.assert_array_equal(twin.leave_blocks_out(blocks), model.leave_blocks_out(blocks))
        np.testing.assert_array_equal(twin.gradient(NEW), model.gradient(NEW))
    if name in ("blend", "table"):
        for member, values in twin.predict_members(rows).items():
            np.testing.assert_array_equal(values, model.predict_members(rows)[member])
    if name in ("table", "default"):
        np.testing.assert_array_equal(twin.outside(rows), model.outside(rows))
        assert twin.feature_names_in_.tolist() == FRAME.columns.tolist()
    twin.fit(FRAME if framed else MATRIX, Y[:, 0])  # still an estimator


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
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # names of inputs given, none expected
        assert len(model.predict(rows)) == len(rows)


TAMPERED = ["linear", "trees", "blend", "table", "augmented", "conformal", "conformal tables"]


@pytest.mark.parametrize("name", [*TAMPERED, "table of conformal"])
def test_missing_and_misshapen_values_are_refused(name):
    rows = FRAME if name in ON_FRAMES else MATRIX
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
            for other in OTHERS:
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


def with_part(name, key, part):
    state = MODELS[name].to_state()
    return State(state.kind, state.config, state.arrays, {**state.parts, key: part})


@pytest.mark.parametrize("name", ["augmented", "conformal", "table"])
@pytest.mark.parametrize(
    "part", ["encoder", "other inputs", "other targets", "table of frames", "no inputs"]
)
def test_parts_that_cannot_predict_what_is_asked_are_refused(name, part):
    key = "fold_1" if name == "conformal" else "regressor"
    wide = np.hstack([MATRIX] * 3)
    targets = Y if name == "conformal" else Y[:, 0]
    conformal = MODELS["conformal"].to_state()
    others = {
        "encoder": TableEncoder().fit(MATRIX).to_state(),
        "other inputs": TreeEnsemble(n_trees=2).fit(wide, Y).to_state(),
        "other targets": TreeEnsemble(n_trees=2).fit(MATRIX, targets).to_state(),
        "table of frames": MODELS["table"].to_state(),
        "no inputs": State(
            conformal.kind,
            {**conformal.config, "n_features_in": None},
            conformal.arrays,
            conformal.parts,
        ),
    }
    with pytest.raises(ModelFileError):
        restore(with_part(name, key, others[part]))


def test_an_announced_number_of_inputs_is_not_believed():
    for name, key in (
        ("conformal", "n_features_in"),
        ("augmented", "n_features"),
        ("network", "n_features"),
        ("table", "n_features"),
    ):
        state = MODELS[name].to_state()
        for n in (1, 10**9, 10**15):
            config = {**state.config, key: n}
            with pytest.raises(ModelFileError):
                restore(State(state.kind, config, state.arrays, state.parts))


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
    assert isinstance(candidate_regressors(28)["blend"], SmallTableRegressor)
    assert candidate_regressors(28, 4)["blend"].random_state == 4
    assert isinstance(candidate_regressors(1001)["extra-trees"], TreeEnsemble)
    assert list(candidate_regressors(500)) == ["blend"]
    assert list(candidate_regressors(501)) == ["blend", "boosting", "network"]
    assert list(candidate_regressors(5000)) == ["extra-trees", "boosting", "network"]
