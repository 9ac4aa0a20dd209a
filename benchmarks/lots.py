"""Lots of simulated tiles: bad ones found, memory, scores on unseen lots, attributes that hide.

    python benchmarks/lots.py                        # all parts, about 75 minutes of one core
    python benchmarks/lots.py --part quality memory

Parts:

- quality: recall and false alarms of the quality filter, tile by tile against the truth;
- memory: peak memory of reading, one round of training and predicting 2,000 and 20,000 tiles, each
  in a process of its own;
- regressor: lots held out, random tiles (the paper's protocol), and both on shuffled lots;
- whole_tiles: the same for 256 px tiles, learned from squares of 64 px, the head from whole tiles;
- lot_model: the same for a model of whole lots;
- recognition: how far the paper's protocol can be taken by recognising lots;
- confounded: what is flagged where facetness falls as size rises, and where it does not.

Every seed here is 1,000 or more: nothing was tuned on them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from matlever.micrographs import (
    ATTRIBUTES,
    LotRegressor,
    LotValidation,
    TileRegressor,
    identifiability,
    lot_texture,
    pool_lots,
    poor_tiles,
    read_lots,
    simulate_sem,
    validate_lots,
)
from matlever.storage import write_json

PARTS = (
    "quality",
    "memory",
    "regressor",
    "whole_tiles",
    "lot_model",
    "recognition",
    "confounded",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path("build/lots"))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    if asked.child:
        child(Path(asked.child))
        return
    for part in asked.part:
        begun = time.process_time()
        {
            "quality": quality,
            "memory": memory,
            "regressor": lambda: regressor(asked.cache),
            "whole_tiles": lambda: whole_tiles(asked.cache),
            "lot_model": lambda: lot_model(asked.cache),
            "recognition": recognition,
            "confounded": confounded,
        }[part]()
        print(f"  ({time.process_time() - begun:.0f} s CPU)", flush=True)


def quality() -> None:
    print("\nquality filter, simulated tiles with 20 % bad ones")
    for side, seeds, n_tiles in ((64, (1001, 1002, 1003), 120), (128, (1004,), 40)):
        for seed in seeds:
            lots = simulate_sem(20, n_tiles, side, bad_share=0.2, random_state=seed)
            found, truth = poor_tiles(lots.tiles) != "", lots.truth.is_bad.to_numpy()
            by_kind = {
                kind: float(found[(lots.truth.bad_kind == kind).to_numpy()].mean())
                for kind in sorted(set(lots.truth.bad_kind) - {""})
            }
            print(
                f"  {side} px, seed {seed}, {len(truth):,} tiles: "
                f"recall {found[truth].mean():.3f}, false alarms {found[~truth].mean():.3%}; "
                + ", ".join(f"{kind} {share:.2f}" for kind, share in by_kind.items())
            )


def memory() -> None:
    print(
        "\npeak memory of a process of its own: reading, one round of training, predicting; 64 px"
    )
    drawn = simulate_sem(10, 50, 64, random_state=1010)
    for n in (600, 2_000, 20_000):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for name in drawn.tiles.lot_names:
                (root / name).mkdir()
            rng = np.random.default_rng(0)
            for i in range(n):
                lot = i % 10
                tile = drawn.tiles.images[50 * lot + (i // 10) % 50]
                shown = np.roll(tile, rng.integers(64), axis=int(rng.integers(2)))
                Image.fromarray(shown).save(root / drawn.tiles.lot_names[lot] / f"{i:06d}.png")
            drawn.table.drop(columns=list(ATTRIBUTES)).to_csv(root / "lots.csv")
            done = subprocess.run(
                [sys.executable, __file__, "--child", str(root)],
                check=True,
                capture_output=True,
                text=True,
            )
            print(f"  {n:6,d} tiles: {done.stdout.strip().splitlines()[-1]}", flush=True)


def child(root: Path) -> None:
    """Read, train, predict, and say how much memory each took at most."""
    watch = Watch()
    begun = time.perf_counter()
    lots = read_lots(root, quality=False, cache=root / "cache")
    rate = len(lots.tiles) / (time.perf_counter() - begun)
    told = [f"reading {watch.most()} MB ({rate:.0f} tiles/s)"]
    model = TileRegressor.compact(epochs=1).fit(lots.tiles, lots.of_tiles("peak_stress_psi"))
    told.append(f"training {watch.most()} MB")
    begun = time.perf_counter()
    model.predict(lots.tiles)
    rate = len(lots.tiles) / (time.perf_counter() - begun)
    told.append(f"predicting {watch.most()} MB ({rate:.0f} tiles/s)")
    print(", ".join(told) + f"; mapped files {watch.field('RssFile')} MB")


class Watch:
    """The most memory of this process's own since it was last asked, looked at 200 times a second.

    Pages of mapped files are not counted: the system takes them back whenever it needs them.
    """

    def __init__(self) -> None:
        self._most = 0
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while True:
            self._most = max(self._most, self.field("RssAnon"))
            time.sleep(0.005)

    @staticmethod
    def field(name: str) -> int:
        """Return a line of the process's status in MB."""
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(name)).split()[1]) // 1024

    def most(self) -> int:
        """Return the most in MB, and begin anew."""
        found, self._most = self._most, 0
        return found


def regressor(cache: Path) -> None:
    print("\ntile regressor, 30 unconfounded lots x 80 tiles of 64 px, seed 1100")
    lots = simulate_sem(30, 80, 64, random_state=1100)
    found = validate_lots(
        TileRegressor.compact(epochs=24),
        lots.tiles,
        lots.of_tiles(),
        name="peak stress",
        checkpoint=cache / "validation",
    )
    told(found, cache / "validation.json")
    print("  averaged with the pooled texture of each lot's tiles")
    told(pool_lots(found, lots.tiles), cache / "pooled.json")


def whole_tiles(cache: Path) -> None:
    print("\ntile regressor, 30 unconfounded lots x 80 tiles of 256 px, seed 1102")
    lots = simulate_sem(30, 80, 256, random_state=1102)
    settings = {"crop": 64, "hidden": 128, "epochs": 60, "head_epochs": 120}
    found = validate_lots(
        TileRegressor.compact(**settings),
        lots.tiles,
        lots.of_tiles(),
        name="peak stress",
        checkpoint=cache / "whole_tiles",
        progress=lambda done, total, what: print(f"  {what} {done} of {total}", flush=True),
    )
    told(found, cache / "whole_tiles.json")


def lot_model(cache: Path) -> None:
    print("\nlot model on pooled texture, 30 unconfounded lots x 24 tiles of 256 px, seed 1100")
    lots = simulate_sem(30, 24, 256, random_state=1100)
    found = validate_lots(LotRegressor(), lots.tiles, lots.of_tiles(), name="peak stress")
    told(found, cache / "lot_model.json")


def recognition() -> None:
    print("\nrandom tiles, the published protocol: 30 lots x 400 tiles of 64 px, seed 1101")
    lots = simulate_sem(30, 400, 64, random_state=1101)
    y, n = lots.of_tiles(), len(lots.tiles)
    held_out = np.random.default_rng(0).permutation(n)[: n // 10]
    rest = np.setdiff1d(np.arange(n), held_out)
    settings = {"hidden": 128, "batch_size": 64, "epochs": 40}
    model = TileRegressor.compact(**settings).fit(lots.tiles[rest], y[rest])
    for name, views in (("one view", 1), ("mean of the eight symmetries", 8)):
        drawn = lots.tiles[held_out]
        made = [model.predict(replace(drawn, images=turned(drawn.images, v))) for v in range(views)]
        error = np.mean(made, axis=0) - y[held_out]
        print(
            f"  {name}: MAPE {100 * np.abs(error / y[held_out]).mean():.2f} %, "
            f"RMSE {np.sqrt((error**2).mean()):.0f} psi"
        )


def turned(images: np.ndarray, view: int) -> np.ndarray:
    """Return tiles in one of the eight symmetries of the square."""
    images = np.rot90(images, view // 2, axes=(1, 2))
    return np.ascontiguousarray(images[:, :, ::-1] if view % 2 else images)


def told(found: LotValidation, path: Path) -> None:
    """Print a validation, and keep it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = found.to_dict()
    write_json(path, document)
    for name, result in document.items():
        if isinstance(result, dict) and "by_lot" in result:
            tile, lot = result["by_tile"], result["by_lot"]
            print(
                f"  {name}: R2 of lots {lot['r2']:.2f} "
                f"[{lot['r2_low']:.2f}, {lot['r2_high']:.2f}], MAPE {lot['mape_percent']:.1f} %; "
                f"tile by tile R2 {tile['r2']:.2f}, MAPE {tile['mape_percent']:.2f} %, "
                f"RMSE {tile['rmse']:.0f} psi (n = {tile['n']:,})"
            )
    print(f"  {found.verdict}")


def confounded() -> None:
    print("\nattributes of 30 lots x 40 tiles: facetness against size")
    for asked, seeds in ((0.7, range(1300, 1310)), (0.0, range(1310, 1330))):
        flagged: list[tuple[str, ...]] = []
        r = []
        for seed in seeds:
            lots = simulate_sem(30, 40, 64, confounding=asked, random_state=seed)
            found = identifiability(lots.table[list(ATTRIBUTES)], lot_texture(lots.tiles))
            flagged.append(found.unclear)
            r.append(found.correlation[0, 3])
        facet = sum("facetness" in names for names in flagged)
        none = sum(not names for names in flagged)
        print(
            f"  asked r = {-asked:g}, found {min(r):.2f} to {max(r):.2f}: facetness flagged in "
            f"{facet} of {len(flagged)} sets of lots, nothing flagged in {none}; flags: "
            f"{sorted(set(flagged))}",
            flush=True,
        )


if __name__ == "__main__":
    main()
