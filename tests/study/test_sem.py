"""The micrograph study's figures beside ours: the quick way through, and what it says."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from matlever.micrographs import PeakStressLaw, simulate_sem
from matlever.study import reproduce_sem
from matlever.study.folder import PARTS
from matlever.study.sem_parts import law_part, slopes_part


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def lots():
    return simulate_sem(6, 3, 16, random_state=5)


def test_the_law_is_asked_of_the_tile_drawn_again(lots):
    from matlever.study.lots.settings import LotsSettings

    tiles = lots.tiles.of_lot("B")
    proposed = np.clip(tiles.attributes - np.array([0.2, 0.0, 0.0, 0.0]), 0, 1)
    rows = [
        {"tile": label, "settings": proposed[i].tolist(), "prediction": 1000.0}
        for i, label in enumerate(tiles.labels)
    ]
    question = {"direction": "up", "rows": rows}
    results = {
        "scores": {"lots_held_out": {"by_lot": {"rmse": 50.0}}},
        "backward": {"lots": [{"lot": "B", "questions": [question]}]},
    }
    found = law_part(lots, results, LotsSettings("x"))
    exact = tiles.scenes["attributes"]
    moved = np.clip(exact + proposed - tiles.attributes, 0, 1)
    np.testing.assert_allclose(found["rows"][0]["before"], PeakStressLaw().stress(exact).mean())
    np.testing.assert_allclose(found["rows"][0]["after"], PeakStressLaw().stress(moved).mean())
    assert found["moved"] == 1.0  # smaller crystals are stronger
    assert found["met"] == 1.0  # at least 1,150 psi is asked for, and all are above


def test_slopes_of_the_law_have_the_signs_of_its_derivatives(lots):
    sweeps = [
        {"knob": name, "mean": [1.0, 2.0]}
        for name in ("size", "porosity", "polydispersity", "facetness")
    ]
    found = slopes_part(lots, {"forward": {"lots": [{"lot": "A", "sweeps": sweeps}]}})
    assert [np.sign(one["law"]) for one in found] == [-1, -1, 1, 1]
    assert [one["ours"] for one in found] == [1.0] * 4


@pytest.mark.slow
def test_the_quick_way_goes_through_and_resumes(tmp_path):
    def kill(done, total, what):
        if "AttGAN iteration" in what:
            raise KilledError

    with pytest.raises(KilledError):
        reproduce_sem(tmp_path, quick=True, seed=3, progress=kill)
    assert (tmp_path / PARTS).is_dir()
    found = reproduce_sem(tmp_path, quick=True, seed=3)
    assert not (tmp_path / PARTS).exists()
    written = json.loads((tmp_path / "reproduction.json").read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(found))
    assert [figure["number"] for figure in found["figures"]] == [4, 5, 6, 7, 8, 9, 10]
    assert found["statement"].startswith("SIMULATED DATA")
    assert len(found["law"]["rows"]) == 6
    documented = (Path(__file__).parents[2] / "docs" / "lots-results.md").read_text("utf-8")
    parts = [found, found["attgan"], found["law"], *found["law"]["rows"], *found["slopes"]]
    names = set().union(*parts, *found["figures"])
    assert names - set(re.findall(r"`([^`]+)`", documented)) == set()
    assert {one["attribute"] for one in found["slopes"]} == set(
        found["study"]["forward"]["attributes"]
    )
