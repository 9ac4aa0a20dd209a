import subprocess
import sys
import time

import pytest

from matlever.storage import atomic_folder, read_json, write_bytes, write_json


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def write_then_fail(folder):
    with atomic_folder(folder) as scratch:
        (scratch / "a").write_text("new")
        raise KeyError


def test_failed_write_leaves_the_old_file_and_no_scraps(tmp_path):
    path = tmp_path / "results.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError):
        write_json(path, {"a": float("nan")})
    assert read_json(path) == {"a": 1}
    assert names_in(tmp_path) == ["results.json"]


def test_failed_folder_leaves_the_old_folder_and_no_scraps(tmp_path):
    with atomic_folder(tmp_path / "model") as scratch:
        (scratch / "a").write_text("old")
    with pytest.raises(KeyError):
        write_then_fail(tmp_path / "model")
    assert (tmp_path / "model" / "a").read_text() == "old"
    assert names_in(tmp_path) == ["model"]
    with atomic_folder(tmp_path / "model") as scratch:
        (scratch / "b").write_text("new")
    assert names_in(tmp_path / "model") == ["b"]
    assert names_in(tmp_path) == ["model"]


def test_a_reader_never_sees_a_part_while_a_writer_is_killed(tmp_path):
    path = tmp_path / "big"
    write_bytes(path, b"0" * 10)
    code = (
        "import sys; from matlever.storage import write_bytes\n"
        "for i in range(10**6):\n"
        "    write_bytes(sys.argv[1], bytes([48 + i % 10]) * 3_000_000)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)])
    deadline = time.monotonic() + 5
    sizes = set()
    while time.monotonic() < deadline and len(sizes) < 2:
        content = path.read_bytes()
        sizes.add(len(content))
        assert len(set(content)) == 1
    process.kill()
    process.wait()
    content = path.read_bytes()
    assert len(content) in {10, 3_000_000}
    assert len(set(content)) == 1
