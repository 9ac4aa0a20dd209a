"""The report of a study of lots, and the reproduction, as a reader's browser meets them."""

from __future__ import annotations

import copy
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from matlever.exceptions import StudyError
from matlever.report import render_lots_report, render_sem_reproduction, write_lots_report
from matlever.report.tile_pictures import Scale, tile_picture
from matlever.study.lots.pictures import picture

Json = dict[str, Any]
NAMES = ["size", "porosity"]
_PARTS = 7
HOSTILE = '<script>alert("x")</script>&amp;"\'>]]> \u202e javascript:alert(1) </style>'


def _tile(seed: int) -> Json:
    return picture(np.random.default_rng(seed).integers(0, 255, (16, 16)).astype(np.uint8))


def _figures(r2: float) -> Json:
    return {
        "n": 8,
        "rmse": 60.0,
        "mape_percent": 3.1,
        "r2": r2,
        "r2_low": r2 - 0.2,
        "r2_high": 0.95,
    }


def _split(r2: float) -> Json:
    lots = {
        "lot": ["A", "B", "C"],
        "measured": [1400.0, 1600.0, 1800.0],
        "mean": [1450.0, 1590.0, 1720.0],
        "sd": [30.0, 20.0, 25.0],
        "rmse": [60.0, 20.0, 85.0],
        "n_tiles": [4, 4, 4],
    }
    return {"by_tile": _figures(r2), "by_lot": _figures(r2), "lots": lots}


def _sweep(knob: str) -> Json:
    values = [0.0, 0.5, 1.0]
    curves = [[1700.0, 1600.0, 1500.0], [1720.0, 1610.0, 1510.0]]
    box = {k: [1710.0, 1605.0, 1505.0] for k in ("median", "q1", "q3")}
    box |= {"whisker_low": curves[0], "whisker_high": curves[1], "outliers": [[], [1800.0], []]}
    return {
        "knob": knob,
        "unit": None,
        "kind": "continuous",
        "values": values,
        "levels": None,
        "mean": [1710.0, 1605.0, 1505.0],
        "lower": None,
        "upper": None,
        "individual": curves,
        "inside": [1.0, 1.0, 0.2],
        "data": [0.2, 0.4, 0.6],
        "scale": "linear",
        "box": box,
    }


def _question(direction: str, reached: bool) -> Json:
    rows = [
        {
            "tile": f"A/000{i}",
            "start": [0.5, 0.4],
            "settings": [0.2, 0.4],
            "change": [-0.3, 0.0],
            "prediction": 1600.0,
            "reached_prediction": 1840.0,
            "reached": reached,
            "sentence": "Lower size from 0.5 to 0.2.",
            "blocking": [] if reached else ["size lower"],
        }
        for i in range(2)
    ]
    return {
        "lot": "A",
        "direction": direction,
        "goal": "at least 1,840 psi",
        "attributes": NAMES,
        "mean": [-0.3, 0.0],
        "sd": [0.02, 0.0],
        "reached_share": float(reached),
        "sentence": "Lot A to at least 1,840 psi: size −0.30 (mean over 2 tiles, all reach it).",
        "rows": rows,
        "shown": {"position": 1, "tile": _tile(1), "edited": _tile(2)},
    }


def document() -> Json:
    strip = {
        "attribute": "size",
        "position": 0,
        "own": 0.5,
        "values": [0.0, 1.0],
        "tile": _tile(3),
        "pictures": [_tile(4), _tile(5)],
    }
    lot = {
        "lot": "A",
        "tiles": ["A/0000", "A/0001"],
        "start": [0.5, 0.4],
        "prediction": [1600.0, 1610.0],
        "shift": [4.0, -2.0],
        "is_corrected": True,
        "sweeps": [_sweep(name) for name in NAMES],
        "measured": 1590.0,
        "strips": [strip],
    }
    reading = {"names": NAMES, "gain": [[0.9, 0.1], [None, 0.8]]}
    card = {
        "passed": False,
        "n_tiles": 24,
        "n_lots": 6,
        "criteria": [
            {"name": "gain of size", "value": 0.9, "asked": "0.8 to 1.2", "passed": True},
            {"name": "real", "value": 0.8, "asked": "< 0.75", "passed": False, "remark": "few"},
            {"name": "shift", "value": None, "asked": "< 0.1", "passed": None, "remark": ""},
        ],
        "network": reading,
        "texture": reading,
        "shown": [{"attribute": "size", "own": 0.5, "values": [0.1], "pictures": [_tile(6)]}],
    }
    return {
        "schema": "matlever-lots-results/1",
        "matlever_version": "0",
        "title": "Peak stress from micrographs of 3 lots",
        "data": {
            "folder": "lots",
            "sha256": "0" * 64,
            "simulated": True,
            "n_lots": 3,
            "n_tiles": 12,
            "n_dropped": 1,
            "height": 16,
            "width": 16,
            "pixel_nm": 250.0,
            "sentences": ["size: 2 experts, mean taken"],
            "warnings": [],
            "dropped": [{"what": "black margin", "count": 1}],
            "dropped_tiles": [{"tile": "A/0009", "what": "black margin", "picture": _tile(7)}],
            "property": {"name": "peak stress", "unit": "psi", "lower": 1400, "upper": 1800},
            "attributes": [{"name": name} for name in NAMES],
            "lots": [
                {
                    "name": name,
                    "n_tiles": 4,
                    "measured": 1400.0 + 200 * i,
                    "attributes": [0.2, 0.5],
                    "pictures": [_tile(i)],
                }
                for i, name in enumerate("ABC")
            ],
        },
        "settings": {"folder": "lots", "epochs": 2},
        "identifiability": {
            "attributes": NAMES,
            "correlation": [[1.0, -0.7], [-0.7, 1.0]],
            "inflation": [2.0, None],
            "picture_r2": [0.8, 0.1],
            "flags": {"porosity": "porosity cannot be told from size in these 3 lots, r = −0.70."},
            "flagged": ["porosity"],
            "sentences": ["porosity cannot be told from size in these 3 lots, r = −0.70."],
        },
        "scores": {
            "name": "peak stress",
            "unit": "psi",
            "skill": "useful",
            "skill_sentence": "There is useful skill.",
            "leaks": True,
            "verdict": "For lots never seen ...",
            "lots_held_out": _split(0.7),
            "tile_split": _split(0.97),
            "shuffled_lots_held_out": _split(-0.2),
            "shuffled_tile_split": _split(0.9),
        },
        "looks": {
            "lots": [{"lot": "A", "pictures": [{"tile": _tile(8), "map": _tile(9)}]}],
            "check": {"passes": True, "sentence": "With all weights drawn anew ...", "layers": []},
        },
        "editor": {"kind": "trained", "sentence": "Tiles are redrawn ...", "card": card},
        "forward": {
            "attributes": NAMES,
            "is_corrected": True,
            "lots": [lot],
            "shift": {"mean": 3.0, "largest": 4.0},
        },
        "backward": {
            "attributes": NAMES,
            "held": ["porosity"],
            "lots": [
                {
                    "lot": "A",
                    "measured": 1590.0,
                    "questions": [_question("up", True), _question("down", False)],
                }
            ],
        },
        "summary": {"headline": "These micrographs predict peak stress.", "sentences": ["One."]},
        "warnings": ["Two."],
        "record": {"python": "3", "libraries": {"numpy": "2"}, "seed": 0},
    }


def reproduction() -> Json:
    return {
        "schema": "matlever-sem-reproduction/1",
        "title": "Micrographs",
        "simulated": True,
        "statement": "SIMULATED DATA. Tiles are simulated.",
        "study": document(),
        "attgan": {
            "iterations": [1, 2, 3],
            "losses": {"reconstruction": [0.5, 0.4, 0.3], "critic_adversarial": [0.0, None, 1.0]},
            "gain": [0.3, 0.1],
        },
        "law": {
            "rows": [
                {
                    "lot": "A",
                    "direction": "up",
                    "goal": 1840.0,
                    "before": 1600.0,
                    "after": 1850.0,
                    "moved": 1.0,
                    "met": 0.5,
                }
            ]
        },
        "figures": [
            {"number": n, "title": f"t{n}", "paper": "p", "ours": "o"} for n in range(4, 11)
        ],
        "sentences": ["So."],
        "settings": {"seed": 0},
        "record": {"command": "matlever reproduce sem"},
    }


def _tree(page: str) -> ElementTree.Element:
    return ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))


def _elements(page: str) -> list[tuple[str, dict[str, str]]]:
    return [(e.tag.rpartition("}")[2], dict(e.attrib)) for e in _tree(page).iter()]


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {
        "study": render_lots_report(document()),
        "reproduction": render_sem_reproduction(reproduction()),
    }


@pytest.mark.parametrize("name", ["study", "reproduction"])
def test_pictures_stand_in_the_page_and_nothing_is_fetched(
    pages: dict[str, str], name: str
) -> None:
    page = pages[name]
    pictures = [attributes for tag, attributes in _elements(page) if tag == "img"]
    assert len(pictures) >= 3
    for attributes in pictures:
        assert attributes["src"].startswith("data:image/png;base64,")
        assert attributes["alt"]
    assert "img-src data:" in page
    for tag, attributes in _elements(page):
        assert tag == "img" or "src" not in attributes
        assert not [key for key in attributes if key.lower().startswith("on")]
        assert attributes.get("href", "#").startswith("#")
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", page))
    assert all(address.startswith("http://www.w3.org/") for address in addresses)
    assert "SIMULATED DATA" in page


@pytest.mark.parametrize("name", ["study", "reproduction"])
def test_identifiers_are_unique_and_links_have_targets(pages: dict[str, str], name: str) -> None:
    elements = _elements(pages[name])
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"][1:] for tag, attributes in elements if tag == "a"}
    assert links <= set(ids)


def test_the_flag_stands_before_any_explanation_and_again_beside_it(
    pages: dict[str, str],
) -> None:
    page = pages["study"]
    assert page.index("porosity cannot be told from size") < page.index('id="turn"')
    assert "not offered as a cause" in page
    assert 'class="panel pale"' in page


def test_the_headline_score_is_that_of_unseen_lots_and_the_leak_is_said(
    pages: dict[str, str],
) -> None:
    page = pages["study"]
    first = page[: page.index('id="data"')]
    assert "<b>0.70</b>" in first
    assert "it has then seen every lot" in first


def _everything_missing(value: Any, path: tuple[Any, ...] = ()) -> Any:
    """Yield the paths of all entries of a document, lists by their first entry only."""
    if isinstance(value, dict):
        for key in value:
            yield (*path, key)
            yield from _everything_missing(value[key], (*path, key))
    elif isinstance(value, list) and value:
        yield from _everything_missing(value[0], (*path, 0))


def test_tests_of_an_editor_that_stay_open_are_not_called_passed() -> None:
    results = document()
    card = results["editor"]["card"]
    card["passed"] = True
    for line in card["criteria"]:
        line["passed"] = True
    assert "It passes every test below." in render_lots_report(results)
    card["criteria"][0] |= {"passed": None, "remark": "this meter reads -0.01, R2 -0.20"}
    page = render_lots_report(results)
    assert "It passes every test below." not in page
    assert "1 stay open" in page
    assert "reads −0.01, R² −0.20" in page


def test_what_all_tiles_of_a_lot_say_at_once_stands_beside_the_network() -> None:
    results = document()
    assert "lots never seen, all tiles" not in render_lots_report(results)
    results["scores"]["lots_with_texture"] = _split(0.77)
    page = render_lots_report(results)
    row = re.search(r'<tr class="">.*?all tiles of a lot at once.*?</tr>', page)
    assert row is not None
    assert "0.77" in row[0]
    assert row[0].count("–") == 3  # nothing is said of single tiles


def test_any_entry_may_be_missing_or_null() -> None:
    paths = [path for path in _everything_missing(document()) if path != ("schema",)]
    for part in range(_PARTS):  # every entry is missing once, several at a time
        broken = copy.deepcopy(document())
        for path in paths[part::_PARTS]:
            place = broken
            for key in path[:-1]:
                place = place[key] if place is not None else None
            if place is not None:
                place[path[-1]] = None
        _tree(render_lots_report(broken))
    _tree(render_lots_report({"schema": "matlever-lots-results/1"}))
    _tree(render_sem_reproduction({"schema": "matlever-sem-reproduction/1"}))


def _hostile(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: v if k == "schema" else _hostile(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_hostile(entry) for entry in value]
    return HOSTILE if isinstance(value, str) else value


def test_text_of_the_data_cannot_become_markup() -> None:
    page = render_lots_report(_hostile(document()))
    tags = {tag for tag, _ in _elements(page)}
    assert [tag for tag, _ in _elements(page)].count("script") == 1
    assert "alert(" not in "".join(re.findall(r"<script>(.*?)</script>", page, re.DOTALL))
    assert "img" not in tags  # what is no picture is not shown


def test_another_schema_is_refused(tmp_path: Any) -> None:
    with pytest.raises(StudyError, match="matlever-lots-results/1"):
        render_lots_report({"schema": "matlever-results/1"})
    written = write_lots_report({"schema": "matlever-lots-results/1"}, tmp_path / "report.html")
    assert written.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_pictures_are_enlarged_by_whole_pixels() -> None:
    shown = tile_picture(_tile(0), "words", side=100)
    assert 'width="96" height="96"' in shown  # six times 16
    large = picture(np.zeros((200, 200), dtype=np.uint8))
    assert 'width="100"' in tile_picture(large, "words", side=100)
    assert tile_picture({"png": '"><script>', "width": 4, "height": 4}, "words") == ""


def test_the_scale_is_a_round_length_in_its_unit() -> None:
    assert "2 µm" in Scale(300.0).ruler(16, 96)  # 4.8 µm across
    assert "width:41.7%" in Scale(300.0).ruler(16, 96)
    assert "500 nm" in Scale(100.0).ruler(16, 96)
    assert "5 px" in Scale(None).ruler(16, 96)
