"""What a study says about data whose truth is known: noise, a law, papers that differ."""

import numpy as np
import pandas as pd
import pytest

from matlever.exceptions import NotEnoughDataError, SettingsError, StudyError
from matlever.study import load_study, run_study

pytestmark = pytest.mark.slow  # whole studies, or pages of them


def noise_table(path, seed, n=28):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.uniform(size=(n, 3)), columns=["a", "b", "c"])
    frame["y"] = random.normal(size=n)
    frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("seed", [0, 1])
def test_pure_noise_shows_no_skill_where_the_paper_would_have_claimed_it(tmp_path, seed):
    table = noise_table(tmp_path / "noise.csv", seed)
    study = run_study(table, ["y"], out=tmp_path / "out", advice=False)
    target = study.results["targets"][0]
    default = target["scores"][0]
    assert default["is_default"]
    assert default["honest"]["r2"]["mean"] < 0.1
    assert target["verdict"]["skill"] == "none"
    assert "no evidence of skill" in target["verdict"]["sentence"]
    assert "no evidence of skill" in study.results["summary"]["headline"]
    assert "not the material" in target["weights"]["sentence"]
    assert target["three_numbers"]["paper_r2"] > 0.5
    assert target["three_numbers"]["permuted_r2"] > 0.5


def test_too_few_rows_for_an_interval_is_said_and_nothing_is_printed(tmp_path):
    table = noise_table(tmp_path / "tiny.csv", 3, n=8)
    study = run_study(table, ["y"], out=tmp_path / "out", three_numbers=False, advice=False)
    interval = study.results["targets"][0]["interval"]
    assert interval["too_few_rows"]
    assert interval["mean_width"] is None
    assert "Too few rows" in interval["sentence"]
    assert study.results["targets"][0]["held_out"]["lower"] is None
    predicted = study.model.predict_table(pd.DataFrame({"a": [0.5], "b": [0.5], "c": [0.5]}))
    assert np.isnan(predicted["y lower"]).all()
    assert np.isfinite(predicted["y"]).all()


def test_a_law_is_found_with_its_strongest_knob_and_direction(tmp_path):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.uniform(size=(40, 3)), columns=["time (min)", "heat", "idle"])
    frame["yield (%)"] = 50 - 20 * frame["heat"] + 5 * frame["time (min)"]
    frame["yield (%)"] += random.normal(scale=0.5, size=40)
    frame.to_csv(tmp_path / "law.csv", index=False)
    study = run_study(
        tmp_path / "law.csv",
        ["yield"],
        out=tmp_path / "out",
        repeats=2,
        three_numbers=False,
        advice=False,
    )
    target = study.results["targets"][0]
    assert (target["name"], target["unit"]) == ("yield", "%")
    assert target["verdict"]["skill"] == "strong"
    first, second, third = target["weights"]["overall"]
    assert (first["knob"], first["direction"]) == ("heat", "-")
    assert (second["knob"], second["direction"]) == ("time", "+")
    # One standard deviation of a uniform variable is 0.29 of its range.
    assert first["mean_abs"] == pytest.approx(20 * frame["heat"].std(ddof=0), rel=0.1)
    assert third["mean_abs"] < 0.5
    heat = next(one for one in target["sweeps"] if one["knob"] == "heat")
    fall = heat["mean"][0] - heat["mean"][-1]
    assert fall == pytest.approx(20 * np.ptp(frame["heat"]), rel=0.1)


def grouped_table(path, n_groups, n_rows):
    """The same settings in every group, each group with an offset of its own."""
    random = np.random.default_rng(0)
    settings = random.uniform(size=(n_rows, 2))
    frame = pd.DataFrame(np.tile(settings, (n_groups, 1)), columns=["a", "b"])
    frame["day"] = np.repeat([f"day {k}" for k in range(n_groups)], n_rows)
    frame["y"] = frame["a"] + np.repeat(random.normal(size=n_groups), n_rows)
    frame.to_csv(path, index=False)
    return path


def test_a_design_repeated_on_several_days_is_held_out_by_day(tmp_path):
    table = grouped_table(tmp_path / "days.csv", 4, 9)
    study = run_study(
        table, ["y"], group="day", out=tmp_path / "out", three_numbers=False, advice=False
    )
    target = study.results["targets"][0]
    assert "whole groups of 'day' held out (4 groups)" in target["protocols"]["honest"]["text"]
    # Four days are too few for an interval that holds for a fifth.
    assert target["interval"]["sentence"].startswith("Too few groups for a 90 % interval: 9 are")
    predicted = study.model.predict_table(pd.DataFrame({"a": [0.5], "b": [0.5]}))
    assert np.isnan(predicted["y upper"]).all()


def test_replicates_do_not_make_up_for_few_settings(tmp_path):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(np.repeat(random.uniform(size=(5, 2)), 4, axis=0), columns=["a", "b"])
    frame["y"] = frame["a"] + 0.1 * random.normal(size=20)
    frame.to_csv(tmp_path / "few.csv", index=False)
    study = run_study(
        tmp_path / "few.csv", ["y"], out=tmp_path / "out", three_numbers=False, advice=False
    )
    sentence = study.results["targets"][0]["interval"]["sentence"]
    assert sentence.startswith("Too few different settings for a 90 % interval: 9 are needed, 5")


def test_a_target_over_decades_gets_intervals_by_ratios(tmp_path):
    random = np.random.default_rng(2)
    frame = pd.DataFrame(random.uniform(size=(40, 2)), columns=["a", "b"])
    frame["y"] = np.exp(10 * frame["a"] + 0.3 * random.normal(size=40))
    frame.to_csv(tmp_path / "decades.csv", index=False)
    study = run_study(
        tmp_path / "decades.csv",
        ["y"],
        out=tmp_path / "out",
        repeats=1,
        three_numbers=False,
        advice=False,
    )
    target = study.results["targets"][0]
    assert target["log_scale"]
    # 90 % of the noise lies within a factor exp(0.3 * 1.645) = 1.6.
    assert 1.4 < target["interval"]["factor"] < 3.5
    assert "divided by" in target["interval"]["sentence"]
    assert min(target["held_out"]["lower"]) > 0
    predicted = study.model.predict_table(frame[["a", "b"]])
    assert (predicted["y lower"] > 0).all()


def test_a_group_that_leaves_nothing_to_learn_from_is_named(tmp_path):
    frame = pd.DataFrame({"a": range(28), "paper": ["big"] * 27 + ["small"]})
    frame["y"] = (frame["a"] * 7) % 10 + 0.5
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(NotEnoughDataError, match="largest group of 'paper' leaves 1 row"):
        run_study(tmp_path / "t.csv", ["y"], group="paper", out=tmp_path / "out")
    assert not (tmp_path / "out" / "results.json").exists()


def test_a_finished_study_of_another_table_is_not_replaced_unasked(tmp_path):
    options = {"folds": 3, "repeats": 1, "three_numbers": False, "out": tmp_path / "out"}
    run_study(noise_table(tmp_path / "a.csv", 1), ["y"], **options)
    other = noise_table(tmp_path / "b.csv", 2)
    with pytest.raises(StudyError, match="another table"):
        run_study(other, ["y"], **options)
    replaced = run_study(other, ["y"], overwrite=True, **options)
    assert load_study(tmp_path / "out").results["data"]["file"] == "b.csv"
    assert replaced.results["data"]["file"] == "b.csv"


def test_an_unavailable_device_is_named(tmp_path):
    table = noise_table(tmp_path / "a.csv", 1)
    with pytest.raises(SettingsError, match="device 'nonsense' is not available"):
        run_study(table, ["y"], out=tmp_path / "out", device="nonsense")


@pytest.mark.slow
def test_literature_syntheses_score_by_paper_and_at_random_side_by_side(tmp_path, data_dir):
    study = run_study(
        data_dir / "tables" / "cdse_hot_injection.csv",
        ["diameter_nm"],
        group="citation",
        ignore=("absorbance_max_nm", "pl_max_nm", "diameter_from"),
        repeats=1,
        three_numbers=False,
        advice=False,
        out=tmp_path / "out",
    )
    target = study.results["targets"][0]
    by_name = {entry["model"]: entry for entry in target["scores"]}
    trees = by_name["extra-trees"]
    # About 0.83 and 0.2 over repeats; one repeat of 30 papers spreads.
    assert trees["random"]["r2"]["mean"] > 0.7
    assert trees["honest"]["r2"]["mean"] < 0.4
    assert "held out whole" in target["protocol_gap"]["sentence"]
    assert target["protocols"]["honest"]["text"].endswith("(30 groups)")


def test_a_study_can_be_loaded_and_predicts_the_same_bits(tmp_path):
    table = noise_table(tmp_path / "noise.csv", 5)
    study = run_study(
        table, ["y"], out=tmp_path / "out", folds=3, repeats=1, three_numbers=False, advice=False
    )
    again = load_study(tmp_path / "out")
    new = pd.DataFrame(np.random.default_rng(1).uniform(-0.2, 1.2, (50, 3)), columns=list("abc"))
    pd.testing.assert_frame_equal(
        study.model.predict_table(new), again.model.predict_table(new), check_exact=True
    )
    assert again.results == study.results
    tampered = tmp_path / "out" / "results.json"
    tampered.write_text(tampered.read_text().replace(study.results["key"], "0" * 64))
    with pytest.raises(StudyError, match="different studies"):
        load_study(tmp_path / "out")
    with pytest.raises(StudyError, match="holds no finished study"):
        load_study(tmp_path)
