"""The Green LIME paper's example: what is printed in Table 1, and what the recipe says."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from matlever.exceptions import SettingsError
from matlever.report.green_lime import render_green_lime, write_green_lime
from matlever.study.green_lime import curve_example, reproduce_green_lime

# Table 1 of the paper, column CORR of ODE, units 0 to 10.
PRINTED_CORR = (
    0.9983, 0.9535, 0.9488, 0.9478, 0.9492, 0.9587, 0.9485, 0.9495, 0.9506, 0.9502, 0.9722,
)  # fmt: skip
KERNEL_WIDTHS = (
    0.0601, 0.1079, 0.0585, 0.2854, 0.1780, 0.0100, 0.1807, 0.2490, 0.0612, 0.0731, 0.1504,
)  # fmt: skip
# One and a half units of the last printed digit: unit 5 rounds to the other side.
TOLERANCE = 1.5e-4


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("green-lime")
    return folder, reproduce_green_lime(folder, runs=100, seed=0)


def test_training_data_and_model_are_those_of_the_notebook():
    example = curve_example()
    np.testing.assert_allclose(
        example.x[[0, 1, -2, -1]], [0.2020, 0.7071, 9.3939, 9.5960], atol=5e-5
    )
    assert example.x.mean() == pytest.approx(4.722222, abs=1e-6)
    assert example.x.std() == pytest.approx(3.184443, abs=1e-6)
    ridge = example.model[-1]
    assert ridge.intercept_ == pytest.approx(9.877993, abs=1e-6)
    np.testing.assert_allclose(
        ridge.coef_[1:], [1.088312, 1.131784, -0.950402, 0.179968, -0.009882], atol=1e-6
    )


def test_every_corr_of_the_design_is_the_printed_one(found):
    _, result = found
    assert [row["kernel_width"] for row in result["table"]] == list(KERNEL_WIDTHS)
    ours = [row["corr_ode"] for row in result["table"]]
    np.testing.assert_allclose(ours, PRINTED_CORR, atol=TOLERANCE, rtol=0)


def test_corr_of_one_dimension_is_that_of_the_curve_itself(found):
    """Independent of any surrogate: the weighted correlation of x with the model."""
    example = curve_example()
    grid = np.linspace(0, 10, 1001)
    f = example.model.predict(grid[:, None])
    for unit, width in enumerate(KERNEL_WIDTHS):
        w = np.exp(-(((grid - unit) / example.x.std()) ** 2) / (2 * width**2))
        covariance = np.cov(grid, f, aweights=w)
        expected = abs(covariance[0, 1]) / np.sqrt(covariance[0, 0] * covariance[1, 1])
        assert found[1]["table"][unit]["corr_ode"] == pytest.approx(expected, abs=1e-6)


def test_limes_corr_agrees_with_the_printed_one_as_far_as_100_runs_can_tell(found):
    for row in found[1]["table"]:
        if row["lime_wrong_sign"] == 0:
            assert row["corr_lime"] == pytest.approx(row["corr_lime_paper"], abs=TOLERANCE)
        else:  # both are means of a hundred runs
            difference = abs(row["corr_lime"] - row["corr_lime_paper"])
            assert difference < 3 * np.sqrt(2) * row["corr_lime_se"]


def test_nwise_is_that_of_the_formula_and_far_from_the_printed_one(found):
    for row in found[1]["table"]:
        assert row["nwise_best"] <= row["nwise_ode"] < row["nwise_lime"]
        assert row["nwise_ode"] < 50 < row["nwise_ode_paper"]
    nwise = [row["nwise_ode"] for row in found[1]["table"]]
    # By a least-squares fit written out with numpy alone (2,000 runs, jitter 0.01).
    expected = [
        3.89e-3,
        1.98e-2,
        3.78e-3,
        0.3238,
        0.1540,
        5.17e-6,
        0.6391,
        1.132,
        0.0448,
        0.7453,
        45.41,
    ]
    np.testing.assert_allclose(nwise, expected, rtol=0.03)
    assert any("NOT reproducible" in sentence for sentence in found[1]["sentences"])


def test_files_hold_what_was_returned(found, tmp_path):
    folder, result = found
    assert json.loads((folder / "reproduction.json").read_text()) == result
    frame = pd.read_csv(folder / "table.csv")
    assert len(frame) == 11
    page = write_green_lime(result, tmp_path / "report.html").read_text(encoding="utf-8")
    root = ET.fromstring(page.partition("\n")[2])
    assert len(root.findall(".//{http://www.w3.org/2000/svg}svg")) == 2
    assert "0.99832" in page


def test_same_seed_same_document(tmp_path):
    one = reproduce_green_lime(tmp_path / "a", runs=3, seed=4)
    assert one == reproduce_green_lime(tmp_path / "b", runs=3, seed=4)
    assert one != reproduce_green_lime(tmp_path / "c", runs=3, seed=5)


def test_every_entry_is_documented(found):
    document = Path(__file__).parents[2] / "docs" / "green-lime.md"
    named = set(re.findall(r"`([^`]+)`", document.read_text(encoding="utf-8")))
    result = found[1]
    entries = {*result, *result["table"][0], *result["units"][0], *result["units"][0]["ode"]}
    assert entries | {*result["curve"], *result["training"]} <= named


def test_page_survives_missing_values_and_escapes_words():
    page = render_green_lime(
        {
            "schema": "matlever-green-lime/1",
            "title": "<b>x</b>",
            "table": [{"unit": None, "corr_lime": None}, {}],
            "curve": {"x": [0, None], "model": [1, 2]},
            "units": [None, {"x": 1}],
        }
    )
    assert "&lt;b&gt;x" in page


def test_one_run_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="runs=1"):
        reproduce_green_lime(tmp_path, runs=1)
