import pytest

from matlever.exceptions import SettingsError
from matlever.study.lots.settings import LotsSettings, is_lots_settings


def test_settings_come_back_from_their_file(tmp_path):
    asked = LotsSettings(
        folder=str(tmp_path / "lots"),
        target="peak_stress_psi",
        size=64,
        pixel_nm=256,
        editor=str(tmp_path / "editor"),
        goals={"peak_stress_psi": "1800.."},
        explain_lots=("A", "B"),
        correct=False,
    )
    file = tmp_path / "study" / "study.toml"
    file.parent.mkdir()
    file.write_text(asked.to_toml(file.parent), encoding="utf-8")
    assert LotsSettings.from_toml(file) == asked
    assert is_lots_settings(file)
    assert 'folder = "../lots"' in file.read_text(encoding="utf-8")


def test_what_cannot_be_is_named_together():
    with pytest.raises(SettingsError) as found:
        LotsSettings("x", size=3, level=1.5, turn_flagged=1, goals={"a": "max"}, budget=1)
    for part in ("size must be", "level must be", "turn_flagged", "give a number", "budget must"):
        assert part in str(found.value)


def test_unknown_settings_are_named_with_what_was_meant(tmp_path):
    with pytest.raises(SettingsError, match="did you mean 'epochs'"):
        LotsSettings("x").updated(epoch=3)
    file = tmp_path / "study.toml"
    file.write_text("[lots]\nfolder = 'a'\ntaget = 'b'\n[regresor]\nepochs = 2\n")
    with pytest.raises(SettingsError) as found:
        LotsSettings.from_toml(file)
    assert "did you mean 'target'" in str(found.value)
    assert "did you mean 'regressor'" in str(found.value)


def test_threads_do_not_change_the_key_and_the_seed_does():
    asked = LotsSettings("x")
    assert asked.digest("0", "1") == asked.updated(jobs=2, folder="y").digest("0", "1")
    assert asked.digest("0", "1") != asked.updated(seed=1).digest("0", "1")


def test_a_folder_is_a_folder_of_lots_and_a_table_is_not(tmp_path):
    assert is_lots_settings(tmp_path)
    table = tmp_path / "study.toml"
    table.write_text("[data]\nfile = 'runs.csv'\n")
    assert not is_lots_settings(table)
    assert not is_lots_settings("example:fullerenes")
