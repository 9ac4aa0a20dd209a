"""The commands as a user runs them, on packaged and simulated tables."""

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from matlever.cli import main


def run(*words: str, code: int = 0) -> str:
    """Run `matlever` with `words`; return what it printed on both streams."""
    result = CliRunner().invoke(main, list(words), catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def run_json(*words: str):
    """Run `matlever` with `words` and ``--json``; return what stood on standard output."""
    result = CliRunner().invoke(main, [*words, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def study_folder(tmp_path_factory):
    """Return the folder of a finished study of 24 simulated recipes with two targets."""
    folder = tmp_path_factory.mktemp("study")
    table = folder / "rods.csv"
    run("simulate", "nanorods", "--out", str(table), "--rows", "24")
    run(
        *("study", str(table), "-t", "length", "-t", "width (nm)", "-x", "aspect ratio"),
        *("--repeats", "1", "--folds", "5", "--no-three-numbers", "--quiet"),
        *("--out", str(folder / "out")),
    )
    return folder / "out"


def test_every_broken_table_ends_with_code_2_one_message_and_nothing_written(
    broken_corpus, tmp_path
):
    out = tmp_path / "out"
    for name, (path, options) in broken_corpus.items():
        words = [word for target in options["targets"] for word in ("--target", target)]
        words += ["--group", options["group"]] if "group" in options else []
        words += [w for column in options.get("inputs") or () for w in ("--input", column)]
        for key in ("decimal", "delimiter", "sheet", "encoding", "missing"):
            words += [f"--{key}", str(options[key])] if options.get(key) else []
        for command in (["check"], ["study", "--quiet", "--out", str(out)]):
            if not options["targets"]:
                continue
            output = run(*command, str(path), *words, code=2)
            assert output.startswith("matlever: "), (name, output)
            assert "Traceback" not in output
            assert path.name in output, name
            assert not out.exists(), name


def test_check_tells_what_a_study_would_use(tmp_path):
    output = run("check", "example:fullerenes")
    assert "246" in output
    assert "No fault found" in output
    described = run_json("check", "example:photo_pce10")
    assert described["rows_used"] == 1040
    assert described["mixtures"][0]["total"] == 1.0


def test_a_study_writes_everything_and_says_what_it_found(study_folder):
    names = {path.name for path in study_folder.iterdir()}
    assert names == {
        "report.html",
        "results.json",
        "record.json",
        "study.toml",
        "model",
        "tables",
    }
    results = json.loads((study_folder / "results.json").read_text())
    assert results["schema"] == "matlever-results/1"
    assert results["data"]["simulated"]
    assert "SIMULATED" in (study_folder / "report.html").read_text().upper()
    assert [target["name"] for target in results["targets"]] == ["length", "width"]
    # Three recipes' changes and three experiments, but no goal: examples.
    assert [len(q["rows"]) for q in results["changes"]["questions"]] == [1] * 4
    assert "No goal was given" in results["changes"]["sentence"]
    assert len(results["next"]["experiments"]) == 3
    for target in results["targets"]:
        labels = [entry["model"] for entry in target["scores"]]
        assert labels[0] == "matlever default"
        assert labels[-2:] == ["ridge regression", "mean of the training rows"]
        assert target["scores"][-1]["honest"]["r2"]["mean"] < 0.05
        assert len(target["held_out"]["rows"]) == 24
        # Line 1 of the file says that it is simulated, line 2 is the header.
        assert min(target["held_out"]["rows"]) == 3
    held_out = pd.read_csv(study_folder / "tables" / "held_out.csv")
    assert set(held_out["target"]) == {"length", "width"}
    weights = pd.read_csv(study_folder / "tables" / "weights.csv")
    assert len(weights) == 24 * 3 * 2


def test_predict_reproduces_the_model_and_flags_settings_outside_the_data(study_folder, tmp_path):
    new = tmp_path / "new.csv"
    new.write_text(
        "core amount (nmol);S amount (mg);core absorption edge (nm);note\n"
        "30;120;530;known\n300;120;530;far out\n"
    )
    out = tmp_path / "predicted.csv"
    run("predict", str(study_folder), str(new), "--out", str(out))
    found = pd.read_csv(out)
    assert list(found["outside"].fillna("")) == ["", "core amount"]
    length = found["predicted length (nm)"]
    assert (found["predicted length (nm) lower"] < length).all()
    assert (length < found["predicted length (nm) upper"]).all()
    assert list(found["core amount (nmol)"]) == [30, 300]
    records = run_json("predict", str(study_folder), str(new))
    assert records[0]["length"] == pytest.approx(length[0])
    wide = run_json("predict", str(study_folder), str(new), "--level", "0.95")
    assert wide[0]["length upper"] >= records[0]["length upper"]
    printed = run("predict", str(study_folder), str(new))
    assert "core amount" in printed


def test_files_that_stand_there_are_not_replaced_unasked(study_folder, tmp_path):
    new = tmp_path / "new.csv"
    new.write_text("core amount (nmol),S amount (mg),core absorption edge (nm)\n30,120,530\n")
    before = new.read_text()
    assert "--force" in run("predict", str(study_folder), str(new), "--out", str(new), code=2)
    assert new.read_text() == before
    output = run("predict", str(study_folder), str(new), "--out", str(tmp_path), code=2)
    assert "is a folder" in output
    assert "--force" in run("simulate", "nanorods", "--out", str(new), code=2)
    run("simulate", "nanorods", "--out", str(new), "--force")
    assert new.read_text() != before


def test_predict_says_why_there_is_no_interval(study_folder, tmp_path):
    new = tmp_path / "new.csv"
    new.write_text("core amount (nmol),S amount (mg),core absorption edge (nm)\n30,120,530\n")
    output = run("predict", str(study_folder), str(new), "--level", "0.99")
    assert "no 99 % interval, which needs 99 rows" in output


def test_predict_names_a_missing_input(study_folder, tmp_path):
    new = tmp_path / "new.csv"
    new.write_text("core amount (nmol),S amount (mg)\n30,120\n31,110\n")
    output = run("predict", str(study_folder), str(new), code=2)
    assert "core absorption edge" in output
    assert "new.csv" in output


def test_report_can_be_written_again(study_folder, tmp_path):
    run("report", str(study_folder), "--out", str(tmp_path / "again.html"))
    again = (tmp_path / "again.html").read_text()
    assert again == (study_folder / "report.html").read_text()


def test_a_finished_study_is_not_computed_again(study_folder):
    before = (study_folder / "record.json").stat().st_mtime_ns
    run("study", str(study_folder / "study.toml"), "--quiet", "--out", str(study_folder))
    assert (study_folder / "record.json").stat().st_mtime_ns == before


def test_explain_gives_the_weights_of_the_report_at_single_rows(study_folder, tmp_path):
    results = json.loads((study_folder / "results.json").read_text())
    found = run_json("explain", str(study_folder), "--row", "7", "--row", "5")
    assert [target["name"] for target in found["targets"]] == ["length", "width"]
    for target, whole in zip(found["targets"], results["targets"], strict=True):
        weights, all_weights = target["weights"], whole["weights"]
        assert weights["rows"] == [7, 5]
        for row, slopes in zip(weights["rows"], weights["slope_standardised"], strict=True):
            place = all_weights["rows"].index(row)
            assert slopes == pytest.approx(all_weights["slope_standardised"][place])
        assert all(0 < value <= 1 for value in weights["r2"])
    out = tmp_path / "weights.csv"
    run("explain", str(study_folder), "-t", "width", "--row", "7", "--out", str(out))
    table = pd.read_csv(out)
    assert list(table["knob"]) == ["core absorption edge", "core amount", "S amount"]
    assert set(table["target"]) == {"width (nm)"}
    page = tmp_path / "weights.html"
    run("explain", str(study_folder), "--row", "7", "--out", str(page))
    assert "Nearest to row 7: rows" in page.read_text()
    assert found["nearest"]["rows"] == [7, 5]
    assert 7 not in found["nearest"]["known"][0]
    printed = run("explain", str(study_folder), "-t", "width")
    assert printed.count("a straight line explains") == 5
    assert "core amount" in printed


def test_sweep_turns_one_knob_or_two_and_draws_them(study_folder, tmp_path):
    found = run_json("sweep", str(study_folder), "--knob", "core amount (nmol)", "--values", "4")
    (one,) = found["targets"][0]["sweeps"]
    assert (one["knob"], len(one["values"]), len(one["lower"])) == ("core amount", 4, 4)
    both = ("--knob", "core amount", "--knob", "S amount")
    (pair,) = run_json("sweep", str(study_folder), *both, "--values", "3")["targets"][0]["pairs"]
    assert pair["knobs"] == ["core amount", "S amount"]
    assert len(pair["mean"]) == len(pair["mean"][0]) == 3
    assert "core amount" in run("sweep", str(study_folder), *both, "--values", "3")
    for name, start in (("s.svg", b"<?xml"), ("s.png", b"\x89PNG"), ("s.csv", b"target")):
        out = tmp_path / name
        run("sweep", str(study_folder), "-t", "length", *both, "--out", str(out))
        assert out.read_bytes().startswith(start)
    page = tmp_path / "s.html"
    run("sweep", str(study_folder), *both, "--values", "3", "--out", str(page))
    assert page.read_text().count("Two knobs at once") == 2
    assert "SIMULATED DATA" in page.read_text()


@pytest.mark.slow
def test_change_finds_the_least_change_within_limits_and_says_what_blocks(study_folder, tmp_path):
    found = run_json("change", str(study_folder), "--goal", "length=40..50", "--row", "7")
    (row,) = found["rows"]
    (answer,) = row["answers"]
    assert row["row"] == 7
    assert answer["reached"]
    assert 40 <= answer["prediction"][0] <= 50
    assert answer["others"][0]["target"] == "width"
    predicted = tmp_path / "set.csv"
    names = ["core absorption edge (nm)", "core amount (nmol)", "S amount (mg)"]
    pd.DataFrame([answer["settings"]], columns=names).to_csv(predicted, index=False)
    again = run_json("predict", str(study_folder), str(predicted))
    assert again[0]["length"] == pytest.approx(answer["prediction"][0])
    assert again[0]["width"] == pytest.approx(answer["others"][0]["after"])

    both = ("--goal", "length=max", "--goal", "width=..4")
    held = run_json("change", str(study_folder), *both, "--row", "7", "--hold", "core amount")
    assert "core amount" not in held["rows"][0]["answers"][0]["changed"]
    far = run("change", str(study_folder), "--goal", "length=500", "--limit", "core amount=30..40")
    assert "not reached" in far
    assert "block" in far
    page = tmp_path / "change.html"
    run("change", str(study_folder), "--goal", "length=40..50", "--out", str(page))
    assert "What to change" in page.read_text()
    table = tmp_path / "change.csv"
    run("change", str(study_folder), "--goal", "length=40..50", "--answers", "2", "-o", str(table))
    assert {"row", "reached", "cost", "width", "nearest"} <= set(pd.read_csv(table).columns)


@pytest.mark.slow
def test_next_suggests_experiments_towards_goals_from_pools_and_beside_pending_runs(
    study_folder, tmp_path
):
    goal = ("--goal", "length=max", "-n", "2")
    found = run_json("next", str(study_folder), *goal)
    assert [target["target"] for target in found["targets"]] == ["length"]
    first, second = found["experiments"]
    assert first["settings"] != second["settings"]
    assert first["expected"][0]["predicted"] > 0.5 * found["targets"][0]["best_so_far"]
    pool = tmp_path / "pool.csv"
    pool.write_text(
        "core amount (nmol),S amount (mg),core absorption edge (nm)\n"
        "30,120,530\n5,150,560\n60,100,500\n"
    )
    chosen = run_json("next", str(study_folder), *goal, "--pool", str(pool), "--model", "gp")
    assert {entry["pool_row"] for entry in chosen["experiments"]} <= {2, 3, 4}
    pending = tmp_path / "pending.csv"
    rows = pd.DataFrame([first["settings"]])
    rows.columns = ["core absorption edge (nm)", "core amount (nmol)", "S amount (mg)"]
    rows.to_csv(pending, index=False)
    beside = run_json("next", str(study_folder), *goal, "--pending", str(pending))
    assert all(entry["settings"] != first["settings"] for entry in beside["experiments"])
    held = run_json("next", str(study_folder), *goal, "--set", "S amount=120", "--explore")
    assert {entry["settings"]["S amount"] for entry in held["experiments"]} == {120}
    assert held["method"] == "explore"
    out = tmp_path / "next.csv"
    printed = run("next", str(study_folder), *goal, "--out", str(out))
    assert str(out) in printed
    assert list(pd.read_csv(out)["experiment"]) == [1, 2]


def test_limits_and_new_rows_of_a_command_hold_for_it_alone(study_folder, tmp_path):
    new = tmp_path / "new.csv"
    new.write_text("core amount (nmol),S amount (mg),core absorption edge (nm)\n30,120,530\n")
    found = run_json(
        *("sweep", str(study_folder), "-k", "core amount", "--file", str(new)),
        *("--limit", "core amount=20..40", "--step", "core amount=5", "-t", "length"),
    )
    (one,) = found["targets"][0]["sweeps"]
    assert one["values"] == [20, 25, 30, 35, 40]
    assert len(one["individual"]) == 1
    fixed = run_json(
        "explain", str(study_folder), "--file", str(new), "--fix", "S amount", "-t", "length"
    )
    weights = fixed["targets"][0]["weights"]
    assert weights["slope_standardised"][0][weights["knobs"].index("S amount")] == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["explain", "--row", "9999"], "Row 9999 is not one the study used"),
        (["explain", "--target", "lenght"], "did you mean 'length'?"),
        (["explain", "--fix", "length"], "'length' is a target, not an input"),
        (["explain", "--row", "5", "--file", "x.csv"], "not both"),
        (["explain", "--out", "x.docx"], ".csv, .html"),
        (["sweep", "--knob", "core amuont"], "did you mean 'core amount'?"),
        (["sweep", "-k", "a", "-k", "a", "-k", "a"], "no input 'a'"),
        (["change"], "What is wanted? Say --goal length=10..20"),
        (["change", "--goal", "length=wide"], "'wide' is not a number"),
        (["change", "--goal", "core amount=3"], "'core amount' is an input, not a target"),
        (["next", "--goal", "lenght=max"], "did you mean 'length'?"),
        (["next", "--set", "S amount"], "COLUMN=VALUE"),
        (["next", "--pool", "nowhere.csv"], "nowhere.csv"),
        (["sweep", "--out", "x.png"], "A picture shows one target"),
        (["sweep", "--limit", "core amount=3"], "LOW..HIGH"),
    ],
)
def test_faults_of_questions_are_one_message_and_one_json_object(
    study_folder, tmp_path, monkeypatch, words, says
):
    monkeypatch.chdir(tmp_path)
    command = [words[0], str(study_folder), *words[1:]]
    result = CliRunner().invoke(main, [*command, "--json"], catch_exceptions=False)
    assert result.exit_code == 2
    assert says in json.loads(result.stdout)["error"]
    assert says in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["study", "nowhere.csv", "-t", "y"], "nowhere.csv"),
        (["explain", "nowhere"], "holds no finished study"),
        (["study", "example:nothing"], "fullerenes"),
        (["study", "example:fullerenes", "--folds", "1"], "at least 2"),
        (["study", "example:fullerenes", "--level", "3"], "level"),
        (["check", "runs.csv"], "--target"),
        (["check", "nowhere.toml"], "nowhere.toml"),
        (["predict", "nowhere", "new.csv"], "holds no finished study"),
        (["report", "nowhere"], "holds no finished study"),
    ],
)
def test_mistakes_end_with_code_2_and_say_what_to_do(words, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output = run(*words, code=2)
    assert says in output
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    output = run("study", "example:fullerenes", "--out", str(tmp_path), "--quiet", code=2)
    assert "holds no study" in output
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_tampered_model_is_refused(study_folder, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(study_folder, copy)
    weights = copy / "model" / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(bytes(data))
    output = run("report", str(copy), code=2)
    assert "changed" in output


def test_examples_name_whom_to_cite():
    output = run("examples")
    assert "example:fullerenes" in output
    assert "doi" in output.lower()
