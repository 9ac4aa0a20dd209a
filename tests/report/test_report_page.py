"""The report as a reader's browser meets it: well-formed, self-contained, harmless, complete."""

from __future__ import annotations

import base64
import copy
import hashlib
import re
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import matlever.report.study_report as study_report
from matlever.exceptions import StudyError
from matlever.report import (
    render_report,
    render_reproduction,
    write_report,
    write_reproduction,
)
from matlever.report.style import COLOURS

pytestmark = pytest.mark.slow  # whole studies, or pages of them

NAMES = ["nanorods", "photo", "hot_injection", "nasty", "reproduction"]
TAGS = frozenset(
    """html head meta title style body div nav a button main header section h1 h2 h3 h4 p b i ul
    li span article dl dt dd details summary table caption thead tbody tr th td br figure
    figcaption code small footer script svg g path defs use clipPath rect text""".split()  # noqa: SIM905 (readable)
)
LARGEST = 5_000_000


def _local(name: str) -> str:
    return name.rpartition("}")[2]


@pytest.fixture(scope="module")
def pages(documents: dict[str, Any]) -> dict[str, str]:
    return {
        name: render_reproduction(document) if name == "reproduction" else render_report(document)
        for name, document in documents.items()
    }


def _tree(page: str) -> ElementTree.Element:
    """Parse strictly: an unescaped character or an unclosed element is an error."""
    return ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))


def _elements(page: str) -> list[tuple[str, dict[str, str]]]:
    return [
        (_local(element.tag), {_local(key): value for key, value in element.attrib.items()})
        for element in _tree(page).iter()
    ]


@pytest.mark.parametrize("name", NAMES)
def test_page_holds_only_known_elements_and_no_handlers(pages: dict[str, str], name: str) -> None:
    for tag, attributes in _elements(pages[name]):
        assert tag in TAGS
        assert not [key for key in attributes if key.lower().startswith("on") or key == "src"]
        assert attributes.get("href", "#").startswith("#")
        assert not re.search(r"url\((?!#)", attributes.get("style", ""))


@pytest.mark.parametrize("name", NAMES)
def test_page_asks_the_network_for_nothing(pages: dict[str, str], name: str) -> None:
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", pages[name]))
    assert addresses <= {
        "http://www.w3.org/1999/xhtml",
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert "@import" not in pages[name]


@pytest.mark.parametrize("name", NAMES)
def test_policy_admits_exactly_the_one_script(pages: dict[str, str], name: str) -> None:
    root = _tree(pages[name])
    scripts = [e.text or "" for e in root.iter() if _local(e.tag) == "script"]
    policy = next(e.get("content", "") for e in root.iter() if e.get("http-equiv"))
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert len(scripts[0]) < 3_000


@pytest.mark.parametrize("name", NAMES)
def test_identifiers_are_unique_and_references_resolve(pages: dict[str, str], name: str) -> None:
    elements = _elements(pages[name])
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = {a["href"][1:] for _, a in elements if a.get("href", "").startswith("#")}
    wanted |= {
        found
        for _, attributes in elements
        for value in attributes.values()
        for found in re.findall(r"url\(#([^)]+)\)", value)
    }
    assert wanted <= set(ids)


@pytest.mark.parametrize("name", NAMES)
def test_page_is_small_and_encodable(pages: dict[str, str], name: str) -> None:
    assert len(pages[name].encode("utf-8")) < LARGEST


@pytest.mark.parametrize("name", NAMES)
def test_page_is_readable_without_seeing_it(pages: dict[str, str], name: str) -> None:
    levels = []
    for tag, attributes in _elements(pages[name]):
        if tag == "svg":
            assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"
        if tag == "th":
            assert attributes["scope"] in {"row", "col", "rowgroup"}
        if re.fullmatch("h[1-6]", tag):
            levels.append(int(tag[1]))
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("name", NAMES[:-1])  # The last has heads that span rows.
def test_rows_of_tables_are_as_wide_as_their_heads(pages: dict[str, str], name: str) -> None:
    for table in (e for e in _tree(pages[name]).iter() if _local(e.tag) == "table"):
        widths = {
            sum(int(cell.get("colspan", "1")) for cell in row)
            for row in table.iter()
            if _local(row.tag) == "tr"
        }
        assert len(widths) == 1


@pytest.mark.parametrize("name", NAMES)
def test_figures_take_every_colour_from_the_theme(pages: dict[str, str], name: str) -> None:
    for tag, attributes in _elements(pages[name]):
        if tag in {"path", "use", "text", "rect", "g"}:
            drawn = f"{attributes.get('style', '')} {attributes.get('fill', '')}"
            assert not re.search(r"#[0-9a-fA-F]{3,8}\b", drawn.replace("url(#", ""))
            for variable in re.findall(r"var\(--([a-z-]+)\)", drawn):
                assert variable in COLOURS


def test_hostile_strings_arrive_as_text(pages: dict[str, str]) -> None:
    words = "".join(_tree(pages["nasty"]).itertext())
    assert '<script>alert("x")</script><img src=x' in words
    assert "\x00" not in pages["nasty"]
    assert "\u202e" not in pages["nasty"]


@pytest.mark.parametrize("name", ["nanorods", "photo", "hot_injection"])
def test_every_sentence_of_the_results_is_on_the_page(
    pages: dict[str, str], documents: dict[str, Any], name: str
) -> None:
    words = "".join(_tree(pages[name]).itertext())
    document = documents[name]
    said = [document["summary"]["headline"], *document["summary"]["sentences"]]
    said += [*document["warnings"], *document["data"]["warnings"], document["record"]["command"]]
    said += [change["what"] for change in document["data"]["changes"]]
    for target in document["targets"]:
        said += [target[k]["sentence"] for k in ("verdict", "interval", "weights")]
        said += [target["three_numbers"]["sentence"], target["protocols"]["honest"]["text"]]
        said += [target["protocol_gap"]["sentence"]] if target["protocol_gap"] else []
        said += [entry["model"] for entry in target["scores"]]
    assert [sentence for sentence in said if sentence not in words] == []


def test_only_simulated_data_carry_the_banner(pages: dict[str, str]) -> None:
    assert "SIMULATED DATA" in pages["nanorods"]
    assert "SIMULATED DATA" in pages["reproduction"]
    assert 'class="tag simulated"' not in pages["hot_injection"]
    assert "SIMULATED DATA" not in pages["hot_injection"]
    headings = re.findall(r"<h2>[^<]*<span[^>]*>simulated", pages["nanorods"])
    assert len(headings) == 5  # Each target's own page in print says so too, and the advice.


def test_random_fold_scores_stand_beside_the_held_out_ones(pages: dict[str, str]) -> None:
    words = "".join(_tree(pages["hot_injection"]).itertext())
    assert "on random folds it would read 0.86" in words
    assert "R²,random folds" in words
    assert "random folds" not in "".join(_tree(pages["photo"]).itertext())


def test_without_skill_no_knob_is_recommended(nanorods_results: dict[str, Any]) -> None:
    nanorods_results["targets"] = nanorods_results["targets"][2:]
    words = "".join(_tree(render_report(nanorods_results)).itertext())
    assert "none to trust" in words
    assert "do not act on them" in words


def test_nothing_is_said_twice_on_the_first_screens(nanorods_results: dict[str, Any]) -> None:
    warning = "Two groups may be the same."
    nanorods_results["warnings"] = nanorods_results["data"]["warnings"] = [warning]
    verdict = nanorods_results["targets"][0]["verdict"]["sentence"]
    nanorods_results["summary"]["sentences"] = [f"length: {verdict} And more."]
    words = "".join(_tree(render_report(nanorods_results)).itertext())
    assert words.count(warning) == 1
    assert words.count(verdict) == 2  # On its card, and above its own section.


def test_too_few_rows_are_said_instead_of_an_interval(nanorods_results: dict[str, Any]) -> None:
    target = nanorods_results["targets"][0]
    target["interval"] |= {"too_few_rows": True, "mean_width": None, "coverage": None}
    target["held_out"] |= {"lower": None, "upper": None}
    words = "".join(_tree(render_report(nanorods_results)).itertext())
    assert "too few rows" in words


def test_experiments_to_run_next_stand_with_settings_expectation_and_reason(
    pages: dict[str, str], documents: dict[str, Any]
) -> None:
    words = "".join(_tree(pages["nanorods"]).itertext())
    found = documents["nanorods"]["next"]
    for entry in found["experiments"]:
        assert entry["reason"] in words
    assert found["sentence"] in words
    assert "far from all data" in words
    assert "chance of success" in words
    assert "chance of success" not in "".join(_tree(pages["hot_injection"]).itertext())
    # The aspect ratio has no skill, so what is expected of it is not to be relied on.
    assert "The model shows no skill for aspect ratio" in words


def test_changes_stand_with_their_way_their_goal_and_what_is_in_it(
    pages: dict[str, str], documents: dict[str, Any]
) -> None:
    words = "".join(_tree(pages["nanorods"]).itertext())
    (question,) = documents["nanorods"]["changes"]["questions"]
    for row in question["rows"]:
        assert f"From row {row['row']}" in words
        assert row["answers"][0]["sentence"] in words
    assert words.count("goal reached") == 1
    assert words.count("goal not reached") == 2
    assert "Far from all data" in words
    assert "core absorption edge at its upper limit 570" in words
    ways = re.findall(r'class="way" style="left:([\d.]+)%;width:([\d.]+)%"', pages["nanorods"])
    assert ("50.0", "50.0") in ways  # From the middle of the knob's range to its upper limit.
    photo = "".join(_tree(pages["photo"]).itertext())
    assert "blade-coated → inkjet" in photo


def test_without_advice_there_is_no_section_about_it(nanorods_results: dict[str, Any]) -> None:
    nanorods_results["next"] = nanorods_results["changes"] = None
    page = render_report(nanorods_results)
    assert "What to run next" not in page
    assert "What to change" not in page
    nanorods_results["next"] = {"sentence": "It needs an extra.", "experiments": []}
    assert "It needs an extra." in render_report(nanorods_results)


def test_what_is_left_out_is_said(pages: dict[str, str]) -> None:
    words = "".join(_tree(pages["nasty"]).itertext())
    assert "Of 1,000 rows, 160 evenly spaced ones are shown." in words
    assert "The 12 strongest of 40 knobs are shown." in words


def test_rendering_is_repeatable(pages: dict[str, str], documents: dict[str, Any]) -> None:
    assert render_report(documents["nanorods"]) == pages["nanorods"]


def _small(document: dict[str, Any]) -> dict[str, Any]:
    """Cut a document down so that hundreds of variations can be rendered."""
    small = copy.deepcopy(document)
    small["targets"] = small["targets"][:1]
    target = small["targets"][0]
    target["scores"] = target["scores"][:2]
    target["sweeps"] = target["sweeps"][:1]
    target["sweeps"][0]["individual"] = target["sweeps"][0]["individual"][:2]
    target["pairs"] = target["pairs"][:1]
    small["changes"]["questions"] = small["changes"]["questions"][:1]
    small["changes"]["questions"][0]["rows"] = small["changes"]["questions"][0]["rows"][:1]
    small["next"]["experiments"] = small["next"]["experiments"][:1]
    small["next"]["targets"] = small["next"]["targets"][:1]
    return small


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value[:2])
        if isinstance(value, list)
        else ()
    )
    found = [path] if path else []
    for key, part in inside:
        found += _paths(part, (*path, key))
    return found


ODD = st.sampled_from(
    [None, True, False, 0, -1, 1e308, -1e-300, 10**400, "", "<b>", "1", [], [None], [[]], [["x"]],
     {}, {"mean": None}, [1.0, None, "x"], [{}], "\ud800", float("nan"), float("inf")]
)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_value_may_be_missing_or_odd(documents: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["nanorods", "hot_injection"]))
    document = _small(documents[name])
    paths = [path for path in _paths(document) if path != ("schema",)]
    for path in data.draw(st.lists(st.sampled_from(paths), min_size=1, max_size=8)):
        holder: Any = document
        try:
            for key in path[:-1]:
                holder = holder[key]
            holder[path[-1]] = data.draw(ODD)
        except (KeyError, IndexError, TypeError):
            continue  # An earlier change took this place away.
    _tree(render_report(document)).iter()


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_value_of_a_reproduction_may_be_missing(
    documents: dict[str, Any], data: st.DataObject
) -> None:
    document = copy.deepcopy(documents["reproduction"])
    for key in ("three_numbers", "scatter", "weights"):
        document[key] = document[key][:1]
    document["scatter"][0]["whole"] = {"measured": [1.0, 2.0], "predicted": [1.0, 2.5]}
    paths = [path for path in _paths(document) if path != ("schema",)]
    for path in data.draw(st.lists(st.sampled_from(paths), min_size=1, max_size=5)):
        holder: Any = document
        try:
            for key in path[:-1]:
                holder = holder[key]
            holder[path[-1]] = data.draw(ODD)
        except (KeyError, IndexError, TypeError):
            continue
    _tree(render_reproduction(document)).iter()


def test_empty_documents_still_give_a_page() -> None:
    _tree(render_report({"schema": "matlever-results/1"}))
    _tree(render_reproduction({"schema": "matlever-reproduction/1"}))


@pytest.mark.parametrize("document", [{}, {"schema": "matlever-results/9"}, {"schema": None}])
def test_documents_of_another_schema_are_refused(document: dict[str, Any]) -> None:
    with pytest.raises(StudyError, match=r"reports 'matlever-results/1'"):
        render_report(document)
    with pytest.raises(StudyError, match=r"reports 'matlever-reproduction/1'"):
        render_reproduction(document)


def test_files_appear_whole_or_not_at_all(
    tmp_path: Any, documents: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_reproduction(documents["reproduction"], tmp_path / "new" / "report.html")
    before = path.read_text(encoding="utf-8")

    def fail(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(study_report, "overview", fail)
    with pytest.raises(KeyboardInterrupt):
        write_report(documents["photo"], path)
    assert path.read_text(encoding="utf-8") == before
    assert list(path.parent.iterdir()) == [path]


def _luminance(value: str) -> float:
    """Relative luminance of a colour, WCAG 2.2."""
    parts = [int(value[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1])
@pytest.mark.parametrize("ground", ["paper", "card", "sunk"])
def test_words_stand_out_from_their_ground(theme: int, ground: str) -> None:
    for name in ("ink", "soft", "blue", "orange", "green", "amber"):
        pair = sorted(_luminance(COLOURS[n][theme]) for n in (name, ground))
        # WCAG 2.2, criterion 1.4.3: 4.5 for text, 3 for marks and large text (1.4.11).
        wanted = 4.5 if name in ("ink", "soft") or ground != "sunk" else 3.0
        assert (pair[1] + 0.05) / (pair[0] + 0.05) >= wanted, (name, ground)
