"""Thirty networks at once against one after another.

Ten folds x three targets of the nanorod protocol (9,100 augmented rows, 8,190 in training each),
3-64-64-1 networks, Adam: our stacked training against a plain torch loop and against scikit-learn's
MLPRegressor, all in this process. The peers train `--peer-networks` of the 30 networks for
`--peer-epochs` epochs; their figures are the time per step of one network times 30. Runs alternate,
and the ratios are medians over the rounds, so that other load on the machine hits all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import sklearn
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

from matlever.tables.simulate import simulate_nanorods
from matlever.tables.smote_reg import SmoteReg
from matlever.training import Member, StackedNetwork, TrainingSettings, train_stacked

N_FOLDS, HIDDEN = 10, (64, 64)


def nanorod_protocol():
    """Return z-scored inputs (9100, 3), targets (9100, 3) and training rows of each fold."""
    table = simulate_nanorods().to_numpy()
    x, y = SmoteReg(random_state=0).fit_resample(table[:, :3], table[:, 3:])
    x, y = (x - x.mean(0)) / x.std(0), (y - y.mean(0)) / y.std(0)
    folds = [train for train, _ in KFold(N_FOLDS, shuffle=True, random_state=0).split(x)]
    return x, y, folds


def seconds_stacked(x, y, folds, batch_size, n_steps):
    """Return the seconds per step of all 30 networks, and their mean squared error."""
    members = [
        Member(0, target, rows, (fold, target))
        for fold, rows in enumerate(folds)
        for target in range(y.shape[1])
    ]
    start = time.perf_counter()
    network = StackedNetwork(n_members=len(members), n_inputs=x.shape[1], hidden=HIDDEN)
    network.initialise([np.random.default_rng((0, *m.seed)) for m in members])
    settings = TrainingSettings(n_steps=n_steps, batch_size=batch_size)
    train_stacked(network, x[None], y[None], members, settings)
    seconds = time.perf_counter() - start
    with torch.no_grad():
        output = network(torch.as_tensor(x, dtype=torch.float32))[:, :, 0].numpy()
    error = np.mean([(output[i, m.rows] - y[m.rows, m.target]) ** 2 for i, m in enumerate(members)])
    return seconds / n_steps, float(error)


def seconds_torch(x, y, rows, batch_size, n_epochs):
    """Return the seconds per step of one network in a plain torch loop."""
    data = torch.as_tensor(x[rows], dtype=torch.float32)
    target = torch.as_tensor(y[rows], dtype=torch.float32)[:, None]
    start = time.perf_counter()
    widths = [x.shape[1], *HIDDEN]
    layers = [
        layer
        for n_in, n_out in pairwise(widths)
        for layer in (torch.nn.Linear(n_in, n_out), torch.nn.ReLU())
    ]
    model = torch.nn.Sequential(*layers, torch.nn.Linear(widths[-1], 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loss_of = torch.nn.MSELoss()
    n_steps = 0
    for _ in range(n_epochs):
        order = torch.randperm(len(data))
        for first in range(0, len(data), batch_size):
            chosen = order[first : first + batch_size]
            optimizer.zero_grad()
            loss = loss_of(model(data[chosen]), target[chosen])
            loss.backward()
            optimizer.step()
            n_steps += 1
    return (time.perf_counter() - start) / n_steps


def seconds_sklearn(x, y, rows, batch_size, n_epochs):
    """Return the seconds per step of one network in scikit-learn's MLPRegressor."""
    model = MLPRegressor(
        hidden_layer_sizes=HIDDEN,
        batch_size=batch_size,
        alpha=0.0,
        max_iter=n_epochs,
        tol=0.0,
        random_state=0,
    )
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x[rows], y[rows])
    return (time.perf_counter() - start) / (n_epochs * -(-len(rows) // batch_size))


def compare(x, y, folds, batch_size, options):
    """Return the seconds per step of all networks, ours and the peers', over alternating rounds."""
    n_networks = N_FOLDS * y.shape[1]
    ours, loop, mlp = [], [], []
    for _ in range(options.rounds):
        per_step, error = seconds_stacked(x, y, folds, batch_size, options.steps)
        ours.append(per_step)
        chosen = [(folds[i % N_FOLDS], i % y.shape[1]) for i in range(options.peer_networks)]
        for peer, seconds in ((seconds_torch, loop), (seconds_sklearn, mlp)):
            one = [peer(x, y[:, t], rows, batch_size, options.peer_epochs) for rows, t in chosen]
            seconds.append(n_networks * statistics.mean(one))
    median = statistics.median
    return {
        "stacked_ms_per_step": 1e3 * median(ours),
        "torch_loop_ms_per_step": 1e3 * median(loop),
        "sklearn_ms_per_step": 1e3 * median(mlp),
        "times_torch_loop": median(b / a for a, b in zip(ours, loop, strict=True)),
        "times_sklearn": median(b / a for a, b in zip(ours, mlp, strict=True)),
        "mse": error,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1000, help="steps of ours in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[32, 128])
    parser.add_argument("--peer-networks", type=int, default=1)
    parser.add_argument("--peer-epochs", type=int, default=2)
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="threads for all three")
    parser.add_argument("--quick", action="store_true", help="300 steps, 3 rounds, 1 epoch")
    parser.add_argument("--json", type=Path, default=None, help="write the figures here")
    options = parser.parse_args()
    if options.quick:
        options.steps, options.rounds, options.peer_epochs = 300, 3, 1
    x, y, folds = nanorod_protocol()
    n_networks = N_FOLDS * y.shape[1]
    print(
        f"{n_networks} networks 3-64-64-1, {len(folds[0])} training rows each (simulated nanorods, "
        f"SMOTE-REG), torch {torch.__version__}, scikit-learn {sklearn.__version__}, "
        f"{os.cpu_count()} CPUs.\nOurs: {options.steps} steps of all {n_networks}. Peers: "
        f"{options.peer_networks} network(s), {options.peer_epochs} epoch(s), seconds per step x "
        f"{n_networks}. Medians of {options.rounds} alternating rounds."
    )
    seconds_stacked(x, y, folds, 32, 20)  # warm up
    seconds_torch(x, y[:, 0], folds[0][:320], 32, 1)
    figures = []
    for threads in options.threads:
        torch.set_num_threads(threads)
        for batch_size in options.batch_sizes:
            with threadpool_limits(threads, user_api="blas"):
                found = compare(x, y, folds, batch_size, options)
            figures.append({"threads": threads, "batch_size": batch_size, **found})
            print(
                f"{threads} thread(s), batch {batch_size:3d}, ms per step of all {n_networks}: "
                f"stacked {found['stacked_ms_per_step']:.2f}, "
                f"torch loop {found['torch_loop_ms_per_step']:.1f}, "
                f"MLPRegressor {found['sklearn_ms_per_step']:.1f} -> "
                f"{found['times_torch_loop']:.1f} x the torch loop, "
                f"{found['times_sklearn']:.1f} x scikit-learn"
            )
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
