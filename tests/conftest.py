"""Fixtures that every folder of tests shares."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "ci",
    deadline=None,  # the machine may be busy; no test asserts a time
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    print_blob=True,
)
settings.register_profile(
    "thorough", settings.get_profile("ci"), derandomize=False, max_examples=2000
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

_HERE = Path(__file__).resolve().parent


def _module(path: Path) -> ModuleType:
    """Return a helper module beside the tests, loaded once."""
    name = f"matlever_test_helpers_{path.stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Return the folder of public data that is too large for the package.

    It is named by MATLEVER_DATA; by default it is ``shared/data`` beside the repository.
    """
    folder = Path(os.environ.get("MATLEVER_DATA", _HERE.parent.parent / "shared" / "data"))
    if not (folder / "tables").is_dir():
        pytest.skip(f"no data folder at {folder}: set MATLEVER_DATA to the folder with tables/")
    return folder


@pytest.fixture
def broken_corpus(tmp_path: Path) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Return, for each broken table by name, its path and the keywords of ``read_table``.

    The keywords always hold ``targets`` (a list) and may hold ``group`` (a header) and ``inputs``.
    """
    tables = _module(_HERE / "tables" / "broken_tables.py")
    return {name: tables.build(name, tmp_path / name.replace(" ", "_")) for name in tables.BROKEN}


@pytest.fixture
def broken_case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, dict[str, Any], Any]:
    """Return path, keywords and expected words of one broken table; runs once for each."""
    tables = _module(_HERE / "tables" / "broken_tables.py")
    path, keywords = tables.build(request.param, tmp_path)
    return path, keywords, tables.BROKEN[request.param].says


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for ``broken_case`` once for each broken table."""
    if "broken_case" in metafunc.fixturenames:
        names = list(_module(_HERE / "tables" / "broken_tables.py").BROKEN)
        metafunc.parametrize("broken_case", names, indirect=True)
