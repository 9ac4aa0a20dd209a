"""Every example runs as a script and prints something."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(script, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_readme_shows_code_that_runs():
    root = Path(__file__).parents[2]
    readme = (root / "README.md").read_text(encoding="utf-8")
    blocks = [part.split("```")[0] for part in readme.split("```python\n")[1:]]
    assert len(blocks) == 2
    for block, name in zip(blocks, ("table_to_report", "explain_your_own_model"), strict=True):
        script = (root / "examples" / f"{name}.py").read_text(encoding="utf-8")
        plain = "\n".join(line.split("  #")[0].strip() for line in script.splitlines())
        for line in block.strip().splitlines():
            assert line.split("  #")[0].strip() in plain
