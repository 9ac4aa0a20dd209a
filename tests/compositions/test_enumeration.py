"""Every composition once, in one order, counted before it is made."""

from __future__ import annotations

import math
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matlever.compositions import ELEMENTS, enumerate_compositions, parse_formulas
from matlever.compositions._oxidation_states import OXIDATION_STATES
from matlever.exceptions import SettingsError

SYMBOLS = ["Li", "Na", "Ca", "Mn", "Fe", "Al", "Si", "N", "O", "S", "Cl", "He"]


def by_hand(symbols, sizes, max_atoms, *, neutral=False):
    """Return the set of compositions as ((symbol, atoms), ...), by brute force."""
    found = set()
    for k in sizes:
        for system in combinations(sorted(symbols, key=ELEMENTS.index), k):
            for amounts in product(range(1, max_atoms + 1), repeat=k):
                if sum(amounts) > max_atoms or math.gcd(*amounts) > 1:
                    continue
                states = [OXIDATION_STATES.get(s, ()) for s in system]
                charges = product(*states)
                if neutral and k > 1:
                    sums = (sum(a * q for a, q in zip(amounts, c, strict=True)) for c in charges)
                    if not any(total == 0 for total in sums):
                        continue
                found.add(tuple(zip(system, amounts, strict=True)))
    return found


def as_set(candidates):
    rows = [
        tuple((ELEMENTS[c], int(a)) for c, a in zip(columns, amounts, strict=True) if a)
        for columns, amounts in zip(candidates.columns, candidates.amounts, strict=True)
    ]
    assert len(set(rows)) == len(rows)
    return set(rows)


@given(
    st.lists(st.sampled_from(SYMBOLS), min_size=3, max_size=6, unique=True),
    st.sets(st.integers(1, 3), min_size=1),
    st.integers(3, 7),
    st.booleans(),
    st.integers(1, 50),
)
def test_a_space_is_what_brute_force_finds_whatever_the_chunks(
    symbols, sizes, max_atoms, neutral, chunk
):
    expected = by_hand(symbols, sizes, max_atoms, neutral=neutral)
    try:
        space = enumerate_compositions(
            symbols, n_elements=sorted(sizes), max_atoms=max_atoms, charge_neutral=neutral
        )
    except SettingsError:
        assert not expected
        return
    assert len(space) == len(expected)
    parts = [space.chunk(i, chunk) for i in reversed(range(space.n_chunks(chunk)))]
    assert sum(map(len, parts)) == len(expected)
    whole = space.candidates(0, space.size)
    assert as_set(whole) == expected
    numbers = np.concatenate([part.numbers for part in reversed(parts)])
    np.testing.assert_array_equal(numbers, whole.numbers)


def test_order_is_fixed_and_does_not_follow_the_order_of_the_symbols():
    one = enumerate_compositions(["O", "Na", "Fe"], n_elements=[2, 3], max_atoms=4)
    two = enumerate_compositions(["Fe", "O", "Na"], n_elements=[3, 2], max_atoms=4)
    assert one.candidates(0, 99).formulas == two.candidates(0, 99).formulas
    assert one.candidates(0, 6).formulas == ("NaO", "Na2O", "NaO2", "Na3O", "NaO3", "FeO")
    assert one.to_dict() == two.to_dict()


def test_hundreds_of_millions_are_counted_at_once_and_any_is_at_hand():
    symbols = [name for name in ELEMENTS[:89] if name not in ("He", "Ne", "Ar", "Kr", "Xe", "Rn")]
    space = enumerate_compositions(symbols, n_elements=4, max_atoms=10)
    assert len(space) == math.comb(83, 4) * 205 == space.size
    last = space.candidates(space.size - 3, space.size + 100)
    assert len(last) == 3
    assert {symbols.index(ELEMENTS[c]) for c in last.columns[-1]} == {79, 80, 81, 82}
    rng = np.random.default_rng(0)
    numbers = np.sort(rng.integers(0, space.size, 2000))
    some = space.at(numbers)
    assert (np.diff(some.columns, axis=1) > 0).all()
    assert (np.gcd.reduce(some.amounts, axis=1) == 1).all()
    # The number of a composition, worked out from its columns, is the one it was asked by.
    place = {ELEMENTS.index(name): i for i, name in enumerate(symbols)}
    which = {tuple(row): i for i, row in enumerate(space.blocks[0].stoichiometries.tolist())}
    for number, columns, amounts in zip(numbers, some.columns, some.amounts, strict=True):
        chosen, rank = [place[c] for c in columns.tolist()], 0
        for i, c in enumerate(chosen):
            before = chosen[i - 1] + 1 if i else 0
            rank += sum(math.comb(82 - d, 3 - i) for d in range(before, c))
        assert rank * 205 + which[tuple(amounts.tolist())] == number


def test_sites_with_the_same_elements_are_chosen_together():
    metals, anions = ["Mg", "Ca", "Zn", "Mn"], ["O", "S"]
    space = enumerate_compositions([metals, metals, anions], stoichiometries=[(1, 2, 4), (2, 4, 8)])
    assert len(space) == math.comb(4, 2) * 2 * 2  # either metal is the more frequent one
    found = set(space.candidates(0, 99).formulas)
    assert {"MgCa2O4", "Mg2CaO4"} <= found or {"CaMg2O4", "Ca2MgO4"} <= found
    assert len(found) == len(space)
    one = enumerate_compositions([["Ca"], ["Ti"], ["O"]], stoichiometries=[(1, 1, 3)])
    assert one.candidates(0, 9).formulas == ("CaTiO3",)
    every = enumerate_compositions(["Ca", "Ti", "O"], stoichiometries=[(1, 1, 3)])
    assert len(every) == 3


def test_neutral_compounds_are_those_a_chemist_balances():
    space = enumerate_compositions(
        ["Na", "Fe", "Ti", "O"], n_elements=[2, 3], max_atoms=8, charge_neutral=True
    )
    found = set(parse_formulas(space.candidates(0, space.size).formulas).formulas)
    known = parse_formulas(["Na2O", "FeO", "Fe2O3", "TiO2", "NaFeO2", "Na2TiO3", "FeTiO3"])
    assert set(known.formulas) <= found
    assert not set(parse_formulas(["NaO", "Fe3O4", "NaFe", "Na2O3"]).formulas) & found
    assert len(space) == len(found) < space.size


def test_oxidation_states_are_known_to_pymatgen_and_hold_its_common_ones():
    periodic = pytest.importorskip("pymatgen.core")
    for name in ELEMENTS:
        element = periodic.Element(name)
        ours = set(OXIDATION_STATES.get(name, ()))
        assert ours <= set(element.oxidation_states) | {0}, name
        if name not in ("C", "Kr", "Xe"):
            missing = set(element.common_oxidation_states) - ours
            assert not missing, (name, missing)


def test_fractions_in_both_forms_sum_to_one_and_agree():
    space = enumerate_compositions(["Li", "Fe", "P", "O"], n_elements=[1, 2, 3, 4], max_atoms=6)
    some = space.candidates(0, space.size)
    np.testing.assert_allclose(some.fractions.sum(axis=1), 1.0)
    np.testing.assert_allclose(some.fractions, some.compositions.fractions)
    assert some.dense(np.float32).dtype == np.float32
    np.testing.assert_allclose(some.shares.sum(axis=1), 1.0)
    runs = [(system, rows) for system, rows in some.by_system()]
    assert sum(rows.stop - rows.start for _, rows in runs) == len(some)
    for system, rows in runs:
        assert (some.fractions[rows][:, list(system)] > 0).all()
    assert sum(map(len, space)) == len(space)
    assert "systems of 1 or 2 or 3 or 4 out of 4 elements" in repr(space)


@pytest.mark.parametrize(
    ("elements", "options", "says"),
    [
        (["Na", "Xx"], {"max_atoms": 4, "n_elements": 2}, "no element 'Xx'"),
        (["Na", "Na"], {"max_atoms": 4, "n_elements": 2}, "stands twice"),
        (["Na", "Cl"], {}, "either max_atoms or stoichiometries"),
        (["Na", "Cl"], {"max_atoms": 4, "n_elements": 3}, "3 different elements cannot be chosen"),
        (["Na", "Cl"], {"max_atoms": 1, "n_elements": 2}, "leaves no formula"),
        (["Na", "Cl"], {"max_atoms": 4, "n_elements": 0}, "1 or more"),
        ("NaCl", {"max_atoms": 4}, "list of symbols"),
        (["Na", ["Cl"]], {"max_atoms": 4}, "not both"),
        ([["Na", "K"], ["K", "Li"]], {"stoichiometries": [(1, 1)]}, "K: sites must have"),
        ([["Na"], ["Cl"]], {"stoichiometries": [(1, 1, 1)]}, r"stoichiometries of \[3\]"),
        ([["Na"], ["Cl"]], {"max_atoms": 3, "n_elements": 3}, "there are 2 sites"),
        (["Na", "Cl"], {"stoichiometries": [(1, 0.5)]}, "whole numbers above 0"),
        (["Na", "Cl"], {"stoichiometries": []}, "empty"),
        (list(ELEMENTS), {"max_atoms": 400, "n_elements": 4}, "stoichiometries of 4 elements"),
        (list(ELEMENTS), {"max_atoms": 18, "n_elements": 14}, "more than can be numbered"),
    ],
)
def test_what_cannot_be_enumerated_is_said(elements, options, says):
    with pytest.raises(SettingsError, match=says):
        enumerate_compositions(elements, **options)


def test_numbers_beyond_the_space_are_refused():
    space = enumerate_compositions(["Na", "Cl"], n_elements=2, max_atoms=4)
    with pytest.raises(SettingsError, match=f"from 0 to {space.size - 1}"):
        space.at([space.size])
    assert len(space.candidates(50, 60)) == 0
