"""Each broken table gives one clear message, and nothing but a DataError."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matlever.exceptions import DataError
from matlever.tables.read import read_table


def test_broken_table_is_refused_with_file_place_and_remedy(
    broken_case: tuple[Path, dict[str, Any], tuple[str, ...]],
) -> None:
    path, keywords, says = broken_case
    before = {entry: entry.stat().st_size for entry in path.parent.rglob("*")}
    with pytest.raises(DataError) as caught:
        read_table(path, **keywords)
    message = str(caught.value)
    for words in (path.name, *says):
        assert words in message
    assert caught.value.faults, "every fault carries its parts"
    assert all(fault.file == str(path) and fault.remedy for fault in caught.value.faults)
    assert "Traceback" not in message
    assert {entry: entry.stat().st_size for entry in path.parent.rglob("*")} == before


def test_corpus_is_large_and_every_file_is_there_to_be_read(
    broken_corpus: dict[str, tuple[Path, dict[str, Any]]],
) -> None:
    assert len(broken_corpus) >= 40
    missing = [name for name, (path, _) in broken_corpus.items() if not path.exists()]
    assert missing == ["missing file", "missing folder"]
