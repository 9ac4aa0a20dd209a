"""Train a narrow AttGAN on simulated lots, the anchor that other editors are compared with.

Unconfounded lots of simulated SEM tiles at 64 px; width 16, four levels, published losses, lot
labels only. Stopped or killed, the same command goes on where the last checkpoint was written.

    OMP_NUM_THREADS=1 python benchmarks/train_attgan.py --out attgan --minutes 25
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from matlever.micrographs import AttGANSettings, simulate_sem, train_attgan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the editor")
    parser.add_argument("--minutes", type=float, default=25.0, help="of this run, at most")
    parser.add_argument("--seed", type=int, default=100, help="of the lots and of the training")
    parser.add_argument("--lots", type=int, default=60)
    parser.add_argument("--tiles", type=int, default=80, help="of each lot")
    parser.add_argument("--size", type=int, default=64, help="side of a tile in px")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--epochs", type=float, default=80.0)
    args = parser.parse_args()

    started = time.process_time()
    tiles = simulate_sem(args.lots, args.tiles, args.size, random_state=args.seed).tiles
    print(f"{tiles} simulated in {time.process_time() - started:.0f} s")
    settings = AttGANSettings.narrow(width=args.width, n_epochs=args.epochs)
    clock = time.monotonic()

    def show(done: int, total: int, what: str) -> None:
        if done % 100 == 0:
            print(f"{what} {done} of {total}, {time.monotonic() - clock:.0f} s", flush=True)

    started = time.process_time()
    editor = train_attgan(
        tiles,
        settings,
        folder=args.out.with_name(args.out.name + ".training"),
        random_state=args.seed,
        max_minutes=args.minutes,
        checkpoint_minutes=1.0,
        progress=show,
    )
    editor.save(args.out)
    editor.curves.to_frame().to_csv(args.out / "curves.csv")
    last = {name: float(np.mean(v[-100:])) for name, v in editor.curves.losses.items()}
    same = tiles[:: max(1, len(tiles) // 200)]
    redrawn = editor.render(same, same.attributes[:, None, :])
    report = {
        "cpu_seconds_of_this_run": round(time.process_time() - started),
        "training": editor.training,
        "losses_mean_of_last_100": last,
        "gain_by_own_classifier": dict(zip(editor.names, editor.curves.gain[-1], strict=True)),
        "slope_of_own_classifier": dict(zip(editor.names, editor.curves.slope[-1], strict=True)),
        "reconstruction_l1_of_range": float(np.abs(redrawn.images - same.unit()).mean()),
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
