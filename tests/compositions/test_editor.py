"""Fractions and elements as knobs: what is rendered, and that it stands where it was put."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from matlever.compositions import (
    ELEMENTS,
    CompositionEditor,
    Compositions,
    SubstitutionEditor,
    parse_formulas,
)
from matlever.exceptions import DataError, SettingsError
from matlever.knobs import DifferentiableEditor, Editor, LinearRelation

OXIDES = ["Fe2CoO4", "NiFe2O4", "Co3O4", "FeO"]
METALS = ("Fe", "Co", "Ni")
Z = {name: j for j, name in enumerate(ELEMENTS)}


@given(st.integers(0, 10**9), st.integers(1, 3))
def test_rendered_compositions_stand_where_they_were_put_and_keep_the_rest(seed, r):
    samples = parse_formulas(OXIDES).fractions
    editor = CompositionEditor(METALS)
    values = editor.space.sample(len(samples) * r, seed).reshape(len(samples), r, 3)
    rows = editor.render(samples, values)
    np.testing.assert_allclose(rows.sum(axis=1), 1.0)
    np.testing.assert_allclose(editor.values(rows), values.reshape(-1, 3), atol=1e-9)
    columns = [Z[name] for name in METALS]
    others = np.delete(np.arange(103), columns)
    np.testing.assert_array_equal(rows[:, others], np.repeat(samples, r, axis=0)[:, others])
    back = editor.render(rows, np.repeat(editor.values(samples), r, axis=0)[:, None])
    np.testing.assert_allclose(back, np.repeat(samples, r, axis=0), atol=1e-12)


def test_own_values_render_the_sample_itself_in_the_form_it_came_in():
    formulas = parse_formulas(OXIDES)
    editor = CompositionEditor.from_samples(formulas)
    assert editor.elements == ("O", "Fe", "Co", "Ni")
    assert isinstance(editor, Editor)
    assert isinstance(editor, DifferentiableEditor)
    for samples in (formulas, list(formulas)):
        same = editor.render(samples, editor.values(samples)[:, None])
        assert isinstance(same, Compositions)
        assert same.formulas == formulas.formulas
    array = editor.render(formulas.fractions, editor.values(formulas)[:, None])
    np.testing.assert_allclose(array, formulas.fractions, atol=1e-12)


def test_limits_are_those_seen_unless_others_are_said():
    formulas = parse_formulas(OXIDES)
    editor = CompositionEditor.from_samples(
        formulas, METALS, limits={"Ni": (None, 0.5)}, fixed=["Co"], costs={"Fe": 3.0}
    )
    knobs = {knob.name: knob for knob in editor.space}
    assert (knobs["Fe"].lower, knobs["Fe"].upper) == (0.0, 1.0)
    assert (knobs["Ni"].lower, knobs["Ni"].upper) == (0.0, 0.5)
    assert knobs["Co"].fixed
    assert knobs["Fe"].cost == 3.0
    assert editor.space.mixtures[0].max_parts == 2
    assert CompositionEditor.from_samples(formulas, METALS, max_parts=1).space.is_feasible(
        [[1.0, 0, 0], [0.5, 0.5, 0]]
    ).tolist() == [True, False]
    cheap = LinearRelation({"Co": 33.0, "Ni": 16.0}, upper=10.0)
    dear = CompositionEditor(METALS, relations=[cheap]).space.is_feasible([[0.2, 0.8, 0.0]])
    assert not dear[0]


def test_gradients_flow_to_the_knobs_and_agree_with_what_is_rendered():
    samples = parse_formulas(OXIDES).fractions
    editor = CompositionEditor(METALS)
    values = editor.space.sample(8, 0).reshape(4, 2, 3)
    tensor = torch.tensor(values, requires_grad=True)
    rows = editor.render_tensor(samples, tensor)
    np.testing.assert_allclose(rows.detach().numpy(), editor.render(samples, values), atol=1e-12)
    weights = torch.arange(103, dtype=torch.float64)
    (rows @ weights).sum().backward()
    held = samples[:, [Z[name] for name in METALS]].sum(axis=1)
    expected = held[:, None, None] * np.array([Z[name] for name in METALS], dtype=float)
    np.testing.assert_allclose(tensor.grad.numpy(), np.broadcast_to(expected, (4, 2, 3)))


def test_compositions_without_any_of_the_elements_are_named():
    editor = CompositionEditor(METALS)
    with pytest.raises(DataError, match="composition 1: it holds none of Fe, Co, Ni"):
        editor.values(parse_formulas(["FeO", "MgO"]))
    bad = parse_formulas(["FeO"]).fractions * 1.01
    with pytest.raises(DataError, match=r"composition 0: the fractions .* do not sum to 1"):
        editor.values(bad)
    with pytest.raises(DataError, match=r"shape \(n, 103\)"):
        editor.values(np.eye(3))
    with pytest.raises(DataError, match=r"shape \(1, r, 3\)"):
        editor.render(parse_formulas(["FeO"]), np.ones((1, 1, 2)))
    with pytest.raises(SettingsError, match="no element 'Xx'"):
        CompositionEditor(["Fe", "Xx"])
    with pytest.raises(SettingsError, match="twice"):
        CompositionEditor(["Fe", "Fe"])
    with pytest.raises(SettingsError, match=r"limits names \['O'\]"):
        CompositionEditor(METALS, limits={"O": (0, 1)})


def test_an_element_takes_the_place_of_another():
    editor = CompositionEditor.substitution("Fe", ["Mn", "Co", "Ni"])
    samples = parse_formulas(["LiFePO4", "CoO", "Fe2O3"])
    np.testing.assert_array_equal(editor.values(samples)[:, 0], [0, 2, 0])
    assert editor.space["Fe site"].levels == ("Fe", "Mn", "Co", "Ni")
    moved = editor.render(samples, [[[3.0]], [[0.0]], [[1.0]]])
    assert moved.formulas == parse_formulas(["LiNiPO4", "FeO", "Mn2O3"]).formulas
    np.testing.assert_array_equal(editor.values(moved)[:, 0], [3, 0, 1])
    assert editor.fits(parse_formulas(["FeO", "FeCoO3", "MgO"])).tolist() == [True, False, False]
    with pytest.raises(DataError, match="composition 0: it has no or several elements"):
        editor.values(parse_formulas(["FeCoO3"]))


def test_levels_are_chemically_sensible_by_oxidation_state():
    same = CompositionEditor.substitution("Sr").space["Sr site"].levels
    assert {"Mg", "Ca", "Ba", "Zn"} <= set(same)
    assert not {"Na", "Al", "Ar", "Cl"} & set(same)
    four = CompositionEditor.substitution("Ti", oxidation_state=4).space["Ti site"].levels
    assert {"Zr", "Hf", "Sn"} <= set(four)
    assert "Al" not in four
    with pytest.raises(SettingsError, match=r"role A: no element is left.*\+7"):
        CompositionEditor.substitution({"role A": ["Na", "K"]}, oxidation_state=7)


PEROVSKITES = ["CaTiO3", "SrTiO3", "BaTiO3", "CaZrO3", "SrZrO3", "BaSnO3", "SrSnO3", "KMgF3"]


def test_roles_are_those_observed_in_order_of_electronegativity():
    samples = parse_formulas([*PEROVSKITES, "NaCl"])
    editor = CompositionEditor.roles(samples)
    levels = {knob.name: set(knob.levels) for knob in editor.space}
    assert levels["role 1"] == {"Ca", "Sr", "Ba", "K"}
    assert levels["role 2"] == {"Ti", "Zr", "Sn", "Mg"}
    assert levels["role 3"] == {"O", "F"}
    fits = editor.fits(samples)
    assert fits.tolist() == [True] * 8 + [False]
    own = editor.values(samples[:8])
    assert editor.render(samples[:8], own[:, None]).formulas == samples[:8].formulas
    often = CompositionEditor.roles(samples, least_seen=2, oxidation_states={"role 2": 4})
    assert {k.name: k.levels for k in often.space}["role 2"] == ("Ti", "Zr", "Sn")
    binary = CompositionEditor.roles(samples, n_elements=2)
    assert [knob.levels for knob in binary.space] == [("Na",), ("Cl",)]


@given(st.integers(0, 10**9))
def test_every_setting_of_roles_is_a_compound_that_stands_there(seed):
    samples = parse_formulas(PEROVSKITES[:7])
    editor = CompositionEditor.roles(samples)
    values = editor.space.sample(14, seed).reshape(7, 2, 3)
    rows = editor.render(samples.fractions, values)
    np.testing.assert_array_equal(editor.values(rows), values.reshape(14, 3))
    np.testing.assert_allclose(np.sort(rows, axis=1)[:, -3:], [[0.2, 0.2, 0.6]] * 14)


def test_roles_that_cannot_be_are_said():
    with pytest.raises(SettingsError, match="Ti would play two roles"):
        SubstitutionEditor({"A": ["Ca", "Ti"], "B": ["Ti", "Zr"]})
    with pytest.raises(SettingsError, match="give a list"):
        SubstitutionEditor({"A": "CaSr"})
    with pytest.raises(SettingsError, match=r"fixed names \['C'\]"):
        SubstitutionEditor({"A": ["Ca"]}, fixed=["C"])
    with pytest.raises(SettingsError, match="levels belong"):
        CompositionEditor.substitution({"A": ["Ca"]}, ["Sr"])
    with pytest.raises(DataError, match=r"No composition has 5 elements; .* of 2"):
        CompositionEditor.roles(parse_formulas(["NaCl"]), n_elements=5)


def test_editors_are_stored_as_plain_values():
    samples = parse_formulas(PEROVSKITES)
    editors = [
        CompositionEditor.from_samples(samples, fixed=["O"]),
        CompositionEditor.roles(samples, fixed=["role 3"], costs={"role 1": 2.0}),
    ]
    for editor in editors:
        described = json.loads(json.dumps(editor.to_dict()))
        again = type(editor).from_dict(described)
        np.testing.assert_array_equal(again.values(samples), editor.values(samples))
        assert again.to_dict() == described
        assert repr(again) == repr(editor)
    for wrong in ({}, {"kind": "x", "space": editors[0].space.to_dict()}):
        with pytest.raises(SettingsError, match="description of an editor"):
            CompositionEditor.from_dict(wrong)
        with pytest.raises(SettingsError, match="description of an editor"):
            SubstitutionEditor.from_dict(wrong)
