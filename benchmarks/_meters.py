"""The two meters with which benchmarks score editors of simulated tiles.

They learn from exact attributes of tiles of unconfounded lots under seeds of their own (500 to
599), which no editor, no regressor and no score uses.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from matlever.exceptions import ModelFileError
from matlever.micrographs import NetworkMeter, TextureMeter
from matlever.micrographs.simulate import simulate_sem

SEED = 502
N_LOTS, N_TILES, N_EPOCHS = 300, 40, 16


def benchmark_meters(cache_folder: str | Path, size: int = 64) -> tuple[NetworkMeter, TextureMeter]:
    """Return the network meter and the texture meter, trained now or read from `cache_folder`."""
    root = Path(cache_folder)
    network, texture = root / f"network_{size}", root / f"texture_{size}"
    try:
        return NetworkMeter.load(network), TextureMeter.load(texture)
    except ModelFileError:
        pass
    print(f"drawing {N_LOTS} lots x {N_TILES} tiles of {size} px, seed {SEED}", flush=True)
    lots = simulate_sem(N_LOTS, N_TILES, size, random_state=SEED)
    truth = lots.truth[list(lots.attribute_names)].to_numpy()
    begun = time.process_time()

    def progress(done: int, all_: int, what: str) -> None:
        print(f"{what}: {done} of {all_}, {time.process_time() - begun:.0f} s CPU", flush=True)

    by_texture = TextureMeter(random_state=SEED).fit(lots.tiles, truth, progress=progress)
    by_texture.save(texture)
    print(by_texture, flush=True)
    meter = NetworkMeter(n_epochs=N_EPOCHS, random_state=SEED)
    by_network = meter.fit(lots.tiles, truth, progress=progress)
    by_network.save(network)
    print(by_network, flush=True)
    return by_network, by_texture


if __name__ == "__main__":
    benchmark_meters(sys.argv[1] if len(sys.argv) > 1 else "build/meters")
