"""The editor that ships with the package: taught, calibrated, scored, written.

    python benchmarks/train_demo_editor.py

60 simulated lots (seed 100, attributes of lots not confounded) of 250 tiles of 64 px, lot labels
only. Teaching takes 16,000 steps, about 70 minutes of one core, and goes on where it was stopped.
Edits are calibrated with a meter that learned from other lots (seed 101). Seeds below 1,000 are for
making; scores use others, see ``benchmarks/editors.py``.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from matlever.exceptions import ModelFileError
from matlever.micrographs import (
    FlowEditor,
    FlowSettings,
    NetworkMeter,
    calibrate_flow_editor,
    simulate_sem,
    train_flow,
)
from matlever.micrographs.editing.demo import DEMO_FOLDER

SEED, N_LOTS, N_TILES, SIDE_PX = 100, 60, 250, 64
STEPS = 16_000
METER_SEED, METER_LOTS, METER_TILES, METER_EPOCHS = 101, 150, 40, 14


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/demo_editor"))
    parser.add_argument("--out", type=Path, default=DEMO_FOLDER)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    lots = simulate_sem(N_LOTS, N_TILES, SIDE_PX, random_state=SEED)
    print(f"{lots}, seed {SEED}", flush=True)
    flow = train_flow(
        lots.tiles,
        FlowSettings(steps=STEPS),
        folder=asked.work / "training",
        card={"simulated": True, "seed": SEED},
        progress=Printer(every=500),
    )
    meter = calibration_meter(asked.work / "meter")
    print(f"calibrating with {meter}", flush=True)
    editor = calibrate_flow_editor(FlowEditor(flow), lots.tiles, meter, progress=Printer(every=1))
    editor.save(asked.out)
    for name, value in editor.card["calibration"].items():
        print(f"  {name}: {value}")
    size = sum(path.stat().st_size for path in asked.out.iterdir()) / 1e6
    print(f"{asked.out}: {size:.2f} MB")


def calibration_meter(folder: Path) -> NetworkMeter:
    """Return the meter that edits are calibrated with, trained now or read from `folder`."""
    try:
        return NetworkMeter.load(folder)
    except ModelFileError:
        lots = simulate_sem(METER_LOTS, METER_TILES, SIDE_PX, random_state=METER_SEED)
        truth = lots.truth[list(lots.attribute_names)].to_numpy()
        meter = NetworkMeter(n_epochs=METER_EPOCHS, random_state=METER_SEED)
        meter.fit(lots.tiles, truth, progress=Printer(every=200))
        meter.save(folder)
        return meter


class Printer:
    """Says how far a long step is, every so many counts."""

    def __init__(self, every: int) -> None:
        self.every, self.begun = every, time.monotonic()

    def __call__(self, done: int, total: int, what: str) -> None:
        """Say it, where it is time."""
        if done % self.every == 0:
            seconds = time.monotonic() - self.begun
            print(f"{done:6d} of {total} {seconds:6.0f} s  {what}", flush=True)


if __name__ == "__main__":
    main()
