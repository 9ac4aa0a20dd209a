"""Energies from CHGNet, where it is installed."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from matlever.crystals import Crystals, chgnet_energies
from matlever.exceptions import MissingExtraError, SettingsError

HAS_CHGNET = importlib.util.find_spec("chgnet") is not None
DIAMOND = Crystals.from_arrays(
    [3.57 / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]), 25 * np.eye(3)],
    [2, 1],
    [6, 6, 6],
    [[0, 0, 0], [0.25, 0.25, 0.25], [0, 0, 0]],
    ["diamond", "alone"],
)


@pytest.mark.skipif(HAS_CHGNET, reason="chgnet is installed")
def test_the_message_names_the_extra() -> None:
    with pytest.raises(MissingExtraError, match=r"matlever\[energy\]"):
        chgnet_energies(DIAMOND)


def test_settings_are_checked() -> None:
    with pytest.raises(SettingsError, match="batch_size"):
        chgnet_energies(DIAMOND, batch_size=0)


@pytest.mark.slow
@pytest.mark.skipif(not HAS_CHGNET, reason="needs chgnet")
def test_diamond_is_where_the_materials_project_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    energies = chgnet_energies(DIAMOND)
    assert energies[0] == pytest.approx(-9.09, abs=0.1)  # mp-66: -9.09 eV/atom
    assert np.isnan(energies[1])
    relaxed = chgnet_energies(DIAMOND[:1], relax=True, steps=5)
    assert relaxed[0] <= energies[0] + 1e-4
    assert capsys.readouterr().out == ""
