import shlex

import click
import pytest

from matlever.cli.lots import split_options
from matlever.cli.main import study
from matlever.study.lots.command import lots_command
from matlever.study.lots.settings import LotsSettings


@pytest.mark.parametrize(
    "asked",
    [
        LotsSettings("lots"),
        LotsSettings("my lots", target="peak_stress_psi", size=64, pixel_nm=256.0, seed=3),
        LotsSettings("lots", goals={"peak_stress_psi": (1800.0, None)}, explain_lots=("A", "B")),
        LotsSettings("lots", editor="train", editor_minutes=2.5, epochs=3, fixed=("size",)),
    ],
)
def test_the_command_asks_for_the_same_study(asked):
    words = shlex.split(lots_command(asked))
    assert words[:2] == ["matlever", "study"]
    context = study.make_context("study", words[2:])
    given = {
        k: v for k, v in context.params.items() if k not in ("out", "as_json", "quiet", "force")
    }
    assert given.pop("file") == asked.folder
    of_tables, own = split_options(given)
    assert LotsSettings(asked.folder).updated(**of_tables, **own) == asked
    assert isinstance(context, click.Context)


def test_settings_without_an_option_are_in_the_file():
    assert lots_command(LotsSettings("lots", correct=False)) == "matlever study study.toml"
