"""ElemNet's reproduction on a small made-up table of energies: every part, and resuming."""

import itertools

import numpy as np
import pandas as pd
import pytest

from matlever.compositions import ElemNetRegressor, parse_formulas
from matlever.exceptions import StudyError
from matlever.report import render_elemnet
from matlever.study import elemnet as study
from matlever.study.elemnet_data import Labelled, lowest_per_formula, read_elemnet_data
from matlever.study.elemnet_inside import GROUPS, binaries, charge_balance, element_groups
from matlever.study.elemnet_models import Sizes
from matlever.study.elemnet_scores import crossing
from matlever.study.elemnet_systems import HeldOutSystems

METALS = ["Li", "Na", "K", "Mg", "Ca", "Ti", "Fe", "Mn"]
OTHERS = ["O", "S", "F", "Cl"]


class KilledError(Exception):
    """Stands for the end of the process."""


def made_up():
    """Return formulas of binaries and ternaries, and a smooth energy of their composition."""
    formulas = [
        f"{m}{a}{o}{b}"
        for m, o in itertools.product(METALS, OTHERS)
        for a, b in itertools.product((1, 2, 3), (1, 2, 3, 4))
    ]
    formulas += [
        f"{m}{a}{k}{b}O{c}"
        for m, k in itertools.combinations(METALS, 2)
        for a, b, c in ((1, 1, 2), (1, 2, 4), (2, 1, 3))
    ]
    x = parse_formulas(formulas)
    charge = np.linspace(-1, 1, 103)
    return formulas, (x.fractions @ charge) ** 2 - 2 * x.fractions[:, 7]


@pytest.fixture
def tables(tmp_path):
    formulas, energies = made_up()
    order = np.random.default_rng(0).permutation(len(formulas))
    split = np.full(len(formulas), "train", dtype=object)
    split[order[:60]], split[order[60:120]] = "val", "test"
    frame = pd.DataFrame({"formula": formulas, "ef_ev_atom": energies})
    folder = tmp_path / "data" / "tables"
    folder.mkdir(parents=True)
    frame = frame[~frame["formula"].duplicated()]
    frame.assign(split=split).to_csv(folder / "critexam_ef.csv.gz", index=False)
    both = pd.concat([frame, frame.assign(ef_ev_atom=frame["ef_ev_atom"] + 0.5)])
    both.to_csv(folder / "mp_e_form.csv.gz", index=False)
    gaps = frame.rename(columns={"ef_ev_atom": "gap_ev"}).iloc[::4]
    gaps.to_csv(folder / "expt_gap.csv", index=False)
    return tmp_path / "data"


@pytest.fixture
def small(monkeypatch):
    sizes = Sizes(
        width=0.02,
        epochs=2,
        short_epochs=1,
        least_steps=10,
        members=2,
        held_out_members=1,
        trees=4,
        curve=(100, 200),
        repeated_below=150,
        random_rows=40,
        gap_rows=40,
        gap_repeats=1,
    )
    monkeypatch.setattr(Sizes, "quick", lambda: sizes)


@pytest.mark.slow
def test_all_parts_are_there_and_a_killed_run_goes_on_to_the_same(tables, small, tmp_path):
    def kill(done, total, what):
        if what.startswith("hulls"):
            raise KilledError

    with pytest.raises(KilledError):
        study.reproduce_elemnet(tmp_path / "a", data=tables, quick=True, progress=kill)
    told = []
    resumed = study.reproduce_elemnet(
        tmp_path / "a", data=tables, quick=True, progress=lambda *call: told.append(call)
    )
    whole = study.reproduce_elemnet(tmp_path / "b", data=tables, quick=True)
    assert resumed["record"]["parts_reused"] >= 8
    for one in (resumed, whole):
        one.pop("record")
    assert resumed == whole
    assert told[-1][0] == told[-1][1]
    assert not list((tmp_path / "a").glob("*part*"))
    assert (tmp_path / "a" / "results.json").is_file()

    networks = whole["networks"]
    assert len(networks["members"]) == 2
    assert networks["by_members"][-1] == pytest.approx(networks["mae"])
    assert len(whole["curve"]["points"][0]["network"]) == 2
    assert whole["curve"]["points"][-1]["n"] > 200
    for one in whole["systems"]["systems"]:
        hull = one["hull"]
        assert min(hull["above_dft"]) >= -1e-9
        assert hull["n_both"] <= min(hull["n_stable"], hull["n_called"])
    page = render_elemnet(whole)
    for words in ("Learning curve", "Ti-O", "Charge balance", "band gaps"):
        assert words in page


def test_missing_tables_are_named_with_where_they_are_published(tmp_path, monkeypatch):
    monkeypatch.delenv("MATLEVER_DATA", raising=False)
    with pytest.raises(StudyError, match="MATLEVER_DATA"):
        read_elemnet_data(None, quick=True)
    with pytest.raises(StudyError, match=r"no critexam_ef.csv.gz, mp_e_form.csv.gz, expt_gap.csv"):
        read_elemnet_data(tmp_path, quick=True)


def test_one_row_is_left_for_each_composition_with_its_lowest_energy():
    table = Labelled(parse_formulas(["TiO2", "Ti2O4", "O2Ti", "NaCl"]), np.array([1.0, -2, 0, 5]))
    found = lowest_per_formula(table)
    assert sorted(zip(found.compositions.formulas, found.y, strict=True)) == [
        ("NaCl", 5.0),
        ("TiO2", -2.0),
    ]


def test_no_compound_within_a_held_out_system_is_trained_on():
    formulas, _ = made_up()
    names = [*formulas, "Fe", "O2", "NaFe", "Na2Mn3O7", "NaFeMnO4"]
    split = HeldOutSystems(Labelled(parse_formulas(names), np.zeros(len(names))), 20, 0)
    trained = [set(system.split("-")) for system in split.train.compositions.systems]
    for elements in ({"Ti", "O"}, {"Na", "Fe", "Mn", "O"}):
        assert not any(len(one) > 1 and one <= elements for one in trained)
    trained += [set(system.split("-")) for system in split.random.compositions.systems]
    assert {"Fe"} in trained  # pure elements are no compounds of the system
    held_out = set(split.systems[1].compositions.formulas)
    assert {"NaFe", "Na2Mn3O7"} <= held_out
    parts = [split.train, split.random, *split.systems]
    assert sum(map(len, parts)) == len(names)


def test_curves_cross_where_logarithms_meet():
    points = [
        {"n": 100, "network": [4.0], "forest": [2.0]},
        {"n": 400, "network": [1.0], "forest": [2.0]},
    ]
    assert crossing(points, "forest") == pytest.approx(200.0)
    assert crossing(points[:1], "forest") is None
    assert crossing(points[1:], "forest") == 400.0


def test_binaries_are_balanced_where_their_usual_charges_sum_to_zero():
    compounds, balanced, metal = binaries()
    assert (len(balanced), balanced.sum(), len(set(metal))) == (240, 80, 10)
    found = dict(zip(compounds.formulas, balanced, strict=True))
    for formula in ("NaCl", "CaO", "Na2O", "MgF2"):
        assert found[formula]
    for formula in ("NaCl2", "NaO", "Ca2O", "MgF"):
        assert not found[formula]


def test_layers_are_measured_from_the_fractions_to_the_last():
    compounds, balanced, _ = binaries()
    model = ElemNetRegressor(width=0.02, epochs=1, least_steps=5).fit(
        compounds, balanced.astype(float)
    )
    groups, charges = element_groups(model), charge_balance(model)
    assert len(groups["layers"]) == len(charges["linear"]) == 17
    assert groups["layers"][0] == pytest.approx(groups["chance"])  # all at one angle
    assert [one["layer"] for one in groups["pictures"]] == [1, 2, 4]
    assert len(groups["groups"]) == len(GROUPS)
    assert min(charges["linear"]) >= 0.0
    assert max(charges["linear"]) <= 1.0


def test_the_page_survives_missing_values_and_escapes_what_it_is_given():
    from xml.etree.ElementTree import fromstring

    hostile = "<script>alert(1)</script>"
    found = {
        "schema": "matlever-elemnet/1",
        "title": hostile,
        "sentences": [hostile, None],
        "table": [{"model": hostile, "mae": None, "source": "here"}],
        "networks": {"by_members": [0.2], "points": {"y": [0.0, 1.0], "predicted": [0.1, None]}},
        "curve": {"points": [{"n": 10, "network": [0.3]}]},
        "systems": {"systems": [{"elements": ["Ti", hostile], "hull": None}]},
        "transfer": {"methods": [{"name": hostile, "mae": 1.0, "difference": None}]},
    }
    page = render_elemnet(found)
    assert "alert(1)</script>" not in page
    fromstring(page[page.index("<html") :])
    with pytest.raises(StudyError, match="schema"):
        render_elemnet({"schema": "another"})
