"""Advice on data whose law is known: what to change, what to run, and what is not advised."""

import numpy as np
import pandas as pd
import pytest

from matlever.report import render_report
from matlever.study import load_study, run_study

pytestmark = pytest.mark.slow  # whole studies, or pages of them

OPTIONS = {"folds": 3, "repeats": 1, "three_numbers": False}


def law(frame):
    return 50 - 20 * frame["heat"] + 5 * frame["time"]


def make_table(path, seed=0, n=30, noise=0.1):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.uniform(size=(n, 3)), columns=["time", "heat", "idle"])
    frame["yield (%)"] = law(frame) + random.normal(scale=noise, size=n)
    frame["luck"] = random.normal(size=n)
    frame.to_csv(path, index=False)
    return frame


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("advice")
    make_table(folder / "t.csv")
    return run_study(
        folder / "t.csv",
        ["yield", "luck"],
        out=folder / "out",
        goals={"yield": (48, None), "luck": "maximise"},
        limits={"heat": "0.2.."},
        **OPTIONS,
    )


def test_the_goal_is_reached_by_the_law_within_the_limits(study):
    changes = study.results["changes"]
    (question,) = changes["questions"]
    assert [goal["target"] for goal in question["goal"]] == ["yield"]
    assert question["sentence"] == "To reach: yield at least 48 %"
    assert len(question["rows"]) == 3
    names = [knob["name"] for knob in question["knobs"]]
    for row in question["rows"]:
        assert row["start_prediction"][0] < 48
        (answer,) = row["answers"]
        setting = pd.DataFrame([answer["settings"]], columns=names)
        assert answer["reached"]
        assert law(setting)[0] > 47
        assert setting["heat"][0] >= 0.2
        assert "idle" not in answer["changed"]
        assert {other["target"] for other in answer["others"]} == {"luck"}
    first = question["rows"][0]["answers"][0]["sentence"]
    assert any(said.endswith(first) for said in study.results["summary"]["sentences"])


def test_goals_for_a_target_without_skill_are_left_out_and_said(study):
    assert "The goal for luck is left out" in study.results["changes"]["sentence"]
    following = study.results["next"]
    assert [target["target"] for target in following["targets"]] == ["yield"]
    assert "The goal for luck is left out" in following["sentence"]


def test_experiments_to_run_next_are_within_the_limits_and_lead_to_the_goal(study):
    experiments = study.results["next"]["experiments"]
    assert len(experiments) == 3
    settings = pd.DataFrame([entry["settings"] for entry in experiments])
    assert (settings["heat"] >= 0.2).all()
    assert (law(settings) > 46).all()
    assert study.results["next"]["targets"][0]["range"] == [48.0, None]


def test_advice_is_loaded_reported_and_asked_for_again(study):
    again = load_study(study.folder)
    assert again.results == study.results
    assert again.editor.space["heat"].low == 0.2
    page = render_report(dict(again.results))
    assert "What to change" in page
    assert "What to run next" in page


def test_without_any_skill_nothing_is_to_be_changed_and_experiments_explore(tmp_path):
    make_table(tmp_path / "t.csv", seed=3)
    study = run_study(
        tmp_path / "t.csv", ["luck"], ignore=("yield",), goals=["luck=max"], **OPTIONS,
        out=tmp_path / "out",
    )  # fmt: skip
    assert study.results["targets"][0]["verdict"]["skill"] == "none"
    assert study.results["changes"]["questions"] == []
    assert "no skill" in study.results["changes"]["sentence"]
    assert study.results["next"]["method"] == "explore"
    assert "follow the model and not the material" in study.results["next"]["sentence"]
    page = render_report(dict(study.results))
    assert "what it predicts below is not to be relied on" in page


def test_without_the_extra_the_study_says_how_to_get_experiments(tmp_path, monkeypatch):
    from matlever.exceptions import MissingExtraError

    def missing(*_, **__):
        raise MissingExtraError("Suggesting experiments", "BoTorch", "design")

    make_table(tmp_path / "t.csv")
    asked = {"targets": ["yield"], "out": tmp_path / "out", **OPTIONS}
    with monkeypatch.context() as patch:
        patch.setattr("matlever.study.experiments.suggest", missing)
        patch.setattr("matlever.study.run.can_propose", lambda: False)
        study = run_study(tmp_path / "t.csv", **asked)
        assert study.results["next"]["missing"] == "design"
        assert 'pip install "matlever[design]"' in study.results["next"]["sentence"]
        before = (tmp_path / "out" / "record.json").read_bytes()
        run_study(tmp_path / "t.csv", **asked)
        assert (tmp_path / "out" / "record.json").read_bytes() == before
    # With the library there, the same call makes up for what was left out.
    assert len(run_study(tmp_path / "t.csv", **asked).results["next"]["experiments"]) == 3
