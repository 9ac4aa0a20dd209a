"""The hull against linear programs and pymatgen, and what must not change it."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matlever.compositions import ConvexHull, enumerate_compositions
from matlever.compositions import _hull_facets as facets_module
from matlever.compositions._hull_facets import linear_program, lower_facets
from matlever.exceptions import DataError, SettingsError

NAMES = ("Li", "Fe", "P", "O", "Na", "Mn")


def random_phases(rng, n_elements, n_phases, *, denominator=None):
    """Return fractions and formation energies of phases, elements first."""
    if denominator is None:
        f = rng.dirichlet(np.full(n_elements, 0.7), size=n_phases)
    else:
        f = rng.multinomial(denominator, np.full(n_elements, 1 / n_elements), size=n_phases)
        f = f / denominator
    e = rng.normal(-0.5, 0.6, size=n_phases) * (f.max(axis=1) < 1)
    return np.concatenate([np.eye(n_elements), f]), np.concatenate([np.zeros(n_elements), e])


def by_linear_program(f, e, compositions):
    return np.array([linear_program(f, e, x)[0] for x in compositions])


@pytest.mark.parametrize("n_elements", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("denominator", [None, 4])
def test_hull_energy_is_that_of_the_linear_program(n_elements, denominator):
    rng = np.random.default_rng(n_elements)
    f, e = random_phases(rng, n_elements, 40, denominator=denominator)
    hull = ConvexHull(f, e, elements=NAMES[:n_elements])
    asked = np.concatenate([rng.dirichlet(np.full(n_elements, 0.4), size=60), f])
    np.testing.assert_allclose(
        hull.hull_energy(asked), by_linear_program(f, e, asked), rtol=0, atol=1e-9
    )


@settings(max_examples=25)
@given(st.integers(0, 10**9), st.integers(2, 4), st.sampled_from([2, 3, 6]))
def test_coplanar_and_repeated_phases_are_no_difficulty(seed, n_elements, denominator):
    rng = np.random.default_rng(seed)
    f, _ = random_phases(rng, n_elements, 12, denominator=denominator)
    # Few different energies: many phases lie in one plane, on one line, or on each other.
    e = -rng.integers(0, 3, size=len(f)) * (f.max(axis=1) < 1) * 0.5
    hull = ConvexHull(f, e, elements=NAMES[:n_elements])
    asked = np.concatenate([rng.dirichlet(np.ones(n_elements), size=8), f])
    np.testing.assert_allclose(
        hull.hull_energy(asked), by_linear_program(f, e, asked), rtol=0, atol=1e-9
    )
    assert (hull.energies_above >= 0).all()
    assert set(hull.vertices) <= set(np.flatnonzero(hull.is_stable))


def test_phase_diagrams_agree_with_pymatgen():
    pytest.importorskip("pymatgen.core")
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition

    rng = np.random.default_rng(5)
    space = enumerate_compositions(["Na", "Fe", "Mn", "O"], n_elements=[2, 3, 4], max_atoms=8)
    some = space.at(rng.choice(space.size, 120, replace=False))
    energies = rng.normal(-0.8, 0.5, size=len(some))
    hull = ConvexHull(some.compositions, energies, element_energies=0.0)
    entries = [PDEntry(Composition(name), 0.0) for name in space.elements]
    entries += [
        PDEntry(Composition(name), e * Composition(name).num_atoms)
        for name, e in zip(some.formulas, energies, strict=True)
    ]
    theirs = PhaseDiagram(entries)
    above = [theirs.get_e_above_hull(entry) for entry in entries[4:]]
    np.testing.assert_allclose(hull.energies_above, above, atol=1e-9)
    stable = {entry.composition.reduced_formula for entry in theirs.stable_entries}
    named = {Composition(some.formulas[i]).reduced_formula for i in hull.vertices}
    assert named == stable - {"Na", "Fe", "Mn", "O2"}
    every = space.candidates(0, 100)
    expected = [theirs.get_hull_energy_per_atom(Composition(name)) for name in every.formulas]
    np.testing.assert_allclose(hull.hull_energy(every.fractions), expected, atol=1e-9)
    for name, ours in zip(every.formulas, hull.decomposition(every.fractions), strict=True):
        found = {
            entry.composition.reduced_formula: share
            for entry, share in theirs.get_decomposition(Composition(name)).items()
        }
        ours = {Composition(phase).reduced_formula: share for phase, share in ours.items()}
        assert ours == pytest.approx(found, abs=1e-7)


@given(st.integers(0, 10**9))
def test_order_of_elements_and_scale_of_energies_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    f, e = random_phases(rng, 4, 15)
    asked = rng.dirichlet(np.ones(4), size=20)
    energies = rng.normal(size=20)
    above = ConvexHull(f, e, elements=NAMES[:4]).energy_above(asked, energies)
    order = rng.permutation(4)
    turned = ConvexHull(f[:, order], e, elements=[NAMES[j] for j in order])
    np.testing.assert_allclose(turned.energy_above(asked[:, order], energies), above, atol=1e-9)
    # Total instead of formation energies: each element is lower by its own amount.
    pure = np.array([-1.9, -8.3, -5.4, -4.9])
    total = ConvexHull(f, e + f @ pure, elements=NAMES[:4])
    np.testing.assert_allclose(total.energy_above(asked, energies + asked @ pure), above, atol=1e-9)


@given(st.integers(0, 10**9))
def test_a_phase_above_the_hull_changes_nothing_and_one_below_lowers_it(seed):
    rng = np.random.default_rng(seed)
    f, e = random_phases(rng, 3, 10)
    hull = ConvexHull(f, e, elements=NAMES[:3])
    new = rng.dirichlet(np.ones(3), size=1)
    asked = rng.dirichlet(np.ones(3), size=30)
    before, at_new = hull.hull_energy(asked), hull.hull_energy(new)
    for shift, same in ((0.1, True), (-0.1, False)):
        more = ConvexHull(
            np.concatenate([f, new]), np.concatenate([e, at_new + shift]), elements=NAMES[:3]
        )
        if same:
            np.testing.assert_allclose(more.hull_energy(asked), before, atol=1e-9)
            assert not more.is_stable[-1]
        else:
            assert (more.hull_energy(asked) <= before + 1e-9).all()
            assert more.is_stable[-1]
            assert hull.energy_above(new, at_new + shift)[0] == pytest.approx(-0.1)


def test_exact_at_the_phases_and_beside_them():
    f = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3]])
    e = np.array([0, 0, 0, -1.0, -1.2])
    hull = ConvexHull(f, e, elements=NAMES[:3])
    np.testing.assert_allclose(hull.hull_energy(f), e, atol=1e-12)
    beside = f[4] + 1e-9 * np.array([1, -2, 1])
    assert hull.hull_energy([beside])[0] == pytest.approx(-1.2, abs=1e-7)
    np.testing.assert_array_equal(hull.vertices, np.arange(5))
    np.testing.assert_array_equal(hull.is_known([[1 / 3, 1 / 3, 1 / 3], [0.4, 0.3, 0.3]]), [1, 0])


def test_one_element_and_a_system_without_phases():
    hull = ConvexHull([[1.0, 0], [1.0, 0], [0, 1.0]], [0.2, -0.1, 3.0], elements=["C", "N"])
    np.testing.assert_array_equal(hull.is_stable, [False, True, True])
    np.testing.assert_allclose(hull.energies_above, [0.3, 0, 0])
    assert hull.hull_energy([[0.5, 0.5]])[0] == pytest.approx(0.5 * -0.1 + 0.5 * 3.0)
    assert hull.decomposition([[0.25, 0.75]]) == ({"C": 0.25, "N": 0.75},)


def test_the_lowest_of_several_phases_of_one_composition_counts():
    f = [[1, 0], [0, 1], [0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]
    hull = ConvexHull(f, [0, 0, -0.4, -0.9, -0.9], elements=["Na", "Cl"])
    np.testing.assert_array_equal(hull.is_stable, [1, 1, 0, 1, 1])
    np.testing.assert_array_equal(hull.vertices, [0, 1, 3])


def test_an_element_without_energy_is_named():
    f = [[0.5, 0.5, 0], [1, 0, 0], [0, 0.5, 0.5]]
    with pytest.raises(DataError, match=r"pure element for Cl, K\..*element_energies=0"):
        ConvexHull(f, [-1, 0, -0.5], elements=["Na", "Cl", "K"])
    hull = ConvexHull(
        f, [-1, 0, -0.5], elements=["Na", "Cl", "K"], element_energies={"Cl": 0.0, "K": 0.1}
    )
    np.testing.assert_allclose(hull.element_energies, [0, 0, 0.1])
    alone = ConvexHull([[1, 0, 0]], [0.0], elements=["Na", "Cl", "K"])
    with pytest.raises(DataError, match="for Cl, K"):
        alone.hull_energy([[0.2, 0.4, 0.4]])


def test_rows_that_are_no_compositions_are_named_together():
    f = [[1, 0], [0, 1], [0.7, 0.7], [np.nan, 1.0], [0.5, 0.5]]
    with pytest.raises(DataError) as caught:
        ConvexHull(f, [0, 0, 0, 0, np.inf], elements=["Na", "Cl"])
    assert len(caught.value.faults) == 3
    assert "phase 2 sum to 1.4" in str(caught.value)
    assert "energy of phase 4 is inf" in str(caught.value)
    with pytest.raises(DataError, match="3 phases, but energies"):
        ConvexHull(np.eye(3), [0, 0], elements=NAMES[:3])
    with pytest.raises(DataError, match=r"shape \(n, 103\)"):
        ConvexHull(np.eye(3), [0, 0, 0])
    with pytest.raises(SettingsError, match="twice"):
        ConvexHull(np.eye(2), [0, 0], elements=["Na", "Na"])
    hull = ConvexHull(np.eye(2), [0, 0], elements=["Na", "Cl"])
    with pytest.raises(DataError, match="composition 1 sum"):
        hull.hull_energy([[0.5, 0.5], [0.5, 0.6]])
    with pytest.raises(DataError, match="1 compositions, but energies"):
        hull.energy_above([[0.5, 0.5]], [1.0, 2.0])


def test_more_than_eight_elements_are_linear_programs():
    rng = np.random.default_rng(3)
    n = facets_module.MOST_FACET_ELEMENTS + 1
    names = [f"element {j}" for j in range(n)]
    f, e = random_phases(rng, n, 12)
    hull = ConvexHull(f, e, elements=names)
    asked = rng.dirichlet(np.ones(n), size=5)
    np.testing.assert_allclose(
        hull.hull_energy(asked), by_linear_program(f, e, asked), rtol=0, atol=1e-9
    )


def test_where_qhull_fails_a_linear_program_answers(monkeypatch):
    rng = np.random.default_rng(4)
    f, e = random_phases(rng, 3, 30)
    asked = rng.dirichlet(np.ones(3), size=10)
    expected = ConvexHull(f, e, elements=NAMES[:3]).hull_energy(asked)
    monkeypatch.setattr(
        facets_module, "_hull_simplices", lambda f, e: np.empty((0, f.shape[1]), dtype=np.intp)
    )
    assert lower_facets(f, np.minimum(e, 0)) is None
    hull = ConvexHull(f, e, elements=NAMES[:3])
    np.testing.assert_allclose(hull.hull_energy(asked), expected, atol=1e-9)
    assert hull._systems[0, 1, 2].facets is None


def test_threads_share_one_hull_and_processes_get_a_copy():
    rng = np.random.default_rng(6)
    f, e = random_phases(rng, 6, 200, denominator=6)
    asked = rng.multinomial(5, np.full(6, 1 / 6), size=300) / 5
    expected = ConvexHull(f, e, elements=NAMES).hull_energy(asked)
    shared = ConvexHull(f, e, elements=NAMES)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: shared.hull_energy(asked[i::8]), range(8)))
    for i, part in enumerate(found):
        np.testing.assert_allclose(part, expected[i::8], rtol=0, atol=1e-12)
    copy = pickle.loads(pickle.dumps(shared))
    np.testing.assert_array_equal(copy.hull_energy(asked), expected)
    assert copy.digest == shared.digest
    assert copy.digest != ConvexHull(f, e + 1e-6, elements=NAMES).digest


def test_within_some_elements_it_is_the_same_hull():
    rng = np.random.default_rng(8)
    f, e = random_phases(rng, 5, 80, denominator=4)
    hull = ConvexHull(f, e, elements=NAMES[:5])
    inside = hull.within(["Li", "P", "O"])
    assert len(inside.energies) < len(hull.energies)
    asked = np.zeros((20, 5))
    asked[:, [0, 2, 3]] = rng.dirichlet(np.ones(3), size=20)
    np.testing.assert_array_equal(inside.hull_energy(asked), hull.hull_energy(asked))
    assert repr(hull) == "ConvexHull of 85 phases of 5 elements"
