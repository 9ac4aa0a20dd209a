import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "sklearn", "pandas", "scipy", "matplotlib", "pyarrow", "joblib")


def loaded_after(code: str) -> dict:
    """Run `code` in a fresh interpreter; return heavy libraries loaded and CPU seconds used."""
    script = (
        "import json, sys, time\n"
        "start = time.process_time()\n"
        f"{code}\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "code",
    [
        "import matlever",
        "import matlever.cli",
        "import matlever, matlever.tables, matlever.study, matlever.validation",
        "import matlever; dir(matlever)",
    ],
)
def test_importing_loads_no_heavy_library(code):
    assert loaded_after(code) == []


def test_every_public_name_exists():
    import matlever

    for name in matlever.__all__:
        assert getattr(matlever, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = matlever.no_such_name


@pytest.mark.parametrize(
    "package", ["tables", "study", "validation", "explanation", "report", "micrographs"]
)
def test_every_name_a_package_lists_exists(package):
    from importlib import import_module

    module = import_module(f"matlever.{package}")
    assert module.__all__
    for name in module.__all__:
        assert getattr(module, name) is not None
