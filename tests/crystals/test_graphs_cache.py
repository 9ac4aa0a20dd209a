"""Graphs are kept on disk, and built again when a file is not what it should be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matlever.crystals import Crystals, crystal_graphs
from matlever.crystals import graphs as module

CRYSTALS = Crystals.from_arrays(
    [4 * np.eye(3)], [2], [11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], ["salt"]
)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows whenever graphs are built."""
    calls: list[int] = []
    original = module.settled_neighbours

    def counted(*args: object) -> object:
        calls.append(1)
        return original(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "settled_neighbours", counted)
    return calls


def test_built_once_for_the_same_crystals_and_settings(tmp_path: Path, built: list[int]) -> None:
    first = crystal_graphs(CRYSTALS, cache=tmp_path)
    second = crystal_graphs(CRYSTALS, cache=tmp_path)
    assert len(built) == 1
    for name, array in first.to_arrays().items():
        np.testing.assert_array_equal(second.to_arrays()[name], array)
        assert second.to_arrays()[name].dtype == array.dtype
    crystal_graphs(CRYSTALS, n_neighbours=8, cache=tmp_path)
    moved = Crystals.from_arrays([4 * np.eye(3)], [2], [11, 17], [[0, 0, 0], [0.5, 0.5, 0.4]])
    crystal_graphs(moved, cache=tmp_path)
    assert len(built) == 3
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("damage", ["cut", "empty", "words", "other", "pickle"])
def test_a_damaged_file_is_built_again_with_a_warning(
    tmp_path: Path, built: list[int], damage: str
) -> None:
    crystal_graphs(CRYSTALS, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-400])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "words":
        path.write_text("these are no graphs")
    elif damage == "other":
        np.savez(path, digest=np.array("0" * 64))
    else:
        np.savez(path, digest=np.array([{"a": 1}], dtype=object))
    with pytest.warns(UserWarning, match="the graphs are built again"):
        crystal_graphs(CRYSTALS, cache=tmp_path)
    crystal_graphs(CRYSTALS, cache=tmp_path)
    assert len(built) == 2


def test_progress_counts_crystals() -> None:
    told: list[tuple[int, int, str]] = []
    crystal_graphs(CRYSTALS, progress=lambda *done: told.append(done))
    assert told[-1] == (1, 1, "crystals")
