"""Calibration against a flow whose response is known: crossed talk is taken out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from matlever.exceptions import DataError, SettingsError
from matlever.micrographs import FlowEditor, FlowSettings, Tiles, calibrate_flow_editor
from matlever.micrographs.editing.flow_calibration import response
from matlever.micrographs.editing.flow_training import Flow

S, DEPTH = 0.4, 0.8
REACHED = 1 - S * (1 - DEPTH) / np.hypot((1 - DEPTH) * S, DEPTH)


class Halves(nn.Module):
    """The left half of a tile has mean a, the right half b + 0.25 a; normal around them."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x, t, attributes):
        t = t[:, None, None, None]
        a, b = attributes[:, :1, None, None], attributes[:, 1:, None, None]
        m = torch.cat([a.expand(-1, 1, 16, 8), (b + 0.25 * a).expand(-1, 1, 16, 8)], dim=3)
        away = (x - (1 - t) * m) / ((1 - t) ** 2 * S**2 + t**2)
        return t * away - m - (1 - t) * S**2 * away


class Brightness:
    """Reads a from the left half and b from the right, with a scale of its own."""

    def predict(self, X):
        x = (X.unit() - 0.5) / 0.2
        return np.stack([0.5 * x[:, :, :8].mean((1, 2)), 2.0 * x[:, :, 8:].mean((1, 2))], axis=1)


def tiles(n=80):
    """Real tiles whose halves are a and b, without crossed talk."""
    rng = np.random.default_rng(0)
    attributes = rng.uniform(0.3, 0.7, (n, 2))
    lot = np.arange(n) % 8
    x = np.repeat(attributes[:, :, None], 8, axis=2).reshape(n, 1, 16).repeat(16, axis=1)
    noisy = x + 0.02 * rng.standard_normal((n, 16, 16))
    return Tiles(
        (noisy * 0.2 + 0.5).astype(np.float32), attributes, ("a", "b"), lot, tuple("ABCDEFGH")
    )


@pytest.fixture
def editor():
    flow = Flow(Halves(), 0.5, 0.1, ("a", "b"), 16, 1, FlowSettings(), np.empty((0, 2)), {})
    return FlowEditor(flow, guidance=1.0, steps=12, depth=DEPTH)


def test_the_response_is_that_of_the_flow(editor):
    found = response(editor, tiles(16), Brightness(), 0.2)
    known = REACHED * np.array([[1.0, 0.0], [0.25, 1.0]])
    np.testing.assert_allclose(found, np.diag([0.5, 2.0]) @ known, atol=1e-3)


def test_calibrated_edits_are_as_large_as_asked_and_move_one_attribute(editor):
    made = calibrate_flow_editor(editor, tiles(), Brightness(), n_tiles=24, step=0.2)
    found = response(made, tiles(16), Brightness(), 0.1)
    np.testing.assert_allclose(found, np.diag([0.5, 2.0]), atol=0.03)
    assert made.card["calibration"]["n_lots"] == 8
    before = np.array(made.card["calibration"]["response_before"])
    assert before[1, 0] == pytest.approx(0.25, abs=0.05)


def test_a_meter_that_sees_nothing_is_refused(editor):
    class Blind:
        def predict(self, X):
            return np.zeros((len(X), 2))

    with pytest.raises(DataError, match="sees none of the attributes"):
        calibrate_flow_editor(editor, tiles(), Blind())
    with pytest.raises(SettingsError, match="must rise"):
        calibrate_flow_editor(editor, tiles(), Brightness(), guidances=(2.0, 1.0))


def test_tiles_are_drawn_from_all_lots_alike():
    many = tiles(80)
    uneven = replace(many, lot=np.where(np.arange(80) < 60, 0, many.lot))
    assert (
        np.bincount(uneven.spread_over_lots(16, np.random.default_rng(0)).lot, minlength=8).tolist()
        == [2] * 8
    )
