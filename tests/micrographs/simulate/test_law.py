"""The law of peak stress against finite differences and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matlever.exceptions import DataError
from matlever.micrographs import PeakStressLaw

inside = st.lists(st.floats(0.02, 0.98), min_size=4, max_size=4)


@given(inside)
@settings(max_examples=60, deadline=None)
def test_gradient_agrees_with_central_differences(attributes):
    law, a, h = PeakStressLaw(), np.array([attributes]), 1e-5
    steps = h * np.eye(4)
    numeric = (law.stress(a + steps) - law.stress(a - steps)) / (2 * h)
    np.testing.assert_allclose(law.gradient(a)[0], numeric, rtol=1e-7)


def test_stress_of_a_material_worked_out_by_hand():
    # D/D0 = 0.5 * 4^1 = 2; (900 + 800/sqrt 2) e^{0.35/2} (1 - 0.08 + 0.05)
    by_hand = (900 + 800 / np.sqrt(2)) * np.exp(0.175) * 0.97
    assert PeakStressLaw().stress([[1.0, 0.0, 0.0, 1.0]])[0] == pytest.approx(by_hand, rel=1e-12)


@given(inside)
@settings(max_examples=30, deadline=None)
def test_size_and_porosity_weaken_spread_and_faces_strengthen(attributes):
    assert (np.sign(PeakStressLaw().gradient([attributes])[0]) == [-1, -1, 1, 1]).all()


def test_attributes_of_another_number_are_refused():
    with pytest.raises(DataError, match="size, porosity, polydispersity, facetness"):
        PeakStressLaw().stress([[0.5, 0.5, 0.5]])
