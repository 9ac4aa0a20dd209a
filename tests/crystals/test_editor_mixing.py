"""Solid solutions: end members, shares and the distance between what is exchanged."""

from __future__ import annotations

import numpy as np
import pytest

from matlever.crystals import Crystals, SolidSolutionEditor, mix_crystals
from matlever.exceptions import DataError, SettingsError
from matlever.explanation import counterfactual, sweep
from matlever.knobs import Editor

FIRST = Crystals.from_arrays(
    [4.0 * np.eye(3)], [2], [11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], ["NaCl"]
)
# The same prototype, its atoms in another order and a little displaced.
SECOND = Crystals.from_arrays(
    [5.0 * np.eye(3)], [2], [17, 19], [[0.52, 0.5, 0.5], [0.98, 0, 0]], ["KCl"]
)


def test_end_members_are_supercells_of_themselves() -> None:
    crystals, reached = mix_crystals(FIRST, SECOND, [0, 1])
    assert reached.tolist() == [0, 1]
    assert crystals.formulas == ("NaCl", "KCl")
    np.testing.assert_allclose(crystals.volumes, [8 * 64, 8 * 125])
    np.testing.assert_allclose(crystals[0].fractional[0], 0)
    assert crystals.ids == ("NaCl + 0 KCl", "NaCl + 1 KCl")


def test_vegard_between_them_and_the_nearest_share() -> None:
    crystals, reached = mix_crystals(FIRST, SECOND, [0.3, 0.5, 0.9])
    np.testing.assert_allclose(reached, [0.25, 0.5, 0.875])
    np.testing.assert_allclose(crystals.lattices[:, 0, 0], 2 * (4 + reached))
    potassium = crystals.amounts[:, 18] / 8
    np.testing.assert_allclose(potassium, reached)
    np.testing.assert_allclose(crystals.amounts[:, 16], 8)
    finer, share = mix_crystals(FIRST, SECOND, 0.3, supercell=(3, 3, 3))
    assert share[0] == pytest.approx(8 / 27)
    assert finer.n_atoms[0] == 54


def test_what_is_exchanged_is_far_apart() -> None:
    crystals, _ = mix_crystals(FIRST, SECOND, [0.25])
    places = crystals.fractional[crystals.numbers == 19]
    away = places[0] - places[1]
    away -= np.rint(away)
    np.testing.assert_allclose(np.abs(away), 0.5, atol=0.02)  # along the diagonal of the supercell
    again, _ = mix_crystals(FIRST, SECOND, [0.25])
    np.testing.assert_array_equal(again.numbers, crystals.numbers)


def test_larger_shares_hold_the_smaller_ones() -> None:
    crystals, _ = mix_crystals(FIRST, SECOND, np.arange(9) / 8)
    potassium = crystals.numbers.reshape(9, 16) == 19
    assert (potassium[1:] >= potassium[:-1]).all()
    assert potassium.sum(axis=1).tolist() == list(range(9))


def test_what_cannot_be_mixed() -> None:
    with pytest.raises(DataError, match="Two crystals are mixed"):
        mix_crystals(Crystals.concatenate([FIRST, FIRST]), SECOND, 0.5)
    other = Crystals.from_arrays([4.0 * np.eye(3)], [1], [29], [[0, 0, 0]], ["Cu"])
    with pytest.raises(DataError, match="Cu has 1 atoms, the prototype 2"):
        mix_crystals(FIRST, other, 0.5)
    with pytest.raises(SettingsError, match="between 0 and 1"):
        mix_crystals(FIRST, SECOND, 1.5)
    with pytest.raises(SettingsError, match="supercell"):
        mix_crystals(FIRST, SECOND, 0.5, supercell=(2, 2))


def test_the_share_is_a_knob() -> None:
    editor = SolidSolutionEditor(FIRST, SECOND)
    assert isinstance(editor, Editor)
    halfway, _ = mix_crystals(FIRST, SECOND, [0.0, 0.5, 1.0])
    np.testing.assert_allclose(editor.values(halfway)[:, 0], [0, 0.5, 1])
    values = editor.usual_settings[None]
    made = editor.render(FIRST, values)
    np.testing.assert_allclose(editor.values(made)[:, 0], values[0, :, 0])
    edges = 2 * (4 + values[0, :, 0])
    np.testing.assert_allclose(made.volumes, edges**3 * (1 + values[0, :, 1] / 100))
    assert made.ids == ("NaCl",) * 9
    with pytest.raises(DataError, match="must have shape"):
        editor.render(FIRST, values[0])
    other = Crystals.from_arrays([4.0 * np.eye(3)], [1], [29], [[0, 0, 0]], ["Cu"])
    with pytest.raises(DataError, match=r"Cu \(Cu\) does not lie between NaCl and KCl"):
        editor.values(other)
    with pytest.raises(DataError, match="the same composition"):
        SolidSolutionEditor(FIRST, FIRST)


def test_a_share_is_swept_and_searched_as_any_knob() -> None:
    editor = SolidSolutionEditor(FIRST, SECOND)

    def edge(crystals: Crystals) -> np.ndarray:
        return np.cbrt(crystals.volumes) / 2

    seen = sweep(edge, editor, FIRST, ["share of KCl"], values={"share of KCl": [0, 0.5, 1]})
    np.testing.assert_allclose(seen["share of KCl"].mean, [4.0, 4.5, 5.0])
    found = counterfactual(edge, editor, FIRST, (4.7, 4.8), hold=["volume strain"])
    assert found.settings[0].tolist() == [0.75, 0.0]
