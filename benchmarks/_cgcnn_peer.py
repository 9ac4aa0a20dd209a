"""The original crystal graph network's own code, where it is at hand, on the same graphs.

The code is no package and is not copied here. Clone github.com/txie-93/cgcnn and name the folder:

    git clone https://github.com/txie-93/cgcnn
    MATLEVER_CGCNN_REPO=cgcnn python benchmarks/_cgcnn_peer.py

prints the error of the original and of ours on the test half of perov_5 after as many epochs, and
that both networks are one function on copied weights. `benchmarks/crystals.py` runs it as well.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from matlever.crystals import CGCNN, CGCNNRegressor, CrystalGraphs, crystal_graphs, read_crystals

N_EPOCHS, BATCH, RATE = 14, 64, 0.01
RATES = (0.01, 0.003, 0.001)  # constant, of Adam: the original is run at each
HOW_TO_GET = (
    "The original code is not at hand: clone github.com/txie-93/cgcnn and set "
    "MATLEVER_CGCNN_REPO to its folder."
)


@dataclass(frozen=True)
class Data:
    """Perovskites as graphs, with rows to train on and rows to predict."""

    graphs: CrystalGraphs
    y: np.ndarray
    train: np.ndarray
    test: np.ndarray


def perovskites() -> Data:
    """Return the two halves of perov_5 (MATLEVER_DATA names the folder with tables/)."""
    here = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("MATLEVER_DATA", here))
    crystals, table = read_crystals(folder / "tables" / "crystals_perov_5.npz")
    split = table["split"].to_numpy().astype(str)
    train, test = (np.flatnonzero(split == name) for name in ("val", "test"))
    return Data(crystal_graphs(crystals), table["heat_all"].to_numpy(float), train, test)


class Original:
    """The original network, its collate function and its table of elements."""

    def __init__(self) -> None:
        repository = os.environ.get("MATLEVER_CGCNN_REPO")
        if not repository:
            raise FileNotFoundError(HOW_TO_GET)
        root = Path(repository)
        places = (root / "data" / "sample-regression", root)
        found = [
            place / "atom_init.json" for place in places if (place / "atom_init.json").exists()
        ]
        if not found or not (root / "cgcnn" / "model.py").exists():
            raise FileNotFoundError(HOW_TO_GET)
        sys.path.insert(0, str(root))
        from cgcnn.data import GaussianDistance, collate_pool
        from cgcnn.model import CrystalGraphConvNet

        table = json.loads(found[0].read_text())
        self.elements = {int(z): np.array(row, dtype=float) for z, row in table.items()}
        self.n_features = len(self.elements[1])
        self.expand = GaussianDistance(dmin=0, dmax=8, step=0.2).expand
        self.network, self.collate = CrystalGraphConvNet, collate_pool

    def items(self, graphs: CrystalGraphs, y: np.ndarray, rows: np.ndarray) -> list[Any]:
        """Return the rows as the original's data set gives them."""
        found = []
        for row in rows:
            atoms = slice(int(graphs.offsets[row]), int(graphs.offsets[row + 1]))
            features = np.vstack([self.elements[int(z)] for z in graphs.numbers[atoms]])
            found.append(
                (
                    (
                        torch.Tensor(features),
                        torch.Tensor(self.expand(graphs.distances[atoms].astype(float))),
                        torch.LongTensor(graphs.neighbours[atoms] - atoms.start),
                    ),
                    torch.Tensor([float(y[row])]),
                    str(row),
                )
            )
        return found

    def new(self, seed: int = 0) -> Any:
        """Return an untrained network of the published sizes."""
        torch.manual_seed(seed)
        return self.network(self.n_features, 41, atom_fea_len=64, n_conv=3, h_fea_len=128, n_h=1)

    def epoch(self, network: Any, optimiser: Any, items: list[Any], scale: Any, seed: int) -> None:
        """Train one round, as in the original's main.py."""
        mean, sd = scale
        network.train()
        order = np.random.default_rng(seed).permutation(len(items))
        for start in range(0, len(order), BATCH):
            batch, target, _ = self.collate([items[i] for i in order[start : start + BATCH]])
            loss = torch.nn.functional.mse_loss(network(*batch), (target - mean) / sd)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    @torch.no_grad()
    def predict(self, network: Any, items: list[Any]) -> np.ndarray:
        """Return standardised predictions, batch by batch."""
        network.eval()
        parts = []
        for start in range(0, len(items), BATCH):
            batch, _, _ = self.collate(items[start : start + BATCH])
            parts.append(network(*batch)[:, 0].numpy())
        return np.concatenate(parts)


def copied(original: Original, network: Any) -> CGCNN:
    """Return our network with the weights of the original."""
    ours = CGCNN(atom_features="embedding")
    theirs = network.state_dict()
    names = {"fc_full": "linear", "bn1": "edge_norm", "bn2": "atom_norm"}
    state = ours.state_dict()
    for name, value in theirs.items():
        if name.startswith("convs."):
            _, layer, part, what = name.split(".")
            state[f"convolutions.{layer}.{names[part]}.{what}"] = value
    for what in ("weight", "bias"):
        state[f"hidden.0.{what}"] = theirs[f"conv_to_fc.{what}"]
        state[f"output.{what}"] = theirs[f"fc_out.{what}"]
    table = torch.zeros(len(state["embedding.weight"]), original.n_features)
    for z, row in original.elements.items():
        table[z] = torch.from_numpy(row)
    state["embedding.weight"] = table @ theirs["embedding.weight"].T + theirs["embedding.bias"]
    ours.load_state_dict(state)
    return ours.eval()


def cgcnn_peer(n_seeds: int = 1) -> None:
    """Print errors and times of the original and of ours after as many epochs."""
    from matlever.crystals._cgcnn_batches import GraphTensors
    from matlever.crystals._cgcnn_training import outputs_of

    original, data = Original(), perovskites()
    train = original.items(data.graphs, data.y, data.train)
    test = original.items(data.graphs, data.y, data.test)
    truth = data.y[data.test]
    scale = float(data.y[data.train].mean()), float(data.y[data.train].std())
    print(
        f"perov_5, heat_all: {len(train)} train, {len(test)} test, {N_EPOCHS} epochs, "
        f"batches of {BATCH}, Adam; error in eV per cell, CPU s of the training"
    )
    tests = GraphTensors.of(data.graphs[data.test])
    constant = {"schedule": "constant", "loss": "squared", "batch_size": BATCH}
    ways = {
        f"ours, constant rate {RATE}": {**constant, "learning_rate": RATE},
        "ours, one cycle": {"batch_size": BATCH},
        "ours, one cycle, batches of 128": {"batch_size": 128},
    }
    for seed in range(n_seeds):
        for rate in RATES:
            begun = time.process_time()
            network = original.new(seed)
            optimiser = torch.optim.Adam(network.parameters(), rate)
            for epoch in range(N_EPOCHS):
                original.epoch(network, optimiser, train, scale, 1000 * seed + epoch)
            seconds = time.process_time() - begun
            found = original.predict(network, test) * scale[1] + scale[0]
            error = np.abs(found - truth).mean()
            said = f"original, constant rate {rate} {error:.4f} ({seconds:.1f} s)"
            print(f"seed {seed}: {said}", flush=True)
        same = outputs_of(copied(original, network), tests)[:, 0].numpy() * scale[1] + scale[0]
        print(f"seed {seed}: largest difference on copied weights {np.abs(same - found).max():.1e}")
        for name, settings in ways.items():
            begun = time.process_time()
            model = CGCNNRegressor(n_epochs=N_EPOCHS, random_state=seed, **settings)
            model.fit(data.graphs[data.train], data.y[data.train])
            seconds = time.process_time() - begun
            error = np.abs(model.predict(data.graphs[data.test]) - truth).mean()
            print(f"seed {seed}: {name} {error:.4f} ({seconds:.1f} s)", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    try:
        cgcnn_peer(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    except FileNotFoundError as missing:
        print(missing)
