"""How fast ElemNet predicts and trains here, beside this machine's matrix products and the paper.

- predictions per second at full width from a matrix of fractions, through the estimator, against
  what the fastest matrix product of this machine would allow, and against the paper's 2,694/s
  (25,000 in 9.28 s on a CPU),
- the same with torch's module as it comes,
- a training step of several members: one after another against one stack of batched products.

Times are those of the processor, divided by the threads, so that other work on the machine counts
little; the fastest product is looked for before and after each speed that is held against it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from matlever.compositions import ELEMNET_ELEMENTS, ElemNet, ElemNetRegressor

__all__ = ["elemnet_speed"]

PAPER_PER_S = 25_000 / 9.28
N_ROWS = 8192


def elemnet_speed(repeats: int = 5) -> dict[str, float]:
    """Print the speeds and return them by name."""
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} thread(s), least of {repeats} runs"
    )
    found: dict[str, float] = {}
    x = np.random.default_rng(0).dirichlet(np.full(len(ELEMNET_ELEMENTS), 0.05), N_ROWS)
    for precision in ("float32", "bfloat16"):
        print(f"{precision}:")
        for width in (1.0, 0.5, 0.25):
            model = fitted(width, precision)
            flop = 2 * sum(layer.weight.numel() for layer in model.networks_[0].linear)
            before = matmul_limit(precision, repeats)
            seconds = least(lambda model=model: model.predict(x), repeats)
            limit = max(before, matmul_limit(precision, repeats))
            speed, share = N_ROWS / seconds, flop * N_ROWS / seconds / limit
            found[f"predictions/s, width {width:g}, {precision}"] = speed
            found[f"share of the limit, width {width:g}, {precision}"] = share
            print(
                f"  width {width:<5g} {speed:>10,.0f} predictions/s  {share:6.1%} of the "
                f"fastest product ({limit / 1e9:.0f} GFLOP/s)  "
                f"{speed / PAPER_PER_S:6.1f} x the paper's CPU"
            )
    module = fitted(1.0, "float32").networks_[0]
    rows = torch.from_numpy(x.astype(np.float32))
    with torch.inference_mode():
        speed = N_ROWS / least(lambda: module(rows), repeats)
    print(f"  torch's module on all rows at once, full width, float32: {speed:,.0f} predictions/s")
    found["module, predictions/s"] = speed
    found |= member_steps(repeats)
    return found


def matmul_limit(precision: str, repeats: int) -> float:
    """Return the most floating-point operations per second of a product of square matrices."""
    kind = torch.float32 if precision == "float32" else torch.bfloat16
    best = 0.0
    for size in (512, 1024, 2048):
        a, b = torch.randn(size, size).to(kind), torch.randn(size, size).to(kind)
        out = torch.empty(size, size, dtype=kind)
        seconds = least(lambda a=a, b=b, out=out: torch.mm(a, b, out=out), 3 * repeats)
        best = max(best, 2 * size**3 / seconds)
    return best


def fitted(width: float, precision: str) -> ElemNetRegressor:
    """Return a regressor of this width that was trained for one step; weights do not matter."""
    x = np.eye(len(ELEMNET_ELEMENTS))
    settings = {"epochs": 1, "least_steps": 1, "validation_share": 0.0, "batch_size": 86}
    return ElemNetRegressor(width=width, precision=precision, **settings).fit(x, np.arange(86.0))


def member_steps(repeats: int, n_members: int = 4, batch: int = 256) -> dict[str, float]:
    """Print the time of a training step of several members, in sequence and stacked."""
    found = {}
    for width in (0.25, 0.5):
        networks = [ElemNet(width=width, dropout=(0.0,) * 4) for _ in range(n_members)]
        sizes = [86, *(layer.out_features for layer in networks[0].linear)]
        stacked = [
            (
                torch.randn(n_members, a, b).mul_((2 / a) ** 0.5).requires_grad_(),
                torch.zeros(n_members, 1, b).requires_grad_(),
            )
            for a, b in pairwise(sizes)
        ]
        x = torch.rand(n_members, batch, 86)
        y = torch.rand(n_members, batch, 1)
        optimisers = [torch.optim.AdamW(n.parameters(), 1e-5, fused=True) for n in networks]
        together = torch.optim.AdamW([p for pair in stacked for p in pair], 1e-5, fused=True)

        one = least(partial(in_sequence, networks, optimisers, x, y), 2 * repeats)
        other = least(partial(as_a_stack, stacked, together, x, y), 2 * repeats)
        print(
            f"training step of {n_members} members, width {width:g}, batch {batch}: "
            f"in sequence {1e3 * one:.1f} ms, stacked {1e3 * other:.1f} ms ({other / one:.2f} x)"
        )
        found[f"stacked / in sequence, width {width:g}"] = other / one
    return found


def in_sequence(
    networks: list[ElemNet], optimisers: list[Any], x: torch.Tensor, y: torch.Tensor
) -> None:
    """Make one step of each member."""
    for place, (network, optimiser) in enumerate(zip(networks, optimisers, strict=True)):
        optimiser.zero_grad()
        (network(x[place]) - y[place]).abs().mean().backward()
        optimiser.step()


def as_a_stack(stacked: list[Any], optimiser: Any, x: torch.Tensor, y: torch.Tensor) -> None:
    """Make one step of all members together."""
    h = x
    for place, (weight, bias) in enumerate(stacked):
        h = torch.baddbmm(bias, h, weight)
        if place < len(stacked) - 1:
            h = torch.relu(h)
    optimiser.zero_grad()
    (h - y).abs().mean(dim=(1, 2)).sum().backward()
    optimiser.step()


def least(call: Callable[[], object], repeats: int) -> float:
    """Return the least seconds of several calls, after one that does not count."""
    call()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return min(seconds) / torch.get_num_threads()
