"""Training and prediction of crystal graph networks: structures per CPU-second, and memory.

    python benchmarks/_cgcnn_speed.py

prints ours, and the original code beside it where MATLEVER_CGCNN_REPO names its folder (see
`_cgcnn_peer.py`). Epochs of the two alternate, each figure is the median of three; peak memory is
that of a process of its own that trains one epoch.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))

from _cgcnn_peer import BATCH, RATE, Data, Original, perovskites

_ROUNDS = 3


def ours(data: Data) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return functions that train one epoch and predict all training crystals."""
    from matlever.crystals import CGCNN
    from matlever.crystals._cgcnn_batches import GraphTensors
    from matlever.crystals._cgcnn_training import LoopSettings, Training, outputs_of

    torch.manual_seed(0)
    settings = LoopSettings(100, BATCH, RATE, "constant", "squared", 0.0, None, "cpu")
    training = Training(CGCNN(), settings, (0,))
    graphs = GraphTensors.of(data.graphs[data.train])
    y = data.y[data.train]
    targets = torch.from_numpy(((y - y.mean()) / y.std()).astype(np.float32))[:, None]
    rows, nothing = np.arange(len(y)), np.empty(0, dtype=np.intp)
    return (
        lambda: training.epoch(graphs, targets, rows, nothing),
        lambda: outputs_of(training.network, graphs),
    )


def theirs(data: Data) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return the same of the original code, its graphs prepared beforehand as well."""
    original = Original()
    items = original.items(data.graphs, data.y, data.train)
    y = data.y[data.train]
    network = original.new()
    optimiser = torch.optim.Adam(network.parameters(), RATE)
    scale = float(y.mean()), float(y.std())
    return (
        lambda: original.epoch(network, optimiser, items, scale, 0),
        lambda: original.predict(network, items),
    )


def _seconds(run: Callable[[], Any]) -> float:
    begun = time.process_time()
    run()
    return time.process_time() - begun


def _peak(which: str) -> float | None:
    """Return the peak memory above that before the graphs, in MB, of one epoch."""
    found = subprocess.run(
        [sys.executable, __file__, "--memory", which], capture_output=True, text=True, check=False
    )
    return float(json.loads(found.stdout)["mb"]) if found.returncode == 0 else None


def _memory(which: str) -> None:
    """Print the memory that one epoch and one prediction add to what is there before."""
    torch.set_num_threads(1)
    data = perovskites()
    # torch's libraries and the first use of an optimiser are loaded before counting
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here on
    before = _kilobytes("VmRSS")
    train, predict = {"ours": ours, "original": theirs}[which](data)
    train()
    predict()
    print(json.dumps({"mb": (_kilobytes("VmHWM") - before) / 1024}))


def _kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name)))


def cgcnn_speed() -> None:
    """Print structures per CPU-second and peak memory, ours beside the original."""
    data = perovskites()
    runs = {"ours": ours(data)}
    try:
        runs["original"] = theirs(data)
    except FileNotFoundError as missing:
        print(missing)
    n = len(data.train)
    taken: dict[str, list[list[float]]] = {name: [[], []] for name in runs}
    for turn in range(_ROUNDS + 1):
        for name, pair in runs.items():
            for place, run in enumerate(pair):
                seconds = _seconds(run)
                if turn:  # the first round warms up
                    taken[name][place].append(seconds)
    speed = {name: [n / float(np.median(s)) for s in both] for name, both in taken.items()}
    memory = {name: _peak(name) for name in runs}
    print(f"{n} perovskites of 5 atoms, 12 neighbours, batches of {BATCH}, one thread")
    for name, (training, prediction) in speed.items():
        said = "" if memory[name] is None else f", {memory[name]:.0f} MB more at the peak"
        print(f"{name}: {training:,.0f} trained/s, {prediction:,.0f} predicted/s{said}")
    if "original" in speed:
        ratios = [a / b for a, b in zip(speed["ours"], speed["original"], strict=True)]
        print(f"ratio: training {ratios[0]:.2f}, prediction {ratios[1]:.2f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["--memory"]:
        _memory(sys.argv[2])
    else:
        cgcnn_speed()
