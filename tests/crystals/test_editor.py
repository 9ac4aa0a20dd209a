"""Knobs of crystals: what they do to a cell, and what they leave alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matlever.crystals import CrystalEditor, Crystals
from matlever.exceptions import DataError, SettingsError
from matlever.knobs import Editor

PLACES = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
ABX3 = {"A": [0], "B": [1], "X": [2, 3, 4]}
A, B, X = [38, 56, 20], [22, 40, 50], [[8, 8, 8], [8, 8, 7], [9, 8, 8]]


def perovskites(n: int = 27, seed: int = 0, *, shuffled: bool = False) -> Crystals:
    """Perovskites whose volume is the geometric mean of what A and B bring."""
    rng = np.random.default_rng(seed)
    rows, numbers, places = [], [], []
    for i in range(n):
        a, b, x = A[i % 3], B[i // 3 % 3], X[i // 9 % 3]
        edge = 4.0 * (a / 38) ** 0.05 * (b / 22) ** 0.1
        order = rng.permutation(5) if shuffled else np.arange(5)
        rows.append(edge * np.eye(3))
        numbers.append(np.array([a, b, *x])[order])
        places.append(((PLACES + 0.01 * rng.normal(size=(5, 3))) % 1.0)[order])
    return Crystals.from_arrays(
        rows, [5] * n, np.concatenate(numbers), np.concatenate(places), [f"p{i}" for i in range(n)]
    )


def of_two_and_three() -> Crystals:
    return Crystals.from_arrays(
        [4 * np.eye(3)] * 3,
        [2, 3, 2],
        [17, 11, 8, 22, 56, 12, 8],  # ClNa, O Ti Ba, MgO
        np.arange(21).reshape(7, 3) / 22,
        ["salt", "titanate", "periclase"],
    )


@pytest.mark.parametrize("sites", ["auto", "prototype", "species", ABX3])
def test_crystals_at_their_own_settings_are_themselves(sites: object) -> None:
    crystals = perovskites()
    editor = CrystalEditor.from_crystals(crystals, sites=sites)  # type: ignore[arg-type]
    values = editor.values(crystals)
    assert isinstance(editor, Editor)
    assert editor.space.is_feasible(values).all()
    assert (values[:, 0] == 0).all()
    same = editor.render(crystals, values[:, None])
    assert same.ids == crystals.ids
    for name in ("lattices", "offsets", "numbers", "fractional"):
        np.testing.assert_array_equal(getattr(same, name), getattr(crystals, name))


def test_strain_scales_the_volume_and_nothing_else() -> None:
    crystals = of_two_and_three()
    editor = CrystalEditor.from_crystals(crystals, volume_limits=(-20, 5))
    values = editor.values(crystals)[:, None].repeat(3, axis=1)
    values[:, :, 0] = [-20, 0.1, 5]
    made = editor.render(crystals, values)
    np.testing.assert_allclose(
        made.volumes.reshape(3, 3) / crystals.volumes[:, None], [[0.8, 1.001, 1.05]] * 3
    )
    np.testing.assert_array_equal(made.fractional[:6], np.tile(crystals.fractional[:2], (3, 1)))
    angles = made.lattices / np.linalg.norm(made.lattices, axis=2, keepdims=True)
    np.testing.assert_allclose(angles, np.eye(3)[None].repeat(9, 0), atol=1e-12)
    assert editor.space["volume strain"].unit == "%"
    assert (editor.space["volume strain"].low, editor.space["volume strain"].high) == (-20, 5)


@pytest.mark.parametrize("shuffled", [False, True])
def test_substitution_on_a_site_wherever_it_stands_in_the_file(shuffled: bool) -> None:
    crystals = perovskites(shuffled=shuffled)
    editor = CrystalEditor.from_crystals(crystals, sites="prototype")
    levels = [set(knob.levels) for knob in editor.space.knobs[1:]]
    expected = [{"Sr", "Ba", "Ca"}, {"Ti", "Zr", "Sn"}, {"O", "F"}, {"O"}, {"O", "N"}]
    assert sorted(map(sorted, levels)) == sorted(sorted(s) for s in expected if len(s) > 1)
    knob = next(k for k in editor.space.knobs if "Ba" in k.levels)
    j = editor.space.names.index(knob.name)
    values = editor.values(crystals)
    values[:, j] = knob.levels.index("Ba")
    made = editor.render(crystals, values[:, None])
    was_a = np.isin(crystals.numbers, A)
    assert (made.numbers[was_a] == 56).all()
    np.testing.assert_array_equal(made.numbers[~was_a], crystals.numbers[~was_a])
    np.testing.assert_array_equal(editor.values(made), values)


def test_a_group_of_sites_has_arrangements_as_levels() -> None:
    editor = CrystalEditor.from_crystals(perovskites(), sites=ABX3)
    assert editor.space.names == ("volume strain", "A", "B", "X")
    assert set(editor.space["X"].levels) == {"O", "O-O-N", "F-O-O"}
    one = perovskites()[:1]
    values = editor.values(one)[:, None]
    values[0, 0, 3] = editor.space["X"].levels.index("F-O-O")
    assert editor.render(one, values).numbers.tolist() == [38, 22, 9, 8, 8]


def test_the_volume_follows_the_elements_as_in_the_data() -> None:
    crystals = perovskites()
    editor = CrystalEditor.from_crystals(crystals, sites=ABX3)
    values = editor.values(crystals)
    target = values[np.roll(np.arange(27), 5)]
    made = editor.render(crystals, target[:, None])
    expected = crystals.volumes[np.roll(np.arange(27), 5)]
    np.testing.assert_allclose(made.volumes, expected, rtol=0.03)
    assert np.abs(crystals.volumes / expected - 1).max() > 0.15
    still = CrystalEditor.from_crystals(crystals, sites=ABX3, rescale=False)
    np.testing.assert_array_equal(still.render(crystals, target[:, None]).volumes, crystals.volumes)
    assert any("stays as it is" in note for note in still.notes(crystals))


def test_roles_go_from_electropositive_to_electronegative() -> None:
    crystals = of_two_and_three()
    editor = CrystalEditor.from_crystals(crystals)
    assert editor.space.names == ("volume strain", "element 1", "element 2", "element 3")
    shown = [
        [editor.space.knobs[j].levels[int(row[j])] for j in (1, 2, 3)]
        for row in editor.values(crystals)
    ]
    assert shown == [["Na", "Cl", "-"], ["Ba", "Ti", "O"], ["Mg", "O", "-"]]


def test_what_cannot_be_set_changes_nothing() -> None:
    crystals = of_two_and_three()
    editor = CrystalEditor.from_crystals(crystals)
    labels = editor.space["element 3"].levels
    values = editor.values(crystals)
    values[0, 3] = labels.index("O")  # the salt has no third element
    values[1, 3] = labels.index("-")  # atoms are not taken out
    made = editor.render(crystals, values[:, None])
    np.testing.assert_array_equal(made.numbers, crystals.numbers)
    np.testing.assert_array_equal(made.volumes, crystals.volumes)
    assert any("element 3: 2 of 3 crystals have no such" in note for note in editor.notes(crystals))


def test_rare_elements_stand_at_other() -> None:
    crystals = Crystals.from_arrays(
        [4 * np.eye(3)] * 3, [1, 1, 1], [29, 29, 47], np.zeros((3, 3)), ["a", "b", "silver"]
    )
    editor = CrystalEditor.from_crystals(crystals, sites="species", least=2)
    assert editor.space["element 1"].levels == ("Cu", "other")
    values = editor.values(crystals)
    made = editor.render(crystals, values[::-1][:, None])
    assert made.numbers.tolist() == [29, 29, 29]
    assert any("something rare" in note for note in editor.notes(crystals))


def test_elements_that_are_not_known_are_named_or_allowed() -> None:
    crystals = perovskites()
    other = Crystals.from_arrays([4 * np.eye(3)], [5], [57, 22, 8, 8, 8], PLACES, ["lanthanum"])
    editor = CrystalEditor.from_crystals(crystals, sites=ABX3)
    with pytest.raises(DataError, match="lanthanum has La as A, where the known crystals have Ca"):
        editor.values(other)
    wider = CrystalEditor.from_crystals(crystals, sites=ABX3, elements={"A": ["La", "Sr"]})
    assert wider.space["A"].levels[int(wider.values(other)[0, 1])] == "La"
    assert np.isfinite(wider.render(crystals[:1], [[[0, 3, 0, 0]]]).volumes).all()
    small = Crystals.from_arrays([4 * np.eye(3)], [2], [57, 8], [[0, 0, 0], [0.5, 0.5, 0.5]], ["s"])
    with pytest.raises(DataError, match="s has 2 atoms, the prototype 5"):
        editor.values(small)


@given(st.integers(0, 2**32 - 1))
def test_any_feasible_setting_keeps_atoms_and_places(seed: int) -> None:
    crystals = of_two_and_three() if seed % 2 else perovskites()
    editor = CrystalEditor.from_crystals(crystals)
    values = editor.space.sample(4 * len(crystals), seed).reshape(len(crystals), 4, -1)
    made = editor.render(crystals, values)
    assert len(made) == 4 * len(crystals)
    np.testing.assert_array_equal(made.n_atoms, np.repeat(crystals.n_atoms, 4))
    for i in range(0, len(made), 7):
        np.testing.assert_array_equal(made[i].fractional, crystals[i // 4].fractional)
    assert (made.volumes > 0).all()
    assert ((made.numbers >= 1) & (made.numbers <= 103)).all()


@pytest.mark.parametrize("sites", ["species", ABX3])
def test_stored_and_rebuilt(sites: object) -> None:
    crystals = perovskites()
    editor = CrystalEditor.from_crystals(crystals, sites=sites, fixed=["volume strain"])  # type: ignore[arg-type]
    again = CrystalEditor.from_dict(json.loads(json.dumps(editor.to_dict())))
    assert again.space.to_dict() == editor.space.to_dict()
    values = editor.values(crystals)[::-1, None]
    first, second = editor.render(crystals, values), again.render(crystals, values)
    np.testing.assert_array_equal(first.lattices, second.lattices)
    np.testing.assert_array_equal(first.numbers, second.numbers)
    np.testing.assert_array_equal(again.usual_settings, editor.usual_settings)
    for broken in ({}, {**editor.to_dict(), "sites": {"kind": "none"}}):
        with pytest.raises(SettingsError):
            CrystalEditor.from_dict(broken)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sites": "atoms"}, "sites='atoms'"),
        ({"sites": {"A": [7]}}, "site 7 is not one of the sites 0 to 4"),
        ({"sites": {"A": [0], "B": [0]}}, "in another group already"),
        ({"volume_limits": (1, 5)}, "must hold 0"),
        ({"least": 0}, "least=0"),
        ({"least": 100}, "nothing is there in 100 crystals"),
        ({"elements": {"Z": ["O"]}}, "elements names"),
        ({"sites": ABX3, "elements": {"A": ["Qq"]}}, "'Qq' is no element"),
        ({"fixed": ["A site"]}, "fixed names"),
        ({"costs": {"A site": 1}}, "costs names"),
    ],
)
def test_settings_that_do_not_fit(options: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        CrystalEditor.from_crystals(perovskites(), **options)  # type: ignore[arg-type]


def test_shapes_are_checked() -> None:
    crystals = perovskites()
    editor = CrystalEditor.from_crystals(crystals)
    with pytest.raises(DataError, match="must have shape"):
        editor.render(crystals, editor.values(crystals))
    with pytest.raises(DataError, match="at least one crystal"):
        CrystalEditor.from_crystals(crystals[[]])
    with pytest.raises(DataError, match="not of one prototype"):
        CrystalEditor.from_crystals(of_two_and_three(), sites="prototype")
