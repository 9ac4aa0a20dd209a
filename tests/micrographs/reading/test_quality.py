from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from matlever.exceptions import DataError
from matlever.micrographs import QualityLimits, Tiles, poor_tiles, simulate_sem
from matlever.micrographs.reading.quality import REASONS, TileMeasures, judge_tiles, measure_tiles

# What the filter calls the kinds of bad tile that the simulator draws.
NAMES = {
    "black margin": {"black margin"},
    "empty": {"empty", "black margin"},
    "defocus": {"defocus"},
    "saturated": {"saturation"},
    "shifted half": {"shifted half"},
}


def texture(n: int, side: int = 64, scale: float = 1.5, seed: int = 0) -> NDArray[np.uint8]:
    """Return n isotropic random textures with a little noise."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.standard_normal((n, side, side)), (0, scale, scale))
    field = field / field.std() + 0.15 * rng.standard_normal(field.shape)
    return np.clip(128 + 35 * field, 0, 255).astype(np.uint8)


def tiles_of(images: NDArray[np.uint8], lot: NDArray[np.intp] | None = None) -> Tiles:
    lot = np.zeros(len(images), dtype=np.intp) if lot is None else lot
    names = tuple(f"L{k}" for k in range(int(lot.max()) + 1))
    return Tiles(images, np.zeros((len(images), 0)), (), lot, names)


@pytest.mark.parametrize("side", [32, 64, 128])
@pytest.mark.parametrize("scale", [1.0, 2.0, 4.0])
def test_good_textures_of_any_coarseness_are_kept(side: int, scale: float) -> None:
    reasons = poor_tiles(tiles_of(texture(40, side, scale)))
    assert (reasons == "").mean() >= 0.98


def test_coarse_lots_among_fine_ones_are_not_called_out_of_focus() -> None:
    images = np.concatenate([texture(40, scale=1.0), texture(40, scale=5.0, seed=1)])
    reasons = poor_tiles(tiles_of(images, np.repeat([0, 1], 40)))
    assert (reasons == "").all()


@pytest.mark.parametrize("edges", [("top",), ("left", "bottom"), ("right",)])
@pytest.mark.parametrize("shade", [0, 255])
def test_margins_of_one_shade_are_found(edges: tuple[str, ...], shade: int) -> None:
    images = texture(30)
    spoiled = images[3].copy()
    for edge in edges:
        rows = {
            "top": np.s_[:5],
            "bottom": np.s_[-5:],
            "left": np.s_[:, :5],
            "right": np.s_[:, -5:],
        }[edge]
        spoiled[rows] = shade
    images[3] = spoiled
    reasons = poor_tiles(tiles_of(images))
    assert reasons[3] == "black margin"
    assert (np.delete(reasons, 3) == "").all()


def test_empty_tiles_are_found_whatever_their_brightness() -> None:
    images = texture(40)
    noise = np.random.default_rng(5).standard_normal((3, 64, 64))
    images[:3] = np.clip(np.array([20, 120, 200])[:, None, None] + 3 * noise, 0, 255)
    images[3] = 77  # nothing at all
    reasons = poor_tiles(tiles_of(images))
    assert (reasons[:4] == "empty").all()
    assert (reasons[4:] == "").all()


def test_saturation_is_judged_against_the_lot() -> None:
    images = texture(60)
    images[30:] = np.clip(images[30:].astype(int) + 90, 0, 255)  # a lot that is bright throughout
    images[0] = np.clip(images[0].astype(int) + 110, 0, 255)
    reasons = poor_tiles(tiles_of(images, np.repeat([0, 1], 30)))
    assert reasons[0] == "saturation"
    assert (reasons[1:] == "").all()


def test_defocus_is_found_though_noise_is_as_fine_as_ever() -> None:
    images = texture(60, scale=1.0).astype(float)
    blurred = gaussian_filter(images[:2], (0, 3, 3))
    images[:2] = blurred + 5 * np.random.default_rng(1).standard_normal(blurred.shape)
    reasons = poor_tiles(tiles_of(np.clip(images, 0, 255).astype(np.uint8)))
    assert (reasons[:2] == "defocus").all()
    assert (reasons[2:] == "").all()


@pytest.mark.parametrize("lies", [True, False])
@pytest.mark.parametrize("side", [64, 128, 256])
def test_shifted_halves_are_found_either_way(lies: bool, side: int) -> None:
    images = texture(14, side, side / 30)
    half = images[:3] if lies else images[:3].swapaxes(1, 2)  # a view
    half[:, side // 2 :] = np.roll(half, side // 5, axis=2)[:, side // 2 :]
    reasons = poor_tiles(tiles_of(images))
    assert (reasons[:3] == "shifted half").all()
    assert (reasons[3:] == "").all()


def test_a_straight_edge_of_the_material_is_no_seam() -> None:
    images = texture(40, scale=2.0)
    images[:4, :, 32:] = np.clip(images[:4, :, 32:] * 0.5, 0, 255).astype(np.uint8)
    images[4:8, 30:33] = 250  # a bright lamella
    assert not (poor_tiles(tiles_of(images)) == "shifted half").any()


def test_tiles_too_small_for_seams_are_never_called_shifted() -> None:
    assert np.isneginf(measure_tiles(texture(5, 32)).seam).all()


def test_chunks_change_nothing() -> None:
    simulated = simulate_sem(2, 15, 64, bad_share=0.3, random_state=3)
    images = simulated.tiles.images
    whole = measure_tiles(images)
    parts = TileMeasures.joined([measure_tiles(images[i : i + 7]) for i in range(0, 30, 7)])
    for name in TileMeasures.__dataclass_fields__:
        np.testing.assert_allclose(getattr(whole, name), getattr(parts, name), rtol=1e-5, atol=1e-5)


def test_bits_and_equal_channels_change_nothing() -> None:
    images = texture(6)
    deep = measure_tiles(images.astype(np.uint16) * 257)
    colour = measure_tiles(np.repeat(images[..., None], 3, axis=3))
    for name in TileMeasures.__dataclass_fields__:
        expected = getattr(measure_tiles(images), name)
        np.testing.assert_allclose(getattr(deep, name), expected, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(getattr(colour, name), expected, rtol=1e-3, atol=1e-3)


def test_limits_can_be_moved() -> None:
    images = texture(30)
    images[0, :8] = 0
    tiles = tiles_of(images)
    assert poor_tiles(tiles)[0] == "black margin"
    assert poor_tiles(tiles, QualityLimits(margin=0.2))[0] == ""


def test_nothing_is_judged_of_no_tiles_and_too_small_ones_are_refused() -> None:
    assert len(poor_tiles(tiles_of(texture(3))[:0])) == 0
    with pytest.raises(DataError, match="Tiles of 8 px are too small"):
        poor_tiles(tiles_of(texture(3, 8)))


@pytest.mark.slow
def test_bad_tiles_of_unseen_seeds_are_found_and_good_ones_kept() -> None:
    """Seeds 0 to 9 served to choose the limits; these did not."""
    found, truth = [], []
    for seed in (1000, 1001, 1002):
        simulated = simulate_sem(8, 50, 64, bad_share=0.2, random_state=seed)
        found.append(poor_tiles(simulated.tiles))
        truth.append(simulated.truth["bad_kind"].fillna("").to_numpy(dtype=object))
    reasons, kinds = np.concatenate(found), np.concatenate(truth)
    is_bad = kinds != ""
    assert (reasons[is_bad] != "").mean() >= 0.95
    assert (reasons[~is_bad] != "").mean() <= 0.02
    for kind, names in NAMES.items():  # and the reason is the right one
        of_kind = reasons[(kinds == kind) & (reasons != "")]
        assert np.isin(of_kind, list(names)).mean() >= 0.95, kind


@pytest.mark.slow
def test_good_micrographs_of_steel_are_kept(data_dir: Path) -> None:
    from matlever.micrographs.reading._images import read_picture
    from matlever.micrographs.reading._tiling import tile_origins

    paths = sorted((data_dir / "images" / "uhcs").glob("uhcs????.png"))
    if not paths:
        pytest.skip("no micrographs of steel in the data folder")
    for side, most in ((128, 0.03), (256, 0.0)):
        images, lot = [], []
        for k, path in enumerate(paths):
            pixels = read_picture(path, path.name).pixels
            for top, left in tile_origins(*pixels.shape, side):
                images.append(pixels[top : top + side, left : left + side])
                lot.append(k)
        measures = measure_tiles(np.stack(images))
        for groups in (np.array(lot), np.zeros(len(lot), dtype=np.intp)):
            reasons = judge_tiles(measures, groups)
            assert set(reasons) <= {"", *REASONS}
            assert (reasons != "").mean() <= most, f"{side} px"
