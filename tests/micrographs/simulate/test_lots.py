"""Simulated lots: labels, noise and confounding as asked for."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from matlever.exceptions import DataError, SettingsError
from matlever.micrographs import ATTRIBUTES, ExactEditor, PeakStressLaw, simulate_sem, write_lots


@pytest.fixture(scope="module")
def lots():
    return simulate_sem(30, 6, 32, random_state=9100)


def test_every_tile_inherits_the_labels_of_its_lot(lots):
    assert lots.tiles.shape == (180, 32, 32)
    assert lots.tiles.labels[7] == "B/0001"
    means = lots.table[list(ATTRIBUTES)].to_numpy()
    np.testing.assert_array_equal(lots.tiles.attributes, means[lots.tiles.lot])
    np.testing.assert_array_equal(lots.of_tiles()[6:12], [lots.table.peak_stress_psi["B"]] * 6)


def test_labels_are_the_mean_of_experts_who_round_and_err_a_little(lots):
    experts = [lots.table[[f"{a}_expert{e}" for a in ATTRIBUTES]].to_numpy() for e in (1, 2)]
    for seen in experts:
        np.testing.assert_allclose(seen * 20, np.round(seen * 20), atol=1e-9)
    np.testing.assert_allclose(lots.tiles.attributes[::6], (experts[0] + experts[1]) / 2)
    error = experts[0] - lots.lot_truth[list(ATTRIBUTES)].to_numpy()
    assert 0.03 < error.std() < 0.055


def test_measured_stress_is_the_law_with_the_noise_of_a_test():
    many = simulate_sem(250, 1, 16, random_state=9101)
    exact = many.lot_truth[list(ATTRIBUTES)].to_numpy()
    error = many.property() - PeakStressLaw().stress(exact)
    assert abs(error.mean()) < 9
    assert 33 < error.std() < 47


@pytest.mark.parametrize("asked", [0.0, 0.7])
def test_confounding_ties_facetness_to_size_and_nothing_else(asked):
    for seed in range(9110, 9114):
        truth = simulate_sem(30, 1, 16, confounding=asked, random_state=seed).lot_truth
        r = truth[list(ATTRIBUTES)].corr(method="spearman").to_numpy().copy()
        assert r[0, 3] == pytest.approx(-asked, abs=0.25)
        r[0, 3] = r[3, 0] = 0
        assert np.abs(r - np.eye(4)).max() < 0.4


def test_the_same_seed_gives_the_same_bits():
    one, two = (simulate_sem(3, 4, 32, bad_share=0.3, random_state=9120) for _ in range(2))
    assert (one.tiles.images == two.tiles.images).all()
    pd.testing.assert_frame_equal(one.truth, two.truth)


def test_bad_tiles_are_flagged_in_the_truth():
    truth = simulate_sem(4, 100, 16, bad_share=0.25, random_state=9121).truth
    assert 0.18 < truth.is_bad.mean() < 0.32
    assert (truth.is_bad == (truth.bad_kind != "")).all()
    assert truth.bad_kind[truth.is_bad].value_counts().min() > 8


def test_the_exact_editor_gives_a_tile_back_at_the_values_of_its_lot(lots):
    editor, tiles = ExactEditor(), lots.tiles[::30]
    again = editor.render(tiles, editor.values(tiles)[:, None])
    assert (again.images == tiles.images).all()


def test_the_exact_editor_moves_a_tile_by_as_much_as_its_lot(lots):
    editor, tiles = ExactEditor(), lots.tiles[:2]
    asked = np.repeat(tiles.attributes[:, None], 3, axis=1)
    asked[:, :, 1] = np.clip(asked[:, :, 1] + [-0.05, 0.0, 0.05], 0, 1)
    exact = editor.tile_attributes(tiles, asked)
    own = lots.truth.loc[[0, 1], list(ATTRIBUTES)].to_numpy()
    np.testing.assert_allclose(exact[:, 1], own)
    np.testing.assert_allclose(editor.stress(tiles, asked)[:, 1], PeakStressLaw().stress(own))
    assert (np.diff(editor.stress(tiles, asked), axis=1) < 0).all()


def test_tiles_that_were_not_simulated_cannot_be_drawn_again(lots):
    from dataclasses import replace

    with pytest.raises(DataError, match="no scenes"):
        ExactEditor().render(replace(lots.tiles[:1], scenes=None), np.full((1, 1, 4), 0.5))


def test_written_lots_are_what_a_laboratory_keeps(tmp_path, lots):
    folder = write_lots(lots, tmp_path / "lots")
    table = pd.read_csv(folder / "lots.csv", index_col="lot", comment="#")
    assert (folder / "lots.csv").read_text().startswith("# simulated: ")
    assert list(table.columns[:3]) == ["peak_stress_psi", "size_expert1", "size_expert2"]
    assert len(list(folder.glob("*/*.png"))) == 180
    np.testing.assert_array_equal(
        np.asarray(Image.open(folder / "B" / "0001.png")), lots.tiles.images[7]
    )
    with pytest.raises(SettingsError, match="not empty"):
        write_lots(lots, folder)


def test_impossible_numbers_are_refused():
    with pytest.raises(SettingsError, match="n_lots=1"):
        simulate_sem(1, 5, 32)
    with pytest.raises(SettingsError, match=r"confounding=1\.0"):
        simulate_sem(5, 5, 32, confounding=1.0)
