"""Checks of hypothetical crystals find what cannot be, and leave known crystals alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matlever.crystals import Crystals, check_crystals, read_crystals
from matlever.exceptions import SettingsError


def salt(edge: float = 3.3, numbers: tuple[int, int] = (55, 17)) -> Crystals:
    return Crystals.from_arrays(
        [edge * np.eye(3)], [2], numbers, [[0, 0, 0], [0.5, 0.5, 0.5]], ["salt"]
    )


def test_atoms_that_are_too_close() -> None:
    assert check_crystals(salt(4.1)) == [()]
    (reasons,) = check_crystals(salt(2.4), volume=(0.01, 10))
    assert len(reasons) == 1
    # Cs-Cs: 2.40 A, radii 2.44 A each; Cs-Cl: 2.08 A, radii 2.44 and 1.02 A.
    assert reasons[0] == "Cs and Cs are 2.40 Angstrom apart, 0.49 of the sum of their radii"


def test_volumes_out_of_proportion() -> None:
    (dense,) = check_crystals(salt(2.6), closest=0.1)
    assert "8.8 cubic Angstrom for each atom" in dense[0]
    (thin,) = check_crystals(salt(12.0))
    assert "864.0 cubic Angstrom for each atom" in thin[0]


@pytest.mark.parametrize(
    ("numbers", "neutral"), [((55, 17), True), ((55, 8), False), ((20, 8), True), ((29, 30), True)]
)
def test_charge(numbers: tuple[int, int], neutral: bool) -> None:
    limits = {"closest": 0.01, "volume": (1e-3, 1e3)}
    (reasons,) = check_crystals(salt(4.1, numbers), charge=True, **limits)
    assert (not reasons) == neutral
    assert check_crystals(salt(4.1, numbers), **limits) == [()]


def test_nothing_is_said_of_known_crystals(data_dir: Path) -> None:
    for name in ("perov_5", "carbon_24"):
        crystals, _ = read_crystals(data_dir / "tables" / f"crystals_{name}.npz")
        assert not any(check_crystals(crystals[::5]))


def test_none_and_wrong_limits() -> None:
    assert check_crystals(salt()[[]]) == []
    with pytest.raises(SettingsError, match="rising"):
        check_crystals(salt(), volume=(2, 1))
    with pytest.raises(SettingsError, match="closest"):
        check_crystals(salt(), closest=0)
