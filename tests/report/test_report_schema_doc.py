"""docs/results.md names every entry that the documents hold, and no others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matlever.study import run_study, study_settings
from matlever.study.kinds import kind_of

pytestmark = pytest.mark.slow  # whole studies, or pages of them

DOCUMENT = Path(__file__).parents[2] / "docs" / "results.md"
FREE = ("settings", "libraries", "row_names")  # Their entries are named by the study.
WORDS = {
    "results.json", "matlever reproduce", "matlever-results/1", "matlever-reproduction/1", "null",
    "numeric", "categorical", "date", "input", "target", "ignored", "MAE", "MSE", "R2", "none",
    "weak", "useful", "strong", "+", "-", "mixed", "citations", "lime", "kernel", "linear", "log",
    "missing", "doubts",
}  # fmt: skip


def _keys(value: Any, name: str = "") -> set[str]:
    if isinstance(value, dict):
        inside = set() if name in FREE else set(value)
        return inside.union(*(_keys(part, key) for key, part in value.items() if name not in FREE))
    if isinstance(value, list):
        return set().union(*(_keys(part) for part in value))
    return set()


def _named() -> set[str]:
    written = DOCUMENT.read_text(encoding="utf-8")
    prose = re.sub(r"```.*?```", "", written, flags=re.DOTALL)
    return {word.strip('"') for word in re.findall(r"`([^`]+)`", prose)}


def test_every_entry_a_study_writes_is_documented(tmp_path: Path) -> None:
    rows = "".join(f"{k},{(7 * k) % 11},{k % 3},{k + k % 4}\n" for k in range(15))
    (tmp_path / "t.csv").write_text("a,b,lot,y\n" + rows)
    study = run_study(
        tmp_path / "t.csv", ["y"], group="lot", out=tmp_path / "out", folds=3, repeats=1
    )
    assert _keys(dict(study.results)) - _named() == set()


def test_every_entry_is_documented(documents: dict[str, Any], tmp_path: Path) -> None:
    named = _named()
    keys = _keys([documents[name] for name in ("photo", "hot_injection", "reproduction")])
    keys |= _keys([_facts_of_formulas(tmp_path), _facts_of_crystals(tmp_path)])
    assert keys - named == set()
    assert named - keys - WORDS == set()


def _facts_of_formulas(folder: Path) -> dict[str, Any]:
    rows = "".join(f"Fe{k}O{k + 1},{k}.5\n" for k in range(1, 9))
    (folder / "formulas.csv").write_text("formula,y\n" + rows)
    settings = study_settings(folder / "formulas.csv", ["y"], formula="formula")
    kind = kind_of(settings)
    kind.read(settings)
    return dict(kind.facts())


def _facts_of_crystals(folder: Path) -> dict[str, Any]:
    np.savez(
        folder / "cells.npz",
        lattice=np.stack([(3 + 0.1 * k) * np.eye(3) for k in range(8)]),
        natoms=np.full(8, 1),
        numbers=np.arange(20, 28),
        frac=np.zeros((8, 3)),
        y=np.arange(8.0),
    )
    settings = study_settings(folder / "cells.npz", ["y"])
    kind = kind_of(settings)
    kind.read(kind.settled(settings))
    return dict(kind.facts())
