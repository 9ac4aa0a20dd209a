"""What explains, sweeps and searches knobs does so for crystals: exact for the density."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matlever.compositions.elements import element_properties
from matlever.crystals import CrystalEditor, Crystals, read_crystals
from matlever.explanation import counterfactual, explain, sweep

PER_CUBIC_ANGSTROM = 1.66053906660  # from g/mol and A^3 to g/cm^3
MASS = element_properties()["AtomicWeight"]


def density(crystals: Crystals) -> np.ndarray:
    return crystals.amounts @ MASS / crystals.volumes * PER_CUBIC_ANGSTROM


@pytest.fixture
def salts() -> Crystals:
    pairs = [(11, 17), (19, 17), (37, 35), (55, 53), (3, 9), (11, 9)]
    edges = [3.4, 3.8, 4.1, 4.5, 2.5, 2.9]
    return Crystals.from_arrays(
        np.array(edges)[:, None, None] * np.eye(3),
        [2] * 6,
        np.ravel(pairs),
        [[0, 0, 0], [0.5, 0.5, 0.5]] * 6,
        ["NaCl", "KCl", "RbBr", "CsI", "LiF", "NaF"],
    )


@pytest.fixture
def editor(salts: Crystals) -> CrystalEditor:
    sites = {"cation": [0], "anion": [1]}
    return CrystalEditor.from_crystals(salts, sites=sites, rescale=False)


def test_a_sweep_of_the_strain_is_the_law_of_the_density(
    salts: Crystals, editor: CrystalEditor
) -> None:
    seen = sweep(density, editor, salts, ["volume strain", "cation"])
    strain = seen["volume strain"]
    expected = density(salts)[:, None] / (1 + strain.values / 100)
    np.testing.assert_allclose(strain.individual, expected, rtol=1e-12)
    cation = seen["cation"]
    heavier = MASS[[2, 10, 18, 36, 54]]
    anion = MASS[salts.numbers[1::2] - 1]
    expected = (heavier + anion[:, None]) / salts.volumes[:, None] * PER_CUBIC_ANGSTROM
    np.testing.assert_allclose(cation.individual, expected, rtol=1e-12)


def test_local_weights_are_the_derivative(salts: Crystals) -> None:
    sites = {"cation": [0], "anion": [1]}
    editor = CrystalEditor.from_crystals(salts, sites=sites, fixed=["cation", "anion"])
    found = explain(density, editor, salts)  # without a reference: the editor says how far
    slope = found.slope[:, editor.space.names.index("volume strain")]
    np.testing.assert_allclose(slope, -density(salts) / 100, rtol=0.02)
    assert any("not relaxed" in words for words in found.warnings)


def test_every_knob_gets_a_weight(salts: Crystals, editor: CrystalEditor) -> None:
    found = explain(density, editor, salts[:1])
    weights = dict(zip(editor.space.names, np.abs(found.contribution[0]), strict=True))
    assert min(weights.values()) > 0
    assert set(weights) == {"volume strain", "cation", "anion"}


def test_a_counterfactual_reaches_a_density_by_the_strain_that_it_takes(
    salts: Crystals, editor: CrystalEditor
) -> None:
    goal = density(salts[:1])[0] / 1.04
    found = counterfactual(
        density, editor, salts[:1], float(goal), hold=["cation", "anion"], tolerance=1e-3
    )
    assert found.reached.all()
    np.testing.assert_allclose(found.settings[0, 0], 4.0, atol=0.15)
    np.testing.assert_allclose(found.prediction.ravel(), goal, atol=1e-3)


def test_a_counterfactual_beyond_the_strain_takes_another_element(
    salts: Crystals, editor: CrystalEditor
) -> None:
    start = density(salts[:1])[0]
    found = counterfactual(density, editor, salts[:1], (2 * start, 3 * start))
    assert found.reached.all()
    assert found.changed[0, 1:].any()


def test_known_perovskites_at_their_own_elements(data_dir: Path) -> None:
    crystals, _ = read_crystals(data_dir / "tables" / "crystals_perov_5.npz")
    sites = [f"site {j}" for j in range(1, 6)]
    editor = CrystalEditor.from_crystals(crystals, fixed=sites)
    found = explain(density, editor, crystals[:3])
    assert found.rows == crystals.ids[:3]
    np.testing.assert_allclose(found.slope[:, 0], -density(crystals[:3]) / 100, rtol=0.02)
    free = CrystalEditor.from_crystals(crystals)
    everything = explain(density, free, crystals[:3], reference=crystals)
    assert np.isfinite(everything.slope).all()
