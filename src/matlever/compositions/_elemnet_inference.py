"""ElemNet's outputs at nearly the speed of the matrix products inside it.

Each layer is one product with its bias added on the way and its negative values set to zero in
place. Rows go through in batches whose widest layer stays in the processor's caches.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from matlever.compositions.elemnet import ElemNet

__all__ = ["Precision", "dropout_outputs", "faster_precision", "outputs_of"]

Precision = Literal["float32", "bfloat16"]
Array32 = NDArray[np.float32]

_ROWS = 1024


@torch.inference_mode()
def outputs_of(
    networks: Sequence[ElemNet],
    x: Array32,
    *,
    layer: int | None = None,
    precision: Precision = "float32",
    batch_size: int = _ROWS,
) -> list[Array32]:
    """Return what a layer of each network gives out, without dropout.

    Parameters
    ----------
    networks : sequence of ElemNet
        All on one device.
    x : ndarray of shape (n, n_inputs), float32
        Element fractions.
    layer : int, optional
        As in :meth:`ElemNet.activations`; default the properties.
    precision : {"float32", "bfloat16"}
        Of the products of all layers but the first and the last, which are always float32.
    batch_size : int, default=1024
        Rows that go through at once.

    Returns
    -------
    outputs : list of ndarray of shape (n, units), float32
        One for each network.
    """
    found = []
    prepared = [_prepared(network, layer, precision) for network in networks]
    for stages in prepared:
        units = stages[-1][0].shape[1] if stages else x.shape[1]
        found.append(np.empty((len(x), units), dtype=np.float32))
    for start in range(0, len(x), batch_size):
        rows = torch.from_numpy(x[start : start + batch_size])
        for network, stages, out in zip(networks, prepared, found, strict=True):
            h = rows.to(network.device)
            for place, (weight, bias) in enumerate(stages):
                h = torch.addmm(bias, h.to(weight.dtype), weight)
                if place < len(network.layers) - 1:
                    h = h.relu_()
            out[start : start + batch_size] = h.float().cpu().numpy()
    return found


def _prepared(
    network: ElemNet, layer: int | None, precision: Precision
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return weights (inputs, units) and biases of the layers to go through."""
    last = len(network.layers) - 1
    stages = []
    for place, linear in enumerate(network.linear[: last + 1 if layer is None else layer]):
        inside = precision == "bfloat16" and 0 < place < last
        kind = torch.bfloat16 if inside else torch.float32
        stages.append((linear.weight.detach().to(kind).t(), linear.bias.detach().to(kind)))
    return stages


@torch.inference_mode()
def dropout_outputs(networks: Sequence[ElemNet], x: Array32, n_samples: int, seed: int) -> Array32:
    """Return outputs with dropout, of shape (networks * n_samples, n, n_outputs).

    The same seed drops the same units of every row, whatever the batches: one mask a sample.
    """
    found = []
    for place, network in enumerate(networks):
        device = network.device
        for sample in range(n_samples):
            words = np.random.SeedSequence((seed, place, sample)).generate_state(1)
            generator = torch.Generator(device).manual_seed(int(words[0]))
            masks = {
                layer: torch.empty(network.linear[layer].out_features, device=device).bernoulli_(
                    1.0 - share, generator=generator
                )
                / (1.0 - share)
                for layer, share in network.dropped.items()
                if share
            }
            found.append(_masked(network, x, masks))
    return np.stack(found)


def _masked(network: ElemNet, x: Array32, masks: dict[int, torch.Tensor]) -> Array32:
    parts = []
    for start in range(0, len(x), _ROWS):
        h = torch.from_numpy(x[start : start + _ROWS]).to(network.device)
        for place, layer in enumerate(network.linear):
            h = layer(h)
            if place < len(network.layers) - 1:
                h = h.relu_()
            if place in masks:
                h = h * masks[place]
        parts.append(h.cpu().numpy())
    return np.concatenate(parts)


def faster_precision(*, times: float = 1.5) -> Precision:
    """Return bfloat16 where matrix products are at least so many times faster in it.

    A few milliseconds of products of the size of a training step.
    """
    seconds = {}
    for name in ("float32", "bfloat16"):
        kind = torch.float32 if name == "float32" else torch.bfloat16
        a, b = torch.ones((256, 512), dtype=kind), torch.ones((512, 512), dtype=kind)
        runs = []
        for _ in range(8):
            start = time.perf_counter()
            torch.mm(a, b)
            runs.append(time.perf_counter() - start)
        seconds[name] = min(runs)
    return "bfloat16" if seconds["float32"] >= times * seconds["bfloat16"] else "float32"
