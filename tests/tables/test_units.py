"""Units are recognised as scientists write them, and words in brackets are left alone."""

from __future__ import annotations

import pytest

from matlever.tables.units import canonical_unit, quantity_of, same_unit, split_header


@pytest.mark.parametrize(
    ("header", "name", "unit"),
    [
        ("length (nm)", "length", "nm"),
        ("length[nm]", "length", "nm"),
        ("T(°C)", "T", "°C"),
        ("Ni (wt. %)", "Ni", "wt. %"),
        ("rate (K min^-1)", "rate", "K min^-1"),
        ("rate / K/min", "rate", "K/min"),
        ("conductivity (S/cm)", "conductivity", "S/cm"),
        ("Cu(II) acetate (mmol L⁻¹)", "Cu(II) acetate", "mmol L⁻¹"),
        ("thermal conductivity, W/(m K)", "thermal conductivity", "W/(m K)"),
        ("flow (sccm)", "flow", "sccm"),
        ("product (mole fraction)", "product", "mole fraction"),
        ("signal [counts per frame]", "signal", "counts per frame"),
        ("time,  s", "time", "s"),
        ("Cu(II)", "Cu(II)", None),
        ("Fe(III)", "Fe(III)", None),
        ("time (second run)", "time (second run)", None),
        ("yield (best of 3)", "yield (best of 3)", None),
        ("Smith, Jones", "Smith, Jones", None),
        ("metal/ligand", "metal/ligand", None),
        ("length ()", "length ()", None),
        ("(nm)", "(nm)", None),
    ],
)
def test_header_is_split_into_name_and_unit(header: str, name: str, unit: str | None) -> None:
    assert split_header(header) == (name, unit)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("um", "µm", True), ("μm", "µm", True), ("m^2", "m²", True), ("wt %", "wt%", True),
        ("mol·L-1", "mol l-1", True), ("ohm", "Ω", True), ("nm", "µm", False), ("mm", "Mm", False),
    ],
)  # fmt: skip
def test_spellings_of_one_unit_agree(first: str, second: str, same: bool) -> None:
    assert same_unit(first, second) is same


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("nm", "Å", True), ("g/cm3", "kg m-3", True), ("°C", "K", True), ("h", "min", True),
        ("mol/L", "mM", True), ("MPa", "psi", True), ("nm", "nm2", False), ("g", "mol", False),
        ("1/s", "Hz", False),
    ],
)  # fmt: skip
def test_units_of_one_quantity_are_known(first: str, second: str, same: bool) -> None:
    assert quantity_of(first) is not None
    assert (quantity_of(first) == quantity_of(second)) is same


@pytest.mark.parametrize(
    "text", ["", "first", "nm2x", "12", "x" * 100, "m//s", "acid", "OA", "TOP"]
)
def test_words_are_no_units(text: str) -> None:
    assert canonical_unit(text) is None
