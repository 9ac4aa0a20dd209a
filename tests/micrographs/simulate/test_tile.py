"""A simulated tile: the same seed is the same packing, and one knob moves one attribute."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_laplace

from matlever.exceptions import SettingsError
from matlever.micrographs.simulate import ATTRIBUTES, BAD_KINDS, Scene, draw_tile

SEEDS = (9001, 9002, 9003, 9004)


def tile(seed=9001, side=64, bad=None, **turned):
    at = {"size": 0.5, "porosity": 0.4, "polydispersity": 0.5, "facetness": 0.5, **turned}
    return draw_tile(Scene(seed, side, tuple(at[name] for name in ATTRIBUTES), bad))


@pytest.mark.parametrize("knob", ATTRIBUTES)
@pytest.mark.parametrize("seed", SEEDS)
def test_turning_one_knob_moves_its_truth_and_leaves_the_others(knob, seed):
    values = np.linspace(0.05, 0.95, 7)
    truth = np.array([tile(seed, **{knob: v}).realised for v in values])
    j = ATTRIBUTES.index(knob)
    assert (np.diff(truth[:, j]) > 0).all()
    np.testing.assert_allclose(truth[:, j], values, atol=0.10)
    others = np.delete(truth, j, axis=1)
    assert np.ptp(others, axis=0).max() < 0.10


def test_the_same_scene_gives_the_same_bits_and_another_seed_another_picture():
    assert (tile(7).image == tile(7).image).all()
    assert (tile(7).image != tile(8).image).mean() > 0.5


def test_a_small_turn_keeps_the_packing():
    before, after = tile(7).image.astype(float), tile(7, porosity=0.42, size=0.505).image
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.9
    other = tile(8).image
    assert abs(np.corrcoef(before.ravel(), other.ravel())[0, 1]) < 0.4


def test_pores_appear_one_after_the_other_and_stay_where_they_are():
    few, many = tile(5, porosity=0.2).image.astype(int), tile(5, porosity=0.8).image.astype(int)
    darker, lighter = (few - many) > 25, (many - few) > 25
    assert darker.sum() > 40
    assert lighter.sum() < 0.05 * darker.sum()


def test_the_picture_shows_larger_crystals_at_a_larger_size():
    """The correlation length of the picture, which the simulator never computes."""

    def length(image):
        x = image - image.mean()
        power = np.abs(np.fft.fft2(x)) ** 2
        auto = np.fft.ifft2(power).real
        return int(np.argmax(auto[0] / auto[0, 0] < 0.3))

    lengths = [
        np.mean([length(tile(s, size=v, porosity=0.0).image) for s in SEEDS]) for v in (0, 0.5, 1)
    ]
    assert lengths[0] < lengths[1] < lengths[2]


def test_the_picture_shows_more_dark_spots_with_more_pores():
    def spots(image):
        return int((gaussian_laplace(image / 255.0, 0.8) > 0.1).sum())

    counts = [np.mean([spots(tile(s, porosity=v).image) for s in SEEDS]) for v in (0.1, 0.5, 0.9)]
    assert counts[0] < counts[1] < counts[2]


def test_ids_name_the_crystal_that_covers_a_pixel():
    found = tile(side=128)
    shown = np.unique(found.crystal_of_pixel)
    for number in shown[shown >= 0][::5]:
        rows, columns = np.nonzero(found.crystal_of_pixel == number)
        x, y, radius = found.crystals[number]
        assert np.hypot(columns - x, rows - y).max() < 1.4 * radius + 1.5


@pytest.mark.parametrize("side", [32, 128])
def test_the_field_of_view_is_the_same_for_every_size(side):
    """A tile of another size shows the same scene, so averaged down it looks the same."""
    coarse = tile(11, side=32, porosity=0.0).image.astype(float)
    fine = tile(11, side=side, porosity=0.0).image.astype(float)
    k = side // 32
    averaged = fine.reshape(32, k, 32, k).mean(axis=(1, 3))
    assert np.corrcoef(coarse.ravel(), averaged.ravel())[0, 1] > 0.6


@pytest.mark.parametrize(
    ("kind", "holds"),
    [
        ("black margin", lambda bad, good: (bad == 0).mean() > 0.03),
        ("empty", lambda bad, good: bad.mean() < 60 and bad.std() < 0.6 * good.std()),
        ("defocus", lambda bad, good: laplace(bad) < 0.5 * laplace(good)),
        ("saturated", lambda bad, good: (bad == 255).mean() > 0.1 + (good == 255).mean()),
        ("shifted half", lambda bad, good: 0.2 < (bad != good).mean() < 0.8),
    ],
)
def test_bad_tiles_are_bad_in_the_way_they_say(kind, holds):
    for seed in SEEDS:
        bad, good = tile(seed, bad=kind).image, tile(seed).image
        assert holds(bad, good), (kind, seed)
    assert kind in BAD_KINDS


def laplace(image):
    return gaussian_laplace(image / 255.0, 1.2).std()


def test_impossible_scenes_are_refused_with_the_attribute_named():
    with pytest.raises(SettingsError, match=r"porosity = 1\.2"):
        tile(porosity=1.2)
    with pytest.raises(SettingsError, match="8 px is too small"):
        tile(side=8)
    with pytest.raises(SettingsError, match="torn"):
        tile(bad="torn")
