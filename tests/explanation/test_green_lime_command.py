"""``matlever reproduce green-lime``: a table on the terminal, or JSON, and the files."""

import json

from click.testing import CliRunner

from matlever.cli import main


def test_the_command_prints_both_columns_and_writes_a_page(tmp_path):
    out = tmp_path / "out"
    run = CliRunner().invoke(main, ["reproduce", "green-lime", "--out", str(out), "--quiet"])
    assert run.exit_code == 0, run.output
    words = " ".join(run.output.split())
    assert "0.9983" in words  # unit 0, printed and ours
    assert "316,728" in words  # NWISE of unit 10, as printed
    assert "NOT reproducible" in words
    assert {path.name for path in out.iterdir()} == {
        "reproduction.json",
        "report.html",
        "table.csv",
    }


def test_json_is_the_document(tmp_path):
    arguments = ["reproduce", "green-lime", "--out", str(tmp_path / "out"), "--json", "--quiet"]
    run = CliRunner().invoke(main, arguments)
    assert json.loads(run.stdout) == json.loads((tmp_path / "out/reproduction.json").read_text())
