"""Answers as sentences, table, bars and JSON."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

import matlever as ml
from matlever.explanation import Counterfactuals
from matlever.explanation._words import joined
from matlever.explanation.changes.words import change_text
from matlever.knobs import Knob, KnobSpace, TableEditor

SPACE = KnobSpace(
    [
        Knob("temperature", "°C", lower=20, upper=220),
        Knob("seed", kind="categorical", levels=("CdSe", "<b>$InP")),
        Knob("stir", kind="integer", lower=0, upper=5, fixed=True),
    ]
)
RUNS = pd.DataFrame(
    {"temperature": [120.0, 60.0], "seed": ["CdSe", "CdSe"], "stir": [2.0, 9.0]}, index=[7, 9]
)


def law(X):
    bonus = (X["seed"] == "<b>$InP").to_numpy(dtype=float)
    return np.stack([X["temperature"] / 10 + 5 * bonus, X["temperature"] - 40 * bonus], axis=1)


@pytest.fixture(scope="module")
def found() -> Counterfactuals:
    return ml.counterfactual(
        law,
        TableEditor(SPACE),
        RUNS,
        {"length": 17.0, "yield": (None, 130.0)},
        tolerance=0.5,
        n_answers=2,
        interval=lambda X: (law(X) - 1, np.where(law(X) > 150, np.inf, law(X) + 1)),
        level=0.9,
        reference=RUNS.assign(stir=2.0),
        targets=["length", "yield"],
        target_units=["nm", None],
    )


def test_sentences_name_knobs_units_goal_interval_and_what_is_in_the_way(found):
    assert found.sentences[0] == (
        "Change seed from CdSe to <b>$InP: predicted length 17 nm (90 % interval 16 to 18) and "
        "yield 80 (90 % interval 79 to 81); goal length 17 nm and yield at most 130 reached. This "
        "is far from all known samples."
    )
    assert "seed from CdSe to <b>$InP and raise temperature from 60 to 115 °C" in found.sentences[1]
    missed = ml.counterfactual(law, TableEditor(SPACE), RUNS[:1], {0: (40, None)}, hold=["seed"])
    assert missed.sentences[0] == (
        "Goal at least 40 not reached. Nearest: raise temperature from 120 to 220 °C: predicted "
        "target 0 22. The upper limit of temperature (220 °C) blocks. seed and stir are held."
    )


def test_small_changes_are_told_with_enough_digits():
    knob = Knob("p", "bar", lower=0, upper=2)
    assert change_text(knob, 1.0, 1.00004) == "raise p from 1 to 1.00004 bar"
    assert [joined(["a"]), joined(["a", "b", "c"]), joined([])] == ["a", "a, b and c", ""]


def test_frame_has_one_line_per_answer_with_levels_and_limits(found):
    frame = found.to_frame()
    assert frame["row"].tolist() == [7, 9]
    assert frame["seed"].tolist() == ["<b>$InP"] * 2
    np.testing.assert_allclose(frame["temperature (°C)"], [120, 115], rtol=1e-4)
    np.testing.assert_allclose(frame["length upper"], frame["length"] + 1)
    assert frame["n_changed"].tolist() == [1, 2]
    assert frame["stir"].tolist() == [2.0, 9.0]  # a fixed knob is not held against its limits


def test_dict_is_plain_json_with_none_for_what_is_not_a_number(found):
    values = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert [row["row"] for row in values["rows"]] == [7, 9]
    first = values["rows"][0]["answers"][0]
    assert first["settings"] == [120.0, "<b>$InP", 2.0]
    assert (first["change"], first["changed"], first["cost"]) == ([0.0, 1.0, 0.0], ["seed"], 1.0)
    assert first["sentence"] == found.sentences[0]
    assert values["goal"][1] == {
        "target": "yield", "point": None, "lower": None, "upper": 130.0, "tolerance": None,
        "text": "at most 130",
    }  # fmt: skip
    assert values["held"] == ["stir"]
    high = ml.counterfactual(law, TableEditor(SPACE), RUNS, {1: (160, None)}, interval=lambda X: (
        law(X) - 1, np.full((len(X), 2), np.inf)))  # fmt: skip
    assert high.to_dict()["rows"][0]["answers"][0]["upper"] == [None, None]
    assert "interval" not in high.sentences[0]


def test_bars_have_one_label_per_change(found):
    ax = found.plot(entry=1)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["temperature", "seed"]
    assert [text.get_text() for text in ax.texts] == ["60 → 115 °C", r"CdSe → <b>\$InP"]
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], [55 / 200, 1], rtol=1e-4)
    ax.figure.canvas.draw()
    plt.close(ax.figure)
    _, own = plt.subplots()
    same = ml.counterfactual(law, TableEditor(SPACE), RUNS[:1], {0: (0, None)})
    assert same.plot(own) is own
    assert len(own.patches) == 0
    plt.close("all")


def test_repr_is_short_and_html_is_escaped(found):
    lines = repr(found).splitlines()
    assert lines[0].startswith("Counterfactuals: goal length 17 nm and yield at most 130 reached")
    assert lines[1].startswith("  row 7: Change seed")
    assert "&lt;b&gt;$InP" in found._repr_html_()
    assert "<b>" not in found._repr_html_()
    many = ml.counterfactual(
        lambda X: X[:, 0], np.random.default_rng(0).random((30, 2)), np.zeros((20, 2)), 0.1
    )
    assert "... and 12 more answers" in repr(many)
    assert len(many) == 20
    assert many == many
    assert many != found


def test_cells_that_usual_values_stand_in_for_are_said():
    runs = pd.DataFrame({"a": [0.0, 1.0, 2.0, 4.0], "b": [1.0, 2.0, 3.0, 5.0]})
    editor = TableEditor.from_frame(runs, limits={"a": (0.0, 9.5), "b": (0.0, 9.5)})
    gap = pd.DataFrame({"a": [1.0, np.nan], "b": [1.0, 2.0]})
    found = ml.counterfactual(lambda X: X["a"] + X["b"], editor, gap, (6.0, None))
    assert found.warnings[0] == (
        "1 of 2 samples have missing cells; usual values stand in for them."
    )
    assert found.reached.all()
