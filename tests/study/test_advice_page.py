"""What docs/advice.md shows works as it stands there."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from matlever.study import StudySettings, run_study

pytestmark = pytest.mark.slow  # whole studies, or pages of them

PAGE = (Path(__file__).parents[2] / "docs" / "advice.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "temperature": random.uniform(90, 160, 24),
            "reaction time": random.uniform(3, 31, 24),
            "sultine": random.uniform(1, 6, 24),
            "solvent_ml": random.uniform(5, 20, 24),
            "solvent": random.choice(["toluene", "xylene"], 24),
        }
    )
    frame["product"] = 1 - ((frame["temperature"] - 120) / 60) ** 2 - 0.02 * frame["sultine"]
    frame.to_csv(folder / "runs.csv", index=False)
    return folder


def test_the_study_toml_and_the_python_of_the_page_run(runs, monkeypatch):
    monkeypatch.chdir(runs)
    toml = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1]
    head = (
        '[data]\nfile = "runs.csv"\ntargets = ["product"]\n[validation]\nfolds = 3\nrepeats = 1\n'
    )
    Path("study.toml").write_text(f"{head}three_numbers = false\n{toml}", encoding="utf-8")
    settings = StudySettings.from_toml("study.toml")
    study = run_study(settings, out="runs-study")
    space = study.editor.space
    assert (space["temperature"].step, space["sultine"].cost) == (5.0, 3.0)
    assert len(space.relations) == 1
    for entry in study.results["next"]["experiments"]:
        values = entry["settings"]
        assert values["temperature"] % 5 == 0
        assert values["reaction time"] <= 20
        assert values["sultine"] + 0.1 * values["solvent_ml"] <= 8 + 1e-5
    exec(re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1], {})
