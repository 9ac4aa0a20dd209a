from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

pytest.importorskip("skimage")

import tifffile
from PIL import Image

from matlever.exceptions import DataError, NotEnoughDataError, SettingsError
from matlever.micrographs import Lots, read_lots, simulate_sem, write_lots

TABLE = """lot,stress,size_expert1,size_expert2
AB,1200,0.2,0.3
CD,1500,0.6,0.8
EF,1300,0.5,0.4
"""


def picture(seed: int, height: int = 32, width: int = 32) -> NDArray[np.uint8]:
    """Return a texture that no quality filter has anything against."""
    field = gaussian_filter(np.random.default_rng(seed).standard_normal((height, width)), 1.2)
    return np.clip(128 + 40 * field / field.std(), 0, 255).astype(np.uint8)


def save(path: Path, pixels: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels)
    else:
        Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of three lots with four tiles of 32 px each."""
    there = tmp_path / "lots"
    for k, lot in enumerate(("AB", "CD", "EF")):
        for i in range(4):
            save(there / lot / f"{i:04d}.png", picture(10 * k + i))
    (there / "lots.csv").write_text(TABLE)
    return there


def faults_of(folder: Path, **options: Any) -> tuple[type[DataError], list[str]]:
    with pytest.raises(DataError) as caught:
        read_lots(folder, **options)
    return type(caught.value), [str(fault) for fault in caught.value.faults]


# -- what is read ---------------------------------------------------------------------------------


def test_tiles_and_table_belong_together(folder: Path) -> None:
    lots = read_lots(folder)
    assert lots.tiles.shape == (12, 32, 32)
    assert lots.lot_names == ("AB", "CD", "EF") == tuple(lots.table.index)
    assert lots.property_names == ("stress",)
    assert lots.attribute_names == lots.tiles.names == ("size",)
    assert lots.tiles.lot.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert lots.tiles.labels is not None
    assert lots.tiles.labels[5] == "CD/0001"
    np.testing.assert_array_equal(lots.tiles.images[5], picture(11))
    np.testing.assert_allclose(lots.tiles.attributes[4:8, 0], 0.7)
    np.testing.assert_allclose(lots.of_tiles("stress")[::4], lots.property("stress"))
    assert len(lots.report) == 0
    with pytest.raises(DataError, match="no property 'strain'; there are 'stress', 'size'"):
        lots.property("strain")


def test_pictures_are_mapped_from_the_disk_and_cannot_be_changed(folder: Path) -> None:
    lots = read_lots(folder)
    assert isinstance(lots.tiles.images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        lots.tiles.images[0, 0, 0] = 1


def test_the_temporary_folder_goes_with_the_lots(folder: Path) -> None:
    lots = read_lots(folder)
    kept = Path(str(lots.tiles.images.filename))  # type: ignore[attr-defined]
    assert kept.exists()
    del lots
    gc.collect()
    assert not kept.exists()


def test_loose_pictures_are_of_the_lot_their_name_begins_with(tmp_path: Path) -> None:
    (tmp_path / "lots.csv").write_text("lot,stress\nA,1\nA_2,2\n")
    for name in ("A_0001.png", "A_2_0001.png", "a-0002.png", "A_2_0002.png"):
        save(tmp_path / name, picture(len(name)))
    lots = read_lots(tmp_path)
    assert lots.tiles.labels is not None
    assert list(lots.tiles.labels) == ["A/A_0001", "A/a-0002", "A_2/A_2_0001", "A_2/A_2_0002"]


def test_lots_without_attributes_can_be_read(folder: Path) -> None:
    (folder / "lots.csv").write_text("lot,stress\nAB,1200\nCD,1500\nEF,1300\n")
    lots = read_lots(folder)
    assert lots.attribute_names == ()
    assert lots.tiles.attributes.shape == (12, 0)
    assert "none: tiles can be predicted, but not edited" in lots.summary()


def test_mosaics_are_cut_into_tiles_with_overlap(folder: Path) -> None:
    mosaic = picture(99, 80, 70)
    save(folder / "AB" / "mosaic.tif", mosaic)
    lots = read_lots(folder, tile_px=32, overlap=0.5)
    tiles = lots.tiles.of_lot("AB")
    assert tiles.labels is not None
    assert len(tiles) == 4 + 4 * 3
    np.testing.assert_array_equal(
        tiles.images[list(tiles.labels).index("AB/mosaic@16,32")], mosaic[16:48, 32:64]
    )
    assert any("cut into" in note and "overlapping by 50 %" in note for note in lots.notes)


def test_pictures_are_scaled_down_before_they_are_cut(folder: Path) -> None:
    from skimage.measure import block_reduce

    lots = read_lots(folder, downscale=2, tile_px=16, quality=False)
    assert lots.tiles.shape == (12, 16, 16)
    np.testing.assert_array_equal(
        lots.tiles.images[0], np.rint(block_reduce(picture(0), 2, np.mean))
    )


def test_scale_bars_are_cut_off(folder: Path) -> None:
    bar = np.zeros((12, 32), dtype=np.uint8)
    bar[4:8, 3:12] = 255
    for path in sorted(folder.glob("*/*.png")):
        save(path, np.concatenate([np.asarray(Image.open(path)), np.tile(picture(3), (2, 1)), bar]))
    for crop in ("auto", 12):
        lots = read_lots(folder, crop_bottom_px=crop, tile_px=32)
        assert lots.tiles.shape == (36, 32, 32)
    assert any(
        "strip of 12 rows was cut off" in n
        for n in read_lots(folder, crop_bottom_px="auto", tile_px=32).notes
    )


def test_bits_are_kept_and_mixed_with_a_note(folder: Path) -> None:
    deep = picture(50).astype(np.uint16) * 257
    save(folder / "AB" / "deep.tif", deep + 3)
    save(folder / "CD" / "float.tif", (deep / 65535).astype(np.float32))
    lots = read_lots(folder)
    assert lots.tiles.images.dtype == np.uint16
    tiles = lots.tiles.of_lot("AB")
    np.testing.assert_array_equal(tiles.images[-1], deep + 3)
    np.testing.assert_array_equal(tiles.images[0], picture(0).astype(np.uint16) * 257)
    np.testing.assert_array_equal(lots.tiles.of_lot("CD").images[-1], deep)
    assert any("12 pictures of 8 bits" in note for note in lots.notes)


def test_intensity_says_what_is_white(folder: Path) -> None:
    for path in sorted(folder.glob("*/*.png")):
        save(path.with_suffix(".tif"), np.asarray(Image.open(path)).astype(np.uint16) * 16)
        path.unlink()
    lots = read_lots(folder, intensity=(0, 255 * 16))
    np.testing.assert_allclose(lots.tiles.unit()[0], picture(0) / 255, atol=1e-4)


def test_alpha_is_dropped_and_counted(folder: Path) -> None:
    for path in sorted(folder.glob("AB/*.png")):
        Image.open(path).convert("RGBA").save(path)
    lots = read_lots(folder)
    assert lots.tiles.channels == 1
    assert "4 pictures had an alpha channel, which was dropped" in lots.notes
    np.testing.assert_array_equal(lots.tiles.images[0], picture(0))


def test_colour_is_kept(folder: Path) -> None:
    for k, path in enumerate(sorted(folder.glob("*/*.png"))):
        save(path, np.stack([picture(k), picture(k + 50), picture(k + 100)], axis=2))
    assert read_lots(folder).tiles.channels == 3
    assert read_lots(folder, colour=False).tiles.channels == 1


def test_a_simulated_folder_says_so_and_comes_back(tmp_path: Path) -> None:
    simulated = simulate_sem(3, 12, 32, bad_share=0.2, random_state=11)
    write_lots(simulated, tmp_path / "sem")
    lots = read_lots(tmp_path / "sem", quality=False)
    assert lots.simulated
    assert "simulated" in repr(lots)
    np.testing.assert_array_equal(lots.tiles.images, simulated.tiles.images)
    np.testing.assert_array_equal(lots.tiles.lot, simulated.tiles.lot)
    np.testing.assert_allclose(lots.tiles.attributes, simulated.tiles.attributes, atol=1e-9)
    assert lots.attribute_names == tuple(simulated.attribute_names)
    assert lots.property_names == tuple(simulated.property_names)


def test_dropped_tiles_are_counted_by_lot_and_reason(folder: Path) -> None:
    save(folder / "CD" / "0007.png", np.full((32, 32), 20, dtype=np.uint8))
    margin = picture(77)
    margin[:, :9] = 0
    save(folder / "EF" / "0008.png", margin)
    lots = read_lots(folder)
    counts = lots.report.counts()
    assert counts.loc["CD", ["read", "kept", "empty"]].tolist() == [5, 4, 1]
    assert counts.loc["EF", ["read", "kept", "black margin"]].tolist() == [5, 4, 1]
    assert [(t.file, t.reason) for t in lots.report.dropped] == [
        ("CD/0007.png", "empty"),
        ("EF/0008.png", "black margin"),
    ]
    np.testing.assert_array_equal(lots.report.images[1], margin)
    assert lots.tiles.shape[0] == 12
    assert read_lots(folder, quality=False).tiles.shape[0] == 14
    assert "2 of 14 tiles dropped: empty 1, black margin 1" in lots.summary()


def test_progress_counts_pictures(folder: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    read_lots(folder, progress=lambda *step: seen.append(step))
    assert seen[-1] == (12, 12, "picture")


# -- the cache ------------------------------------------------------------------------------------


def same(a: Lots, b: Lots) -> bool:
    return (
        np.array_equal(a.tiles.images, b.tiles.images)
        and a.sha256 == b.sha256
        and a.notes == b.notes
        and a.tiles.labels == b.tiles.labels
        and a.report.counts().equals(b.report.counts())
    )


def test_a_cache_is_used_again_while_nothing_changed(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    save(folder / "CD" / "0007.png", np.full((32, 32), 20, dtype=np.uint8))
    first = read_lots(folder, cache=cache)
    written = (cache / "tiles.npy").stat().st_mtime_ns
    assert same(first, read_lots(folder, cache=cache))
    assert (cache / "tiles.npy").stat().st_mtime_ns == written
    # A number in the table needs no decoding ...
    (folder / "lots.csv").write_text(TABLE.replace("1300", "1350"))
    changed = read_lots(folder, cache=cache)
    assert changed.property("stress")[2] == 1350
    assert changed.sha256 != first.sha256
    assert (cache / "tiles.npy").stat().st_mtime_ns == written
    # ... another picture does, and so do other settings.
    save(folder / "AB" / "0003.png", picture(500))
    os.utime(folder / "AB" / "0003.png", ns=(1, 1))
    np.testing.assert_array_equal(read_lots(folder, cache=cache).tiles.images[3], picture(500))
    assert len(read_lots(folder, cache=cache, quality=False).tiles) == 13


@pytest.mark.parametrize("name", ["tiles.npy", "lots.json", "dropped.npy"])
def test_a_damaged_cache_is_made_again(folder: Path, tmp_path: Path, name: str) -> None:
    first = read_lots(folder, cache=tmp_path / "cache")
    expected = np.array(first.tiles.images)
    path = tmp_path / "cache" / name
    path.write_bytes(path.read_bytes()[:100])
    np.testing.assert_array_equal(
        read_lots(folder, cache=tmp_path / "cache").tiles.images, expected
    )


def test_a_folder_with_other_files_is_never_taken_for_a_cache(folder: Path) -> None:
    with pytest.raises(SettingsError, match="holds other files, as 'AB'"):
        read_lots(folder, cache=folder)
    assert (folder / "AB" / "0000.png").exists()


def test_the_cache_holds_no_pickle_and_its_record_is_json(folder: Path, tmp_path: Path) -> None:
    read_lots(folder, cache=tmp_path / "cache")
    assert json.loads((tmp_path / "cache" / "lots.json").read_text())["schema"] == "matlever-lots/1"
    tiles = np.load(tmp_path / "cache" / "tiles.npy", allow_pickle=False)
    assert tiles.shape == (12, 32, 32)


# -- bad input ------------------------------------------------------------------------------------


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    assert "there is no such folder" in faults_of(tmp_path / "nowhere")[1][0]
    (tmp_path / "empty").mkdir()
    assert "the folder holds no pictures" in faults_of(tmp_path / "empty")[1][0]


def test_tables_that_are_missing_or_many_are_told(folder: Path) -> None:
    (folder / "lots.csv").rename(folder / "first.csv")
    assert len(read_lots(folder).table) == 3
    (folder / "second.csv").write_text(TABLE)
    assert "more than one table: first.csv, second.csv" in faults_of(folder)[1][0]
    assert len(read_lots(folder, lot_table="second.csv").table) == 3
    for name in ("first.csv", "second.csv"):
        (folder / name).unlink()
    assert "there is no lot table" in faults_of(folder)[1][0]


def test_a_lot_with_one_tile_is_named(folder: Path) -> None:
    for i in range(1, 4):
        (folder / "CD" / f"{i:04d}.png").unlink()
    kind, told = faults_of(folder)
    assert kind is NotEnoughDataError
    assert told[0].startswith("CD/: the lot 'CD' has 1 good tile; 2 are least")


def test_a_lot_whose_tiles_were_dropped_is_named_with_the_reasons(folder: Path) -> None:
    for i in range(4):
        save(folder / "CD" / f"{i:04d}.png", np.full((32, 32), 20, dtype=np.uint8))
    kind, told = faults_of(folder)
    assert kind is NotEnoughDataError
    assert "the lot 'CD' has 0 good tiles of 4 (dropped: empty 4)" in told[0]


def test_one_lot_is_not_enough(folder: Path) -> None:
    (folder / "lots.csv").write_text("lot,stress\nAB,1200\n")
    for lot in ("CD", "EF"):
        for path in (folder / lot).iterdir():
            path.unlink()
    kind, told = faults_of(folder)
    assert kind is NotEnoughDataError
    assert "there is 1 lot, 'AB'" in told[0]


def test_an_attribute_that_is_the_same_in_all_lots_is_no_knob(folder: Path) -> None:
    rows = [line + (",shape_expert1" if k == 0 else ",0.4") for k, line in enumerate(TABLE.split())]
    (folder / "lots.csv").write_text("\n".join(rows))
    _, told = faults_of(folder)
    assert "lots.csv, column 'shape': 'shape' is 0.4 in all 3 lots: it cannot be a knob" in told[0]
    assert "attributes=['size']" in told[0]
    assert read_lots(folder, attributes=["size"]).attribute_names == ("size",)


def test_a_missing_value_is_told_with_lot_row_and_column(folder: Path) -> None:
    (folder / "lots.csv").write_text(TABLE.replace("1500", ""))
    _, told = faults_of(folder)
    assert len(told) == 1
    assert told[0].startswith("lots.csv, row 3, column 'stress': lot 'CD': the value is missing")


@pytest.mark.parametrize("size", [(48, 32), (20, 24), (1, 1)])
def test_a_tile_of_another_size_is_named(folder: Path, size: tuple[int, int]) -> None:
    save(folder / "CD" / "odd.png", picture(9, 48, 48)[: size[0], : size[1]])
    _, told = faults_of(folder)
    assert len(told) == 1
    assert told[0].startswith(f"CD/odd.png: it has {size[1]} x {size[0]} pixels")


def test_larger_pictures_are_cut_when_a_size_is_given_and_smaller_ones_named(folder: Path) -> None:
    save(folder / "CD" / "large.png", picture(9, 48, 40))
    assert len(read_lots(folder, tile_px=16, quality=False).tiles) == 12 * 4 + 6
    _, told = faults_of(folder, tile_px=40)
    assert len(told) == 12
    assert told[0].startswith("AB/0000.png: it has 32 x 32 pixels, but a tile has 40 x 40")


def test_pictures_of_many_sizes_need_a_size_of_tiles(folder: Path) -> None:
    for k, path in enumerate(sorted(folder.glob("*/*.png"))):
        save(path, picture(k, 40 + k, 64 + k))
    assert "tile_px=256" in faults_of(folder)[1][0]
    assert len(read_lots(folder, tile_px=32).tiles) == 24


def test_corrupt_files_are_all_named(folder: Path) -> None:
    for name in ("AB/0001.png", "EF/0002.png"):
        path = folder / name
        path.write_bytes(path.read_bytes()[:200])
    (folder / "CD" / "0003.png").write_text("not a picture")
    _, told = faults_of(folder)
    assert sorted(line.split(":")[0] for line in told) == [
        "AB/0001.png",
        "CD/0003.png",
        "EF/0002.png",
    ]


def test_floats_outside_0_1_are_named_with_the_way_out(folder: Path) -> None:
    save(folder / "AB" / "f.tif", picture(1).astype(np.float32))
    _, told = faults_of(folder)
    assert told[0].startswith("AB/f.tif: its pixels are numbers from")
    assert "intensity=(" in told[0]


def test_a_picture_in_colour_among_grey_ones_is_named(folder: Path) -> None:
    save(folder / "AB" / "c.png", np.stack([picture(1), picture(2), picture(3)], axis=2))
    _, told = faults_of(folder)
    assert told[0].startswith("AB/c.png: the picture is in colour, but most are grey")
    lots = read_lots(folder, colour=False)
    assert lots.tiles.channels == 1
    assert len(lots.tiles) == 13


def test_lots_without_tiles_and_tiles_without_a_lot_are_told_together(folder: Path) -> None:
    (folder / "EF").rename(folder / "EG")
    save(folder / "XY_0001.png", picture(1))
    _, told = faults_of(folder)
    assert len(told) == 3
    assert told[0].startswith("EG/: there are 4 pictures, but no lot 'EG' in lots.csv")
    assert told[1].startswith("XY_0001.png: the name begins with no lot of lots.csv")
    assert told[2].startswith("lots.csv, row 4, column 'lot': the lot 'EF' has no tiles")


def test_faults_of_table_folder_and_pictures_are_told_together(folder: Path) -> None:
    (folder / "lots.csv").write_text(TABLE.replace("1500", "") + "GH,1,0.1,0.1\n")
    save(folder / "AB" / "odd.png", picture(9, 48, 48))
    path = folder / "EF" / "0000.png"
    path.write_bytes(path.read_bytes()[:200])
    _, told = faults_of(folder)
    for part in (
        "row 3, column 'stress'",
        "the lot 'GH' has no tiles",
        "AB/odd.png",
        "EF/0000.png",
    ):
        assert any(part in line for line in told), part


@pytest.mark.parametrize(
    "options",
    [
        {"tile_px": 4},
        {"overlap": 1.0},
        {"crop_bottom_px": -1},
        {"crop_bottom_px": "bottom"},
        {"downscale": 0},
        {"intensity": (5, 5)},
    ],
)
def test_options_that_cannot_be_used_are_told(folder: Path, options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(options))):
        read_lots(folder, **options)


# -- memory ---------------------------------------------------------------------------------------

_MEASURE = """
import resource, sys
from matlever.micrographs import read_lots
lots = read_lots(sys.argv[1], tile_px=64, cache=sys.argv[2])
print(len(lots.tiles), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak_mb(folder: Path, cache: Path) -> tuple[int, int]:
    """Return the tiles that a fresh process reads, and its peak memory in MB."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(folder), str(cache)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    n, peak = done.stdout.split()
    return int(n), int(peak)


def many(folder: Path, pictures: int) -> Path:
    """Make two lots of pictures with 100 tiles in each."""
    rows = ["lot,stress,size_expert1"]
    for k in range(2):
        rows.append(f"L{k},{1000 + k},{k / 10}")
        first = folder / f"L{k}" / "0000.png"
        save(first, picture(k, 640, 640))
        for i in range(1, pictures):
            shutil.copy(first, first.with_name(f"{i:04d}.png"))
    (folder / "lots.csv").write_text("\n".join(rows))
    return folder


@pytest.mark.slow
def test_many_tiles_need_no_more_memory_than_few(tmp_path: Path) -> None:
    few, few_mb = peak_mb(many(tmp_path / "few", 3), tmp_path / "few_cache")
    lots, lots_mb = peak_mb(many(tmp_path / "many", 40), tmp_path / "many_cache")
    assert (few, lots) == (600, 8000)
    # 7,400 tiles more are 30 MB of pixels, and 121 MB of them as float32; only names are held.
    assert lots_mb - few_mb < 10, f"{few} tiles: {few_mb} MB, {lots} tiles: {lots_mb} MB"
