"""A screening that was killed goes on, and ends with the same files to the byte."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest

from matlever.compositions import ConvexHull, Screening, enumerate_compositions, screen
from matlever.exceptions import StudyError

SCRIPT = """
import sys, time
import numpy as np
from matlever.compositions import ConvexHull, enumerate_compositions, screen

def law(fractions):
    time.sleep(float(sys.argv[2]))
    return np.sin(fractions @ np.arange(103))

space = enumerate_compositions(["Na", "Mg", "Al", "Si", "O"], n_elements=[3, 4], max_atoms=9)
hull = ConvexHull(np.eye(103), np.zeros(103))
screen(space, law, hull=hull, below=-0.2, best=50, chunk=100, out=sys.argv[1],
       workers=int(sys.argv[3]))
"""


def law(fractions):
    return np.sin(fractions @ np.arange(103))


def files_of(folder):
    """Return the bytes of every file of a screening by name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize(
    "workers",
    [pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.nightly)],
)
def test_killed_at_any_moment_it_resumes_to_the_same_bytes(tmp_path, workers):
    words = [sys.executable, "-c", SCRIPT]
    killed = tmp_path / "killed"
    child = subprocess.Popen([*words, str(killed), "0.05", str(workers)])
    try:
        for _ in range(1200):
            if len(list(killed.glob("parts/part-*.parquet"))) >= 4:
                break
            time.sleep(0.05)
            assert child.poll() is None
    finally:
        child.kill()
        child.wait()
    time.sleep(0.5)  # what processes of a killed parent have begun
    done = len(list(killed.glob("parts/part-*.parquet")))
    with pytest.raises(StudyError, match="of 15 chunks"):
        Screening.load(killed)
    assert 4 <= done < 15
    subprocess.run([*words, str(killed), "0", str(workers)], check=True)
    whole = tmp_path / "whole"
    subprocess.run([*words, str(whole), "0", "1"], check=True)
    assert files_of(killed) == files_of(whole)
    assert Screening.load(killed).n_kept == 50


def test_missing_chunks_are_made_again_and_nothing_else(tmp_path):
    space = enumerate_compositions(["Na", "Mg", "Al", "Si", "O"], n_elements=[3], max_atoms=9)
    hull = ConvexHull(np.eye(103), np.zeros(103))
    out = tmp_path / "out"
    options = {"hull": hull, "below": -0.2, "chunk": 100, "out": out}
    screen(space, law, **options)
    before = files_of(out)
    (out / "parts" / "part-000002.parquet").unlink()
    (out / "parts" / ".part-000002.parquet.x1.part").write_bytes(b"half a file")
    times = {path: path.stat().st_mtime_ns for path in out.glob("parts/part-*.parquet")}
    again = screen(space, law, **options)
    assert files_of(out) == before
    assert all(path.stat().st_mtime_ns == then for path, then in times.items())
    assert again.n_candidates == len(space)
    tables = [pq.read_table(path) for path in sorted(out.glob("parts/*.parquet"))]
    assert sum(map(len, tables)) == again.n_kept
    assert sum(map(len, again.tables())) == again.n_kept
    assert list(tables[0].column_names) == [
        "number",
        "formula",
        "prediction",
        "energy_above_hull",
        "is_known",
    ]


def test_a_damaged_manifest_is_said(tmp_path):
    space = enumerate_compositions(["Na", "O"], n_elements=2, max_atoms=9)
    out = tmp_path / "out"
    screen(space, law, best=3, out=out)
    manifest = out / "screening.json"
    manifest.write_text(manifest.read_text("utf-8").replace("screening/1", "screening/9"), "utf-8")
    with pytest.raises(StudyError, match="this version reads"):
        Screening.load(out)
    manifest.write_text("{", encoding="utf-8")
    with pytest.raises(StudyError, match="damaged"):
        screen(space, law, best=3, out=out)
