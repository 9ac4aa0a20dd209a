"""What a screening keeps, however it is cut into chunks and wherever it is worked on."""

from __future__ import annotations

import sys
from threading import Lock

import numpy as np
import pandas as pd
import pytest

from matlever.compositions import ELEMENTS, ConvexHull, Screening, enumerate_compositions, screen
from matlever.compositions.screening import estimate_screening
from matlever.exceptions import DataError, MissingExtraError, SettingsError, StudyError

SYMBOLS = ["Na", "Mg", "Al", "Si", "O", "Cl"]
WEIGHTS = np.random.default_rng(0).normal(-1, 1, size=len(ELEMENTS))


def energy(fractions):
    """Formation energy of a made-up mixing law, zero for elements."""
    return ((fractions**2).sum(axis=1) - 1) * (fractions @ np.abs(WEIGHTS))


class Rows:
    """The same law for candidates of few elements, and in single precision."""

    accepts_float32 = True

    def predict(self, X):
        assert X.dtype == np.float32
        return energy(X.astype(np.float64))

    def predict_sparse(self, columns, fractions):
        return ((fractions**2).sum(axis=1) - 1) * (fractions * np.abs(WEIGHTS)[columns]).sum(1)


@pytest.fixture(scope="module")
def space():
    return enumerate_compositions(SYMBOLS, n_elements=[2, 3, 4], max_atoms=8)


@pytest.fixture(scope="module")
def hull(space):
    rng = np.random.default_rng(1)
    known = space.at(np.sort(rng.choice(space.size, 60, replace=False)))
    return ConvexHull(
        known.compositions, energy(known.fractions) + rng.normal(0, 0.1, 60), element_energies=0.0
    )


@pytest.fixture(scope="module")
def expected(space, hull):
    """Return all candidates with their scores, computed at once and without the screening."""
    every = space.candidates(0, space.size)
    predicted = energy(every.fractions)
    above = hull.energy_above(every.fractions, predicted)
    return pd.DataFrame(
        {
            "number": every.numbers,
            "formula": every.formulas,
            "prediction": predicted,
            "energy_above_hull": above,
            "is_known": hull.is_known(every.fractions),
        }
    )


def same(found, frame, n=None):
    want = frame.sort_values(["energy_above_hull", "number"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(found, want.head(n) if n else want, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("chunk", [37, 100_000])
def test_what_is_below_the_limit_is_kept_and_nothing_else(space, hull, expected, chunk):
    below = float(expected.energy_above_hull.quantile(0.2)) + 1e-6
    found = screen(space, energy, hull=hull, below=below, chunk=chunk)
    kept = expected[expected.energy_above_hull <= below]
    assert 50 < len(kept) < len(expected) / 2
    same(found.to_frame(), kept)
    same(found.to_frame(7), kept, 7)
    assert (found.n_candidates, found.n_kept, len(found)) == (len(space), len(kept), len(kept))
    assert found.compositions(3).formulas == tuple(found.to_frame(3).formula)
    assert expected.is_known.sum() == 60


def test_the_best_are_kept_in_order_and_equal_ones_by_number(space, hull, expected, tmp_path):
    for out in (None, tmp_path / "best"):
        found = screen(space, energy, hull=hull, best=25, below=0.2, chunk=64, out=out)
        same(found.to_frame(), expected, 25)
        assert found.n_kept == 25
        assert found.n_candidates == len(space)
    flat = screen(space, lambda x: np.zeros(len(x)), best=5, chunk=11)
    np.testing.assert_array_equal(flat.to_frame().number, np.arange(5))


def test_without_a_hull_the_prediction_is_the_score(space, expected):
    found = screen(space, energy, above=-0.3, best=10, largest=True, target="ef_ev_atom")
    frame = found.to_frame()
    assert list(frame) == ["number", "formula", "ef_ev_atom"]
    best = expected[expected.prediction >= -0.3].nlargest(10, "prediction")
    np.testing.assert_allclose(frame.ef_ev_atom, best.prediction)
    assert "prediction: above=-0.3, best=10" in repr(found)


def test_predictors_for_few_elements_and_single_precision_are_used_as_they_are(space, expected):
    few = screen(space, Rows(), below=-0.5, batch_rows=100).to_frame()
    del Rows.predict_sparse
    single = screen(space, Rows(), below=-0.5, batch_rows=100).to_frame()
    kept = expected[expected.prediction <= -0.5]
    assert set(few.number) == set(kept.number)
    assert len(set(single.number) ^ set(kept.number)) <= 2
    np.testing.assert_allclose(
        few.prediction, kept.sort_values(["prediction", "number"]).prediction, rtol=1e-12
    )


def test_a_network_of_fewer_elements_is_given_compositions(space):
    class Eighty:
        n_features_in_ = 86

        def predict(self, X):
            return energy(X.fractions)

    found = screen(space, Eighty(), best=3).to_frame()
    pd.testing.assert_frame_equal(found, screen(space, energy, best=3).to_frame())


def test_several_processes_give_the_same_to_the_byte(space, hull, tmp_path):
    weights = np.abs(WEIGHTS)

    def law(fractions):  # a function of a function: processes get it by value
        return ((fractions**2).sum(axis=1) - 1) * (fractions @ weights)

    options = {"hull": hull, "best": 20, "chunk": 200}
    one = screen(space, law, out=tmp_path / "one", **options)
    two = screen(space, law, out=tmp_path / "two", workers=2, **options)
    for path in sorted((tmp_path / "one").rglob("*.*")):
        twin = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == twin.read_bytes(), path
    in_memory = screen(space, law, workers=2, **options)
    pd.testing.assert_frame_equal(one.to_frame(), in_memory.to_frame())
    pd.testing.assert_frame_equal(one.to_frame(), two.to_frame())


def test_what_cannot_be_sent_to_processes_is_said(space):
    lock = Lock()
    with pytest.raises(SettingsError, match="workers=1"):
        screen(space, lambda x: x[:, 0] + lock.locked(), best=1, workers=2)


def test_a_torch_module_is_a_predictor(space):
    import torch

    torch.manual_seed(0)
    network = torch.nn.Linear(103, 1)
    found = screen(space, network, best=5).to_frame()
    fractions = space.at(np.sort(found.number)).fractions
    with torch.no_grad():
        expected = network(torch.tensor(fractions, dtype=torch.float32))[:, 0].numpy()
    np.testing.assert_allclose(found.sort_values("number").prediction, expected, rtol=1e-5)


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same(space, hull, tmp_path):
    distributed = pytest.importorskip("distributed")
    here = screen(space, energy, hull=hull, below=0.0, chunk=150, out=tmp_path / "here")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        there = screen(
            space, energy, hull=hull, below=0.0, chunk=150, out=tmp_path / "there", client=client
        )
        loose = screen(space, energy, hull=hull, below=0.0, chunk=150, client=client)
    pd.testing.assert_frame_equal(here.to_frame(), there.to_frame())
    pd.testing.assert_frame_equal(here.to_frame(), loose.to_frame())
    for path in sorted((tmp_path / "here").rglob("*.parquet")):
        assert path.read_bytes() == (tmp_path / "there" / "parts" / path.name).read_bytes()


def test_neutral_spaces_have_chunks_of_any_length(hull):
    space = enumerate_compositions(SYMBOLS, n_elements=[3, 4], max_atoms=8, charge_neutral=True)
    found = screen(space, energy, hull=hull, below=10.0, chunk=40)
    assert found.n_candidates == found.n_kept == len(space) < space.size


def test_kept_candidates_get_a_standard_deviation_where_there_is_one(space):
    class WithSpread:
        def predict(self, X, return_std=False):
            return (energy(X), X.max(axis=1)) if return_std else energy(X)

    frame = screen(space, WithSpread(), best=4, uncertainty=True).to_frame()
    numbers = space.at(np.sort(frame.number))
    spread = dict(zip(numbers.numbers, numbers.fractions.max(axis=1), strict=True))
    np.testing.assert_allclose(frame["std"], [spread[i] for i in frame.number])
    with pytest.raises(SettingsError, match="gives no standard deviation"):
        screen(space, energy, best=4, uncertainty=True)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({}, SettingsError, "Say what to keep"),
        ({"below": np.nan}, SettingsError, "below=nan"),
        ({"below": 0, "above": 1}, SettingsError, "Nothing is below"),
        ({"best": 0}, SettingsError, "best=0"),
        ({"best": 1, "chunk": 0}, SettingsError, "chunk=0"),
        ({"best": 1, "workers": 0}, SettingsError, "workers=0"),
        ({"best": 1, "backend": "threads"}, SettingsError, "backend='threads'"),
        ({"best": 1, "backend": "process", "client": "tcp://x"}, SettingsError, "client is for"),
        ({"best": 1, "predictor": lambda x: x}, DataError, r"one number for each.*\(.*103\)"),
        ({"best": 1, "predictor": lambda x: x[:, 0] / 0}, DataError, "The predictor returned"),
        ({"best": 1, "predictor": 3}, SettingsError, "cannot predict"),
        ({"best": 1, "space": SYMBOLS}, SettingsError, "space from enumerate_compositions"),
    ],
)
def test_what_cannot_be_screened_is_said(space, options, error, says):
    options = {"predictor": energy, "space": space, **options}
    with np.errstate(all="ignore"), pytest.raises(error, match=says):
        screen(options.pop("space"), options.pop("predictor"), **options)


def test_hulls_that_do_not_fit_are_refused(space):
    small = ConvexHull(np.eye(2), [0, 0], elements=["Na", "Cl"])
    with pytest.raises(SettingsError, match="103 columns"):
        screen(space, energy, hull=small, best=1)
    lacking = ConvexHull(np.eye(103)[[10]], [0.0])
    with pytest.raises(DataError, match="no energy of the pure element for O"):
        screen(space, energy, hull=lacking, best=1)


def test_another_question_in_the_same_folder_is_refused_by_name(space, hull, tmp_path):
    out = tmp_path / "out"
    options = {"hull": hull, "below": 0.0, "chunk": 300, "out": out}
    first = screen(space, energy, **options)
    for change, named in (
        ({"below": 0.1}, "what is kept"),
        ({"chunk": 299}, "size of a chunk"),
        ({"hull": None}, "the known phases"),
        ({"target": "e"}, "name of the target"),
    ):
        with pytest.raises(StudyError, match=named):
            screen(space, energy, **{**options, **change})
    with pytest.raises(StudyError, match="the predictor differ"):
        screen(space, lambda x: energy(x) * 1.01, **options)
    other = enumerate_compositions(SYMBOLS, n_elements=[2, 3, 4], max_atoms=7)
    with pytest.raises(StudyError, match="the space of candidates"):
        screen(other, energy, **options)
    again = screen(space, energy, **options)
    pd.testing.assert_frame_equal(again.to_frame(), first.to_frame())
    pd.testing.assert_frame_equal(Screening.load(out).to_frame(), first.to_frame())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(StudyError, match="other files"):
        screen(space, energy, best=1, out=tmp_path / "full")
    with pytest.raises(StudyError, match="holds no screening"):
        Screening.load(tmp_path / "full")


def test_what_it_takes_is_estimated_first(space, hull):
    told = []
    found = screen(
        space, energy, hull=hull, best=9, chunk=100, progress=lambda *one: told.append(one)
    )
    assert found.estimate.n_candidates == len(space)
    assert 0 < found.estimate.hull_share < 1
    assert found.estimate.seconds > 0
    assert "0.5 billion such candidates" in str(found.estimate)
    assert "Screening of" in repr(found)
    assert told[0] == (0, space.size, "screening")
    assert told[-1] == (space.size, space.size, "screening")
    assert [done for done, *_ in told] == sorted(done for done, *_ in told)
    before = estimate_screening(space, energy, hull=hull, best=9, workers=4)
    assert before.workers == 4
    assert set(found.to_dict()) == {"question", "answer", "estimate"}
    huge = enumerate_compositions(list(ELEMENTS[:60]), n_elements=4, max_atoms=12)
    flat = [estimate_screening(one, energy, best=9).memory_mb for one in (huge, space)]
    assert flat[0] < 200


def test_a_folder_needs_pyarrow(space, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"matlever\[files\]"):
        screen(space, energy, best=1, out=tmp_path / "x")
