"""Settings become points of the unit cube and back."""

from __future__ import annotations

import numpy as np

from matlever.knobs import Knob, KnobSpace
from matlever.recommendation._coordinates import Coordinates

SPACE = KnobSpace(
    [
        Knob("t", lower=20, upper=300),
        Knob("atmosphere", kind="categorical", levels=("air", "N2", "Ar")),
        Knob("day", lower=0, upper=1, fixed=True),
        Knob("still", lower=5, upper=5),
        Knob("n", kind="integer", lower=1, upper=5),
    ]
)
KNOWN = np.array([[20.0, 0, 3, 5, 1], [160, 2, 7, 5, 5]])


def test_settings_come_back():
    coordinates = Coordinates(SPACE, KNOWN)
    assert coordinates.knob.tolist() == [0, 1, 1, 1, 2, 4]  # "still" never moves
    values = SPACE.sample(50, 0)
    values[:, 2] = np.linspace(3, 7, 50)
    np.testing.assert_allclose(coordinates.decode(coordinates.encode(values), KNOWN[0]), values)


def test_scale_is_that_of_limits_or_of_the_data_of_a_fixed_knob():
    points = Coordinates(SPACE, KNOWN).encode(KNOWN)
    np.testing.assert_allclose(points[:, [0, 4, 5]], [[0, 3 / 7, 0], [0.5, 1, 1]])
    # Two different levels are 1 apart.
    np.testing.assert_allclose(np.linalg.norm(points[0, 1:4] - points[1, 1:4]), 1.0)
