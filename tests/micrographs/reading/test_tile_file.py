from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matlever.micrographs.reading._tile_file import TileFile


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3)])
def test_numpy_reads_what_was_appended(
    tmp_path: Path, dtype: type[np.generic], shape: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(0)
    batches = [rng.integers(0, 255, (n, *shape)).astype(dtype) for n in (3, 1, 4)]
    with TileFile(tmp_path / "t.npy", shape, np.dtype(dtype)) as file:
        for batch in batches:
            file.append(batch)
        np.testing.assert_array_equal(file.take([5, 0]), np.concatenate(batches)[[5, 0]])
    found = np.load(tmp_path / "t.npy", allow_pickle=False)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, np.concatenate(batches))


@given(kept=st.sets(st.integers(0, 19)), last=st.integers(0, 2))
def test_keeping_some_leaves_those_in_their_order(
    tmp_path_factory: pytest.TempPathFactory, kept: set[int], last: int
) -> None:
    path = tmp_path_factory.mktemp("t") / "t.npy"
    tiles = np.random.default_rng(0).integers(0, 255, (20, 3, 4), dtype=np.uint8)
    positions = sorted(kept)
    with TileFile(path, (3, 4), np.dtype(np.uint8)) as file:
        file.append(tiles)
        file.keep(positions)
        file.append(tiles[:last])
        assert len(file) == len(positions) + last
    mapped = np.load(path, mmap_mode="r" if len(positions) + last else None)
    np.testing.assert_array_equal(mapped, np.concatenate([tiles[positions], tiles[:last]]))
